//! Labelled values in a list, one of which may be edited in place.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Input, ListState};
use crate::app::look::Look;
use crate::app::theme;
use crate::text::{fit, width};

/// A labelled value.
#[derive(Debug, Clone)]
pub struct Field {
    /// What it is.
    pub label: &'static str,
    /// Its value as text.
    pub value: String,
    /// A dim remark after the value.
    pub note: String,
}

/// Which field is selected, and what is being typed in its place.
#[derive(Debug, Default)]
pub struct Form {
    /// Selected field.
    pub list: ListState,
    /// Typed in place of the selected value.
    pub input: Option<Input>,
}

impl Form {
    /// Starts typing over `value`.
    pub fn begin(&mut self, value: &str) {
        self.input = Some(Input::new(value));
    }

    /// Takes a key while typing; returns the text once it is entered.
    pub fn key(&mut self, key: KeyEvent, save: bool) -> Option<String> {
        if save || key.code == KeyCode::Enter {
            return self
                .input
                .take()
                .map(|input| input.text().trim().to_owned());
        }
        if key.code == KeyCode::Esc {
            self.input = None;
        } else if let Some(input) = &mut self.input {
            input.key(key);
        }
        None
    }
}

/// Draws fields as a list; `editing` is drawn in place of the selected value.
pub fn draw(
    frame: &mut Frame,
    area: Rect,
    fields: &[Field],
    form: &Form,
    (column, focused): (usize, bool),
    look: &Look,
) {
    let (state, editing) = (&form.list, form.input.as_ref());
    let widest = fields
        .iter()
        .map(|field| width(field.label))
        .max()
        .unwrap_or_default();
    let label_width = (widest + 2).min(usize::from(area.width) * 3 / 5);
    state.draw(
        frame,
        area,
        fields.len(),
        (column, focused),
        look,
        |index, room| {
            let field = &fields[index];
            let mut spans = vec![Span::styled(
                fit(field.label, label_width, look.symbols.ellipsis),
                theme::PLAIN,
            )];
            if editing.is_none() || index != state.selected {
                let left = room.saturating_sub(label_width);
                let value = crate::text::truncate(&field.value, left, look.symbols.ellipsis);
                let note_room = left.saturating_sub(width(&value) + 2);
                let value = value.into_owned();
                spans.push(Span::styled(value, theme::BOLD));
                if note_room > 6 {
                    let note = crate::text::truncate(&field.note, note_room, look.symbols.ellipsis);
                    spans.push(Span::styled(format!("  {note}"), theme::DIM));
                }
            }
            Line::from(spans)
        },
    );
    if let Some(input) = editing {
        let shown = state.shown_row(fields.len(), usize::from(area.height));
        let x = area.x + 1 + label_width as u16;
        if let Some(row) = shown.filter(|row| *row < usize::from(area.height) && x < area.right()) {
            let field = Rect::new(x, area.y + row as u16, area.right() - x, 1);
            input.draw(frame, field, look.on_top);
        }
    }
}
