//! What a job tells while it goes on.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::checking::CheckReport;
use super::sweep::SweepEvent;
use super::told::Told;
use crate::progress::Progress;
use crate::train::TrainEvent;

/// Identifies a job in this process. Late mail of a finished job is dropped by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// Something that happened in a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// A stage moved on.
    Progress(Progress),
    /// A line for the log and for plain output.
    Note(String),
    /// A training event.
    Train(TrainEvent),
    /// An event of a sweep.
    Sweep(SweepEvent),
    /// Stored data changed (documents, examples, runs or evaluations): read it again.
    DataChanged,
    /// A piece of a chat answer.
    ChatText {
        /// Whether the tuned model speaks.
        tuned: bool,
        /// Text to append.
        text: String,
    },
    /// The pairs were checked.
    Checked(Arc<CheckReport>),
    /// The job ended. Always the last event, and always sent.
    Ended(JobOutcome),
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    /// Done.
    Finished(Told),
    /// Stopped by the user; what was done is kept.
    Stopped(Told),
    /// Failed.
    Failed {
        /// What went wrong.
        message: String,
        /// What to do.
        hints: Vec<String>,
    },
}
