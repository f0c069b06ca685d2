//! A small drawing for each axis: target and forgetting by its values, over the other settings.

use std::fmt::Write as _;

use super::analysis::{by_value, kept, mean, target};
use super::chart::{Field, LOOKS, Scale, looks, round};
use super::labels::fill;
use super::words::SweepWords;
use super::{Axis, Sweep};
use crate::report::html::escape::escape;

const SIZE: (f64, f64) = (300.0, 150.0);
const FIELD: Field = Field { left: 46.0, right: 284.0, top: 12.0, bottom: 122.0 };

/// The panels of every axis with several values.
pub(super) fn panels(sweep: &Sweep, words: &SweepWords) -> String {
    let mut out = String::new();
    for (at, axis) in sweep.axes.iter().enumerate().filter(|(_, axis)| axis.values.len() > 1) {
        let _ = write!(out, "<figure class=\"panel\"><h3>{}</h3>", escape(words.key(&axis.key)));
        let found = by_value(sweep, at);
        let value_of = |of: &dyn Fn(usize) -> Option<f64>| -> Vec<Vec<f64>> {
            found.runs.iter().map(|runs| runs.iter().filter_map(|run| of(*run)).collect()).collect()
        };
        let measure = |run: usize| sweep.runs[run].measure.as_ref();
        let targets = value_of(&|run| measure(run).map(target));
        let forgotten = value_of(&|run| measure(run).and_then(kept));
        let colours = looks(sweep).0 == Some(at);
        if found.groups == 0 {
            let _ = write!(out, "<p class=\"note\">{}</p>", escape(words.no_groups));
        } else {
            drawing(&mut out, axis, &targets, (words.target, false), colours);
            drawing(&mut out, axis, &forgotten, (words.forgotten, true), colours);
            let mut note = fill(words.groups, &[&found.groups.to_string()]);
            if found.lacking > 0 {
                let _ = write!(note, ", {}", fill(words.lacking, &[&found.lacking.to_string()]));
            }
            let _ = write!(out, "<p class=\"note\">{}</p>", escape(&note));
        }
        out.push_str("</figure>");
    }
    out
}

/// One figure by the values of an axis: every run as a dot, the mean as a line.
fn drawing(
    out: &mut String,
    axis: &Axis,
    by_value: &[Vec<f64>],
    (name, signed): (&str, bool),
    colours: bool,
) {
    let all = by_value.iter().flatten().copied();
    if all.clone().next().is_none() {
        return;
    }
    let zero = signed.then_some(0.0);
    let scale = Scale::around(all.chain(zero), if signed { 0.02 } else { 0.1 });
    let Field { left, right, top, bottom } = FIELD;
    let y = |value: f64| bottom - scale.share(value) * (bottom - top);
    let width = (right - left) / axis.values.len() as f64;
    let x = |at: usize| left + (at as f64 + 0.5) * width;
    let _ = write!(
        out,
        "<figcaption>{}</figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
        escape(name),
        SIZE.0,
        SIZE.1,
        escape(&format!("{name}, {}", axis.key))
    );
    // Every second line is enough in a small drawing.
    for (at, value) in scale.ticks().enumerate() {
        let is_zero = signed && value.abs() < 1e-9;
        let place = if signed { (value / scale.step).round() as i64 } else { at as i64 };
        if place % 2 != 0 {
            continue;
        }
        let class = if is_zero { "zero" } else { "grid" };
        let _ = write!(
            out,
            "<line class=\"{class}\" x1=\"{left}\" x2=\"{right}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/>\
             <text class=\"tick\" text-anchor=\"end\" x=\"{1}\" y=\"{2:.1}\">{3}</text>",
            y(value),
            left - 6.0,
            y(value) + 4.0,
            round(100.0 * value, signed) + if signed { "" } else { " %" }
        );
    }
    let mut line = String::new();
    for (at, values) in by_value.iter().enumerate() {
        for value in values {
            let _ = write!(
                out,
                "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>",
                x(at),
                y(*value)
            );
        }
        if let Some(mean) = mean(values.iter().copied()) {
            let _ = write!(line, "{:.1},{:.1} ", x(at), y(mean));
        }
    }
    let _ = write!(out, "<polyline class=\"means\" points=\"{}\"/>", line.trim_end());
    for (at, values) in by_value.iter().enumerate() {
        let Some(mean) = mean(values.iter().copied()) else { continue };
        let class = if colours { format!("m c{}", at % LOOKS) } else { "m plain".to_owned() };
        let _ = write!(
            out,
            "<circle class=\"{class}\" cx=\"{0:.1}\" cy=\"{1:.1}\" r=\"5\"/>\
             <text class=\"tick\" text-anchor=\"middle\" x=\"{0:.1}\" y=\"{2}\">{3}</text>",
            x(at),
            y(mean),
            bottom + 17.0,
            escape(axis.values.get(at).map_or("", String::as_str))
        );
    }
    out.push_str("</svg>");
}
