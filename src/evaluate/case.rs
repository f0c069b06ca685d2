//! One item of a suite: what is asked and what counts as right.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization as _;

use crate::pair::example::{Message, Role, Tool};
use crate::text::number;

/// What a case that expects no call shows as its expected answer.
pub const NO_CALL: &str = "no call";

/// One item: a prompt and what counts as right.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Identifier, unique in its suite.
    pub id: String,
    /// The conversation, ending with the user's turn; empty for [`Expect::Text`].
    pub messages: Vec<Message>,
    /// Tools offered.
    pub tools: Vec<Tool>,
    /// What counts as right.
    pub expect: Expect,
    /// Labels, by which subsets are formed.
    pub tags: Vec<String>,
}

/// What counts as right.
#[derive(Debug, Clone, PartialEq)]
pub enum Expect {
    /// These calls, in any order; none means that no call fits.
    Calls(Vec<ExpectedCall>),
    /// An answer that says what this one says.
    Reference(String),
    /// A short answer.
    Short(ShortAnswer),
    /// One of several options, chosen by likelihood.
    Choice {
        /// The options.
        options: Vec<String>,
        /// Index of the right one.
        right: usize,
    },
    /// Nothing is asked: the text is scored by its cross-entropy.
    Text(String),
}

/// A call that is expected.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedCall {
    /// The tool's name.
    pub name: String,
    /// Arguments in the order written.
    pub arguments: Vec<ExpectedArgument>,
}

/// An argument and the values that are accepted for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedArgument {
    /// The parameter's name.
    pub name: String,
    /// Acceptable values; `""` among them means that the argument may be left out.
    pub accepted: Vec<Value>,
}

/// What counts as right for a short answer; one of the two is enough.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShortAnswer {
    /// Wordings, any of which must occur in the reply.
    pub accept: Vec<String>,
    /// A number that must be the reply's number.
    pub number: Option<f64>,
    /// How far the number may be off, in the number's own unit.
    pub tolerance: f64,
}

impl ExpectedCall {
    /// The call as JSON, with the first accepted value of each argument.
    pub fn to_json(&self) -> Value {
        let arguments: Map<String, Value> = self
            .arguments
            .iter()
            .filter_map(|argument| {
                let value = argument.accepted.iter().find(|value| **value != json!(""))?;
                Some((argument.name.clone(), value.clone()))
            })
            .collect();
        json!({"name": self.name, "arguments": arguments})
    }
}

impl Case {
    /// Reads one line of a cases file; the error is a reason to show beside the line number.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if line.id.trim().is_empty() {
            return Err("`id` is empty".to_owned());
        }
        let mut messages = line.messages;
        if let Some(question) = line.question {
            if !messages.is_empty() {
                return Err("give `question` or `messages`, not both".to_owned());
            }
            messages.push(Message::text(Role::User, question));
        }
        for message in &mut messages {
            message.content = message.content.nfc().collect();
        }
        let expect = match (line.text, line.expect) {
            (Some(text), None) if messages.is_empty() => Expect::Text(text.nfc().collect()),
            (None, Some(expect)) => expect.read()?,
            _ => {
                return Err(
                    "give `expect` with `question` or `messages`, or `text` alone".to_owned()
                );
            }
        };
        let case = Self { id: line.id, messages, tools: line.tools, expect, tags: line.tags };
        case.check()?;
        Ok(case)
    }

    /// The question as people read it: the user's turn, or the turns with their roles if several.
    pub fn question(&self) -> String {
        match (self.messages.as_slice(), &self.expect) {
            ([], Expect::Text(text)) => text.clone(),
            ([message], _) => message.content.clone(),
            (messages, _) => messages
                .iter()
                .map(|message| {
                    let calls: String = message
                        .tool_calls
                        .iter()
                        .filter_map(|call| serde_json::to_string(&call.function).ok())
                        .collect();
                    format!("{}: {}{calls}", message.role.as_str(), message.content)
                })
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }

    /// What was expected, as people read it. Calls are JSON, one a line.
    pub fn expected(&self) -> String {
        match &self.expect {
            Expect::Calls(calls) if calls.is_empty() => NO_CALL.to_owned(),
            Expect::Calls(calls) => {
                calls.iter().map(|call| call.to_json().to_string()).collect::<Vec<_>>().join("\n")
            }
            Expect::Reference(text) => text.clone(),
            Expect::Short(short) => match short.number {
                Some(number) => number.to_string(),
                None => short.accept.join(" | "),
            },
            Expect::Choice { options, right } => options.get(*right).cloned().unwrap_or_default(),
            Expect::Text(_) => String::new(),
        }
    }

    /// Says what is wrong with the case, if anything.
    fn check(&self) -> Result<(), String> {
        if let Expect::Text(text) = &self.expect {
            return if text.trim().is_empty() { Err("`text` is empty".to_owned()) } else { Ok(()) };
        }
        if self.messages.last().map(|message| message.role) != Some(Role::User)
            && self.messages.last().map(|message| message.role) != Some(Role::Tool)
        {
            return Err("the conversation must end with a turn of the user or a tool".to_owned());
        }
        match &self.expect {
            Expect::Calls(calls) => calls.iter().try_for_each(|call| self.check_call(call)),
            Expect::Short(short) => {
                let Some(expected) = short.number else {
                    return Ok(());
                };
                let asked = self.messages.iter().flat_map(|m| number::numbers(&m.content));
                if asked.into_iter().any(|found| found.value == expected) {
                    return Err(format!(
                        "the question already holds the expected number {expected}, \
                         so a reply that repeats the question would count as right"
                    ));
                }
                Ok(())
            }
            Expect::Choice { options, right } => {
                let distinct: HashSet<&String> = options.iter().collect();
                if options.len() < 2 || distinct.len() != options.len() || *right >= options.len() {
                    return Err(
                        "`options` must be two or more different texts and `right` the index of one"
                            .to_owned(),
                    );
                }
                if options.iter().any(|option| option.trim().is_empty()) {
                    return Err("an option is empty".to_owned());
                }
                Ok(())
            }
            Expect::Reference(text) if text.trim().is_empty() => {
                Err("`reference` is empty".to_owned())
            }
            Expect::Reference(_) | Expect::Text(_) => Ok(()),
        }
    }

    fn check_call(&self, call: &ExpectedCall) -> Result<(), String> {
        let Some(tool) = self.tools.iter().find(|tool| tool.function.name == call.name) else {
            return Err(format!("the expected call of `{}` is not among the tools", call.name));
        };
        let properties = tool.function.parameters.get("properties");
        for argument in &call.arguments {
            if properties.and_then(|known| known.get(&argument.name)).is_none() {
                return Err(format!("`{}` has no parameter `{}`", call.name, argument.name));
            }
            if argument.accepted.is_empty() {
                return Err(format!("`{}` lists no acceptable value", argument.name));
            }
        }
        Ok(())
    }
}

/// A case as it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    #[serde(default)]
    question: Option<String>,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    tools: Vec<Tool>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    expect: Option<ExpectLine>,
    #[serde(default)]
    tags: Vec<String>,
}

/// The `expect` object; exactly one family of keys may be used.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectLine {
    calls: Option<Vec<CallLine>>,
    reference: Option<String>,
    accept: Option<Vec<String>>,
    number: Option<f64>,
    tolerance: Option<f64>,
    options: Option<Vec<String>>,
    right: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallLine {
    name: String,
    #[serde(default)]
    arguments: Map<String, Value>,
}

impl ExpectLine {
    fn read(self) -> Result<Expect, String> {
        let short = self.accept.is_some() || self.number.is_some();
        match (self.calls, self.reference, short, self.options, self.right) {
            (Some(calls), None, false, None, None) => {
                calls.into_iter().map(CallLine::read).collect::<Result<_, _>>().map(Expect::Calls)
            }
            (None, Some(reference), false, None, None) => {
                Ok(Expect::Reference(reference.nfc().collect()))
            }
            (None, None, true, None, None) => {
                let accept: Vec<String> = self.accept.unwrap_or_default();
                if accept.iter().any(|text| text.trim().is_empty()) {
                    return Err("an accepted answer is empty".to_owned());
                }
                if accept.is_empty() && self.number.is_none() {
                    return Err("`accept` is empty".to_owned());
                }
                Ok(Expect::Short(ShortAnswer {
                    accept,
                    number: self.number,
                    tolerance: self.tolerance.unwrap_or(0.0).abs(),
                }))
            }
            (None, None, false, Some(options), Some(right)) => Ok(Expect::Choice {
                options: options.iter().map(|text| text.nfc().collect()).collect(),
                right,
            }),
            _ => Err("`expect` must hold one of: `calls`; `reference`; `accept` or `number`; \
                 `options` and `right`"
                .to_owned()),
        }
    }
}

impl CallLine {
    fn read(self) -> Result<ExpectedCall, String> {
        let arguments = self
            .arguments
            .into_iter()
            .map(|(name, accepted)| match accepted {
                Value::Array(accepted) => Ok(ExpectedArgument { name, accepted }),
                _ => Err(format!("`{name}` must be a list of acceptable values")),
            })
            .collect::<Result<_, _>>()?;
        Ok(ExpectedCall { name: self.name, arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_or_refused_with_a_reason() {
        let tool = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":{"type":"number"}}}}}]"#;
        let cases: [(String, &str); 14] = [
            (format!(r#"{{"id":"a","question":"q",{tool},"expect":{{"calls":[{{"name":"f","arguments":{{"x":[1]}}}}]}}}}"#), ""),
            (format!(r#"{{"id":"a","question":"q",{tool},"expect":{{"calls":[]}}}}"#), ""),
            (format!(r#"{{"id":"a","question":"q",{tool},"expect":{{"calls":[{{"name":"g"}}]}}}}"#), "not among the tools"),
            (format!(r#"{{"id":"a","question":"q",{tool},"expect":{{"calls":[{{"name":"f","arguments":{{"y":[1]}}}}]}}}}"#), "no parameter `y`"),
            (format!(r#"{{"id":"a","question":"q",{tool},"expect":{{"calls":[{{"name":"f","arguments":{{"x":1}}}}]}}}}"#), "list of acceptable"),
            (r#"{"id":"a","question":"2+3?","expect":{"number":5}}"#.into(), ""),
            (r#"{"id":"a","question":"5+0?","expect":{"number":5}}"#.into(), "already holds"),
            (r#"{"id":"a","question":"q","expect":{"options":["예","아니오"],"right":1},"tags":["ko"]}"#.into(), ""),
            (r#"{"id":"a","question":"q","expect":{"options":["예","예"],"right":1}}"#.into(), "different texts"),
            (r#"{"id":"a","text":"한 문단."}"#.into(), ""),
            (r#"{"id":"a","question":"q"}"#.into(), "give `expect`"),
            (r#"{"id":"a","question":"q","expect":{"calls":[],"number":1}}"#.into(), "one of"),
            (r#"{"id":"a","question":"q","expects":{}}"#.into(), "unknown field"),
            (r#"{"id":"a","messages":[{"role":"assistant","content":"x"}],"expect":{"number":1}}"#.into(), "must end with"),
        ];
        for (line, expected) in cases {
            match (Case::parse(&line), expected) {
                (Ok(_), "") => {}
                (Err(reason), expected) if !expected.is_empty() => {
                    assert!(reason.contains(expected), "{line}: {reason}");
                }
                (outcome, _) => panic!("{line}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn expected_calls_are_shown_as_json_with_the_first_real_value() {
        let line = r#"{"id":"a","question":"서울 날씨","tools":[{"function":{"name":"w","parameters":{"properties":{"city":{},"date":{}}}}}],"expect":{"calls":[{"name":"w","arguments":{"city":["서울","Seoul"],"date":["","2026-01-01"]}}]}}"#;
        let case = Case::parse(line).unwrap();
        assert_eq!(
            case.expected(),
            r#"{"name":"w","arguments":{"city":"서울","date":"2026-01-01"}}"#
        );
        assert_eq!(case.question(), "서울 날씨");
    }
}
