//! A conversation as fields to type in, one a turn.

use serde::{Deserialize, Serialize};

use crate::app::pair_text::{self, TurnText};
use crate::app::strings::{Text, screen as texts};
use crate::app::widgets::Editor;
use crate::pair::{Example, Role};

/// A turn being typed.
pub(super) struct Turn {
    /// Place among the stored messages; none for a new turn.
    at: Option<usize>,
    role: Role,
    saved: String,
    pub(super) editor: Editor,
}

/// Typed text that was not saved. Older versions kept a question and an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Unsent {
    Turns { turns: Vec<TurnText> },
    Pair { question: String, answer: String },
}

impl Turn {
    fn new(at: Option<usize>, role: Role, saved: &str, typed: &str) -> Self {
        Self { at, role, saved: saved.to_owned(), editor: Editor::new(typed) }
    }

    /// What stands above the field.
    pub(super) fn label(&self) -> Text {
        match self.role {
            Role::System => texts::SYSTEM,
            Role::User => texts::QUESTION,
            Role::Assistant => texts::ANSWER,
            Role::Tool => texts::RESULT,
        }
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn saved(&self) -> &str {
        &self.saved
    }
}

/// The turns of an example, or an empty question and answer.
pub(super) fn turns(example: Option<&Example>) -> Vec<Turn> {
    let mut turns: Vec<Turn> = pair_text::turns(example.unwrap_or(&Example::default()))
        .iter()
        .map(|turn| Turn::new(turn.at, turn.role, &turn.text, &turn.text))
        .collect();
    for role in [Role::User, Role::Assistant] {
        if !turns.iter().any(|turn| turn.role == role) {
            turns.push(Turn::new(None, role, "", ""));
        }
    }
    turns
}

/// Puts typed text in place of the stored one.
pub(super) fn retype(turns: &mut Vec<Turn>, unsent: &Unsent) {
    match unsent {
        Unsent::Pair { question, answer } => {
            for (role, text) in [(Role::User, question), (Role::Assistant, answer)] {
                if let Some(turn) = turns.iter_mut().rfind(|turn| turn.role == role) {
                    turn.editor = Editor::new(text);
                }
            }
        }
        Unsent::Turns { turns: typed } => {
            let saved = |at: Option<usize>| {
                let turn = turns.iter().find(|turn| at.is_some() && turn.at == at);
                turn.map_or("", |turn| turn.saved.as_str())
            };
            *turns = typed
                .iter()
                .map(|turn| Turn::new(turn.at, turn.role, saved(turn.at), &turn.text))
                .collect();
        }
    }
}

/// The turns as typed.
pub(super) fn typed(turns: &[Turn]) -> Vec<TurnText> {
    turns
        .iter()
        .map(|turn| TurnText { at: turn.at, role: turn.role, text: turn.editor.text() })
        .collect()
}

/// Whether what is typed is what is stored.
pub(super) fn unchanged(turns: &[Turn]) -> bool {
    turns.iter().all(|turn| turn.editor.text() == turn.saved)
}

/// Adds a question and its answer after the exchange of the turn at `from`; answers where.
pub(super) fn add(turns: &mut Vec<Turn>, from: usize) -> usize {
    let next = turns.iter().skip(from + 1).position(|turn| turn.role == Role::User);
    let at = next.map_or(turns.len(), |next| from + 1 + next);
    let new = [Role::User, Role::Assistant].map(|role| Turn::new(None, role, "", ""));
    turns.splice(at..at, new);
    at
}

/// Adds a system turn before all others, unless there is one; answers where it is.
pub(super) fn add_system(turns: &mut Vec<Turn>) -> usize {
    if let Some(at) = turns.iter().position(|turn| turn.role == Role::System) {
        return at;
    }
    turns.insert(0, Turn::new(None, Role::System, "", ""));
    0
}
