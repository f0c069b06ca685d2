//! Conversations as token ids, with the tokens that are trained marked.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::failure::{Failure, Result};
use crate::model::template::ChatTemplate;
use crate::model::tokenizer::Tokenizer;
use crate::pair::{Example, Message, Role, Tool, ToolCall};

/// Tokenizer and chat template of one model: conversations in, token ids out.
#[derive(Debug, Clone)]
pub struct Codec {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    /// Whether the template writes earlier turns alike whatever follows them; by whether there are
    /// tools, then by whether there is a system turn, since Mistral's write both beside the last
    /// question only.
    keeps_turns: [[bool; 2]; 2],
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
    /// turn becomes one that stops generation; control tokens that calls are written with become
    /// ones that decoding writes out.
    pub fn new(mut tokenizer: Tokenizer, template: ChatTemplate) -> Self {
        if let Some(id) = end_of_turn(&tokenizer, &template) {
            tokenizer.add_stop(id);
        }
        let marks = template.tool_format().marks();
        let marks = marks.into_iter().flat_map(|mark| tokenizer.encode(mark)).collect::<Vec<_>>();
        tokenizer.write_out(marks.into_iter());
        let keeps_turns = [false, true]
            .map(|tools| [false, true].map(|system| keeps_turns(&template, tools, system)));
        Self { tokenizer, template, keeps_turns }
    }

    /// Has the model say in pieces the tokens that calls are marked with and that it cannot say, as
    /// `untrained` tells. What is said reads the same; the prompt's own text stays as it is. Gives the tokens.
    pub fn say_in_pieces(&mut self, untrained: impl Fn(u32) -> bool) -> Vec<String> {
        let added = self.tokenizer.added_ids();
        let format = self.template.tool_format();
        let marks = format.marks().into_iter().flat_map(|mark| self.tokenizer.encode(mark));
        let marks: BTreeSet<u32> =
            marks.filter(|id| added.contains(id) && untrained(*id)).collect();
        self.tokenizer.say_in_pieces(marks.iter().copied());
        marks.into_iter().filter_map(|id| self.tokenizer.spelling(id)).collect()
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
    /// Where a template writes earlier turns differently once others follow, the text ends with the
    /// last turn and only that is trained; [`Self::parts`] makes each turn the last of an example of
    /// its own.
    ///
    /// # Errors
    /// When the template refuses the conversation, or writes a turn differently once it is written,
    /// so that no part of the text is the turn.
    pub fn encode(&self, example: &Example) -> Result<Encoded> {
        let Example { messages, tools, .. } = example;
        if !self.keeps_turns(messages, tools) {
            return self.encode_last(messages, tools);
        }
        let text = self.template.render(messages, tools, false)?;
        let turns = self.turns(messages, tools, &text)?;
        self.label(text, &turns)
    }

    /// Where the assistant's turns are in the text of a conversation.
    fn turns(&self, messages: &[Message], tools: &[Tool], text: &str) -> Result<Vec<Range<usize>>> {
        let mut turns: Vec<Range<usize>> = Vec::new();
        for (position, _) in messages.iter().enumerate().filter(|(_, message)| is_said(message)) {
            let (opened, written) = self.around(messages, tools, position)?;
            if !written.starts_with(&opened) || !text.starts_with(&written) {
                return Err(not_a_prefix(position));
            }
            if turns.last().is_some_and(|last| last.end > opened.len()) {
                return Err(not_a_prefix(position));
            }
            turns.push(opened.len()..written.len());
        }
        Ok(turns)
    }

    /// A conversation as far as the assistant's last turn, which is trained.
    fn encode_last(&self, messages: &[Message], tools: &[Tool]) -> Result<Encoded> {
        let Some(position) = messages.iter().rposition(is_said) else {
            return self.label(self.template.render(messages, tools, false)?, &[]);
        };
        let (opened, written) = self.around(messages, tools, position)?;
        if written.starts_with(&opened) {
            let turn = opened.len()..written.len();
            return self.label(written, &[turn]);
        }
        // Mistral's templates write the system turn into a question only until it is answered. The
        // answer follows what generation is given; its own text is that without a system turn.
        if let Some((_, bare)) =
            messages.split_first().filter(|(first, _)| first.role == Role::System)
        {
            let (without, answered) = self.around(bare, tools, position - 1)?;
            if let Some(turn) = answered.strip_prefix(&without) {
                let turn = opened.len()..opened.len() + turn.len();
                return self.label(opened + answered.split_at(without.len()).1, &[turn]);
            }
        }
        Err(not_a_prefix(position))
    }

    /// The text up to a turn of the assistant, once opened and once written.
    fn around(
        &self,
        messages: &[Message],
        tools: &[Tool],
        position: usize,
    ) -> Result<(String, String)> {
        let (before, _) = messages.split_at(position);
        let through = messages.get(..=position).unwrap_or(messages);
        let opened = self.template.render(before, tools, true)?;
        Ok((opened, self.template.render(through, tools, false)?))
    }

    fn keeps_turns(&self, messages: &[Message], tools: &[Tool]) -> bool {
        let system = messages.first().is_some_and(|first| first.role == Role::System);
        self.keeps_turns[usize::from(!tools.is_empty())][usize::from(system)]
    }

    /// The examples that train all turns of one: itself, or where the template writes earlier turns
    /// differently once others follow, the conversation up to each of the assistant's turns.
    pub fn parts(&self, example: &Example) -> Vec<Example> {
        let keeps = self.keeps_turns(&example.messages, &example.tools);
        if keeps || example.messages.iter().filter(|m| is_said(m)).count() < 2 {
            return vec![example.clone()];
        }
        let ends = (1..=example.messages.len()).filter(|end| is_said(&example.messages[end - 1]));
        let part =
            |end: usize| Example { messages: example.messages[..end].to_vec(), ..example.clone() };
        ends.map(part).collect()
    }

    /// Encodes a conversation with the assistant's next turn opened, for generation.
    ///
    /// # Errors
    /// When the template refuses the conversation.
    pub fn encode_prompt(&self, messages: &[Message], tools: &[Tool]) -> Result<Vec<u32>> {
        let text = self.template.render(messages, tools, true)?;
        if self.tokenizer.says_in_pieces()
            && self.keeps_turns(messages, tools)
            && let Ok(turns) = self.turns(messages, tools, &text)
        {
            return Ok(self.label(text, &turns)?.ids);
        }
        Ok(self.tokenizer.encode(&text))
    }

    /// Number of tokens an example takes in training.
    ///
    /// # Errors
    /// When the template refuses the conversation.
    pub fn count(&self, example: &Example) -> Result<usize> {
        if self.tokenizer.says_in_pieces() {
            return Ok(self.encode(example)?.ids.len());
        }
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
                let said = self.tokenizer.encode_said(slice(&text, turn.clone())?);
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

fn is_said(message: &Message) -> bool {
    message.role == Role::Assistant
}

/// Tells whether each answer is written as it was opened, and alike before and after more is said, also
/// one in several steps.
fn keeps_turns(template: &ChatTemplate, tools: bool, system: bool) -> bool {
    const NAME: &str = "f";
    let user = |text| Message::text(Role::User, text);
    let first = if tools {
        Message::calls(vec![ToolCall::new("call_1", NAME, serde_json::Map::new())])
    } else {
        Message::text(Role::Assistant, "y")
    };
    let result = Message {
        tool_call_id: Some("call_1".to_owned()),
        name: Some(NAME.to_owned()),
        ..Message::text(Role::Tool, "w")
    };
    let tools: Vec<Tool> = tools.then(|| Tool::named(NAME)).into_iter().collect();
    let system = system.then(|| Message::text(Role::System, "s"));
    let more = Message::text(Role::Assistant, "z");
    [
        vec![user("x"), Message::text(Role::Assistant, "y"), user("v"), more.clone()],
        vec![user("x"), first, result, more],
    ]
    .into_iter()
    .all(|turns| {
        let messages: Vec<Message> = system.clone().into_iter().chain(turns).collect();
        let render = |messages: &[Message], open| template.render(messages, &tools, open);
        // What is refused is told when it is to be encoded.
        let Ok(whole) = render(&messages, false) else { return true };
        (0..messages.len()).filter(|position| is_said(&messages[*position])).all(|position| {
            let opened = render(&messages[..position], true);
            let written = render(&messages[..=position], false);
            opened.ok().zip(written.ok()).is_none_or(|(opened, written)| {
                written.starts_with(&opened) && whole.starts_with(&written)
            })
        })
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
