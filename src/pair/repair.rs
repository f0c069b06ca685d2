//! From any JSON that means an example to the canonical one, or to the reason why not.
//!
//! Read tolerantly: `arguments` or `tools` as JSON strings, `content` null or in parts, bare tool
//! definitions, missing identifiers and types. What is not kept is told.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    Example, FunctionCall, FunctionDefinition, Message, Meta, Role, Tool, ToolCall, normalize,
};

type Object = Map<String, Value>;

/// Makes an example of one parsed row. `unkept` gets the name of every key that is left out.
pub(super) fn example(mut row: Object, unkept: &mut Vec<String>) -> Result<Example, String> {
    let messages = match row.shift_remove("messages") {
        Some(Value::Array(turns)) if !turns.is_empty() => turns,
        Some(Value::Array(_)) => return Err("`messages` is empty".to_owned()),
        Some(_) => return Err("`messages` is not a list".to_owned()),
        None => return Err("`messages` is missing".to_owned()),
    };
    let mut example = Example::default();
    for (index, turn) in messages.into_iter().enumerate() {
        let turn = message(turn, &example.messages, unkept)
            .map_err(|reason| format!("message {}: {reason}", index + 1))?;
        example.messages.push(turn);
    }
    for (index, offered) in tool_list(row.shift_remove("tools"))?.into_iter().enumerate() {
        let offered =
            tool(offered, unkept).map_err(|reason| format!("tool {}: {reason}", index + 1))?;
        example.tools.push(offered);
    }
    if let Some(meta) = row.shift_remove("meta").filter(|meta| !meta.is_null()) {
        example.meta = serde_json::from_value::<Meta>(meta).map_err(|e| format!("`meta`: {e}"))?;
    }
    for (key, value) in row {
        keep_in_meta(&mut example.meta, &key, value, unkept);
    }
    normalize::normalize(&mut example);
    Ok(example)
}

/// Keys beside `messages` go under `meta`: a known one where it has the right type and `meta` has
/// none, an unknown one as it is. A state counts only where this program writes it, in `meta`.
fn keep_in_meta(meta: &mut Meta, key: &str, value: Value, unkept: &mut Vec<String>) {
    fn fill<T: DeserializeOwned>(place: &mut Option<T>, value: Value) -> bool {
        let found = serde_json::from_value(value).ok().filter(|_| place.is_none());
        found.map(|found| *place = Some(found)).is_some()
    }
    let value = match value {
        Value::Number(number) if key == "id" => Value::String(number.to_string()),
        // Cells of a table are text.
        Value::String(text) if key == "page" => {
            text.trim().parse::<u32>().map_or(Value::String(text), Value::from)
        }
        other => other,
    };
    let kept = match key {
        "id" => fill(&mut meta.id, value),
        "language" => fill(&mut meta.language, value),
        "document" => fill(&mut meta.document, value),
        "page" => fill(&mut meta.page, value),
        "span" => fill(&mut meta.span, value),
        "quote" => fill(&mut meta.quote, value),
        "author" => fill(&mut meta.author, value),
        "state" => false,
        "tags" => match serde_json::from_value::<Vec<String>>(value) {
            Ok(tags) => {
                meta.tags.extend(tags);
                true
            }
            Err(_) => false,
        },
        _ if meta.other.contains_key(key) => false,
        _ => {
            meta.other.insert(key.to_owned(), value);
            true
        }
    };
    if !kept {
        unkept.push(format!("`{key}`"));
    }
}

fn message(value: Value, earlier: &[Message], unkept: &mut Vec<String>) -> Result<Message, String> {
    let mut turn = object(value, "it")?;
    let role = match turn.shift_remove("role") {
        Some(Value::String(role)) => match role.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            other => {
                return Err(format!(
                    "role `{other}` is unknown; use system, user, assistant or tool"
                ));
            }
        },
        Some(_) => return Err("`role` is not a string".to_owned()),
        None => return Err("`role` is missing".to_owned()),
    };
    let mut message = Message::text(role, content(turn.shift_remove("content"))?);
    match turn.shift_remove("tool_calls") {
        None | Some(Value::Null) => {}
        Some(Value::Array(calls)) => {
            let mut number = earlier.iter().map(|message| message.tool_calls.len()).sum();
            for call in calls {
                number += 1;
                message.tool_calls.push(tool_call(call, number, unkept)?);
            }
        }
        Some(_) => return Err("`tool_calls` is not a list".to_owned()),
    }
    message.tool_call_id = string(turn.shift_remove("tool_call_id"), "tool_call_id")?;
    message.name = string(turn.shift_remove("name"), "name")?;
    if role == Role::Tool {
        complete_result(&mut message, earlier);
    }
    leave_out(turn, "messages", unkept);
    Ok(message)
}

/// A result names its call and its tool; either is found by the other, or by the order of calls.
fn complete_result(message: &mut Message, earlier: &[Message]) {
    let Some(at) = earlier.iter().rposition(|turn| !turn.tool_calls.is_empty()) else {
        return;
    };
    let calls = &earlier[at].tool_calls;
    let call = if let Some(id) = &message.tool_call_id {
        earlier.iter().flat_map(|turn| &turn.tool_calls).find(|call| call.id == *id)
    } else {
        let results = earlier[at..].iter();
        let answered: Vec<&str> = results.filter_map(|turn| turn.tool_call_id.as_deref()).collect();
        let named = |name: &String| message.name.as_ref().is_none_or(|wanted| wanted == name);
        calls
            .iter()
            .find(|call| !answered.contains(&call.id.as_str()) && named(&call.function.name))
    };
    if let Some(call) = call {
        message.tool_call_id.get_or_insert_with(|| call.id.clone());
        message.name.get_or_insert_with(|| call.function.name.clone());
    }
}

fn tool_call(value: Value, number: usize, unkept: &mut Vec<String>) -> Result<ToolCall, String> {
    let mut call = object(value, &format!("call {number}"))?;
    let id = string(call.shift_remove("id"), "id")?.unwrap_or_else(|| format!("call_{number}"));
    call.shift_remove("index");
    function_type(&mut call, "call")?;
    let mut function = match call.shift_remove("function") {
        Some(function) => object(function, "`function`")?,
        None => std::mem::take(&mut call),
    };
    let name = string(function.shift_remove("name"), "name")?
        .ok_or_else(|| format!("call {number} has no function name"))?;
    let arguments = match function.shift_remove("arguments") {
        None | Some(Value::Null) => Object::new(),
        Some(Value::Object(arguments)) => arguments,
        Some(Value::String(text)) if text.trim().is_empty() => Object::new(),
        Some(Value::String(text)) => match serde_json::from_str(&text) {
            Ok(Value::Object(arguments)) => arguments,
            Ok(_) => return Err(format!("arguments of `{name}` are not an object: {text}")),
            Err(e) => return Err(format!("arguments of `{name}` are not JSON ({e}): {text}")),
        },
        Some(other) => return Err(format!("arguments of `{name}` are not an object: {other}")),
    };
    leave_out(function, "calls", unkept);
    leave_out(call, "calls", unkept);
    Ok(ToolCall {
        function: FunctionCall { name: name.clone(), arguments },
        ..ToolCall::new(id, name, Object::new())
    })
}

fn tool_list(value: Option<Value>) -> Result<Vec<Value>, String> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(tools)) => Ok(tools),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => match serde_json::from_str(&text) {
            Ok(Value::Array(tools)) => Ok(tools),
            Ok(tool @ Value::Object(_)) => Ok(vec![tool]),
            Ok(_) => Err("`tools` is a string that holds no list".to_owned()),
            Err(error) => Err(format!("`tools` is a string that is not JSON: {error}")),
        },
        Some(_) => Err("`tools` is not a list".to_owned()),
    }
}

fn tool(value: Value, unkept: &mut Vec<String>) -> Result<Tool, String> {
    let mut tool = object(value, "it")?;
    function_type(&mut tool, "tool")?;
    let mut function = match tool.shift_remove("function") {
        Some(function) => object(function, "`function`")?,
        None => std::mem::take(&mut tool),
    };
    let name = string(function.shift_remove("name"), "name")?.ok_or("it has no name".to_owned())?;
    let description = string(function.shift_remove("description"), "description")?;
    let parameters = match function.shift_remove("parameters") {
        None | Some(Value::Null) => json!({"type": "object", "properties": {}}),
        Some(Value::Object(schema)) => Value::Object(schema),
        Some(_) => {
            return Err(format!("parameters of `{name}` are not a JSON Schema object"));
        }
    };
    leave_out(function, "tools", unkept);
    leave_out(tool, "tools", unkept);
    Ok(Tool {
        kind: "function".to_owned(),
        function: FunctionDefinition {
            name,
            description: description.unwrap_or_default(),
            parameters,
        },
    })
}

fn function_type(object: &mut Object, what: &str) -> Result<(), String> {
    match object.shift_remove("type") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(kind)) if kind == "function" => Ok(()),
        Some(other) => Err(format!("a {what} of type {other} is not supported, only \"function\"")),
    }
}

/// Text as a string, null, or a list of text parts.
fn content(value: Option<Value>) -> Result<String, String> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(Value::Array(parts)) => parts
            .into_iter()
            .map(|part| match part {
                Value::String(text) => Ok(text),
                Value::Object(mut part) => {
                    match (part.shift_remove("type"), part.shift_remove("text")) {
                        (_, Some(Value::String(text))) => Ok(text),
                        (Some(kind), _) => Err(format!("a part of type {kind} is not text")),
                        _ => Err("a part of `content` has no text".to_owned()),
                    }
                }
                _ => Err("a part of `content` is not text".to_owned()),
            })
            .collect(),
        Some(other) => Err(format!("`content` is not text: {other}")),
    }
}

fn string(value: Option<Value>, key: &str) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) if key == "id" || key == "tool_call_id" => {
            Ok(Some(number.to_string()))
        }
        Some(other) => Err(format!("`{key}` is not a string: {other}")),
    }
}

fn object(value: Value, what: &str) -> Result<Object, String> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(format!("{what} is not a JSON object")),
    }
}

fn leave_out(rest: Object, place: &str, unkept: &mut Vec<String>) {
    let told = rest.into_iter().filter(|(_, value)| !value.is_null());
    unkept.extend(told.map(|(key, _)| format!("`{key}` of {place}")));
}
