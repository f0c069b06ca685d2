//! Models of known shapes with random weights, so that speed can be measured without a model.

use std::ops::Range;

use rayon::prelude::*;

use crate::engine::{Base, Precision};
use crate::failure::{Failure, Result};
use crate::model::{Architecture, DecoderConfig, TensorName, TensorSource};
use crate::progress::OnProgress;

/// Names of the shapes.
pub const NAMES: [&str; 3] = ["smollm2-135m", "qwen2.5-0.5b", "qwen2.5-1.5b"];

/// Largest magnitude of a weight: uniform ones then deviate by 0.02.
const MAGNITUDE: f32 = 0.035;

/// The shape of that name.
///
/// # Errors
/// Lists those that are known.
pub fn shape(name: &str) -> Result<DecoderConfig> {
    let qwen = DecoderConfig {
        architecture: Architecture::Qwen2,
        vocab_size: 151_936,
        hidden_size: 1536,
        layers: 28,
        heads: 12,
        kv_heads: 2,
        head_dim: 128,
        ffn_size: 8960,
        rope_base: 1_000_000.0,
        rope_factors: None,
        norm_eps: 1e-6,
        qkv_bias: true,
        tied_head: true,
        context_length: 32_768,
        embedding_scale: 1.0,
        score_scale: None,
        windows: None,
    };
    match name {
        "qwen2.5-1.5b" => Ok(qwen),
        "qwen2.5-0.5b" => Ok(DecoderConfig {
            hidden_size: 896,
            layers: 24,
            heads: 14,
            head_dim: 64,
            ffn_size: 4864,
            ..qwen
        }),
        "smollm2-135m" => Ok(DecoderConfig {
            architecture: Architecture::Llama,
            vocab_size: 49_152,
            hidden_size: 576,
            layers: 30,
            heads: 9,
            kv_heads: 3,
            head_dim: 64,
            ffn_size: 1536,
            rope_base: 100_000.0,
            norm_eps: 1e-5,
            qkv_bias: false,
            context_length: 8192,
            ..qwen
        }),
        _ => Err(Failure::user(format!("no shape is called \"{name}\""))
            .hint(format!("The shapes are {}.", NAMES.join(", ")))),
    }
}

/// A base of that shape with random weights.
pub fn random_base(
    config: &DecoderConfig,
    precision: Precision,
    on: &mut OnProgress<'_>,
) -> Result<Option<Base>> {
    Base::load(config, &mut Random { config: config.clone(), drawn: 0 }, precision, on)
}

struct Random {
    config: DecoderConfig,
    drawn: u64,
}

impl TensorSource for Random {
    fn read(&mut self, name: TensorName) -> Result<Vec<f32>> {
        let (rows, columns) = name.shape(&self.config);
        if name.is_norm() {
            return Ok(vec![1.0; rows]);
        }
        let mut values = vec![0.0; rows * columns.max(1)];
        self.draw(&mut values);
        Ok(values)
    }

    fn read_rows(&mut self, _: TensorName, width: usize, rows: Range<usize>) -> Result<Vec<f32>> {
        let mut values = vec![0.0; rows.len() * width];
        self.draw(&mut values);
        Ok(values)
    }
}

impl Random {
    fn draw(&mut self, values: &mut [f32]) {
        const CHUNK: usize = 1 << 16;
        self.drawn += 1;
        let seed = self.drawn << 32;
        values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
            // Marsaglia's xorshift: quick, and random enough for what is only multiplied.
            let mut state = (seed + chunk as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            for value in values {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *value = ((state >> 40) as f32 / (1u32 << 23) as f32 - 1.0) * MAGNITUDE;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_fit_together_and_weights_are_spread() {
        for name in NAMES {
            shape(name).unwrap().check().unwrap();
        }
        assert!(shape("llama").unwrap_err().hints[0].contains("qwen2.5-1.5b"));
        let mut random = Random { config: shape("smollm2-135m").unwrap(), drawn: 0 };
        let (key, value) = (TensorName::Key(0), TensorName::Value(0));
        let (a, b) = (random.read(key).unwrap(), random.read(value).unwrap());
        assert_eq!(a.len(), 192 * 576);
        assert_ne!(a, b);
        let mean = a.iter().sum::<f32>() / a.len() as f32;
        let square = a.iter().map(|x| x * x).sum::<f32>() / a.len() as f32;
        assert!(mean.abs() < 1e-3 && (square.sqrt() - 0.02).abs() < 1e-3, "{mean} {square}");
    }
}
