//! A model proposes question-answer pairs about a passage. What comes back are drafts for a person
//! to review, never accepted pairs, and every proposal that is dropped is dropped with a reason.

use crate::document::Passage;
use crate::failure::{Failure, Result};
use crate::pair::{Example, Language, Message};

mod check;
mod embedded;
mod endpoint;
pub mod judge;
mod parse;
mod prompt;

pub use check::{CHECK_NUMBERS, CHECK_QUESTION, QUOTE_FROM_ANSWER, language_of, locate};
pub use embedded::Embedded;
pub use endpoint::{Asked, Endpoint, EndpointConfig};
pub use prompt::Prompt;

/// Something that completes a conversation: an endpoint or the embedded engine.
pub trait Drafter {
    /// The model's name, recorded as the drafts' author.
    fn name(&self) -> String;

    /// Answers the conversation in at most `max_tokens` tokens and returns the whole answer.
    ///
    /// `on_text` gets the text as it comes. Where a broken answer had to be asked for again, it
    /// gets a line break and then the text from its beginning; only the returned text counts.
    ///
    /// # Errors
    /// When no answer could be had, or the work was cancelled.
    fn complete(
        &mut self,
        messages: &[Message],
        max_tokens: usize,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<String>;

    /// Tells whether the last answer was ended by its length limit and not by the model.
    fn was_cut(&self) -> bool {
        false
    }
}

/// What came of asking for drafts about one passage.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DraftReport {
    /// Drafts whose quote stands in the passage.
    pub drafts: Vec<Example>,
    /// Why proposals were dropped, one sentence each; never empty when `drafts` is.
    pub refused: Vec<String>,
}

/// Asks for `count` pairs about a passage of the file named `document`, with the prompt that comes
/// with the program in the passage's language.
///
/// # Errors
/// As for [`Drafter::complete`]. A useless answer is no error: the report says what was wrong.
pub fn draft_passage(
    drafter: &mut dyn Drafter,
    passage: &Passage,
    document: &str,
    count: usize,
) -> Result<DraftReport> {
    let prompt = Prompt::built_in(language_of(&passage.text));
    draft_passage_with(drafter, passage, document, count, &prompt, &mut |_| {})
}

/// Like [`draft_passage`], with a prompt of the project's own and the answer's text as it comes.
///
/// # Errors
/// As for [`Drafter::complete`].
pub fn draft_passage_with(
    drafter: &mut dyn Drafter,
    passage: &Passage,
    document: &str,
    count: usize,
    prompt: &Prompt,
    on_text: &mut dyn FnMut(&str),
) -> Result<DraftReport> {
    let refused =
        |reason: &str| DraftReport { drafts: Vec::new(), refused: vec![reason.to_owned()] };
    if count == 0 {
        return Ok(refused("no pairs were asked for"));
    }
    if !passage.text.chars().any(char::is_alphabetic) {
        return Ok(refused("the passage holds no words to ask about"));
    }
    let request = prompt.fill(passage, document, count);
    let limit = token_limit(prompt.language(), count);
    let answer = drafter.complete(&request, limit, on_text)?;
    let found = parse::proposals(&answer, drafter.was_cut().then_some(limit));
    let frame = check::Frame { passage, document, author: &drafter.name(), prompt };
    let mut report = DraftReport { drafts: Vec::new(), refused: found.refused };
    for proposal in found.proposals {
        if report.drafts.len() == count {
            report
                .refused
                .push(format!("\"{}\": more than the {count} asked for", proposal.shown()));
            continue;
        }
        match frame.check(&proposal, &report.drafts) {
            Ok(draft) => report.drafts.push(draft),
            Err(reason) => report.refused.push(format!("\"{}\": {reason}", proposal.shown())),
        }
    }
    Ok(report)
}

/// The failure that says that someone asked for a stop.
fn cancelled() -> Failure {
    Failure::user("drafting was cancelled")
}

/// Tokens allowed for an answer: question, answer, quote and JSON of each pair, in the language
/// that needs more of them (Korean takes about one token a character in small vocabularies).
fn token_limit(language: Language, count: usize) -> usize {
    const MOST: usize = 4096;
    let each: usize = match language {
        Language::Korean => 400,
        Language::English => 260,
    };
    each.saturating_mul(count).saturating_add(128).min(MOST)
}

#[cfg(test)]
mod tests;
