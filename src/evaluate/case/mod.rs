//! One item of a suite: what is asked and what counts as right. [`line`] reads it from a file,
//! [`write`] writes it to one.

mod line;
mod write;
pub mod written;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

pub use super::rules::Rule;
use crate::pair::example::{Message, Role, Tool};
use crate::text::number;
pub use written::Written;

/// What a case that expects no call shows as its expected answer.
pub const NO_CALL: &str = "no call";

/// What a case that expects some call shows as its expected answer.
pub const ANY_CALL: &str = "any call";

/// One item: a prompt and what counts as right.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Identifier, unique in its suite.
    pub id: String,
    /// The conversation, ending with the user's turn; empty for [`Expect::Text`].
    pub messages: Vec<Message>,
    /// Tools offered.
    pub tools: Vec<Tool>,
    /// What these were declared as, where arguments are source text of another language.
    pub written: Option<Written>,
    /// What counts as right.
    pub expect: Expect,
    /// Labels, by which subsets are formed.
    pub tags: Vec<String>,
    /// What the case was made of (a page, a tool): cases of one source are not independent, and are
    /// drawn together by the bootstrap. None where the case stands for itself.
    pub source: Option<String>,
}

/// What counts as right.
#[derive(Debug, Clone, PartialEq)]
pub enum Expect {
    /// These calls, in any order; none means that no call fits.
    Calls(Vec<ExpectedCall>),
    /// Some call, whichever (BFCL's relevance cases).
    AnyCall,
    /// An answer that says what this one says.
    Reference(String),
    /// Facts that must all be told, each in one of its wordings.
    Facts(Vec<Vec<String>>),
    /// A short answer.
    Short(ShortAnswer),
    /// One of several labels, told in words.
    Label {
        /// The labels.
        labels: Vec<String>,
        /// Index of the right one.
        right: usize,
    },
    /// A reply that keeps all these rules.
    Rules(Vec<Rule>),
    /// A Python program that passes a test.
    Program(Program),
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

/// A program to be written, as HumanEval states it (Chen et al., 2021, arXiv 2107.03374).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The beginning of the program: imports, the function's head and what it should do.
    pub prompt: String,
    /// The function's name.
    pub entry_point: String,
    /// Defines `check(candidate)`, which raises where the function is wrong.
    pub test: String,
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
    /// The number's unit, if it must be told. Another unit of the same kind is converted.
    pub unit: Option<String>,
    /// Whether the reply's last number is its answer, as where it reasons first (GSM8K); the question
    /// may then hold the number too.
    pub last: bool,
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
    /// The tool that is to be called first: what calls are made of where nothing else is said.
    fn first_tool(&self) -> Option<String> {
        match &self.expect {
            Expect::Calls(calls) => calls.first().map(|call| call.name.clone()),
            _ => None,
        }
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
            Expect::AnyCall => ANY_CALL.to_owned(),
            Expect::Reference(text) => text.clone(),
            Expect::Facts(facts) => {
                facts.iter().map(|wordings| wordings.join(" | ")).collect::<Vec<_>>().join("\n")
            }
            Expect::Short(short) => match (short.number, &short.unit) {
                (Some(number), Some(unit)) => format!("{number} {unit}"),
                (Some(number), None) => number.to_string(),
                (None, _) => short.accept.join(" | "),
            },
            Expect::Choice { options: texts, right } | Expect::Label { labels: texts, right } => {
                texts.get(*right).cloned().unwrap_or_default()
            }
            Expect::Rules(rules) => {
                rules.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            }
            Expect::Program(program) => program.test.clone(),
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
                let Some(expected) = short.number.filter(|_| !short.last) else {
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
            Expect::Choice { options: texts, right } | Expect::Label { labels: texts, right } => {
                let distinct: HashSet<&String> = texts.iter().collect();
                if texts.len() < 2 || distinct.len() != texts.len() || *right >= texts.len() {
                    return Err("there must be two or more different texts to choose from, and \
                                `right` must be the index of one"
                        .to_owned());
                }
                if texts.iter().any(|option| option.trim().is_empty()) {
                    return Err("an option is empty".to_owned());
                }
                Ok(())
            }
            Expect::Reference(text) if text.trim().is_empty() => {
                Err("`reference` is empty".to_owned())
            }
            Expect::AnyCall if self.tools.is_empty() => Err("there is no tool to call".to_owned()),
            Expect::Rules(rules) if rules.iter().all(|rule| rule.is_kept("")) => {
                Err("an empty reply would keep the rules".to_owned())
            }
            Expect::Facts(facts) => {
                let empty = |wordings: &Vec<String>| {
                    wordings.is_empty() || wordings.iter().any(|text| text.trim().is_empty())
                };
                if facts.is_empty() || facts.iter().any(empty) {
                    return Err("a fact is empty".to_owned());
                }
                Ok(())
            }
            Expect::Reference(_)
            | Expect::Text(_)
            | Expect::AnyCall
            | Expect::Rules(_)
            | Expect::Program(_) => Ok(()),
        }
    }

    fn check_call(&self, call: &ExpectedCall) -> Result<(), String> {
        let Some(tool) = self.tools.iter().find(|tool| tool.function.name == call.name) else {
            return Err(format!("the expected call of `{}` is not among the tools", call.name));
        };
        let schema = &tool.function.parameters;
        let properties = schema.get("properties");
        // What is told of a parameter is beside the point where there are no parameters to speak of.
        let is_schema = schema.is_null() || schema.is_object();
        if !is_schema || properties.is_some_and(|properties| !properties.is_object()) {
            return Err(format!(
                "the parameters of `{}` are no JSON Schema of an object with `properties`",
                call.name
            ));
        }
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
