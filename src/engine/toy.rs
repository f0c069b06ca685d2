//! Tiny random models for tests.

use std::ops::ControlFlow;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::base::{Base, Precision};
use super::pack::Row;
use crate::failure::Result;
use crate::model::{Architecture, DecoderConfig, TensorName, TensorSource};

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
    }
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
        let c = &self.config;
        let (hidden, query, kv) = (c.hidden_size, c.query_size(), c.kv_size());
        let (len, middle, width) = match name {
            TensorName::Embedding | TensorName::Head => (c.vocab_size * hidden, 0.0, 0.5),
            TensorName::FinalNorm | TensorName::AttentionNorm(_) | TensorName::FfnNorm(_) => {
                (hidden, 1.0, 0.3)
            }
            TensorName::Query(_) | TensorName::Output(_) => (query * hidden, 0.0, 0.3),
            TensorName::Key(_) | TensorName::Value(_) => (kv * hidden, 0.0, 0.3),
            TensorName::QueryBias(_) => (query, 0.0, 0.3),
            TensorName::KeyBias(_) | TensorName::ValueBias(_) => (kv, 0.0, 0.3),
            TensorName::Gate(_) | TensorName::Up(_) | TensorName::Down(_) => {
                (c.ffn_size * hidden, 0.0, 0.3)
            }
        };
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let stream: u64 = name
            .to_string()
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
