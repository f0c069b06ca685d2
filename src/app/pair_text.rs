//! An example as question and answer that a person reads and types.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::strings::{Text, screen as texts};
use crate::document::locate;
use crate::pair::{Example, Language, Message, Meta, Role, ToolCall};
use crate::project::PassageRecord;
use crate::text::nfc;

/// Stands between question and answer in the outside editor.
const DIVIDER: &str = "---";

/// A turn as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnText {
    /// Place among the example's messages; none for a new turn.
    pub at: Option<usize>,
    /// Who speaks.
    pub role: Role,
    /// What is said, or one JSON object a line for each call.
    pub text: String,
}

/// A new question with its answer.
pub fn exchange(question: &str, answer: &str) -> [TurnText; 2] {
    [(Role::User, question), (Role::Assistant, answer)].map(|(role, text)| TurnText {
        at: None,
        role,
        text: text.to_owned(),
    })
}

/// Every turn as text, oldest first.
pub fn turns(example: &Example) -> Vec<TurnText> {
    let turn = |(at, message): (usize, &Message)| TurnText {
        at: Some(at),
        role: message.role,
        text: message.text_or_calls(),
    };
    example.messages.iter().enumerate().map(turn).collect()
}

/// The example with other turns. Where tools are offered, an answer of JSON objects becomes calls.
/// A question and its answer that are both empty are left out, and so is an empty system turn.
///
/// # Errors
/// Says which side is empty, or that the calls cannot be read.
pub fn with_turns(example: &Example, turns: &[TurnText]) -> Result<Example, Text> {
    let mut messages: Vec<Message> = Vec::new();
    for turn in turns {
        let text = nfc(turn.text.trim());
        let before = turn.at.and_then(|at| example.messages.get(at));
        let mut message =
            before.cloned().unwrap_or_else(|| Message::text(turn.role, String::new()));
        let was_calls = !message.tool_calls.is_empty();
        let offers = was_calls || !example.tools.is_empty();
        if turn.role == Role::Assistant && offers && text.starts_with(['{', '[']) {
            message.tool_calls = calls(&text, &message.tool_calls)?;
            message.content = String::new();
        } else if turn.role == Role::Assistant && was_calls && !text.is_empty() {
            // An answer in words takes the place of the calls.
            (message.tool_calls, message.content) = (Vec::new(), text.into_owned());
        } else {
            message.tool_calls.clear();
            message.content = text.into_owned();
        }
        messages.push(message);
    }
    let empty = |message: &Message| message.content.is_empty() && message.tool_calls.is_empty();
    let mut kept: Vec<Message> = Vec::new();
    for message in messages {
        let answers_nothing =
            kept.last().is_some_and(|last| last.role == Role::User && empty(last));
        match message.role {
            Role::System if empty(&message) => {}
            Role::Assistant if empty(&message) && answers_nothing => {
                kept.pop();
            }
            Role::Assistant if answers_nothing => return Err(texts::EMPTY_QUESTION),
            Role::Assistant if empty(&message) => return Err(texts::EMPTY_ANSWER),
            _ if answers_nothing => return Err(texts::EMPTY_QUESTION),
            _ => kept.push(message),
        }
    }
    if kept.last().is_some_and(|last| last.role == Role::User && empty(last)) {
        return Err(texts::EMPTY_QUESTION);
    }
    if !kept.iter().any(|message| message.role == Role::User) {
        return Err(texts::EMPTY_QUESTION);
    }
    Ok(Example { messages: kept, ..example.clone() })
}

/// A new example about a passage.
pub fn new_example(passage: Option<(&PassageRecord, &str)>) -> Example {
    let meta = Meta {
        document: passage.map(|(_, document)| document.to_owned()),
        page: passage.map(|(record, _)| record.passage.page),
        author: Some("user".to_owned()),
        ..Meta::default()
    };
    Example { meta, ..Example::default() }
}

/// Notes the language that the text is written in.
pub fn note_language(example: &mut Example) {
    example.meta.language = None;
    let language: Language = example.language();
    example.meta.language = Some(language);
}

/// Where the supporting quote stands in its passage, as a byte range: where the checks find it.
pub fn quote_range(passage: &str, quote: &str) -> Option<Range<usize>> {
    locate(passage, quote).map(|span| span.bytes(passage))
}

/// Turns as one text for the outside editor: question, divider, answer; or where there is more,
/// each turn under a divider that names who speaks.
pub fn join(turns: &[TurnText]) -> String {
    if let [question, answer] = turns
        && (question.role, answer.role) == (Role::User, Role::Assistant)
    {
        return format!("{}\n\n{DIVIDER}\n\n{}\n", question.text, answer.text);
    }
    let turn = |turn: &TurnText| format!("{DIVIDER} {}\n\n{}\n", turn.role.as_str(), turn.text);
    turns.iter().map(turn).collect::<Vec<_>>().join("\n")
}

/// Turns from the outside editor's text, in the places that `before` gives them; none when a
/// divider is gone.
pub fn split(text: &str, before: &[TurnText]) -> Option<Vec<TurnText>> {
    let mut parts: Vec<(Option<Role>, Vec<&str>)> = vec![(None, Vec::new())];
    for line in text.lines() {
        let role = line.trim_end().strip_prefix(DIVIDER).and_then(|name| match name.trim() {
            "" => Some(Role::Assistant),
            name => ALL_ROLES.into_iter().find(|role| role.as_str() == name),
        });
        // Only the first bare divider parts question and answer.
        let bare = line.trim_end() == DIVIDER;
        match role {
            Some(role) if !bare || parts.len() == 1 => parts.push((Some(role), Vec::new())),
            _ => parts.last_mut()?.1.push(line),
        }
    }
    let clean = |lines: &[&str]| nfc(lines.join("\n").trim()).into_owned();
    let mut found: Vec<(Role, String)> = Vec::new();
    for (index, (role, lines)) in parts.iter().enumerate() {
        let text = clean(lines);
        match role {
            Some(role) => found.push((*role, text)),
            None if index == 0 && text.is_empty() && parts.len() > 1 => {}
            None => found.push((Role::User, text)),
        }
    }
    if found.len() < 2 {
        return None;
    }
    // A turn keeps its place as long as the turns before it are of the same kinds.
    let mut same = true;
    let turns = found.into_iter().enumerate().map(|(index, (role, text))| {
        let old = before.get(index);
        same &= old.is_some_and(|old| old.role == role);
        TurnText { at: old.filter(|_| same).and_then(|old| old.at), role, text }
    });
    Some(turns.collect())
}

const ALL_ROLES: [Role; 4] = [Role::System, Role::User, Role::Assistant, Role::Tool];

fn calls(text: &str, before: &[ToolCall]) -> Result<Vec<ToolCall>, Text> {
    let mut calls = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let value = value.map_err(|_| texts::BAD_CALLS)?;
        let name = value.get("name").and_then(Value::as_str).ok_or(texts::BAD_CALLS)?;
        let arguments = value.get("arguments").and_then(Value::as_object).cloned();
        let id = match before.get(calls.len()) {
            Some(call) => call.id.clone(),
            None => format!("call_{}", calls.len() + 1),
        };
        calls.push(ToolCall::new(id, name, arguments.ok_or(texts::BAD_CALLS)?));
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::pair::{FunctionDefinition, Tool};

    fn turn(at: Option<usize>, role: Role, text: &str) -> TurnText {
        TurnText { at, role, text: text.to_owned() }
    }

    fn plain(question: &str, answer: &str) -> Example {
        with_turns(&Example::default(), &exchange(question, answer)).unwrap()
    }

    #[test]
    fn texts_go_in_and_out() {
        let example = plain("창고의 활하중은?", " 25 % 이상이다. ");
        assert_eq!(example.question(), "창고의 활하중은?");
        assert_eq!(example.answer_text(), "25 % 이상이다.");
        for (question, answer, error) in [
            (" ", "x", texts::EMPTY_QUESTION),
            ("x", "\n", texts::EMPTY_ANSWER),
            ("", "", texts::EMPTY_QUESTION),
        ] {
            assert_eq!(with_turns(&example, &exchange(question, answer)), Err(error));
        }
        let answered = [turn(None, Role::User, "x")];
        assert!(with_turns(&Example::default(), &answered).is_ok(), "the checks tell of it");
    }

    #[test]
    fn empty_exchanges_are_left_out_and_new_ones_added() {
        let example = plain("하나", "둘");
        let mut typed = turns(&example);
        typed.extend(exchange("셋", "넷"));
        typed.extend(exchange("", " "));
        typed.insert(0, turn(None, Role::System, "짧게 답하라."));
        let longer = with_turns(&example, &typed).unwrap();
        let said: Vec<_> = longer.messages.iter().map(|turn| turn.content.as_str()).collect();
        assert_eq!(said, ["짧게 답하라.", "하나", "둘", "셋", "넷"]);
        let mut typed = turns(&longer);
        typed[0].text.clear();
        typed[1].text.clear();
        typed[2].text.clear();
        let shorter = with_turns(&longer, &typed).unwrap();
        assert_eq!(shorter.messages.len(), 2);
        assert_eq!(shorter.question(), "셋");
    }

    #[test]
    fn calls_are_edited_as_json() {
        let mut example = plain("서울 날씨", "x");
        let arguments = Map::from_iter([("city".to_owned(), Value::from("서울"))]);
        example.messages[1] =
            Message::calls(vec![ToolCall::new("call_7", "get_weather", arguments)]);
        let mut typed = turns(&example);
        assert_eq!(typed[1].text, r#"{"name":"get_weather","arguments":{"city":"서울"}}"#);
        typed[1].text = typed[1].text.replace("서울", "부산");
        let changed = with_turns(&example, &typed).unwrap();
        assert_eq!(changed.messages[1].tool_calls[0].id, "call_7");
        assert_eq!(changed.messages[1].tool_calls[0].function.arguments["city"], "부산");
        typed[1].text = r#"{"name":"a"}"#.to_owned();
        assert_eq!(with_turns(&example, &typed), Err(texts::BAD_CALLS));
        typed[1].text = "어느 도시인가요?".to_owned();
        let asked = with_turns(&example, &typed).unwrap();
        assert_eq!((asked.answer(), asked.calls().count()), ("어느 도시인가요?", 0));
        // And back, as long as tools are offered.
        typed[1].text = r#"{"name":"get_weather","arguments":{}}"#.to_owned();
        assert_eq!(with_turns(&plain("a", "b"), &typed).unwrap().calls().count(), 0);
        let mut offering = plain("a", "b");
        offering.tools = vec![Tool {
            kind: "function".to_owned(),
            function: FunctionDefinition {
                name: "get_weather".to_owned(),
                description: String::new(),
                parameters: Value::Null,
            },
        }];
        assert_eq!(with_turns(&offering, &typed).unwrap().calls().count(), 1);
    }

    #[test]
    fn quotes_are_found_despite_line_breaks() {
        let passage = "(1) 창고로 쓰이는 공간에서는\n활하중의 최소 25 %를 포함한다.";
        for (quote, expected) in [
            ("활하중의 최소", Some("활하중의 최소")),
            ("공간에서는 활하중의", Some("공간에서는\n활하중의")),
            ("활하중의 최소 25%", Some("활하중의 최소 25 %")),
            ("적설하중", None),
            ("  ", None),
        ] {
            assert_eq!(quote_range(passage, quote).map(|range| &passage[range]), expected);
        }
    }

    #[test]
    fn the_outside_form_can_be_read_back() {
        let pair = exchange("질문\n둘째 줄", "답\n\n---\n아님");
        assert_eq!(split(&join(&pair), &pair).unwrap(), pair);
        let mut long = turns(&plain("하나", "둘"));
        long.insert(0, turn(None, Role::System, "짧게"));
        long.extend(exchange("셋", "넷"));
        assert_eq!(split(&join(&long), &long).unwrap(), long);
        assert_eq!(split("no divider", &pair), None);
        let added = "하나\n---\n둘\n--- user\n셋\n--- assistant\n넷";
        let read = split(added, &turns(&plain("하나", "둘"))).unwrap();
        assert_eq!(
            read.iter().map(|turn| turn.at).collect::<Vec<_>>(),
            [Some(0), Some(1), None, None]
        );
    }
}
