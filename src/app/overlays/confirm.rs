//! A question about what cannot be undone.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::Outcome;
use crate::app::keymap::{Key, decode};
use crate::app::look::Look;
use crate::app::strings::common;
use crate::app::theme;
use crate::app::widgets::Rich;
use crate::app::widgets::overlay::{centred, open};
use crate::project::DocumentId;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Remove a document.
    RemoveDocument(DocumentId),
    /// Stop the running job and leave.
    Quit,
    /// Start the sweep that was typed.
    Sweep,
}

/// A question with its words.
pub struct Confirm {
    question: Question,
    words: String,
}

impl Confirm {
    /// Asks `question` in `words`.
    pub fn new(question: Question, words: String) -> Self {
        Self { question, words }
    }

    pub(super) fn key(&self, key: KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Enter => return Outcome::Confirmed(self.question),
            KeyCode::Esc => return Outcome::Close,
            _ => {}
        }
        match decode(Key::from(key)).first() {
            Some(Key::Char('y' | 'Y')) => Outcome::Confirmed(self.question),
            Some(Key::Char('n' | 'N' | 'q')) => Outcome::Close,
            _ => Outcome::Stay,
        }
    }

    pub(super) fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let width = 62.min(area.width.saturating_sub(2));
        let lines = Rich::plain(&self.words).lines(usize::from(width.saturating_sub(4)));
        let area = centred(area, width, lines.len() as u16 + 4);
        let inner = open(frame, area, look.t(common::CONFIRM_TITLE), look);
        for (row, line) in inner.rows().zip(&lines) {
            frame.render_widget(line, row);
        }
        if inner.height >= 2 {
            let keys = Rect { y: inner.bottom() - 1, height: 1, ..inner };
            frame.render_widget(Span::styled(look.t(common::CONFIRM_KEYS), theme::DIM), keys);
        }
    }
}
