//! OpenAI's fine-tuning form of an example, as its chat API documents it: `arguments` is a JSON
//! string, and `content` is null beside calls.
//!
//! Holds all that a model is shown. `meta` has no place in it; the name of a result's tool is left
//! out too, and found again by the call's identifier when the row is read.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{Example, Message, jsonl};

/// Writes examples in OpenAI's form, one a line, and tells how many.
pub fn write<'a>(
    writer: impl Write,
    examples: impl Iterator<Item = &'a Example>,
) -> io::Result<usize> {
    jsonl::write_lines(writer, examples.map(to_value))
}

/// One example in OpenAI's form.
pub fn to_value(example: &Example) -> Value {
    let mut row = Map::new();
    row.insert("messages".to_owned(), example.messages.iter().map(message).collect());
    if !example.tools.is_empty() {
        row.insert("tools".to_owned(), json!(example.tools));
    }
    Value::Object(row)
}

fn message(message: &Message) -> Value {
    let mut turn = Map::new();
    turn.insert("role".to_owned(), json!(message.role));
    let silent = message.content.is_empty() && !message.tool_calls.is_empty();
    let content = if silent { Value::Null } else { json!(message.content) };
    turn.insert("content".to_owned(), content);
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let arguments = Value::Object(call.function.arguments.clone()).to_string();
            json!({
                "id": call.id,
                "type": call.kind,
                "function": {"name": call.function.name, "arguments": arguments},
            })
        });
        turn.insert("tool_calls".to_owned(), calls.collect());
    }
    if let Some(id) = &message.tool_call_id {
        turn.insert("tool_call_id".to_owned(), json!(id));
    }
    Value::Object(turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_a_string_and_silence_null() {
        let example: Example = serde_json::from_value(json!({
            "messages": [
                {"role": "user", "content": "울릉도 적설하중?"},
                {"role": "assistant", "content": "", "tool_calls": [{"id": "call_1",
                 "function": {"name": "snow_load", "arguments": {"region": "울릉도", "slope": 12.5}}}]},
                {"role": "tool", "tool_call_id": "call_1", "name": "snow_load", "content": "10"},
                {"role": "assistant", "content": "10 kN/m²입니다."},
            ],
            "meta": {"page": 3},
        }))
        .unwrap();
        let value = to_value(&example);
        assert_eq!(
            value["messages"][1],
            json!({
                "role": "assistant",
                "content": null,
                "tool_calls": [{"id": "call_1", "type": "function", "function": {
                    "name": "snow_load", "arguments": r#"{"region":"울릉도","slope":12.5}"#}}],
            })
        );
        assert_eq!(
            value["messages"][2],
            json!({"role": "tool", "content": "10", "tool_call_id": "call_1"})
        );
        assert_eq!(value.get("meta"), None);
    }
}
