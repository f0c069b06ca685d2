//! Tiny random models for tests.

use std::ops::ControlFlow;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::base::{Base, Precision};
use super::lora::{Adapter, LoraConfig, Target};
use super::optimizer::OptimizerConfig;
use super::pack::Row;
use super::trainer::Trainer;
use crate::failure::Result;
use crate::model::{Architecture, DecoderConfig, TensorName, TensorSource, Windows};

/// Two layers, grouped heads, a tied head, no biases.
pub(super) fn llama() -> DecoderConfig {
    DecoderConfig {
        architecture: Architecture::Llama,
        vocab_size: 53,
        hidden_size: 64,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        ffn_size: 128,
        rope_base: 10_000.0,
        rope_factors: None,
        norm_eps: 1e-5,
        qkv_bias: false,
        tied_head: true,
        context_length: 512,
        embedding_scale: 1.0,
        score_scale: None,
        windows: None,
    }
}

/// Two layers, biases, an untied head, scaled rope, heads wider than the residual stream, and
/// widths that are no multiple of an NF4 block.
pub(super) fn qwen2() -> DecoderConfig {
    DecoderConfig {
        architecture: Architecture::Qwen2,
        vocab_size: 71,
        hidden_size: 40,
        layers: 2,
        heads: 6,
        kv_heads: 2,
        head_dim: 8,
        ffn_size: 72,
        rope_base: 1_000_000.0,
        rope_factors: Some(vec![1.0, 1.5, 2.0, 4.0]),
        norm_eps: 1e-6,
        qkv_bias: true,
        tied_head: false,
        context_length: 512,
        embedding_scale: 1.0,
        score_scale: None,
        windows: None,
    }
}

/// As [`llama`], but every layer sees nine tokens only.
pub(super) fn mistral() -> DecoderConfig {
    let windows = Windows { tokens: 9, layers: vec![true; 2], rope_base: None };
    DecoderConfig { windows: Some(windows), ..llama() }
}

/// Normalized heads that are not a share of the residual stream, an untied head, and a window in
/// the last layer, wider than a block of queries.
pub(super) fn qwen3() -> DecoderConfig {
    DecoderConfig {
        architecture: Architecture::Qwen3,
        vocab_size: 61,
        hidden_size: 40,
        heads: 4,
        kv_heads: 2,
        head_dim: 24,
        ffn_size: 64,
        rope_factors: None,
        qkv_bias: false,
        windows: Some(Windows { tokens: 66, layers: vec![false, true], rope_base: None }),
        ..qwen2()
    }
}

/// Two layers with a small window and a rotary base of their own before one without, scaled rope,
/// scaled embeddings, and scores scaled by other than the width of a head.
pub(super) fn gemma3() -> DecoderConfig {
    DecoderConfig {
        architecture: Architecture::Gemma3,
        vocab_size: 59,
        hidden_size: 48,
        layers: 3,
        heads: 4,
        kv_heads: 1,
        head_dim: 16,
        ffn_size: 96,
        rope_base: 1_000_000.0,
        rope_factors: Some(vec![8.0; 8]),
        norm_eps: 1e-6,
        embedding_scale: 0.75,
        score_scale: Some(1.0 / 24.0f32.sqrt()),
        windows: Some(Windows {
            tokens: 7,
            layers: vec![true, true, false],
            rope_base: Some(10_000.0),
        }),
        ..llama()
    }
}

/// One of each.
pub(super) fn families() -> [DecoderConfig; 5] {
    [llama(), mistral(), qwen2(), qwen3(), gemma3()]
}

/// Random weights of about the size that training gives.
pub(super) struct Source {
    config: DecoderConfig,
    seed: u64,
}

impl Source {
    pub(super) fn new(config: &DecoderConfig, seed: u64) -> Self {
        Self { config: config.clone(), seed }
    }
}

impl TensorSource for Source {
    fn read(&mut self, name: TensorName) -> Result<Vec<f32>> {
        let (rows, columns) = name.shape(&self.config);
        let (len, middle, width) = match name {
            TensorName::Embedding | TensorName::Head => (rows * columns, 0.0, 0.5),
            name if name.is_norm() => (rows, 1.0, 0.3),
            _ => (rows * columns, 0.0, 0.3),
        };
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let stream: u64 = name
            .hugging_face(&self.config)
            .bytes()
            .map(u64::from)
            .fold(7, |all, byte| all.wrapping_mul(0x0100_0000_01b3).wrapping_add(byte));
        random.set_stream(stream);
        Ok((0..len).map(|_| middle + random.random_range(-width..width)).collect())
    }
}

/// Loads a random model.
pub(super) fn load(config: &DecoderConfig, seed: u64) -> Base {
    load_in(config, seed, Precision::F32)
}

/// A loaded toy model whose products are in the given precision.
pub(super) fn load_in(config: &DecoderConfig, seed: u64, precision: Precision) -> Base {
    let mut on = |_| ControlFlow::Continue(());
    Base::load(config, &mut Source::new(config, seed), precision, &mut on).unwrap().unwrap()
}

/// An adapter whose B is not zero.
pub(super) fn adapter(decoder: &DecoderConfig, targets: &[Target], rank: usize) -> Adapter {
    let config = LoraConfig {
        rank,
        alpha: 1.5 * rank as f32,
        rank_stabilized: false,
        targets: targets.to_vec(),
        seed: 11,
    };
    let mut adapter = Adapter::new(decoder, &config);
    for (i, value) in adapter.values_mut().iter_mut().enumerate() {
        *value += (i as f32 * 1.7).sin() * 0.1;
    }
    adapter
}

/// A trainer of a copy of the adapter, the optimizer as it is unless told otherwise.
pub(super) fn trainer<'a>(base: &'a Base, adapter: &Adapter, micro_tokens: usize) -> Trainer<'a> {
    Trainer::new(base, adapter.clone(), OptimizerConfig::default(), micro_tokens)
}

/// Random rows of the given lengths; about the second half of each is labels.
pub(super) fn rows(config: &DecoderConfig, lengths: &[usize], seed: u64) -> Vec<Row> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    lengths
        .iter()
        .map(|length| Row {
            ids: (0..*length).map(|_| random.random_range(0..config.vocab_size as u32)).collect(),
            labels: (0..*length).map(|i| i * 2 + 1 >= *length || i % 5 == 3).collect(),
        })
        .collect()
}
