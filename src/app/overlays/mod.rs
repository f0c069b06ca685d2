//! What can be laid over a screen. The topmost takes all keys; Esc always closes it.

pub mod choice;
pub mod commands;
pub mod confirm;
pub mod coverage;
pub mod diff;
pub mod prompt;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

pub use choice::{Choice, Choosing};
pub use commands::CommandList;
pub use confirm::{Confirm, Question};
pub use coverage::Coverage;
pub use diff::Reading;
pub use prompt::{Asking, Prompt};

use super::command::Command;
use super::effect::Effect;
use super::look::Look;
use crate::project::PassageId;

/// Something laid over the screen.
pub enum Overlay {
    /// Help or palette.
    Commands(CommandList),
    /// A question to answer with yes or no.
    Confirm(Confirm),
    /// A line to type.
    Prompt(Prompt),
    /// One of several.
    Choice(Choice),
    /// Text to read: a diff, a rendered row.
    Reading(Reading),
    /// What pairs have been written about.
    Coverage(Coverage),
}

/// What a key did in an overlay.
#[expect(clippy::large_enum_variant, reason = "answered once a key and dropped")]
pub enum Outcome {
    /// Nothing that concerns others.
    Stay,
    /// The overlay stays and wants something done.
    Do(Effect),
    /// Close it.
    Close,
    /// Close it and run a command.
    Run(Command),
    /// Close it; the answer is yes.
    Confirmed(Question),
    /// Close it; this was typed.
    Entered(Asking, String),
    /// Close it; this was chosen.
    Chosen(Choosing, String),
    /// Close it; the saved filter of this name is to be taken away.
    DropFilter(String),
    /// Close it and go to a passage.
    Passage(PassageId),
}

impl Overlay {
    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent, look: &Look) -> Outcome {
        match self {
            Self::Commands(list) => list.key(key),
            Self::Confirm(confirm) => confirm.key(key),
            Self::Prompt(prompt) => prompt.key(key),
            Self::Choice(choice) => choice.key(key),
            Self::Reading(reading) => reading.key(key, look),
            Self::Coverage(coverage) => coverage.key(key),
        }
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) -> Outcome {
        match self {
            Self::Commands(list) => list.paste(text),
            Self::Prompt(prompt) => return prompt.paste(text),
            Self::Confirm(_) | Self::Choice(_) | Self::Reading(_) | Self::Coverage(_) => {}
        }
        Outcome::Stay
    }

    /// Whether a text field has the focus.
    pub fn is_typing(&self) -> bool {
        matches!(self, Self::Commands(_) | Self::Prompt(_))
    }

    /// Draws it in the middle of `area`.
    pub fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        match self {
            Self::Commands(list) => list.view(frame, area, look),
            Self::Confirm(confirm) => confirm.view(frame, area, look),
            Self::Prompt(prompt) => prompt.view(frame, area, look),
            Self::Choice(choice) => choice.view(frame, area, look),
            Self::Reading(reading) => reading.view(frame, area, look),
            Self::Coverage(coverage) => coverage.view(frame, area, look),
        }
    }
}
