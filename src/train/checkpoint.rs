//! The state of a run on disk: everything needed to go on as if it had never stopped.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Recipe;
use super::rows::Epoch;
use crate::engine::{Adapter, MICRO_TOKENS_MAX, OptimizerState, cpu, optimizer_bytes};
use crate::failure::{Context as _, Failure, Result};
use crate::whole_file::write_whole;

const FILE: &str = "checkpoint.safetensors";
const HEADER_KEY: &str = "hone";
const VERSION: u32 = 1;
/// Names of the optimizer's moments.
const FIRST: &str = "optimizer.first";
const SECOND: &str = "optimizer.second";

/// What a checkpoint says about the run it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointHeader {
    /// Version of the layout.
    pub version: u32,
    /// Steps done.
    pub step: u64,
    /// Settings of the run.
    pub recipe: Recipe,
    /// Base model name.
    pub model: String,
    /// The kernel that the products ran on: another one sums in another order.
    #[serde(default)]
    pub kernel: String,
    /// Tokens that go through the model at once: another number sums in another order.
    #[serde(default = "micro_tokens_before")]
    pub micro_tokens: usize,
    /// Digest of the training rows.
    pub rows: String,
    /// Best validation loss so far.
    pub best: Option<f32>,
    /// Validations in a row that did not lower it.
    #[serde(default)]
    pub stale: u32,
    /// Last training loss.
    pub loss: Option<f32>,
    /// Seconds of work so far.
    pub seconds: f64,
    /// Updates the optimizer has made.
    pub optimizer_step: u64,
}

impl CheckpointHeader {
    /// The header of a run at its first step.
    pub fn new(recipe: &Recipe, model: &str, rows: &[Epoch]) -> Self {
        Self {
            version: VERSION,
            step: 0,
            recipe: recipe.clone(),
            model: model.to_owned(),
            kernel: cpu::kernel().name().to_owned(),
            micro_tokens: MICRO_TOKENS_MAX,
            rows: digest(rows),
            best: None,
            stale: 0,
            loss: None,
            seconds: 0.0,
            optimizer_step: 0,
        }
    }

    /// Refuses to go on with other rows, another model or other settings than the run began with.
    pub fn check_same_run(&self, fresh: &Self) -> Result<()> {
        let differs = if self.model != fresh.model {
            Some("base model")
        } else if self.rows != fresh.rows {
            Some("training rows")
        } else if self.recipe
            != (Recipe {
                memory_mib: self.recipe.memory_mib,
                device: self.recipe.device,
                ..fresh.recipe.clone()
            })
        {
            // How much memory it may take, and where it is, change nothing but the way.
            Some("recipe")
        } else {
            None
        };
        differs.map_or(Ok(()), |what| {
            Err(Failure::user(format!(
                "this run cannot go on: its {what} changed since it stopped"
            ))
            .hint("start a new run, or put back what was changed"))
        })
    }
}

/// Path of the checkpoint in a run folder.
pub fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Writes adapter, optimizer state and header in one file, whole.
pub fn write(
    folder: &Path,
    header: &CheckpointHeader,
    adapter: &Adapter,
    state: &OptimizerState,
) -> Result<()> {
    fs::create_dir_all(folder).because(folder.display())?;
    let mut tensors: Vec<(String, Dtype, Vec<u8>)> = Vec::new();
    let floats = |name: String, values: &[f32]| (name, Dtype::F32, bytes(values));
    for (layer, target, a, b) in adapter.tensors() {
        for (side, values) in [('A', a), ('B', b)] {
            let name = super::adapter_file::tensor_name(layer, target, side);
            tensors.push(floats(name, values));
        }
    }
    tensors.push(floats(FIRST.to_owned(), &state.first));
    tensors.push(floats(SECOND.to_owned(), &state.second));
    if let Some(eight_bit) = &state.eight_bit {
        tensors.push(floats(format!("{FIRST}.scales"), &eight_bit.first_scales));
        tensors.push(floats(format!("{SECOND}.scales"), &eight_bit.second_scales));
        tensors.push((format!("{FIRST}.codes"), Dtype::U8, eight_bit.first_codes.clone()));
        tensors.push((format!("{SECOND}.codes"), Dtype::U8, eight_bit.second_codes.clone()));
    }
    let views = tensors
        .iter()
        .map(|(name, kind, data)| {
            let count = data.len() * 8 / kind.bitsize();
            TensorView::new(*kind, vec![count], data).map(|view| (name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .because("checkpoint")?;
    let header = CheckpointHeader { optimizer_step: state.step, ..header.clone() };
    let header = serde_json::to_string(&header).because("checkpoint")?;
    let metadata = HashMap::from([(HEADER_KEY.to_owned(), header)]);
    let data = serialize(views, Some(metadata)).because("checkpoint")?;
    write_whole(&path(folder), &data)
}

/// Bytes that [`write()`] and asking the trainer for its state take: a copy of the state, each tensor
/// as bytes, and the file.
pub fn bytes_to_write(adapter: &Adapter, eight_bit: bool) -> usize {
    adapter.parameter_count() * 8 + 3 * optimizer_bytes(adapter, eight_bit)
}

/// Version 1 had this number before it was written down.
fn micro_tokens_before() -> usize {
    MICRO_TOKENS_MAX
}

/// Reads a checkpoint back into an adapter made for the same model and recipe.
///
/// # Errors
/// Names the file when it is missing, damaged or from a newer version.
pub fn read(folder: &Path, adapter: &mut Adapter) -> Result<(CheckpointHeader, OptimizerState)> {
    let path = path(folder);
    let in_file = |failure: Failure| failure.context(path.display());
    let data = fs::read(&path).because(path.display()).map_err(|failure| {
        failure.hint("this run kept no checkpoint, so it cannot go on; start a new run")
    })?;
    let header = read_header(&data).map_err(in_file)?;
    let file = SafeTensors::deserialize(&data).because(path.display())?;
    let stored = |name: &str, kind: Dtype| {
        let view = file.tensor(name).because(path.display())?;
        if view.dtype() != kind {
            let found = view.dtype();
            return Err(in_file(Failure::user(format!("{name} is stored as {found:?}"))));
        }
        Ok(view.data())
    };
    let floats = |name: &str| -> Result<Vec<f32>> {
        Ok(stored(name, Dtype::F32)?
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect())
    };
    let keys: Vec<_> = adapter.tensors().map(|(layer, target, _, _)| (layer, target)).collect();
    for (layer, target) in keys {
        let a = floats(&super::adapter_file::tensor_name(layer, target, 'A'))?;
        let b = floats(&super::adapter_file::tensor_name(layer, target, 'B'))?;
        adapter.set(layer, target, &a, &b).map_err(in_file)?;
    }
    let mut state = OptimizerState::of(adapter, header.recipe.optimizer.is_eight_bit());
    state.step = header.optimizer_step;
    state.first = floats(FIRST)?;
    state.second = floats(SECOND)?;
    if let Some(eight_bit) = &mut state.eight_bit {
        eight_bit.first_scales = floats(&format!("{FIRST}.scales"))?;
        eight_bit.second_scales = floats(&format!("{SECOND}.scales"))?;
        eight_bit.first_codes = stored(&format!("{FIRST}.codes"), Dtype::U8)?.to_vec();
        eight_bit.second_codes = stored(&format!("{SECOND}.codes"), Dtype::U8)?.to_vec();
    }
    Ok((header, state))
}

/// The kernel that the run in `folder` began with, where it kept a checkpoint that can be read.
pub fn kernel(folder: &Path) -> Option<String> {
    let header = read_header(&fs::read(path(folder)).ok()?).ok()?;
    Some(header.kernel)
}

fn read_header(data: &[u8]) -> Result<CheckpointHeader> {
    let (_, metadata) = SafeTensors::read_metadata(data).because("not a checkpoint")?;
    let text = metadata
        .metadata()
        .as_ref()
        .and_then(|map| map.get(HEADER_KEY))
        .ok_or_else(|| Failure::user("not a checkpoint of this program"))?;
    let header: CheckpointHeader = serde_json::from_str(text).because("checkpoint header")?;
    if header.version != VERSION {
        return Err(Failure::user(format!("checkpoint version {} is not known", header.version))
            .hint("it was written by another version of hone"));
    }
    Ok(header)
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn digest(epochs: &[Epoch]) -> String {
    let mut hash = Sha256::new();
    for row in epochs.iter().flat_map(|epoch| &epoch.rows) {
        hash.update((row.ids.len() as u64).to_le_bytes());
        for (id, label) in row.ids.iter().zip(&row.labels) {
            hash.update(id.to_le_bytes());
            hash.update([u8::from(*label)]);
        }
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
