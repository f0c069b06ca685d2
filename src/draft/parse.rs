//! Finds proposals in whatever a model wrote: a JSON array, fenced or bare, objects one by one,
//! JSON lines, an array that was cut off, or lines that begin with "Q:", "A:" and "Quote:".
//! Where nothing is found, it says why.

use serde_json::Value;

mod labels;

use crate::text::loose_json::read_object;

/// A pair as the model proposed it, unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Proposal {
    pub question: String,
    pub answer: String,
    /// Empty where the model gave none.
    pub quote: String,
}

impl Proposal {
    /// The beginning of the question, or of the answer where there is none, for a reason.
    pub fn shown(&self) -> String {
        let text = [&self.question, &self.answer, &self.quote]
            .into_iter()
            .find(|text| !text.trim().is_empty());
        beginning(text.map_or("", String::as_str), 48)
    }
}

/// What an answer held.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub proposals: Vec<Proposal>,
    /// What could not be used and why; never empty when `proposals` is.
    pub refused: Vec<String>,
}

/// Reads a model's answer. `cut_at` is the token limit where the answer is known to have hit it.
pub(super) fn proposals(answer: &str, cut_at: Option<usize>) -> Found {
    let limit = match cut_at {
        Some(tokens) => format!("it was cut off at its limit of {tokens} tokens"),
        None => "it ends in the middle".to_owned(),
    };
    let (text, unfinished_thought) = without_thoughts(answer);
    let mut found = Found::default();
    if text.trim().is_empty() {
        found.refused.push(match (unfinished_thought, cut_at) {
            (true, _) => format!("the model only thought aloud and gave no answer: {limit}"),
            (false, Some(_)) => format!("the model's answer is empty: {limit}"),
            (false, None) => "the model's answer is empty".to_owned(),
        });
        return found;
    }
    let cut_object = objects(&text, &mut found);
    if found.proposals.is_empty() && found.refused.is_empty() {
        found.proposals = labels::proposals(&text);
    }
    if cut_object || (cut_at.is_some() && !found.proposals.is_empty()) {
        found.refused.push(format!("the last pair of the answer is incomplete: {limit}"));
    } else if found.proposals.is_empty() && found.refused.is_empty() {
        let ending = cut_at.map_or(String::new(), |_| format!("; {limit}"));
        found.refused.push(if empty_array(&text) {
            "the model answered with an empty list".to_owned()
        } else {
            format!(
                "no JSON with a question and an answer was found in the model's answer, which begins \
                 \"{}\"{ending}",
                beginning(&text, 80)
            )
        });
    }
    found
}

/// The first `most` characters on one line, with an ellipsis if there are more.
pub(super) fn beginning(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().filter(|c| !c.is_control()).take(most).collect();
    if line.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// Collects the pairs of all JSON objects; tells whether the text ends inside one.
fn objects(text: &str, found: &mut Found) -> bool {
    // A text of nothing but braces must not be read from each of them to its end.
    const MOST_FAILURES: usize = 100;
    let mut failures = 0;
    let mut at = 0;
    let mut open: Option<usize> = None;
    while let Some(start) = text[at..].find('{').map(|offset| at + offset) {
        if failures == MOST_FAILURES {
            break;
        }
        let before = found.proposals.len();
        match read_object(&text[start..]) {
            Some(object) if !object.cut => {
                // Something complete came after what seemed cut off, so that was just malformed.
                if let Some(open) = open.take() {
                    found.refused.push(unreadable(&text[open..]));
                }
                collect(&object.value, false, found);
                at = start + object.length;
                continue;
            }
            Some(object) => {
                // Pairs that are complete inside, as in {"pairs": [{...}, {..., are kept. Where
                // there are none, a missing quotation mark may have swallowed what follows.
                collect(&object.value, true, found);
                open = open.or(Some(start));
                if found.proposals.len() > before {
                    return true;
                }
            }
            None if begins_like_a_pair(&text[start..]) => {
                found.refused.push(unreadable(&text[start..]));
            }
            None => {}
        }
        failures += 1;
        at = start + 1;
    }
    open.is_some()
}

fn unreadable(text: &str) -> String {
    format!("a pair is not valid JSON: {}", beginning(text, 60))
}

/// Tells whether the first key after the brace is one of a question's.
fn begins_like_a_pair(text: &str) -> bool {
    let key: String = text
        .chars()
        .skip(1)
        .skip_while(|c| !c.is_alphanumeric())
        .take_while(|c| c.is_alphanumeric())
        .collect();
    QUESTION.contains(&plain_key(&key).as_str())
}

/// Adds the pair that `value` is, or those inside it. `cut` is for a value that has no end: its
/// last innermost object is left out.
fn collect(value: &Value, cut: bool, found: &mut Found) {
    match value {
        Value::Object(map) => {
            let field = |names: &[&str]| {
                map.iter()
                    .find(|(key, _)| names.contains(&plain_key(key).as_str()))
                    .map(|(_, value)| flat(value))
            };
            let (question, answer) = (field(&QUESTION), field(&ANSWER));
            if question.is_none() && answer.is_none() {
                let last = map.len().saturating_sub(1);
                for (index, inner) in map.values().enumerate() {
                    collect(inner, cut && index == last, found);
                }
                return;
            }
            if cut {
                return;
            }
            let proposal = Proposal {
                question: question.unwrap_or_default(),
                answer: answer.unwrap_or_default(),
                quote: field(&QUOTE).unwrap_or_default(),
            };
            let missing = match (proposal.question.trim(), proposal.answer.trim()) {
                ("", "") => "it has neither question nor answer",
                ("", _) => "it has no question",
                (_, "") => "it has no answer",
                _ => {
                    found.proposals.push(proposal);
                    return;
                }
            };
            found.refused.push(match proposal.shown() {
                shown if shown.is_empty() => format!("a proposed pair: {missing}"),
                shown => format!("\"{shown}\": {missing}"),
            });
        }
        Value::Array(values) => {
            let last = values.len().saturating_sub(1);
            for (index, inner) in values.iter().enumerate() {
                collect(inner, cut && index == last, found);
            }
        }
        _ => {}
    }
}

const QUESTION: [&str; 6] = ["question", "q", "질문", "문제", "instruction", "prompt"];
const ANSWER: [&str; 8] = ["answer", "a", "답변", "답", "대답", "정답", "response", "output"];
const QUOTE: [&str; 10] = [
    "quote",
    "quotation",
    "citation",
    "evidence",
    "source",
    "인용",
    "인용문",
    "근거",
    "출처",
    "원문",
];

/// A key without case, spaces and a number at its end: "Question 1" is "question".
fn plain_key(key: &str) -> String {
    let trimmed = key.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let trimmed = trimmed.trim_end_matches(|c: char| c.is_ascii_digit() || " _-.".contains(c));
    trimmed.to_owned()
}

/// A value as text: lists are joined by lines, `null` is empty.
fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Null => String::new(),
        Value::Array(values) => values.iter().map(flat).collect::<Vec<_>>().join("\n"),
        Value::Object(map) => map.values().map(flat).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

/// Takes out `<think>…</think>`; tells whether such a part has no end.
fn without_thoughts(answer: &str) -> (String, bool) {
    let mut text = String::with_capacity(answer.len());
    let mut rest = answer;
    // Some servers swallow the opening mark.
    if let Some((before, after)) = rest.split_once("</think>")
        && !before.contains("<think>")
    {
        rest = after;
    }
    while let Some((before, thought)) = rest.split_once("<think>") {
        text.push_str(before);
        match thought.split_once("</think>") {
            Some((_, after)) => rest = after,
            None => return (text, true),
        }
    }
    text.push_str(rest);
    (text, false)
}

fn empty_array(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !c.is_whitespace() && *c != '`').collect();
    matches!(bare.as_str(), "[]" | "json[]" | "{}" | "json{}")
}

#[cfg(test)]
mod tests;
