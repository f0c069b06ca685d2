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
    /// Qwen3: query and key are normalized head by head.
    Qwen3,
    /// Gemma 3: four norms a block, windows, two rotary bases, scaled embeddings.
    Gemma3,
}

impl Architecture {
    /// All supported families, for messages.
    pub const SUPPORTED: [Self; 4] = [Self::Llama, Self::Qwen2, Self::Qwen3, Self::Gemma3];

    /// Finds the family by the name `config.json` and GGUF use.
    ///
    /// # Errors
    /// Names the family that is not supported and lists those that are.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::SUPPORTED.into_iter().find(|family| family.as_str() == name).ok_or_else(|| {
            let known: Vec<&str> = Self::SUPPORTED.iter().map(|family| family.as_str()).collect();
            Failure::user(format!("the model family \"{name}\" is not supported"))
                .hint(format!("Supported families: {}.", known.join(", ")))
        })
    }

    /// The family's name as `config.json` and GGUF write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma3 => "gemma3",
        }
    }

    /// Whether query and key are normalized head by head before rotation.
    pub fn has_head_norms(self) -> bool {
        matches!(self, Self::Qwen3 | Self::Gemma3)
    }

    /// Whether what attention and the feed-forward layer give is normalized before it is added.
    pub fn has_post_norms(self) -> bool {
        self == Self::Gemma3
    }

    /// What the feed-forward layer is gated by.
    pub fn activation(self) -> Activation {
        if self == Self::Gemma3 { Activation::Gelu } else { Activation::Silu }
    }
}

/// The function that gates the feed-forward layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x sigmoid(x)`.
    Silu,
    /// The Gaussian error linear unit by its tanh formula ("gelu_pytorch_tanh").
    Gelu,
}

/// Layers whose tokens see only those shortly before them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    /// How many tokens a token sees, itself included.
    pub tokens: usize,
    /// For each layer whether it has the window.
    pub layers: Vec<bool>,
    /// Rotary base of these layers where they have their own, never scaled.
    pub rope_base: Option<f32>,
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
    /// What embeddings are multiplied by before the first block; the head is not.
    #[serde(default = "one")]
    pub embedding_scale: f32,
    /// What products of query and key are multiplied by, where it is not `1 / sqrt(head_dim)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_scale: Option<f32>,
    /// Layers that see a window only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Windows>,
}

fn one() -> f32 {
    1.0
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
                return Err(Failure::user(format!("{what} {value} is not in 1..={most}")));
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
            return Err(Failure::user(format!("rotary base {} is not positive", self.rope_base)));
        }
        if !(self.norm_eps.is_finite() && self.norm_eps > 0.0) {
            return Err(Failure::user(format!("norm epsilon {} is not positive", self.norm_eps)));
        }
        if let Some(factors) = &self.rope_factors {
            let usable = factors.iter().all(|factor| factor.is_finite() && *factor > 0.0);
            if factors.len() != self.head_dim / 2 || !usable {
                return Err(Failure::user(format!(
                    "rotary factors: {} given, {} positive numbers needed",
                    factors.len(),
                    self.head_dim / 2
                )));
            }
        }
        if self.qkv_bias && self.architecture.has_head_norms() {
            return Err(Failure::user(format!(
                "a {} with biases on query, key and value is not supported",
                self.architecture.as_str()
            )));
        }
        let scales = [("embeddings", Some(self.embedding_scale)), ("scores", self.score_scale)];
        for (what, scale) in scales {
            if scale.is_some_and(|scale| !(scale.is_finite() && scale > 0.0)) {
                return Err(Failure::user(format!("the scale of {what} is not positive")));
            }
        }
        if let Some(windows) = &self.windows {
            let base = windows.rope_base.unwrap_or(1.0);
            if windows.tokens == 0 || !(base.is_finite() && base > 0.0) {
                return Err(Failure::user("the sliding window or its rotary base is not positive"));
            }
            if windows.layers.len() != self.layers {
                return Err(Failure::user(format!(
                    "sliding windows are told for {} layers of {}",
                    windows.layers.len(),
                    self.layers
                )));
            }
        }
        Ok(())
    }

    /// How many tokens a token of this layer sees, itself included, where that is limited.
    pub fn window(&self, layer: usize) -> Option<usize> {
        let windows = self.windows.as_ref()?;
        windows.layers[layer].then_some(windows.tokens)
    }

    /// What products of query and key are multiplied by.
    pub fn score_scale(&self) -> f32 {
        self.score_scale.unwrap_or_else(|| 1.0 / (self.head_dim as f32).sqrt())
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
