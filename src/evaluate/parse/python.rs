//! Calls written as Python's: `name(argument=value)`.

use serde_json::Map;

use super::FENCE;
use crate::pair::example::FunctionCall;
use crate::text::loose_json::{Slip, read_exactly};

/// Words around calls that say nothing else.
const AROUND: &[&str] = &[
    "<|python_tag|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|im_end|>",
    "<tool_call>",
    "</tool_call>",
    "```python",
    "```tool_code",
    "```tool_call",
    FENCE,
];

/// The calls that a reply is made of; none where anything else stands in it, a name is not one that
/// `is_tool` knows, or an argument has no name, so that one would have to guess which it is.
pub(super) fn calls(reply: &str, is_tool: &dyn Fn(&str) -> bool) -> Option<Vec<FunctionCall>> {
    let mut text = reply.trim();
    while let Some(inside) = AROUND
        .iter()
        .find_map(|word| text.strip_prefix(word).or_else(|| text.strip_suffix(word)).map(str::trim))
    {
        text = inside;
    }
    if let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        text = inside;
    }
    let mut reader = Reader { rest: text };
    let mut found = Vec::new();
    loop {
        reader.skip();
        if reader.rest.is_empty() {
            return (!found.is_empty()).then_some(found);
        }
        // Between two calls stands a mark or a line's end.
        if !found.is_empty() && !reader.takes(',') && !reader.takes(';') {
            let before = text.get(..text.len() - reader.rest.len())?;
            let blank = before.get(before.trim_end().len()..)?;
            if !blank.contains('\n') {
                return None;
            }
        }
        reader.skip();
        if reader.rest.is_empty() {
            continue;
        }
        found.push(reader.call(is_tool)?);
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn takes(&mut self, mark: char) -> bool {
        let after = self.rest.strip_prefix(mark);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn name(&mut self, marks: &str) -> Option<&'a str> {
        let is_of = |c: char| c.is_alphanumeric() || marks.contains(c);
        let length = self.rest.find(|c| !is_of(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    fn call(&mut self, is_tool: &dyn Fn(&str) -> bool) -> Option<FunctionCall> {
        let name = self.name("_.-").filter(|name| is_tool(name))?;
        let mut arguments = Map::new();
        if !self.takes('(') {
            return None;
        }
        loop {
            self.skip();
            if self.takes(')') {
                return Some(FunctionCall { name: name.to_owned(), arguments });
            }
            if !arguments.is_empty() {
                if !self.takes(',') {
                    return None;
                }
                self.skip();
                if self.takes(')') {
                    return Some(FunctionCall { name: name.to_owned(), arguments });
                }
            }
            let argument = self.name("_")?;
            self.skip();
            if !self.takes('=') {
                return None;
            }
            self.skip();
            // A word without marks is a variable's name, also as a key.
            let value = read_exactly(self.rest, false).0?;
            let is_python = |slip: &Slip| !matches!(slip, Slip::BareKeys | Slip::Unclosed);
            if !value.slips.iter().all(is_python) {
                return None;
            }
            self.rest = self.rest.get(value.length..)?;
            if arguments.insert(argument.to_owned(), value.value).is_some() {
                return None;
            }
        }
    }
}
