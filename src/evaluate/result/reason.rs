//! Why an answer is wrong.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evaluate::calls::{CallError, Fault};
use crate::evaluate::programs::Limit;
use crate::evaluate::rules::Rule;

/// Why an answer is wrong. Shown and stored in English as a class, and after a colon what in
/// particular; read back from that. Reports and the interface have words in Korean for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Reason {
    /// More or fewer calls than expected.
    Count {
        /// Calls made.
        found: String,
        /// Calls expected.
        expected: String,
    },
    /// Another tool was called.
    Name {
        /// The tool called.
        found: String,
        /// The tool expected.
        expected: String,
    },
    /// An argument is missing.
    Missing(String),
    /// An argument is given that is not known or not expected.
    Extra(String),
    /// An argument has the wrong type.
    Type {
        /// The argument.
        argument: String,
        /// The value given, as JSON.
        found: String,
    },
    /// An argument has another value.
    Value {
        /// The argument.
        argument: String,
        /// The value given, as JSON.
        found: String,
        /// An acceptable value, as JSON.
        expected: String,
    },
    /// The call is right, but not in the form asked for.
    Form,
    /// The reply holds no call.
    NoCall,
    /// There is a call and no tool fits.
    UnwantedCall,
    /// The syntax of a call, and no call.
    BrokenCall,
    /// Numbers of the expected answer that are not there.
    MissingNumbers(String),
    /// Too few words in common with the expected answer: the token F1, as it is shown.
    LittleInCommon(String),
    /// Facts that are not told.
    MissingFacts(String),
    /// Another label was told.
    OtherLabel(String),
    /// No label was told, or several.
    NoLabel,
    /// A rule that is not kept.
    BrokenRule(Rule),
    /// The reply holds no program.
    NoProgram,
    /// A program failed its test: the last line of its errors.
    TestFailed(String),
    /// A program was stopped at a limit.
    Stopped(Limit),
    /// There is no answer, and why.
    NoAnswer(String),
    /// What an earlier version wrote.
    Other(String),
}

const FORM: &str = "the call is right but not written in the form the template asks for";
const NO_CALL: &str = "the reply holds none";
const UNWANTED: &str = "no tool fits this request";
const BROKEN: &str = "the reply tries to call a tool";
const NO_PROGRAM: &str = "the reply holds none";
const TOO_LONG: &str = "it took too long";
const TOO_MUCH_MEMORY: &str = "it took too much memory";
const NO_LABEL: &str = "the reply tells none, or several";

impl Reason {
    /// The class in few words: what stands before the colon.
    pub fn class(&self) -> &str {
        match self {
            Self::Count { .. } => "count",
            Self::Name { .. } => "name",
            Self::Missing(_) => "missing",
            Self::Extra(_) => "extra",
            Self::Type { .. } => "type",
            Self::Value { .. } => "value",
            Self::Form => "form",
            Self::NoCall => "no call",
            Self::UnwantedCall => "unwanted call",
            Self::BrokenCall => "broken call",
            Self::MissingNumbers(_) => "missing number",
            Self::LittleInCommon(_) => "little in common",
            Self::MissingFacts(_) => "missing fact",
            Self::OtherLabel(_) => "other label",
            Self::NoLabel => "no label",
            Self::BrokenRule(_) => "broken rule",
            Self::NoProgram => "no program",
            Self::TestFailed(_) => "test failed",
            Self::Stopped(_) => "stopped",
            Self::NoAnswer(_) => "no answer",
            Self::Other(text) => text.split_once(':').map_or(text.as_str(), |(class, _)| class),
        }
    }

    /// The reason that a text shows, if it is one of this version's.
    fn read(text: &str) -> Option<Self> {
        let (class, detail) = text.split_once(": ")?;
        let own = || detail.to_owned();
        let pair = |(found, expected): (&str, &str)| (found.to_owned(), expected.to_owned());
        Some(match class {
            "count" => {
                let (found, expected) = detail.split_once(" for ").map(pair)?;
                Self::Count { found, expected }
            }
            "name" => {
                let (found, expected) = detail.rsplit_once(" for ").map(pair)?;
                Self::Name { found, expected }
            }
            "missing" => Self::Missing(own()),
            "extra" => Self::Extra(own()),
            "type" => {
                let (argument, found) = detail.split_once(" = ").map(pair)?;
                Self::Type { argument, found }
            }
            "value" => {
                let (argument, values) = detail.split_once(" = ")?;
                // A text may hold the word that stands between the two, so the first is read.
                let mut found = serde_json::Deserializer::from_str(values).into_iter::<Value>();
                found.next()?.ok()?;
                let (found, expected) = values.split_at_checked(found.byte_offset())?;
                Self::Value {
                    argument: argument.to_owned(),
                    found: found.to_owned(),
                    expected: expected.strip_prefix(" for ")?.to_owned(),
                }
            }
            "form" => Self::Form,
            "no call" => Self::NoCall,
            "unwanted call" => Self::UnwantedCall,
            "broken call" => Self::BrokenCall,
            "missing number" => Self::MissingNumbers(own()),
            "little in common" => {
                Self::LittleInCommon(detail.strip_prefix("token F1 ")?.to_owned())
            }
            "missing fact" => Self::MissingFacts(own()),
            "other label" => Self::OtherLabel(own()),
            "no label" => Self::NoLabel,
            "broken rule" => Self::BrokenRule(serde_json::from_str(detail).ok()?),
            "no program" => Self::NoProgram,
            "test failed" => Self::TestFailed(own()),
            "stopped" if detail == TOO_LONG => Self::Stopped(Limit::Time),
            "stopped" => Self::Stopped(Limit::Memory),
            "no answer" => Self::NoAnswer(own()),
            _ => return None,
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.class();
        match self {
            Self::Count { found, expected } | Self::Name { found, expected } => {
                write!(f, "{class}: {found} for {expected}")
            }
            Self::Type { argument, found } => write!(f, "{class}: {argument} = {found}"),
            Self::Value { argument, found, expected } => {
                write!(f, "{class}: {argument} = {found} for {expected}")
            }
            Self::Form => write!(f, "{class}: {FORM}"),
            Self::NoCall => write!(f, "{class}: {NO_CALL}"),
            Self::UnwantedCall => write!(f, "{class}: {UNWANTED}"),
            Self::BrokenCall => write!(f, "{class}: {BROKEN}"),
            Self::NoLabel => write!(f, "{class}: {NO_LABEL}"),
            Self::NoProgram => write!(f, "{class}: {NO_PROGRAM}"),
            Self::Stopped(Limit::Time) => write!(f, "{class}: {TOO_LONG}"),
            Self::Stopped(Limit::Memory) => write!(f, "{class}: {TOO_MUCH_MEMORY}"),
            Self::LittleInCommon(f1) => write!(f, "{class}: token F1 {f1}"),
            Self::BrokenRule(rule) => write!(f, "{class}: {rule}"),
            Self::Missing(what)
            | Self::Extra(what)
            | Self::MissingNumbers(what)
            | Self::MissingFacts(what)
            | Self::OtherLabel(what)
            | Self::TestFailed(what)
            | Self::NoAnswer(what) => write!(f, "{class}: {what}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<String> for Reason {
    /// Never loses a letter: what does not read back as it was is kept as it is.
    fn from(text: String) -> Self {
        let read = Self::read(&text).filter(|reason| reason.to_string() == text);
        read.unwrap_or(Self::Other(text))
    }
}

impl FromStr for Reason {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.to_owned().into())
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.to_string()
    }
}

impl From<&CallError> for Reason {
    fn from(error: &CallError) -> Self {
        let (found, expected) = (error.found.clone(), error.expected.clone());
        let argument = error.argument.clone().unwrap_or_default();
        match error.fault {
            Fault::Count => Self::Count { found, expected },
            Fault::Name => Self::Name { found, expected },
            Fault::MissingRequired | Fault::MissingOptional => Self::Missing(argument),
            Fault::Unexpected => Self::Extra(argument),
            Fault::Type | Fault::NestedType => Self::Type { argument, found },
            Fault::Java | Fault::JavaScript | Fault::Broken => Self::Other(error.to_string()),
            _ => Self::Value { argument, found, expected },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_back_as_it_was() {
        let rule: Rule = serde_json::from_str(r#"{"words":[1,5]}"#).unwrap();
        for (reason, text) in [
            (Reason::Count { found: "2".into(), expected: "1".into() }, "count: 2 for 1"),
            (Reason::Name { found: "a for b".into(), expected: "f".into() }, "name: a for b for f"),
            (Reason::Missing("city".into()), "missing: city"),
            (Reason::Extra("town".into()), "extra: town"),
            (Reason::Type { argument: "x".into(), found: "\"3\"".into() }, "type: x = \"3\""),
            (
                Reason::Value {
                    argument: "q".into(),
                    found: r#""a = b for c""#.into(),
                    expected: r#""d for e""#.into(),
                },
                r#"value: q = "a = b for c" for "d for e""#,
            ),
            (Reason::NoCall, "no call: the reply holds none"),
            (Reason::UnwantedCall, "unwanted call: no tool fits this request"),
            (Reason::BrokenCall, "broken call: the reply tries to call a tool"),
            (Reason::MissingNumbers("25 %, 2 m".into()), "missing number: 25 %, 2 m"),
            (Reason::LittleInCommon("0.42".into()), "little in common: token F1 0.42"),
            (Reason::MissingFacts("서울, 부산".into()), "missing fact: 서울, 부산"),
            (Reason::OtherLabel("민원".into()), "other label: 민원"),
            (Reason::NoLabel, "no label: the reply tells none, or several"),
            (Reason::BrokenRule(rule), r#"broken rule: {"words":[1,5]}"#),
            (Reason::NoAnswer("HTTP 500".into()), "no answer: HTTP 500"),
            (Reason::NoProgram, "no program: the reply holds none"),
            (Reason::TestFailed("AssertionError: 3".into()), "test failed: AssertionError: 3"),
            (Reason::Stopped(Limit::Time), "stopped: it took too long"),
            (Reason::Stopped(Limit::Memory), "stopped: it took too much memory"),
            (Reason::Other("stopped: by hand".into()), "stopped: by hand"),
            // Of another version.
            (Reason::Other("no call: none was found".into()), "no call: none was found"),
            (Reason::Other("value: x".into()), "value: x"),
            (Reason::Other("test: 1 != 2".into()), "test: 1 != 2"),
            (Reason::Other(String::new()), ""),
        ] {
            assert_eq!(reason.to_string(), text);
            let stored = serde_json::to_value(&reason).unwrap();
            assert_eq!(stored, serde_json::json!(text));
            assert_eq!(serde_json::from_value::<Reason>(stored).unwrap(), reason, "{text}");
            assert_eq!(reason.class(), text.split(':').next().unwrap());
        }
    }
}
