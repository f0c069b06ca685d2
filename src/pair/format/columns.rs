//! Rows that hold a question and an answer in columns; Alpaca is one of them.

use serde_json::{Value, json};

use super::{Mapping, Record};
use crate::pair::{Example, repair};

/// Gives Alpaca's columns the names of their meaning.
pub(super) fn rename_alpaca(record: &mut Record) {
    for (column, target) in [("instruction", "question"), ("output", "answer")] {
        if let Some(value) = record.shift_remove(column) {
            record.entry(target).or_insert(value);
        }
    }
}

/// Takes the simple columns away from a row that has its conversation in `messages`.
pub(super) fn drop_simple(record: &mut Record) {
    for key in ["question", "answer", "input", "history"] {
        record.shift_remove(key);
    }
}

/// The example that a row means: `system`, the pairs of `history`, `question` and `input` with a
/// line break between them, `answer`. The other columns are kept as for messages.
pub(super) fn example(
    mut record: Record,
    mapping: &Mapping,
    unkept: &mut Vec<String>,
) -> Result<Example, String> {
    let mut turns = Vec::new();
    let mut say = |role: &str, text: String| turns.push(json!({"role": role, "content": text}));
    if let Some(system) = text(&mut record, "system", mapping)? {
        say("system", system);
    }
    match record.shift_remove("history") {
        None | Some(Value::Null) => {}
        Some(Value::String(history)) if history.is_empty() => {}
        Some(Value::Array(history)) => {
            for (number, turn) in (1..).zip(history) {
                let Some([Value::String(asked), Value::String(said)]) =
                    turn.as_array().map(Vec::as_slice)
                else {
                    return Err(format!("`history` {number} is no pair of question and answer"));
                };
                say("user", asked.clone());
                say("assistant", said.clone());
            }
        }
        Some(_) => return Err("`history` is not a list".to_owned()),
    }
    let mut question = text(&mut record, "question", mapping)?.unwrap_or_default();
    if let Some(input) = text(&mut record, "input", mapping)? {
        if !question.is_empty() {
            question.push('\n');
        }
        question.push_str(&input);
    }
    let answer = text(&mut record, "answer", mapping)?.unwrap_or_default();
    for (target, text) in [("question", &question), ("answer", &answer)] {
        if text.trim().is_empty() {
            return Err(match mapping.column(target) {
                Some(column) if column != target => format!("`{column}` (the {target}) is empty"),
                _ => format!("the {target} is empty"),
            });
        }
    }
    say("user", question);
    say("assistant", answer);
    record.insert("messages".to_owned(), Value::Array(turns));
    repair::example(record, unkept)
}

/// Takes a column's text; none when it is empty. Numbers and truth values are written out.
fn text(record: &mut Record, key: &str, mapping: &Mapping) -> Result<Option<String>, String> {
    match record.shift_remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(_) => Err(format!("`{}` is not text", mapping.column(key).unwrap_or(key))),
    }
}
