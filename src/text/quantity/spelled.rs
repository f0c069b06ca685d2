//! Numbers in Korean words, and syllables that multiply numbers.

use super::unit::{self, Unit};
use super::{Folded, Read, Role, english, is_hangul};

/// What a syllable multiplies by.
fn multiplier(character: char) -> Option<f64> {
    Some(match character {
        '십' => 10.0,
        '백' => 100.0,
        '천' => 1e3,
        '만' => 1e4,
        '억' => 1e8,
        _ => return None,
    })
}

/// A Sino-Korean digit.
fn digit(character: char) -> Option<f64> {
    let at = "영일이삼사오육칠팔구".chars().position(|digit| digit == character)?;
    Some(at as f64)
}

/// Sums up digits and multipliers as they are read: `[3, ×만, 5, ×천]`.
#[derive(Default)]
struct Sum {
    total: f64,
    section: f64,
    last: Option<f64>,
}

impl Sum {
    fn times(&mut self, by: f64) {
        if by >= 1e4 {
            let section = self.section + self.last.take().unwrap_or(0.0);
            self.total += if section == 0.0 { 1.0 } else { section } * by;
            self.section = 0.0;
        } else {
            self.section += self.last.take().unwrap_or(1.0) * by;
        }
    }

    fn value(&self) -> f64 {
        self.total + self.section + self.last.unwrap_or(0.0)
    }
}

/// A number in digits with the syllables behind it that multiply it, and further numbers with theirs:
/// `3만 5천`. Gives the value and where it ends.
pub(super) fn multiplied(text: &[Folded], value: f64, end: usize) -> (f64, usize) {
    let mut sum = Sum { last: Some(value), ..Sum::default() };
    let mut at = end;
    loop {
        let from = at;
        while let Some(by) = text.get(at).and_then(|(c, _)| multiplier(*c).or(trillion(text, at))) {
            sum.times(by);
            at += 1;
        }
        if at == from {
            return (if at == end { value } else { sum.value() }, at);
        }
        let next = at + usize::from(text.get(at).is_some_and(|(c, _)| *c == ' '));
        let digits = text[next.min(text.len())..].iter().take_while(|(c, _)| c.is_ascii_digit());
        let digits: String = digits.map(|(c, _)| *c).collect();
        let after = next + digits.len();
        let goes_on = text.get(after).is_some_and(|(c, _)| multiplier(*c).is_some());
        match digits.parse::<f64>() {
            Ok(number) if goes_on => {
                sum.last = Some(number);
                at = after;
            }
            _ => return (sum.value(), at),
        }
    }
}

/// `조` as 10¹²: before `원`, or where another number follows.
fn trillion(text: &[Folded], at: usize) -> Option<f64> {
    let next = |ahead: usize| text.get(at + ahead).map(|(c, _)| *c);
    let number = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let amount =
        next(1) == Some('원') || number(next(1)) || next(1) == Some(' ') && number(next(2));
    (next(0) == Some('조') && amount).then_some(1e12)
}

/// A fraction whose denominator was just read: `100분의 20`.
pub(super) fn fraction(text: &[Folded], denominator: f64, end: usize) -> Option<Read> {
    let mark = text.get(end..end + 2)?;
    if mark.iter().map(|(c, _)| *c).collect::<String>() != "분의" || denominator == 0.0 {
        return None;
    }
    let start = end + 2 + usize::from(text.get(end + 2).is_some_and(|(c, _)| *c == ' '));
    let digits = text.get(start..)?.iter().take_while(|(c, _)| c.is_ascii_digit() || *c == '.');
    let digits: String = digits.map(|(c, _)| *c).collect();
    let digits = digits.trim_end_matches('.');
    let (numerator, end) = match digits.parse::<f64>() {
        Ok(number) => (number, start + digits.len()),
        Err(_) => sino(text, start)?,
    };
    Some(Read {
        value: numerator / denominator,
        end,
        role: Role::Amount,
        unit: Some(Unit::ratio()),
    })
}

/// The Sino-Korean numeral at `at`, as long as it goes.
fn sino(text: &[Folded], at: usize) -> Option<(f64, usize)> {
    let mut sum = Sum::default();
    let mut end = at;
    while let Some((c, _)) = text.get(end) {
        if let Some(by) = multiplier(*c) {
            sum.times(by);
        } else if let Some(value) = digit(*c).filter(|_| sum.last.is_none()) {
            sum.last = Some(value);
        } else {
            break;
        }
        end += 1;
    }
    (end > at).then(|| (sum.value(), end))
}

/// A number in words at `at`.
pub(super) fn read(text: &[Folded], at: usize) -> Option<Read> {
    let before = at.checked_sub(1).map(|before| text[before].0);
    let first = text[at].0;
    if first.is_ascii_alphabetic() {
        let starts = before.is_none_or(|c| !c.is_alphanumeric());
        return if starts { english::read(text, at) } else { None };
    }
    if !is_hangul(first) || before.is_some_and(is_hangul) {
        return None;
    }
    whole(text, at).or_else(|| korean(text, at)).or_else(|| native(text, at))
}

/// Words that say an amount and what it measures, and their size in days or as a share.
const WHOLE: [(&str, f64); 16] = [
    ("절반", 0.5),
    ("반으로", 0.5),
    ("반만", 0.5),
    ("이틀", 2.0),
    ("사흘", 3.0),
    ("나흘", 4.0),
    ("닷새", 5.0),
    ("엿새", 6.0),
    ("이레", 7.0),
    ("여드레", 8.0),
    ("아흐레", 9.0),
    ("열흘", 10.0),
    ("보름", 15.0),
    ("스무날", 20.0),
    ("반 시간", 0.5),
    ("반년", 0.5),
];

fn whole(text: &[Folded], at: usize) -> Option<Read> {
    if !"절반이사나닷엿여아열보스".contains(text[at].0) {
        return None;
    }
    let stands = |word: &&(&str, f64)| {
        let here = text[at..].iter().map(|(c, _)| *c).take(word.0.chars().count());
        here.eq(word.0.chars())
    };
    let (word, value) = WHOLE.iter().find(stands)?;
    let end = at + word.chars().count();
    let day = 86_400.0;
    let (value, unit, role) = match *word {
        "절반" | "반으로" | "반만" => (*value, Unit::ratio(), Role::Word),
        "반 시간" => (value * 3600.0, Unit::base("초", "time"), Role::Word),
        "반년" => (value * 12.0, Unit::base("개월", "month"), Role::Word),
        _ => (value * day, Unit::base("초", "time"), Role::Amount),
    };
    let rest: String = text[end..].iter().map(|(c, _)| *c).take_while(|c| is_hangul(*c)).collect();
    let ends = rest.is_empty() || unit::is_particle(&rest);
    ends.then_some(Read { value, end, role, unit: Some(unit) })
}

fn korean(text: &[Folded], at: usize) -> Option<Read> {
    let (value, end) = sino(text, at)?;
    if let Some(read) = fraction(text, value, end) {
        return Some(read);
    }
    // The last syllable may be the unit: 삼십일 is 31, and 30 days before 이내.
    let shorter = (end - at > 1 && text[end - 1].0 == '일')
        .then(|| (sino(&text[..end - 1], at).map_or(0.0, |(value, _)| value), end - 1));
    let whole = Some((value, end));
    let (value, end) =
        [whole, shorter].into_iter().flatten().find(|(_, end)| unit::follows(text, *end))?;
    let written = &text[at..end];
    // "If", far more often than 10,001.
    if written.iter().map(|(c, _)| *c).eq("만일".chars()) {
        return None;
    }
    let multiplied = written.iter().any(|(c, _)| multiplier(*c).is_some());
    let role = if multiplied { Role::Amount } else { Role::Word };
    Some(Read { value, end, role, unit: None })
}

/// A native Korean number before a counter.
fn native(text: &[Folded], at: usize) -> Option<Read> {
    const TENS: [(&str, f64); 10] = [
        ("열", 10.0),
        ("스물", 20.0),
        ("스무", 20.0),
        ("서른", 30.0),
        ("마흔", 40.0),
        ("쉰", 50.0),
        ("예순", 60.0),
        ("일흔", 70.0),
        ("여든", 80.0),
        ("아흔", 90.0),
    ];
    const ONES: [(&str, f64); 9] = [
        ("한", 1.0),
        ("두", 2.0),
        ("세", 3.0),
        ("네", 4.0),
        ("다섯", 5.0),
        ("여섯", 6.0),
        ("일곱", 7.0),
        ("여덟", 8.0),
        ("아홉", 9.0),
    ];
    let hangul = text[at..].iter().map(|(c, _)| *c).take_while(|c| is_hangul(*c)).take(8);
    let hangul: String = hangul.collect();
    let at_start = |list: &'static [(&'static str, f64)], text: &str| {
        list.iter().find(|(word, _)| text.starts_with(word)).copied()
    };
    let (tens_word, tens) = at_start(&TENS, &hangul).unwrap_or(("", 0.0));
    let (ones_word, ones) = at_start(&ONES, &hangul[tens_word.len()..]).unwrap_or(("", 0.0));
    let end = at + tens_word.chars().count() + ones_word.chars().count();
    if end == at {
        return None;
    }
    // People are counted as 두 분; minutes take the other numerals.
    let start = end + usize::from(text.get(end).is_some_and(|(c, _)| *c == ' '));
    let value = tens + ones;
    let rest = text.get(start + 1..).unwrap_or_default().iter().map(|(c, _)| *c).take(4);
    let rest: String = rest.collect();
    let ends = !rest.starts_with(is_hangul) || unit::is_particle(&rest);
    if text.get(start).is_some_and(|(c, _)| *c == '분') && ends {
        let unit = Some(Unit::base("분", "person"));
        return Some(Read { value, end: start + 1, role: Role::Word, unit });
    }
    let (unit, _) = unit::read(text, end);
    let unit = unit.filter(|_| unit::follows(text, end))?;
    // From two on these are no articles.
    let measured = ones >= 2.0 && unit.measures();
    let role = if tens > 0.0 || measured { Role::Amount } else { Role::Word };
    Some(Read { value, end, role, unit: None })
}
