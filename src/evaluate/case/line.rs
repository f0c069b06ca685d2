//! One line of a cases file.

use serde::Deserialize;
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization as _;

use super::written::{self, Written};
use super::{Case, Expect, ExpectedArgument, ExpectedCall, Program, ShortAnswer};
use crate::evaluate::calls::Language;
use crate::evaluate::rules::Rule;
use crate::pair::example::{Message, Role, Tool};

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
        let (tools, written) = match line.written_in.as_deref() {
            None => (line.tools, None),
            Some(name) => {
                let language = Language::named(name).ok_or_else(|| {
                    format!("`written_in` is `{name}`; `java` and `javascript` are known")
                })?;
                let offered = written::offered(language, &line.tools);
                (offered, Some(Written { language, declared: line.tools }))
            }
        };
        let case = Self {
            id: line.id,
            messages,
            tools,
            written,
            expect,
            tags: line.tags,
            source: line.source,
        };
        let case = Self { source: case.source.clone().or_else(|| case.first_tool()), ..case };
        case.check()?;
        Ok(case)
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
    written_in: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    expect: Option<ExpectLine>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    source: Option<String>,
}

/// The `expect` object; exactly one family of keys may be used.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectLine {
    calls: Option<Vec<CallLine>>,
    any_call: Option<bool>,
    reference: Option<String>,
    facts: Option<Vec<Wordings>>,
    accept: Option<Vec<String>>,
    number: Option<f64>,
    tolerance: Option<f64>,
    unit: Option<String>,
    last: Option<bool>,
    options: Option<Vec<String>>,
    labels: Option<Vec<String>>,
    right: Option<usize>,
    checks: Option<Vec<Rule>>,
    program: Option<ProgramLine>,
}

/// A fact: one wording, or several of which any will do.
#[derive(Deserialize)]
#[serde(untagged)]
enum Wordings {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramLine {
    prompt: String,
    entry_point: String,
    test: String,
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
        let mut found: Vec<Expect> = Vec::new();
        if let Some(calls) = self.calls {
            let calls: Result<_, String> = calls.into_iter().map(CallLine::read).collect();
            found.push(Expect::Calls(calls?));
        }
        if self.any_call == Some(true) {
            found.push(Expect::AnyCall);
        }
        if let Some(reference) = self.reference {
            found.push(Expect::Reference(reference.nfc().collect()));
        }
        if let Some(facts) = self.facts {
            let facts = facts.into_iter().map(|fact| match fact {
                Wordings::One(wording) => vec![wording],
                Wordings::Several(wordings) => wordings,
            });
            found.push(Expect::Facts(facts.collect()));
        }
        if short {
            let accept: Vec<String> = self.accept.unwrap_or_default();
            if accept.iter().any(|text| text.trim().is_empty()) {
                return Err("an accepted answer is empty".to_owned());
            }
            if accept.is_empty() && self.number.is_none() {
                return Err("`accept` is empty".to_owned());
            }
            found.push(Expect::Short(ShortAnswer {
                accept,
                number: self.number,
                tolerance: self.tolerance.unwrap_or(0.0).abs(),
                unit: self.unit,
                last: self.last.unwrap_or(false),
            }));
        }
        let texts = |texts: Vec<String>| texts.iter().map(|text| text.nfc().collect()).collect();
        let right = || self.right.ok_or("`right` is missing: the index of the right one");
        if let Some(options) = self.options {
            found.push(Expect::Choice { options: texts(options), right: right()? });
        }
        if let Some(labels) = self.labels {
            found.push(Expect::Label { labels: texts(labels), right: right()? });
        }
        if let Some(rules) = self.checks {
            found.push(Expect::Rules(rules));
        }
        if let Some(ProgramLine { prompt, entry_point, test }) = self.program {
            found.push(Expect::Program(Program { prompt, entry_point, test }));
        }
        match (found.pop(), found.is_empty()) {
            (Some(expect), true) => Ok(expect),
            _ => Err("`expect` must hold one of: `calls`; `any_call`; `reference`; `facts`; \
                      `accept` or `number`; `options` and `right`; `labels` and `right`; `checks`; \
                      `program`"
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
