//! Reads `config.json` of a Hugging Face model folder.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Context, Failure, Result};
use crate::model::rotary::Settings;
use crate::model::{Activation, Architecture, DecoderConfig, Windows};

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
    rope_scaling: Option<Settings>,
    /// Where transformers 5 keeps what was `rope_theta` and `rope_scaling`.
    rope_parameters: Option<Parameters>,
    rope_local_base_freq: Option<f64>,
    max_position_embeddings: Option<usize>,
    tie_word_embeddings: Option<bool>,
    eos_token_id: Option<Value>,
    hidden_act: Option<String>,
    hidden_activation: Option<String>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    use_sliding_window: Option<bool>,
    sliding_window: Option<usize>,
    max_window_layers: Option<usize>,
    layer_types: Option<Vec<String>>,
    sliding_window_pattern: Option<usize>,
    /// What later files call it.
    #[serde(rename = "_sliding_window_pattern")]
    hidden_pattern: Option<usize>,
    query_pre_attn_scalar: Option<f64>,
    attn_logit_softcapping: Option<f64>,
    final_logit_softcapping: Option<f64>,
    use_bidirectional_attention: Option<bool>,
    torch_dtype: Option<String>,
    /// What later files call it.
    dtype: Option<String>,
    quantization_config: Option<Value>,
}

/// Rotary settings of all layers, or of each kind of layer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Parameters {
    Each { full_attention: Box<Settings>, sliding_attention: Option<Box<Settings>> },
    All(Box<Settings>),
}

/// The text part of a model that also sees images, with what is said outside it.
fn text_part(mut config: Value) -> Value {
    if config.get("model_type").is_none_or(|family| family != "gemma3") {
        return config;
    }
    let Some(Value::Object(mut text)) = config.get_mut("text_config").map(Value::take) else {
        return config;
    };
    if let Value::Object(outer) = config {
        for (key, value) in outer {
            text.entry(key).or_insert(value);
        }
    }
    text.into()
}

fn parse(text: &str) -> Result<HfConfig> {
    let config: Value =
        serde_json::from_str(text).map_err(|error| Failure::user(error.to_string()))?;
    let raw: Raw = serde_json::from_value(text_part(config))
        .map_err(|error| Failure::user(error.to_string()))?;
    let missing = |key: &str| Failure::user(format!("the key \"{key}\" is missing"));
    let family = raw.model_type.as_deref().ok_or_else(|| missing("model_type"))?;
    let architecture = Architecture::from_name(match family {
        "gemma3_text" => "gemma3",
        // Llama with a window.
        "mistral" => "llama",
        other => other,
    })?;
    refuse_variants(&raw, architecture)?;

    // What `Gemma3TextConfig` of transformers has when a file does not say, as those of Google do.
    let gemma = architecture == Architecture::Gemma3;
    let or = |value: Option<usize>, key: &str, gemmas: usize| {
        value.or(gemma.then_some(gemmas)).ok_or_else(|| missing(key))
    };
    let hidden_size = raw.hidden_size.ok_or_else(|| missing("hidden_size"))?;
    let layers = raw.num_hidden_layers.ok_or_else(|| missing("num_hidden_layers"))?;
    let heads = or(raw.num_attention_heads, "num_attention_heads", 8)?;
    let head_dim = match raw.head_dim {
        Some(head_dim) => head_dim,
        None if gemma => 256,
        None if architecture == Architecture::Qwen3 => 128,
        None => hidden_size.checked_div(heads).unwrap_or(0),
    };
    let (rope, local) = match &raw.rope_parameters {
        Some(Parameters::All(settings)) => (Some(&**settings), None),
        Some(Parameters::Each { full_attention, sliding_attention }) => {
            (Some(&**full_attention), sliding_attention.as_ref())
        }
        None => (raw.rope_scaling.as_ref(), None),
    };
    let usual = if gemma { 1_000_000.0 } else { 10_000.0 };
    let rope_base = raw.rope_theta.or_else(|| rope.and_then(|rope| rope.base)).unwrap_or(usual);
    let context_length = or(raw.max_position_embeddings, "max_position_embeddings", 131_072)?;
    let mut decoder = DecoderConfig {
        architecture,
        vocab_size: or(raw.vocab_size, "vocab_size", 262_208)?,
        hidden_size,
        layers,
        heads,
        kv_heads: raw.num_key_value_heads.unwrap_or(if gemma { 4 } else { heads }),
        head_dim,
        ffn_size: raw.intermediate_size.ok_or_else(|| missing("intermediate_size"))?,
        rope_base: rope_base as f32,
        rope_factors: None,
        norm_eps: raw
            .rms_norm_eps
            .or(gemma.then_some(1e-6))
            .ok_or_else(|| missing("rms_norm_eps"))? as f32,
        qkv_bias: architecture == Architecture::Qwen2,
        tied_head: raw.tie_word_embeddings.unwrap_or(gemma),
        context_length,
        embedding_scale: if gemma { embedding_scale(&raw, hidden_size) } else { 1.0 },
        score_scale: gemma.then(|| 1.0 / raw.query_pre_attn_scalar.unwrap_or(256.0).sqrt() as f32),
        windows: None,
    };
    // The sizes must be sane before anything is computed from them.
    decoder.check()?;
    let local = raw.rope_local_base_freq.or_else(|| local.and_then(|local| local.base));
    let local = gemma.then(|| local.unwrap_or(10_000.0) as f32);
    decoder.windows = windows(&raw, family, layers, local)?;
    if let Some(rope) = rope {
        let scaling = rope.scaling(rope_base, head_dim, context_length)?;
        decoder.rope_factors = scaling.factors;
        if let Some(scores) = scaling.scores {
            decoder.score_scale = Some(decoder.score_scale() * scores);
        }
    }
    decoder.check()?;
    Ok(HfConfig { decoder, stop_ids: ids(raw.eos_token_id.as_ref()) })
}

/// Gemma's embeddings are multiplied by `sqrt(hidden_size)`, rounded to the type of the weights
/// (`Gemma3TextScaledWordEmbedding` of transformers): 25.25 rather than 25.298 for 640.
fn embedding_scale(raw: &Raw, hidden_size: usize) -> f32 {
    let scale = (hidden_size as f32).sqrt();
    match raw.dtype.as_deref().or(raw.torch_dtype.as_deref()) {
        Some("float32") => scale,
        Some("float16") => half::f16::from_f32(scale).to_f32(),
        _ => half::bf16::from_f32(scale).to_f32(),
    }
}

/// Which layers have a window: those `layer_types` names, or by rules of the family.
fn windows(
    raw: &Raw,
    family: &str,
    layers: usize,
    rope_base: Option<f32>,
) -> Result<Option<Windows>> {
    let in_use = match family {
        // Has the keys, and windows only when told so.
        "qwen2" | "qwen3" => raw.use_sliding_window == Some(true),
        // transformers knows no window for llama.
        "llama" => false,
        _ => true,
    };
    let gemmas = (raw.sliding_window.is_none() && rope_base.is_some()).then_some(4096);
    let Some(tokens) = raw.sliding_window.or(gemmas).filter(|_| in_use) else {
        return Ok(None);
    };
    let layers = if let Some(types) = &raw.layer_types {
        let is_window = |kind: &String| match kind.as_str() {
            "sliding_attention" => Ok(true),
            "full_attention" => Ok(false),
            other => Err(Failure::user(format!("layers of type \"{other}\" are not supported"))),
        };
        types.iter().map(is_window).collect::<Result<Vec<bool>>>()?
    } else if family == "mistral" {
        vec![true; layers]
    } else if rope_base.is_some() {
        let pattern = raw.sliding_window_pattern.or(raw.hidden_pattern).unwrap_or(6).max(1);
        (1..=layers).map(|number| number % pattern != 0).collect()
    } else {
        let first = raw.max_window_layers.unwrap_or(28);
        (0..layers).map(|layer| layer >= first).collect()
    };
    Ok(layers.contains(&true).then_some(Windows { tokens, layers, rope_base }))
}

fn refuse_variants(raw: &Raw, architecture: Architecture) -> Result<()> {
    let refuse = |what: &str| Err(Failure::user(format!("{what} is not supported")));
    if let Some(config) = &raw.quantization_config {
        let method = config.get("quant_method").and_then(Value::as_str).unwrap_or("unknown");
        return Err(Failure::user(format!("the weights are already quantised ({method})"))
            .hint("Use the original model in BF16 or F16, or a GGUF file."));
    }
    let usual = match architecture.activation() {
        Activation::Silu => "silu",
        Activation::Gelu => "gelu_pytorch_tanh",
    };
    let activation = raw.hidden_activation.as_deref().or(raw.hidden_act.as_deref());
    if let Some(other) = activation.filter(|name| *name != usual) {
        return refuse(&format!("the activation {other:?} of a {}", architecture.as_str()));
    }
    if raw.attention_bias == Some(true) && architecture != Architecture::Qwen2 {
        return refuse(&format!("a {} with \"attention_bias\"", architecture.as_str()));
    }
    if raw.mlp_bias == Some(true) {
        return refuse("\"mlp_bias\"");
    }
    if raw.attn_logit_softcapping.is_some() {
        return refuse("\"attn_logit_softcapping\" (Gemma 2)");
    }
    if raw.final_logit_softcapping.is_some() {
        return refuse("\"final_logit_softcapping\" (Gemma 2)");
    }
    if raw.use_bidirectional_attention == Some(true) {
        return refuse("\"use_bidirectional_attention\"");
    }
    Ok(())
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
        config.as_object_mut().unwrap().insert(key.to_owned(), value);
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

    #[test]
    fn both_places_of_rotary_settings_are_read() {
        let linear =
            parsed("rope_scaling", json!({"type": "linear", "rope_type": "linear", "factor": 2.0}))
                .unwrap();
        assert_eq!(linear.decoder.rope_factors, Some(vec![2.0; 8]));
        let mut config = toy::hf_config("llama");
        config.as_object_mut().unwrap().remove("rope_theta");
        config["rope_parameters"] = json!({"rope_type": "default", "rope_theta": 1e6});
        let newer = parse(&config.to_string()).unwrap();
        assert_eq!((newer.decoder.rope_base, newer.decoder.rope_factors), (1e6, None));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let cases = [
            ("model_type", json!("mamba"), "mamba"),
            ("quantization_config", json!({"quant_method": "gptq"}), "gptq"),
            ("rope_scaling", json!({"rope_type": "longrope", "factor": 4.0}), "longrope"),
            ("rope_scaling", json!({"rope_type": "llama3", "factor": 4.0}), "low_freq_factor"),
            ("hidden_act", json!("gelu"), "gelu"),
            ("num_attention_heads", json!(0), "head"),
            ("num_key_value_heads", json!(3), "cannot share"),
            ("hidden_size", json!(u64::MAX), "hidden size"),
            ("vocab_size", Value::Null, "vocab_size"),
            ("rms_norm_eps", json!(0.0), "epsilon"),
            ("mlp_bias", json!(true), "mlp_bias"),
            ("attention_bias", json!(true), "attention_bias"),
            ("attn_logit_softcapping", json!(50.0), "attn_logit_softcapping"),
            ("final_logit_softcapping", json!(30.0), "final_logit_softcapping"),
        ];
        for (key, value, expected) in cases {
            let failure = parsed(key, value).unwrap_err();
            assert!(failure.message.contains(expected), "{key}: {failure}");
        }
        let text = toy::hf_config("llama");
        let images = json!({"model_type": "llava", "text_config": text}).to_string();
        let failure = parse(&images).unwrap_err();
        assert!(failure.message.contains("llava"), "{failure}");
        assert!(failure.hints[0].contains("llama, qwen2, qwen3, gemma3"), "{failure}");
    }

    #[test]
    fn windows_follow_the_rules_of_each_family() {
        let read = |family: &str, more: Value| {
            let mut config = toy::hf_config(family);
            for (key, value) in more.as_object().unwrap() {
                config[key] = value.clone();
            }
            parse(&config.to_string()).unwrap().decoder
        };
        let layers = |config: &DecoderConfig| config.windows.clone().map(|w| (w.tokens, w.layers));
        let some = |tokens, layers: &[bool]| Some((tokens, layers.to_vec()));
        let qwen = json!({"sliding_window": 16, "max_window_layers": 1});
        assert_eq!(layers(&read("qwen2", qwen)), None);
        let qwen =
            json!({"sliding_window": 16, "max_window_layers": 1, "use_sliding_window": true});
        for family in ["qwen2", "qwen3"] {
            assert_eq!(layers(&read(family, qwen.clone())), some(16, &[false, true]));
        }
        let typed = json!({"sliding_window": 16, "use_sliding_window": true,
                           "layer_types": ["sliding_attention", "full_attention"]});
        assert_eq!(layers(&read("qwen3", typed)), some(16, &[true, false]));
        let mistral = read("llama", json!({"model_type": "mistral", "sliding_window": 16}));
        assert_eq!(mistral.architecture, Architecture::Llama);
        assert_eq!(layers(&mistral), some(16, &[true, true]));
        let mistral = read("llama", json!({"model_type": "mistral", "sliding_window": null}));
        assert_eq!(layers(&mistral), None);
        assert_eq!(layers(&read("llama", json!({"sliding_window": 16}))), None);
    }

    #[test]
    fn a_sparse_gemma3_configuration_is_filled_in() {
        // As that of Gemma 3 4B, which leaves out what its class has by default.
        let config = json!({
            "model_type": "gemma3", "eos_token_id": [1, 106], "torch_dtype": "bfloat16",
            "vision_config": {"hidden_size": 1152},
            "text_config": {"model_type": "gemma3_text", "hidden_size": 2560,
                "intermediate_size": 10_240, "num_hidden_layers": 34, "sliding_window": 1024,
                "rope_scaling": {"factor": 8.0, "rope_type": "linear"}},
        });
        let read = parse(&config.to_string()).unwrap();
        assert_eq!(read.stop_ids, [1, 106]);
        let config = read.decoder;
        assert_eq!((config.heads, config.kv_heads, config.head_dim), (8, 4, 256));
        assert_eq!((config.rope_base, config.vocab_size), (1e6, 262_208));
        assert_eq!(config.rope_factors, Some(vec![8.0; 128]));
        assert_eq!(config.score_scale(), 0.0625);
        // sqrt(2560) = 50.596 is between 50.5 and 50.75 in bf16.
        assert_eq!(config.embedding_scale, 50.5);
        assert!(config.tied_head);
        let windows = config.windows.as_ref().unwrap();
        assert_eq!((windows.tokens, windows.rope_base), (1024, Some(10_000.0)));
        let whole: Vec<usize> = (0..34).filter(|layer| config.window(*layer).is_none()).collect();
        assert_eq!(whole, [5, 11, 17, 23, 29]);
    }

    #[test]
    fn rotary_settings_by_kind_of_layer_are_read() {
        let mut config = toy::hf_config("gemma3_text");
        for key in ["rope_theta", "rope_local_base_freq"] {
            config.as_object_mut().unwrap().remove(key);
        }
        config["rope_parameters"] = json!({
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 5e5},
            "sliding_attention": {"rope_type": "default", "rope_theta": 2e4},
        });
        let config = parse(&config.to_string()).unwrap().decoder;
        assert_eq!((config.rope_base, config.rope_factors.as_ref().unwrap()[0]), (5e5, 8.0));
        assert_eq!(config.windows.unwrap().rope_base, Some(2e4));
    }
}
