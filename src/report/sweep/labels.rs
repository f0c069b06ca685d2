//! Figures and settings of a sweep as text.

use super::words::SweepWords;
use super::{Run, Sweep};
use crate::report::figures;

/// Puts texts into the places `{}` of another, in their order.
pub(super) fn fill(text: &str, parts: &[&str]) -> String {
    let mut parts = parts.iter();
    let mut out = String::new();
    for (at, piece) in text.split("{}").enumerate() {
        if at > 0 {
            out.push_str(parts.next().copied().unwrap_or_default());
        }
        out.push_str(piece);
    }
    out
}

/// `mix 10, rank 8`, with the keys as the command line has them.
pub(super) fn setting(sweep: &Sweep, run: &Run) -> String {
    let pairs = sweep.axes.iter().zip(&run.values);
    pairs.map(|(axis, value)| format!("{} {value}", axis.key)).collect::<Vec<_>>().join(", ")
}

/// A run's number; a dash before it began.
pub(super) fn number(run: &Run) -> String {
    run.number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// `+1.2, -3.0` of an interval of differences, with a wide minus.
pub(super) fn range((low, high): (f64, f64)) -> String {
    format!("{}, {}", points(low), points(high))
}

/// Points with sign.
pub(super) fn points(delta: f64) -> String {
    figures::points(delta).replace('-', "\u{2212}")
}

/// `45-67`, in percent.
pub(super) fn shares((low, high): (f64, f64)) -> String {
    format!("{:.0}-{:.0}", 100.0 * low, 100.0 * high)
}

/// Seconds as `1 h 05 min`, `12 min` or `40 s`.
pub(super) fn clock(seconds: f64, words: &SweepWords) -> String {
    let [hour, minute, second] = words.units;
    let seconds = seconds.max(0.0).round() as u64;
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds}{second}"),
        (0, minutes) => format!("{minutes}{minute}"),
        (hours, minutes) => format!("{hours}{hour} {minutes:02}{minute}"),
    }
}

/// How a run without figures stands: failed with its reason, or left.
pub(super) fn lacking(run: &Run, words: &SweepWords) -> String {
    match &run.failed {
        Some(reason) => format!("{}: {reason}", words.failed),
        None => words.left.to_owned(),
    }
}
