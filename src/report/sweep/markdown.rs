//! `report.md` of a sweep.

use super::Sweep;
use super::analysis::{behind, best, front, target};
use super::labels::{clock, lacking, number, points, range, shares};
use super::sentences::{beside, findings, standing, target_name};
use super::words::SweepWords;
use crate::pair::Language;
use crate::report::figures::{self, percent};

/// The sweep as Markdown in one language.
pub fn markdown(sweep: &Sweep, language: Language) -> String {
    let words = SweepWords::of(language);
    let mut lines = vec![
        format!("# {}", words.report),
        String::new(),
        format!(
            "{} {} · {} · {} · {}",
            words.sweep,
            sweep.number,
            cell(&sweep.model),
            figures::time(sweep.created),
            standing(sweep, language)
        ),
        String::new(),
    ];
    lines.extend(findings(sweep, language).iter().map(|finding| format!("- {}.", cell(finding))));
    lines.extend([String::new(), format!("## {}", words.all_runs), String::new()]);
    lines.push(format!(
        "{}: {}. {}",
        words.target,
        target_name(sweep, language),
        words.all_runs_note
    ));
    lines.push(String::new());
    lines.extend(table(sweep, words));
    lines.extend([String::new(), format!("## {}", words.reading), String::new()]);
    lines.extend(words.readings.iter().map(|reading| format!("- {reading}")));
    lines.extend([String::new(), format!("{}:", words.repeat), String::new()]);
    lines.push(format!("```console\n$ {}\n```", sweep.command));
    lines.join("\n") + "\n"
}

fn table(sweep: &Sweep, words: &SweepWords) -> Vec<String> {
    let (front, best, others) = (front(sweep), best(sweep), behind(sweep));
    let mut head = vec![words.run.to_owned()];
    head.extend(sweep.axes.iter().map(|axis| words.key(&axis.key).to_owned()));
    let names = [words.target, words.forgotten, words.beside_best, words.text, words.time];
    head.extend(names.map(str::to_owned));
    let rule = vec!["---".to_owned(); head.len()];
    let mut rows = vec![head, rule];
    for (at, run) in sweep.runs.iter().enumerate() {
        let mark = if front.contains(&at) { " ★" } else { "" };
        let mut cells = vec![format!("{}{mark}", number(run))];
        cells.extend(run.values.iter().cloned());
        match &run.measure {
            None => cells.extend([
                lacking(run, words),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ]),
            Some(measure) => {
                let tuned = measure.target.tuned;
                cells.push(format!(
                    "{}/{} {} [{}]",
                    tuned.successes,
                    tuned.n,
                    percent(target(measure)),
                    shares(measure.target.interval)
                ));
                let change = |change: super::measure::Change| {
                    format!("{} [{}]", points(change.delta), range(change.interval))
                };
                let mean = measure.forgetting.as_ref().map(|forgetting| change(forgetting.mean));
                cells.push(mean.unwrap_or_default());
                cells.push(beside(&others, at, best == Some(at), words));
                cells.push(measure.text.map(|text| change(text) + " %").unwrap_or_default());
                cells.push(clock(run.seconds, words));
            }
        }
        rows.push(cells);
    }
    let row = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        format!("| {} |", cells.join(" | "))
    };
    rows.into_iter().map(row).collect()
}

/// Text that does not end a cell, a line or the text around it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}
