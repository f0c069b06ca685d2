//! Rows with `messages`: OpenAI, TRL, Axolotl, LLaMA-Factory's `openai`, and this program's own.

use serde_json::{Value, json};

use super::Record;
use crate::pair::{Example, repair};

/// The example that a row means.
///
/// Taken for `messages` too: `conversations` of `role` and `content`, and the lists `prompt` and
/// `completion` one after the other (TRL). A `system` column becomes the first turn.
pub(super) fn example(mut record: Record, unkept: &mut Vec<String>) -> Result<Example, String> {
    if !record.contains_key("messages") {
        if let Some(turns) = record.shift_remove("conversations") {
            record.insert("messages".to_owned(), turns);
        } else if let (Some(Value::Array(_)), Some(Value::Array(_))) =
            (record.get("prompt"), record.get("completion"))
        {
            let mut turns = Vec::new();
            for key in ["prompt", "completion"] {
                if let Some(Value::Array(part)) = record.shift_remove(key) {
                    turns.extend(part);
                }
            }
            record.insert("messages".to_owned(), Value::Array(turns));
        }
    }
    if let Some(Value::Array(turns)) = record.get_mut("messages")
        && turns.first().and_then(|turn| turn.get("role")).is_none_or(|role| role != "system")
        && let Some(Value::String(system)) = record.shift_remove("system")
        && !system.is_empty()
        && let Some(Value::Array(turns)) = record.get_mut("messages")
    {
        turns.insert(0, json!({"role": "system", "content": system}));
    }
    repair::example(record, unkept)
}
