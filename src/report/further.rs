//! Figures of further columns, for reports in plain text and Markdown.

use super::figures;
use super::leading::{main_metrics, tasks_and_guards};
use super::words::Words;
use super::words::page::PageWords;
use crate::evaluate::{Evaluation, statistics};
use crate::pair::example::Language;

/// A table of the columns beside base and tuned.
pub(super) struct Further {
    /// What it is, and that it has no part in the other figures.
    pub(super) title: &'static str,
    pub(super) note: &'static str,
    /// Of each column its name and what it is.
    pub(super) columns: Vec<String>,
    /// Of each metric the suite, its name, and a cell of each column: empty where it has no verdicts.
    pub(super) rows: Vec<(String, String, Vec<String>)>,
}

/// The table; none where there are no further columns.
pub(super) fn further(evaluation: &Evaluation, language: Language) -> Option<Further> {
    if evaluation.others.is_empty() {
        return None;
    }
    let (words, page) = (Words::of(language), PageWords::of(language));
    let (tasks, guards) = tasks_and_guards(evaluation);
    let mut rows = Vec::new();
    for suite in tasks.into_iter().chain(guards) {
        let title = match language {
            Language::Korean => &suite.title.ko,
            Language::English => &suite.title.en,
        };
        let counted = main_metrics(suite);
        for result in counted.iter().filter(|result| result.others.iter().any(|other| other.n > 0))
        {
            let cell = |at: usize| match result.others.get(at).filter(|share| share.n > 0) {
                None => String::new(),
                Some(share) => format!(
                    "{}/{} {} {}",
                    share.successes,
                    share.n,
                    figures::share(*share),
                    figures::interval(statistics::wilson(share.successes, share.n))
                ),
            };
            let cells = (0..evaluation.others.len()).map(cell).collect();
            rows.push((title.clone(), words.metric(result.metric).to_owned(), cells));
        }
    }
    let name = |column: &crate::evaluate::Column| {
        format!("{} ({})", column.name, page.column_kind(column.kind))
    };
    Some(Further {
        title: page.others,
        note: page.others_note,
        columns: evaluation.others.iter().map(name).collect(),
        rows,
    })
}
