//! The state of a sweep in the project: `sweeps/NNNN/sweep.json`, written whole at every change.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::SweepRequest;
use crate::failure::{Context as _, Failure, Result};
use crate::job::{CaseFilter, EvaluateOptions};
use crate::pair::Language;
use crate::report::sweep::{self as report, Measure};
use crate::train::Recipe;
use crate::train::sweep::{Axis, Key, Took};
use crate::whole_file::write_whole;

const FOLDER: &str = "sweeps";
const VERSION: u32 = 1;

/// A sweep as the project keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepState {
    /// Version of the form.
    pub version: u32,
    /// Number in the project, from 1.
    pub number: u32,
    /// Base model.
    pub model: String,
    /// SHA-256 of everything that its runs have in common: model, recipe, data, cases, keys.
    pub identity: String,
    /// What is varied.
    pub keys: Vec<Key>,
    /// The runs in the order they were asked for.
    pub runs: Vec<Entry>,
    /// The command that goes on with it.
    pub command: String,
    /// What was asked for last; none in sweeps of earlier versions.
    #[serde(default)]
    pub asked: Option<Asked>,
    /// Unix seconds when it began.
    pub started: i64,
}

/// One setting of a sweep and what came of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Entry {
    /// The value of each key, as written.
    pub values: Vec<String>,
    /// Number of the run; none before it began.
    pub run: Option<u32>,
    /// Its figures; none before it was evaluated.
    pub measure: Option<Measure>,
    /// Why it failed the last time it was tried.
    pub failed: Option<String>,
    /// What it took.
    pub took: Took,
}

/// What goes on with a sweep: everything of its request that its command line gives.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Asked {
    /// Settings that are not swept.
    pub recipe: Recipe,
    /// What is swept.
    pub axes: Vec<Axis>,
    /// Suites by name; empty for all.
    pub suites: Vec<String>,
    /// Only cases in this language.
    pub language: Option<Language>,
    /// At most this many cases a suite.
    pub limit: Option<usize>,
    /// The suite that is the target; none for tool calls.
    pub target: Option<String>,
}

impl Asked {
    /// What of a request is kept.
    pub(super) fn of(request: &SweepRequest) -> Self {
        let EvaluateOptions { suites, cases, .. } = &request.options;
        Self {
            recipe: request.recipe.clone(),
            axes: request.axes.clone(),
            suites: suites.clone(),
            language: cases.language,
            limit: cases.limit,
            target: request.target.clone(),
        }
    }

    /// The request for a model, with the command that is the same.
    pub fn request(self, model: &str) -> SweepRequest {
        let command = self.command(model);
        let cases = CaseFilter { language: self.language, limit: self.limit };
        SweepRequest {
            model: model.to_owned(),
            command,
            recipe: self.recipe,
            axes: self.axes,
            options: EvaluateOptions { suites: self.suites, cases, ..EvaluateOptions::default() },
            target: self.target,
        }
    }

    /// The command line; the recipe is the project's.
    fn command(&self, model: &str) -> String {
        let mut command = format!("hone train --model {} --sweep", quoted(model));
        for axis in &self.axes {
            let _ = write!(command, " {axis}");
        }
        for suite in &self.suites {
            let _ = write!(command, " --suite {}", quoted(suite));
        }
        if let Some(language) = self.language {
            let _ = write!(command, " --language {}", language.code());
        }
        if let Some(limit) = self.limit {
            let _ = write!(command, " --limit {limit}");
        }
        if let Some(target) = &self.target {
            let _ = write!(command, " --target {}", quoted(target));
        }
        command
    }
}

/// An argument as a shell takes it.
pub fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=,./:+%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// The folder of a sweep in the project at `folder`.
pub fn sweep_folder(folder: &Path, number: u32) -> PathBuf {
    folder.join(FOLDER).join(format!("{number:04}"))
}

impl SweepState {
    /// A sweep without runs.
    pub(super) fn new(
        number: u32,
        model: &str,
        identity: String,
        keys: Vec<Key>,
        started: i64,
    ) -> Self {
        Self {
            version: VERSION,
            number,
            model: model.to_owned(),
            identity,
            keys,
            runs: Vec::new(),
            command: String::new(),
            asked: None,
            started,
        }
    }

    /// What goes on with it; none where an earlier version kept only the command.
    pub fn request(&self) -> Option<SweepRequest> {
        let asked = self.asked.clone()?;
        Some(SweepRequest { command: self.command.clone(), ..asked.request(&self.model) })
    }

    /// Whether all its runs were measured.
    pub fn is_done(&self) -> bool {
        self.runs.iter().all(|entry| entry.measure.is_some())
    }

    /// The place of the run with these values, which is added if it is not there.
    pub(super) fn place(&mut self, values: &[f64]) -> usize {
        let values: Vec<String> =
            values.iter().map(|value| crate::train::sweep::written(*value)).collect();
        let known = self.runs.iter().position(|entry| entry.values == values);
        known.unwrap_or_else(|| {
            self.runs.push(Entry { values, ..Entry::default() });
            self.runs.len() - 1
        })
    }

    /// Writes it into its folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let folder = sweep_folder(folder, self.number);
        fs::create_dir_all(&folder).because(folder.display())?;
        let path = folder.join("sweep.json");
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::defect(format!("{}: {error}", path.display())))?;
        write_whole(&path, (text + "\n").as_bytes())
    }

    /// The sweep as its report has it. Axes have their values in rising order.
    pub fn report(&self, seconds_left: Option<f64>, created: i64) -> report::Sweep {
        let axes = self.keys.iter().enumerate().map(|(at, key)| {
            let mut values: Vec<String> = Vec::new();
            for value in self.runs.iter().filter_map(|entry| entry.values.get(at)) {
                if !values.contains(value) {
                    values.push(value.clone());
                }
            }
            let number = |text: &String| text.parse::<f64>().unwrap_or_default();
            values.sort_by(|a, b| number(a).total_cmp(&number(b)));
            report::Axis { key: key.name().to_owned(), values }
        });
        let runs = self.runs.iter().map(|entry| report::Run {
            number: entry.run,
            values: entry.values.clone(),
            measure: entry.measure.clone(),
            failed: entry.failed.clone(),
            seconds: entry.took.training + entry.took.evaluation,
        });
        report::Sweep {
            number: self.number,
            model: self.model.clone(),
            axes: axes.collect(),
            runs: runs.collect(),
            seconds_left,
            command: self.command.clone(),
            created,
        }
    }
}

/// The sweeps of the project at `folder`, by number.
///
/// # Errors
/// Names the file that cannot be read.
pub fn sweeps(folder: &Path) -> Result<Vec<SweepState>> {
    let mut found = Vec::new();
    for number in numbers(folder) {
        let path = sweep_folder(folder, number).join("sweep.json");
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path).because(path.display())?;
        let state: SweepState =
            serde_json::from_str(&text).because(path.display()).map_err(|failure| {
                failure
                    .hint("the sweep's runs are kept in runs/; move this file away to begin anew")
            })?;
        if state.version > VERSION {
            return Err(Failure::user(format!(
                "{}: the sweep is of version {}; this program knows versions up to {VERSION}",
                path.display(),
                state.version
            ))
            .hint("update `hone`"));
        }
        found.push(state);
    }
    Ok(found)
}

/// The number for a new sweep.
pub(super) fn next(folder: &Path) -> u32 {
    numbers(folder).last().copied().unwrap_or(0) + 1
}

fn numbers(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir(folder.join(FOLDER)).into_iter().flatten();
    let mut numbers: Vec<u32> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}
