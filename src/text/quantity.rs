//! Numbers with units in running Korean and English text, as values that can be compared.
//!
//! Read are ASCII and full-width digits, thousands commas, multipliers (`3만 5천`, `48 million`), numerals
//! where a unit shows that they are some (`삼십 일`, `스물다섯 명`, `two hundred days`), fractions
//! (`백분의 이십`, `two thirds`), units by sign or word, rates (`분당 60 m`) and signs of money. Units of one
//! dimension compare by value: 1 m is 1000 mm, 24 MPa is 24 N/mm². A sign is read of temperatures only;
//! elsewhere a dash mostly joins.
//!
//! Not read: ranges as such (both ends are numbers), powers of ten, and `조` (10¹²) unless `원` or a number
//! follows, since it mostly means an article of law.

mod derived;
mod english;
mod figures;
mod moment;
mod role;
mod spelled;
mod unit;

pub use figures::{contradicts, elsewhere, missing, said};
pub use unit::Unit;

use unicode_normalization::UnicodeNormalization as _;

use super::Span;

/// A number as it stands in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// Its value in the unit written.
    pub value: f64,
    /// The unit, if one follows.
    pub unit: Option<Unit>,
    /// Characters it takes, the unit included.
    pub span: Span,
    /// What it is for.
    pub role: Role,
}

/// What a number is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It says how much or how many.
    Amount,
    /// It is part of a name, as in `D32`, `KDS 41 17 00`, `2024-01-15` or clause `3.2.1`.
    Name,
    /// It counts an item of a list, or names an article, table or page.
    Mark,
    /// A word that may be a number, as `ten` or `삼`.
    Word,
}

impl Quantity {
    /// Tells whether two say the same amount. A number without a unit is one of another kind than
    /// the same number with one.
    pub fn equals(&self, other: &Self) -> bool {
        match (&self.unit, &other.unit) {
            (None, None) => close(self.value, other.value),
            (Some(a), Some(b)) => {
                a.dimension == b.dimension && close(self.value * a.scale, other.value * b.scale)
            }
            _ => false,
        }
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// A value as a key: values that differ in the last bits only, as conversion leaves them, are one.
pub fn rounded(value: f64) -> u64 {
    // Forty bits of the mantissa are twelve digits.
    (value.to_bits() + 0x800) & !0xFFF
}

/// One character of the folded text and the character of the original that it comes from.
type Folded = (char, usize);

/// Finds the quantities of a text, in order.
pub fn quantities(text: &str) -> Vec<Quantity> {
    let text = folded(text);
    let mut found = Vec::new();
    let mut at = 0;
    // End of a name of several numbers.
    let mut name_end = None;
    while at < text.len() {
        let read = if text[at].0.is_ascii_digit() {
            Some(number(&text, at))
        } else {
            spelled::read(&text, at)
        };
        let Some(mut read) = read else {
            at += 1;
            continue;
        };
        let (mut unit, mut end) = match read.unit.take() {
            Some(unit) => (Some(unit), read.end),
            None => unit::read(&text, read.end),
        };
        let digits = text[at].0.is_ascii_digit();
        let share = unit.as_ref().is_some_and(|unit| unit.written == "분의");
        if read.role == Role::Amount && digits && !share {
            read.role = role::role(&text, at, read.end, unit.as_ref(), name_end);
        }
        let mut start = at;
        if read.role == Role::Amount || read.role == Role::Word {
            let money = money_before(&text, at).filter(|_| digits && unit.is_none());
            if let Some((length, sign)) = money {
                (start, unit) = (at - length, Some(sign));
            }
            unit = unit.map(|unit| match unit::divisor_before(&text, start) {
                Some(per) => unit::rate(&unit, &per),
                None => unit,
            });
            if let Some(unit) = &unit {
                end = half(&text, end, unit, &mut read.value);
                start = signed(&text, start, end, unit, &mut read.value);
                // From two on a word with a unit of measure is no article.
                let sure = read.value >= 2.0 && unit.measures() && unit.written.len() > 1;
                if read.role == Role::Word && sure && text[at].0.is_ascii() {
                    read.role = Role::Amount;
                }
            }
        } else {
            end = read.end;
        }
        // "1 m당" says for what, not how much.
        let per = text.get(end).is_some_and(|(c, _)| *c == '당') && read.value == 1.0;
        if per && read.role == Role::Amount {
            read.role = Role::Word;
        }
        name_end = (read.role == Role::Name).then_some(read.end);
        let last = text.get(end - 1).map_or(0, |(_, origin)| origin + 1);
        found.push(Quantity {
            value: read.value,
            unit,
            span: Span { start: text[start].1, end: last },
            role: read.role,
        });
        at = end.max(at + 1);
    }
    found
}

/// Signs of money, which stand before the number.
fn money_before(text: &[Folded], at: usize) -> Option<(usize, Unit)> {
    let back = at.checked_sub(1)?;
    let money = match text[back].0 {
        '$' => "dollar",
        '₩' => "won",
        '€' => "euro",
        '¥' => "yen",
        _ => return None,
    };
    Some((1, Unit::base(&text[back].0.to_string(), money)))
}

/// Takes the half that `반` adds to a time: "두 시간 반". Gives the new end.
fn half(text: &[Folded], end: usize, unit: &Unit, value: &mut f64) -> usize {
    let at = end + usize::from(text.get(end).is_some_and(|(c, _)| *c == ' '));
    let next = text.get(at + 1).map(|(c, _)| *c);
    let ends = next.is_none_or(|c| !is_hangul(c) || "이은을에의".contains(c));
    let time = matches!(&*unit.written, "시간" | "년" | "분" | "개월" | "배");
    if time && ends && text.get(at).is_some_and(|(c, _)| *c == '반') {
        *value += 0.5;
        return at + 1;
    }
    end
}

/// Words of what is below zero.
const BELOW_ZERO: [&str; 3] = ["영하", "minus", "negative"];

/// Takes the sign of a temperature that begins at `start`. Gives where it begins with its sign.
fn signed(text: &[Folded], start: usize, end: usize, unit: &Unit, value: &mut f64) -> usize {
    if !matches!(&*unit.dimension, "degree" | "fahrenheit") {
        return start;
    }
    let back = |at: usize| at.checked_sub(1).map(|at| text[at].0);
    let dash = matches!(back(start), Some('-' | '−' | '–'));
    if dash && back(start - 1).is_none_or(|c| c.is_whitespace() || "(~[".contains(c)) {
        *value = -*value;
        return start - 1;
    }
    let word_end = start - text[..start].iter().rev().take_while(|(c, _)| *c == ' ').count();
    for word in BELOW_ZERO {
        let length = word.chars().count();
        let here = word_end.checked_sub(length).map(|from| &text[from..word_end]);
        let same =
            |here: &[Folded]| here.iter().map(|(c, _)| c.to_ascii_lowercase()).eq(word.chars());
        if here.is_some_and(same) {
            *value = -*value;
            return word_end - length;
        }
    }
    let after = text[end..].iter().map(|(c, _)| *c).take(10).collect::<String>();
    if [" below zero", " below free"]
        .iter()
        .any(|word| word.starts_with(&after) && after.len() == 10)
    {
        *value = -*value;
    }
    start
}

/// A number before its unit is known.
#[derive(Debug, Clone, PartialEq)]
struct Read {
    value: f64,
    end: usize,
    role: Role,
    /// The unit, where the number says it itself, as a fraction does.
    unit: Option<Unit>,
}

/// NFKC, character by character, without what is invisible. A raised digit after a digit is kept
/// apart from it.
fn folded(text: &str) -> Vec<Folded> {
    let mut folded: Vec<Folded> = Vec::with_capacity(text.len());
    for (origin, character) in text.chars().enumerate() {
        if matches!(character, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}') {
            continue;
        }
        let raised = matches!(character, '²' | '³' | '¹' | '⁰'..='⁹');
        if raised && folded.last().is_some_and(|(last, _)| last.is_ascii_digit()) {
            folded.push(('^', origin));
        }
        folded.extend(std::iter::once(character).nfkc().map(|part| (part, origin)));
    }
    folded
}

/// Reads digits at `at`, with what multiplies them.
fn number(text: &[Folded], at: usize) -> Read {
    let digit = |at: usize| text.get(at).is_some_and(|(c, _)| c.is_ascii_digit());
    let (mut digits, mut dots, mut end) = (String::new(), 0, at);
    loop {
        match text.get(end) {
            Some((c, _)) if c.is_ascii_digit() => {
                if dots < 2 {
                    digits.push(*c);
                }
            }
            Some(('.', _)) if digit(end + 1) => {
                dots += 1;
                if dots == 1 {
                    digits.push('.');
                }
            }
            Some((',', _)) if dots == 0 && separates_thousands(text, at, end) => {}
            _ => break,
        }
        end += 1;
    }
    let value: f64 = digits.parse().unwrap_or(f64::NAN);
    if dots > 1 {
        return Read { value, end, role: Role::Name, unit: None };
    }
    let (value, end) = english::multiplied(text, value, end)
        .unwrap_or_else(|| spelled::multiplied(text, value, end));
    let fraction = spelled::fraction(text, value, end);
    fraction.or_else(|| english::quotient(text, value, end)).unwrap_or(Read {
        value,
        end,
        role: Role::Amount,
        unit: None,
    })
}

fn separates_thousands(text: &[Folded], first: usize, at: usize) -> bool {
    let digit = |at: usize| text.get(at).is_some_and(|(c, _)| c.is_ascii_digit());
    let before = (first..at).rev().take_while(|at| digit(*at)).count();
    before <= 3 && (1..=3).all(|after| digit(at + after)) && !digit(at + 4)
}

/// Tells whether a character is a Hangul syllable.
fn is_hangul(character: char) -> bool {
    ('가'..='힣').contains(&character)
}

#[cfg(test)]
mod tests;
