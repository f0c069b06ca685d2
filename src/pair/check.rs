//! What is wrong with an example as training material.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use jsonschema::Validator;
use serde_json::Value;

use super::{Example, Message, Role, Tool, ToolCall};

/// Lists what is wrong with an example, one sentence each; empty when it can be trained on.
///
/// Turns must be in an order that chat templates accept and say something; calls must name a tool
/// offered, have arguments valid against its JSON Schema, and be answered before the talk goes on.
pub fn check(example: &Example) -> Vec<String> {
    let mut problems = Vec::new();
    turns(&example.messages, &mut problems);
    tools(&example.tools, &mut problems);
    calls(example, &mut problems);
    problems
}

fn turns(messages: &[Message], problems: &mut Vec<String>) {
    if messages.is_empty() {
        problems.push("there are no messages".to_owned());
        return;
    }
    let mut before: Option<&Message> = None;
    for (number, message) in messages.iter().enumerate().map(|(index, m)| (index + 1, m)) {
        let calls = |turn: &Message| !turn.tool_calls.is_empty();
        let fault = match (message.role, before.map(|turn| (turn.role, calls(turn)))) {
            (Role::System, None)
            | (Role::User, None | Some((Role::System, _) | (Role::Assistant, false)))
            | (Role::Assistant, Some((Role::User | Role::Tool, _)))
            | (Role::Tool, Some((Role::Assistant, true) | (Role::Tool, _)))
            // That a call has no result is told where results are matched with calls.
            | (Role::User | Role::Assistant, Some((Role::Assistant, true))) => None,
            (Role::System, Some(_)) => Some("a system turn can only be the first".to_owned()),
            (Role::Tool, _) => Some("a tool's turn must follow the call it answers".to_owned()),
            (role, None) => Some(format!(
                "the conversation starts with the {}",
                role.as_str()
            )),
            (role, Some((other, _))) => {
                Some(format!("{} follows {}", role.as_str(), other.as_str()))
            }
        };
        problems.extend(fault.map(|fault| format!("message {number}: {fault}")));
        let blank = message.content.trim().is_empty();
        if blank && message.role != Role::Tool && !calls(message) {
            problems.push(format!("message {number}: the {} says nothing", message.role.as_str()));
        }
        if calls(message) && message.role != Role::Assistant {
            problems.push(format!("message {number}: only the assistant can make calls"));
        }
        before = Some(message);
    }
    if before.is_some_and(|last| last.role != Role::Assistant) {
        problems.push("the last turn is not the assistant's".to_owned());
    }
}

fn tools(tools: &[Tool], problems: &mut Vec<String>) {
    let mut names = HashSet::new();
    for tool in tools {
        let function = &tool.function;
        if function.name.trim().is_empty() {
            problems.push("a tool has no name".to_owned());
        } else if !names.insert(&function.name) {
            problems.push(format!("tool `{}` is offered twice", function.name));
        }
        if let Err(error) = validator(&function.parameters) {
            problems.push(format!(
                "tool `{}`: its parameters are not a valid JSON Schema: {error}",
                function.name
            ));
        }
    }
}

fn calls(example: &Example, problems: &mut Vec<String>) {
    let mut ids = HashSet::new();
    let mut open: Vec<&str> = Vec::new();
    for (number, message) in example.messages.iter().enumerate().map(|(index, m)| (index + 1, m)) {
        if message.role == Role::Tool {
            match &message.tool_call_id {
                None => problems.push(format!("message {number}: the result names no call")),
                Some(id) => match open.iter().position(|call| call == id) {
                    Some(at) => {
                        open.swap_remove(at);
                    }
                    None => problems.push(format!(
                        "message {number}: the result answers `{id}`, which is no open call"
                    )),
                },
            }
        } else if !open.is_empty() {
            let unanswered = std::mem::take(&mut open).join("`, `");
            problems.push(format!("message {number}: call `{unanswered}` has no result"));
        }
        for call in &message.tool_calls {
            if ids.insert(&call.id) {
                open.push(&call.id);
            } else {
                problems.push(format!("message {number}: call id `{}` occurs twice", call.id));
            }
            let faults = call_faults(call, &example.tools).into_iter();
            problems.extend(faults.map(|fault| format!("message {number}: {fault}")));
        }
    }
}

/// Schemas compiled lately, by their text: the rows of a file offer the same few tools over and over, and
/// compiling one takes longer than all other checks of a row.
type Compiled = HashMap<String, Result<Rc<Validator>, String>>;

/// Schemas remembered, at most.
const COMPILED_MAX: usize = 64;

thread_local! {
    static COMPILED: RefCell<Compiled> = RefCell::default();
}

/// Compiles a JSON Schema, or gives the one compiled before.
fn validator(schema: &Value) -> Result<Rc<Validator>, String> {
    COMPILED.with_borrow_mut(|compiled| {
        let text = schema.to_string();
        if let Some(known) = compiled.get(&text) {
            return known.clone();
        }
        if compiled.len() >= COMPILED_MAX {
            compiled.clear();
        }
        let made =
            jsonschema::validator_for(schema).map(Rc::new).map_err(|error| error.to_string());
        compiled.insert(text, made.clone());
        made
    })
}

/// What is wrong with one call, given the tools offered.
pub fn call_faults(call: &ToolCall, tools: &[Tool]) -> Vec<String> {
    let name = &call.function.name;
    let Some(tool) = tools.iter().find(|tool| tool.function.name == *name) else {
        return vec![format!("tool `{name}` is called but not offered")];
    };
    let schema = &tool.function.parameters;
    // A schema that is not valid is reported once, where the tool is offered.
    let Ok(validator) = validator(schema) else {
        return Vec::new();
    };
    let arguments = Value::Object(call.function.arguments.clone());
    let mut faults: Vec<String> = validator
        .iter_errors(&arguments)
        .map(|error| match error.instance_path().as_str() {
            "" => format!("arguments of `{name}`: {error}"),
            path => format!("argument `{}` of `{name}`: {error}", path.trim_start_matches('/')),
        })
        .collect();
    // JSON Schema lets unknown members pass where the author did not forbid them; a call that
    // passes a parameter the tool does not have is wrong all the same.
    let open =
        schema.get("additionalProperties").is_some() || schema.get("patternProperties").is_some();
    if let (false, Some(Value::Object(properties))) = (open, schema.get("properties")) {
        let unknown = call.function.arguments.keys().filter(|key| !properties.contains_key(*key));
        faults.extend(unknown.map(|key| format!("`{name}` has no parameter `{key}`")));
    }
    faults
}
