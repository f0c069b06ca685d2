//! Cases that recorded outputs are scored by: this program's own, and BFCL's.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::evaluate::calls::{Dispatch, Expectation, Language};
use crate::evaluate::case::{Case, Expect, ExpectedArgument, ExpectedCall};
use crate::pair::example::Tool;

/// What is expected of an output.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// These calls.
    Calls(Expectation),
    /// No call.
    NoCall,
    /// Some call.
    AnyCall,
}

/// A case by its identifier.
#[derive(Debug, Clone)]
pub struct RecordedCase {
    /// Identifier.
    pub id: String,
    /// What is expected.
    pub wanted: Wanted,
}

/// A line of BFCL: the question file with its answers beside it in one object.
#[derive(Deserialize)]
struct BfclLine {
    id: String,
    #[serde(default)]
    cat: Option<String>,
    #[serde(alias = "function", alias = "functions")]
    functions: Vec<Value>,
    #[serde(default)]
    ground_truth: Option<Vec<Map<String, Value>>>,
}

/// Reads a line, in BFCL's shape or this program's; the error is a reason to show beside its number.
///
/// # Errors
/// Says which shape was tried and what is wrong.
pub fn parse(line: &str) -> Result<RecordedCase, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if value.get("function").is_some() || value.get("functions").is_some() {
        return serde_json::from_value(value).map_err(|error| error.to_string()).and_then(bfcl);
    }
    let case = Case::parse(line)?;
    let wanted = match &case.expect {
        Expect::Calls(calls) if calls.is_empty() => Wanted::NoCall,
        Expect::Calls(calls) => Wanted::Calls(case.expectation(calls)),
        Expect::AnyCall => Wanted::AnyCall,
        _ => return Err("the case expects no calls".to_owned()),
    };
    Ok(RecordedCase { id: case.id, wanted })
}

fn bfcl(line: BfclLine) -> Result<RecordedCase, String> {
    // `live_multiple_104-43-0` is of the category `live_multiple`.
    let category = line.cat.unwrap_or_else(|| {
        line.id.rsplit_once('_').map_or(line.id.as_str(), |(category, _)| category).to_owned()
    });
    let language = if category.contains("javascript") {
        Some(Language::JavaScript)
    } else {
        category.contains("java").then_some(Language::Java)
    };
    if category.contains("irrelevance") {
        return Ok(RecordedCase { id: line.id, wanted: Wanted::NoCall });
    }
    if category.contains("relevance") {
        return Ok(RecordedCase { id: line.id, wanted: Wanted::AnyCall });
    }
    let tools: Result<Vec<Tool>, _> = (line.functions.into_iter())
        .map(|function| serde_json::from_value(json!({"function": function})))
        .collect();
    let tools = tools.map_err(|error| error.to_string())?;
    let truth = line.ground_truth.ok_or("`ground_truth` is missing")?;
    let mut calls = Vec::new();
    for (name, arguments) in truth.into_iter().flatten() {
        let Value::Object(arguments) = arguments else {
            return Err(format!("`{name}` must hold an object of arguments"));
        };
        let arguments: Result<Vec<ExpectedArgument>, String> = (arguments.into_iter())
            .map(|(name, accepted)| match accepted {
                Value::Array(accepted) => Ok(ExpectedArgument { name, accepted }),
                _ => Err(format!("`{name}` must be a list of acceptable values")),
            })
            .collect();
        calls.push(ExpectedCall { name, arguments: arguments? });
    }
    let dispatch = if category.contains("parallel") {
        Dispatch::Parallel
    } else if category.contains("multiple") {
        Dispatch::Multiple
    } else {
        Dispatch::Simple
    };
    Ok(RecordedCase {
        id: line.id,
        wanted: Wanted::Calls(Expectation::written_in(language, &calls, &tools, dispatch)),
    })
}
