//! A sweep's runs as a table for the terminal.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::analysis::{behind, best, front};
use super::labels::{clock, lacking, number, points, range, shares};
use super::sentences::{beside, findings, standing, target_name};
use super::words::SweepWords;
use super::{Sweep, analysis};
use crate::pair::Language;
use crate::report::figures::percent;

/// The table, a line a run, and what it tells.
pub fn plain(sweep: &Sweep, language: Language) -> String {
    let words = SweepWords::of(language);
    let (front, best, others) = (front(sweep), best(sweep), behind(sweep));
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut head = vec![words.run.to_owned()];
    head.extend(sweep.axes.iter().map(|axis| axis.key.clone()));
    let names = [words.target, words.forgotten, words.beside_best, words.time];
    head.extend(names.map(str::to_owned));
    rows.push(head);
    for (at, run) in sweep.runs.iter().enumerate() {
        let mark = if front.contains(&at) { "*" } else { "" };
        let mut cells = vec![format!("{}{mark}", number(run))];
        cells.extend(run.values.iter().cloned());
        match &run.measure {
            None => cells.push(lacking(run, words)),
            Some(measure) => {
                let interval = shares(measure.target.interval);
                cells.push(format!("{} [{interval}]", percent(analysis::target(measure))));
                let mean = measure.forgetting.as_ref().map(|forgetting| forgetting.mean);
                cells.push(mean.map_or_else(
                    || "-".to_owned(),
                    |mean| format!("{} [{}]", points(mean.delta), range(mean.interval)),
                ));
                cells.push(beside(&others, at, best == Some(at), words));
                cells.push(clock(run.seconds, words));
            }
        }
        rows.push(cells);
    }
    let mut text = format!("{}\n", target_name(sweep, language));
    text += &layout(&rows);
    if !front.is_empty() {
        let _ = writeln!(text, "* {}", words.front);
    }
    let _ = writeln!(text, "{}", standing(sweep, language));
    for finding in findings(sweep, language) {
        let _ = writeln!(text, "{finding}.");
    }
    text
}

/// Cells below each other by display width. A row that is cut short does not widen a column.
fn layout(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let mut widths = vec![0; columns];
    for row in rows {
        let whole = row.len() == columns;
        for (at, cell) in row.iter().enumerate() {
            if whole || at + 1 < row.len() {
                widths[at] = widths[at].max(cell.width());
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += cell;
            line += &" ".repeat(width.saturating_sub(cell.width()) + 2);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
