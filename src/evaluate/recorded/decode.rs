//! From a recorded output to its calls, as BFCL's handlers decode them
//! (`bfcl-eval` 2026.3.23: `local_inference/qwen_fc.py`, `model_handler/utils.py`,
//! `parser/json_parser.py`).

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use crate::evaluate::calls::{Found, Literal, arguments, parse_json, read_json};
use crate::evaluate::parse;
use crate::model::ToolFormat;

/// How an output is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Decoder {
    /// Blocks of `<tool_call>`; BFCL's handler of Qwen models. Blocks that are not JSON are dropped.
    QwenFc,
    /// A list of JSON calls with the keys `function` and `parameters`; BFCL's prompted JSON form.
    BfclJson,
    /// The exact Hermes form and nothing else.
    #[default]
    Strict,
    /// Calls wherever they are, tags, fences, prose, and repaired where they can mean one thing only.
    Lenient,
}

/// What an output holds.
#[derive(Debug)]
pub struct Decoded {
    /// The calls, or why there are none.
    pub calls: Result<Vec<Found>, DecodeError>,
    /// Whether the output writes calls and all of them as JSON of RFC 8259.
    pub is_json: bool,
}

/// Why an output holds no calls in the form asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The decoder raises an error.
    Failed,
    /// It gives something that is not calls.
    WrongFormat,
}

/// Decodes an output.
pub fn decode(output: &str, decoder: Decoder) -> Decoded {
    match decoder {
        Decoder::QwenFc => tagged(output),
        Decoder::BfclJson => listed(output),
        Decoder::Strict | Decoder::Lenient => {
            let strict = parse::strict(output);
            let is_json = strict.is_some();
            let calls = match decoder {
                // The names of the tools are not at hand; a reply that is nothing but calls is one.
                Decoder::Lenient => strict.or_else(|| {
                    let reading = parse::repaired(&ToolFormat::Hermes, output, &|_| true);
                    reading.map(|reading| reading.calls)
                }),
                _ => strict,
            };
            let calls = calls.unwrap_or_default();
            let found = calls.iter().map(|call| Found {
                name: Literal::Text(call.name.clone()),
                arguments: arguments(&call.arguments),
            });
            Decoded { calls: Ok(found.collect()), is_json }
        }
    }
}

const OPEN: &str = "<tool_call>\n";
const CLOSE: &str = "\n</tool_call>";

fn tagged(output: &str) -> Decoded {
    let mut rest = output;
    let (mut blocks, mut strict) = (0, 0);
    let mut calls = Ok(Vec::new());
    while let Some((_, inside)) = rest.split_once(OPEN) {
        // As `(.*?)` between the tags: the nearest end, and none for a later beginning if none here.
        let Some((block, after)) = inside.split_once(CLOSE) else { break };
        rest = after;
        blocks += 1;
        let Some((value, is_strict)) = read_json(block) else { continue };
        strict += usize::from(is_strict);
        match (call(value, "name", "arguments"), &mut calls) {
            (Ok(Call { found: Some(found) }), Ok(calls)) => calls.push(found),
            (Ok(_), Err(_)) => {}
            _ => calls = Err(DecodeError::Failed),
        }
    }
    Decoded { calls, is_json: blocks > 0 && blocks == strict }
}

/// A call as it was read; none where its arguments are not an object.
struct Call {
    found: Option<Found>,
}

/// Reads an object as a call; fails where Python would raise an error: no object, a key missing, a
/// name that cannot be a key.
fn call(value: Literal, name: &str, parameters: &str) -> Result<Call, DecodeError> {
    let Literal::Dict(entries) = value else { return Err(DecodeError::Failed) };
    let (mut called, mut given) = (None, None);
    for (key, value) in entries {
        if key == name {
            called = Some(value);
        } else if key == parameters {
            given = Some(value);
        }
    }
    match (called, given) {
        (Some(Literal::List(_) | Literal::Dict(_)) | None, _) | (_, None) => {
            Err(DecodeError::Failed)
        }
        (Some(name), Some(Literal::Dict(arguments))) => {
            Ok(Call { found: Some(Found { name, arguments }) })
        }
        (Some(_), Some(_)) => Ok(Call { found: None }),
    }
}

/// The first list of objects in a text, as BFCL looks for it.
#[expect(clippy::unwrap_used, reason = "the pattern is a constant; a test compiles it")]
static LIST: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)\[\s*\{.*?\}\s*(?:,\s*\{.*?\}\s*)*\]").unwrap());

fn listed(output: &str) -> Decoded {
    let is_json =
        matches!(read_json(output.trim()), Some((Literal::List(items), true)) if !items.is_empty());
    let mut text = output.trim_matches(['`', '\n', ' ']).to_owned();
    if !text.starts_with('[') {
        text.insert(0, '[');
    }
    if !text.ends_with(']') {
        text.push(']');
    }
    let list = LIST.find(&text).map_or(text.as_str(), |found| found.as_str());
    let items = match parse_json(list) {
        None => return Decoded { calls: Ok(Vec::new()), is_json },
        Some(Literal::List(items)) => items,
        // Brackets stand around the text, so a list is all that can be read.
        Some(_) => return Decoded { calls: Err(DecodeError::Failed), is_json },
    };
    let mut calls = Vec::new();
    let mut wrong = false;
    for item in items {
        if !matches!(item, Literal::Dict(_)) {
            continue;
        }
        match call(item, "function", "parameters") {
            Ok(Call { found: Some(found) }) => calls.push(found),
            Ok(Call { found: None }) => wrong = true,
            Err(error) => return Decoded { calls: Err(error), is_json },
        }
    }
    let calls = if wrong { Err(DecodeError::WrongFormat) } else { Ok(calls) };
    Decoded { calls, is_json }
}
