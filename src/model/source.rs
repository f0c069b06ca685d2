//! Where the engine gets weights from, one tensor at a time.

use std::fmt;
use std::ops::Range;

use crate::failure::Result;
use crate::model::DecoderConfig;

/// A tensor of the decoder. Displayed as the Hugging Face name (`model.layers.0....weight`) of the
/// families without a norm after attention; [`Self::hugging_face`] gives that of each family.
///
/// Norm weights are what normalized values are multiplied with: a source that stores them less one
/// (Hugging Face files of Gemma) adds the one.
///
/// Query and key rows are always in Hugging Face order (rotary pairs `i` and `i + head_dim / 2`);
/// a source that stores them otherwise (GGUF of the llama family) restores that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TensorName {
    /// Token embedding, `[vocab_size, hidden_size]`.
    Embedding,
    /// Output head, `[vocab_size, hidden_size]`; absent when tied.
    Head,
    /// Norm before the head, `[hidden_size]`.
    FinalNorm,
    /// Norm before attention, `[hidden_size]`.
    AttentionNorm(usize),
    /// Norm after attention, before its output is added, `[hidden_size]`.
    PostAttentionNorm(usize),
    /// Norm before the feed-forward layer, `[hidden_size]`.
    FfnNorm(usize),
    /// Norm after the feed-forward layer, before its output is added, `[hidden_size]`.
    PostFfnNorm(usize),
    /// Norm of each query head, `[head_dim]`.
    QueryNorm(usize),
    /// Norm of each key head, `[head_dim]`.
    KeyNorm(usize),
    /// Query projection, `[query_size, hidden_size]`.
    Query(usize),
    /// Key projection, `[kv_size, hidden_size]`.
    Key(usize),
    /// Value projection, `[kv_size, hidden_size]`.
    Value(usize),
    /// Query bias, `[query_size]`.
    QueryBias(usize),
    /// Key bias, `[kv_size]`.
    KeyBias(usize),
    /// Value bias, `[kv_size]`.
    ValueBias(usize),
    /// Attention output projection, `[hidden_size, query_size]`.
    Output(usize),
    /// Gate projection, `[ffn_size, hidden_size]`.
    Gate(usize),
    /// Up projection, `[ffn_size, hidden_size]`.
    Up(usize),
    /// Down projection, `[hidden_size, ffn_size]`.
    Down(usize),
}

impl TensorName {
    /// Every tensor a decoder of this shape has, first to last; [`Self::Head`] only when it is
    /// not tied, biases and further norms only where the family has them.
    pub fn all(config: &DecoderConfig) -> Vec<Self> {
        let mut names = vec![Self::Embedding];
        for i in 0..config.layers {
            names.extend([Self::AttentionNorm(i), Self::Query(i), Self::Key(i), Self::Value(i)]);
            if config.qkv_bias {
                names.extend([Self::QueryBias(i), Self::KeyBias(i), Self::ValueBias(i)]);
            }
            if config.architecture.has_head_norms() {
                names.extend([Self::QueryNorm(i), Self::KeyNorm(i)]);
            }
            names.extend([Self::Output(i), Self::FfnNorm(i)]);
            names.extend([Self::Gate(i), Self::Up(i), Self::Down(i)]);
            if config.architecture.has_post_norms() {
                names.extend([Self::PostAttentionNorm(i), Self::PostFfnNorm(i)]);
            }
        }
        names.push(Self::FinalNorm);
        if !config.tied_head {
            names.push(Self::Head);
        }
        names
    }

    /// Rows and columns of the tensor; a vector is one column wide.
    pub fn shape(self, config: &DecoderConfig) -> (usize, usize) {
        match self {
            Self::Embedding | Self::Head => (config.vocab_size, config.hidden_size),
            Self::FinalNorm
            | Self::AttentionNorm(_)
            | Self::PostAttentionNorm(_)
            | Self::FfnNorm(_)
            | Self::PostFfnNorm(_) => (config.hidden_size, 1),
            Self::QueryNorm(_) | Self::KeyNorm(_) => (config.head_dim, 1),
            Self::Query(_) => (config.query_size(), config.hidden_size),
            Self::Key(_) | Self::Value(_) => (config.kv_size(), config.hidden_size),
            Self::QueryBias(_) => (config.query_size(), 1),
            Self::KeyBias(_) | Self::ValueBias(_) => (config.kv_size(), 1),
            Self::Output(_) => (config.hidden_size, config.query_size()),
            Self::Gate(_) | Self::Up(_) => (config.ffn_size, config.hidden_size),
            Self::Down(_) => (config.hidden_size, config.ffn_size),
        }
    }

    /// Whether it is the weight of a norm.
    pub fn is_norm(self) -> bool {
        matches!(
            self,
            Self::FinalNorm
                | Self::AttentionNorm(_)
                | Self::PostAttentionNorm(_)
                | Self::FfnNorm(_)
                | Self::PostFfnNorm(_)
                | Self::QueryNorm(_)
                | Self::KeyNorm(_)
        )
    }

    /// The name in a Hugging Face folder of a model with these switches: where there is a norm
    /// after attention, it has the name that others give the norm before the feed-forward layer.
    pub fn hugging_face(self, config: &DecoderConfig) -> String {
        match self {
            Self::FfnNorm(i) if config.architecture.has_post_norms() => {
                format!("model.layers.{i}.pre_feedforward_layernorm.weight")
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for TensorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer =
            |f: &mut fmt::Formatter<'_>, i: usize, rest: &str| write!(f, "model.layers.{i}.{rest}");
        match *self {
            Self::Embedding => f.write_str("model.embed_tokens.weight"),
            Self::Head => f.write_str("lm_head.weight"),
            Self::FinalNorm => f.write_str("model.norm.weight"),
            Self::AttentionNorm(i) => layer(f, i, "input_layernorm.weight"),
            Self::PostAttentionNorm(i) | Self::FfnNorm(i) => {
                layer(f, i, "post_attention_layernorm.weight")
            }
            Self::PostFfnNorm(i) => layer(f, i, "post_feedforward_layernorm.weight"),
            Self::QueryNorm(i) => layer(f, i, "self_attn.q_norm.weight"),
            Self::KeyNorm(i) => layer(f, i, "self_attn.k_norm.weight"),
            Self::Query(i) => layer(f, i, "self_attn.q_proj.weight"),
            Self::Key(i) => layer(f, i, "self_attn.k_proj.weight"),
            Self::Value(i) => layer(f, i, "self_attn.v_proj.weight"),
            Self::QueryBias(i) => layer(f, i, "self_attn.q_proj.bias"),
            Self::KeyBias(i) => layer(f, i, "self_attn.k_proj.bias"),
            Self::ValueBias(i) => layer(f, i, "self_attn.v_proj.bias"),
            Self::Output(i) => layer(f, i, "self_attn.o_proj.weight"),
            Self::Gate(i) => layer(f, i, "mlp.gate_proj.weight"),
            Self::Up(i) => layer(f, i, "mlp.up_proj.weight"),
            Self::Down(i) => layer(f, i, "mlp.down_proj.weight"),
        }
    }
}

/// Gives the weights of one model, converted to f32, row-major `[out, in]`.
pub trait TensorSource {
    /// Reads one tensor whole.
    ///
    /// # Errors
    /// Names the file and the tensor when it is missing, truncated, of an unsupported type or of
    /// the wrong shape.
    fn read(&mut self, name: TensorName) -> Result<Vec<f32>>;

    /// Reads one tensor whole in place of what a buffer held: its memory can be used again.
    ///
    /// # Errors
    /// As for [`Self::read`].
    fn read_to(&mut self, name: TensorName, values: &mut Vec<f32>) -> Result<()> {
        *values = self.read(name)?;
        Ok(())
    }

    /// Reads some rows of a tensor that is `width` columns wide. The default reads the whole
    /// tensor; sources that can read less do, so that a large embedding need not be held in f32.
    ///
    /// # Errors
    /// As for [`Self::read`].
    fn read_rows(
        &mut self,
        name: TensorName,
        width: usize,
        rows: Range<usize>,
    ) -> Result<Vec<f32>> {
        let whole = self.read(name)?;
        Ok(whole.get(rows.start * width..rows.end * width).map(<[f32]>::to_vec).unwrap_or_default())
    }

    /// Reads some rows in place of what a buffer held.
    ///
    /// # Errors
    /// As for [`Self::read`].
    fn read_rows_to(
        &mut self,
        name: TensorName,
        width: usize,
        rows: Range<usize>,
        values: &mut Vec<f32>,
    ) -> Result<()> {
        *values = self.read_rows(name, width, rows)?;
        Ok(())
    }
}
