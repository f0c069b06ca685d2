//! Which of the project's tools a pair offers.

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Outcome;
use crate::app::keymap::{Key, decode};
use crate::app::look::Look;
use crate::app::strings::common;
use crate::app::theme;
use crate::app::widgets::ListState;
use crate::app::widgets::overlay::{centred, open};
use crate::pair::Tool;
use crate::text::{fit, truncate, width};

/// Tools to choose from.
pub struct ToolList {
    tools: Vec<Tool>,
    offered: Vec<bool>,
    list: ListState,
}

impl ToolList {
    /// Offers the tools of the project and those of the pair; the pair's are chosen.
    pub fn new(project: &[Tool], pair: &[Tool]) -> Self {
        let mut tools = project.to_vec();
        for tool in pair {
            // The pair's own definition is the one that its calls were written for.
            match tools.iter_mut().find(|known| known.function.name == tool.function.name) {
                Some(known) => known.clone_from(tool),
                None => tools.push(tool.clone()),
            }
        }
        let offered = tools.iter().map(|tool| pair.contains(tool)).collect();
        Self { tools, offered, list: ListState::default() }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        let rows = self.tools.len();
        match decode(Key::from(key)).first().copied() {
            Some(Key::UP | Key::Char('k')) => self.list.by(-1, rows),
            Some(Key::DOWN | Key::Char('j')) => self.list.by(1, rows),
            Some(Key::SPACE | Key::Char('m')) => {
                if let Some(offered) = self.offered.get_mut(self.list.selected) {
                    *offered = !*offered;
                    self.list.by(1, rows);
                }
            }
            Some(Key::Char('e') | Key::F(4)) => return Outcome::EditTools(self.tools.clone()),
            Some(Key::ENTER) => {
                let chosen = self.tools.iter().zip(&self.offered).filter(|(_, offered)| **offered);
                return Outcome::Tools(chosen.map(|(tool, _)| tool.clone()).collect());
            }
            Some(Key::ESCAPE | Key::Char('q' | 'T')) => return Outcome::Close,
            _ => {}
        }
        Outcome::Stay
    }

    pub(super) fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let height = (self.tools.len() as u16).saturating_add(4).clamp(8, 24);
        let inner = open(frame, centred(area, 84, height), look.t(common::TOOLS_TITLE), look);
        if inner.height < 3 {
            return;
        }
        let rows = Rect { height: inner.height - 2, ..inner };
        if self.tools.is_empty() {
            frame.render_widget(Span::styled(look.t(common::NO_TOOLS), theme::DIM), rows);
        }
        let names = self.tools.iter().map(|tool| width(&tool.function.name));
        let label = (names.max().unwrap_or_default() + 2).min(usize::from(inner.width) / 2);
        self.list.draw(frame, rows, self.tools.len(), (0, true), look, |at, room| {
            let tool = &self.tools[at].function;
            let mark = if self.offered[at] { look.symbols.yes } else { " " };
            let room = room.saturating_sub(label + 2);
            let about = truncate(&tool.description, room, look.symbols.ellipsis);
            Line::from(vec![
                Span::styled(format!("{mark} "), theme::ACCENT),
                Span::raw(fit(&tool.name, label, look.symbols.ellipsis)),
                Span::styled(about.into_owned(), theme::DIM),
            ])
        });
        let keys = Rect { y: inner.bottom() - 1, height: 1, ..inner };
        frame.render_widget(Span::styled(look.t(common::TOOLS_KEYS), theme::DIM), keys);
    }
}
