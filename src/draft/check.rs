//! Judges a proposal by code: its quote must stand in the passage, its language must be the
//! passage's, and figures in the answer must occur in the source.

use serde_json::Map;

use crate::document::Passage;
use crate::pair::{Example, Language, Message, Meta, ReviewState, Role};
use crate::text::script::{Letters, is_han};
use crate::text::{Span, quantity};

use super::Prompt;
use super::parse::{Proposal, beginning};

mod question;

pub use crate::document::locate;

/// Tag of a draft whose answer has a figure that the passage has not.
pub const CHECK_NUMBERS: &str = "check-numbers";

/// Tag of a draft whose question leans on a text that the reader will not see.
pub const CHECK_QUESTION: &str = "check-question";

/// Tag of a draft whose quote was wrong or missing, but whose answer itself stands in the passage
/// and is used as the quote.
pub const QUOTE_FROM_ANSWER: &str = "quote-from-answer";

/// Shortest quote that supports anything, in characters that are no spaces.
const SHORTEST_QUOTE: usize = 4;

/// Shortest answer that may stand for a quote, in characters that are no spaces.
const SHORTEST_ANSWER_QUOTE: usize = 12;

/// Shortest question without a question mark, in characters that are no spaces.
const SHORTEST_STATED_QUESTION: usize = 6;

/// Shortest text that is hardly the prompt's by chance, in characters that are no spaces.
const SHORTEST_EXAMPLE: usize = 10;

/// The language of a text, from the share of Hangul among its letters. Korean technical prose
/// holds many Latin terms and units, so a quarter is enough.
pub fn language_of(text: &str) -> Language {
    let letters = Letters::of(text);
    if letters.hangul * 4 >= letters.all.max(1) { Language::Korean } else { Language::English }
}

/// What proposals are judged against.
pub(super) struct Frame<'a> {
    pub passage: &'a Passage,
    pub document: &'a str,
    pub author: &'a str,
    pub prompt: &'a Prompt,
}

impl Frame<'_> {
    /// Turns a proposal into a draft, or says in words why not. `earlier` are the drafts that it
    /// must not repeat.
    pub fn check(&self, proposal: &Proposal, earlier: &[Example]) -> Result<Example, String> {
        const LONGEST_QUESTION: usize = 600;
        const LONGEST_ANSWER: usize = 6000;
        let question = question::without_number(&proposal.question);
        let answer = proposal.answer.trim();
        if !question.chars().any(char::is_alphanumeric) {
            return Err("the question is empty".to_owned());
        }
        if !answer.chars().any(char::is_alphanumeric) {
            return Err("the answer is empty".to_owned());
        }
        if question.chars().count() > LONGEST_QUESTION || answer.chars().count() > LONGEST_ANSWER {
            return Err("it is too long for a question and its answer".to_owned());
        }
        let key = question::key(question);
        if key == question::key(answer) {
            return Err("the answer only repeats the question".to_owned());
        }
        if earlier
            .iter()
            .filter_map(|draft| draft.messages.first())
            .any(|m| question::key(&m.content) == key)
        {
            return Err("the same question was proposed before".to_owned());
        }
        if self.passage.context.iter().any(|title| question::key(title) == key) {
            return Err("the question is just the passage's title".to_owned());
        }
        if question::asks_for_heading(question) {
            return Err("it asks about a chapter number or title".to_owned());
        }
        if locate(&self.passage.text, question).is_some() {
            return Err("the question is copied from the passage".to_owned());
        }
        if !question.contains(['?', '？']) && solid(question) < SHORTEST_STATED_QUESTION {
            return Err("it is no question".to_owned());
        }
        if [question, answer]
            .iter()
            .any(|text| solid(text) >= SHORTEST_EXAMPLE && self.prompt.example_holds(text))
        {
            return Err("it repeats the example in the prompt".to_owned());
        }
        self.check_language(question, answer)?;
        let mut tags = Vec::new();
        let span = match self.find_quote(&proposal.quote) {
            Ok(span) => span,
            Err(reason) => {
                let stands = (solid(answer) >= SHORTEST_ANSWER_QUOTE)
                    .then(|| locate(&self.passage.text, answer))
                    .flatten();
                tags.extend(stands.map(|_| QUOTE_FROM_ANSWER.to_owned()));
                stands.ok_or(reason)?
            }
        };
        let quote = span.of(&self.passage.text).to_owned();
        if !quantity::missing(answer, question, &self.passage.text).is_empty() {
            tags.push(CHECK_NUMBERS.to_owned());
        }
        if question::leans_on_unseen_text(question) {
            tags.push(CHECK_QUESTION.to_owned());
        }
        let start = self.passage.span.start;
        Ok(Example {
            messages: vec![
                Message::text(Role::User, question),
                Message::text(Role::Assistant, answer),
            ],
            tools: Vec::new(),
            meta: Meta {
                language: Some(self.prompt.language()),
                document: Some(self.document.to_owned()),
                page: Some(self.passage.page),
                span: Some(Span { start: start + span.start, end: start + span.end }),
                quote: Some(quote),
                author: Some(self.author.to_owned()),
                state: Some(ReviewState::Draft),
                tags,
                // What the data card of an export counts drafts by.
                other: Map::from_iter([("prompt".to_owned(), self.prompt.name().into())]),
                ..Meta::default()
            },
        })
    }

    fn find_quote(&self, quote: &str) -> Result<Span, String> {
        if !quote.chars().any(char::is_alphanumeric) {
            return Err("it has no quote".to_owned());
        }
        if solid(quote) < SHORTEST_QUOTE {
            return Err(format!("the quote \"{}\" is too short to prove anything", quote.trim()));
        }
        locate(&self.passage.text, quote)
            .ok_or_else(|| format!("the quote is not in the passage: \"{}\"", beginning(quote, 60)))
    }

    fn check_language(&self, question: &str, answer: &str) -> Result<(), String> {
        // Terms, names and units of another script may make up a short answer.
        const SHORT: usize = 24;
        for (what, text) in [("question", question), ("answer", answer)] {
            // Multilingual models slip into Chinese in the middle of a sentence.
            let foreign = |c: &char| is_han(*c) && !self.passage.text.contains(*c);
            if let Some(c) = text.chars().find(foreign) {
                return Err(format!("the {what} has '{c}', a character the passage has not"));
            }
            let letters = Letters::of(text);
            let right = match self.prompt.language() {
                Language::Korean => {
                    letters.hangul * 4 >= letters.all && letters.han <= letters.hangul
                }
                Language::English => letters.latin * 2 >= letters.all,
            };
            let excused = what == "answer"
                && letters.all < SHORT
                && letters.han == 0
                && (self.prompt.language() == Language::Korean || letters.hangul == 0);
            if !right && !excused {
                let language = match self.prompt.language() {
                    Language::Korean => "Korean",
                    Language::English => "English",
                };
                return Err(format!("the {what} is not in {language}, the passage's language"));
            }
        }
        Ok(())
    }
}

/// Characters that are no spaces.
fn solid(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

#[cfg(test)]
mod tests;
