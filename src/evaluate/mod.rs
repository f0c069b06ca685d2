//! Suites, scorers, statistics, comparison of base and tuned, forgetting.
//!
//! A [`Suite`] holds [`Case`]s; [`run::run`] puts them to an [`Answerer`] as base and as tuned
//! model; the scorers ([`parse`], [`calls`], [`answers`], [`domain`], [`choice`]) judge each reply;
//! [`compare`] turns the verdicts into metrics with intervals and paired tests ([`statistics`]).
//! Nothing here knows models or files: the caller implements [`Answerer`] and reads the suites.

pub mod answerer;
pub mod answers;
pub mod cached;
pub mod calls;
pub mod case;
pub mod choice;
pub mod compare;
pub mod domain;
pub mod import;
pub mod judged;
pub mod parse;
pub mod programs;
pub mod recorded;
pub mod result;
pub mod rules;
pub mod run;
pub mod score;
pub mod seen;
pub mod statistics;
pub mod suite;

pub use answerer::{Answerer, Decoding, Nats, OnReply, Prompt, Question, Reply};
pub use cached::{AnswerCache, Cached};
pub use case::{ANY_CALL, Case, Expect, ExpectedArgument, ExpectedCall, NO_CALL, ShortAnswer};
pub use programs::ProgramRunner;
pub use result::{
    Answer, ArgumentCounts, ArgumentScores, Clustered, Column, ColumnKind, Difference, Evaluation,
    Form, ItemResult, Metric, MetricResult, NotRun, Part, Proportion, Provenance, Reason, Repair,
    SeenItem, SuiteKind, SuiteResult, TextLoss, Title, Training, Verdict,
};
pub use run::{Extra, Plan, recorded, run};
pub use seen::TrainingSet;
pub use suite::{Problem, PromptStyle, Suite, calls_suite, domain_suite, shipped};
