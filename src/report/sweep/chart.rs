//! The scatter of target against forgetting, as inline SVG.

use std::fmt::Write as _;

use super::Sweep;
use super::analysis::{front, measured, target};
use super::labels::{number, points, range, setting, shares};
use super::measure::Measure;
use super::words::SweepWords;
use crate::report::figures::percent;
use crate::report::html::escape::escape;

/// Colours and shapes that are told apart; values beyond them begin again.
pub(super) const LOOKS: usize = 6;

/// Size of the drawing and of the field in it, in its own units.
const SIZE: (f64, f64) = (760.0, 440.0);
const FIELD: Field = Field { left: 58.0, right: 744.0, top: 18.0, bottom: 386.0 };

pub(super) struct Field {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

/// A range of values between round numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    pub step: f64,
}

impl Scale {
    /// Round numbers around all values, five to nine of them.
    pub(super) fn around(values: impl IntoIterator<Item = f64>, least: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            low = low.min(value);
            high = high.max(value);
        }
        if !low.is_finite() || !high.is_finite() {
            (low, high) = (0.0, least);
        }
        if high - low < least {
            (low, high) = ((low + high - least) / 2.0, (low + high + least) / 2.0);
        }
        let steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5];
        let step = steps.into_iter().find(|step| (high - low) / step <= 7.0).unwrap_or(1.0);
        // A value on a line, but for rounding, does not need the next one.
        let (down, up) = ((low / step + 1e-6).floor(), (high / step - 1e-6).ceil());
        Self { low: down * step, high: up * step, step }
    }

    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let (low, step) = (self.low, self.step);
        let count = ((self.high - low) / step).round() as usize;
        (0..=count).map(move |at| low + at as f64 * step)
    }

    /// Where a value lies, 0 to 1.
    pub(super) fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// The axes that colour and shape stand for: the first two with several values.
pub(super) fn looks(sweep: &Sweep) -> (Option<usize>, Option<usize>) {
    let several = sweep.axes.iter().enumerate().filter(|(_, axis)| axis.values.len() > 1);
    let mut several = several.map(|(at, _)| at);
    (several.next(), several.next())
}

/// Place of a run's value among those of an axis.
pub(super) fn place(sweep: &Sweep, run: usize, axis: Option<usize>) -> usize {
    let found = axis.and_then(|axis| {
        let value = sweep.runs[run].values.get(axis)?;
        sweep.axes[axis].values.iter().position(|known| known == value)
    });
    found.unwrap_or(0)
}

/// A mark of a colour and shape.
pub(super) fn mark((x, y): (f64, f64), colour: usize, shape: usize, size: f64) -> String {
    let class = format!("class=\"m c{}\"", colour % LOOKS);
    let corners = |corners: &[(f64, f64)]| {
        let points: Vec<String> = (corners.iter())
            .map(|(dx, dy)| format!("{:.1},{:.1}", x + dx * size, y + dy * size))
            .collect();
        format!("<polygon {class} points=\"{}\"/>", points.join(" "))
    };
    match shape % LOOKS {
        0 => format!("<circle {class} cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size:.1}\"/>"),
        1 => corners(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => corners(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
        3 => corners(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
        4 => corners(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
        _ => corners(&[
            (-0.4, -1.2),
            (0.4, -1.2),
            (0.4, -0.4),
            (1.2, -0.4),
            (1.2, 0.4),
            (0.4, 0.4),
            (0.4, 1.2),
            (-0.4, 1.2),
            (-0.4, 0.4),
            (-1.2, 0.4),
            (-1.2, -0.4),
            (-0.4, -0.4),
        ]),
    }
}

/// A run in the drawing.
struct Point<'a> {
    run: usize,
    at: (f64, f64),
    measure: &'a Measure,
}

/// The scatter; none where no run has both figures.
pub(super) fn scatter(sweep: &Sweep, words: &SweepWords) -> Option<String> {
    let with_both = || {
        measured(sweep)
            .filter_map(|(run, measure)| Some((run, measure, measure.forgetting.as_ref()?)))
    };
    with_both().next()?;
    let base = with_both().map(|(_, measure, _)| measure.target.base).next()?;
    let base = f64::from(base.successes) / f64::from(base.n.max(1));
    let xs = with_both().flat_map(|(_, _, forgetting)| {
        let (low, high) = forgetting.mean.interval;
        [low, high, forgetting.mean.delta]
    });
    let x_scale = Scale::around(xs.chain([0.0]), 0.02);
    let ys = with_both().flat_map(|(_, measure, _)| {
        let (low, high) = measure.target.interval;
        [low, high]
    });
    let y_scale = Scale::around(ys.chain([base]), 0.1);
    let x = |value: f64| FIELD.left + x_scale.share(value) * (FIELD.right - FIELD.left);
    let y = |value: f64| FIELD.bottom - y_scale.share(value) * (FIELD.bottom - FIELD.top);
    let all: Vec<Point<'_>> = with_both()
        .map(|(run, measure, forgetting)| Point {
            run,
            at: (x(forgetting.mean.delta), y(target(measure))),
            measure,
        })
        .collect();

    let mut svg = format!(
        "<svg class=\"scatter\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
        SIZE.0,
        SIZE.1,
        escape(words.scatter)
    );
    axes(&mut svg, &x_scale, &y_scale, words);
    let line = y(base);
    let _ = write!(
        svg,
        "<line class=\"baseline\" x1=\"{}\" x2=\"{}\" y1=\"{line:.1}\" y2=\"{line:.1}\"/>\
         <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        FIELD.left,
        FIELD.right,
        FIELD.left + 4.0,
        // Below the line there may be the edge.
        line - 4.0,
        escape(words.base)
    );
    for point in &all {
        whiskers(&mut svg, point, &x, &y);
    }
    front_line(&mut svg, sweep, &all);
    let (colour, shape) = looks(sweep);
    let front = front(sweep);
    for point in &all {
        let look = (place(sweep, point.run, colour), place(sweep, point.run, shape));
        let ring = if front.contains(&point.run) {
            format!(
                "<circle class=\"ring\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"11\"/>",
                point.at.0, point.at.1
            )
        } else {
            String::new()
        };
        let _ = write!(
            svg,
            "<g><title>{}</title>{ring}{}</g>",
            escape(&told(sweep, point, words)),
            mark(point.at, look.0, look.1, 6.0)
        );
    }
    labels(&mut svg, sweep, &all);
    svg.push_str("</svg>");
    Some(svg)
}

/// What stands in the title of a mark.
fn told(sweep: &Sweep, point: &Point<'_>, words: &SweepWords) -> String {
    let run = &sweep.runs[point.run];
    let mean = point.measure.forgetting.as_ref().map(|forgetting| forgetting.mean);
    let kept = mean.map(|mean| format!("{} [{}]", points(mean.delta), range(mean.interval)));
    format!(
        "{} {} ({}): {} {} [{}], {} {}",
        words.run,
        number(run),
        setting(sweep, run),
        words.target,
        percent(target(point.measure)),
        shares(point.measure.target.interval),
        words.forgotten,
        kept.unwrap_or_default()
    )
}

fn axes(svg: &mut String, x_scale: &Scale, y_scale: &Scale, words: &SweepWords) {
    let Field { left, right, top, bottom } = FIELD;
    for value in x_scale.ticks() {
        let x = left + x_scale.share(value) * (right - left);
        let class = if value.abs() < 1e-9 { "zero" } else { "grid" };
        let text = if value.abs() < 1e-9 { "0".to_owned() } else { round(100.0 * value, true) };
        let _ = write!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>\
             <text class=\"tick\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{text}</text>",
            bottom + 18.0
        );
    }
    for value in y_scale.ticks() {
        let y = bottom - y_scale.share(value) * (bottom - top);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"tick\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{} %</text>",
            left - 8.0,
            y + 4.0,
            round(100.0 * value, false)
        );
    }
    let _ = write!(
        svg,
        "<text class=\"name\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>\
         <text class=\"tick\" x=\"{left}\" y=\"{}\">{}</text>",
        f64::midpoint(left, right),
        bottom + 42.0,
        escape(words.forgotten),
        bottom + 42.0,
        escape(words.more_forgotten)
    );
}

/// A tick's number without needless digits; a sign where wanted.
pub(super) fn round(value: f64, sign: bool) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    let text = if sign && value > 0.0 { format!("+{text}") } else { text.to_owned() };
    if text == "-0" { "0".to_owned() } else { text.replace('-', "\u{2212}") }
}

fn whiskers(svg: &mut String, point: &Point<'_>, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) {
    let Some(forgetting) = &point.measure.forgetting else { return };
    let ((left, right), (low, high)) = (forgetting.mean.interval, point.measure.target.interval);
    let (cx, cy) = point.at;
    let _ = write!(
        svg,
        "<path class=\"whisk\" d=\"M{:.1} {cy:.1}H{:.1}M{cx:.1} {:.1}V{:.1}\"/>",
        x(left),
        x(right),
        y(low),
        y(high)
    );
}

/// The front as steps: at each place what is reached at least.
fn front_line(svg: &mut String, sweep: &Sweep, all: &[Point<'_>]) {
    let front = front(sweep);
    let places: Vec<(f64, f64)> = (front.iter())
        .filter_map(|run| all.iter().find(|point| point.run == *run).map(|point| point.at))
        .collect();
    if places.len() < 2 {
        return;
    }
    let mut path = String::new();
    for (at, (x, y)) in places.iter().enumerate() {
        let _ = match at {
            0 => write!(path, "M{x:.1} {y:.1}"),
            _ => write!(path, "H{x:.1}V{y:.1}"),
        };
    }
    let _ = write!(svg, "<path class=\"front\" d=\"{path}\"/>");
}

/// Numbers beside the marks, each where it meets no mark and no other number, if there is room.
fn labels(svg: &mut String, sweep: &Sweep, all: &[Point<'_>]) {
    const HEIGHT: f64 = 13.0;
    let mut taken: Vec<(f64, f64, f64, f64)> =
        all.iter().map(|point| (point.at.0 - 7.0, point.at.1 - 7.0, 14.0, 14.0)).collect();
    for point in all {
        let text = number(&sweep.runs[point.run]);
        let width = 7.5 * text.len() as f64;
        let (x, y) = point.at;
        let places = [
            (x + 12.0, y - 16.0),
            (x + 12.0, y + 4.0),
            (x - 12.0 - width, y - 16.0),
            (x - 12.0 - width, y + 4.0),
            (x - width / 2.0, y - 27.0),
            (x - width / 2.0, y + 14.0),
            (x + 20.0, y - 27.0),
            (x - 20.0 - width, y - 27.0),
        ];
        let free = |(left, top): &(f64, f64)| {
            let inside = *left > FIELD.left && left + width < SIZE.0 && *top > 0.0;
            let clear = taken.iter().all(|(other, above, wide, high)| {
                left + width < *other
                    || *left > other + wide
                    || top + HEIGHT < *above
                    || *top > above + high
            });
            inside && clear && top + HEIGHT < FIELD.bottom
        };
        let (left, top) = places.into_iter().find(free).unwrap_or(places[0]);
        taken.push((left, top, width, HEIGHT));
        let _ = write!(
            svg,
            "<text class=\"number\" x=\"{left:.1}\" y=\"{:.1}\">{text}</text>",
            top + 11.0
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_hold_every_value() {
        let scale = Scale::around([-0.13, 0.02], 0.02);
        assert!((scale.low + 0.15).abs() < 1e-9 && (scale.high - 0.05).abs() < 1e-9, "{scale:?}");
        assert_eq!(scale.ticks().count(), 5);
        let one = Scale::around([0.5], 0.1);
        assert!(one.low <= 0.45 && one.high >= 0.55, "{one:?}");
        assert!(Scale::around([], 0.1).high > 0.0);
        assert_eq!(
            (round(-2.5, true), round(5.0, true), round(40.0, false)),
            ("\u{2212}2.5".into(), "+5".into(), "40".into())
        );
    }
}
