//! ShareGPT: `conversations` of `from` and `value`, as LLaMA-Factory documents it
//! (`data/README.md`): calls are turns `function_call` whose value is JSON, results turns
//! `observation`, `tools` is one JSON string.
//!
//! Read are also the tags of other writers and calls in `<tool_call>` marks within an answer (Hermes).

use serde_json::{Map, Value, json};

use super::Record;
use crate::pair::{Example, Message, Role, ToolCall, repair};

/// What stands between two results of one turn. A text of several results in this form is what
/// LLaMA-Factory's own `openai` converter makes, and what Qwen's template writes.
const BETWEEN_RESULTS: &str = "\n</tool_response>\n<tool_response>\n";
const CALL_OPENS: &str = "<tool_call>";
const CALL_ENDS: &str = "</tool_call>";

/// The example that a row means.
pub(super) fn example(mut record: Record, unkept: &mut Vec<String>) -> Result<Example, String> {
    let turns = match record.shift_remove("conversations") {
        Some(Value::Array(turns)) if !turns.is_empty() => turns,
        Some(Value::Array(_)) => return Err("`conversations` is empty".to_owned()),
        Some(_) => return Err("`conversations` is not a list".to_owned()),
        None => return Err("`conversations` is missing".to_owned()),
    };
    let mut messages: Vec<Value> = Vec::new();
    match record.shift_remove("system") {
        Some(Value::String(system)) if !system.is_empty() => {
            messages.push(json!({"role": "system", "content": system}));
        }
        Some(other) if !other.is_null() && other != "" => unkept.push("`system`".to_owned()),
        _ => {}
    }
    // How many calls the last turn of calls made.
    let mut calls = 0;
    for (index, turn) in turns.into_iter().enumerate() {
        read_turn(turn, &mut calls, &mut messages, unkept)
            .map_err(|reason| format!("turn {}: {reason}", index + 1))?;
    }
    record.insert("messages".to_owned(), Value::Array(messages));
    repair::example(record, unkept)
}

fn read_turn(
    turn: Value,
    calls: &mut usize,
    messages: &mut Vec<Value>,
    unkept: &mut Vec<String>,
) -> Result<(), String> {
    let Value::Object(mut turn) = turn else { return Err("it is not a JSON object".to_owned()) };
    let from = match turn.shift_remove("from").or_else(|| turn.shift_remove("role")) {
        Some(Value::String(from)) => from,
        Some(_) => return Err("`from` is not a string".to_owned()),
        None => return Err("`from` is missing".to_owned()),
    };
    let value = match turn.shift_remove("value").or_else(|| turn.shift_remove("content")) {
        Some(Value::String(value)) => value,
        Some(Value::Null) => String::new(),
        // A call that was not written as a string.
        Some(value @ (Value::Object(_) | Value::Array(_))) => value.to_string(),
        Some(_) => return Err("`value` is not a string".to_owned()),
        None => return Err("`value` is missing".to_owned()),
    };
    let rest = turn.into_iter().filter(|(_, value)| !value.is_null());
    unkept.extend(rest.map(|(key, _)| format!("`{key}` of conversations")));
    match from.as_str() {
        "system" => messages.push(json!({"role": "system", "content": value})),
        "human" | "user" => messages.push(json!({"role": "user", "content": value})),
        "gpt" | "assistant" | "chatgpt" | "bot" | "model" | "bard" | "bing" => {
            messages.push(match in_marks(&value) {
                Some((text, found)) => {
                    *calls = found.len();
                    json!({"role": "assistant", "content": text, "tool_calls": found})
                }
                None => json!({"role": "assistant", "content": value}),
            });
        }
        "function_call" => {
            let (text, found) = in_marks(&value)
                .or_else(|| Some((String::new(), call_list(&value)?)))
                .ok_or("the value of `function_call` is not JSON of a name and arguments")?;
            *calls = found.len();
            messages.push(json!({"role": "assistant", "content": text, "tool_calls": found}));
        }
        "observation" | "tool" | "function_response" | "ipython" => {
            let value = if from == "tool" { without_marks(&value) } else { &value };
            let pieces: Vec<&str> = value.split(BETWEEN_RESULTS).collect();
            let pieces = if pieces.len() <= *calls { pieces } else { vec![value] };
            let results = pieces.into_iter().map(|text| json!({"role": "tool", "content": text}));
            messages.extend(results);
        }
        other => {
            return Err(format!(
                "`from` is `{other}`; known are system, human, gpt, function_call and observation"
            ));
        }
    }
    Ok(())
}

/// The text before the first `<tool_call>` and the calls in the marks; none where there are no marks
/// or what they hold is no call.
fn in_marks(value: &str) -> Option<(String, Vec<Value>)> {
    let (text, mut rest) = value.split_once(CALL_OPENS)?;
    let mut calls = Vec::new();
    loop {
        let (body, after) = rest.split_once(CALL_ENDS)?;
        calls.extend(call_list(body)?);
        match after.trim_start().strip_prefix(CALL_OPENS) {
            Some(next) => rest = next,
            None if after.trim().is_empty() => break,
            None => return None,
        }
    }
    Some((text.strip_suffix('\n').unwrap_or(text).to_owned(), calls))
}

/// One call or a list of them as JSON.
fn call_list(text: &str) -> Option<Vec<Value>> {
    let calls = match serde_json::from_str(text).ok()? {
        Value::Array(calls) => calls,
        call => vec![call],
    };
    calls.iter().all(|call| call.get("name").is_some_and(Value::is_string)).then_some(calls)
}

fn without_marks(value: &str) -> &str {
    let trimmed = value.trim();
    let inside = trimmed.strip_prefix("<tool_response>");
    inside.and_then(|text| text.strip_suffix("</tool_response>")).map_or(value, str::trim)
}

/// How a row is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A turn a result.
    Plain,
    /// Users' and models' turns take turns, as LLaMA-Factory demands: results of one turn of calls
    /// are one turn.
    LlamaFactory,
}

/// An example as a row.
///
/// # Errors
/// Tells what of it the format cannot hold.
pub(super) fn row(example: &Example, dialect: Dialect) -> Result<Value, String> {
    let mut turns: Vec<Value> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut results: Vec<&str> = Vec::new();
    for message in &example.messages {
        if message.role != Role::Tool {
            close(&mut results, dialect, &mut turns);
        }
        match message.role {
            Role::System => turns.push(turn("system", &message.content)),
            Role::User => turns.push(turn("human", &message.content)),
            Role::Assistant if message.tool_calls.is_empty() => {
                if in_marks(&message.content).is_some() {
                    return Err("an answer holds <tool_call> marks of its own".to_owned());
                }
                turns.push(turn("gpt", &message.content));
            }
            Role::Assistant => {
                open = message.tool_calls.iter().map(|call| call.id.as_str()).collect();
                turns.push(turn("function_call", &calls(message)?));
            }
            Role::Tool => {
                let answers = message.tool_call_id.as_deref();
                if open.get(results.len()).copied() != answers {
                    return Err("results stand in another order than their calls".to_owned());
                }
                if message.content.contains(BETWEEN_RESULTS) {
                    return Err("a result holds <tool_response> marks of its own".to_owned());
                }
                results.push(&message.content);
            }
        }
    }
    close(&mut results, dialect, &mut turns);
    if dialect == Dialect::LlamaFactory {
        takes_turns(&turns)?;
    }
    let tools = if example.tools.is_empty() { String::new() } else { json(&example.tools)? };
    Ok(json!({"conversations": turns, "tools": tools}))
}

fn turn(from: &str, value: &str) -> Value {
    json!({"from": from, "value": value})
}

fn close(results: &mut Vec<&str>, dialect: Dialect, turns: &mut Vec<Value>) {
    if dialect == Dialect::LlamaFactory && !results.is_empty() {
        turns.push(turn("observation", &results.join(BETWEEN_RESULTS)));
    } else {
        turns.extend(results.iter().map(|result| turn("observation", result)));
    }
    results.clear();
}

fn calls(message: &Message) -> Result<String, String> {
    let call = |call: &ToolCall| {
        let mut object = Map::new();
        object.insert("name".to_owned(), call.function.name.clone().into());
        object.insert("arguments".to_owned(), call.function.arguments.clone().into());
        Value::Object(object)
    };
    let list: Vec<Value> = message.tool_calls.iter().map(call).collect();
    let value = if let [one] = list.as_slice() { json(one)? } else { json(&list)? };
    if message.content.is_empty() {
        return Ok(value);
    }
    if message.content.contains(CALL_OPENS) {
        return Err("a text beside calls holds <tool_call> marks of its own".to_owned());
    }
    // LLaMA-Factory 0.9.5 and later keep a text before marks.
    Ok(format!("{}\n{CALL_OPENS}{value}{CALL_ENDS}", message.content))
}

/// Checks what LLaMA-Factory drops with no more than a warning.
fn takes_turns(turns: &[Value]) -> Result<(), String> {
    let from = |turn: &Value| turn.get("from").and_then(Value::as_str).unwrap_or("").to_owned();
    let mut turns: Vec<String> = turns.iter().map(from).collect();
    if turns.first().is_some_and(|from| from == "system") {
        turns.remove(0);
    }
    for (at, from) in turns.iter().enumerate() {
        let person = matches!(from.as_str(), "human" | "observation");
        if person != (at % 2 == 0) {
            return Err(format!("turn {} is out of order: {from}", at + 1));
        }
    }
    if turns.len().is_multiple_of(2) {
        Ok(())
    } else {
        Err("it does not end with an answer".to_owned())
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}
