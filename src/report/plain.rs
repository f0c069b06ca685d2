//! The evaluation as a table for the terminal, aligned by display width.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::words::Words;
use super::{figures, further};
use crate::evaluate::{Evaluation, Form, MetricResult, SuiteResult};
use crate::pair::example::Language;

/// Columns below which intervals are left out.
const WIDE: usize = 100;

/// The evaluation as lines of text for a terminal of `width` columns. Subsets are left to the
/// report.
pub fn plain(evaluation: &Evaluation, language: Language, width: usize) -> String {
    let words = Words::of(language);
    let table = Table { words, language, wide: width >= WIDE };
    let mut rows = vec![Row::Cells([
        String::new(),
        "n".to_owned(),
        words.base.to_owned(),
        words.tuned.to_owned(),
        words.difference.to_owned(),
    ])];
    let (guards, tasks): (Vec<&SuiteResult>, Vec<&SuiteResult>) =
        evaluation.suites.iter().partition(|suite| suite.forgetting);
    for suite in tasks {
        rows.push(Row::Heading(table.title(suite).to_owned()));
        rows.extend(table.suite(suite, None));
    }
    if !guards.is_empty() {
        rows.push(Row::Heading(words.forgotten.to_owned()));
        for suite in guards {
            rows.extend(table.suite(suite, Some(table.title(suite))));
        }
    }
    let mut text = layout(&rows);
    for left_out in &evaluation.not_run {
        text.push_str(&figures::not_run(left_out, language, words));
        text.push('\n');
    }
    if let Some(table) = further::further(evaluation, language) {
        text.push_str(&beside(&table));
    }
    text
}

/// Columns beside base and tuned: what each is, then their figures, a line for each, since there may be many.
fn beside(table: &further::Further) -> String {
    let mut text = format!("{}\n", table.title);
    let mut last = None;
    for (suite, metric, cells) in &table.rows {
        if last != Some(suite) {
            let _ = writeln!(text, "  {suite}");
            last = Some(suite);
        }
        let _ = writeln!(text, "    {metric}");
        let width = cells.iter().map(|cell| cell.width()).max().unwrap_or(0);
        for (name, cell) in table.columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            let space = " ".repeat(width - cell.width());
            let _ = writeln!(text, "      {space}{cell}  {name}");
        }
    }
    let _ = writeln!(text, "  {}", table.note);
    text
}

struct Table<'a> {
    words: &'a Words,
    language: Language,
    wide: bool,
}

enum Row {
    Heading(String),
    /// Label, n, base, tuned, difference.
    Cells([String; 5]),
}

impl Table<'_> {
    fn title<'a>(&self, suite: &'a SuiteResult) -> &'a str {
        match self.language {
            Language::Korean => &suite.title.ko,
            Language::English => &suite.title.en,
        }
    }

    /// The rows of a suite; `label` takes the place of the metric's name.
    fn suite(&self, suite: &SuiteResult, label: Option<&str>) -> Vec<Row> {
        let totals = || suite.metrics.iter().filter(|metric| metric.subset.is_none());
        let mut rows: Vec<Row> = totals()
            .map(|result| {
                let both = totals().filter(|other| other.metric == result.metric).count() > 1;
                let name = label.unwrap_or(self.words.metric(result.metric));
                let name = match (both, result.form) {
                    (false, _) => name.to_owned(),
                    (true, Form::Strict) => format!("{name}, {}", self.words.strict),
                    (true, Form::Lenient) => format!("{name}, {}", self.words.lenient),
                };
                self.metric(&name, result)
            })
            .collect();
        if let Some(loss) = &suite.text_loss {
            let nats = |value: f64| format!("{value:.3}");
            rows.push(Row::Cells([
                format!("  {} ({})", self.words.cross_entropy, self.words.nats),
                suite.items.len().to_string(),
                nats(loss.base),
                loss.tuned.map_or_else(String::new, nats),
                figures::loss_difference(loss, self.wide, self.words).unwrap_or_default(),
            ]));
        }
        rows
    }

    fn metric(&self, name: &str, result: &MetricResult) -> Row {
        let cell = |proportion, interval| {
            let share = figures::share(proportion);
            if self.wide { format!("{share} {:>8}", figures::interval(interval)) } else { share }
        };
        let tuned = result.tuned.zip(result.tuned_interval);
        let difference = result.difference.as_ref();
        Row::Cells([
            format!("  {name}"),
            result.base.n.to_string(),
            cell(result.base, result.base_interval),
            tuned.map_or_else(String::new, |(tuned, interval)| cell(tuned, interval)),
            difference.map_or_else(String::new, |difference| {
                figures::short_difference(difference, self.wide, self.words)
            }),
        ])
    }
}

fn layout(rows: &[Row]) -> String {
    let mut widths = [0; 5];
    for row in rows {
        if let Row::Cells(cells) = row {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.width());
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let line = match row {
            Row::Heading(heading) => heading.clone(),
            Row::Cells(cells) => cells
                .iter()
                .zip(widths)
                .enumerate()
                .map(|(column, (cell, width))| {
                    let space = " ".repeat(width.saturating_sub(cell.width()));
                    // The label and the difference are text, the rest are figures.
                    if matches!(column, 0 | 4) {
                        format!("{cell}{space}")
                    } else {
                        format!("{space}{cell}")
                    }
                })
                .collect::<Vec<_>>()
                .join("  "),
        };
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::markdown::tests::sample;

    #[test]
    fn tables_in_both_languages_and_widths() {
        insta::assert_snapshot!("plain_english", plain(&sample(true), Language::English, 120));
        insta::assert_snapshot!("plain_korean", plain(&sample(true), Language::Korean, 120));
        insta::assert_snapshot!("plain_narrow", plain(&sample(true), Language::English, 80));
        insta::assert_snapshot!("plain_base", plain(&sample(false), Language::Korean, 120));
    }

    #[test]
    fn lines_keep_to_the_width() {
        for language in [Language::Korean, Language::English] {
            for width in [80, 120] {
                let text = plain(&sample(true), language, width);
                let widest = text.lines().map(UnicodeWidthStr::width).max().unwrap();
                assert!(widest <= width, "{widest} for {width}:\n{text}");
            }
        }
    }

    #[test]
    fn columns_line_up_by_display_width() {
        let rows = [
            Row::Cells(["한글".into(), "1".into(), String::new(), String::new(), "|".into()]),
            Row::Cells(["abcd".into(), "10".into(), String::new(), String::new(), "|".into()]),
        ];
        let text = layout(&rows);
        let ends: Vec<usize> = text.lines().map(UnicodeWidthStr::width).collect();
        assert_eq!(ends[0], ends[1], "{text}");
    }
}
