//! Conversations as token ids, with the tokens that are trained marked.

use std::ops::Range;

use crate::failure::{Failure, Result};
use crate::model::template::ChatTemplate;
use crate::model::tokenizer::Tokenizer;
use crate::pair::{Example, Message, Role, Tool};

/// Tokenizer and chat template of one model: conversations in, token ids out.
#[derive(Debug, Clone)]
pub struct Codec {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    /// Whether the template writes earlier turns alike whatever follows them.
    keeps_turns: bool,
}

/// An example as the model sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The rendered conversation.
    pub text: String,
    /// Token ids of the conversation.
    pub ids: Vec<u32>,
    /// For each token whether it is trained: everything the assistant says and the token that
    /// ends its turn. The first token that may be trained is never the first of the text.
    pub labels: Vec<bool>,
}

impl Encoded {
    /// Number of trained tokens.
    pub fn trained(&self) -> usize {
        self.labels.iter().filter(|label| **label).count()
    }

    /// Tokens before the first trained one.
    pub fn prompt_length(&self) -> usize {
        self.labels.iter().position(|label| *label).unwrap_or(self.labels.len())
    }
}

impl Codec {
    /// Joins a tokenizer and a template. The token with which the template ends the assistant's
    /// turn becomes one that stops generation.
    pub fn new(mut tokenizer: Tokenizer, template: ChatTemplate) -> Self {
        if let Some(id) = end_of_turn(&tokenizer, &template) {
            tokenizer.add_stop(id);
        }
        let keeps_turns = keeps_turns(&template);
        Self { tokenizer, template, keeps_turns }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The chat template.
    pub fn template(&self) -> &ChatTemplate {
        &self.template
    }

    /// Ids at which generation stops.
    pub fn stop_ids(&self) -> Vec<u32> {
        self.tokenizer.stop_ids()
    }

    /// Encodes a training example.
    ///
    /// What is trained is found by rendering the conversation up to each assistant turn, once
    /// with the turn opened and once with it written: the difference is the turn. The ids before
    /// a trained turn are exactly those [`Self::encode_prompt`] gives for the same conversation.
    /// Where a template writes earlier turns differently once others follow, only the last turn is
    /// trained; [`Self::parts`] makes each turn the last of an example of its own.
    ///
    /// # Errors
    /// When the template refuses the conversation, or writes a turn differently once it is written,
    /// so that no part of the text is the turn.
    pub fn encode(&self, example: &Example) -> Result<Encoded> {
        let Example { messages, tools, .. } = example;
        let text = self.template.render(messages, tools, false)?;
        let mut turns: Vec<Range<usize>> = Vec::new();
        let last = messages.iter().rposition(|message| message.role == Role::Assistant);
        for (position, message) in messages.iter().enumerate() {
            if message.role != Role::Assistant || (!self.keeps_turns && Some(position) != last) {
                continue;
            }
            let (before, _) = messages.split_at(position);
            let through = messages.get(..=position).unwrap_or(messages);
            let opened = self.template.render(before, tools, true)?;
            let written = self.template.render(through, tools, false)?;
            if !written.starts_with(&opened) || !text.starts_with(&written) {
                return Err(not_a_prefix(position));
            }
            if turns.last().is_some_and(|last| last.end > opened.len()) {
                return Err(not_a_prefix(position));
            }
            turns.push(opened.len()..written.len());
        }
        self.label(text, &turns)
    }

    /// The examples that train all turns of one: itself, or where the template writes earlier turns
    /// differently once others follow, the conversation up to each of the assistant's turns.
    pub fn parts(&self, example: &Example) -> Vec<Example> {
        let said = |message: &Message| message.role == Role::Assistant;
        if self.keeps_turns || example.messages.iter().filter(|m| said(m)).count() < 2 {
            return vec![example.clone()];
        }
        let ends = (1..=example.messages.len()).filter(|end| said(&example.messages[end - 1]));
        let part =
            |end: usize| Example { messages: example.messages[..end].to_vec(), ..example.clone() };
        ends.map(part).collect()
    }

    /// Encodes a conversation with the assistant's next turn opened, for generation.
    ///
    /// # Errors
    /// When the template refuses the conversation.
    pub fn encode_prompt(&self, messages: &[Message], tools: &[Tool]) -> Result<Vec<u32>> {
        Ok(self.tokenizer.encode(&self.template.render(messages, tools, true)?))
    }

    /// Number of tokens an example takes in training.
    ///
    /// # Errors
    /// When the template refuses the conversation.
    pub fn count(&self, example: &Example) -> Result<usize> {
        let text = self.template.render(&example.messages, &example.tools, false)?;
        Ok(self.tokenizer.encode(&text).len())
    }

    fn label(&self, text: String, turns: &[Range<usize>]) -> Result<Encoded> {
        let whole = self.tokenizer.encode_with_offsets(&text);
        let mut ids: Vec<u32> = Vec::with_capacity(whole.len());
        let mut labels = Vec::with_capacity(whole.len());
        if self.tokenizer.is_splittable() {
            // Piece by piece, so that a turn begins at a token as it does in generation even
            // where the whole text would merge across the border.
            let mut at = 0;
            for turn in turns {
                let before = self.tokenizer.encode(slice(&text, at..turn.start)?);
                labels.extend(before.iter().map(|_| false));
                ids.extend(before);
                let said = self.tokenizer.encode(slice(&text, turn.clone())?);
                labels.extend(self.trained_part(&said));
                ids.extend(said);
                at = turn.end;
            }
            let after = self.tokenizer.encode(slice(&text, at..text.len())?);
            labels.extend(after.iter().map(|_| false));
            ids.extend(after);
        } else {
            for piece in &whole {
                ids.push(piece.id);
                labels.push(false);
            }
            for turn in turns {
                let inside = |at: usize| turn.contains(&at);
                let first = whole.iter().position(|piece| inside(piece.bytes.start));
                let last = whole.iter().rposition(|piece| inside(piece.bytes.start));
                let (Some(first), Some(last)) = (first, last) else {
                    continue;
                };
                let trained = self.trained_part(ids.get(first..=last).unwrap_or_default());
                labels.splice(first..=last, trained);
            }
        }
        if let Some(first) = labels.first_mut() {
            // Nothing predicts the first token of a text.
            *first = false;
        }
        Ok(Encoded { text, ids, labels })
    }

    /// Labels for the tokens of a turn: all up to and with the last control token, behind which
    /// only white space follows that is never generated; all, if there is none.
    fn trained_part(&self, said: &[u32]) -> Vec<bool> {
        let ends = |id: &u32| self.tokenizer.is_control(*id) || self.tokenizer.is_stop(*id);
        let end = said.iter().rposition(ends).map_or(said.len(), |end| end + 1);
        (0..said.len()).map(|position| position < end).collect()
    }
}

fn slice(text: &str, range: Range<usize>) -> Result<&str> {
    text.get(range).ok_or_else(|| Failure::defect("a turn ends inside a character"))
}

fn not_a_prefix(position: usize) -> Failure {
    Failure::user(format!(
        "turn {}: the model's chat template writes earlier turns differently when others follow, \
         so this turn cannot be told apart",
        position + 1
    ))
    .hint("Split the conversation so that it ends with this turn.")
}

/// Tells whether an answer is written alike before and after more is said, also one in several steps.
fn keeps_turns(template: &ChatTemplate) -> bool {
    let user = Message::text(Role::User, "x");
    let (answer, more) = (Message::text(Role::Assistant, "y"), Message::text(Role::Assistant, "z"));
    let result = Message::text(Role::Tool, "w");
    [
        vec![user.clone(), answer.clone(), user.clone(), more.clone()],
        vec![user, answer, result, more],
    ]
    .iter()
    .all(|messages| {
        let (whole, part) = (messages.as_slice(), &messages[..2]);
        let render = |messages: &[Message]| template.render(messages, &[], false);
        // What is refused is told when it is to be encoded.
        render(whole).ok().zip(render(part).ok()).is_none_or(|(w, p)| w.starts_with(&p))
    })
}

/// The control token the template puts after what the assistant said.
fn end_of_turn(tokenizer: &Tokenizer, template: &ChatTemplate) -> Option<u32> {
    const SAID: &str = "Probe.";
    let messages = [Message::text(Role::User, "x"), Message::text(Role::Assistant, SAID)];
    let text = template.render(&messages, &[], false).ok()?;
    let (_, tail) = text.rsplit_once(SAID)?;
    tokenizer.encode(tail).into_iter().find(|id| tokenizer.is_control(*id))
}

#[cfg(test)]
mod tests;
