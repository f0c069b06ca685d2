//! Whether calls are right: the full-call rule of BFCL's AST checker (Berkeley Function Calling
//! Leaderboard, `bfcl-eval` 2026.3.23, `eval_checker/ast_eval/ast_checker.py`).
//!
//! A call is right when its name is equal, every required argument is given, every argument given
//! is known and expected, has the schema's type and an acceptable value, and every argument not
//! given may be omitted (`""` among its acceptable values). There is no partial credit.
//!
//! [`Rules::Bfcl`] gives BFCL's own verdict to the last quirk. [`Rules::Hone`], the default, differs
//! in four ways, all on purpose:
//! * several calls are matched in the best way, not greedily in the order of the answers;
//! * a whole number stands for a float inside lists too, and JSON Schema's `number` takes both;
//! * strings are compared in NFC, so that decomposed Hangul equals composed Hangul;
//! * where no call is expected, a broken attempt at one earns nothing (see [`super::score`]).

mod count;
mod error;
mod java;
mod javascript;
mod json;
mod literal;
mod matching;
mod python;
mod source;
mod text;
mod value;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use error::{CallError, Fault};
pub use json::{parse as parse_json, read as read_json};
use literal::Kind;
pub use literal::Literal;
pub use source::Language;
use source::Source;
pub use text::standardized;

use super::case::ExpectedCall;
use crate::pair::example::{FunctionCall, Tool};

/// By which rules calls are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rules {
    /// This program's.
    #[default]
    Hone,
    /// BFCL's own.
    Bfcl,
}

/// How BFCL takes the calls of a category; only what a wrong count is called depends on it, and
/// whether the order of several calls matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispatch {
    /// One call, one tool offered.
    Simple,
    /// One call, several tools offered.
    Multiple,
    /// Several calls, in any order.
    Parallel,
}

impl Dispatch {
    /// The checker's name in BFCL's errors.
    fn checker(self) -> &'static str {
        match self {
            Self::Simple => "simple_function_checker",
            Self::Multiple => "multiple_function_checker",
            Self::Parallel => "parallel_function_checker_no_order",
        }
    }
}

/// A call that was found in a reply.
#[derive(Debug, Clone)]
pub struct Found {
    /// The tool's name. BFCL takes any value of JSON for a name; only a text can be right.
    pub name: Literal,
    /// Arguments in the order given.
    pub arguments: Vec<(String, Literal)>,
}

impl From<&FunctionCall> for Found {
    fn from(call: &FunctionCall) -> Self {
        let arguments = call.arguments.iter();
        Self {
            name: Literal::Text(call.name.clone()),
            arguments: arguments.map(|(name, value)| (name.clone(), value.into())).collect(),
        }
    }
}

/// What calls are expected, made ready to be compared with many replies.
#[derive(Debug, Clone)]
pub struct Expectation {
    calls: Vec<Expected>,
    dispatch: Dispatch,
}

/// One expected call with what its tool's schema says.
#[derive(Debug, Clone)]
struct Expected {
    name: String,
    required: Vec<String>,
    /// Arguments that the schema knows and the answer lists.
    parameters: Vec<Parameter>,
    /// Arguments that the answer lists and that may not be left out.
    needed: Vec<String>,
}

/// One argument.
#[derive(Debug, Clone)]
struct Parameter {
    name: String,
    /// Kinds its type takes; none takes anything.
    kinds: Option<Vec<Kind>>,
    /// Kinds the type of its elements takes, for a list whose elements are typed.
    items: Option<Vec<Kind>>,
    accepted: Vec<Literal>,
    /// What it is converted by, where arguments are source text.
    source: Option<Source>,
}

impl Parameter {
    fn takes(&self, kind: Kind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    fn is_typed(&self) -> bool {
        self.kinds.is_some()
    }

    fn takes_float(&self) -> bool {
        self.kinds.as_ref().is_some_and(|kinds| kinds.contains(&Kind::Float))
    }

    /// The value that an argument stands for: itself, unless it is source text.
    fn value<'a>(&self, given: &'a Literal) -> Result<Cow<'a, Literal>, Fault> {
        self.source
            .as_ref()
            .map_or(Ok(Cow::Borrowed(given)), |source| source.value(given).map(Cow::Owned))
    }

    fn items_are_objects(&self) -> bool {
        self.items.as_deref() == Some(&[Kind::Dict])
    }
}

impl Expectation {
    /// Makes expected calls of `tools` ready.
    pub fn new(calls: &[ExpectedCall], tools: &[Tool], dispatch: Dispatch) -> Self {
        Self::written_in(None, calls, tools, dispatch)
    }

    /// The same where every argument is source text of `language`.
    pub fn written_in(
        language: Option<Language>,
        calls: &[ExpectedCall],
        tools: &[Tool],
        dispatch: Dispatch,
    ) -> Self {
        let calls = calls.iter().map(|call| {
            let tool = tools.iter().find(|tool| tool.function.name == call.name);
            let schema = tool.map_or(&Value::Null, |tool| &tool.function.parameters);
            Expected::new(call, schema, language)
        });
        Self { calls: calls.collect(), dispatch }
    }

    /// Whether no call is expected.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Checks that `found` are the calls expected.
    ///
    /// # Errors
    /// The first fault: of several calls, that of the one that comes nearest.
    pub fn check(&self, found: &[Found], rules: Rules) -> Result<(), CallError> {
        if self.calls.len() != found.len() {
            return Err(CallError {
                fault: Fault::Count,
                argument: None,
                found: found.len().to_string(),
                expected: self.calls.len().to_string(),
            });
        }
        if let ([expected], [found]) = (self.calls.as_slice(), found) {
            return expected.check(found, rules);
        }
        let outcome = |row: usize, column: usize| match (self.calls.get(row), found.get(column)) {
            (Some(expected), Some(found)) => expected.check(found, rules),
            _ => Ok(()),
        };
        let fits = |row: usize, column: usize| outcome(row, column).is_ok();
        let n = found.len();
        let matched = match rules {
            Rules::Hone => matching::best(n, n, &fits),
            Rules::Bfcl => {
                let mut matched: Vec<Option<usize>> = vec![None; n];
                for row in 0..n {
                    let free = (0..n)
                        .find(|&column| matched.get(column) == Some(&None) && fits(row, column));
                    let Some(slot) = free.and_then(|column| matched.get_mut(column)) else { break };
                    *slot = Some(row);
                }
                matched
            }
        };
        let Some(missed) = (0..n).find(|row| !matched.contains(&Some(*row))) else {
            return Ok(());
        };
        // Tell about the left-over call that comes nearest: one of the same name if there is any.
        let left: Vec<CallError> = (0..n)
            .filter(|column| matched.get(*column) == Some(&None))
            .filter_map(|column| outcome(missed, column).err())
            .collect();
        let nearest = left.iter().find(|error| error.fault != Fault::Name);
        nearest.or(left.first()).cloned().map_or(Ok(()), Err)
    }

    /// What BFCL calls an error of these calls.
    pub fn bfcl_error(&self, error: &CallError) -> String {
        match (error.fault, self.dispatch) {
            (Fault::Broken, _) => error.fault.bfcl().to_owned(),
            (Fault::Count, dispatch) => format!("{}:{}", dispatch.checker(), error.fault.bfcl()),
            (_, Dispatch::Parallel) => format!("{}:cannot_find_match", self.dispatch.checker()),
            (fault, _) => fault.bfcl().to_owned(),
        }
    }

    /// Tells whether the names of the calls are the expected ones, as multisets.
    pub fn names_equal(&self, found: &[Found]) -> bool {
        if let ([expected], [found]) = (self.calls.as_slice(), found) {
            return found.name.text() == Some(&expected.name);
        }
        let mut expected: Vec<Option<&str>> =
            self.calls.iter().map(|call| Some(call.name.as_str())).collect();
        let mut found: Vec<Option<&str>> = found.iter().map(|call| call.name.text()).collect();
        expected.sort_unstable();
        found.sort_unstable();
        expected == found
    }

    /// Tells whether the calls are the expected ones value by value, without BFCL's leniency: each
    /// argument equal to an acceptable value as JSON, or left out where it may be.
    pub fn is_exact(&self, found: &[Found]) -> bool {
        let n = found.len();
        let fits = |row: usize, column: usize| {
            let pair = self.calls.get(row).zip(found.get(column));
            pair.is_some_and(|(expected, found)| expected.is_exact(found))
        };
        n == self.calls.len() && matching::best(n, n, &fits).iter().all(Option::is_some)
    }
}

impl Expected {
    fn new(call: &ExpectedCall, schema: &Value, language: Option<Language>) -> Self {
        let required = schema.get("required").and_then(Value::as_array);
        let required = required.into_iter().flatten().filter_map(Value::as_str);
        let known = schema.get("properties").and_then(Value::as_object);
        let parameters = call.arguments.iter().filter_map(|argument| {
            let property = known?.get(&argument.name)?;
            let (source, kinds, items) = if let Some(language) = language {
                let (source, kinds, items) = Source::of(language, property);
                (Some(source), Some(kinds), items)
            } else {
                let kinds = kinds(property);
                let is_list = kinds.as_ref().is_none_or(|kinds| kinds.contains(&Kind::List));
                let items = property.get("items").filter(|_| is_list);
                (None, kinds, items.and_then(self::kinds))
            };
            let accepted = argument.accepted.iter().map(Literal::from).collect();
            Some(Parameter { name: argument.name.clone(), kinds, items, accepted, source })
        });
        let omission = |value: &Value| value.as_str() == Some("");
        let needed =
            call.arguments.iter().filter(|argument| !argument.accepted.iter().any(omission));
        Self {
            name: call.name.clone(),
            required: required.map(str::to_owned).collect(),
            parameters: parameters.collect(),
            needed: needed.map(|argument| argument.name.clone()).collect(),
        }
    }

    fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Checks one call.
    fn check(&self, found: &Found, rules: Rules) -> Result<(), CallError> {
        let fault = |fault: Fault, argument: Option<&str>, found: String, expected: String| {
            Err(CallError { fault, argument: argument.map(str::to_owned), found, expected })
        };
        if found.name.text() != Some(&self.name) {
            return fault(Fault::Name, None, shown_name(&found.name), self.name.clone());
        }
        let given = |name: &String| found.arguments.iter().any(|(given, _)| given == name);
        if let Some(missing) = self.required.iter().find(|name| !given(name)) {
            return fault(Fault::MissingRequired, Some(missing), String::new(), String::new());
        }
        for (name, value) in &found.arguments {
            let Some(parameter) = self.parameter(name) else {
                return fault(Fault::Unexpected, Some(name), String::new(), String::new());
            };
            if let Err(found) = value::check(parameter, value, rules) {
                let accepted = &parameter.accepted;
                let expected = accepted.iter().find(|value| !value::is_omission(value));
                let expected = expected.or(accepted.first()).map(shown).unwrap_or_default();
                return fault(found, Some(name), shown(value), expected);
            }
        }
        if let Some(missing) = self.needed.iter().find(|name| !given(name)) {
            return fault(Fault::MissingOptional, Some(missing), String::new(), String::new());
        }
        Ok(())
    }

    fn is_exact(&self, found: &Found) -> bool {
        let given = |name: &String| found.arguments.iter().any(|(given, _)| given == name);
        let equal = |name: &str, value: &Literal| {
            self.parameter(name).is_some_and(|parameter| {
                let value = parameter.value(value);
                let is = |value: &Literal| parameter.accepted.iter().any(|a| a.is_identical(value));
                value.is_ok_and(|value| is(&value))
            })
        };
        found.name.text() == Some(&self.name)
            && found.arguments.iter().all(|(name, value)| equal(name, value))
            && self.needed.iter().all(given)
    }
}

fn shown(value: &Literal) -> String {
    Value::from(value).to_string()
}

fn shown_name(name: &Literal) -> String {
    name.text().map_or_else(|| shown(name), str::to_owned)
}

/// The kinds a schema's type takes; none when it takes anything. JSON Schema's names and BFCL's own
/// (`dict`, `float`, `tuple`; `any` is a string to BFCL).
fn kinds(schema: &Value) -> Option<Vec<Kind>> {
    let of = |name: &str| -> Option<Vec<Kind>> {
        Some(match name {
            "string" | "any" => vec![Kind::Text],
            "integer" => vec![Kind::Int],
            "number" => vec![Kind::Float, Kind::Int],
            "float" | "double" => vec![Kind::Float],
            "boolean" => vec![Kind::Bool],
            "array" | "tuple" => vec![Kind::List],
            "object" | "dict" => vec![Kind::Dict],
            "null" => vec![Kind::Null],
            _ => return None,
        })
    };
    match schema.get("type")? {
        Value::String(name) => of(name),
        Value::Array(names) => {
            let each: Option<Vec<Vec<Kind>>> =
                names.iter().map(|name| name.as_str().and_then(of)).collect();
            each.map(|kinds| kinds.concat())
        }
        _ => None,
    }
}

/// Arguments of JSON as they are compared.
pub fn arguments(arguments: &Map<String, Value>) -> Vec<(String, Literal)> {
    arguments.iter().map(|(name, value)| (name.clone(), value.into())).collect()
}

#[cfg(test)]
mod tests;
