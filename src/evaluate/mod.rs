//! Suites, scorers, statistics, comparison of base and tuned, forgetting.

pub mod result;

pub use result::{
    Answer, Difference, Evaluation, Form, ItemResult, Metric, MetricResult, Proportion, SuiteKind,
    SuiteResult, TextLoss, Title, Verdict,
};
