//! A tool's call filled in line by line, checked against the tool's schema at every key.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use serde_json::{Map, Value};

use super::Outcome;
use crate::app::look::Look;
use crate::app::strings::common;
use crate::app::theme;
use crate::app::widgets::overlay::{centred, open};
use crate::app::widgets::{Input, ListState};
use crate::pair::arguments::{Parameter, arguments, parameters};
use crate::pair::check::call_faults;
use crate::pair::{Tool, ToolCall};
use crate::text::{fit, truncate, width};

/// A call being filled in.
pub struct CallForm {
    tool: Tool,
    parameters: Vec<Parameter>,
    typed: Vec<Input>,
    list: ListState,
    /// Line of the answer that the call takes the place of; none for a further call.
    line: Option<usize>,
}

impl CallForm {
    /// Fills in a call of `tool`, starting with the arguments of the call on `line` of the answer.
    pub fn new(tool: Tool, before: &Map<String, Value>, line: Option<usize>) -> Self {
        let parameters = parameters(&tool.function.parameters);
        let typed = parameters
            .iter()
            .map(|parameter| {
                let value = before.get(&parameter.name);
                Input::new(&value.map(|value| parameter.show(value)).unwrap_or_default())
            })
            .collect();
        Self { tool, parameters, typed, list: ListState::default(), line }
    }

    fn call(&self) -> ToolCall {
        let typed = self.parameters.iter().zip(self.typed.iter().map(Input::text));
        ToolCall::new("call_1", self.tool.function.name.clone(), arguments(typed))
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        let rows = self.parameters.len();
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Enter => return Outcome::Call(self.line, self.call()),
            KeyCode::Up | KeyCode::BackTab => self.list.by(-1, rows),
            KeyCode::Down | KeyCode::Tab => self.list.by(1, rows),
            KeyCode::Left => self.choose(-1, key),
            KeyCode::Right => self.choose(1, key),
            _ => {
                if let Some(input) = self.typed.get_mut(self.list.selected) {
                    input.key(key);
                }
            }
        }
        Outcome::Stay
    }

    pub(super) fn paste(&mut self, text: &str) {
        if let Some(input) = self.typed.get_mut(self.list.selected) {
            input.paste(text);
        }
    }

    /// Left and right go through the values there are; where any value is right, they move the
    /// cursor.
    fn choose(&mut self, step: isize, key: KeyEvent) {
        let at = self.list.selected;
        let (Some(parameter), Some(input)) = (self.parameters.get(at), self.typed.get_mut(at))
        else {
            return;
        };
        let choices: Vec<String> =
            parameter.choices.iter().map(|value| parameter.show(value)).collect();
        if choices.is_empty() {
            input.key(key);
            return;
        }
        let now = choices.iter().position(|choice| choice == input.text());
        let next = match now {
            None if step > 0 => 0,
            None => choices.len() - 1,
            Some(now) => {
                let count = choices.len().cast_signed();
                (now.cast_signed() + step).rem_euclid(count).unsigned_abs()
            }
        };
        input.set(&choices[next]);
    }

    pub(super) fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let rows = self.parameters.len() as u16;
        let title = &self.tool.function.name;
        let inner = open(frame, centred(area, 84, rows.saturating_add(8).max(10)), title, look);
        if inner.height < 5 {
            return;
        }
        let about = truncate(
            &self.tool.function.description,
            usize::from(inner.width),
            look.symbols.ellipsis,
        );
        frame.render_widget(Span::styled(about, theme::DIM), Rect { height: 1, ..inner });
        let list = Rect { y: inner.y + 2, height: inner.height.saturating_sub(5), ..inner };
        let names = self.parameters.iter().map(|parameter| width(&parameter.name));
        let label = (names.max().unwrap_or_default() + 2).min(usize::from(inner.width) / 3);
        if self.parameters.is_empty() {
            frame.render_widget(Span::styled(look.t(common::NO_PARAMETERS), theme::DIM), list);
        }
        self.list.draw(frame, list, self.parameters.len(), (0, true), look, |at, room| {
            let (parameter, input) = (&self.parameters[at], &self.typed[at]);
            let mark = if parameter.required { "*" } else { " " };
            let mut spans = vec![
                Span::styled(mark, theme::WARN),
                Span::styled(fit(&parameter.name, label, look.symbols.ellipsis), theme::BOLD),
            ];
            if input.text().is_empty() {
                let choices: Vec<String> =
                    parameter.choices.iter().map(|value| parameter.show(value)).collect();
                let kind = if choices.is_empty() {
                    parameter.kind.name().to_owned()
                } else {
                    choices.join(" | ")
                };
                let hint = format!("  {kind}  {}", parameter.description);
                let hint = truncate(&hint, room.saturating_sub(label + 1), look.symbols.ellipsis);
                spans.push(Span::styled(hint.into_owned(), theme::DIM));
            } else if at != self.list.selected {
                spans.push(Span::raw(input.text().to_owned()));
            }
            Line::from(spans)
        });
        if let Some(input) = self.typed.get(self.list.selected)
            && let Some(row) = self.list.shown_row(self.parameters.len(), usize::from(list.height))
        {
            let x = list.x + 2 + label as u16;
            let field = Rect::new(x, list.y + row as u16, list.right().saturating_sub(x), 1);
            if input.text().is_empty() {
                frame.set_cursor_position((field.x, field.y));
            } else {
                input.draw(frame, field, true);
            }
        }
        let faults = call_faults(&self.call(), std::slice::from_ref(&self.tool));
        let (words, style) = match faults.first() {
            Some(fault) => (format!("{} {fault}", look.symbols.warn), theme::WARN),
            None => (format!("{} {}", look.symbols.yes, look.t(common::CALL_VALID)), theme::BETTER),
        };
        let words = truncate(&words, usize::from(inner.width), look.symbols.ellipsis);
        let line = |up: u16| Rect { y: inner.bottom() - up, height: 1, ..inner };
        frame.render_widget(Span::styled(words, style), line(2));
        frame.render_widget(Span::styled(look.t(common::CALL_KEYS), theme::DIM), line(1));
    }
}
