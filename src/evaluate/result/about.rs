//! What an evaluation was made of and beside what.

use serde::{Deserialize, Serialize};

use super::Title;

/// A further model, or the same one decoded otherwise. Never mixed into the figures of base and
/// tuned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Name for people: the endpoint's model, or which of the two models.
    pub name: String,
    /// What it is.
    pub kind: ColumnKind,
}

/// What a further column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// A model behind an OpenAI-compatible endpoint.
    Endpoint,
    /// The base model, whose calls are bound to the tools' grammar.
    BaseBound,
    /// The tuned model, whose calls are bound to the tools' grammar.
    TunedBound,
}

/// What an evaluation was made of, so that it can be repeated and compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Version of this program.
    pub program: String,
    /// The machine: processor, threads, kernel.
    pub machine: String,
    /// SHA-256 of the model's weights and tokenizer.
    pub model: String,
    /// SHA-256 of the adapter's weights.
    pub adapter: Option<String>,
    /// SHA-256 of the cases asked.
    pub cases: String,
    /// SHA-256 of the rows the run was trained on.
    pub training_data: Option<String>,
    /// The recipe of the run, as it is stored.
    pub recipe: Option<serde_json::Value>,
    /// Replies a case, 1 for greedy decoding.
    pub samples: u32,
    /// Temperature, 0 for greedy decoding.
    pub temperature: f64,
    /// Seed of sampling.
    pub seed: u64,
    /// Replies and likelihoods taken from an earlier evaluation of the same model, prompt and
    /// settings.
    pub cached: u64,
    /// The model that judged answers in free text, and the prompt it was asked by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// The command that repeats the evaluation.
    pub command: String,
}

/// What a run learned from and how its loss went.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Training {
    /// (step, nats a trained token) of the rows trained on.
    pub losses: Vec<(u32, f64)>,
    /// (step, nats a trained token) of held-out rows.
    pub held_out: Vec<(u32, f64)>,
    /// Parts of the mix: name, rows, tokens.
    pub composition: Vec<Part>,
    /// Seconds the run took.
    pub seconds: f64,
}

/// A part of the mix.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Part {
    /// Name: kind of pair, or source.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Tokens.
    pub tokens: u64,
}

/// Cases of a suite that were left out, because programs were not to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRun {
    /// The suite's name.
    pub suite: String,
    /// Its title.
    pub title: Title,
    /// How many.
    pub cases: u32,
}
