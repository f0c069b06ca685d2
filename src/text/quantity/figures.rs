//! Whether the figures of an answer stand in its source.

use super::derived::{derived, is_worked_out};
use super::moment::{Moment, When, moments};
use super::{Folded, Quantity, Role, Span, Unit, close, folded, quantities, rounded};

/// A source of figures, read once.
#[derive(Debug, Clone)]
struct Figures {
    /// As they are written.
    written: Vec<Quantity>,
    /// What they say together.
    derived: Vec<Quantity>,
    moments: Vec<Moment>,
    /// The text in small letters.
    text: String,
    /// The text without spaces, in which a unit may stand apart from its numbers.
    solid: String,
    /// Its digits with what separates them left out, in which long numbers are looked for.
    digits: String,
}

impl Figures {
    fn of(text: &str) -> Self {
        let letters: Vec<char> = text.chars().collect();
        let folded = folded(text);
        let (written, moments) = (quantities(text), moments(&folded));
        let derived = derived(&letters, &written, &moments);
        let kept = |(c, _): &Folded| (!matches!(*c, '^' | '·' | '*')).then_some(*c);
        let text: String = folded.iter().filter_map(kept).collect();
        let solid = text.chars().filter(|c| !c.is_whitespace()).collect();
        let digits = text.chars().filter(|c| !matches!(c, '-' | ' ' | '.' | ',')).collect();
        Self { written, derived, moments, text: text.to_lowercase(), solid, digits }
    }

    fn all(&self) -> impl Iterator<Item = &Quantity> {
        self.written.iter().chain(&self.derived)
    }

    /// Tells whether the source has a quantity. The unit may be left out where the question names
    /// it, and may stand elsewhere in the source, as in the head of a table.
    fn have(&self, quantity: &Quantity, question: &Self) -> bool {
        self.all().any(|known| match (&quantity.unit, &known.unit) {
            (None, Some(unit)) => {
                let named = question.solid.contains(&unit.written) || may_be_variable(unit);
                // Things counted in English have no counter.
                let bare = named || unit.counts() || unit.dimension == "times";
                close(quantity.value, known.value) && bare || is_factor(quantity, known, unit)
            }
            (Some(unit), None) => {
                let named = || self.names(unit) || question.names(unit);
                let bare = unit.counts() || unit.dimension == "times";
                close(quantity.value, known.value) && (bare || known.role != Role::Mark && named())
                    || is_factor(known, quantity, unit)
            }
            (Some(unit), Some(of_known)) => {
                is_same(quantity, unit, known, of_known)
                    || question.is_below_zero()
                        && unit.dimension == "degree"
                        && of_known.dimension == "degree"
                        && close(quantity.value.abs(), known.value.abs())
            }
            (None, None) => close(quantity.value, known.value),
        }) || self.has_digits(quantity, question)
    }

    /// Whether a unit stands in the text as a word of its own.
    fn names(&self, unit: &Unit) -> bool {
        let written = &*unit.written;
        if written.chars().count() > 2 {
            return self.solid.contains(written);
        }
        let inside = |c: char, other: Option<char>| {
            let hangul = |c: char| ('가'..='힣').contains(&c);
            other.is_some_and(|other| {
                c.is_ascii_alphanumeric() && other.is_ascii_alphanumeric()
                    || hangul(c) && hangul(other) && !"몇수".contains(other)
            })
        };
        let text = if written.is_ascii() { &self.text } else { &self.solid };
        text.match_indices(&written.to_lowercase()).any(|(at, found)| {
            let (before, after) = (&text[..at], &text[at + found.len()..]);
            let first = found.chars().next().unwrap_or(' ');
            let last = found.chars().next_back().unwrap_or(' ');
            let glued = last.is_ascii() && inside(last, after.chars().next());
            !inside(first, before.chars().next_back()) && !glued
        })
    }

    /// Numbers of things and telephones are written with and without dashes.
    fn has_digits(&self, quantity: &Quantity, question: &Self) -> bool {
        let long = quantity.unit.is_none() && quantity.value >= 1e6;
        let digits = format!("{:.0}", quantity.value);
        long && quantity.value.fract() == 0.0
            && (self.digits.contains(&digits) || question.digits.contains(&digits))
    }

    fn is_below_zero(&self) -> bool {
        ["영하", "minus", "below zero", "below free"].iter().any(|word| self.text.contains(word))
    }

    /// Tells whether the source has the value of a number that is worked with, whatever its unit; 6 % is
    /// worked with as 0.06.
    fn have_value(&self, value: f64) -> bool {
        self.all().any(|known| {
            let percent = known.unit.as_ref().is_some_and(|unit| unit.written == "%");
            close(value, known.value) || (percent && close(value * 100.0, known.value))
        })
    }

    /// Whether a moment stands here. A year may stand apart from its day.
    fn have_moment(&self, moment: &Moment) -> bool {
        self.moments.iter().any(|known| {
            let apart = match (moment.when, known.when) {
                (When::Date { year: Some(year), .. }, When::Date { year: None, .. }) => {
                    self.have_value(f64::from(year))
                }
                _ => true,
            };
            moment.when.agrees(known.when) && apart
        })
    }
}

/// Whether two amounts with units are the same. A rate may be told as an amount where the source says
/// in other words what it is for.
fn is_same(quantity: &Quantity, unit: &Unit, known: &Quantity, of_known: &Unit) -> bool {
    // Three times as much, and three times a year.
    let pure = |unit: &Unit| {
        matches!(&*unit.dimension, "ratio" | "times") || unit.written.ends_with("times")
    };
    let like = unit.is_like(of_known) || pure(unit) && pure(of_known);
    let converted = known.value * of_known.scale / unit.scale;
    if like && (close(quantity.value, converted) || is_rounded(quantity.value, converted)) {
        return true;
    }
    let amount = |quantity: &Quantity, unit: &Unit| quantity.value * unit.scale * unit.divisor;
    let rated =
        unit.rated() == Some(&of_known.dimension) || of_known.rated() == Some(&unit.dimension);
    rated && close(amount(quantity, unit), amount(known, of_known))
}

/// Whether a value with decimals is another one rounded to those: 16.67 m/s of 60 km/h.
fn is_rounded(written: f64, value: f64) -> bool {
    let near = (written - value).abs() <= 2e-3 * value.abs();
    near && (1..=4).map(|decimals| 10f64.powi(decimals)).any(|by| {
        close((written * by).round(), written * by) && close((value * by).round(), written * by)
    })
}

/// Whether a number without a unit is a share that is written with one: 0.03 is 3 %.
fn is_factor(number: &Quantity, share: &Quantity, unit: &Unit) -> bool {
    unit.dimension == "ratio" && number.value < 1.0 && close(number.value, share.value * unit.scale)
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

/// The amounts, dates and times of `answer` that neither `source` nor `question` has, nor can be worked
/// out of what the question gives. Small counts that stand alone are let pass, as they number lists and
/// stand for words, unless the question asks for a count.
pub fn missing(answer: &str, question: &str, source: &str) -> Vec<Quantity> {
    let (asked, known) = (Figures::of(question), Figures::of(source));
    let told = Figures::of(answer);
    let mut found = absent(answer, &told, &asked, &known);
    found.retain(|quantity| {
        let worked_out = is_worked_out(quantity, &asked.written, &known.written);
        quantity.unit.is_none() && is_moment(&told, quantity) || !worked_out
    });
    found.extend(wrong_count(&told, &asked, &known));
    found
}

/// Of what is missing, what stands in a longer text, such as the whole page: their places in `missing`.
pub fn elsewhere(missing: &[Quantity], answer: &str, question: &str, page: &str) -> Vec<usize> {
    let told = Figures::of(answer);
    let absent = absent(answer, &told, &Figures::of(question), &Figures::of(page));
    let stands = |missing: &Quantity| {
        let judged = is_amount(missing) || is_moment(&told, missing);
        judged && !absent.iter().any(|absent| absent.span == missing.span)
    };
    (missing.iter().enumerate()).filter(|(_, missing)| stands(missing)).map(|(at, _)| at).collect()
}

fn is_moment(told: &Figures, quantity: &Quantity) -> bool {
    told.moments.iter().any(|moment| moment.span == quantity.span)
}

fn absent(answer: &str, told: &Figures, asked: &Figures, known: &Figures) -> Vec<Quantity> {
    let letters: Vec<char> = answer.chars().collect();
    let has = |quantity: &Quantity| known.have(quantity, asked) || asked.have(quantity, asked);
    let inside = |inner: Span, outer: Span| outer.start <= inner.start && inner.end <= outer.end;
    let mut found: Vec<Quantity> =
        told.written.iter().filter(|it| is_amount(it)).cloned().collect();
    found.retain(|quantity| {
        let worked_with = quantity.unit.is_none()
            && is_operand(&letters, quantity.span)
            && (known.have_value(quantity.value) || asked.have_value(quantity.value));
        let dated = told.moments.iter().any(|moment| inside(quantity.span, moment.span));
        // "10 to 20 mm" has 10 mm, and "1시간 30분" 90 minutes.
        let otherwise = told.derived.iter().any(|more| {
            let sum = more.value > quantity.value && more.span.start <= quantity.span.end + 4;
            (more.span == quantity.span || sum && quantity.span.start < more.span.start)
                && has(more)
        });
        !worked_with && !dated && !otherwise && !has(quantity)
    });
    let clocks = known.moments.iter().chain(&asked.moments);
    let clocks = clocks.filter(|known| matches!(known.when, When::Clock { .. })).count();
    for moment in &told.moments {
        let unsure = matches!(moment.when, When::Clock { colon: true, .. }) && clocks == 0;
        if !unsure && !known.have_moment(moment) && !asked.have_moment(moment) {
            let value = told.written.iter().find(|it| inside(it.span, moment.span));
            let value = value.map_or(0.0, |quantity| quantity.value);
            found.push(Quantity { value, unit: None, span: moment.span, role: Role::Amount });
        }
    }
    found.sort_by_key(|quantity| quantity.span.start);
    found
}

/// The count an answer begins with, where the question asks how many there are and the source counts
/// otherwise. What is listed may be counted, so a source without counts says nothing.
fn wrong_count(told: &Figures, asked: &Figures, known: &Figures) -> Option<Quantity> {
    let asks = asked.text.contains("how many") || asked.text.contains('몇');
    // With figures of its own it asks to work something out.
    let asks = asks && !asked.written.iter().any(|it| it.role == Role::Amount && it.value != 1.0);
    let count = told.written.first().filter(|first| is_count(first) && !is_amount(first));
    let count = count.filter(|_| asks)?;
    let counts: Vec<f64> =
        known.written.iter().filter(|it| is_count(it)).map(|it| it.value).collect();
    let has = |value: f64| known.have_value(value) || asked.have_value(value);
    let sums = counts.iter().enumerate().any(|(at, a)| {
        let others = counts.iter().skip(at + 1);
        others.into_iter().any(|b| close(a + b, count.value) || close(a * b, count.value))
    });
    let total = close(counts.iter().sum::<f64>(), count.value);
    (!counts.is_empty() && !has(count.value) && !sums && !total).then(|| count.clone())
}

fn is_count(quantity: &Quantity) -> bool {
    matches!(quantity.role, Role::Amount | Role::Word)
        && quantity.value.fract() == 0.0
        && quantity.unit.as_ref().is_none_or(Unit::counts)
}

/// Whether the source says another amount of the same kind, and the answer none of those.
pub fn contradicts(missing: &Quantity, answer: &str, source: &str) -> bool {
    let Some(unit) = &missing.unit else { return false };
    let like = |it: &Quantity| {
        let read = matches!(it.role, Role::Amount | Role::Word);
        read && it.unit.as_ref().is_some_and(|other| unit.is_like(other))
    };
    let theirs: Vec<Quantity> = quantities(source).into_iter().filter(like).collect();
    let ours: Vec<Quantity> = quantities(answer).into_iter().filter(like).collect();
    !theirs.is_empty() && !ours.iter().any(|ours| theirs.iter().any(|it| it.equals(ours)))
}

/// Whether a source must have it.
fn is_amount(quantity: &Quantity) -> bool {
    let small = quantity.unit.is_none() && quantity.value < 10.0 && quantity.value.fract() == 0.0;
    quantity.role == Role::Amount && !small
}

/// What a text says in amounts, dates and times, each in one form, in no order of their own.
pub fn said(text: &str, found: &[Quantity]) -> Vec<String> {
    let moments = moments(&folded(text));
    let of_moment = |it: &Quantity| {
        moments.iter().any(|m| m.span.start <= it.span.start && it.span.end <= m.span.end)
    };
    let amounts = found.iter().filter(|it| {
        let read = it.role == Role::Amount || it.role == Role::Word && it.unit.is_some();
        read && !of_moment(it)
    });
    let mut said: Vec<String> = amounts
        .map(|it| match &it.unit {
            Some(unit) if !unit.counts() => {
                format!("{} {}", rounded(it.value * unit.scale), unit.dimension)
            }
            _ => rounded(it.value).to_string(),
        })
        .chain(moments.iter().map(|moment| match moment.when {
            When::Date { year, month, day } => format!("{year:?} {month} {day:?}"),
            When::Clock { minutes, .. } => format!("clock {}", minutes % 720),
        }))
        .collect();
    said.sort_unstable();
    said.dedup();
    said
}
