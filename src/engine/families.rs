//! Families beside candle's own models of them, which were written from other sources.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::{gemma3, qwen3};

use super::base::{Base, Group};
use super::loss::{self, HeadScratch};
use super::pack::Packed;
use super::score::Forward;
use super::toy;
use crate::model::{DecoderConfig, TensorName};

/// What the base holds, under the names and in the form of a Hugging Face folder.
fn stored(base: &Base) -> VarBuilder<'static> {
    let config = base.config();
    let group = |layer: usize, group: Group, first: usize, len: usize| {
        let mut rows = vec![0.0; len];
        base.matrix(layer, group).rows(first, &mut rows);
        rows
    };
    let mut tensors = HashMap::new();
    for name in TensorName::all(config) {
        let (rows, columns) = name.shape(config);
        let len = rows * columns;
        let (query, kv) = (config.query_size(), config.kv_size());
        let mut values = match name {
            TensorName::Embedding => {
                let ids: Vec<u32> = (0..config.vocab_size as u32).collect();
                let mut table = vec![0.0; len];
                base.embed(&ids, &mut table);
                table.iter().map(|value| value / config.embedding_scale).collect()
            }
            TensorName::Head => {
                let mut table = vec![0.0; len];
                base.head().read(0, &mut table);
                table
            }
            TensorName::FinalNorm => base.final_norm().to_vec(),
            TensorName::AttentionNorm(i) => base.layer(i).attention_norm.clone(),
            TensorName::FfnNorm(i) => base.layer(i).ffn_norm.clone(),
            TensorName::PostAttentionNorm(i) => {
                base.layer(i).post_norms.clone().unwrap()[0].clone()
            }
            TensorName::PostFfnNorm(i) => base.layer(i).post_norms.clone().unwrap()[1].clone(),
            TensorName::QueryNorm(i) => base.layer(i).head_norms.clone().unwrap()[0].clone(),
            TensorName::KeyNorm(i) => base.layer(i).head_norms.clone().unwrap()[1].clone(),
            TensorName::QueryBias(_) | TensorName::KeyBias(_) | TensorName::ValueBias(_) => {
                unreachable!("none of these families has biases")
            }
            TensorName::Query(i) => group(i, Group::Attention, 0, len),
            TensorName::Key(i) => group(i, Group::Attention, query, len),
            TensorName::Value(i) => group(i, Group::Attention, query + kv, len),
            TensorName::Output(i) => group(i, Group::Output, 0, len),
            TensorName::Gate(i) => group(i, Group::Ffn, 0, len),
            TensorName::Up(i) => group(i, Group::Ffn, config.ffn_size, len),
            TensorName::Down(i) => group(i, Group::Down, 0, len),
        };
        if name.is_norm() && config.architecture.has_post_norms() {
            for value in &mut values {
                *value -= 1.0;
            }
        }
        let shape = if columns == 1 { vec![rows] } else { vec![rows, columns] };
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        tensors.insert(name.hugging_face(config), tensor);
    }
    VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
}

/// Compares logits after the last token of rows of several lengths.
fn check(config: &DecoderConfig, mut theirs: impl FnMut(&Base, &Tensor) -> Tensor) {
    let base = toy::load(config, 5);
    for row in toy::rows(config, &[1, 6, 7, 8, 23, 80], 4) {
        let mut packed = Packed::default();
        packed.push(&row.ids);
        let mut forward = Forward::new(&base);
        let x = forward.run(&base, None, &packed, |_, _, _| {});
        let mut head = HeadScratch::default();
        let got = loss::logits(&base, x, &[row.ids.len() - 1], &mut head);
        let ids = Tensor::new(&row.ids[..], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let want: Vec<f32> = theirs(&base, &ids).flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(got.len(), want.len());
        let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let tokens = row.ids.len();
        assert!(largest > 0.5 && worst < 2e-4 * largest, "{tokens} tokens: {worst} of {largest}");
    }
}

#[test]
fn qwen3_says_what_the_model_of_candle_says() {
    for tied_head in [true, false] {
        let config = DecoderConfig { windows: None, tied_head, ..toy::qwen3() };
        check(&config, |base, ids| {
            let candle = qwen3::Config {
                vocab_size: config.vocab_size,
                hidden_size: config.hidden_size,
                intermediate_size: config.ffn_size,
                num_hidden_layers: config.layers,
                num_attention_heads: config.heads,
                head_dim: config.head_dim,
                attention_bias: false,
                num_key_value_heads: config.kv_heads,
                max_position_embeddings: config.context_length,
                sliding_window: None,
                max_window_layers: config.layers,
                tie_word_embeddings: config.tied_head,
                rope_theta: config.rope_base.into(),
                rms_norm_eps: config.norm_eps.into(),
                use_sliding_window: false,
                hidden_act: Activation::Silu,
            };
            let mut model = qwen3::ModelForCausalLM::new(&candle, stored(base)).unwrap();
            model.forward(ids, 0).unwrap()
        });
    }
}

#[test]
fn gemma3_says_what_the_model_of_candle_says() {
    // candle's has neither scaled rotation nor a scale of scores, and embeddings scaled by the root
    // of their width.
    let config = DecoderConfig {
        rope_factors: None,
        score_scale: None,
        embedding_scale: 48.0f32.sqrt(),
        ..toy::gemma3()
    };
    let windows = config.windows.clone().unwrap();
    check(&config, |base, ids| {
        let candle = gemma3::Config {
            attention_bias: false,
            head_dim: config.head_dim,
            hidden_activation: Activation::GeluPytorchTanh,
            hidden_size: config.hidden_size,
            intermediate_size: config.ffn_size,
            num_attention_heads: config.heads,
            num_hidden_layers: config.layers,
            num_key_value_heads: config.kv_heads,
            rms_norm_eps: config.norm_eps.into(),
            rope_theta: config.rope_base.into(),
            rope_local_base_freq: windows.rope_base.unwrap().into(),
            vocab_size: config.vocab_size,
            final_logit_softcapping: None,
            attn_logit_softcapping: None,
            query_pre_attn_scalar: config.head_dim,
            // Its mask lets one token more be seen than that of transformers and llama.cpp.
            sliding_window: windows.tokens - 1,
            sliding_window_pattern: 3,
            max_position_embeddings: config.context_length,
        };
        let mut model = gemma3::Model::new(false, &candle, stored(base)).unwrap();
        model.forward(ids, 0).unwrap()
    });
}
