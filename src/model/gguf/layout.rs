//! How a decoder's tensors are named, typed and ordered inside a GGUF file.

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::TensorInfo;

use crate::failure::Failure;
use crate::model::{DecoderConfig, TensorName};

/// Stored name of the embedding.
pub(super) const EMBEDDING: &str = "token_embd.weight";
/// Stored name of the head.
pub(super) const HEAD: &str = "output.weight";
/// Stored name of the rotary divisors of Llama 3.1 and later, `[head_dim / 2]`.
pub(super) const ROPE_FACTORS: &str = "rope_freqs.weight";

/// The name llama.cpp gives a tensor.
pub(super) fn stored_name(name: TensorName) -> String {
    let (layer, rest) = match name {
        TensorName::Embedding => return EMBEDDING.to_owned(),
        TensorName::Head => return HEAD.to_owned(),
        TensorName::FinalNorm => return "output_norm.weight".to_owned(),
        TensorName::AttentionNorm(i) => (i, "attn_norm.weight"),
        TensorName::PostAttentionNorm(i) => (i, "post_attention_norm.weight"),
        TensorName::FfnNorm(i) => (i, "ffn_norm.weight"),
        TensorName::PostFfnNorm(i) => (i, "post_ffw_norm.weight"),
        TensorName::QueryNorm(i) => (i, "attn_q_norm.weight"),
        TensorName::KeyNorm(i) => (i, "attn_k_norm.weight"),
        TensorName::Query(i) => (i, "attn_q.weight"),
        TensorName::Key(i) => (i, "attn_k.weight"),
        TensorName::Value(i) => (i, "attn_v.weight"),
        TensorName::QueryBias(i) => (i, "attn_q.bias"),
        TensorName::KeyBias(i) => (i, "attn_k.bias"),
        TensorName::ValueBias(i) => (i, "attn_v.bias"),
        TensorName::Output(i) => (i, "attn_output.weight"),
        TensorName::Gate(i) => (i, "ffn_gate.weight"),
        TensorName::Up(i) => (i, "ffn_up.weight"),
        TensorName::Down(i) => (i, "ffn_down.weight"),
    };
    format!("blk.{layer}.{rest}")
}

/// Tells whether a stored tensor belongs to a plain decoder of this shape. Anything else means a
/// variant whose output would be wrong if the tensor were passed over.
pub(super) fn is_known(stored: &str, config: &DecoderConfig) -> bool {
    if [EMBEDDING, HEAD, ROPE_FACTORS, "output_norm.weight"].contains(&stored) {
        return true;
    }
    let layer = stored.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    let Some((layer, rest)) = layer else {
        return false;
    };
    let weights = ["attn_norm", "ffn_norm", "attn_q", "attn_k", "attn_v", "attn_output"];
    let ffn = ["ffn_gate", "ffn_up", "ffn_down"];
    let family = config.architecture;
    let known = match rest.rsplit_once('.') {
        Some(("attn_q_norm" | "attn_k_norm", "weight")) => family.has_head_norms(),
        Some(("post_attention_norm" | "post_ffw_norm", "weight")) => family.has_post_norms(),
        Some((part, "weight")) => weights.contains(&part) || ffn.contains(&part),
        Some((part, "bias")) => config.qkv_bias && ["attn_q", "attn_k", "attn_v"].contains(&part),
        _ => false,
    };
    known && layer.parse::<usize>().is_ok_and(|layer| layer < config.layers)
}

/// Bytes a tensor takes in the file; `None` when the numbers overflow or do not fit blocks.
pub(super) fn stored_bytes(info: &TensorInfo) -> Option<u64> {
    let mut elements = 1_u64;
    for dimension in info.shape.dims() {
        elements = elements.checked_mul(*dimension as u64)?;
    }
    let block = info.ggml_dtype.block_size() as u64;
    if !elements.is_multiple_of(block) {
        return None;
    }
    (elements / block).checked_mul(info.ggml_dtype.type_size() as u64)
}

/// Bits a weight takes, as a measure of how little quantisation lost.
pub(super) fn precision(kind: GgmlDType) -> usize {
    kind.type_size() * 8 * 256 / kind.block_size()
}

/// A stored type's name as llama.cpp prints it.
pub(super) fn type_name(kind: GgmlDType) -> String {
    let name = match kind {
        GgmlDType::Q4_0 => "Q4_0",
        GgmlDType::Q4_1 => "Q4_1",
        GgmlDType::Q5_0 => "Q5_0",
        GgmlDType::Q5_1 => "Q5_1",
        GgmlDType::Q8_0 => "Q8_0",
        GgmlDType::Q8_1 => "Q8_1",
        GgmlDType::Q2K => "Q2_K",
        GgmlDType::Q3K => "Q3_K",
        GgmlDType::Q4K => "Q4_K",
        GgmlDType::Q5K => "Q5_K",
        GgmlDType::Q6K => "Q6_K",
        GgmlDType::Q8K => "Q8_K",
        other => return format!("{other:?}"),
    };
    name.to_owned()
}

/// Turns candle's reason for refusing a header into one that says what to do.
///
/// `cut` tells whether the header was read up to a limit instead of the end of the file.
pub(super) fn header_failure(message: &str, cut: bool) -> Failure {
    if let Some(number) = message.strip_prefix("unknown dtype for tensor ") {
        let known = number.trim().parse().ok().and_then(unsupported_type);
        let name = known.unwrap_or("an unknown type");
        return Failure::user(format!("a tensor is stored as {name} (type {number}), which is not supported"))
            .hint("Supported types: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K; get the model as Q4_K_M, Q8_0 or F16.");
    }
    if message.contains("magic") {
        return Failure::user(format!("not a GGUF file of version 1 to 3 ({message})"))
            .hint("A model is a GGUF file, or a folder with config.json and model.safetensors.");
    }
    let short = ["failed to fill whole buffer", "remaining", "exceeds max"];
    if short.iter().any(|part| message.contains(part)) {
        if cut {
            return Failure::user(format!("the header says it is longer than any ({message})"))
                .hint("The file is damaged; get it again.");
        }
        return Failure::user(format!("the file ends inside its header ({message})"))
            .hint("The download or copy was cut off; get the file again.");
    }
    Failure::user(format!("not a usable GGUF file: {message}"))
        .hint("The file is damaged, or of a kind this program does not know.")
}

/// Names of the types of `enum ggml_type` (ggml.h) that candle does not read.
fn unsupported_type(number: u32) -> Option<&'static str> {
    Some(match number {
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        40 => "NVFP4",
        _ => return None,
    })
}

/// Undoes the row order llama.cpp's converter gives query and key matrices of the llama family.
///
/// The converter views the rows of a head as `[2, head_dim / 2]` and swaps these two axes, so that
/// rotary pairs lie side by side (`LlamaModel.permute` in `convert_hf_to_gguf.py`). Row
/// `2 j + t` of a stored head is therefore row `t head_dim / 2 + j` of the original.
pub(super) fn unpermute(stored: &[f32], head_dim: usize, width: usize) -> Vec<f32> {
    let half = head_dim / 2;
    let mut original = Vec::with_capacity(stored.len());
    for head in stored.chunks(head_dim * width) {
        for row in 0..head_dim {
            let from = 2 * (row % half) + row / half;
            original.extend(head.iter().skip(from * width).take(width));
        }
    }
    original
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The converter's permutation, written from its numpy form.
    fn permute(original: &[f32], heads: usize, head_dim: usize, width: usize) -> Vec<f32> {
        let half = head_dim / 2;
        let mut stored = vec![0.0; original.len()];
        for h in 0..heads {
            for t in 0..2 {
                for j in 0..half {
                    for c in 0..width {
                        stored[(h * head_dim + 2 * j + t) * width + c] =
                            original[(h * head_dim + t * half + j) * width + c];
                    }
                }
            }
        }
        stored
    }

    #[test]
    fn row_order_of_the_converter_is_undone() {
        let (heads, head_dim, width) = (3, 8, 5);
        let original: Vec<f32> = (0..heads * head_dim * width).map(|i| i as f32).collect();
        let stored = permute(&original, heads, head_dim, width);
        assert_ne!(stored, original);
        assert_eq!(unpermute(&stored, head_dim, width), original);
    }

    /// Rotating neighbours in stored order gives the same scores as rotating the two halves in
    /// the restored order: the un-permutation matches what llama.cpp and candle do with the file.
    #[test]
    fn interleaved_rotation_of_stored_rows_equals_half_rotation_of_restored_rows() {
        let head_dim = 8;
        let half = head_dim / 2;
        let angle =
            |j: usize, position: f32| position * 10_000_f32.powf(-2.0 * j as f32 / head_dim as f32);
        let interleaved = |x: &[f32], position: f32| {
            let mut y = x.to_vec();
            for j in 0..half {
                let (sin, cos) = angle(j, position).sin_cos();
                y[2 * j] = x[2 * j] * cos - x[2 * j + 1] * sin;
                y[2 * j + 1] = x[2 * j] * sin + x[2 * j + 1] * cos;
            }
            y
        };
        let halves = |x: &[f32], position: f32| {
            let mut y = x.to_vec();
            for j in 0..half {
                let (sin, cos) = angle(j, position).sin_cos();
                y[j] = x[j] * cos - x[j + half] * sin;
                y[j + half] = x[j] * sin + x[j + half] * cos;
            }
            y
        };
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let query: Vec<f32> = (0..head_dim).map(|i| (i as f32 * 0.7).sin()).collect();
        let key: Vec<f32> = (0..head_dim).map(|i| (i as f32 * 1.3).cos()).collect();
        let stored = dot(&interleaved(&query, 5.0), &interleaved(&key, 2.0));
        let (query, key) = (unpermute(&query, head_dim, 1), unpermute(&key, head_dim, 1));
        let restored = dot(&halves(&query, 5.0), &halves(&key, 2.0));
        assert!((stored - restored).abs() < 1e-5, "{stored} and {restored}");
    }
}
