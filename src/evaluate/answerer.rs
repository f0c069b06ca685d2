//! What an evaluation asks of a model.

use std::ops::ControlFlow;

use serde::Serialize;

use super::suite::PromptStyle;
use crate::failure::Result;
use crate::model::ToolFormat;
use crate::pair::example::{Message, Tool};

/// What a model is shown.
#[derive(Debug, Clone, Copy)]
pub struct Prompt<'a> {
    /// The conversation so far, ending with the user's turn.
    pub messages: &'a [Message],
    /// Tools offered.
    pub tools: &'a [Tool],
    /// By the chat template, or as plain text.
    pub style: PromptStyle,
}

impl Prompt<'_> {
    /// Whether this is the same prompt, by where it lies: equal ones may be others.
    pub fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.messages, other.messages)
            && std::ptr::eq(self.tools, other.tools)
            && self.style == other.style
    }
}

/// How replies are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decoding {
    /// Most tokens of a reply.
    pub max_new: usize,
    /// 0 takes the likeliest token at every step.
    pub temperature: f64,
    /// Seed of the draws.
    pub seed: u64,
    /// Whether calls are bound to the grammar of the tools offered; only where the answerer can.
    #[serde(skip_serializing_if = "is_free")]
    pub bound: bool,
}

/// Left out of what answers are remembered by, so that those from before there was a grammar stay known.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_free(bound: &bool) -> bool {
    !bound
}

/// A question: what a model is shown, by which side it is answered, and how.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What the model is shown.
    pub prompt: Prompt<'a>,
    /// The tuned model, or the base.
    pub tuned: bool,
    /// How the reply is made.
    pub decoding: Decoding,
}

/// A reply; or why there is none, where that is not the model's fault (an endpoint that fails).
pub type Reply = Result<String, String>;

/// Hears a reply, by the number of its question; breaks to ask for a stop.
pub type OnReply<'a> = dyn FnMut(usize, Reply) -> ControlFlow<()> + 'a;

/// A likelihood: nats (negative log-likelihood) and the tokens they are over.
pub type Nats = (f64, usize);

/// A model that can be asked with and without its adapter.
pub trait Answerer {
    /// Replies to questions, without end-of-turn tokens. All are asked for in one call, so that what several need is
    /// done once and none waits for others to end; those that share a prompt follow each other. `on_reply` hears of
    /// each question once, as soon as it has a reply, in any order; when it breaks, the rest may be left out.
    ///
    /// # Errors
    /// When no further reply can be had at all.
    fn answer(&mut self, questions: &[Question<'_>], on_reply: &mut OnReply<'_>) -> Result<()>;

    /// Looks at the prompts of a suite before they are asked.
    ///
    /// # Errors
    /// Where the model can be shown none of them: nothing would be measured then.
    fn check(&self, _: &[Prompt<'_>]) -> Result<()> {
        Ok(())
    }

    /// The form in which the model writes calls, which is what counts as strictly right.
    fn tool_format(&self) -> ToolFormat {
        ToolFormat::Hermes
    }

    /// Negative log-likelihood of each text as the assistant's turn after its prompt, without the
    /// end-of-turn token. Items of one case follow each other and share a prompt. `None` if this
    /// answerer cannot tell likelihoods.
    ///
    /// # Errors
    /// When the model fails.
    fn continuation_nats(
        &mut self,
        _items: &[(Prompt<'_>, &str)],
        _tuned: bool,
    ) -> Result<Option<Vec<Nats>>> {
        Ok(None)
    }

    /// Negative log-likelihood of plain texts, no chat template; as
    /// [`continuation_nats`](Self::continuation_nats).
    ///
    /// # Errors
    /// When the model fails.
    fn text_nats(&mut self, _texts: &[&str], _tuned: bool) -> Result<Option<Vec<Nats>>> {
        Ok(None)
    }
}
