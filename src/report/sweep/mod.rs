//! The report of a sweep: target against forgetting over its runs, as one HTML page, Markdown, JSON
//! and a table for the terminal.

mod analysis;
mod chart;
mod html;
mod labels;
mod markdown;
pub mod measure;
mod panels;
mod plain;
#[cfg(test)]
pub(crate) mod sample;
mod sentences;
mod words;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use analysis::{best, front, kept, target};
pub use html::html;
pub use markdown::markdown;
pub use measure::Measure;
pub use plain::plain;
pub use sentences::{findings, standing};

use crate::failure::{Failure, Result};

/// A sweep as its report has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// Its number in the project.
    pub number: u32,
    /// Base model.
    pub model: String,
    /// What was varied.
    pub axes: Vec<Axis>,
    /// The runs, in the order of the axes' values.
    pub runs: Vec<Run>,
    /// Seconds that the runs left may take, where that can be known.
    pub seconds_left: Option<f64>,
    /// The command that repeats the sweep or goes on with it.
    pub command: String,
    /// Unix seconds when the report was made.
    pub created: i64,
}

/// What was varied and its values as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// For example `mix`.
    pub key: String,
    /// For example `0`, `10`, `20`.
    pub values: Vec<String>,
}

/// A run of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its number in the project; none before it began.
    pub number: Option<u32>,
    /// The value of each axis.
    pub values: Vec<String>,
    /// Its figures; none before it was evaluated.
    pub measure: Option<Measure>,
    /// Why it failed, where it did.
    pub failed: Option<String>,
    /// Seconds of training and evaluation.
    pub seconds: f64,
}

/// The sweep as indented JSON with a newline at the end.
///
/// # Errors
/// A defect where it cannot be written as JSON.
pub fn json(sweep: &Sweep) -> Result<String> {
    serde_json::to_string_pretty(sweep)
        .map(|text| text + "\n")
        .map_err(|error| Failure::defect(format!("report.json: {error}")))
}
