//! Charts as inline SVG. Places are in percent of the width, so that text keeps its size on screens of
//! any width; labels and figures stand beside the drawing as text.

use std::fmt::Write as _;

use super::escape::{escape, signed};
use super::verdict::{Verdict, grouped};
use super::{View, curve, heading};
use crate::evaluate::{MetricResult, SuiteResult};
use crate::report::figures;
use crate::report::leading::{Flip, leading, main_metrics, tasks_and_guards};

pub(super) fn write(page: &mut String, view: &View<'_>) {
    bars(page, view);
    changes(page, view);
    flips(page, view);
    curve::write(page, view);
}

/// A row of a chart: what it is about, its figures and its drawing.
fn row(page: &mut String, label: &str, value: &str, height: u32, drawing: &str) {
    let _ = write!(
        page,
        "<div class=\"row\"><div class=\"lab\">{label}</div><div class=\"val\">{value}</div>\
         <svg class=\"plot\" width=\"100%\" height=\"{height}\" aria-hidden=\"true\">{drawing}</svg></div>"
    );
}

/// Vertical lines at places in percent.
fn grid(at: &[f64], height: u32, zero: Option<f64>) -> String {
    let mut out = String::new();
    for x in at {
        let class = if zero == Some(*x) { "zero" } else { "grid" };
        let _ = write!(
            out,
            "<line class=\"{class}\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"{height}\"/>"
        );
    }
    out
}

/// The scale below the rows.
fn scale(page: &mut String, ticks: &[(f64, String)]) {
    let mut drawing = String::new();
    for (x, label) in ticks {
        let anchor = match *x {
            x if x < 2.0 => "start",
            x if x > 98.0 => "end",
            _ => "middle",
        };
        let _ = write!(
            drawing,
            "<text x=\"{x:.2}%\" y=\"13\" text-anchor=\"{anchor}\">{}</text>",
            escape(label)
        );
    }
    row(page, "", "", 18, &drawing);
}

/// A thin line with ends, from `low` to `high` percent of the width.
fn whisker(low: f64, high: f64, y: f64) -> String {
    let (top, bottom) = (y - 3.0, y + 3.0);
    // The wide line behind keeps the thin one apart from a dark bar.
    format!(
        "<line class=\"halo\" x1=\"{low:.2}%\" x2=\"{high:.2}%\" y1=\"{y}\" y2=\"{y}\"/><g class=\"whisker\"><line x1=\"{low:.2}%\" x2=\"{high:.2}%\" y1=\"{y}\" y2=\"{y}\"/>\
         <line x1=\"{low:.2}%\" x2=\"{low:.2}%\" y1=\"{top}\" y2=\"{bottom}\"/>\
         <line x1=\"{high:.2}%\" x2=\"{high:.2}%\" y1=\"{top}\" y2=\"{bottom}\"/></g>"
    )
}

/// Base and tuned share of every main metric, with intervals.
fn bars(page: &mut String, view: &View<'_>) {
    let (words, own) = (view.words, view.page);
    let (tasks, guards) = tasks_and_guards(view.evaluation);
    let rows: Vec<(&SuiteResult, Vec<&MetricResult>)> = tasks
        .into_iter()
        .chain(guards)
        .map(|suite| (suite, main_metrics(suite)))
        .filter(|(_, metrics)| !metrics.is_empty())
        .collect();
    if rows.is_empty() {
        return;
    }
    let paired = view.evaluation.run.is_some();
    page.push_str("<section class=\"chart\">");
    heading(page, own.bars, own.bars_note);
    let _ = write!(page, "<p class=\"key\"><span><i class=\"k base\"></i>{}</span>", words.base);
    if paired {
        let _ = write!(page, "<span><i class=\"k tuned\"></i>{}</span>", words.tuned);
    }
    page.push_str("</p>");
    let height = if paired { 32 } else { 20 };
    let mut guarding = false;
    for (suite, metrics) in rows {
        if suite.forgetting && !guarding {
            let _ = write!(page, "<h3>{}</h3>", words.forgotten);
        } else if !suite.forgetting {
            let _ = write!(page, "<h3>{}</h3>", escape(view.title(suite)));
        }
        guarding = suite.forgetting;
        for result in &metrics {
            let label =
                if suite.forgetting { view.title(suite) } else { words.metric(result.metric) };
            let mut drawing = grid(&[0.0, 25.0, 50.0, 75.0, 100.0], height, Some(0.0));
            let mut bar = |class: &str, share: f64, (low, high): (f64, f64), y: f64| {
                let _ = write!(
                    drawing,
                    "<rect class=\"{class}\" x=\"0\" y=\"{y}\" height=\"10\" width=\"{:.2}%\"/>{}",
                    100.0 * share,
                    whisker(100.0 * low, 100.0 * high, y + 5.0)
                );
            };
            bar("base", share(result.base), result.base_interval, 5.0);
            let mut value = format!("<span class=\"f\">{}</span>", figures::share(result.base));
            if let Some((tuned, interval)) = result.tuned.zip(result.tuned_interval) {
                bar("tuned", share(tuned), interval, 17.0);
                let _ = write!(value, " → <b class=\"f\">{}</b>", figures::share(tuned));
            }
            row(page, &escape(label), &value, height, &drawing);
        }
    }
    let ticks = [0, 25, 50, 75, 100].map(|at| (f64::from(at), format!("{at} %")));
    scale(page, &ticks);
    page.push_str("</section>\n");
}

fn share(proportion: crate::evaluate::Proportion) -> f64 {
    if proportion.n == 0 {
        return 0.0;
    }
    f64::from(proportion.successes) / f64::from(proportion.n)
}

/// A change with its interval, both in points or percent.
struct Change {
    label: String,
    value: String,
    delta: f64,
    interval: Option<(f64, f64)>,
    verdict: Verdict,
}

/// What the task gained and what was forgotten, as arrows from zero.
fn changes(page: &mut String, view: &View<'_>) {
    let own = view.page;
    let (tasks, guards) = tasks_and_guards(view.evaluation);
    let of = |suites: &[&SuiteResult]| -> Vec<Change> {
        suites.iter().filter_map(|suite| points_change(view, suite)).collect()
    };
    let (gained, kept) = (of(&tasks), of(&guards));
    let losses: Vec<Change> =
        view.evaluation.suites.iter().filter_map(|suite| loss_change(view, suite)).collect();
    if kept.is_empty() && losses.is_empty() {
        return;
    }
    page.push_str("<section class=\"chart\">");
    heading(page, own.changes, own.changes_note);
    let _ = write!(
        page,
        "<p class=\"key\"><span><svg width=\"34\" height=\"12\" aria-hidden=\"true\"><line class=\"arrow told\" x1=\"1\" x2=\"26\" y1=\"6\" y2=\"6\"/>\
         <path class=\"head told\" d=\"M24 1L33 6L24 11Z\"/></svg>{}</span>\
         <span><svg width=\"34\" height=\"12\" aria-hidden=\"true\"><line class=\"arrow open\" x1=\"1\" x2=\"25\" y1=\"6\" y2=\"6\"/>\
         <path class=\"head open\" d=\"M25 2L32 6L25 10Z\"/></svg>{}</span>\
         <span><svg width=\"34\" height=\"12\" aria-hidden=\"true\"><g class=\"whisker\"><line x1=\"2\" x2=\"32\" y1=\"6\" y2=\"6\"/>\
         <line x1=\"2\" x2=\"2\" y1=\"3\" y2=\"9\"/><line x1=\"32\" x2=\"32\" y1=\"3\" y2=\"9\"/></g></svg>{}</span></p>",
        own.told, own.not_told, own.interval
    );
    let range = span(gained.iter().chain(&kept), 10.0);
    arrows(page, &gained, range);
    if !kept.is_empty() {
        let _ = write!(page, "<h3>{}</h3>", view.words.forgotten);
    }
    arrows(page, &kept, range);
    if !gained.is_empty() || !kept.is_empty() {
        scale(page, &ticks(range, ""));
    }
    if !losses.is_empty() {
        let _ = write!(
            page,
            "<h3>{}, % <span class=\"quiet\">({})</span></h3>",
            view.words.cross_entropy, own.less_is_better
        );
        let range = span(losses.iter(), 2.0);
        arrows(page, &losses, range);
        scale(page, &ticks(range, " %"));
    }
    page.push_str("</section>\n");
}

fn points_change(view: &View<'_>, suite: &SuiteResult) -> Option<Change> {
    let result = leading(suite)?;
    let (tuned, difference) = result.tuned.zip(result.difference)?;
    let verdict = Verdict::of(&difference);
    let metric = view.words.metric(result.metric);
    let label = if suite.forgetting || main_metrics(suite).len() == 1 {
        escape(view.title(suite))
    } else {
        format!("{} <span class=\"quiet\">{metric}</span>", escape(view.title(suite)))
    };
    let (low, high) = difference.clustered.map_or(difference.interval, |each| each.interval);
    Some(Change {
        label,
        value: format!(
            "<span class=\"quiet\"><span class=\"f\">{}</span> → <span class=\"f\">{}</span></span> \
             <b class=\"d {}\">{}</b>{}",
            figures::share(result.base),
            figures::share(tuned),
            verdict.class(),
            signed(&figures::points(difference.delta)),
            sign(verdict)
        ),
        delta: 100.0 * difference.delta,
        interval: Some((100.0 * low, 100.0 * high)),
        verdict,
    })
}

fn loss_change(view: &View<'_>, suite: &SuiteResult) -> Option<Change> {
    let loss = suite.text_loss.as_ref()?;
    let (tuned, relative) = loss.tuned.zip(loss.relative())?;
    let verdict = Verdict::of_loss(loss)?;
    let in_percent = |(low, high)| (100.0 * low / loss.base, 100.0 * high / loss.base);
    Some(Change {
        label: escape(view.title(suite)),
        value: format!(
            "<span class=\"quiet\"><span class=\"f\">{:.3}</span> → <span class=\"f\">{tuned:.3}</span></span> \
             <b class=\"d {}\">{} %</b>{}",
            loss.base,
            verdict.class(),
            signed(&figures::points(relative)),
            sign(verdict)
        ),
        delta: 100.0 * relative,
        interval: loss.interval.map(in_percent),
        verdict,
    })
}

fn sign(verdict: Verdict) -> String {
    let sign = match verdict {
        Verdict::Better => "▲",
        Verdict::Worse => "▼",
        Verdict::Same => "=",
        Verdict::CannotTell => "?",
    };
    format!("<span class=\"sign {}\" aria-hidden=\"true\">{sign}</span>", verdict.class())
}

/// The round numbers that hold all changes and zero, `step` apart or a multiple of it.
fn span<'a>(changes: impl Iterator<Item = &'a Change>, step: f64) -> (f64, f64, f64) {
    let (mut low, mut high) = (-step, step);
    for change in changes {
        let (from, to) = change.interval.unwrap_or((change.delta, change.delta));
        low = low.min(from).min(change.delta);
        high = high.max(to).max(change.delta);
    }
    let mut step = step;
    for factor in [1.0, 2.0, 5.0, 10.0] {
        if (high - low) / (step * factor) <= 7.0 {
            step *= factor;
            break;
        }
    }
    ((low / step).floor() * step, (high / step).ceil() * step, step)
}

fn ticks((low, high, step): (f64, f64, f64), unit: &str) -> Vec<(f64, String)> {
    let count = ((high - low) / step).round() as usize;
    (0..=count)
        .map(|at| {
            let value = low + at as f64 * step;
            let text = if value.abs() < 1e-9 { "0".to_owned() } else { format!("{value:+}") };
            (100.0 * (value - low) / (high - low), signed(&text) + unit)
        })
        .collect()
}

fn arrows(page: &mut String, changes: &[Change], range: (f64, f64, f64)) {
    const HEIGHT: u32 = 26;
    let (low, high, _) = range;
    let place = |value: f64| 100.0 * (value - low) / (high - low);
    let lines: Vec<f64> = ticks(range, "").iter().map(|(x, _)| *x).collect();
    let zero = lines.iter().copied().find(|x| (x - place(0.0)).abs() < 0.01);
    for change in changes {
        let mut drawing = grid(&lines, HEIGHT, zero);
        if let Some((from, to)) = change.interval {
            drawing.push_str(&whisker(place(from), place(to), 20.0));
        }
        let told = if change.verdict.is_told() { "told" } else { "open" };
        let class = format!("{told} {}", change.verdict.class());
        let (from, to) = (place(0.0), place(change.delta));
        let head = match change.delta {
            delta if delta > 0.0 => "M-9 -5L0 0L-9 5Z",
            delta if delta < 0.0 => "M9 -5L0 0L9 5Z",
            _ => "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
        };
        let _ = write!(
            drawing,
            "<line class=\"arrow {class}\" x1=\"{from:.2}%\" x2=\"{to:.2}%\" y1=\"9\" y2=\"9\"/>\
             <svg x=\"{to:.2}%\" y=\"9\" overflow=\"visible\"><path class=\"head {class}\" d=\"{head}\"/></svg>"
        );
        row(page, &change.label, &change.value, HEIGHT, &drawing);
    }
}

/// Items of each suite by what base and tuned made of them, as one bar.
fn flips(page: &mut String, view: &View<'_>) {
    let (words, own) = (view.words, view.page);
    let kinds = [
        (Flip::BothRight, "both-right", words.both_right),
        (Flip::Improved, "improved", words.improved),
        (Flip::Regressed, "regressed", words.regressed),
        (Flip::BothWrong, "both-wrong", words.both_wrong),
    ];
    let (tasks, guards) = tasks_and_guards(view.evaluation);
    let rows: Vec<(&SuiteResult, [usize; 4])> = tasks
        .into_iter()
        .chain(guards)
        .map(|suite| {
            let count = |wanted| suite.items.iter().filter(|item| Flip::of(item) == wanted).count();
            (suite, kinds.map(|(kind, ..)| count(kind)))
        })
        .filter(|(_, counts)| counts.iter().sum::<usize>() > 0)
        .collect();
    if rows.is_empty() {
        return;
    }
    page.push_str("<section class=\"chart\">");
    heading(page, own.flips, own.flips_note);
    page.push_str("<p class=\"key\">");
    for (_, class, name) in kinds {
        let _ = write!(
            page,
            "<span><svg width=\"18\" height=\"12\" aria-hidden=\"true\"><rect class=\"{class}\" x=\".5\" y=\".5\" width=\"17\" height=\"11\"/></svg>{name}</span>"
        );
    }
    page.push_str("</p>");
    for (suite, counts) in rows {
        let all: usize = counts.iter().sum();
        let (mut x, mut drawing) = (0.0, String::new());
        for ((_, class, name), count) in kinds.iter().zip(counts) {
            let width = 100.0 * count as f64 / all as f64;
            if count > 0 {
                let _ = write!(
                    drawing,
                    "<rect class=\"{class}\" x=\"{x:.2}%\" y=\"3\" width=\"{width:.2}%\" height=\"18\"><title>{name} {count}</title></rect>"
                );
            }
            // Narrower parts have no room for their count; improved and regressed are named beside.
            if width > 7.0 {
                let middle = x + width / 2.0;
                let _ = write!(
                    drawing,
                    "<text class=\"in-{class}\" x=\"{middle:.2}%\" y=\"16.5\" text-anchor=\"middle\">{count}</text>"
                );
            }
            x += width;
        }
        let [_, improved, regressed, _] = counts;
        let value = format!(
            "<b class=\"f\">+{improved}</b><b class=\"f\">\u{2212}{regressed}</b> <span class=\"quiet d\">n={}</span>",
            grouped(all as u64)
        );
        row(page, &escape(view.title(suite)), &value, 24, &drawing);
    }
    page.push_str("</section>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_hold_every_interval_and_zero() {
        let change = |delta: f64, interval| Change {
            label: String::new(),
            value: String::new(),
            delta,
            interval: Some(interval),
            verdict: Verdict::Better,
        };
        let changes = [change(52.1, (43.0, 60.2)), change(-11.0, (-20.4, -1.0))];
        let (low, high, step) = span(changes.iter(), 10.0);
        assert_eq!((low, high, step), (-40.0, 80.0, 20.0));
        let marks = ticks((low, high, step), "");
        assert_eq!(marks.first().unwrap(), &(0.0, "−40".to_owned()));
        assert_eq!(marks.last().unwrap(), &(100.0, "+80".to_owned()));
        assert!(marks.iter().any(|(_, label)| label == "0"));
    }
}
