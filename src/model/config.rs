//! The shape of a decoder, whatever file format it came from.

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

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

    /// Finds the family by the name `config.json` and GGUF use.
    ///
    /// # Errors
    /// Names the family that is not supported and lists those that are.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::SUPPORTED
            .into_iter()
            .find(|family| family.as_str() == name)
            .ok_or_else(|| {
                let known: Vec<&str> = Self::SUPPORTED
                    .iter()
                    .map(|family| family.as_str())
                    .collect();
                Failure::user(format!("the model family \"{name}\" is not supported"))
                    .hint(format!("Supported families: {}.", known.join(", ")))
            })
    }

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
    /// Checks that the sizes fit together, so that later arithmetic on them cannot overflow.
    ///
    /// # Errors
    /// Names the size that is out of range or does not divide another.
    pub fn check(&self) -> Result<()> {
        let sizes = [
            ("vocabulary size", self.vocab_size, 1 << 22),
            ("hidden size", self.hidden_size, 1 << 17),
            ("layer count", self.layers, 1 << 10),
            ("head count", self.heads, 1 << 10),
            ("key and value head count", self.kv_heads, 1 << 10),
            ("head width", self.head_dim, 1 << 10),
            ("feed-forward size", self.ffn_size, 1 << 20),
            ("context length", self.context_length, 1 << 26),
        ];
        for (what, value, most) in sizes {
            if value == 0 || value > most {
                return Err(Failure::user(format!(
                    "{what} {value} is not in 1..={most}"
                )));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(Failure::user(format!(
                "{} heads cannot share {} key and value heads evenly",
                self.heads, self.kv_heads
            )));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(Failure::user(format!(
                "head width {} is odd, rotary embedding needs pairs",
                self.head_dim
            )));
        }
        if !(self.rope_base.is_finite() && self.rope_base > 0.0) {
            return Err(Failure::user(format!(
                "rotary base {} is not positive",
                self.rope_base
            )));
        }
        if !(self.norm_eps.is_finite() && self.norm_eps > 0.0) {
            return Err(Failure::user(format!(
                "norm epsilon {} is not positive",
                self.norm_eps
            )));
        }
        if let Some(factors) = &self.rope_factors {
            let usable = factors
                .iter()
                .all(|factor| factor.is_finite() && *factor > 0.0);
            if factors.len() != self.head_dim / 2 || !usable {
                return Err(Failure::user(format!(
                    "rotary factors: {} given, {} positive numbers needed",
                    factors.len(),
                    self.head_dim / 2
                )));
            }
        }
        Ok(())
    }

    /// Width of all query heads together.
    pub fn query_size(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    pub fn kv_size(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}
