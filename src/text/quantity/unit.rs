//! Units by sign and word, and rates of them: `m/s`, `kilonewtons per square metre`, `분당 60 m`.

mod table;
mod words;

use super::{Folded, is_hangul};
use table::beginning;

/// What counters count. English counts things by their name, without a counter.
const COUNTED: [&str; 14] = [
    "piece",
    "place",
    "kind",
    "household",
    "machine",
    "point",
    "case",
    "volume of a book",
    "sheet",
    "animal",
    "bottle",
    "count",
    "person",
    "digit",
];

/// A unit of measure or count.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// What it measures; an unknown unit measures itself.
    pub dimension: String,
    /// Size in the dimension's base unit.
    pub scale: f64,
    /// Size of what a rate is for, in its base unit; 1 for what is no rate.
    pub divisor: f64,
    /// As it stands in the text, after NFKC and without `^` and `·`.
    pub written: String,
}

impl Unit {
    /// That of a fraction.
    pub(super) fn ratio() -> Self {
        made("분의", "ratio", 1.0)
    }

    /// That of an amount in the base unit of a dimension, as words like "열흘" give it.
    pub(super) fn base(written: &str, dimension: &str) -> Self {
        made(written, dimension, 1.0)
    }

    /// Whether it counts things rather than measures them.
    pub fn counts(&self) -> bool {
        COUNTED.contains(&&*self.dimension)
    }

    /// Whether it is known what it measures or counts.
    fn is_known(&self) -> bool {
        self.dimension != self.written || matches!(&*self.written, "월" | "시")
    }

    /// Whether it measures something known.
    pub(super) fn measures(&self) -> bool {
        !self.counts() && self.dimension != self.written
    }

    /// Whether both are units of one kind of thing. `개` counts all that has a counter of its own.
    pub fn is_like(&self, other: &Self) -> bool {
        let things = |unit: &Self| unit.counts() && !matches!(&*unit.dimension, "person" | "count");
        let general = self.dimension == "piece" || other.dimension == "piece";
        self.dimension == other.dimension || general && things(self) && things(other)
    }

    /// This one for each of another.
    fn per(&self, other: &Self, written: String) -> Self {
        let dimension = match (&*self.dimension, &*other.dimension) {
            ("force", "area") => "pressure".to_owned(),
            ("force", "volume") => "weight".to_owned(),
            (a, b) => format!("{a}/{b}"),
        };
        Self { dimension, scale: self.scale / other.scale, divisor: other.scale, written }
    }

    /// The dimension that a rate of it is of: `length` of `length/time`.
    pub(super) fn rated(&self) -> Option<&str> {
        self.dimension.split_once('/').map(|(rated, _)| rated)
    }

    /// The dimension of a product with another.
    pub(super) fn times(&self, other: &Self) -> Option<String> {
        match (&*self.dimension, &*other.dimension) {
            ("length", "length") => Some("area".to_owned()),
            ("length", "area") | ("area", "length") => Some("volume".to_owned()),
            ("pressure", "area")
            | ("area", "pressure")
            | ("weight", "volume")
            | ("volume", "weight") => Some("force".to_owned()),
            ("weight", "length") | ("length", "weight") => Some("pressure".to_owned()),
            (a, b) => {
                let cancels = |rate: &str, by: &str| {
                    rate.split_once('/').filter(|(_, per)| *per == by).map(|(of, _)| of.to_owned())
                };
                cancels(a, b).or_else(|| cancels(b, a))
            }
        }
    }
}

/// What may follow a unit in Hangul within its word, where a space stands before the unit.
const PARTICLES: [&str; 36] = [
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "의",
    "에",
    "로",
    "으로",
    "와",
    "과",
    "도",
    "만",
    "까지",
    "부터",
    "보다",
    "마다",
    "씩",
    "간",
    "당",
    "쯤",
    "입니다",
    "이다",
    "이며",
    "이고",
    "인",
    "정도",
    "이상",
    "이하",
    "이내",
    "미만",
    "초과",
    "다",
    "로서",
    "짜리",
];

/// Whether Hangul behind a unit begins with what may follow it there.
pub(super) fn is_particle(rest: &str) -> bool {
    PARTICLES.iter().any(|mark| rest.starts_with(mark))
}

/// The unit at `at`, and where number and unit end; a space may stand before it.
pub(super) fn read(text: &[Folded], at: usize) -> (Option<Unit>, usize) {
    let (unit, end) = simple(text, at);
    let Some(unit) = unit else { return (None, at) };
    let divisor = after_word(text, end, &[" per ", "/"]).and_then(|from| {
        // "per 100 m" divides by more than a unit.
        let (other, end) = simple(text, from);
        other.filter(Unit::is_known).map(|other| (other, end))
    });
    match divisor {
        Some((other, past)) if unit.is_known() => {
            let written = text[at..past].iter().map(|(c, _)| *c).filter(|c| !c.is_whitespace());
            (Some(unit.per(&other, written.collect())), past)
        }
        _ => (Some(unit), end),
    }
}

/// Where the text goes on after one of some words at `at`.
fn after_word(text: &[Folded], at: usize, words: &[&str]) -> Option<usize> {
    let rest = text.get(at..)?;
    words.iter().find_map(|word| {
        let letters = word.chars().count();
        let here = rest.get(..letters)?.iter().map(|(c, _)| *c);
        here.eq(word.chars()).then_some(at + letters)
    })
}

/// A unit before `당` that a number follows, in words that end at `end`: `분당 60 m`, `시속 60 km`.
pub(super) fn divisor_before(text: &[Folded], end: usize) -> Option<Unit> {
    let back = |at: usize| at.checked_sub(1).map(|at| text[at].0);
    let end = if back(end) == Some(' ') { end - 1 } else { end };
    if back(end) == Some('속') {
        let time = match back(end - 1)? {
            '초' => ("초", 1.0),
            '분' => ("분", 60.0),
            '시' => ("시간", 3600.0),
            _ => return None,
        };
        return Some(made(time.0, "time", time.1));
    }
    if back(end) != Some('당') {
        return None;
    }
    let end = end - 1;
    let word = text[..end].iter().rev().take_while(|(c, _)| c.is_alphanumeric() || *c == '^');
    let start = end - word.take(12).count();
    // "1 m당" is for each metre, "100 m당" for more than a unit.
    let start = start + usize::from(text.get(start).is_some_and(|(c, _)| *c == '1'));
    let (unit, past) = simple(&text[..end], start);
    unit.filter(|unit| past == end && unit.is_known())
}

/// An amount with the unit of a rate that `당` begins.
pub(super) fn rate(unit: &Unit, per: &Unit) -> Unit {
    unit.per(per, format!("{}/{}", unit.written, per.written))
}

/// A unit that is not a rate in words.
fn simple(text: &[Folded], at: usize) -> (Option<Unit>, usize) {
    let spaced = text.get(at).is_some_and(|(c, _)| *c == ' ');
    let start = at + usize::from(spaced);
    let run = |part: &dyn Fn(char) -> bool| -> String {
        let rest = text.get(start..).unwrap_or_default().iter().map(|(c, _)| *c);
        rest.take_while(|c| part(*c)).collect()
    };
    let written = |end: usize| -> String {
        text[start..end].iter().map(|(c, _)| *c).filter(|c| !c.is_whitespace()).collect()
    };
    let hangul = run(&is_hangul);
    if !hangul.is_empty() {
        let fits = |rest: &str| !spaced || rest.is_empty() || is_particle(rest);
        let known = beginning(hangul.chars().next().unwrap_or_default()).iter();
        let known = known.filter(|(word, ..)| hangul.strip_prefix(word).is_some_and(fits));
        let known = known.max_by_key(|(word, ..)| word.len());
        let in_words = words::read(text, start).filter(|(.., end)| {
            let rest: String = hangul.chars().skip(end - start).collect();
            fits(&rest) && known.is_none_or(|(word, ..)| word.chars().count() < end - start)
        });
        return match (in_words, known) {
            (Some((dimension, scale, end)), _) => {
                (Some(made(&written(end), dimension, scale)), end)
            }
            (None, Some((word, dimension, scale))) => {
                let unit = made(word, dimension, *scale);
                (Some(unit), start + word.chars().count())
            }
            (None, None) => (None, at),
        };
    }
    if let Some((dimension, scale, end)) = words::read(text, start) {
        return (Some(made(&written(end), dimension, scale)), end);
    }
    by_sign(text, at, start, &run(&is_sign))
}

fn is_sign(c: char) -> bool {
    c.is_alphabetic() && !is_hangul(c) || c.is_ascii_digit() || "%‰°/·*^⋅".contains(c)
}

/// The unit that is written as `written` from `start` on; the number before it ends at `at`.
fn by_sign(text: &[Folded], at: usize, start: usize, written: &str) -> (Option<Unit>, usize) {
    let spaced = start > at;
    let written = written.trim_end_matches(['/', '·', '*', '^', '⋅']);
    if !written.chars().any(|c| c.is_alphabetic() || "%‰°".contains(c)) {
        return (None, at);
    }
    let end = start + written.chars().count();
    let sign = written.replace(['^', '*', '·', '⋅'], "");
    // An inch, not the word.
    let goes_on = text.get(end).is_some_and(|(c, _)| *c == ' ')
        && text.get(end + 1).is_some_and(|(c, _)| c.is_alphanumeric());
    if sign == "in" && (goes_on || !spaced) {
        return (None, at);
    }
    if let Some((dimension, scale)) = of_sign(&sign) {
        return (Some(made(&sign, dimension, scale)), end);
    }
    if let Some((above, below)) = sign.split_once('/') {
        let both = of_sign(above).zip(of_sign(below));
        if let Some(((of, size), (per, by))) = both {
            let unit = made(above, of, size).per(&made(below, per, by), sign.clone());
            return (Some(unit), end);
        }
    }
    if let Some(percent) = sign.chars().next().filter(|c| matches!(c, '%' | '‰')) {
        let scale = if percent == '%' { 1e-2 } else { 1e-3 };
        return (Some(made(&percent.to_string(), "ratio", scale)), start + 1);
    }
    if spaced && !sign.contains(['/', '°']) {
        return (None, at);
    }
    // "L/500" is a quotient; only exponents are digits of a unit.
    let letters: Vec<char> = sign.chars().collect();
    let quotient = letters
        .windows(2)
        .any(|two| two[1].is_ascii_digit() && (two[0].is_ascii_digit() || two[0] == '/'));
    if quotient {
        return (None, at);
    }
    (Some(made(&sign, &sign, 1.0)), end)
}

/// What a sign measures, and its size.
fn of_sign(sign: &str) -> Option<(&'static str, f64)> {
    let first = sign.chars().next()?;
    let found = beginning(first).iter().find(|(word, ..)| *word == sign).or_else(|| {
        let lower = sign.to_lowercase();
        let rows = beginning(first.to_ascii_lowercase());
        rows.iter().find(|(word, ..)| *word == lower && word.len() > 2)
    });
    found.map(|(_, dimension, scale)| (*dimension, *scale))
}

fn made(written: &str, dimension: &str, scale: f64) -> Unit {
    Unit { dimension: dimension.to_owned(), scale, divisor: 1.0, written: written.to_owned() }
}

/// Tells whether a unit in words or of count stands at `at`, so that a word before it is a number.
pub(super) fn follows(text: &[Folded], at: usize) -> bool {
    read(text, at).0.is_some_and(|unit| unit.is_known())
}
