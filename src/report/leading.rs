//! Which figures stand for a suite, and how its items changed.

use crate::evaluate::{
    Answer, Evaluation, Form, ItemResult, Metric, MetricResult, Repair, SuiteKind, SuiteResult,
};

/// The metrics of a suite over all of its items, read strictly where there is a strict reading.
pub fn main_metrics(suite: &SuiteResult) -> Vec<&MetricResult> {
    let whole = || suite.metrics.iter().filter(|result| result.subset.is_none());
    whole()
        .filter(|result| {
            let strict =
                |other: &MetricResult| other.metric == result.metric && other.form == Form::Strict;
            result.form == Form::Strict || !whole().any(strict)
        })
        .collect()
}

/// The one metric that stands for a suite: the whole call, else its first.
pub fn leading(suite: &SuiteResult) -> Option<&MetricResult> {
    let metrics = main_metrics(suite);
    let whole = metrics.iter().find(|result| result.metric == Metric::Parameters);
    whole.or_else(|| metrics.first()).copied()
}

/// Suites that measure the task, and those that guard against forgetting.
pub fn tasks_and_guards(evaluation: &Evaluation) -> (Vec<&SuiteResult>, Vec<&SuiteResult>) {
    evaluation.suites.iter().partition(|suite| !suite.forgetting)
}

/// How an item's answers stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flip {
    /// The base alone was right.
    Regressed,
    /// The tuned model alone is right.
    Improved,
    /// Neither is right.
    BothWrong,
    /// Both are right.
    BothRight,
    /// Wrong, where the base alone was asked.
    Wrong,
    /// Right, where the base alone was asked.
    Right,
    /// Neither right nor wrong.
    Undecided,
}

impl Flip {
    /// All, those first that a reader looks for first.
    pub const ALL: [Self; 7] = [
        Self::Regressed,
        Self::Improved,
        Self::BothWrong,
        Self::BothRight,
        Self::Wrong,
        Self::Right,
        Self::Undecided,
    ];

    /// How an item stands.
    pub fn of(item: &ItemResult) -> Self {
        let tuned = item.tuned.as_ref().map(Answer::is_right);
        match (item.base.is_right(), tuned) {
            (Some(true), Some(Some(false))) => Self::Regressed,
            (Some(false), Some(Some(true))) => Self::Improved,
            (Some(false), Some(Some(false))) => Self::BothWrong,
            (Some(true), Some(Some(true))) => Self::BothRight,
            (Some(false), None) => Self::Wrong,
            (Some(true), None) => Self::Right,
            (None, _) | (Some(_), Some(None)) => Self::Undecided,
        }
    }
}

/// Kinds of repair by which a suite's calls were read leniently, with the numbers of replies of base and
/// tuned, the most frequent first.
pub fn repairs(suite: &SuiteResult) -> Vec<(Repair, u32, u32)> {
    let count = |kind: Repair, answers: &mut dyn Iterator<Item = &Answer>| {
        answers.filter(|answer| answer.repairs.contains(&kind)).count() as u32
    };
    let mut kinds: Vec<(Repair, u32, u32)> = (Repair::ALL.into_iter())
        .map(|kind| {
            let base = count(kind, &mut suite.items.iter().map(|item| &item.base));
            let tuned = count(kind, &mut suite.items.iter().filter_map(|item| item.tuned.as_ref()));
            (kind, base, tuned)
        })
        .filter(|(_, base, tuned)| base + tuned > 0)
        .collect();
    kinds.sort_by_key(|(_, base, tuned)| std::cmp::Reverse(base + tuned));
    kinds
}

/// Classes of error in a suite with their counts for base and tuned, the most frequent first.
pub fn error_classes(suite: &SuiteResult) -> Vec<(String, u32, u32)> {
    let mut classes: Vec<(String, u32, u32)> = Vec::new();
    if !matches!(
        suite.kind,
        SuiteKind::Tools | SuiteKind::Domain | SuiteKind::Classification | SuiteKind::Generation
    ) {
        return classes;
    }
    for item in &suite.items {
        for (tuned, answer) in [(false, Some(&item.base)), (true, item.tuned.as_ref())] {
            let Some(class) = answer.and_then(Answer::error_class) else {
                continue;
            };
            let at = classes.iter().position(|(known, ..)| known == class);
            let at = at.unwrap_or_else(|| {
                classes.push((class.to_owned(), 0, 0));
                classes.len() - 1
            });
            if let Some((_, base_count, tuned_count)) = classes.get_mut(at) {
                *(if tuned { tuned_count } else { base_count }) += 1;
            }
        }
    }
    classes.sort_by_key(|(_, base, tuned)| std::cmp::Reverse(base + tuned));
    classes
}
