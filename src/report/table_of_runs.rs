//! Evaluations beside each other: a row a metric, a column a run, and conditions on the figures.

use std::fmt::Write as _;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::figures;
use super::leading::{leading, main_metrics, tasks_and_guards};
use super::words::ENGLISH;
use crate::evaluate::{
    Evaluation, Metric, MetricResult, Proportion, SuiteKind, SuiteResult, TextLoss,
};

pub use conditions::{Condition, Outcome, refuse};

mod conditions;

/// An evaluation and what it is called.
#[derive(Debug, Clone)]
pub struct Named {
    /// For example `run 4`.
    pub name: String,
    /// The evaluation.
    pub evaluation: Evaluation,
}

/// The table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableOfRuns {
    /// Names of the columns after the base.
    pub runs: Vec<String>,
    /// One row a main metric or cross-entropy.
    pub rows: Vec<Row>,
    /// What keeps the columns from being compared, in words.
    pub notes: Vec<String>,
}

/// A metric of a suite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Suite, for example `forgetting/mathematics`.
    pub suite: String,
    /// The suite's title in English.
    pub title: String,
    /// Metric by its short name, for example `params`, or `text`.
    pub metric: &'static str,
    /// The base's figure, of the first evaluation that has the row.
    pub base: Option<Figure>,
    /// The runs' figures.
    pub runs: Vec<Option<Cell>>,
}

/// A share with its counts, or nats a token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Figure {
    /// A share.
    Share {
        /// Right.
        successes: u32,
        /// In all.
        n: u32,
    },
    /// Nats a token.
    Nats {
        /// Cross-entropy.
        nats: f64,
    },
}

/// A run's figure and how it differs from its base.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cell {
    /// The tuned model's figure, the base's where only that was scored.
    #[serde(flatten)]
    pub figure: Figure,
    /// Tuned minus base: a share, or for cross-entropy a share of the base's.
    pub delta: Option<f64>,
    /// Whether the difference can be told, and which way: `better` or `worse`.
    pub told: Option<&'static str>,
}

/// The short name of a metric, as conditions have it.
pub fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::JsonValidity => "json",
        Metric::ToolName => "name",
        Metric::Parameters => "params",
        Metric::ExactMatch => "exact",
        Metric::NoCall => "nocall",
        Metric::Accuracy => "accuracy",
        Metric::Judged => "judged",
    }
}

/// Puts evaluations beside each other, in the order given.
pub fn table_of_runs(named: &[Named]) -> TableOfRuns {
    let mut rows: Vec<Row> = Vec::new();
    for (column, each) in named.iter().enumerate() {
        let (tasks, guards) = tasks_and_guards(&each.evaluation);
        for suite in tasks.into_iter().chain(guards) {
            for result in main_metrics(suite) {
                let row = row_of(&mut rows, suite, metric_name(result.metric), named.len());
                row.base.get_or_insert(figure(result.base));
                if let Some(cell) = row.runs.get_mut(column) {
                    *cell = Some(share_cell(result));
                }
            }
            if let Some(loss) = &suite.text_loss {
                let row = row_of(&mut rows, suite, "text", named.len());
                row.base.get_or_insert(Figure::Nats { nats: loss.base });
                if let Some(cell) = row.runs.get_mut(column) {
                    *cell = Some(loss_cell(loss));
                }
            }
        }
    }
    let runs = named.iter().map(|each| each.name.clone()).collect();
    TableOfRuns { runs, rows, notes: notes(named) }
}

fn figure(share: Proportion) -> Figure {
    Figure::Share { successes: share.successes, n: share.n }
}

/// The row of a suite's metric; a new one stands after the last of its suite.
fn row_of<'a>(
    rows: &'a mut Vec<Row>,
    suite: &SuiteResult,
    metric: &'static str,
    columns: usize,
) -> &'a mut Row {
    let found = rows.iter().position(|row| row.suite == suite.name && row.metric == metric);
    let at = found.unwrap_or_else(|| {
        let after = rows.iter().rposition(|row| row.suite == suite.name);
        let at = after.map_or(rows.len(), |last| last + 1);
        let row = Row {
            suite: suite.name.clone(),
            title: suite.title.en.clone(),
            metric,
            base: None,
            runs: vec![None; columns],
        };
        rows.insert(at, row);
        at
    });
    &mut rows[at]
}

fn share_cell(result: &MetricResult) -> Cell {
    let told = result.difference.filter(crate::evaluate::Difference::is_told);
    Cell {
        figure: figure(result.tuned.unwrap_or(result.base)),
        delta: result.difference.map(|difference| difference.delta),
        told: told.map(|told| if told.delta > 0.0 { "better" } else { "worse" }),
    }
}

fn loss_cell(loss: &TextLoss) -> Cell {
    let relative = loss.relative();
    let told = relative.filter(|_| loss.is_told());
    Cell {
        figure: Figure::Nats { nats: loss.tuned.unwrap_or(loss.base) },
        delta: relative,
        told: told.map(|relative| if relative > 0.0 { "worse" } else { "better" }),
    }
}

/// Evaluations of other models or cases do not compare.
fn notes(named: &[Named]) -> Vec<String> {
    let Some(first) = named.first() else { return Vec::new() };
    let mut notes = Vec::new();
    for each in named.iter().skip(1) {
        let (model, other) = (&first.evaluation.model, &each.evaluation.model);
        if model != other {
            notes.push(format!(
                "{} is of {other}, {} of {model}: each is marked against its own base",
                each.name, first.name
            ));
        }
        let cases = |named: &Named| named.evaluation.provenance.as_ref().map(|it| it.cases.clone());
        let asked = |named: &Named| -> Vec<(String, u32)> {
            let suites = named.evaluation.suites.iter();
            suites.filter_map(|suite| Some((suite.name.clone(), leading(suite)?.base.n))).collect()
        };
        let other_cases = match cases(first).zip(cases(each)) {
            Some((these, those)) => these != those,
            None => asked(first) != asked(each),
        };
        if other_cases {
            notes.push(format!("{} was asked other cases than {}", each.name, first.name));
        }
    }
    notes
}

/// Every figure that a condition can name, with its value.
pub fn values(evaluation: &Evaluation) -> Vec<(String, f64)> {
    let share = |share: Proportion| f64::from(share.successes) / f64::from(share.n.max(1));
    let (tasks, guards) = tasks_and_guards(evaluation);
    let mut values = Vec::new();
    for suite in &evaluation.suites {
        for result in main_metrics(suite) {
            let name = format!("{}.{}", suite.name, metric_name(result.metric));
            values.push((name.clone(), share(result.tuned.unwrap_or(result.base))));
            if let Some(difference) = &result.difference {
                values.push((format!("delta({name})"), difference.delta));
            }
        }
    }
    // A bare name is the shipped suite's, or the only suite's that has the metric.
    for metric in ["json", "name", "params", "exact", "nocall", "accuracy", "judged"] {
        let has = |suite: &SuiteResult| {
            main_metrics(suite).iter().any(|result| metric_name(result.metric) == metric)
        };
        let having: Vec<&&SuiteResult> = tasks.iter().filter(|suite| has(suite)).collect();
        let tools = having.iter().find(|suite| suite.name == "tools");
        if let Some(suite) = tools.or(having.first().filter(|_| having.len() == 1)) {
            alias(&mut values, metric, &format!("{}.{metric}", suite.name));
        }
    }
    if let Some(suite) = tasks.iter().find(|suite| suite.kind == SuiteKind::Domain)
        && let Some(result) = leading(suite)
    {
        let name = format!("{}.{}", suite.name, metric_name(result.metric));
        alias(&mut values, "domain", &name);
    }
    let mut worst: Option<f64> = None;
    for suite in &guards {
        if let Some(difference) = leading(suite).and_then(|result| result.difference) {
            let name = suite.name.replace('/', ".");
            values.push((name, difference.delta));
            worst = Some(worst.map_or(difference.delta, |worst| worst.min(difference.delta)));
        }
    }
    values.extend(worst.map(|worst| ("forgetting".to_owned(), worst)));
    let losses = evaluation.suites.iter().filter_map(|suite| suite.text_loss.as_ref());
    let most = losses.filter_map(TextLoss::relative).max_by(f64::total_cmp);
    values.extend(most.map(|relative| ("text".to_owned(), relative)));
    values
}

/// Gives a figure and its difference a second name.
fn alias(values: &mut Vec<(String, f64)>, short: &str, long: &str) {
    for (short, long) in
        [(short.to_owned(), long.to_owned()), (format!("delta({short})"), format!("delta({long})"))]
    {
        let known = values.iter().any(|(name, _)| *name == short);
        let value = values.iter().find(|(name, _)| *name == long).map(|(_, value)| *value);
        if let Some(value) = value.filter(|_| !known) {
            values.push((short, value));
        }
    }
}

/// The table as lines of text, its columns aligned by display width.
pub fn plain(table: &TableOfRuns) -> String {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut head = vec![String::new(), ENGLISH.base.to_owned()];
    head.extend(table.runs.iter().cloned());
    lines.push(head);
    let mut suite = None;
    for row in &table.rows {
        if suite != Some(&row.suite) {
            suite = Some(&row.suite);
            lines.push(vec![format!("{}  {}", row.suite, row.title)]);
        }
        let mut cells = vec![format!("  {}", row.metric)];
        cells.push(row.base.as_ref().map_or_else(|| "-".to_owned(), show));
        for cell in &row.runs {
            cells.push(cell.as_ref().map_or_else(|| "-".to_owned(), show_cell));
        }
        lines.push(cells);
    }
    let mut text = layout(&lines);
    let marked = table.rows.iter().flat_map(|row| &row.runs).flatten();
    if marked.clone().any(|cell| cell.told.is_some()) {
        text.push_str("▲ better and ▼ worse than the base: the difference can be told\n");
    }
    for note in &table.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

fn show(figure: &Figure) -> String {
    match figure {
        Figure::Share { successes, n } => {
            let share = Proportion { successes: *successes, n: *n };
            format!("{successes}/{n} {:>7}", figures::share(share))
        }
        Figure::Nats { nats } => format!("{nats:.3}"),
    }
}

fn show_cell(cell: &Cell) -> String {
    let mark = match cell.told {
        Some("better") => "▲",
        Some(_) => "▼",
        None => " ",
    };
    format!("{} {mark}", show(&cell.figure))
}

/// Cells right-aligned below each other, but for the first of a line. A line of one cell is a heading.
fn layout(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; columns];
    for line in lines.iter().filter(|line| line.len() > 1) {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.width());
        }
    }
    let mut text = String::new();
    for line in lines {
        let mut out = String::new();
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            match at {
                0 => out.extend([cell.as_str(), &blanks]),
                _ => out.extend(["   ", &blanks, cell]),
            }
        }
        text.push_str(out.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
