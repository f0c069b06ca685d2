//! Numbers with units in running Korean and English text, as values that can be compared.
//!
//! Read are ASCII and full-width digits, thousands commas, Korean multipliers (`3만 5천`), Korean
//! numerals where a unit shows that they are some (`삼십 일`, `스물다섯 명`), fractions (`백분의 이십`), and
//! units by sign or word. Units of one dimension compare by value: 1 m is 1000 mm, 24 MPa is 24 N/mm².
//!
//! Not read: ranges as such (both ends are numbers), powers of ten, English number words above a
//! hundred, and `조` (10¹²) unless `원` or a number follows, since it mostly means an article of law.

mod spelled;
mod unit;

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

/// A source of figures, read once.
#[derive(Debug, Clone)]
pub struct Figures {
    known: Vec<Quantity>,
    /// The text without spaces, in which a unit may stand apart from its numbers.
    text: String,
}

impl Figures {
    /// Reads a source.
    pub fn of(text: &str) -> Self {
        Self { known: quantities(text), text: solid(text) }
    }

    /// Tells whether the source has a quantity. The unit may be left out where the question names
    /// it, and may stand elsewhere in the source, as in the head of a table.
    pub fn have(&self, quantity: &Quantity, question: &Self) -> bool {
        self.known.iter().any(|known| match (&quantity.unit, &known.unit) {
            (None, Some(unit)) => {
                let named = question.text.contains(&unit.written) || may_be_variable(unit);
                close(quantity.value, known.value) && named
            }
            (Some(unit), None) => {
                close(quantity.value, known.value)
                    && (self.text.contains(&unit.written) || question.text.contains(&unit.written))
            }
            _ => known.equals(quantity),
        })
    }
}

/// Capital letters are units and variables both: `0.70L` is a load factor and its load more often than
/// litres.
fn may_be_variable(unit: &Unit) -> bool {
    let mut letters = unit.written.chars();
    letters.next().is_some_and(|c| c.is_ascii_uppercase()) && letters.next().is_none()
}

/// Whether a number is worked with: next to it stands a sign of arithmetic. Units are left out there.
fn is_operand(answer: &[char], span: Span) -> bool {
    let is_sign = |c: &char| matches!(*c, '×' | '·' | '*' | '÷' | '/' | '+' | '=' | '√' | '≈');
    let before = answer[..span.start].iter().rev().find(|c| !c.is_whitespace());
    let after = answer.get(span.end..).and_then(|rest| rest.iter().find(|c| !c.is_whitespace()));
    before.is_some_and(is_sign) || after.is_some_and(is_sign)
}

impl Figures {
    /// Tells whether the source has the value of a number that is worked with, whatever its unit; 6 % is
    /// worked with as 0.06.
    fn have_value(&self, value: f64) -> bool {
        self.known.iter().any(|known| {
            let percent = known.unit.as_ref().is_some_and(|unit| unit.written == "%");
            close(value, known.value) || (percent && close(value * 100.0, known.value))
        })
    }
}

/// The amounts of `answer` that neither `source` nor `question` has. Small counts that stand alone
/// are let pass: they number lists and stand for words.
pub fn missing(answer: &str, question: &str, source: &str) -> Vec<Quantity> {
    let (asked, known) = (Figures::of(question), Figures::of(source));
    let mut found = amounts(answer);
    let letters: Vec<char> = answer.chars().collect();
    found.retain(|quantity| {
        let worked_with = quantity.unit.is_none()
            && is_operand(&letters, quantity.span)
            && (known.have_value(quantity.value) || asked.have_value(quantity.value));
        !worked_with && !known.have(quantity, &asked) && !asked.have(quantity, &asked)
    });
    found
}

/// The quantities of an answer that a source must have.
pub fn amounts(answer: &str) -> Vec<Quantity> {
    let mut found = quantities(answer);
    found.retain(|quantity| {
        let small =
            quantity.unit.is_none() && quantity.value < 10.0 && quantity.value.fract() == 0.0;
        quantity.role == Role::Amount && !small
    });
    found
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
        let (unit, end) =
            if read.ratio { (Some(Unit::ratio()), read.end) } else { unit::read(&text, read.end) };
        if read.role == Role::Amount && text[at].0.is_ascii_digit() {
            read.role = role(&text, at, read.end, unit.as_ref(), name_end);
        }
        let end = if read.role == Role::Amount || read.role == Role::Word { end } else { read.end };
        name_end = (read.role == Role::Name).then_some(read.end);
        let last = text.get(end - 1).map_or(0, |(_, origin)| origin + 1);
        found.push(Quantity {
            value: read.value,
            unit,
            span: Span { start: text[at].1, end: last },
            role: read.role,
        });
        at = end.max(at + 1);
    }
    found
}

/// A number before its unit is known.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Read {
    value: f64,
    end: usize,
    role: Role,
    /// Whether it is a fraction, which has no unit.
    ratio: bool,
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

/// A text as units are looked for in it.
fn solid(text: &str) -> String {
    let folded = folded(text).into_iter().map(|(character, _)| character);
    folded.filter(|c| !c.is_whitespace() && !matches!(c, '^' | '·' | '*')).collect()
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
        return Read { value, end, role: Role::Name, ratio: false };
    }
    let (value, end) = spelled::multiplied(text, value, end);
    spelled::fraction(text, value, end).unwrap_or(Read {
        value,
        end,
        role: Role::Amount,
        ratio: false,
    })
}

fn separates_thousands(text: &[Folded], first: usize, at: usize) -> bool {
    let digit = |at: usize| text.get(at).is_some_and(|(c, _)| c.is_ascii_digit());
    let before = (first..at).rev().take_while(|at| digit(*at)).count();
    before <= 3 && (1..=3).all(|after| digit(at + after)) && !digit(at + 4)
}

/// Words before a number that make it a reference.
const REFERENCE_WORDS: [&str; 19] = [
    "section", "clause", "article", "chapter", "table", "figure", "fig", "equation", "eq", "annex",
    "appendix", "page", "part", "표", "식", "그림", "제", "부록", "별표",
];

/// Hangul behind a number that makes it one.
const REFERENCE_ENDINGS: [&str; 9] = ["조", "항", "호", "장", "절", "편", "쪽", "페이지", "목"];

/// Names of codes, whose numbers name a clause or an edition.
const CODES: [&str; 18] = [
    "kds", "kcs", "ks", "kbc", "aci", "asce", "astm", "aisc", "iso", "en", "ec", "ibc", "bs",
    "din", "jis", "rfc", "no", "ver",
];

/// What a written number is for, from what stands around it.
fn role(
    text: &[Folded],
    start: usize,
    end: usize,
    unit: Option<&Unit>,
    name_end: Option<usize>,
) -> Role {
    let before = |back: usize| start.checked_sub(back).map(|at| text[at].0);
    let after = |ahead: usize| text.get(end + ahead).map(|(c, _)| *c);
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    // "D32", "m2"; "41 17 00"; "2024-01-15", "10:2024".
    let glued =
        before(1).is_some_and(|c| (c.is_alphabetic() && !is_hangul(c)) || c == '_' || c == '^');
    let goes_on = name_end.is_some_and(|name| {
        start - name <= 1 && matches!(text[name].0, ' ' | '-' | ':' | '/') && unit.is_none()
    });
    let joined = |c: Option<char>, next: Option<char>| {
        matches!(c, Some('-' | ':' | '/')) && is_digit(next) && unit.is_none()
    };
    let range = matches!(after(0), Some('-')) && name_end.is_none() && !is_long_name(text, end);
    if glued || goes_on || (joined(after(0), after(1)) && !range) {
        return Role::Name;
    }
    let word: String = {
        let mut at = start;
        while at > 0 && matches!(text[at - 1].0, ' ' | '.' | '(' | '[' | '-') && start - at < 2 {
            at -= 1;
        }
        let letters = text[..at].iter().rev().map(|(c, _)| *c);
        let letters = letters.take_while(|c| c.is_alphanumeric()).take(12).collect::<Vec<_>>();
        letters.into_iter().rev().flat_map(char::to_lowercase).collect()
    };
    if CODES.contains(&word.as_str()) {
        return Role::Name;
    }
    let hangul: String =
        (0..).map_while(after).skip_while(|c| *c == ' ').take_while(|c| is_hangul(*c)).collect();
    let article = REFERENCE_ENDINGS.iter().any(|mark| {
        hangul.strip_prefix(mark).is_some_and(|rest| {
            rest.is_empty()
                || rest.starts_with(['의', '에', '은', '는', '을', '와', '과', '제', '부'])
        })
    });
    let bracketed = matches!(before(1), Some('(' | '[')) && matches!(after(0), Some(')' | ']'));
    let line_start = text[..start]
        .iter()
        .rev()
        .map(|(c, _)| *c)
        .take_while(|c| *c != '\n')
        .all(char::is_whitespace);
    let item = line_start && matches!(after(0), Some('.' | ')')) && !is_digit(after(1));
    if REFERENCE_WORDS.contains(&word.as_str()) || article || bracketed || item {
        return Role::Mark;
    }
    Role::Amount
}

/// Tells whether digits and dashes go on for more than one more part: a date or number of a thing.
fn is_long_name(text: &[Folded], end: usize) -> bool {
    let rest = text[end..].iter().take_while(|(c, _)| c.is_ascii_digit() || *c == '-');
    rest.filter(|(c, _)| *c == '-').count() > 1
}

/// Tells whether a character is a Hangul syllable.
fn is_hangul(character: char) -> bool {
    ('가'..='힣').contains(&character)
}

#[cfg(test)]
mod tests;
