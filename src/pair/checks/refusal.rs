//! Answers that decline to answer, or say that the text does not tell.
//!
//! What a source lacks is said in one clause: what is looked in, and that it is not there. Both are looked
//! for in a clause of their own near the beginning, so that rules about buildings ("cannot be used without
//! approval") and cases ("알 수 없는 경우에는", "if the maker does not state it") are none. What the quote
//! itself says is no refusal either.

mod english;
mod korean;

use super::{Detail, Field, Finding, Kind, Severity, answer};
use crate::pair::Example;

/// Characters of an answer in which a refusal begins.
const BEGINNING: usize = 120;

pub(super) fn finding(example: &Example, has_page: bool) -> Option<Finding> {
    let (at, answer) = answer(example)?;
    let beginning: String = answer.chars().take(2 * BEGINNING).collect();
    let question = example.question();
    let quote = example.meta.quote.as_deref().unwrap_or_default();
    // A pair drawn from a text has its answer there; in conversation it may be right to decline, so that
    // only what models say by rote counts.
    let drawn = !quote.trim().is_empty() || has_page;
    let refuses = korean::refuses(&beginning, question, quote, drawn)
        || english::refuses(&beginning, question, quote, drawn);
    let finding = Finding::new(Kind::Refusal, Severity::Warning, Detail::None);
    refuses.then(|| finding.at(Field::Message(at), None))
}

/// The sentences that begin near the beginning, with whether quotation marks are open before them.
fn sentences(text: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    let (mut start, mut before, mut open) = (0, 0, false);
    let mut quotes = 0;
    for (at, c) in text.char_indices() {
        let next = text[at + c.len_utf8()..].chars().next();
        quotes += usize::from(matches!(c, '"' | '“' | '”'));
        let ends = matches!(c, '.' | '!' | '?' | '\n') && next.is_none_or(char::is_whitespace);
        if ends {
            found.push((&text[start..at], open));
            start = at + c.len_utf8();
            open = quotes % 2 == 1;
        }
        before += 1;
        if before > BEGINNING && ends {
            break;
        }
    }
    found.push((&text[start..], open));
    found.into_iter().filter(|(sentence, _)| !sentence.trim().is_empty()).collect()
}
