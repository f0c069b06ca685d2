//! Turns a GGUF header into a decoder's sizes and switches.

use candle_core::quantized::gguf_file::{Content, Value};

use super::layout;
use crate::failure::{Failure, Result};
use crate::model::rotary::Settings;
use crate::model::{Architecture, DecoderConfig, Windows};

/// A metadata value as a whole number, if it is one and not negative.
pub(super) fn whole(value: &Value) -> Option<u64> {
    match *value {
        Value::U8(v) => Some(v.into()),
        Value::U16(v) => Some(v.into()),
        Value::U32(v) => Some(v.into()),
        Value::U64(v) => Some(v),
        Value::I8(v) => v.try_into().ok(),
        Value::I16(v) => v.try_into().ok(),
        Value::I32(v) => v.try_into().ok(),
        Value::I64(v) => v.try_into().ok(),
        _ => None,
    }
}

/// Reads sizes and switches from the metadata and from the tensor list.
///
/// # Errors
/// Names the metadata key that is missing, or the variant that is not supported.
pub(super) fn config(content: &Content) -> Result<DecoderConfig> {
    let family = match content.metadata.get("general.architecture") {
        Some(Value::String(name)) => name.as_str(),
        _ => {
            return Err(Failure::user("metadata key \"general.architecture\" is missing"));
        }
    };
    let architecture = Architecture::from_name(family)?;
    let find = |key: &str| content.metadata.get(&format!("{family}.{key}"));
    let size = |key: &str| -> Result<usize> {
        optional_size(find(key), family, key)?.ok_or_else(|| {
            Failure::user(format!("metadata key \"{family}.{key}\" is missing or no number"))
        })
    };
    if content.metadata.get("split.count").and_then(whole).is_some_and(|parts| parts > 1) {
        return Err(Failure::user("the file is one part of a split model")
            .hint("Join the parts with `llama-gguf-split --merge` first."));
    }
    if find("expert_count").and_then(whole).is_some_and(|experts| experts > 0) {
        return Err(Failure::user("mixtures of experts are not supported"));
    }

    let heads = size("attention.head_count")?;
    let hidden_size = size("embedding_length")?;
    let or = |key: &str, fallback: usize| -> Result<usize> {
        Ok(optional_size(find(key), family, key)?.unwrap_or(fallback))
    };
    let head_dim = or("attention.key_length", hidden_size.checked_div(heads).unwrap_or(0))?;
    let rotated = or("rope.dimension_count", head_dim)?;
    if rotated != head_dim {
        return Err(Failure::user(format!(
            "rotary embedding over {rotated} of {head_dim} dimensions is not supported"
        )));
    }
    let embedding = content
        .tensor_infos
        .get(layout::EMBEDDING)
        .ok_or_else(|| Failure::user(format!("tensor \"{}\" is missing", layout::EMBEDDING)))?;
    if let Some(cap) = ["attn_logit_softcapping", "final_logit_softcapping"]
        .into_iter()
        .find(|key| real(find(key)).is_some_and(|cap| cap != 0.0))
    {
        return Err(Failure::user(format!("\"{family}.{cap}\" (Gemma 2) is not supported")));
    }
    let layers = size("block_count")?;
    let gemma = architecture == Architecture::Gemma3;
    let usual_base = if gemma { 1_000_000.0 } else { 10_000.0 };
    let mut config = DecoderConfig {
        architecture,
        // The metadata may leave it out, and the tensor is what will be read.
        vocab_size: embedding.shape.dims().first().copied().unwrap_or(0),
        hidden_size,
        layers,
        heads,
        kv_heads: or("attention.head_count_kv", heads)?,
        head_dim,
        ffn_size: size("feed_forward_length")?,
        rope_base: real(find("rope.freq_base")).unwrap_or(usual_base),
        rope_factors: None,
        norm_eps: real(find("attention.layer_norm_rms_epsilon")).ok_or_else(|| {
            Failure::user(format!(
                "metadata key \"{family}.attention.layer_norm_rms_epsilon\" is missing"
            ))
        })?,
        qkv_bias: content.tensor_infos.contains_key("blk.0.attn_q.bias"),
        tied_head: !content.tensor_infos.contains_key(layout::HEAD),
        context_length: size("context_length")?,
        // Not rounded, as llama.cpp has it.
        embedding_scale: if gemma { (hidden_size as f32).sqrt() } else { 1.0 },
        score_scale: gemma.then(|| gemma_score_scale(layers, hidden_size, heads, head_dim)),
        windows: None,
    };
    config.check()?;
    if gemma {
        let pattern = or("attention.sliding_window_pattern", GEMMA_PATTERN)?.max(1);
        config.windows = Some(Windows {
            tokens: size("attention.sliding_window")?,
            layers: (1..=layers).map(|number| number % pattern != 0).collect(),
            rope_base: Some(real(find("rope.freq_base_swa")).unwrap_or(10_000.0)),
        });
    }
    let settings = scaling(family, content);
    let scaling = settings.scaling(config.rope_base.into(), head_dim, config.context_length)?;
    config.rope_factors = scaling.factors;
    if let Some(scores) = scaling.scores {
        config.score_scale = Some(config.score_scale() * scores);
    }
    config.check()?;
    Ok(config)
}

/// Of so many layers of Gemma 3 the last sees everything; llama.cpp has the number in its code.
const GEMMA_PATTERN: usize = 6;

/// `query_pre_attn_scalar` is not stored: it is the width of a head but in Gemma 3 27B, which
/// llama.cpp knows by its 62 layers.
fn gemma_score_scale(layers: usize, hidden_size: usize, heads: usize, head_dim: usize) -> f32 {
    let scalar = if layers == 62 { hidden_size / heads } else { head_dim };
    1.0 / (scalar as f32).sqrt()
}

/// A size that may be absent; arrays (one value a layer) count only when all values agree.
fn optional_size(value: Option<&Value>, family: &str, key: &str) -> Result<Option<usize>> {
    let number = match value {
        None => return Ok(None),
        Some(Value::Array(values)) => {
            let first = values.first().and_then(whole);
            if values.iter().any(|value| whole(value) != first) {
                return Err(Failure::user(format!(
                    "\"{family}.{key}\" differs between layers, which is not supported"
                )));
            }
            first
        }
        Some(value) => whole(value),
    };
    Ok(number.and_then(|number| usize::try_from(number).ok()))
}

fn real(value: Option<&Value>) -> Option<f32> {
    match value? {
        Value::F32(number) => Some(*number),
        Value::F64(number) => Some(*number as f32),
        _ => None,
    }
}

/// Rotary scaling from the metadata; the factors of Llama 3 are a tensor of their own.
fn scaling(family: &str, content: &Content) -> Settings {
    let find = |key: &str| content.metadata.get(&format!("{family}.rope.scaling.{key}"));
    let number = |key: &str| real(find(key)).map(f64::from);
    let kind = match find("type") {
        Some(Value::String(kind)) => kind.as_str(),
        _ => "none",
    };
    let length = find("original_context_length").and_then(whole);
    let factor = number("factor");
    // Unlike in `config.json`, it is a further factor.
    let attention = number("attn_factor").zip(factor);
    let attention = attention.map(|(by, factor)| by * (0.1 * factor.max(1.0).ln() + 1.0));
    Settings {
        kind: Some(kind.to_owned()),
        factor: factor.or((kind == "linear").then_some(1.0)),
        original_max_position_embeddings: length.map(|length| length as f64),
        attention_factor: attention,
        beta_fast: number("yarn_beta_fast"),
        beta_slow: number("yarn_beta_slow"),
        ..Settings::default()
    }
}
