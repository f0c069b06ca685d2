//! Numbers in English words: `twenty-five`, `48 million`, `two thirds`, `half an hour`, `twice`.

use super::unit::Unit;
use super::{Folded, Read, Role};

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] =
    ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const LARGE: [(&str, f64); 5] =
    [("hundred", 1e2), ("thousand", 1e3), ("million", 1e6), ("billion", 1e9), ("trillion", 1e12)];
/// Denominators of fractions; `second` is a time.
const PARTS: [(&str, f64); 11] = [
    ("half", 2.0),
    ("halve", 2.0),
    ("third", 3.0),
    ("quarter", 4.0),
    ("fourth", 4.0),
    ("fifth", 5.0),
    ("sixth", 6.0),
    ("eighth", 8.0),
    ("tenth", 10.0),
    ("twentieth", 20.0),
    ("hundredth", 100.0),
];

/// The word at `at`, in small letters.
fn word(text: &[Folded], at: usize) -> String {
    let letters = text.get(at..).unwrap_or_default().iter().map(|(c, _)| *c);
    letters.take_while(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
}

/// Where the next word begins, after one space or dash.
fn next(text: &[Folded], end: usize) -> Option<usize> {
    text.get(end).is_some_and(|(c, _)| matches!(c, '-' | ' ')).then_some(end + 1)
}

/// What multiplies a number in digits that ends at `end`: the value and the new end.
pub(super) fn multiplied(text: &[Folded], value: f64, end: usize) -> Option<(f64, usize)> {
    let at = next(text, end)?;
    let word = word(text, at);
    let (_, by) = LARGE.iter().find(|(large, _)| *large == word)?;
    Some((value * by, at + word.len()))
}

/// A fraction in digits of which a share is said: "2/3 of". Others may be dates or names.
pub(super) fn quotient(text: &[Folded], value: f64, end: usize) -> Option<Read> {
    let rest = text.get(end..)?.iter().map(|(c, _)| *c).take(7).collect::<String>();
    let below = rest.strip_prefix('/')?;
    let rest = below.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &below[..below.len() - rest.len()];
    let denominator: f64 = digits.parse().ok()?;
    let share = rest.starts_with(" of") && value < denominator;
    let unit = Some(Unit::ratio());
    let end = end + 1 + digits.len();
    share.then_some(Read { value: value / denominator, end, role: Role::Amount, unit })
}

/// The number in words at `at`.
pub(super) fn read(text: &[Folded], at: usize) -> Option<Read> {
    let first = word(text, at);
    let end = at + first.len();
    match &*first {
        "once" | "twice" | "thrice" => {
            let value = ["once", "twice", "thrice"].iter().position(|word| *word == first)? + 1;
            let unit = Some(Unit::base("times", "count"));
            return Some(Read { value: value as f64, end, role: Role::Word, unit });
        }
        "half" | "quarter" => return part(text, 1.0, at, Role::Word),
        "a" | "an" => {
            let at = next(text, end)?;
            let read = part(text, 1.0, at, Role::Word)?;
            // "A third party" is none.
            let of = word(text, next(text, read.end)?) == "of" || read.unit.is_none();
            return (of || word(text, at) == "quarter").then_some(read);
        }
        _ => {}
    }
    let (value, end) = cardinal(text, at)?;
    let fraction = next(text, end).and_then(|next| part(text, value, next, Role::Amount));
    Some(fraction.unwrap_or(Read { value, end, role: Role::Word, unit: None }))
}

/// A fraction by the word for its denominator at `at`.
fn part(text: &[Folded], numerator: f64, at: usize, role: Role) -> Option<Read> {
    let word = word(text, at);
    let one = word.strip_suffix('s').unwrap_or(&word);
    let (_, denominator) = PARTS.iter().find(|(part, _)| *part == one)?;
    let (value, end) = (numerator / denominator, at + word.len());
    // Half an hour is a time; the unit is read next.
    for between in [" an", " a", " of an", " of a"] {
        let past = end + between.len();
        let here = text.get(end..past).unwrap_or_default().iter().map(|(c, _)| *c);
        let is_time = |unit: Unit| matches!(&*unit.dimension, "time" | "month");
        if here.eq(between.chars()) && super::unit::read(text, past).0.is_some_and(is_time) {
            return Some(Read { value, end: past, role, unit: None });
        }
    }
    Some(Read { value, end, role, unit: Some(Unit::ratio()) })
}

/// A cardinal number and where it ends.
fn cardinal(text: &[Folded], at: usize) -> Option<(f64, usize)> {
    let (mut total, mut section) = (0.0, 0.0);
    let (first, mut end) = below_hundred(text, at)?;
    section += first;
    while let Some(next_word) = next(text, end) {
        let word = word(text, next_word);
        if let Some((_, by)) = LARGE.iter().find(|(large, _)| *large == word) {
            if *by == 1e2 {
                section *= by;
            } else {
                total += section * by;
                section = 0.0;
            }
            end = next_word + word.len();
            continue;
        }
        // "One hundred and twenty", not "two and three".
        let after = if word == "and" { next(text, next_word + 3) } else { Some(next_word) };
        let open = section == 0.0 || section >= 1e2 && section % 1e2 == 0.0;
        match after.filter(|_| open).and_then(|after| below_hundred(text, after)) {
            Some((value, past)) if total + section > 0.0 => {
                section += value;
                end = past;
            }
            _ => break,
        }
    }
    let half = text
        .get(end..end + 11)
        .is_some_and(|rest| rest.iter().map(|(c, _)| *c).eq(" and a half".chars()));
    let (more, past) = if half { (0.5, end + 11) } else { (0.0, end) };
    Some((total + section + more, past))
}

fn below_hundred(text: &[Folded], at: usize) -> Option<(f64, usize)> {
    let first = word(text, at);
    let small = |word: &str| SMALL.iter().position(|small| *small == word);
    let end = at + first.len();
    let Some(tens) = TENS.iter().position(|tens| *tens == first) else {
        return small(&first).map(|value| (value as f64, end));
    };
    let tens = (tens * 10 + 20) as f64;
    let ones = next(text, end).and_then(|at| {
        let second = word(text, at);
        let ones = small(&second).filter(|ones| (1..10).contains(ones))?;
        Some((tens + ones as f64, at + second.len()))
    });
    Some(ones.unwrap_or((tens, end)))
}
