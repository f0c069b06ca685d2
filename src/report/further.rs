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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{Column, ColumnKind, Proportion};
    use crate::report::markdown::tests::sample;
    use crate::report::{markdown, plain};

    #[test]
    fn further_columns_stand_apart_and_only_where_they_have_verdicts() {
        let mut evaluation = sample(true);
        let before = plain(&evaluation, Language::English, 120);
        let name = |name: &str, kind| Column { name: name.to_owned(), kind };
        evaluation.others =
            vec![name("small", ColumnKind::BaseBound), name("run 4", ColumnKind::TunedBound)];
        for result in evaluation.suites.iter_mut().skip(1).flat_map(|suite| &mut suite.metrics) {
            result.others = vec![Proportion { successes: 0, n: 0 }; 2];
        }
        for result in &mut evaluation.suites[0].metrics {
            result.others =
                vec![Proportion { successes: 37, n: 40 }, Proportion { successes: 0, n: 0 }];
        }
        let table = further(&evaluation, Language::English).unwrap();
        assert_eq!(table.rows.len(), main_metrics(&evaluation.suites[0]).len());
        assert!(table.rows.iter().all(|(_, _, cells)| cells[1].is_empty()));
        let text = plain(&evaluation, Language::English, 120);
        let added = text.strip_prefix(&before).unwrap();
        assert!(
            added.contains("37/40 92.5 % [80-97]  small (base, bound to the grammar)\n"),
            "{added}"
        );
        assert!(!added.contains("run 4"));
        let text = markdown(&evaluation, Language::Korean, &[]);
        assert!(
            text.contains("small (기본, 문법에 맞춘 디코딩)")
                && text.contains("| 37/40 92.5 % [80-97] |  |")
        );
        assert!(further(&sample(true), Language::English).is_none());
    }
}
