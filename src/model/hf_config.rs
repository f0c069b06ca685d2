//! Reads `config.json` of a Hugging Face model folder.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Context, Failure, Result};
use crate::model::{Architecture, DecoderConfig};

/// What a folder's configuration files say.
#[derive(Debug, Clone, PartialEq)]
pub struct HfConfig {
    /// Sizes and switches of the decoder.
    pub decoder: DecoderConfig,
    /// Ids at which generation stops, from `config.json` and `generation_config.json`.
    pub stop_ids: Vec<u32>,
}

/// Reads `config.json`, and the stop ids of `generation_config.json` if there is one.
///
/// # Errors
/// Names the file and the key that is missing, or the variant that is not supported.
pub fn read(folder: &Path) -> Result<HfConfig> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).because(path.display())?;
    let mut config = parse(&text).map_err(|failure| failure.context(path.display()))?;
    let generation = folder.join("generation_config.json");
    if let Ok(text) = std::fs::read_to_string(&generation) {
        let generation: Value = serde_json::from_str(&text).because(generation.display())?;
        config.stop_ids.extend(ids(generation.get("eos_token_id")));
    }
    config.stop_ids.sort_unstable();
    config.stop_ids.dedup();
    Ok(config)
}

/// The keys of `config.json` that decide what is computed.
#[derive(Debug, Deserialize)]
struct Raw {
    model_type: Option<String>,
    vocab_size: Option<usize>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<Rope>,
    /// Where transformers 5 keeps what was `rope_theta` and `rope_scaling`.
    rope_parameters: Option<Rope>,
    max_position_embeddings: Option<usize>,
    tie_word_embeddings: Option<bool>,
    eos_token_id: Option<Value>,
    hidden_act: Option<String>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    use_sliding_window: Option<bool>,
    quantization_config: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Rope {
    rope_type: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

fn parse(text: &str) -> Result<HfConfig> {
    let raw: Raw = serde_json::from_str(text).map_err(|error| Failure::user(error.to_string()))?;
    let missing = |key: &str| Failure::user(format!("the key \"{key}\" is missing"));
    let family = raw
        .model_type
        .as_deref()
        .ok_or_else(|| missing("model_type"))?;
    let architecture = Architecture::from_name(family)?;
    refuse_variants(&raw)?;

    let hidden_size = raw.hidden_size.ok_or_else(|| missing("hidden_size"))?;
    let heads = raw
        .num_attention_heads
        .ok_or_else(|| missing("num_attention_heads"))?;
    let head_dim = raw
        .head_dim
        .or_else(|| hidden_size.checked_div(heads))
        .unwrap_or(0);
    let rope = raw.rope_parameters.as_ref().or(raw.rope_scaling.as_ref());
    let rope_base = raw
        .rope_theta
        .or_else(|| rope.and_then(|rope| rope.rope_theta))
        .unwrap_or(10_000.0);
    let mut decoder = DecoderConfig {
        architecture,
        vocab_size: raw.vocab_size.ok_or_else(|| missing("vocab_size"))?,
        hidden_size,
        layers: raw
            .num_hidden_layers
            .ok_or_else(|| missing("num_hidden_layers"))?,
        heads,
        kv_heads: raw.num_key_value_heads.unwrap_or(heads),
        head_dim,
        ffn_size: raw
            .intermediate_size
            .ok_or_else(|| missing("intermediate_size"))?,
        rope_base: rope_base as f32,
        rope_factors: None,
        norm_eps: raw.rms_norm_eps.ok_or_else(|| missing("rms_norm_eps"))? as f32,
        qkv_bias: architecture == Architecture::Qwen2,
        tied_head: raw.tie_word_embeddings.unwrap_or(false),
        context_length: raw
            .max_position_embeddings
            .ok_or_else(|| missing("max_position_embeddings"))?,
    };
    // The sizes must be sane before factors are computed from them.
    decoder.check()?;
    decoder.rope_factors = rope
        .map(|rope| factors(rope, rope_base, head_dim))
        .transpose()?
        .flatten();
    decoder.check()?;
    Ok(HfConfig {
        decoder,
        stop_ids: ids(raw.eos_token_id.as_ref()),
    })
}

fn refuse_variants(raw: &Raw) -> Result<()> {
    let refuse = |what: &str| Err(Failure::user(format!("{what} is not supported")));
    if let Some(config) = &raw.quantization_config {
        let method = config
            .get("quant_method")
            .and_then(Value::as_str)
            .unwrap_or("unknown");
        return Err(
            Failure::user(format!("the weights are already quantised ({method})"))
                .hint("Use the original model in BF16 or F16, or a GGUF file."),
        );
    }
    if raw.hidden_act.as_deref().is_some_and(|name| name != "silu") {
        return refuse(&format!(
            "the activation {:?}",
            raw.hidden_act.as_deref().unwrap_or("")
        ));
    }
    if raw.attention_bias == Some(true) && raw.model_type.as_deref() == Some("llama") {
        return refuse("a llama with \"attention_bias\"");
    }
    if raw.mlp_bias == Some(true) {
        return refuse("\"mlp_bias\"");
    }
    if raw.use_sliding_window == Some(true) {
        return refuse("\"use_sliding_window\"");
    }
    Ok(())
}

/// Divisors of the rotary angles.
///
/// For `llama3` (`_compute_llama3_parameters` of transformers' `modeling_rope_utils.py`): with
/// wavelength `w = 2 pi base^(2 i / d)`, angles with `w < L / high` stay, those with
/// `w > L / low` are divided by `factor`, and between the two the frequency is interpolated
/// by `s = (L / w - low) / (high - low)`.
fn factors(rope: &Rope, base: f64, head_dim: usize) -> Result<Option<Vec<f32>>> {
    let kind = rope
        .rope_type
        .as_deref()
        .or(rope.kind.as_deref())
        .unwrap_or("default");
    let need = |value: Option<f64>, key: &str| {
        value
            .filter(|value| value.is_finite() && *value > 0.0)
            .ok_or_else(|| {
                Failure::user(format!(
                    "\"{key}\" of rotary scaling \"{kind}\" is missing or not positive"
                ))
            })
    };
    match kind {
        "default" => Ok(None),
        "linear" => {
            let factor = need(rope.factor, "factor")?;
            Ok(Some(vec![factor as f32; head_dim / 2]))
        }
        "llama3" => {
            let factor = need(rope.factor, "factor")?;
            let low = need(rope.low_freq_factor, "low_freq_factor")?;
            let high = need(rope.high_freq_factor, "high_freq_factor")?;
            let length = need(
                rope.original_max_position_embeddings,
                "original_max_position_embeddings",
            )?;
            let divisor = |pair: usize| {
                let exponent = 2.0 * pair as f64 / head_dim as f64;
                let wavelength = std::f64::consts::TAU * base.powf(exponent);
                let share = ((length / wavelength - low) / (high - low)).clamp(0.0, 1.0);
                (1.0 / ((1.0 - share) / factor + share)) as f32
            };
            Ok(Some((0..head_dim / 2).map(divisor).collect()))
        }
        other => Err(Failure::user(format!("rotary scaling \"{other}\" is not supported"))
            .hint("Supported: default, linear, llama3. YaRN only serves texts longer than the model's own context; remove \"rope_scaling\" to train within it.")),
    }
}

/// One id or a list of ids.
fn ids(value: Option<&Value>) -> Vec<u32> {
    let one = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Some(Value::Array(values)) => values.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::toy;

    fn parsed(key: &str, value: Value) -> Result<HfConfig> {
        let mut config = toy::hf_config("llama");
        config
            .as_object_mut()
            .unwrap()
            .insert(key.to_owned(), value);
        parse(&config.to_string())
    }

    #[test]
    fn plain_families_are_read() {
        let llama = parse(&toy::hf_config("llama").to_string()).unwrap();
        assert_eq!((llama.decoder.head_dim, llama.decoder.kv_heads), (16, 1));
        assert!(!llama.decoder.qkv_bias && llama.decoder.tied_head);
        assert_eq!(llama.stop_ids, [2]);
        let qwen = parse(&toy::hf_config("qwen2").to_string()).unwrap();
        assert!(qwen.decoder.qkv_bias);
        let listed = parsed("eos_token_id", json!([2, 7])).unwrap();
        assert_eq!(listed.stop_ids, [2, 7]);
    }

    /// The values are those transformers computes for Llama 3.2 1B.
    #[test]
    fn llama3_scaling_gives_the_divisors_of_transformers() {
        let rope = json!({"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
                          "high_freq_factor": 4.0, "original_max_position_embeddings": 8192});
        let rope: Rope = serde_json::from_value(rope).unwrap();
        let factors = factors(&rope, 500_000.0, 64).unwrap().unwrap();
        assert_eq!(factors.len(), 32);
        assert_eq!(factors[0], 1.0);
        assert_eq!(factors[31], 32.0);
        assert!(factors.windows(2).all(|pair| pair[0] <= pair[1]));
        // Wavelength 2 pi 500000^(30/64) = 2948.6, share (8192 / 2948.6 - 1) / 3 = 0.5928.
        assert!((factors[15] - 1.6513).abs() < 1e-3, "{}", factors[15]);
    }

    #[test]
    fn both_places_of_rotary_settings_are_read() {
        let linear = parsed("rope_scaling", json!({"type": "linear", "factor": 2.0})).unwrap();
        assert_eq!(linear.decoder.rope_factors, Some(vec![2.0; 8]));
        let mut config = toy::hf_config("llama");
        config.as_object_mut().unwrap().remove("rope_theta");
        config["rope_parameters"] = json!({"rope_type": "default", "rope_theta": 1e6});
        let newer = parse(&config.to_string()).unwrap();
        assert_eq!(
            (newer.decoder.rope_base, newer.decoder.rope_factors),
            (1e6, None)
        );
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let cases = [
            ("model_type", json!("mamba"), "mamba"),
            (
                "quantization_config",
                json!({"quant_method": "gptq"}),
                "gptq",
            ),
            (
                "rope_scaling",
                json!({"rope_type": "yarn", "factor": 4.0}),
                "yarn",
            ),
            (
                "rope_scaling",
                json!({"rope_type": "llama3", "factor": 4.0}),
                "low_freq_factor",
            ),
            ("hidden_act", json!("gelu"), "gelu"),
            ("num_attention_heads", json!(0), "head"),
            ("num_key_value_heads", json!(3), "cannot share"),
            ("hidden_size", json!(u64::MAX), "hidden size"),
            ("vocab_size", Value::Null, "vocab_size"),
            ("rms_norm_eps", json!(0.0), "epsilon"),
            ("mlp_bias", json!(true), "mlp_bias"),
        ];
        for (key, value, expected) in cases {
            let failure = parsed(key, value).unwrap_err();
            assert!(failure.message.contains(expected), "{key}: {failure}");
        }
    }
}
