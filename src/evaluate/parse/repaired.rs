//! The lenient reading: calls wherever they are, with what models really write wrong set right.
//!
//! Nothing is guessed. A repair is made where the text can mean one thing only; a value that is cut
//! off, a word without marks and a mark inside a text are left as they are, and then there is no call.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{FENCE, call, fenced, python, strict_in, tagged};
use crate::evaluate::result::Repair;
use crate::model::template::{self, ToolFormat};
use crate::pair::example::FunctionCall;
use crate::text::loose_json::{Slip, read_exactly};

/// Calls, and what was set right to read them.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The calls, one at least.
    pub calls: Vec<FunctionCall>,
    /// Each kind once; empty where the reply is in the exact form.
    pub repairs: Vec<Repair>,
}

/// Marks that are not of JSON and by which other models begin calls.
const MARKS: &[&str] = &["<|python_tag|>", "[tool_calls]", "<function=", "[args]"];

/// Reads calls in the exact form of a model, else wherever they are and with repairs: in tags, else
/// behind marks with the name outside of the JSON, else in code fences, else anywhere in the text,
/// else where the whole reply is calls in the form `name(argument=value)` of names that `is_tool`
/// knows. All calls of the first of these places that has any are taken.
pub fn repaired(
    format: &ToolFormat,
    reply: &str,
    is_tool: &dyn Fn(&str) -> bool,
) -> Option<Reading> {
    if let Some(calls) = strict_in(format, reply) {
        return Some(Reading { calls, repairs: Vec::new() });
    }
    let mut scan = Scan::new(reply.len());
    for (part, is_closed) in tagged(reply) {
        if scan.calls(part, is_closed) && !is_closed {
            scan.repairs.insert(Repair::Unclosed);
        }
    }
    let is_tagged = !scan.calls.is_empty();
    if !is_tagged {
        let mut read = |text: &str| scan.object(text);
        let named = template::named_by(reply, &mut read);
        scan.calls = named;
    }
    if scan.calls.is_empty() {
        scan.repairs.clear();
        // The last fence may be open.
        let closed = reply.matches(FENCE).count() / 2;
        for (index, part) in fenced(reply).into_iter().enumerate() {
            scan.calls(part, index < closed);
        }
    }
    if scan.calls.is_empty() {
        scan.calls(reply, false);
    }
    if scan.calls.is_empty() {
        scan.calls = python::calls(reply, is_tool)?;
        scan.repairs.insert(Repair::PythonCall);
    }
    let lower = reply.to_ascii_lowercase();
    let own: String = format.marks().concat().to_ascii_lowercase();
    if MARKS.iter().any(|mark| lower.contains(mark) && !own.contains(mark)) {
        scan.repairs.insert(Repair::Mark);
    }
    // A form of a template's own has its own places and keys, which need not be these.
    let is_own = format != &ToolFormat::Hermes;
    if is_own {
        scan.repairs.remove(&Repair::Keys);
    }
    if !is_own && !is_tagged || scan.repairs.is_empty() {
        scan.repairs.insert(Repair::Place);
    }
    Some(Reading { calls: scan.calls, repairs: scan.repairs.into_iter().collect() })
}

/// Reads a whole text as an object.
pub(super) fn object(text: &str, repairs: &mut BTreeSet<Repair>) -> Option<Map<String, Value>> {
    let text = text.trim();
    let loose = read_exactly(text, true).0.filter(|loose| loose.length == text.len())?;
    let Value::Object(object) = loose.value else { return None };
    repairs.extend(loose.slips.into_iter().map(Repair::from));
    Some(object)
}

/// Calls found so far, and how much more may be looked at.
struct Scan {
    calls: Vec<FunctionCall>,
    repairs: BTreeSet<Repair>,
    /// Bytes: a reply made to be read again and again from each of its brackets is given up on.
    budget: usize,
}

impl Scan {
    fn new(length: usize) -> Self {
        Self { calls: Vec::new(), repairs: BTreeSet::new(), budget: 500_000 + 4 * length }
    }

    /// Takes the calls among the values of a text; tells whether there are any.
    fn calls(&mut self, text: &str, is_whole: bool) -> bool {
        let before = self.calls.len();
        let mut at = 0;
        while let Some(offset) = text.get(at..).and_then(|rest| rest.find(['{', '['])) {
            at += offset;
            if self.budget == 0 {
                break;
            }
            let rest = text.get(at..).unwrap_or_default();
            // Not a call: one may lie inside, as in {"tool_calls": [...]}.
            at += self.value(rest, is_whole).unwrap_or(1);
        }
        self.calls.len() > before
    }

    /// Takes the call or calls that a text begins with; gives their length.
    fn value(&mut self, text: &str, is_whole: bool) -> Option<usize> {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let mut repairs = BTreeSet::new();
        let (value, length) = match values.next() {
            Some(Ok(value)) => (value, values.byte_offset()),
            failed => {
                // What was read in vain counts too.
                let looked_at = failed.and_then(Result::err).map_or(0, |error| error.column());
                self.budget = self.budget.saturating_sub(looked_at);
                self.loose(text, is_whole, &mut repairs)?
            }
        };
        let found: Option<Vec<FunctionCall>> = match &value {
            Value::Array(items) => {
                items.iter().map(|item| call(item, Some(&mut repairs))).collect()
            }
            value => call(value, Some(&mut repairs)).map(|call| vec![call]),
        };
        let mut found = found.filter(|found| !found.is_empty())?;
        self.calls.append(&mut found);
        self.repairs.append(&mut repairs);
        Some(length)
    }

    fn loose(
        &mut self,
        text: &str,
        is_whole: bool,
        repairs: &mut BTreeSet<Repair>,
    ) -> Option<(Value, usize)> {
        if self.budget == 0 {
            return None;
        }
        let (loose, looked_at) = read_exactly(text, is_whole);
        self.budget = self.budget.saturating_sub(looked_at + 1);
        let loose = loose?;
        repairs.extend(loose.slips.into_iter().map(Repair::from));
        Some((loose.value, loose.length))
    }

    /// The object that a text begins with.
    fn object(&mut self, text: &str) -> Option<Map<String, Value>> {
        let mut repairs = BTreeSet::new();
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            _ => self.loose(text.trim_start(), false, &mut repairs)?.0,
        };
        let Value::Object(object) = value else { return None };
        self.repairs.append(&mut repairs);
        Some(object)
    }
}

impl From<Slip> for Repair {
    fn from(slip: Slip) -> Self {
        match slip {
            Slip::Marks => Self::Marks,
            Slip::PythonWords => Self::PythonWords,
            Slip::TrailingComma => Self::TrailingComma,
            Slip::Unclosed => Self::Unclosed,
            Slip::BareKeys => Self::BareKeys,
            Slip::Comments => Self::Comments,
            Slip::LineBreaks => Self::LineBreaks,
        }
    }
}

#[cfg(test)]
#[path = "repaired_tests.rs"]
mod tests;
