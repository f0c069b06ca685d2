//! `report.html` of a sweep: one page in both languages that asks for nothing from the network.

use std::fmt::Write as _;

use super::Sweep;
use super::analysis::{behind, best, front, target};
use super::chart::{looks, mark, scatter};
use super::labels::{clock, lacking, number, points, range, shares};
use super::measure::Change;
use super::panels::panels;
use super::sentences::{beside, findings, standing, target_name};
use super::words::SweepWords;
use crate::pair::Language;
use crate::report::figures::{self, percent};
use crate::report::html::escape::escape;
use crate::report::html::shell;

/// What a sweep's page looks like beside what every page does.
const STYLE: &str = include_str!("style.css");

/// The sweep as one HTML page. `language` is shown where the reader's browser does not prefer the
/// other.
pub fn html(sweep: &Sweep, language: Language) -> String {
    let words = SweepWords::of(language);
    let title = format!("{}: {} {}", words.report, sweep.model, sweep.number);
    shell(&title, STYLE, language, |page, language| {
        part(page, sweep, language);
    })
}

fn part(page: &mut String, sweep: &Sweep, language: Language) {
    let words = SweepWords::of(language);
    let _ = write!(
        page,
        "<header><p class=\"eyebrow\">{}</p><h1>{} <span class=\"run\">{} {}</span></h1>\
         <p class=\"about\">{} · {}</p><p class=\"about\">hone {}</p></header>",
        escape(words.report),
        escape(&sweep.model),
        escape(words.sweep),
        sweep.number,
        figures::time(sweep.created),
        escape(&standing(sweep, language)),
        env!("CARGO_PKG_VERSION")
    );
    page.push_str("<section class=\"short\">");
    for finding in findings(sweep, language) {
        // A figure does not leave its unit on the line before.
        let finding = escape(&finding).replace(" %", "\u{a0}%");
        let _ = write!(page, "<p class=\"lead\">{finding}.</p>");
    }
    page.push_str("</section>\n");
    if let Some(drawing) = scatter(sweep, words) {
        let _ = write!(
            page,
            "<section class=\"chart\"><h2>{}</h2><p class=\"note\">{}</p>\
             <p class=\"aim\">{}</p><div class=\"scroll\">{drawing}</div>{}</section>",
            escape(words.scatter),
            escape(words.scatter_note),
            escape(&target_name(sweep, language)),
            key(sweep, words)
        );
    }
    let drawings = panels(sweep, words);
    if !drawings.is_empty() {
        let _ = write!(
            page,
            "<section class=\"chart\"><h2>{}</h2><p class=\"note\">{}</p>\
             <p class=\"key\"><span><svg width=\"12\" height=\"12\" aria-hidden=\"true\">\
             <circle class=\"m plain\" cx=\"6\" cy=\"6\" r=\"5\"/></svg>{}</span>\
             <span><svg width=\"10\" height=\"12\" aria-hidden=\"true\">\
             <circle class=\"dot\" cx=\"5\" cy=\"6\" r=\"3\"/></svg>{}</span></p>\
             <div class=\"panels\">{drawings}</div></section>",
            escape(words.panels),
            escape(words.panels_note),
            escape(words.mean),
            escape(words.one_run)
        );
    }
    table(page, sweep, words);
    let _ = write!(page, "<section class=\"definitions\"><h2>{}</h2><ul>", escape(words.reading));
    for reading in words.readings {
        let _ = write!(page, "<li>{}</li>", escape(reading));
    }
    let _ = write!(
        page,
        "</ul><h3>{}</h3><pre class=\"command\">{}</pre></section>",
        escape(words.repeat),
        escape(&sweep.command)
    );
}

/// What colours, shapes and lines stand for.
fn key(sweep: &Sweep, words: &SweepWords) -> String {
    let mut out = String::new();
    let (colour, shape) = looks(sweep);
    for (axis, coloured) in [(colour, true), (shape, false)] {
        let Some(axis) = axis.and_then(|axis| sweep.axes.get(axis)) else { continue };
        let _ = write!(out, "<p class=\"key\"><span>{}:</span>", escape(words.key(&axis.key)));
        for (at, value) in axis.values.iter().enumerate() {
            let drawn = mark((8.0, 8.0), at, 0, 6.0);
            let drawn = if coloured {
                drawn
            } else {
                mark((8.0, 8.0), 0, at, 6.0).replace(" c0", " plain")
            };
            let _ = write!(
                out,
                "<span><svg width=\"16\" height=\"16\" aria-hidden=\"true\">{drawn}</svg>{}</span>",
                escape(value)
            );
        }
        out.push_str("</p>");
    }
    let _ = write!(
        out,
        "<p class=\"key\"><span><svg width=\"38\" height=\"24\" aria-hidden=\"true\">\
         <path class=\"front\" d=\"M1 12H37\"/><circle class=\"ring\" cx=\"19\" cy=\"12\" r=\"10\"/></svg>{}</span>\
         <span><svg width=\"24\" height=\"24\" aria-hidden=\"true\"><path class=\"whisk\" d=\"M1 12H23M12 1V23\"/></svg>{}</span></p>",
        escape(words.front),
        escape(words.interval)
    );
    out
}

fn table(page: &mut String, sweep: &Sweep, words: &SweepWords) {
    let (front, best, others) = (front(sweep), best(sweep), behind(sweep));
    let _ = write!(
        page,
        "<section><h2>{}</h2><p class=\"note\">{}</p><div class=\"scroll\"><table class=\"sweep\"><thead><tr><th class=\"n\">{}</th>",
        escape(words.all_runs),
        escape(words.all_runs_note),
        escape(words.run)
    );
    for axis in &sweep.axes {
        let _ = write!(page, "<th class=\"n\">{}</th>", escape(words.key(&axis.key)));
    }
    for name in [words.target, words.forgotten, words.beside_best, words.text, words.time] {
        let _ = write!(page, "<th class=\"n\">{}</th>", escape(name));
    }
    page.push_str("</tr></thead><tbody>");
    for (at, run) in sweep.runs.iter().enumerate() {
        let is_best = best == Some(at);
        let class = if is_best { " class=\"best\"" } else { "" };
        let star = if front.contains(&at) { "★ " } else { "" };
        let _ = write!(page, "<tr{class}><td class=\"n\">{star}{}</td>", number(run));
        for value in &run.values {
            let _ = write!(page, "<td class=\"n\">{}</td>", escape(value));
        }
        let Some(measure) = &run.measure else {
            let _ = write!(
                page,
                "<td colspan=\"5\" class=\"quiet\">{}</td></tr>",
                escape(&lacking(run, words))
            );
            continue;
        };
        let tuned = measure.target.tuned;
        let change = |change: Option<Change>, unit: &str| {
            change.map_or_else(String::new, |change| {
                format!(
                    "<span class=\"v\">{}{unit}</span><small>[{}]</small>",
                    points(change.delta),
                    range(change.interval)
                )
            })
        };
        let _ = write!(
            page,
            "<td class=\"n\"><span class=\"v\">{}</span><small>{}/{} [{}]</small></td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            percent(target(measure)),
            tuned.successes,
            tuned.n,
            shares(measure.target.interval),
            change(measure.forgetting.as_ref().map(|forgetting| forgetting.mean), ""),
            escape(&beside(&others, at, is_best, words)),
            change(measure.text, " %"),
            clock(run.seconds, words)
        );
    }
    page.push_str("</tbody></table></div></section>\n");
}
