//! One of several names.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Outcome;
use crate::app::keymap::{Key, decode};
use crate::app::look::Look;
use crate::app::strings::{Text, common};
use crate::app::theme;
use crate::app::widgets::ListState;
use crate::app::widgets::overlay::{centred, open};
use crate::text::{fit, width};

/// What is being chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choosing {
    /// The base model, by name.
    Model,
    /// The run that answers in Try, by number.
    Run,
    /// A saved filter, by name.
    Filter,
    /// The order of the list.
    Order,
    /// What the checks found, by kind.
    Check,
    /// The tool to call, by name.
    Tool,
    /// The form of a file to write, by name.
    Format,
    /// The pool to take away, by name.
    Pool,
}

/// Names with remarks.
pub struct Choice {
    choosing: Choosing,
    options: Vec<(String, String)>,
    list: ListState,
}

impl Choice {
    /// Offers `options` (value and remark), `current` selected.
    pub fn new(choosing: Choosing, options: Vec<(String, String)>, current: Option<&str>) -> Self {
        let mut list = ListState::default();
        let at = options.iter().position(|(value, _)| Some(value.as_str()) == current);
        list.select(at.unwrap_or_default(), options.len());
        Self { choosing, options, list }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        let first = decode(Key::from(key)).into_iter().next();
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Enter => {
                return match self.options.get(self.list.selected) {
                    Some((value, _)) => Outcome::Chosen(self.choosing, value.clone()),
                    None => Outcome::Close,
                };
            }
            _ => match first {
                Some(Key::UP | Key::Char('k')) => self.list.by(-1, self.options.len()),
                Some(Key::DOWN | Key::Char('j')) => self.list.by(1, self.options.len()),
                Some(Key::DELETE | Key::Char('d')) if self.choosing == Choosing::Filter => {
                    if let Some((value, _)) = self.options.get(self.list.selected) {
                        return Outcome::DropFilter(value.clone());
                    }
                }
                Some(Key::Char('q')) => return Outcome::Close,
                _ => {}
            },
        }
        Outcome::Stay
    }

    pub(super) fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let title: Text = match self.choosing {
            Choosing::Model => common::CHOOSE_MODEL,
            Choosing::Run => common::CHOOSE_RUN,
            Choosing::Filter => common::CHOOSE_FILTER,
            Choosing::Order => common::CHOOSE_ORDER,
            Choosing::Check => common::CHOOSE_CHECK,
            Choosing::Tool => common::CHOOSE_TOOL,
            Choosing::Format => common::CHOOSE_FORMAT,
            Choosing::Pool => common::CHOOSE_POOL,
        };
        let height = (self.options.len() as u16).saturating_add(4).clamp(6, 20);
        let inner = open(frame, centred(area, 64, height), look.t(title), look);
        if inner.height < 3 {
            return;
        }
        let rows = Rect { height: inner.height - 1, ..inner };
        if self.options.is_empty() {
            frame.render_widget(Span::styled(look.t(common::NONE), theme::DIM), rows);
        }
        let widest = self.options.iter().map(|(value, _)| width(value)).max().unwrap_or_default();
        self.list.draw(frame, rows, self.options.len(), (0, true), look, |index, room| {
            let (value, remark) = &self.options[index];
            Line::from(vec![
                Span::raw(fit(value, (widest + 2).min(room), look.symbols.ellipsis)),
                Span::styled(remark.clone(), theme::DIM),
            ])
        });
        let keys = Rect { y: inner.bottom() - 1, height: 1, ..inner };
        let words = match self.choosing {
            Choosing::Filter => common::FILTER_KEYS,
            _ => common::CHOICE_KEYS,
        };
        frame.render_widget(Span::styled(look.t(words), theme::DIM), keys);
    }
}
