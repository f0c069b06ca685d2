//! The shape of a decoder, whatever file format it came from.

use serde::{Deserialize, Serialize};

/// A supported model family. All are one decoder block with different switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Llama and its kin (SmolLM2).
    Llama,
    /// Qwen2 and Qwen2.5: biases on query, key and value.
    Qwen2,
}

impl Architecture {
    /// All supported families, for messages.
    pub const SUPPORTED: [Self; 2] = [Self::Llama, Self::Qwen2];

    /// The family's name as `config.json` and GGUF write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
        }
    }
}

/// Sizes and switches of a decoder-only transformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// Family.
    pub architecture: Architecture,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of decoder blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the gated feed-forward layer.
    pub ffn_size: usize,
    /// Rotary base (theta).
    pub rope_base: f32,
    /// Per-frequency divisors of the rotary angles (length `head_dim / 2`), for scaled rope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope_factors: Option<Vec<f32>>,
    /// Epsilon of the root-mean-square norms.
    pub norm_eps: f32,
    /// Whether query, key and value projections have biases.
    pub qkv_bias: bool,
    /// Whether the output head is the embedding itself.
    pub tied_head: bool,
    /// Longest context the model was made for, in tokens.
    pub context_length: usize,
}

impl DecoderConfig {
    /// Width of all query heads together.
    pub fn query_size(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    pub fn kv_size(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}
