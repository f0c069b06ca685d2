//! Files of FunctionChat-Bench (Kakao, Korean): Singlecall, Dialog, CallDecision, Parallel, Sequential.
//!
//! Where a call is expected, the ground truth and what `acceptable_arguments` adds to it are accepted.
//! Turns that need words (`slot`, `relevance`, `completion`) are judged there by a model; here only
//! that no call is made.

use serde_json::{Map, Value};

use super::{Read, Record, SourceFile, get, text, unquoted};
use crate::evaluate::case::{Case, Expect, ExpectedArgument, ExpectedCall};
use crate::evaluate::result::SuiteKind;
use crate::pair::example::{Message, Role, Tool};

/// Tells whether a row is of FunctionChat-Bench.
pub(super) fn fits(row: &Record) -> bool {
    let has = |keys: &[&str]| keys.iter().all(|key| row.contains_key(*key));
    has(&["query", "ground_truth", "tools"])
        || has(&["turns", "tools"])
        || has(&["input_messages", "input_tools", "ground_truth"])
}

pub(super) fn read(file: &SourceFile) -> Read {
    let mut read = Read::new(file, SuiteKind::Tools);
    read.each(file, |read, place, row| {
        let cases = if row.contains_key("input_messages") {
            vec![whole(file, row)]
        } else if row.contains_key("turns") {
            dialog(file, row).unwrap_or_else(|reason| vec![Err(reason)])
        } else {
            single(file, row).unwrap_or_else(|reason| vec![Err(reason)])
        };
        for case in cases {
            read.add(place, case);
        }
    });
    read
}

type Cases = Vec<Result<Case, String>>;

/// One function, several ways to ask for it, each with several sets of tools.
fn single(file: &SourceFile, row: &Record) -> Result<Cases, String> {
    let list = |key: &str| row.get(key).and_then(Value::as_array).ok_or(format!("no list `{key}`"));
    let truths = by_number(list("ground_truth")?);
    let acceptable = row.get("acceptable_arguments").and_then(Value::as_array);
    let acceptable = acceptable.map(|each| by_number(each)).unwrap_or_default();
    let mut cases = Vec::new();
    for query in list("query")? {
        let number = query.get("serial_num").and_then(text).unwrap_or_default();
        let asked = query.get("content").and_then(Value::as_str);
        let expected = truths.iter().find(|(of, _)| *of == number).map_or(
            Err(format!("query {number} has no ground truth")),
            |(_, truth)| {
                let more = acceptable.iter().find(|(of, _)| *of == number);
                call(&unquoted(truth)?, more.map(|(_, more)| *more))
            },
        );
        for set in list("tools")? {
            let kind = set.get("type").and_then(Value::as_str).unwrap_or("tools");
            cases.push((|| {
                let asked = asked.ok_or(format!("query {number} has no content"))?;
                let mut messages = system(file);
                messages.push(Message::text(Role::User, asked));
                Ok(Case {
                    id: format!("singlecall-{number}-{kind}"),
                    messages,
                    tools: tools(set.get("content").ok_or("a set of tools has no content")?)?,
                    written: None,
                    expect: Expect::Calls(vec![expected.clone()?]),
                    tags: vec!["singlecall".into(), kind.to_owned()],
                    source: None,
                })
            })());
        }
    }
    Ok(cases)
}

/// Contents by their serial number.
fn by_number(list: &[Value]) -> Vec<(String, &Value)> {
    let each = |value: &'_ Value| value.get("serial_num").and_then(text).unwrap_or_default();
    list.iter().filter_map(|value| Some((each(value), value.get("content")?))).collect()
}

/// A conversation of which every turn of the assistant is a case.
fn dialog(file: &SourceFile, row: &Record) -> Result<Cases, String> {
    let tools = tools(row.get("tools").ok_or("`tools` is missing")?)?;
    let turns = row.get("turns").and_then(Value::as_array).ok_or("`turns` is no list")?;
    let dialog = row.get("dialog_num").and_then(text).unwrap_or_default();
    let case = |turn: &Value| {
        let turn = turn.as_object().ok_or("a turn is no object")?;
        let number = get(turn, &["serial_num", "turn_num"]).and_then(text).unwrap_or_default();
        let mut messages = system(file);
        messages.extend(conversation(turn.get("query").ok_or("a turn has no `query`")?)?);
        let (expect, kind) = expected(turn)?;
        Ok(Case {
            id: format!("dialog-{dialog}-{number}"),
            messages,
            tools: tools.clone(),
            written: None,
            expect,
            tags: vec!["dialog".to_owned(), kind],
            source: Some(format!("dialog {dialog}")),
        })
    };
    Ok(turns.iter().map(case).collect())
}

/// A row that is one case: CallDecision, Parallel, Sequential.
fn whole(file: &SourceFile, row: &Record) -> Result<Case, String> {
    let set = file.stem().rsplit('-').next().unwrap_or_default().to_lowercase();
    let number = row.get("serial_num").and_then(text).ok_or("`serial_num` is missing")?;
    let category = row.get("category").and_then(text).unwrap_or_default();
    let (expect, kind) = expected(row)?;
    Ok(Case {
        id: format!("{set}-{number}-{category}"),
        messages: conversation(row.get("input_messages").ok_or("`input_messages` is missing")?)?,
        tools: tools(row.get("input_tools").ok_or("`input_tools` is missing")?)?,
        written: None,
        expect,
        tags: vec![set.clone(), kind],
        // The steps of one task are asked apart.
        source: (set == "sequential").then(|| format!("sequential {number}")),
    })
}

fn system(file: &SourceFile) -> Vec<Message> {
    let text = file.system.as_deref().map(str::trim).filter(|text| !text.is_empty());
    text.map(|text| Message::text(Role::System, text)).into_iter().collect()
}

/// Tools as they stand, `parameters` an object in any case.
fn tools(value: &Value) -> Result<Vec<Tool>, String> {
    let mut list = unquoted(value)?;
    for tool in list.as_array_mut().ok_or("tools are no list")? {
        if let Some(parameters) = tool.pointer_mut("/function/parameters")
            && parameters.as_object().is_some_and(Map::is_empty)
        {
            *parameters = serde_json::json!({"type": "object", "properties": {}});
        }
    }
    serde_json::from_value(list).map_err(|error| format!("tools: {error}"))
}

/// Turns in OpenAI's form: arguments as JSON in a string, no content beside calls.
fn conversation(turns: &Value) -> Result<Vec<Message>, String> {
    let mut turns = unquoted(turns)?;
    for turn in turns.as_array_mut().ok_or("turns are no list")? {
        let turn = turn.as_object_mut().ok_or("a turn is no object")?;
        if turn.get("content").is_none_or(Value::is_null) {
            turn.insert("content".to_owned(), Value::from(""));
        }
        if turn.get("tool_calls").is_some_and(Value::is_null) {
            turn.remove("tool_calls");
        }
        for call in turn.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(arguments) = call.pointer_mut("/function/arguments") {
                *arguments = unquoted(arguments)?;
            }
        }
    }
    serde_json::from_value(turns).map_err(|error| format!("turns: {error}"))
}

/// What a turn or row expects, and the kind it names.
fn expected(row: &Record) -> Result<(Expect, String), String> {
    let kind = row.get("type_of_output").and_then(text).unwrap_or_else(|| "call".to_owned());
    let truth = unquoted_truth(row.get("ground_truth").ok_or("`ground_truth` is missing")?);
    if kind != "call" {
        return Ok((Expect::Calls(Vec::new()), kind));
    }
    let acceptable = row.get("acceptable_arguments");
    let calls = match truth.get("tool_calls").and_then(Value::as_array) {
        Some(calls) => calls.iter().map(|each| {
            let function = each.get("function").unwrap_or(&Value::Null);
            call(function, function.get("acceptable_arguments").or(acceptable))
        }),
        None => return Ok((Expect::Calls(vec![call(&truth, acceptable)?]), kind)),
    };
    Ok((Expect::Calls(calls.collect::<Result<_, _>>()?), kind))
}

/// A ground truth may be an object, JSON in a string, or words.
fn unquoted_truth(value: &Value) -> Value {
    unquoted(value).unwrap_or(Value::Null)
}

/// An expected call with further acceptable values.
fn call(truth: &Value, acceptable: Option<&Value>) -> Result<ExpectedCall, String> {
    let name = truth.get("name").and_then(Value::as_str).ok_or("the ground truth has no name")?;
    let given = unquoted(truth.get("arguments").unwrap_or(&Value::Null))?;
    let mut arguments: Vec<ExpectedArgument> = (given.as_object().into_iter().flatten())
        .map(|(name, value)| ExpectedArgument { name: name.clone(), accepted: vec![value.clone()] })
        .collect();
    // "Only ground truth is allowed." and null add nothing.
    let more = acceptable.map(unquoted_truth).unwrap_or_default();
    for (name, values) in more.as_object().into_iter().flatten() {
        let values = match values {
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        if let Some(argument) = arguments.iter_mut().find(|argument| argument.name == *name) {
            argument.accepted.extend(values);
        } else {
            // What the ground truth leaves out may be left out.
            let accepted = std::iter::once(Value::from("")).chain(values).collect();
            arguments.push(ExpectedArgument { name: name.clone(), accepted });
        }
    }
    Ok(ExpectedCall { name: name.to_owned(), arguments })
}
