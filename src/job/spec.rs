//! What can be asked of a job. The interface and the subcommands ask for the same things.

use std::path::PathBuf;

use super::sweep::plan::SweepRequest;
use crate::document::{OcrUse, PassageSettings};
use crate::pair::format::Format;
use crate::pair::{Example, Language};
use crate::project::{DocumentId, PassageId};
use crate::train::{Device, Recipe};

/// A piece of long work.
#[derive(Debug, Clone, PartialEq)]
pub enum JobSpec {
    /// Read a document into pages and passages.
    AddDocument {
        /// The file.
        path: PathBuf,
        /// Password of an encrypted file.
        password: Option<String>,
        /// How it is read and split.
        options: AddOptions,
    },
    /// Split a document that was read into passages of another length, which the project keeps.
    SplitDocument {
        /// The document.
        document: DocumentId,
        /// How long passages are.
        passages: PassageSettings,
    },
    /// Import examples from a file; its format is recognized.
    ImportPairs {
        /// The file.
        path: PathBuf,
        /// Columns by their meaning, `question=Q,answer=A`; empty for what is recognized.
        mapping: String,
        /// Accept rows that do not say otherwise.
        accept: bool,
    },
    /// Add a file of general conversation to the pools that the mix draws from.
    AddPool {
        /// The file.
        path: PathBuf,
        /// As for an import.
        mapping: String,
    },
    /// Export the accepted examples to a file, or to a folder with a data card.
    ExportPairs {
        /// The file, or a folder where the name has no ending.
        path: PathBuf,
        /// Form of the rows.
        format: Format,
    },
    /// Have a model propose pairs about passages.
    Draft {
        /// The passages.
        passages: Vec<PassageId>,
        /// Pairs asked for, a passage.
        count: usize,
        /// Who proposes.
        source: DraftSource,
    },
    /// Fetch a model.
    PullModel {
        /// Short name or `OWNER/NAME`.
        name: String,
    },
    /// Put together the training set and tell its figures.
    Mix,
    /// Train.
    Train {
        /// Base model.
        model: String,
        /// Settings.
        recipe: Recipe,
        /// Run to go on with; none starts a new one.
        resume: Option<u32>,
    },
    /// Train and evaluate one run after the other, over settings.
    Sweep(Box<SweepRequest>),
    /// Score base and tuned.
    Evaluate {
        /// Base model.
        model: String,
        /// Run whose adapter is *tuned*; none scores the base alone.
        run: Option<u32>,
        /// What is asked and how.
        options: EvaluateOptions,
    },
    /// Look for what may be wrong with the pairs that are not rejected.
    Check {
        /// Model whose tokens are counted; none for an estimate.
        model: Option<String>,
    },
    /// Measure what a base model makes of the pairs that are not rejected: those not measured yet.
    Measure {
        /// Base model.
        model: String,
        /// Mean loss of each answer.
        loss: bool,
        /// Share of sampled answers that are right.
        known: bool,
        /// Pairs at most; none for all.
        limit: Option<usize>,
    },
    /// Answer a conversation with base and tuned.
    Chat {
        /// Base model.
        model: String,
        /// Run whose adapter is *tuned*.
        run: Option<u32>,
        /// The conversation so far, ending with the user's turn.
        conversation: Example,
    },
}

/// How a document is read and split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddOptions {
    /// When pages are read by character recognition.
    pub ocr: OcrUse,
    /// How long passages are, from now on in this project; none leaves that as it is.
    pub passages: Option<PassageSettings>,
}

/// What an evaluation asks and how.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "switches, each by itself")]
pub struct EvaluateOptions {
    /// Suites by name; empty for all.
    pub suites: Vec<String>,
    /// Which of their cases.
    pub cases: CaseFilter,
    /// Replies a case; the first is judged, of all of them the share that is right is told.
    pub samples: u32,
    /// 0 takes the likeliest token at every step.
    pub temperature: f64,
    /// Seed of the draws.
    pub seed: u64,
    /// A model behind an endpoint as a further column.
    pub endpoint: Option<EndpointChoice>,
    /// A model behind an endpoint that judges answers in free text.
    pub judge: Option<EndpointChoice>,
    /// Ask cases that offer tools once more with calls bound to the tools' grammar, as further columns.
    pub bound: bool,
    /// Ask also cases that the run was trained on.
    pub keep_seen: bool,
    /// Ask everything anew, whatever was answered before.
    pub fresh: bool,
    /// Run the programs that replies hold; else cases that ask for them are left out.
    pub run_programs: bool,
    /// Where answers are made.
    pub device: Device,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        Self {
            suites: Vec::new(),
            cases: CaseFilter::default(),
            samples: 1,
            temperature: 0.0,
            seed: 0,
            endpoint: None,
            judge: None,
            bound: false,
            keep_seen: false,
            fresh: false,
            run_programs: false,
            device: Device::Auto,
        }
    }
}

/// A model behind an OpenAI-compatible endpoint. Its key comes from the environment, never from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointChoice {
    /// Base address, for example `http://127.0.0.1:8000/v1`.
    pub url: String,
    /// Model name sent.
    pub model: String,
    /// Longest silence in seconds; none for the usual patience.
    pub timeout: Option<u64>,
    /// Requests in flight at once.
    pub parallel: usize,
}

impl EndpointChoice {
    /// Requests in flight at once, where nothing else is said.
    pub const PARALLEL: usize = 4;
}

/// Which cases of a suite are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaseFilter {
    /// Only cases tagged with this language, and suites of it; none for all.
    pub language: Option<Language>,
    /// At most this many cases a suite, the same ones every time; none for all.
    pub limit: Option<usize>,
}

/// Who proposes pairs.
#[derive(Debug, Clone, PartialEq)]
pub enum DraftSource {
    /// A model run by this program.
    Embedded {
        /// Base model name.
        model: String,
    },
    /// An OpenAI-compatible endpoint. Its key comes from the environment, never from here.
    Endpoint {
        /// Base address, for example `http://127.0.0.1:8000/v1`.
        url: String,
        /// Model name sent.
        model: String,
    },
}
