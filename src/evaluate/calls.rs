//! Whether calls are right: the full-call rule of BFCL's AST checker (Berkeley Function Calling
//! Leaderboard, `bfcl-eval` 2026.3.23, `eval_checker/ast_eval/ast_checker.py`).
//!
//! A call is right when its name is equal, every required argument is given, every argument given
//! is known and expected, has the schema's type and an acceptable value, and every argument not
//! given may be omitted (`""` among its acceptable values). There is no partial credit.
//!
//! Differences from BFCL, all on purpose:
//! * several calls are matched in the best way, not greedily in the order of the answers;
//! * strings are compared in NFC, so that decomposed Hangul equals composed Hangul;
//! * the JSON Schema type `number` takes integers at any depth (BFCL's own `float` only at the top);
//! * a schema without a type, or with a list of types, is accepted.

use std::fmt;

use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization as _;

use super::case::{ExpectedArgument, ExpectedCall};
use crate::pair::example::{FunctionCall, Tool};

/// Why calls are wrong. Shown as a class, a colon and the detail.
#[derive(Debug, Clone, PartialEq)]
pub enum CallError {
    /// More or fewer calls than expected.
    Count {
        /// Calls expected.
        expected: usize,
        /// Calls found.
        found: usize,
    },
    /// Another tool was called.
    Name {
        /// The tool expected.
        expected: String,
        /// The tool called.
        found: String,
    },
    /// An argument that must be given is not.
    Missing(String),
    /// An argument is given that the tool does not know or the answer does not expect.
    Extra(String),
    /// An argument has the wrong type.
    Type {
        /// The argument.
        argument: String,
        /// What was given, as JSON.
        found: String,
    },
    /// An argument has a value that is not acceptable.
    Value {
        /// The argument.
        argument: String,
        /// What was given, as JSON.
        found: String,
        /// The first acceptable value, as JSON.
        expected: String,
    },
}

impl CallError {
    /// The class in one word; error counts are made by it.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Count { .. } => "count",
            Self::Name { .. } => "name",
            Self::Missing(_) => "missing",
            Self::Extra(_) => "extra",
            Self::Type { .. } => "type",
            Self::Value { .. } => "value",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.class())?;
        match self {
            Self::Count { expected, found } => write!(f, "{found} for {expected}"),
            Self::Name { expected, found } => write!(f, "{found} for {expected}"),
            Self::Missing(argument) | Self::Extra(argument) => f.write_str(argument),
            Self::Type { argument, found } => write!(f, "{argument} = {found}"),
            Self::Value { argument, found, expected } => {
                write!(f, "{argument} = {found} for {expected}")
            }
        }
    }
}

/// Checks that `found` are the calls expected, in any order.
pub fn check(
    expected: &[ExpectedCall],
    tools: &[Tool],
    found: &[FunctionCall],
) -> Result<(), CallError> {
    if expected.len() != found.len() {
        return Err(CallError::Count { expected: expected.len(), found: found.len() });
    }
    let outcomes: Vec<Vec<Result<(), CallError>>> = expected
        .iter()
        .map(|expected| found.iter().map(|found| check_call(expected, tools, found)).collect())
        .collect();
    let fits: Vec<Vec<bool>> =
        outcomes.iter().map(|row| row.iter().map(Result::is_ok).collect()).collect();
    let matched = best_matching(&fits);
    let Some(missed) = (0..expected.len()).find(|row| !matched.contains(&Some(*row))) else {
        return Ok(());
    };
    // Tell about the left-over call that comes nearest: one of the same name if there is any.
    let left: Vec<CallError> = outcomes
        .into_iter()
        .nth(missed)
        .unwrap_or_default()
        .into_iter()
        .zip(&matched)
        .filter(|(_, taken)| taken.is_none())
        .filter_map(|(outcome, _)| outcome.err())
        .collect();
    let nearest = left.iter().find(|error| !matches!(error, CallError::Name { .. }));
    nearest.or(left.first()).cloned().map_or(Ok(()), Err)
}

/// Checks one call.
pub fn check_call(
    expected: &ExpectedCall,
    tools: &[Tool],
    found: &FunctionCall,
) -> Result<(), CallError> {
    if found.name != expected.name {
        return Err(CallError::Name { expected: expected.name.clone(), found: found.name.clone() });
    }
    let schema = tools
        .iter()
        .find(|tool| tool.function.name == expected.name)
        .map_or(&Value::Null, |tool| &tool.function.parameters);
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !found.arguments.contains_key(name) {
            return Err(CallError::Missing(name.to_owned()));
        }
    }
    for (name, value) in &found.arguments {
        let known = schema.get("properties").and_then(|known| known.get(name));
        let wanted = expected.arguments.iter().find(|argument| argument.name == *name);
        let (Some(schema), Some(wanted)) = (known, wanted) else {
            return Err(CallError::Extra(name.clone()));
        };
        check_value(wanted, schema, value)?;
    }
    let omitted = expected.arguments.iter().find(|argument| {
        !found.arguments.contains_key(&argument.name) && !argument.accepted.iter().any(is_omission)
    });
    match omitted {
        Some(argument) => Err(CallError::Missing(argument.name.clone())),
        None => Ok(()),
    }
}

/// Tells whether the names of the calls are the expected ones, as multisets.
pub fn names_equal(expected: &[ExpectedCall], found: &[FunctionCall]) -> bool {
    let mut expected: Vec<&str> = expected.iter().map(|call| call.name.as_str()).collect();
    let mut found: Vec<&str> = found.iter().map(|call| call.name.as_str()).collect();
    expected.sort_unstable();
    found.sort_unstable();
    expected == found
}

/// BFCL's string rule: space and `, . / - _ * ^` are dropped, case is ignored, `'` equals `"`.
/// NFC first. Other whitespace, full-width forms and other marks count.
pub fn normalize(text: &str) -> String {
    text.nfc()
        .filter(|character| !matches!(character, ' ' | ',' | '.' | '/' | '-' | '_' | '*' | '^'))
        .collect::<String>()
        .to_lowercase()
        .replace('\'', "\"")
}

/// Which row each column is matched to in a matching with as many pairs as possible (augmenting
/// paths: Kuhn, "The Hungarian Method", 1955, for 0/1 weights).
fn best_matching(fits: &[Vec<bool>]) -> Vec<Option<usize>> {
    fn augment(
        row: usize,
        fits: &[Vec<bool>],
        seen: &mut [bool],
        matched: &mut [Option<usize>],
    ) -> bool {
        for column in 0..matched.len() {
            let fit = fits.get(row).and_then(|row| row.get(column)) == Some(&true);
            if !fit || seen.get(column) != Some(&false) {
                continue;
            }
            if let Some(seen) = seen.get_mut(column) {
                *seen = true;
            }
            let free = match matched.get(column).copied().flatten() {
                None => true,
                Some(other) => augment(other, fits, seen, matched),
            };
            if let (true, Some(slot)) = (free, matched.get_mut(column)) {
                *slot = Some(row);
                return true;
            }
        }
        false
    }
    let mut matched = vec![None; fits.len()];
    for row in 0..fits.len() {
        augment(row, fits, &mut vec![false; fits.len()], &mut matched);
    }
    matched
}

/// What a value is to Python, on whose types BFCL's rule is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    Integer,
    Float,
    Text,
    List,
    Object,
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Null => Kind::Null,
        Value::Bool(_) => Kind::Boolean,
        Value::Number(number) if number.is_f64() => Kind::Float,
        Value::Number(_) => Kind::Integer,
        Value::String(_) => Kind::Text,
        Value::Array(_) => Kind::List,
        Value::Object(_) => Kind::Object,
    }
}

/// The kinds a schema's type takes; none when it takes anything. JSON Schema names and BFCL's own
/// (`dict`, `float`, `tuple`).
fn kinds(schema: &Value) -> Option<Vec<Kind>> {
    let of = |name: &str| -> Option<Vec<Kind>> {
        Some(match name {
            "string" => vec![Kind::Text],
            "integer" => vec![Kind::Integer],
            "number" => vec![Kind::Float, Kind::Integer],
            "float" | "double" => vec![Kind::Float],
            "boolean" => vec![Kind::Boolean],
            "array" | "tuple" => vec![Kind::List],
            "object" | "dict" => vec![Kind::Object],
            "null" => vec![Kind::Null],
            _ => return None,
        })
    };
    match schema.get("type")? {
        Value::String(name) => of(name),
        Value::Array(names) => {
            let each: Option<Vec<Vec<Kind>>> =
                names.iter().map(|name| name.as_str().and_then(of)).collect();
            each.map(|kinds| kinds.concat())
        }
        _ => None,
    }
}

/// Tells whether an acceptable value is the mark that the argument may be omitted.
fn is_omission(value: &Value) -> bool {
    value.as_str() == Some("")
}

/// The kind of the acceptable values, taken from the first that is not the omission mark.
fn answer_kind(accepted: &[Value]) -> Option<Kind> {
    accepted.iter().find(|value| !is_omission(value)).map(kind)
}

fn check_value(wanted: &ExpectedArgument, schema: &Value, value: &Value) -> Result<(), CallError> {
    let accepted = wanted.accepted.as_slice();
    let takes = kinds(schema);
    // An integer may stand for a float at the top level.
    let float = takes.as_ref().is_some_and(|takes| takes.contains(&Kind::Float));
    let kind = match kind(value) {
        Kind::Integer if float => Kind::Float,
        kind => kind,
    };
    let answer_kind = answer_kind(accepted);
    let right_kind = takes.as_ref().is_none_or(|takes| takes.contains(&kind));
    let right_items = right_kind && items_fit(schema, value, accepted);
    // BFCL: a value of the answer's own type passes whatever the schema says, and is then compared
    // exactly (its "variable", a name in place of a value).
    if !right_items && (answer_kind != Some(kind) || right_kind) {
        return Err(CallError::Type { argument: wanted.name.clone(), found: value.to_string() });
    }
    let number = |kind: Kind| matches!(kind, Kind::Integer | Kind::Float);
    let exact = match answer_kind {
        Some(answer) => !right_kind || !(answer == kind || number(answer) && number(kind)),
        None => false,
    };
    let right = match value {
        _ if exact => accepted.iter().any(|accepted| equal(accepted, value)),
        Value::Object(object) => is_object_accepted(object, accepted),
        Value::Array(items) if item_kinds(schema) == Some(vec![Kind::Object]) => {
            is_object_list_accepted(items, accepted)
        }
        Value::Array(items) => is_list_accepted(items, accepted),
        Value::String(text) => {
            let text = normalize(text);
            accepted.iter().filter_map(Value::as_str).any(|accepted| normalize(accepted) == text)
        }
        _ => accepted.iter().any(|accepted| equal(accepted, value)),
    };
    if right {
        return Ok(());
    }
    let expected = accepted.iter().find(|value| !is_omission(value));
    Err(CallError::Value {
        argument: wanted.name.clone(),
        found: value.to_string(),
        expected: expected.or(accepted.first()).map(Value::to_string).unwrap_or_default(),
    })
}

fn item_kinds(schema: &Value) -> Option<Vec<Kind>> {
    schema.get("items").and_then(kinds)
}

/// Tells whether the elements of a list have the schema's type or that of some acceptable list's
/// elements. An acceptable value that is no list (the omission mark) lets any elements pass.
fn items_fit(schema: &Value, value: &Value, accepted: &[Value]) -> bool {
    let (Value::Array(items), Some(takes)) = (value, item_kinds(schema)) else {
        return true;
    };
    accepted.iter().any(|accepted| match accepted {
        Value::Array(answers) => items
            .iter()
            .all(|item| takes.contains(&kind(item)) || answer_kind(answers) == Some(kind(item))),
        _ => true,
    })
}

/// BFCL's list rule: same order and length; strings are normalized one level deep.
fn is_list_accepted(items: &[Value], accepted: &[Value]) -> bool {
    accepted.iter().any(|accepted| match accepted {
        Value::Array(answers) => {
            answers.len() == items.len()
                && answers.iter().zip(items).all(|(answer, item)| equal_normalized(answer, item))
        }
        // The omission mark accepts the empty list.
        other => is_omission(other) && items.is_empty(),
    })
}

/// BFCL's object rule: every key known, its value acceptable, and every other key optional.
fn is_object_accepted(object: &Map<String, Value>, accepted: &[Value]) -> bool {
    accepted.iter().filter_map(Value::as_object).any(|answer| {
        let given = object.iter().all(|(key, value)| {
            let acceptable = answer.get(key).and_then(Value::as_array);
            acceptable.is_some_and(|values| {
                values.iter().any(|accepted| equal_normalized(accepted, value))
            })
        });
        let omitted = answer.iter().all(|(key, values)| {
            object.contains_key(key)
                || values.as_array().is_some_and(|values| values.iter().any(is_omission))
        });
        given && omitted
    })
}

fn is_object_list_accepted(items: &[Value], accepted: &[Value]) -> bool {
    accepted.iter().any(|accepted| match accepted {
        Value::Array(answers) => {
            answers.len() == items.len()
                && items.iter().zip(answers).all(|(item, answer)| {
                    let answer = std::slice::from_ref(answer);
                    item.as_object().is_some_and(|item| is_object_accepted(item, answer))
                })
        }
        other => is_omission(other) && items.is_empty(),
    })
}

fn equal_normalized(accepted: &Value, value: &Value) -> bool {
    match (accepted, value) {
        (Value::String(accepted), Value::String(value)) => normalize(accepted) == normalize(value),
        _ => equal(accepted, value),
    }
}

/// Python's `==`: numbers by value, booleans are 1 and 0, strings exactly (but in NFC).
fn equal(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Number(value) => value.as_f64(),
        _ => None,
    };
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.nfc().eq(b.nfc()),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => match (number(a), number(b)) {
            (Some(x), Some(y)) => a == b || x == y,
            _ => a == b,
        },
    }
}

#[cfg(test)]
mod tests;
