//! The form in which a model writes calls of tools, and how replies in it are read.
//!
//! A form is not looked up by the model's name: [`learn`](super::probe::learn) takes it from what the
//! model's own template writes. Hermes' form has a reader of its own (`evaluate::parse::strict`).

use std::fmt;

use serde_json::{Map, Value};

use crate::pair::FunctionCall;

/// How a model writes tool calls; what it is trained on and what the strict score asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolFormat {
    /// `<tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>`, one block a call, and
    /// nothing else but white space around and between them: the template's own form (Qwen), or the
    /// one this program writes where the template has none.
    Hermes,
    /// Another form of the template's own.
    Own(CallForm),
}

impl ToolFormat {
    /// The fixed texts of the form. Control tokens among them belong to what the model says.
    pub fn marks(&self) -> Vec<&str> {
        match self {
            Self::Hermes => vec![super::hermes::CALL_OPEN, super::hermes::CALL_CLOSE],
            Self::Own(form) => {
                let named = match &form.call {
                    Call::Object { .. } => None,
                    Call::Named { between } => Some(between),
                };
                let words = [Some(&form.open), named, form.between.as_ref(), Some(&form.close)];
                words.into_iter().flatten().flat_map(|words| &words.0).map(String::as_str).collect()
            }
        }
    }

    /// Whether a turn holds one call at most.
    pub fn is_single(&self) -> bool {
        matches!(self, Self::Own(form) if form.between.is_none())
    }
}

impl fmt::Display for ToolFormat {
    /// One call in this form, `NAME` and `ARGUMENTS` in the places of both.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Own(form) = self else {
            return f
                .write_str("<tool_call>{\"name\": NAME, \"arguments\": ARGUMENTS}</tool_call>");
        };
        write!(f, "{}", form.open)?;
        match &form.call {
            Call::Object { name, arguments, .. } => {
                write!(f, "{{{name:?}: NAME, {arguments:?}: ARGUMENTS}}")?;
            }
            Call::Named { between } => write!(f, "NAME{between}ARGUMENTS")?,
        }
        write!(f, "{}", form.close)
    }
}

/// Calls as one template writes them: opening, calls with something between them, end. White space
/// between the parts does not count, since some tokenizers drop it behind a control token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallForm {
    /// What stands before the first call.
    pub(super) open: Words,
    /// One call.
    pub(super) call: Call,
    /// What stands between two calls; `None` where the template writes one only.
    pub(super) between: Option<Words>,
    /// What stands behind the last call.
    pub(super) close: Words,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// A JSON object with the name and the arguments under these keys. `others` are further keys the
    /// template writes (`id`); a reply may leave them out, since whoever runs the call numbers it.
    Object { name: String, arguments: String, others: Vec<String> },
    /// The name, these words, and the arguments as a JSON object.
    Named { between: Words },
}

/// Fixed text, cut where a call's id stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words(Vec<String>);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("ID"))
    }
}

impl Words {
    /// Takes a text apart at each of `ids`.
    pub(super) fn new(text: &str, ids: &[&str]) -> Self {
        let text = ids.iter().fold(text.to_owned(), |text, id| text.replace(id, "\0"));
        Self(text.split('\0').map(|part| part.trim().to_owned()).collect())
    }

    /// What follows these words at the beginning of `text`.
    fn past<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mut rest = text;
        for (position, part) in self.0.iter().enumerate() {
            if position > 0 {
                let id = rest.trim_start();
                let after = id.trim_start_matches(|c: char| {
                    c.is_ascii_alphanumeric() || c == '_' || c == '-'
                });
                rest = (after.len() < id.len()).then_some(after)?;
            }
            for character in part.chars().filter(|character| !character.is_whitespace()) {
                rest = rest.trim_start().strip_prefix(character)?;
            }
        }
        Some(rest)
    }
}

impl CallForm {
    /// The calls of a reply that is in this form and holds nothing else.
    pub fn read(&self, reply: &str) -> Option<Vec<FunctionCall>> {
        let (first, mut rest) = self.call.read(self.open.past(reply)?)?;
        let mut calls = vec![first];
        if let Some(between) = &self.between {
            while let Some((call, after)) = between.past(rest).and_then(|rest| self.call.read(rest))
            {
                calls.push(call);
                rest = after;
            }
        }
        self.close.past(rest)?.trim().is_empty().then_some(calls)
    }
}

impl Call {
    /// The call at the beginning of a text, and what follows it.
    fn read<'a>(&self, text: &'a str) -> Option<(FunctionCall, &'a str)> {
        match self {
            Self::Object { name, arguments, others } => {
                let (mut object, rest) = object(text)?;
                let (Some(Value::String(name)), Some(Value::Object(arguments))) =
                    (object.remove(name), object.remove(arguments))
                else {
                    return None;
                };
                let known = object.keys().all(|key| others.contains(key));
                known.then_some((FunctionCall { name, arguments }, rest))
            }
            Self::Named { between } => {
                let (name, rest) = name(text.trim_start())?;
                let (arguments, rest) = object(between.past(rest)?)?;
                Some((FunctionCall { name: name.to_owned(), arguments }, rest))
            }
        }
    }
}

/// Calls that stand anywhere in a text with their name outside of the JSON, as
/// `[TOOL_CALLS]name[ARGS]{...}` and `<function=name>{...}</function>`, with anything around them.
pub fn named(text: &str) -> Vec<FunctionCall> {
    named_by(text, &mut |text| object(text).map(|(arguments, _)| arguments))
}

/// The same with another reader of the JSON object at the beginning of a text.
pub fn named_by(
    text: &str,
    read: &mut dyn FnMut(&str) -> Option<Map<String, Value>>,
) -> Vec<FunctionCall> {
    let mut calls = Vec::new();
    // ASCII lower case keeps byte positions.
    let lower = text.to_ascii_lowercase();
    for (at, mark) in lower.match_indices(ARGUMENTS) {
        let before = text.get(..at).unwrap_or_default().trim_end();
        // The id, if one is given, stands between the name and the mark.
        let id = lower.get(..before.trim_end_matches(is_of_name).len()).unwrap_or_default();
        let named = id.strip_suffix(ID).map_or(before.len(), str::len);
        let before = text.get(..named).unwrap_or_default().trim_end();
        let name = before.get(before.trim_end_matches(is_of_name).len()..).unwrap_or_default();
        if name.is_empty() {
            continue;
        }
        let found = text.get(at + mark.len()..).and_then(&mut *read);
        calls.extend(found.map(|arguments| FunctionCall { name: name.to_owned(), arguments }));
    }
    for (at, mark) in lower.match_indices(FUNCTION) {
        let found = text.get(at + mark.len()..).and_then(name).and_then(|(name, rest)| {
            let arguments = read(rest.trim_start().strip_prefix('>')?)?;
            Some(FunctionCall { name: name.to_owned(), arguments })
        });
        calls.extend(found);
    }
    calls
}

/// Whether a text holds a mark that only calls have.
pub fn has_mark(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [ARGUMENTS, FUNCTION, "[tool_calls]"].iter().any(|mark| lower.contains(mark))
}

const ARGUMENTS: &str = "[args]";
const ID: &str = "[call_id]";
const FUNCTION: &str = "<function=";

/// The JSON object at the beginning of a text, and what follows it.
pub(super) fn object(text: &str) -> Option<(Map<String, Value>, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let Some(Ok(Value::Object(object))) = values.next() else {
        return None;
    };
    Some((object, text.get(values.byte_offset()..)?))
}

/// The name at the beginning of a text, and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let length = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    (length > 0).then(|| text.split_at(length))
}

/// Whether a tool's name may hold this character.
pub(super) fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '/')
}
