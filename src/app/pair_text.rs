//! An example as question and answer that a person reads and types.

use std::ops::Range;

use serde_json::Value;

use super::strings::{Text, screen as texts};
use crate::pair::{Example, Language, Message, Meta, Role, ToolCall};
use crate::project::PassageRecord;
use crate::text::nfc;

/// Stands between question and answer in the outside editor.
const DIVIDER: &str = "---";

/// The example with another question and answer. An answer made of calls must stay so.
///
/// # Errors
/// Says which side is empty, or that the calls cannot be read.
pub fn with_texts(example: &Example, question: &str, answer: &str) -> Result<Example, Text> {
    let (question, answer) = (nfc(question.trim()), nfc(answer.trim()));
    if question.is_empty() {
        return Err(texts::EMPTY_QUESTION);
    }
    if answer.is_empty() {
        return Err(texts::EMPTY_ANSWER);
    }
    let mut changed = example.clone();
    let asked = changed.messages.iter().rposition(|message| message.role == Role::User);
    match asked {
        Some(at) => changed.messages[at].content = question.into_owned(),
        None => changed.messages.insert(0, Message::text(Role::User, question)),
    }
    match last_assistant(&changed) {
        Some(at) if !changed.messages[at].tool_calls.is_empty() => {
            changed.messages[at].tool_calls = calls(&answer, &changed.messages[at].tool_calls)?;
        }
        Some(at) => changed.messages[at].content = answer.into_owned(),
        None => changed.messages.push(Message::text(Role::Assistant, answer)),
    }
    Ok(changed)
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

/// Where the supporting quote stands in its passage, as a byte range: word for word, or apart from
/// spaces and line breaks.
pub fn quote_range(passage: &str, quote: &str) -> Option<Range<usize>> {
    let quote = quote.trim();
    if quote.is_empty() {
        return None;
    }
    if let Some(start) = passage.find(quote) {
        return Some(start..start + quote.len());
    }
    let wanted: Vec<char> = quote.chars().filter(|c| !c.is_whitespace()).collect();
    let given: Vec<(usize, char)> =
        passage.char_indices().filter(|(_, c)| !c.is_whitespace()).collect();
    let at =
        given.windows(wanted.len()).position(|window| window.iter().map(|(_, c)| c).eq(&wanted))?;
    let (start, (last, letter)) = (given.get(at)?.0, given.get(at + wanted.len() - 1)?);
    Some(start..last + letter.len_utf8())
}

/// Question and answer as one text for the outside editor.
pub fn join(question: &str, answer: &str) -> String {
    format!("{question}\n\n{DIVIDER}\n\n{answer}\n")
}

/// Question and answer from the outside editor's text; none when the divider is gone.
pub fn split(text: &str) -> Option<(String, String)> {
    let mut question = Vec::new();
    let mut lines = text.lines();
    for line in lines.by_ref() {
        if line.trim_end() == DIVIDER {
            let answer: Vec<_> = lines.collect();
            let clean = |lines: &[&str]| nfc(lines.join("\n").trim()).into_owned();
            return Some((clean(&question), clean(&answer)));
        }
        question.push(line);
    }
    None
}

fn last_assistant(example: &Example) -> Option<usize> {
    example.messages.iter().rposition(|message| message.role == Role::Assistant)
}

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

    fn plain(question: &str, answer: &str) -> Example {
        with_texts(&Example::default(), question, answer).unwrap()
    }

    #[test]
    fn texts_go_in_and_out() {
        let example = plain("창고의 활하중은?", " 25 % 이상이다. ");
        assert_eq!(example.question(), "창고의 활하중은?");
        assert_eq!(example.answer_text(), "25 % 이상이다.");
        assert_eq!(with_texts(&example, " ", "x"), Err(texts::EMPTY_QUESTION));
        assert_eq!(with_texts(&example, "x", "\n"), Err(texts::EMPTY_ANSWER));
    }

    #[test]
    fn calls_are_edited_as_json_and_must_stay_calls() {
        let mut example = plain("서울 날씨", "x");
        let arguments = Map::from_iter([("city".to_owned(), Value::from("서울"))]);
        example.messages[1] =
            Message::calls(vec![ToolCall::new("call_7", "get_weather", arguments)]);
        let text = example.answer_text();
        assert_eq!(text, r#"{"name":"get_weather","arguments":{"city":"서울"}}"#);
        let changed = with_texts(&example, "부산 날씨", &text.replace("서울", "부산")).unwrap();
        assert_eq!(changed.messages[1].tool_calls[0].id, "call_7");
        assert_eq!(changed.messages[1].tool_calls[0].function.arguments["city"], "부산");
        assert_eq!(with_texts(&example, "x", "날씨는 맑다"), Err(texts::BAD_CALLS));
        assert_eq!(with_texts(&example, "x", r#"{"name":"a"}"#), Err(texts::BAD_CALLS));
    }

    #[test]
    fn quotes_are_found_despite_line_breaks() {
        let passage = "(1) 창고로 쓰이는 공간에서는\n활하중의 최소 25 %를 포함한다.";
        for (quote, expected) in [
            ("활하중의 최소", Some("활하중의 최소")),
            ("공간에서는 활하중의", Some("공간에서는\n활하중의")),
            ("적설하중", None),
            ("  ", None),
        ] {
            assert_eq!(quote_range(passage, quote).map(|range| &passage[range]), expected);
        }
    }

    #[test]
    fn the_outside_form_can_be_read_back() {
        let text = join("질문\n둘째 줄", "답\n\n--- 아님");
        assert_eq!(split(&text), Some(("질문\n둘째 줄".to_owned(), "답\n\n--- 아님".to_owned())));
        assert_eq!(split("no divider"), None);
    }
}
