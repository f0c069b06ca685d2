//! Whether an argument's value is acceptable: BFCL's type and value checks.
//!
//! The order of the checks and what each lets pass follow `ast_checker.py`; where that would raise an
//! error of Python (an answer of another shape than its checks expect), the value is not acceptable.

use super::error::Fault;
use super::literal::{Kind, Literal};
use super::text::{alike, same, standardized};
use super::{Parameter, Rules};

/// Whether an acceptable value is the mark that the argument may be left out.
pub(super) fn is_omission(value: &Literal) -> bool {
    value.text() == Some("")
}

/// The kind of the acceptable values: that of the first that is not the omission mark.
fn answer_kind(accepted: &[Literal]) -> Option<Kind> {
    accepted.iter().find(|value| !is_omission(value)).map(Literal::kind)
}

/// Checks a value against the schema's types and the acceptable values.
pub(super) fn check(parameter: &Parameter, value: &Literal, rules: Rules) -> Result<(), Fault> {
    let accepted = parameter.accepted.as_slice();
    let converted = parameter.value(value)?;
    let value = converted.as_ref();
    let widened;
    // A whole number may stand for a float at the top.
    let value = match value.to_float() {
        Some(float) if parameter.takes_float() && parameter.source.is_none() => {
            widened = Literal::Float(float);
            &widened
        }
        _ => value,
    };
    let is_variable = check_type(parameter, value, rules)?;
    if !is_variable {
        match value {
            Literal::Dict(entries) => return check_object(entries, accepted, rules),
            Literal::List(items) if parameter.items_are_objects() => {
                return check_objects(items, accepted, rules);
            }
            Literal::Text(text) => {
                let mut texts = accepted.iter().filter_map(Literal::text);
                let found = texts.any(|accepted| alike(accepted, text, rules));
                return if found { Ok(()) } else { Err(Fault::Text) };
            }
            Literal::List(items) => return check_list(items, accepted, rules),
            _ => {}
        }
    }
    let same = |a: &str, b: &str| same(a, b, rules);
    let found = accepted.iter().any(|accepted| accepted.equals_by(value, &same));
    if found { Ok(()) } else { Err(Fault::Value) }
}

/// Checks the type; gives whether the value stands for another (a variable's name in place of a
/// value), and so is compared to the letter.
fn check_type(parameter: &Parameter, value: &Literal, rules: Rules) -> Result<bool, Fault> {
    let accepted = parameter.accepted.as_slice();
    let answer = answer_kind(accepted);
    let kind = value.kind();
    if parameter.takes(kind) {
        let number = |kind: Kind| matches!(kind, Kind::Int | Kind::Float);
        let is_variable = parameter.is_typed()
            && answer.is_some_and(|answer| {
                // JSON's `number` takes both of Python's numbers.
                !(parameter.takes(answer)
                    || parameter.takes_float() && number(answer) && rules == Rules::Hone)
            });
        let (Literal::List(items), Some(takes)) = (value, &parameter.items) else {
            return Ok(is_variable);
        };
        let fits = |item: &Literal, answers: &[Literal]| {
            let float =
                rules == Rules::Hone && item.kind() == Kind::Int && takes.contains(&Kind::Float);
            float || takes.contains(&item.kind()) || answer_kind(answers) == Some(item.kind())
        };
        // An acceptable value that is no list (the omission mark) lets any elements pass.
        let fit = accepted.iter().any(|accepted| match accepted {
            Literal::List(answers) => items.iter().all(|item| fits(item, answers)),
            _ => true,
        });
        return match (fit, answer == Some(kind)) {
            (true, _) => Ok(is_variable),
            (false, true) => Err(Fault::NestedType),
            (false, false) => Err(Fault::Type),
        };
    }
    if answer == Some(kind) { Ok(true) } else { Err(Fault::Type) }
}

/// BFCL's list rule: same order and length; strings are standardized one level deep.
fn check_list(items: &[Literal], accepted: &[Literal], rules: Rules) -> Result<(), Fault> {
    let fits = |answers: &[Literal]| {
        answers.len() == items.len()
            && answers.iter().zip(items).all(|(answer, item)| same_or_alike(answer, item, rules))
    };
    let found = accepted.iter().any(|accepted| match accepted {
        Literal::List(answers) => fits(answers),
        // Python walks over the characters of a text; the omission mark has none.
        Literal::Text(text) => {
            let letters =
                text.chars().map(|letter| standardized(letter.encode_utf8(&mut [0; 4]), rules));
            let letters: Vec<Literal> = letters.map(Literal::Text).collect();
            fits(&letters)
        }
        _ => false,
    });
    if found { Ok(()) } else { Err(Fault::List) }
}

/// BFCL's object rule: every key known, its value acceptable, and every other key optional.
fn check_object(
    entries: &[(String, Literal)],
    accepted: &[Literal],
    rules: Rules,
) -> Result<(), Fault> {
    let mut fault = Fault::ObjectUnclear;
    for answer in accepted.iter().filter(|accepted| !is_omission(accepted)) {
        match check_entries(entries, answer, rules) {
            Ok(()) => return Ok(()),
            Err(found) => fault = found,
        }
    }
    Err(fault)
}

fn check_entries(
    entries: &[(String, Literal)],
    answer: &Literal,
    rules: Rules,
) -> Result<(), Fault> {
    let Literal::Dict(answer) = answer else {
        return Err(Fault::ObjectUnclear);
    };
    let mut outcome = Ok(());
    for (key, value) in entries {
        let known = answer.iter().find(|(known, _)| same(known, key, rules));
        let Some((_, accepted)) = known else {
            outcome = Err(Fault::ObjectKey);
            break;
        };
        let acceptable = match accepted {
            Literal::List(values) => {
                values.iter().any(|accepted| same_or_alike(accepted, value, rules))
            }
            Literal::Text(text) => value.text().is_some_and(|value| {
                let value = standardized(value, rules);
                text.chars()
                    .any(|letter| standardized(letter.encode_utf8(&mut [0; 4]), rules) == value)
            }),
            _ => false,
        };
        if !acceptable {
            outcome = Err(Fault::ObjectValue);
            break;
        }
    }
    // A key that is missing is told in place of a value that is wrong.
    let missing = answer.iter().any(|(key, values)| {
        let optional = match values {
            Literal::List(values) => values.iter().any(is_omission),
            Literal::Text(_) => true,
            _ => false,
        };
        !optional && !entries.iter().any(|(given, _)| same(given, key, rules))
    });
    if missing { Err(Fault::ObjectKey) } else { outcome }
}

fn check_objects(items: &[Literal], accepted: &[Literal], rules: Rules) -> Result<(), Fault> {
    let mut fault = Fault::ObjectListUnclear;
    for answer in accepted {
        let answers = match answer {
            Literal::List(answers) => answers.as_slice(),
            // The omission mark has no elements.
            _ => &[],
        };
        if answers.len() != items.len() {
            fault = Fault::ObjectCount;
            continue;
        }
        let wrong = items.iter().zip(answers).find_map(|(item, answer)| match item {
            Literal::Dict(entries) => {
                check_object(entries, std::slice::from_ref(answer), rules).err()
            }
            _ => Some(Fault::ObjectListUnclear),
        });
        match wrong {
            None => return Ok(()),
            Some(found) => fault = found,
        }
    }
    Err(fault)
}

fn same_or_alike(accepted: &Literal, value: &Literal, rules: Rules) -> bool {
    match (accepted, value) {
        (Literal::Text(accepted), Literal::Text(value)) => alike(accepted, value, rules),
        _ => accepted.equals_by(value, &|a, b| same(a, b, rules)),
    }
}
