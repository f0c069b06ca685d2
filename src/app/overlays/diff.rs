//! Text to read over a screen: changed words, a rendered row.

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::Outcome;
use crate::app::keymap::{Key, decode};
use crate::app::look::Look;
use crate::app::strings::common;
use crate::app::theme;
use crate::app::widgets::overlay::{centred, open};
use crate::app::widgets::{Rich, Scroll, diff};

/// Styled text with a title.
pub struct Reading {
    title: String,
    text: Rich,
    scroll: Scroll,
}

impl Reading {
    /// Shows `text`.
    pub fn new(title: String, text: Rich) -> Self {
        Self {
            title,
            text,
            scroll: Scroll::default(),
        }
    }

    /// Shows the words that differ between pairs of texts, each pair under its label.
    pub fn diff(title: String, parts: &[(&str, &str, &str)]) -> Self {
        let mut text = Rich::default();
        for (index, (label, before, after)) in parts.iter().enumerate() {
            if index > 0 {
                text.line().line();
            }
            text.push(label, theme::BOLD).line();
            text.append(&diff::inline(before, after));
        }
        Self::new(title, text)
    }

    pub(super) fn key(&mut self, key: KeyEvent, _look: &Look) -> Outcome {
        match decode(Key::from(key)).first().copied() {
            Some(Key::UP | Key::Char('k')) => self.scroll.by(-1),
            Some(Key::DOWN | Key::Char('j')) => self.scroll.by(1),
            Some(Key::PAGE_UP) => self.scroll.by_page(-1),
            Some(Key::PAGE_DOWN | Key::SPACE) => self.scroll.by_page(1),
            Some(Key::HOME) => self.scroll.reset(),
            Some(Key::END) => self.scroll.end(),
            Some(Key::Char('y')) => {
                return Outcome::Do(crate::app::Effect::Copy(self.text.text().to_owned()));
            }
            Some(Key::ESCAPE | Key::ENTER | Key::Char('q' | 'v' | 'w')) => return Outcome::Close,
            _ => {}
        }
        Outcome::Stay
    }

    pub(super) fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let width = 92.min(area.width.saturating_sub(2));
        let lines = self.text.lines(usize::from(width.saturating_sub(5)));
        let height = (lines.len() as u16).saturating_add(4).max(6);
        let inner = open(frame, centred(area, width, height), &self.title, look);
        if inner.height < 3 {
            return;
        }
        self.scroll.draw(
            frame,
            Rect {
                height: inner.height - 2,
                ..inner
            },
            &lines,
            look,
        );
        let keys = Rect {
            y: inner.bottom() - 1,
            height: 1,
            ..inner
        };
        frame.render_widget(Span::styled(look.t(common::TEXT_KEYS), theme::DIM), keys);
    }
}
