//! What the figures of a text say together: tolerances, ranges, sums of one measure, and what can be
//! worked out of two of them.

use super::moment::{Moment, When};
use super::{Quantity, Role, Unit, close};

/// Signs and words between two numbers that have one unit.
const JOINS: [&str; 15] =
    ["~", "∼", "〜", "-", "–", "—", "to", "and", "or", "에서", "부터", "내지", ",", "·", "및"];

/// Amounts that a text says without writing them out.
pub(super) fn derived(text: &[char], found: &[Quantity], moments: &[Moment]) -> Vec<Quantity> {
    let mut more = Vec::new();
    // The unit that the numbers before take over: "10, 20 or 30 mm".
    let mut shared: Option<Unit> = None;
    for (at, quantity) in found.iter().enumerate().rev() {
        let next = found.get(at + 1);
        let between = next.and_then(|next| text.get(quantity.span.end..next.span.start));
        let between = between.unwrap_or_default().iter().collect::<String>();
        let between = between.trim();
        if quantity.unit.is_some() || !JOINS.contains(&between) {
            shared.clone_from(&quantity.unit);
        } else if let Some(unit) = shared.clone() {
            let mut value = quantity.value;
            let before = quantity.span.start.checked_sub(1).and_then(|at| text.get(at));
            if unit.dimension == "degree" && matches!(before, Some('-' | '−')) {
                value = -value;
            }
            more.push(Quantity { value, unit: Some(unit), ..quantity.clone() });
        }
        if let Some(next) = next {
            more.extend(together(quantity, next, between));
        }
        // Bars at a spacing, which is in millimetres by custom.
        let spaced =
            quantity.span.start.checked_sub(1).is_some_and(|at| text.get(at) == Some(&'@'));
        if spaced && quantity.unit.is_none() {
            let unit = Unit { scale: 1e-3, ..Unit::base("mm", "length") };
            more.push(Quantity { unit: Some(unit), ..quantity.clone() });
        }
    }
    for moment in moments {
        if let When::Date { year, month, day } = moment.when {
            let years = Unit { scale: 12.0, ..Unit::base("년", "month") };
            let days = Unit { scale: 86_400.0, ..Unit::base("일", "time") };
            let parts = [(year, years), (Some(month), Unit::base("월", "월")), (day, days)];
            for (value, unit) in parts {
                let Some(value) = value.map(f64::from) else { continue };
                for unit in [Some(unit), None] {
                    more.push(Quantity { value, unit, span: moment.span, role: Role::Amount });
                }
            }
        }
    }
    more
}

/// What two numbers say together, by what stands between them.
fn together(a: &Quantity, b: &Quantity, between: &str) -> Vec<Quantity> {
    let unit = b.unit.clone().or_else(|| a.unit.clone());
    let made = |value: f64, unit: Option<Unit>| Quantity { value, unit, ..a.clone() };
    match (between, &a.unit, &b.unit) {
        ("±" | "+/-" | "+/−", None, _) => {
            vec![made(a.value - b.value, unit.clone()), made(a.value + b.value, unit)]
        }
        ("±" | "+/-" | "+/−", Some(above), Some(below)) if above.dimension == below.dimension => {
            let by = b.value * below.scale / above.scale;
            let unit = a.unit.clone();
            vec![made(a.value - by, unit.clone()), made(a.value + by, unit)]
        }
        ("/" | "in" | "out of", None, None) if a.value < b.value && a.value > 0.0 => {
            vec![made(a.value / b.value, Some(Unit::ratio()))]
        }
        ("" | "and", Some(above), Some(below))
            if above.dimension == below.dimension && above.scale > below.scale =>
        {
            let value = a.value * above.scale / below.scale + b.value;
            vec![Quantity { span: b.span, ..made(value, b.unit.clone()) }]
        }
        _ => Vec::new(),
    }
}

/// Whether a figure is what two others come to, one of which the question gives: an answer may work out
/// what it was asked to. A share of an amount may be worked out of the source alone.
pub(super) fn is_worked_out(wanted: &Quantity, asked: &[Quantity], known: &[Quantity]) -> bool {
    let given = |of: &&Quantity| of.role == Role::Amount && of.value != 0.0;
    let from_question = asked.iter().filter(given).any(|a| {
        let others = asked.iter().chain(known).filter(given);
        others.filter(|b| !std::ptr::eq(a, *b)).any(|b| comes_to(wanted, a, b))
    });
    from_question
        || known.iter().filter(|a| is_share(a)).any(|a| {
            let amounts = known.iter().filter(given).filter(|b| b.unit.is_some() && !is_pure(b));
            amounts.clone().any(|b| is(wanted, size(a) * size(b), b.unit.as_ref()))
        })
}

fn is_share(quantity: &Quantity) -> bool {
    quantity.unit.as_ref().is_some_and(|unit| matches!(&*unit.dimension, "ratio" | "times"))
}

/// Whether it is a number by which an amount may be multiplied.
fn is_pure(quantity: &Quantity) -> bool {
    quantity.unit.as_ref().is_none_or(|unit| {
        unit.counts() || matches!(&*unit.dimension, "ratio" | "times" | "storey")
    })
}

fn size(quantity: &Quantity) -> f64 {
    quantity.value * quantity.unit.as_ref().map_or(1.0, |unit| unit.scale)
}

/// Whether a figure has a size, up to rounding, in the dimension of a unit.
fn is(wanted: &Quantity, value: f64, unit: Option<&Unit>) -> bool {
    let like = match (&wanted.unit, unit) {
        (Some(a), Some(b)) => a.is_like(b),
        _ => is_pure(wanted) && unit.is_none_or(Unit::counts),
    };
    like && rounds_to(size(wanted), value)
}

fn rounds_to(written: f64, value: f64) -> bool {
    close(written, value) || (written - value).abs() <= 1e-3 * value.abs()
}

fn comes_to(wanted: &Quantity, a: &Quantity, b: &Quantity) -> bool {
    let (x, y) = (size(a), size(b));
    // A rate of what the other is: 100원 for each of 3권.
    let product = a.unit.as_ref().zip(b.unit.as_ref()).and_then(|(a, b)| a.times(b));
    let unit = wanted.unit.as_ref();
    if product.is_some_and(|product| unit.is_some_and(|unit| unit.dimension == product)) {
        return rounds_to(size(wanted), x * y);
    }
    match (is_pure(a), is_pure(b)) {
        (true, true) => {
            let alone = is_pure(wanted);
            let results = [x * y, x / y, y / x, x + y, (x - y).abs()];
            alone && results.iter().any(|value| rounds_to(size(wanted), *value))
        }
        (true, false) => [x * y, y / x].iter().any(|value| is(wanted, *value, b.unit.as_ref())),
        (false, true) => [x * y, x / y].iter().any(|value| is(wanted, *value, a.unit.as_ref())),
        (false, false) => {
            let (Some(of_a), Some(of_b)) = (&a.unit, &b.unit) else { return false };
            if of_a.is_like(of_b) {
                let sums = [x + y, (x - y).abs()];
                let shares = [x / y, y / x];
                return sums.iter().any(|value| is(wanted, *value, a.unit.as_ref()))
                    || is_pure(wanted)
                        && shares.iter().any(|value| rounds_to(size(wanted), *value));
            }
            false
        }
    }
}
