//! The top of the page: what was compared, and what came of it in a sentence.

use std::fmt::Write as _;

use super::View;
use super::escape::{escape, signed};
use super::verdict::Verdict;
use crate::evaluate::{MetricResult, SuiteResult};
use crate::report::figures;
use crate::report::leading::{leading, tasks_and_guards};

pub(super) fn write(page: &mut String, view: &View<'_>, notes: &[String]) {
    let (words, evaluation) = (view.words, view.evaluation);
    let (model, run) = (escape(&evaluation.model), evaluation.run);
    let run = run.map_or_else(|| words.base_only.to_owned(), |run| format!("{} {run}", words.run));
    let _ = write!(
        page,
        "<header><p class=\"eyebrow\">{}</p><h1>{model} <span class=\"run\">{run}</span></h1>\
         <p class=\"about\">{} · {} {:.0} {}</p>",
        words.report,
        figures::time(evaluation.created),
        words.took,
        evaluation.seconds,
        words.seconds
    );
    for note in notes {
        let _ = write!(page, "<p class=\"about\">{}</p>", escape(note));
    }
    page.push_str("</header>\n");
    let _ = writeln!(page, "<section class=\"short\">{}</section>", in_short(view));
}

/// The verdict in a sentence, and what to do where something was forgotten.
fn in_short(view: &View<'_>) -> String {
    let (tasks, guards) = tasks_and_guards(view.evaluation);
    let sentences: Vec<String> = tasks.iter().filter_map(|suite| task(view, suite)).collect();
    let mut sentences = match sentences.join("; ") {
        tasks if tasks.is_empty() => Vec::new(),
        tasks => vec![tasks],
    };
    if view.evaluation.run.is_some() {
        sentences.extend(forgotten(view, &guards));
    } else {
        sentences.extend(guards.iter().filter_map(|suite| task(view, suite)));
    }
    if sentences.is_empty() {
        return format!("<p class=\"lead\">{}</p>", view.page.no_suites);
    }
    let mut out = String::new();
    for sentence in sentences {
        let _ = write!(out, "<p class=\"lead\">{sentence}.</p>");
    }
    if guards.iter().any(|suite| fell(suite)) {
        let _ = write!(
            out,
            "<p class=\"advice\"><span class=\"worse sign\" aria-hidden=\"true\">▼</span> {}</p>",
            view.page.advice
        );
    }
    out
}

/// Tells whether it can be told that something was forgotten.
fn fell(suite: &SuiteResult) -> bool {
    let share = leading(suite).and_then(|result| result.difference);
    let loss = suite.text_loss.as_ref().and_then(Verdict::of_loss);
    share.is_some_and(|difference| Verdict::of(&difference) == Verdict::Worse)
        || loss == Some(Verdict::Worse)
}

/// `Tool calls: parameters 12.5 % → 64.6 %, better (p<.001)`.
fn task(view: &View<'_>, suite: &SuiteResult) -> Option<String> {
    let result = leading(suite)?;
    let name = format!("{}: {}", view.title(suite), lowered(view.words.metric(result.metric)));
    let (name, base) = (escape(&name), figures::share(result.base));
    let Some((tuned, difference)) = result.tuned.zip(result.difference) else {
        return Some(format!("{name} <b>{base}</b> ({}/{})", result.base.successes, result.base.n));
    };
    let verdict = Verdict::of(&difference);
    let p = if verdict.is_told() {
        format!(" ({})", escape(&figures::p_value(difference.holm.unwrap_or(difference.p))))
    } else {
        String::new()
    };
    Some(format!(
        "{name} <b class=\"figure\">{base} → {}</b>, <b class=\"{}\">{}</b>{p}",
        figures::share(tuned),
        verdict.class(),
        verdict.word(view.words)
    ))
}

/// A name in the middle of a sentence: without a capital, unless it is an abbreviation.
fn lowered(name: &str) -> String {
    let mut letters = name.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain([second]).chain(letters).collect()
        }
        _ => name.to_owned(),
    }
}

/// What fell or rose for certain one by one; what cannot be told together.
fn forgotten(view: &View<'_>, guards: &[&SuiteResult]) -> Option<String> {
    let (words, page) = (view.words, view.page);
    let (mut told, mut open) = (Vec::new(), Vec::new());
    for suite in guards {
        let name = escape(view.title(suite));
        if let Some((change, verdict)) = change(view, suite) {
            match verdict {
                Verdict::Better | Verdict::Worse => told.push(format!(
                    "{name} {change}, <b class=\"{}\">{}</b>",
                    verdict.class(),
                    verdict.word(words)
                )),
                Verdict::Same | Verdict::CannotTell => open.push(format!("{name} {change}")),
            }
        }
    }
    if told.is_empty() && open.is_empty() {
        return None;
    }
    let first = if told.is_empty() { page.nothing_told.to_owned() } else { told.join(", ") };
    let rest = match open.len() {
        0 => String::new(),
        _ => format!(" ({}: {})", words.cannot_tell, open.join(", ")),
    };
    Some(format!("{}: {first}{rest}", page.forgotten))
}

fn change(view: &View<'_>, suite: &SuiteResult) -> Option<(String, Verdict)> {
    let of_share = |result: &MetricResult| {
        let difference = result.difference?;
        let points = signed(&figures::points(difference.delta));
        Some((format!("{points}\u{a0}{}", view.page.points), Verdict::of(&difference)))
    };
    leading(suite).and_then(of_share).or_else(|| {
        let loss = suite.text_loss.as_ref()?;
        let change = signed(&figures::points(loss.relative()?));
        Some((format!("{change}\u{a0}%"), Verdict::of_loss(loss)?))
    })
}
