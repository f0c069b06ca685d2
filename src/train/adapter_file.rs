//! Adapters in PEFT's file format: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! Names and shapes as `peft` 0.21 writes them for a causal language model:
//! `base_model.model.model.layers.{i}.self_attn.q_proj.lora_A.weight` `[r, in]` and `lora_B`
//! `[out, r]`, f32.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde_json::{Value, json};

use super::Recipe;
use crate::engine::{Adapter, LoraConfig, Target};
use crate::failure::{Context as _, Failure, Result};
use crate::model::DecoderConfig;
use crate::whole_file::write_whole;

/// File name of the weights.
pub const WEIGHTS_FILE: &str = "adapter_model.safetensors";
/// File name of the settings.
pub const CONFIG_FILE: &str = "adapter_config.json";

/// Reads a recipe's target names.
///
/// # Errors
/// Names the unknown target and lists those there are.
pub fn lora_config(recipe: &Recipe) -> Result<LoraConfig> {
    let targets = recipe
        .targets
        .iter()
        .map(|name| {
            Target::from_peft_name(name).map_err(|failure| failure.context("recipe: targets"))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(LoraConfig {
        rank: recipe.rank,
        alpha: recipe.alpha,
        rank_stabilized: recipe.rank_stabilized,
        targets,
        seed: recipe.seed,
    })
}

/// The tensor name of an adapter matrix, `side` being `A` or `B`.
pub fn tensor_name(layer: usize, target: Target, side: char) -> String {
    format!(
        "base_model.model.model.layers.{layer}.{}.{}.lora_{side}.weight",
        target.module(),
        target.peft_name()
    )
}

/// Writes an adapter into `folder`, each file whole.
pub fn write(folder: &Path, adapter: &Adapter, base_name: &str) -> Result<()> {
    fs::create_dir_all(folder).because(folder.display())?;
    let tensors = to_bytes(adapter);
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .because("adapter")?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = serialize(views, Some(metadata)).because("adapter")?;
    write_whole(&folder.join(WEIGHTS_FILE), &bytes)?;
    let config = adapter.config();
    let config = json!({
        "alpha_pattern": {},
        "auto_mapping": Value::Null,
        "base_model_name_or_path": base_name,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": number(config.alpha),
        "lora_dropout": 0.0,
        "modules_to_save": Value::Null,
        "peft_type": "LORA",
        "r": config.rank,
        "rank_pattern": {},
        "revision": Value::Null,
        "target_modules": config.targets.iter().map(|target| target.peft_name()).collect::<Vec<_>>(),
        "task_type": "CAUSAL_LM",
        "use_dora": false,
        "use_rslora": config.rank_stabilized,
    });
    let text = serde_json::to_string_pretty(&config).because("adapter")?;
    write_whole(&folder.join(CONFIG_FILE), text.as_bytes())
}

/// Reads an adapter for the model of the given shape.
///
/// # Errors
/// Names the file and the tensor that is missing or of the wrong shape.
pub fn read(folder: &Path, config: &DecoderConfig) -> Result<Adapter> {
    let path = folder.join(CONFIG_FILE);
    let text = fs::read_to_string(&path).because(path.display()).map_err(|failure| {
        failure.hint("an adapter folder holds adapter_config.json and adapter_model.safetensors")
    })?;
    let json: Value = serde_json::from_str(&text).because(path.display())?;
    let lora = read_config(&json).map_err(|failure| failure.context(path.display()))?;
    let path = folder.join(WEIGHTS_FILE);
    let bytes = fs::read(&path).because(path.display())?;
    let file = SafeTensors::deserialize(&bytes).because(path.display())?;
    let mut adapter = Adapter::new(config, &lora);
    let wanted: Vec<(usize, Target)> =
        adapter.tensors().map(|(layer, target, _, _)| (layer, target)).collect();
    for (layer, target) in wanted {
        let a = floats(&file, &tensor_name(layer, target, 'A'))
            .map_err(|failure| failure.context(path.display()))?;
        let b = floats(&file, &tensor_name(layer, target, 'B'))
            .map_err(|failure| failure.context(path.display()))?;
        adapter.set(layer, target, &a, &b).map_err(|failure| failure.context(path.display()))?;
    }
    Ok(adapter)
}

/// Every matrix as (name, shape, little-endian f32 bytes).
fn to_bytes(adapter: &Adapter) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let rank = adapter.config().rank.max(1);
    adapter
        .tensors()
        .flat_map(|(layer, target, a, b)| {
            [('A', a, vec![rank, a.len() / rank]), ('B', b, vec![b.len() / rank, rank])].map(
                |(side, values, shape)| {
                    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                    (tensor_name(layer, target, side), shape, bytes)
                },
            )
        })
        .collect()
}

fn read_config(json: &Value) -> Result<LoraConfig> {
    let missing = |key: &str| Failure::user(format!("`{key}` is missing or not of the right kind"));
    if json["peft_type"].as_str() != Some("LORA") {
        return Err(Failure::user("`peft_type` is not LORA").hint("only LoRA adapters can be used"));
    }
    if json["use_dora"].as_bool() == Some(true) {
        return Err(Failure::user("`use_dora` is not supported"));
    }
    let rank = json["r"].as_u64().ok_or_else(|| missing("r"))? as usize;
    let alpha = json["lora_alpha"].as_f64().ok_or_else(|| missing("lora_alpha"))? as f32;
    let targets = read_targets(&json["target_modules"])?;
    if !(1..=4096).contains(&rank) {
        return Err(Failure::user(format!("`r` is {rank}")));
    }
    let rank_stabilized = json["use_rslora"].as_bool() == Some(true);
    Ok(LoraConfig { rank, alpha, rank_stabilized, targets, seed: 0 })
}

/// A list of names, each alone or as the full path of one module (peft lists those of every layer
/// when asked for "all-linear"); or the word itself.
fn read_targets(value: &Value) -> Result<Vec<Target>> {
    if value.as_str() == Some("all-linear") {
        return Ok(Target::ALL.to_vec());
    }
    let names = value.as_array().ok_or_else(|| {
        Failure::user("`target_modules` is missing or no list of names")
            .hint("patterns are not supported; list the projections by name")
    })?;
    let mut targets = Vec::new();
    for name in names {
        let path = name.as_str().unwrap_or_default();
        let last = path.rsplit('.').next().unwrap_or_default();
        let target =
            Target::from_peft_name(last).map_err(|failure| failure.context("`target_modules`"))?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}

fn floats(file: &SafeTensors<'_>, name: &str) -> Result<Vec<f32>> {
    let view = file.tensor(name).because(name)?;
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(data
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect()),
        Dtype::BF16 => Ok(data
            .chunks_exact(2)
            .map(|bytes| half::bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32())
            .collect()),
        Dtype::F16 => Ok(data
            .chunks_exact(2)
            .map(|bytes| half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f32())
            .collect()),
        other => Err(Failure::user(format!("{name}: tensors of type {other:?} are not supported"))),
    }
}

/// PEFT reads `lora_alpha` as an integer where it is one.
fn number(value: f32) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}
