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
use crate::engine::{Adapter, OptimizerState, Row, cpu};
use crate::failure::{Context as _, Failure, Result};
use crate::whole_file::write_whole;

const FILE: &str = "checkpoint.safetensors";
const HEADER_KEY: &str = "hone";
const VERSION: u32 = 1;

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
    pub fn new(recipe: &Recipe, model: &str, rows: &[Vec<Row>]) -> Self {
        Self {
            version: VERSION,
            step: 0,
            recipe: recipe.clone(),
            model: model.to_owned(),
            kernel: cpu::kernel().name().to_owned(),
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
        } else if self.recipe != fresh.recipe {
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
    let mut tensors: Vec<(String, Vec<u8>)> = Vec::new();
    for (layer, target, a, b) in adapter.tensors() {
        for (side, values) in [('A', a), ('B', b)] {
            tensors.push((super::adapter_file::tensor_name(layer, target, side), bytes(values)));
        }
    }
    tensors.push(("optimizer.first".to_owned(), bytes(&state.first)));
    tensors.push(("optimizer.second".to_owned(), bytes(&state.second)));
    let views = tensors
        .iter()
        .map(|(name, data)| {
            TensorView::new(Dtype::F32, vec![data.len() / 4], data)
                .map(|view| (name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .because("checkpoint")?;
    let header = CheckpointHeader { optimizer_step: state.step, ..header.clone() };
    let header = serde_json::to_string(&header).because("checkpoint")?;
    let metadata = HashMap::from([(HEADER_KEY.to_owned(), header)]);
    let data = serialize(views, Some(metadata)).because("checkpoint")?;
    write_whole(&path(folder), &data)
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
    let floats = |name: &str| -> Result<Vec<f32>> {
        let view = file.tensor(name).because(path.display())?;
        Ok(view
            .data()
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
    let state = OptimizerState {
        step: header.optimizer_step,
        first: floats("optimizer.first")?,
        second: floats("optimizer.second")?,
    };
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

fn digest(rows: &[Vec<Row>]) -> String {
    let mut hash = Sha256::new();
    for row in rows.iter().flatten() {
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
