//! From a model's text to the calls in it.
//!
//! *Strict* is the form that the model's chat template asks for and nothing else. *Found* are also
//! calls in other forms, code fences and prose, as long as their JSON is JSON; strictly, a reply
//! where no call is expected must hold none of these. *Lenient* also repairs what can mean one thing
//! only ([`repaired`]) and tells what it repaired.

mod python;
mod repaired;

pub use repaired::{Reading, repaired};

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::result::Repair;
use crate::model::template::{self, ToolFormat};
use crate::pair::example::FunctionCall;

const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";
const FENCE: &str = "```";

/// Reads calls in the exact form of a model.
pub fn strict_in(format: &ToolFormat, reply: &str) -> Option<Vec<FunctionCall>> {
    match format {
        ToolFormat::Hermes => strict(reply),
        ToolFormat::Own(form) => form.read(reply),
    }
}

/// Reads calls in the exact form of a model, else wherever they are.
pub fn found_in(format: &ToolFormat, reply: &str) -> Option<Vec<FunctionCall>> {
    strict_in(format, reply).or_else(|| found(reply))
}

/// Reads calls in Hermes' exact form: the whole reply is one or more blocks of `<tool_call>`, newline,
/// an RFC 8259 object with exactly the keys `name` (string) and `arguments` (object), newline,
/// `</tool_call>`, with nothing but whitespace around them.
pub fn strict(reply: &str) -> Option<Vec<FunctionCall>> {
    let mut rest = reply.trim();
    let mut calls = Vec::new();
    while !rest.is_empty() {
        let inside = rest.strip_prefix(OPEN)?.strip_prefix('\n')?;
        let (json, after) = inside.split_once(CLOSE)?;
        let Value::Object(mut object) = serde_json::from_str(json.strip_suffix('\n')?).ok()? else {
            return None;
        };
        let (Some(Value::String(name)), Some(Value::Object(arguments)), true) =
            (object.remove("name"), object.remove("arguments"), object.is_empty())
        else {
            return None;
        };
        calls.push(FunctionCall { name, arguments });
        rest = after.trim_start();
    }
    (!calls.is_empty()).then_some(calls)
}

/// Reads calls wherever they are: in tags (any case, closed or not), else behind marks with the name
/// outside of the JSON, else in code fences, else as JSON anywhere in the text. All calls of the
/// first of these places that has any are taken.
pub fn found(reply: &str) -> Option<Vec<FunctionCall>> {
    let places = [
        |reply: &str| strict(reply).unwrap_or_default(),
        |reply: &str| tagged(reply).iter().flat_map(|(part, _)| json_calls(part)).collect(),
        template::named,
        |reply: &str| fenced(reply).iter().flat_map(|part| json_calls(part)).collect(),
        json_calls,
    ];
    places.iter().map(|read| read(reply)).find(|calls| !calls.is_empty())
}

/// Tells whether a reply without calls shows the syntax of one: a tag, or a key that holds
/// arguments.
pub fn is_call_attempt(reply: &str) -> bool {
    let lower = reply.to_lowercase();
    let marked = lower.contains("<tool_call") || lower.contains("</tool_call");
    marked || template::has_mark(reply) || {
        ["\"arguments\"", "\"parameters\""].iter().any(|key| {
            lower.match_indices(key).any(|(at, _)| {
                let after = lower.get(at + key.len()..).unwrap_or_default();
                after.trim_start().starts_with(':')
            })
        })
    }
}

/// What stands between tags, and whether the tag is closed; an unclosed one ends at the next one or
/// with the text.
fn tagged(reply: &str) -> Vec<(&str, bool)> {
    // ASCII lower case keeps byte positions.
    let lower = reply.to_ascii_lowercase();
    let starts: Vec<usize> = lower.match_indices(OPEN).map(|(at, _)| at).collect();
    starts
        .iter()
        .enumerate()
        .filter_map(|(index, start)| {
            let next = starts.get(index + 1).copied().unwrap_or(lower.len());
            let close = lower.get(*start..next).and_then(|part| part.find(CLOSE));
            let end = close.map_or(next, |length| start + length);
            Some((reply.get(start + OPEN.len()..end)?, close.is_some()))
        })
        .collect()
}

/// What stands between code fences; an unclosed fence ends with the text.
fn fenced(reply: &str) -> Vec<&str> {
    reply.split(FENCE).skip(1).step_by(2).collect()
}

/// The calls among the JSON values of a text, in order.
fn json_calls(text: &str) -> Vec<FunctionCall> {
    let mut calls = Vec::new();
    let mut at = 0;
    while let Some(offset) = text.get(at..).and_then(|rest| rest.find(['{', '['])) {
        at += offset;
        let rest = text.get(at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let found = match values.next() {
            Some(Ok(Value::Array(items))) => items.iter().map(|item| call(item, None)).collect(),
            Some(Ok(value)) => call(&value, None).map(|call| vec![call]),
            _ => None,
        };
        match found {
            Some(mut found) if !found.is_empty() => {
                calls.append(&mut found);
                at += values.byte_offset();
            }
            // Not a call: one may lie inside, as in {"tool_calls": [...]}.
            _ => at += 1,
        }
    }
    calls
}

/// Reads a JSON value as a call: `name` or `function` beside `arguments` or `parameters`, or a
/// `function` object that holds them. Arguments may be an object or a string of one, which is repaired
/// too where repairs are made.
fn call(value: &Value, mut repairs: Option<&mut BTreeSet<Repair>>) -> Option<FunctionCall> {
    let object = value.as_object()?;
    if let Some(inner @ Value::Object(_)) = object.get("function") {
        let found = call(inner, repairs.as_deref_mut())?;
        if let Some(repairs) = repairs {
            repairs.insert(Repair::Keys);
        }
        return Some(found);
    }
    let mut made = BTreeSet::new();
    let name = [object.get("name"), object.get("function")]
        .into_iter()
        .flatten()
        .find_map(Value::as_str)?;
    let arguments = object.get("arguments").or_else(|| object.get("parameters"))?;
    if !(object.get("name").is_some_and(Value::is_string) && object.contains_key("arguments")) {
        made.insert(Repair::Keys);
    }
    let arguments: Map<String, Value> = match arguments {
        Value::Object(arguments) => arguments.clone(),
        Value::String(text) => {
            made.insert(Repair::ArgumentsText);
            match serde_json::from_str(text) {
                Ok(arguments) => arguments,
                Err(_) if repairs.is_some() => repaired::object(text, &mut made)?,
                Err(_) => return None,
            }
        }
        _ => return None,
    };
    // A tool's definition that the model repeats is not a call of it.
    let is_schema =
        arguments.get("properties").is_some_and(Value::is_object) && arguments.contains_key("type");
    if is_schema {
        return None;
    }
    if let Some(repairs) = repairs {
        repairs.append(&mut made);
    }
    Some(FunctionCall { name: name.to_owned(), arguments })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls as text: `name{"a":1}` joined by spaces, a dash for none.
    fn shown(calls: Option<Vec<FunctionCall>>) -> String {
        let Some(calls) = calls else {
            return "-".to_owned();
        };
        let calls = calls.iter().map(|call| {
            format!("{}{}", call.name, serde_json::to_string(&call.arguments).unwrap())
        });
        calls.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn strict_and_found_calls() {
        let one = r#"f{"x":1}"#;
        let cases: &[(&str, &str, &str)] = &[
            ("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>", one, one),
            ("\n<tool_call>\n{\"arguments\":{\"x\":1},\"name\":\"f\"}\n</tool_call>\n", one, one),
            (
                "<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}\n</tool_call>\n<tool_call>\n{\"name\":\"날씨\",\"arguments\":{}}\n</tool_call>",
                r#"f{"x":1} 날씨{}"#,
                r#"f{"x":1} 날씨{}"#,
            ),
            // Not the exact form.
            ("<tool_call>{\"name\":\"f\",\"arguments\":{\"x\":1}}</tool_call>", "-", one),
            ("<tool_call>\r\n{\"name\":\"f\",\"arguments\":{\"x\":1}}\r\n</tool_call>", "-", one),
            ("네.\n<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}\n</tool_call>", "-", one),
            ("<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}\n</tool_call> 끝", "-", one),
            (
                "<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1},\"id\":\"c\"}\n</tool_call>",
                "-",
                one,
            ),
            (
                "<tool_call>\n{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}\n</tool_call>",
                "-",
                one,
            ),
            ("<tool_call>\n{\"name\":\"f\",\"parameters\":{\"x\":1}}\n</tool_call>", "-", one),
            ("<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}", "-", one),
            ("<TOOL_CALL>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}\n</TOOL_CALL>", "-", one),
            ("<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}}\n</tool_call>", "-", one),
            (
                "<tool_call>\n{bad}\n</tool_call>\n<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}\n</tool_call>",
                "-",
                one,
            ),
            (
                "<tool_call>\n\u{feff}{\"name\":\"f\",\"arguments\":{\"x\":1}}\n</tool_call>",
                "-",
                one,
            ),
            // Other places.
            ("```json\n{\"name\":\"f\",\"arguments\":{\"x\":1}}\n```", "-", one),
            ("```\n[{\"function\":\"f\",\"parameters\":{\"x\":1}}]\n```", "-", one),
            ("알겠습니다: {\"name\":\"f\",\"arguments\":{\"x\":1}} 입니다.", "-", one),
            (
                "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}",
                "-",
                one,
            ),
            ("{\"tool_calls\":[{\"name\":\"f\",\"arguments\":{\"x\":1}}]}", "-", one),
            (
                "{\"name\":\"f\",\"arguments\":{\"x\":1}}\n{\"name\":\"g\",\"arguments\":{}}",
                "-",
                r#"f{"x":1} g{}"#,
            ),
            // No calls.
            ("", "-", "-"),
            ("[] {} {\"name\": \"김\"} [1, 2]", "-", "-"),
            ("{\"name\":\"f\",\"arguments\":null}", "-", "-"),
            ("{\"name\":\"f\",\"arguments\":{\"x\":NaN}}", "-", "-"),
            ("{\"name\":\"f\",\"arguments\":{\"x\":1,}}", "-", "-"),
            ("{name: \"f\", \"arguments\": {\"x\": 1}}", "-", "-"),
            ("f(x=1)", "-", "-"),
            (
                "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{}}}}",
                "-",
                "-",
            ),
        ];
        for (reply, strictly, elsewhere) in cases {
            assert_eq!(shown(strict(reply)), *strictly, "strict {reply:?}");
            assert_eq!(shown(found(reply)), *elsewhere, "found {reply:?}");
        }
    }

    #[test]
    fn a_model_s_own_form_is_strict_and_every_form_is_found() {
        let llama = include_str!("../../tests/fixtures/chat_templates/llama3.2.jinja");
        let ministral = include_str!("../../tests/fixtures/chat_templates/ministral3.jinja");
        let format = |source| {
            let template = crate::model::ChatTemplate::new(source, None, "", "").unwrap();
            template.tool_format().clone()
        };
        let formats = [ToolFormat::Hermes, format(llama), format(ministral)];
        let replies = [
            "<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}\n</tool_call>",
            r#"{"name":"f","parameters":{"x":1}}"#,
            r#"[TOOL_CALLS]f[ARGS]{"x":1}"#,
            r#"[TOOL_CALLS][{"name":"f","arguments":{"x":1},"id":"VvvODy9mT"}]"#,
            r#"네. [TOOL_CALLS]f[CALL_ID]VvvODy9mT[ARGS]{"x":1}"#,
        ];
        for (own, format) in formats.iter().enumerate() {
            for (place, reply) in replies.iter().enumerate() {
                let strictly = if place == own { r#"f{"x":1}"# } else { "-" };
                assert_eq!(shown(strict_in(format, reply)), strictly, "{format}: {reply}");
                assert_eq!(shown(found_in(format, reply)), r#"f{"x":1}"#, "{format}: {reply}");
            }
        }
        assert!(is_call_attempt("[TOOL_CALLS]f[ARGS]{"));
    }

    #[test]
    fn attempts_are_told_from_words() {
        for (reply, attempt) in [
            ("<tool_call>\n{\"name\":", true),
            ("{\"name\": \"f\", \"arguments\" : {", true),
            ("인자(\"arguments\")는 필요 없습니다.", false),
            ("고맙습니다!", false),
            ("", false),
        ] {
            assert_eq!(is_call_attempt(reply), attempt, "{reply}");
        }
    }

    #[test]
    fn deep_and_long_garbage_is_read_in_reasonable_time() {
        for garbage in ["[".repeat(20_000), "{\"a\":".repeat(5_000), "<tool_call>".repeat(5_000)] {
            assert_eq!(found(&garbage), None);
        }
    }
}
