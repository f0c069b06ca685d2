//! Files of the Berkeley Function Calling Leaderboard (`bfcl-eval`, versions 3 and 4).

use serde_json::{Map, Value, json};

use super::{Read, Record, SourceFile, get, schema, text};
use crate::evaluate::calls::Language;
use crate::evaluate::case::{Case, Expect, ExpectedArgument, ExpectedCall, Written, written};
use crate::evaluate::result::SuiteKind;
use crate::pair::example::{Message, Role, Tool};

/// Categories of one turn, which this program asks.
const ASKED: [&str; 17] = [
    "simple",
    "simple_python",
    "simple_java",
    "simple_javascript",
    "java",
    "javascript",
    "multiple",
    "parallel",
    "parallel_multiple",
    "irrelevance",
    "relevance",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
    "live_irrelevance",
    "live_relevance",
];

/// Tells a BFCL file by its name.
pub(super) fn is_named(name: &str) -> bool {
    name.starts_with("BFCL_v")
}

/// Tells whether a row is a question of BFCL.
pub(super) fn fits(row: &Record) -> bool {
    let asks = row.contains_key("question") && row.contains_key("id");
    asks && ["function", "functions", "initial_config"].iter().any(|key| row.contains_key(*key))
}

pub(super) fn read(file: &SourceFile) -> Read {
    let mut read = Read::new(file, SuiteKind::Tools);
    read.each(file, |read, place, row| {
        let category = category(file, row);
        if let Some(reason) = refusal(&category) {
            *read.left_out.entry(format!("{category}: {reason}")).or_default() += 1;
            return;
        }
        read.add(place, case(file, row, &category));
    });
    read
}

/// `live_multiple_104-43-0` is of the category `live_multiple`; rows without an identifier are of the
/// one that the file is named for.
fn category(file: &SourceFile, row: &Record) -> String {
    let named = file.stem();
    let named = if is_named(named) { named.splitn(3, '_').nth(2).unwrap_or(named) } else { named };
    let id = row.get("id").and_then(Value::as_str).and_then(|id| id.rsplit_once('_'));
    let own = row.get("cat").and_then(Value::as_str).or(id.map(|(category, _)| category));
    own.unwrap_or(named).to_owned()
}

/// Why cases of a category are not asked; none where they are.
fn refusal(category: &str) -> Option<&'static str> {
    if ASKED.contains(&category) {
        return None;
    }
    Some(if category.contains("multi_turn") {
        "several turns with tools that BFCL itself executes, which is not done here"
    } else if category.contains("memory") || category.contains("web_search") {
        "needs BFCL's own tools (its memory, the web)"
    } else if category.contains("exec") || category.contains("rest") {
        "the calls are to be executed, which is not done here"
    } else if category.contains("format_sensitivity") {
        "a list of other files' cases"
    } else {
        "a category that is not known; there are answers for simple, multiple, parallel, \
         parallel_multiple, irrelevance, relevance and their live_ forms"
    })
}

fn case(file: &SourceFile, row: &Record, category: &str) -> Result<Case, String> {
    let id = text(row.get("id").ok_or("`id` is missing")?).ok_or("`id` is no text")?;
    let question = row.get("question").ok_or_else(|| match row.get("ground_truth") {
        Some(_) => "an answer without its question: name the file beside possible_answer/",
        None => "`question` is missing",
    })?;
    let messages = messages(question)?;
    let functions = get(row, &["function", "functions"]).ok_or("`function` is missing")?;
    let functions = match functions {
        Value::Array(functions) => functions.as_slice(),
        one => std::slice::from_ref(one),
    };
    let language = language(category);
    let tools = functions.iter().map(|function| tool(function, language.is_some()));
    let declared: Vec<Tool> = tools.collect::<Result<_, _>>()?;
    let expect = if category.contains("irrelevance") {
        Expect::Calls(Vec::new())
    } else if category.contains("relevance") {
        Expect::AnyCall
    } else {
        let beside = file.answers.get(&id).and_then(|answer| answer.get("ground_truth"));
        let truth = row.get("ground_truth").or(beside).ok_or_else(|| {
            format!("there is no answer: possible_answer/{} has none for `{id}`", file.name)
        })?;
        Expect::Calls(calls(truth)?)
    };
    let (tools, written) = match language {
        Some(language) => {
            (written::offered(language, &declared), Some(Written { language, declared }))
        }
        None => (declared, None),
    };
    let tags = vec![category.to_owned()];
    Ok(Case { id, messages, tools, written, expect, tags, source: None })
}

/// The turns: a list of one conversation, or the conversation itself.
fn messages(question: &Value) -> Result<Vec<Message>, String> {
    let turns = match question {
        Value::String(text) => return Ok(vec![Message::text(Role::User, text.clone())]),
        Value::Array(list) => match list.as_slice() {
            [Value::Array(turns)] => turns,
            [Value::Array(_), ..] => {
                return Err(
                    "`question` holds several conversations: a case of several turns".into()
                );
            }
            _ => list,
        },
        _ => return Err("`question` is neither text nor turns".to_owned()),
    };
    let message = |turn: &Value| {
        serde_json::from_value(turn.clone()).map_err(|error| format!("`question`: {error}"))
    };
    turns.iter().map(message).collect()
}

/// The language that arguments of a category are written in; none for values of JSON.
fn language(category: &str) -> Option<Language> {
    match category {
        "java" | "simple_java" => Some(Language::Java),
        "javascript" | "simple_javascript" => Some(Language::JavaScript),
        _ => None,
    }
}

/// A tool with its types as JSON Schema has them, or as they were declared.
fn tool(function: &Value, as_declared: bool) -> Result<Tool, String> {
    let mut function = function.clone();
    if let Some(parameters) = function.get_mut("parameters").filter(|_| !as_declared) {
        *parameters = schema::from_bfcl(parameters);
    }
    serde_json::from_value(json!({"function": function}))
        .map_err(|error| format!("`function`: {error}"))
}

fn calls(truth: &Value) -> Result<Vec<ExpectedCall>, String> {
    let Value::Array(truth) = truth else {
        return Err("`ground_truth` is no list of calls".to_owned());
    };
    let mut calls = Vec::new();
    for call in truth {
        let Value::Object(call) = call else {
            return Err("`ground_truth` holds calls as text, which are to be executed".to_owned());
        };
        for (name, arguments) in call {
            let Value::Object(arguments) = arguments else {
                return Err(format!("`{name}` must hold an object of arguments"));
            };
            calls.push(ExpectedCall { name: name.clone(), arguments: accepted(arguments)? });
        }
    }
    Ok(calls)
}

fn accepted(arguments: &Map<String, Value>) -> Result<Vec<ExpectedArgument>, String> {
    let argument = |(name, accepted): (&String, &Value)| match accepted {
        // Two cases of live_simple write an empty list itself so, which nothing could equal.
        Value::Array(accepted) if accepted.is_empty() => {
            Ok(ExpectedArgument { name: name.clone(), accepted: vec![json!([]), json!("")] })
        }
        Value::Array(accepted) => {
            Ok(ExpectedArgument { name: name.clone(), accepted: accepted.clone() })
        }
        _ => Err(format!("`{name}` must be a list of acceptable values")),
    };
    arguments.iter().map(argument).collect()
}
