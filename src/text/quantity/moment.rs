//! Dates and times of day, which are written in many ways and read as numbers alone say little:
//! `2026. 3. 1.`, `1 March 2026`, `오후 6시`, `18:00`.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::{Folded, Span};

/// A date or a time of day in a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// Characters it takes.
    pub span: Span,
    /// What it says.
    pub when: When,
}

/// What a moment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// A day, or a month of a year.
    Date { year: Option<u32>, month: u32, day: Option<u32> },
    /// Minutes since midnight. Twelve hours more or less are the same unless it is told which half of
    /// the day is meant. Digits with a colon may be a proportion.
    Clock { minutes: u32, half_told: bool, colon: bool },
}

impl When {
    /// Whether both may be one.
    pub(super) fn agrees(self, other: Self) -> bool {
        let same = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        match (self, other) {
            (
                Self::Date { year, month, day },
                Self::Date { year: other_year, month: other_month, day: other_day },
            ) => same(year, other_year) && month == other_month && same(day, other_day),
            (
                Self::Clock { minutes, half_told, .. },
                Self::Clock { minutes: other, half_told: other_told, .. },
            ) => {
                let apart = minutes.abs_diff(other) % 1440;
                apart == 0 || apart == 720 && !(half_told && other_told)
            }
            _ => false,
        }
    }
}

const MONTHS: &str = "(Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)";

#[expect(clippy::unwrap_used, reason = "the patterns are constants; a test compiles them")]
static DATES: LazyLock<[Regex; 5]> = LazyLock::new(|| {
    [
        r"\b((?:19|20)\d\d)\s?[.\-/년]\s?(\d{1,2})\s?[.\-/월]\s?(\d{1,2})(?:\s?일|\.|\b)"
            .to_owned(),
        format!(r"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {MONTHS}\b\.?(?:,? ((?:19|20)\d\d)\b)?"),
        format!(r"\b{MONTHS}\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? ((?:19|20)\d\d)\b)?"),
        format!(r"\b{MONTHS}\.? ((?:19|20)\d\d)\b"),
        r"(\d{1,2})월\s?(\d{1,2})일".to_owned(),
    ]
    .map(|pattern| Regex::new(&pattern).unwrap())
});

#[expect(clippy::unwrap_used, reason = "the patterns are constants; a test compiles them")]
static CLOCKS: LazyLock<[Regex; 4]> = LazyLock::new(|| {
    [
        r"(?:(오전|오후|새벽|아침|낮|저녁|밤)\s?)?(\d{1,2})\s?시(?:\s?(\d{1,2})분|\s?(반))?(\p{Hangul})?",
        r"(?i)\b(\d{1,2})(?::(\d\d))?\s?([ap])\.?\s?m\b\.?",
        r"\b(\d{1,2}):(\d\d)\b",
        r"(?i)\b(?:noon|midnight)\b|정오|자정",
    ]
    .map(|pattern| Regex::new(pattern).unwrap())
});

/// What may follow the hour in its word; else it is another word, as in `2시간`.
const AFTER_HOUR: &str = "부까에이은는로정쯤경와과를의전후마";

/// The moments of a text, those of one kind in order.
pub(super) fn moments(text: &[Folded]) -> Vec<Moment> {
    // Most texts have no moments, which a glance shows.
    let digits = text.iter().any(|(c, _)| c.is_ascii_digit());
    if !digits && !text.iter().any(|(c, _)| matches!(c, 'n' | 'N' | '정')) {
        return Vec::new();
    }
    let whole: String = text.iter().map(|(c, _)| *c).collect();
    let mut found: Vec<Moment> = Vec::new();
    let mut add = |captures: &Captures<'_>, when: Option<When>| {
        let (Some(all), Some(when)) = (captures.get(0), when) else { return };
        let place = |byte: usize| whole[..byte].chars().count();
        let (start, last) = (place(all.start()), place(all.end()).saturating_sub(1));
        let origin = |at: usize| text.get(at).map_or(0, |(_, origin)| *origin);
        let span = Span { start: origin(start), end: origin(last) + 1 };
        let overlaps = |known: &Moment| known.span.start < span.end && span.start < known.span.end;
        if !found.iter().any(overlaps) {
            found.push(Moment { span, when });
        }
    };
    let has = |signs: &[&str]| signs.iter().any(|sign| whole.contains(sign));
    let named = has(&["an", "eb", "ar", "pr", "ay", "un", "ul", "ug", "ep", "ct", "ov", "ec"]);
    let year = has(&["19", "20"]);
    let possible =
        [year, digits && named, digits && named, digits && named, digits && has(&["월"])];
    for (kind, pattern) in DATES.iter().enumerate().filter(|(kind, _)| possible[*kind]) {
        for captures in pattern.captures_iter(&whole) {
            add(&captures, date(&captures, kind));
        }
    }
    let possible = [
        digits && has(&["시"]),
        digits && has(&["m", "M"]),
        digits && has(&[":"]),
        has(&["noon", "Noon", "midnight", "Midnight", "정오", "자정"]),
    ];
    for (kind, pattern) in CLOCKS.iter().enumerate().filter(|(kind, _)| possible[*kind]) {
        for captures in pattern.captures_iter(&whole) {
            add(&captures, clock(&captures, kind));
        }
    }
    found
}

fn date(captures: &Captures<'_>, kind: usize) -> Option<When> {
    let number = |at: usize| captures.get(at).and_then(|part| part.as_str().parse().ok());
    let named = |at: usize| captures.get(at).and_then(|part| month(part.as_str()));
    let (year, month, day) = match kind {
        0 => (number(1), number(2), number(3)),
        1 => (number(3), named(2), number(1)),
        2 => (number(3), named(1), number(2)),
        3 => (number(2), named(1), None),
        _ => (None, number(1), number(2)),
    };
    let month = month.filter(|month| (1..=12).contains(month))?;
    let right = day.is_none_or(|day| (1..=31).contains(&day));
    right.then_some(When::Date { year, month, day })
}

fn month(name: &str) -> Option<u32> {
    let names =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    (1..).zip(names).find(|(_, known)| name.starts_with(known)).map(|(at, _)| at)
}

fn clock(captures: &Captures<'_>, kind: usize) -> Option<When> {
    let part = |at: usize| captures.get(at).map(|part| part.as_str());
    let number = |at: usize| part(at).and_then(|part| part.parse::<u32>().ok());
    let (hour, minute, afternoon) = match kind {
        0 => {
            if part(5).is_some_and(|next| !AFTER_HOUR.contains(next)) {
                return None;
            }
            let minute = if part(4).is_some() { 30 } else { number(3).unwrap_or(0) };
            let afternoon = part(1).map(|half| !matches!(half, "오전" | "새벽" | "아침"));
            (number(2)?, minute, afternoon)
        }
        1 => (number(1)?, number(2).unwrap_or(0), Some(matches!(part(3), Some("p" | "P")))),
        2 => (number(1)?, number(2)?, None),
        _ => {
            let noon = matches!(part(0), Some("정오" | "noon" | "Noon"));
            (12, 0, Some(noon))
        }
    };
    if hour > 24 || minute > 59 {
        return None;
    }
    let base = match afternoon {
        Some(true) if hour < 12 => hour + 12,
        Some(false) if hour == 12 => 0,
        _ => hour,
    };
    let colon = kind == 2;
    let zero = colon && part(1).is_some_and(|hour| hour.starts_with('0'));
    let half_told = afternoon.is_some() || base > 12 || zero;
    Some(When::Clock { minutes: (base * 60 + minute) % 1440, half_told, colon })
}
