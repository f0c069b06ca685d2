//! What a template does with tools, found by rendering a few conversations with it.

use serde_json::{Map, Value, json};

use super::forms::{Call, CallForm, ToolFormat, Words, is_of_name, object};
use super::{ChatTemplate, hermes};
use crate::pair::{FunctionCall, Message, Role, Tool, ToolCall};

/// Tools as a template writes them itself.
#[derive(Debug, Clone)]
pub(super) struct Native {
    /// The form of a call.
    pub(super) format: ToolFormat,
    /// Whether calls must have ids of nine letters and digits (Mistral).
    pub(super) nine_letter_ids: bool,
}

const NAMES: [&str; 2] = ["probe_of_tools", "probe_of_more"];
const SAID: &str = "Answer of the probe.";
const RESULT: &str = "result of the probe";
/// Ids as this program gives them, and as Mistral's templates want them.
const IDS: [[&str; 2]; 2] = [["call_1", "call_2"], ["Pr0beOne1", "Pr0beTwo2"]];
/// Ends a turn with calls where answers end otherwise (Llama 3.1 in its `ipython` form).
const END_OF_MESSAGE: &str = "<|eom_id|>";

/// How a template writes tools: `None` where it leaves out the tools, the calls or the results, or
/// writes calls in a form that cannot be read back to exactly what was called.
pub(super) fn native(template: &ChatTemplate) -> Option<Native> {
    let user = Message::text(Role::User, "x");
    let tools = NAMES.iter().map(|name| tool(name)).collect::<Option<Vec<_>>>()?;
    let render = |messages: &[Message], open| template.render_as_given(messages, &tools, open).ok();
    let offered = render(std::slice::from_ref(&user), true)?;
    if !NAMES.iter().all(|name| offered.contains(name)) {
        return None;
    }
    let single = |ids: &[&str; 2]| vec![user.clone(), Message::calls(vec![call(NAMES[0], ids[0])])];
    let (written, ids) = IDS.iter().find_map(|ids| Some((render(&single(ids), false)?, ids)))?;
    let mut answered = single(ids);
    answered.push(Message {
        name: Some(NAMES[0].to_owned()),
        tool_call_id: Some(ids[0].to_owned()),
        ..Message::text(Role::Tool, RESULT)
    });
    if !render(&answered, true)?.contains(RESULT) {
        return None;
    }
    let nine_letter_ids = ids != &IDS[0];
    if written.contains(&hermes::call_text(&call(NAMES[0], ids[0]).function)) {
        return Some(Native { format: ToolFormat::Hermes, nine_letter_ids });
    }
    let both = Message::calls(NAMES.iter().zip(ids).map(|(name, id)| call(name, id)).collect());
    let both = render(&[user.clone(), both], false);
    let before = render(std::slice::from_ref(&user), false)?;
    let plain = render(&[user, Message::text(Role::Assistant, SAID)], false)?;
    let (opened, ending) = plain.strip_prefix(&before)?.split_once(SAID)?;
    let said = |written: &str| -> Option<String> {
        let turn = written.strip_prefix(&before)?;
        // Mistral's first ones put a space before an answer and none before a call.
        let turn = turn.strip_prefix(opened).unwrap_or(turn).trim_end();
        let turn = turn.strip_suffix(ending.trim_end()).or(turn.strip_suffix(END_OF_MESSAGE))?;
        Some(turn.to_owned())
    };
    let both = match both {
        Some(written) => Some(said(&written)?),
        None => None,
    };
    let format = ToolFormat::Own(learn(&said(&written)?, both.as_deref(), ids)?);
    Some(Native { format, nine_letter_ids })
}

/// The form of a turn with one call and one with two, `None` if only one may be made.
fn learn(one: &str, two: Option<&str>, ids: &[&str; 2]) -> Option<CallForm> {
    let (start, end, call) = find(one, NAMES[0], ids)?;
    let (open, close) = (Words::new(one.get(..start)?, ids), Words::new(one.get(end..)?, ids));
    let between = match two {
        None => None,
        Some(two) => {
            let (first, end, _) = find(two, NAMES[0], ids)?;
            let rest = two.get(end..)?;
            let (second, last, _) = find(rest, NAMES[1], ids)?;
            let around = [two.get(..first)?, rest.get(last..)?].map(|text| Words::new(text, ids));
            (around == [open.clone(), close.clone()])
                .then(|| rest.get(..second).map(|words| Words::new(words, ids)))?
        }
    };
    let form = CallForm { open, call, between, close };
    let expected = NAMES.map(|name| FunctionCall { name: name.to_owned(), arguments: arguments() });
    let reads = |text: &str, count| form.read(text).as_deref() == expected.get(..count);
    (reads(one, 1) && two.is_none_or(|two| reads(two, 2))).then_some(form)
}

/// Where the call of `name` begins and ends in a text, and how it is written.
fn find(text: &str, name: &str, ids: &[&str; 2]) -> Option<(usize, usize, Call)> {
    let arguments = arguments();
    text.match_indices('{').find_map(|(at, _)| {
        let (found, rest) = object(text.get(at..)?)?;
        let end = text.len() - rest.len();
        if found == arguments {
            let start = text.get(..at)?.rfind(name)?;
            let between = text.get(start + name.len()..at)?;
            let apart = !between.trim_start().starts_with(is_of_name);
            let call = Call::Named { between: Words::new(between, ids) };
            return apart.then_some((start, end, call));
        }
        let key = |holds: &dyn Fn(&Value) -> bool| {
            found.iter().find(|(_, value)| holds(value)).map(|(key, _)| key.clone())
        };
        let named = key(&|value| value == name)?;
        let given = key(&|value| value.as_object() == Some(&arguments))?;
        let others = found.keys().filter(|key| **key != named && **key != given).cloned().collect();
        Some((at, end, Call::Object { name: named, arguments: given, others }))
    })
}

fn tool(name: &str) -> Option<Tool> {
    let properties = json!({"place": {"type": "string", "description": "Where."},
                            "more": {"type": "array", "items": {"type": "integer"}}});
    let parameters = json!({"type": "object", "properties": properties});
    let function = json!({"name": name, "description": "A probe.", "parameters": parameters});
    serde_json::from_value(json!({"type": "function", "function": function})).ok()
}

fn call(name: &str, id: &str) -> ToolCall {
    ToolCall::new(id, name, arguments())
}

/// What a form must keep: other scripts, quotes, and values within values.
fn arguments() -> Map<String, Value> {
    let mut arguments = Map::new();
    arguments.insert("place".to_owned(), "값 \"1\"".into());
    arguments.insert("more".to_owned(), json!([1, {"deep": false}]));
    arguments
}
