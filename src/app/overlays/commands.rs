//! Help (what works here) and palette (everything): one filtered list of commands that can be run.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Outcome;
use crate::app::command::{COMMANDS, Command, Info, Scope, in_field, on_screen};
use crate::app::look::Look;
use crate::app::strings::{Text, command::describe, common};
use crate::app::widgets::overlay::{centred, open};
use crate::app::widgets::{Input, ListState};
use crate::app::{Screen, strings, theme};
use crate::text::{fit, hangul, truncate, width};

/// A filtered list of commands.
pub struct CommandList {
    title: Text,
    /// Whether commands of other screens are listed, so that each says where it works.
    everywhere: bool,
    rows: Vec<Row>,
    shown: Vec<usize>,
    input: Input,
    list: ListState,
}

struct Row {
    info: &'static Info,
    /// Why it cannot be run now.
    unavailable: Option<Text>,
}

impl CommandList {
    /// Lists what works on a screen, or in its text field.
    pub fn help(screen: Screen, editing: bool, why: impl Fn(Command) -> Option<Text>) -> Self {
        let infos: Vec<_> = if editing {
            in_field().collect()
        } else {
            on_screen(screen).collect()
        };
        Self::new(common::HELP_TITLE, infos, why)
    }

    /// Lists every command, those of the screen first.
    pub fn palette(screen: Screen, why: impl Fn(Command) -> Option<Text>) -> Self {
        let mut infos: Vec<_> = on_screen(screen).collect();
        let elsewhere = |info: &&'static Info| match info.scope {
            Scope::On(on) => on != screen,
            Scope::Everywhere | Scope::Field => false,
        };
        infos.extend(COMMANDS.iter().filter(elsewhere));
        Self::new(common::PALETTE_TITLE, infos, why)
    }

    fn new(title: Text, infos: Vec<&'static Info>, why: impl Fn(Command) -> Option<Text>) -> Self {
        let rows: Vec<_> = infos
            .into_iter()
            .map(|info| Row {
                info,
                unavailable: why(info.command),
            })
            .collect();
        let shown = (0..rows.len()).collect();
        let (input, list) = (Input::default(), ListState::default());
        let everywhere = title == common::PALETTE_TITLE;
        Self {
            title,
            everywhere,
            rows,
            shown,
            input,
            list,
        }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Up => self.list.by(-1, self.shown.len()),
            KeyCode::Down => self.list.by(1, self.shown.len()),
            KeyCode::PageUp => self.list.by_page(-1, self.shown.len()),
            KeyCode::PageDown => self.list.by_page(1, self.shown.len()),
            KeyCode::Enter => {
                let row = self
                    .shown
                    .get(self.list.selected)
                    .map(|&index| &self.rows[index]);
                return match row {
                    Some(row) if row.unavailable.is_none() => Outcome::Run(row.info.command),
                    Some(_) | None => Outcome::Stay,
                };
            }
            _ => {
                if self.input.key(key) {
                    self.filter();
                }
            }
        }
        Outcome::Stay
    }

    pub(super) fn paste(&mut self, text: &str) {
        self.input.paste(text);
        self.filter();
    }

    fn filter(&mut self) {
        let typed = self.input.text().trim();
        // The same letters as typed with a Korean input method left on.
        let keys: String = typed
            .chars()
            .map(|letter| hangul::keys(letter).unwrap_or_else(|| letter.to_string()))
            .collect();
        let fits = |row: &Row| {
            let (label, help) = describe(row.info.command);
            let texts = [label.ko, label.en, help.ko, help.en, row.info.id];
            let found = |needle: &str| texts.iter().any(|text| hangul::contains(text, needle));
            found(typed) || found(&keys)
        };
        self.shown = (0..self.rows.len())
            .filter(|&index| fits(&self.rows[index]))
            .collect();
        self.list.select(0, self.shown.len());
    }

    pub(super) fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let area = centred(area, 86, 26);
        let inner = open(frame, area, look.t(self.title), look);
        if inner.height < 3 {
            return;
        }
        let prompt = Rect { height: 1, ..inner };
        frame.render_widget(Span::styled(": ", theme::ACCENT), prompt);
        let field = Rect {
            x: prompt.x + 2,
            width: prompt.width.saturating_sub(2),
            ..prompt
        };
        if self.input.text().is_empty() {
            frame.render_widget(Span::styled(look.t(common::FILTER_HINT), theme::DIM), field);
        }
        self.input.draw(frame, field, true);
        let rows = Rect {
            y: inner.y + 2,
            height: inner.height - 2,
            ..inner
        };
        if self.shown.is_empty() {
            frame.render_widget(Span::styled(look.t(common::NO_MATCH), theme::DIM), rows);
            return;
        }
        self.list.draw(
            frame,
            rows,
            self.shown.len(),
            (0, true),
            look,
            |index, room| line(&self.rows[self.shown[index]], room, self.everywhere, look),
        );
    }
}

fn line(row: &Row, room: usize, everywhere: bool, look: &Look) -> Line<'static> {
    let mut keys = String::new();
    for key in row.info.keys {
        let next = format!("{key} ");
        if width(&keys) + width(&next) > 14 {
            break;
        }
        keys.push_str(&next);
    }
    let ellipsis = look.symbols.ellipsis;
    let place = strings::scope(row.info.scope);
    let place = if everywhere && room > 70 {
        fit(look.t(place), 14, ellipsis)
    } else {
        String::new()
    };
    let label = fit(row.info.command.label(look.language), 16, ellipsis);
    let rest = room.saturating_sub(14 + width(&place) + 17);
    let (help, style) = match row.unavailable {
        Some(reason) => (look.t(reason), theme::DIM),
        None => (row.info.command.help(look.language), theme::PLAIN),
    };
    let key_style = if row.unavailable.is_some() {
        theme::DIM
    } else {
        theme::KEY
    };
    Line::from(vec![
        Span::styled(fit(&keys, 14, ellipsis), key_style),
        Span::styled(place, theme::DIM),
        Span::styled(format!("{label} "), style),
        Span::styled(truncate(help, rest, ellipsis).into_owned(), theme::DIM),
    ])
}
