//! What can be laid over a screen. The topmost takes all keys; Esc always closes it.

pub mod call_form;
pub mod choice;
pub mod commands;
pub mod confirm;
pub mod coverage;
pub mod diff;
pub mod import_form;
pub mod prompt;
pub mod tool_list;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

pub use call_form::CallForm;
pub use choice::{Choice, Choosing};
pub use commands::CommandList;
pub use confirm::{Confirm, Question};
pub use coverage::Coverage;
pub use diff::Reading;
pub use import_form::{ImportForm, Importing, Purpose};
pub use prompt::{Asking, Prompt};
pub use tool_list::ToolList;

use super::command::Command;
use super::effect::Effect;
use super::look::Look;
use crate::pair::{Tool, ToolCall};
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
    /// Tools to offer.
    Tools(ToolList),
    /// A call to fill in.
    Call(CallForm),
    /// A file to import.
    Import(ImportForm),
}

/// What a key did in an overlay.
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
    /// Close it; these tools are offered.
    Tools(Vec<Tool>),
    /// Close it and open these tools in the outside editor.
    EditTools(Vec<Tool>),
    /// Close it; this file is to be imported.
    Import(Importing),
    /// Close it; this call was filled in, for a line of the answer or as a further one.
    Call(Option<usize>, ToolCall),
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
            Self::Tools(tools) => tools.key(key),
            Self::Call(call) => call.key(key),
            Self::Import(form) => form.key(key),
        }
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) -> Outcome {
        match self {
            Self::Commands(list) => list.paste(text),
            Self::Prompt(prompt) => return prompt.paste(text),
            Self::Call(call) => call.paste(text),
            Self::Import(form) => form.paste(text),
            Self::Confirm(_)
            | Self::Choice(_)
            | Self::Reading(_)
            | Self::Coverage(_)
            | Self::Tools(_) => {}
        }
        Outcome::Stay
    }

    /// Whether a text field has the focus.
    pub fn is_typing(&self) -> bool {
        matches!(self, Self::Commands(_) | Self::Prompt(_) | Self::Call(_) | Self::Import(_))
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
            Self::Tools(tools) => tools.view(frame, area, look),
            Self::Call(call) => call.view(frame, area, look),
            Self::Import(form) => form.view(frame, area, look),
        }
    }
}
