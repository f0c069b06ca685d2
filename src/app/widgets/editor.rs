//! Several lines of text being typed, with the terminal's own cursor.
//!
//! An input method draws the syllable being composed at the terminal's cursor, so a painted cursor
//! cell is not enough: after drawing, the real one is put where the text goes on.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui_textarea::{CursorMove, TextArea, WrapMode};

use crate::app::theme;
use crate::text::nfc;

/// A multi-line field. The text is always NFC.
#[derive(Debug, Clone)]
pub struct Editor {
    area: TextArea<'static>,
}

impl Editor {
    /// Starts with text, the cursor after it.
    pub fn new(text: &str) -> Self {
        let mut area = TextArea::new(nfc(text).split('\n').map(str::to_owned).collect());
        area.set_wrap_mode(WrapMode::WordOrGlyph);
        area.set_cursor_line_style(theme::PLAIN);
        area.set_cursor_style(theme::PLAIN);
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        Self { area }
    }

    /// The text, lines joined by `\n`.
    pub fn text(&self) -> String {
        nfc(&self.area.lines().join("\n")).into_owned()
    }

    /// The text before and after the cursor.
    pub fn at_cursor(&self) -> (String, String) {
        let cursor = self.area.cursor();
        let (row, column) = (cursor.0, cursor.1);
        let (mut before, mut after) = (String::new(), String::new());
        for (index, line) in self.area.lines().iter().enumerate() {
            let at = match index.cmp(&row) {
                std::cmp::Ordering::Less => line.len(),
                std::cmp::Ordering::Equal => {
                    line.char_indices().nth(column).map_or(line.len(), |(at, _)| at)
                }
                std::cmp::Ordering::Greater => 0,
            };
            if index > 0 {
                if index <= row { before.push('\n') } else { after.push('\n') }
            }
            before.push_str(&line[..at]);
            after.push_str(&line[at..]);
        }
        (nfc(&before).into_owned(), nfc(&after).into_owned())
    }

    /// Number of lines, unwrapped.
    pub fn line_count(&self) -> usize {
        self.area.lines().len()
    }

    /// Takes a key; returns whether the text changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('z') if control => self.area.undo(),
            KeyCode::Char('y') if control => self.area.redo(),
            _ => self.area.input(key),
        }
    }

    /// Inserts pasted text.
    pub fn paste(&mut self, text: &str) {
        self.area.insert_str(nfc(text).replace("\r\n", "\n").replace('\r', "\n"));
    }

    /// Draws the text; `focused` puts the terminal's cursor where typing goes on.
    pub fn draw(&self, frame: &mut Frame, area: Rect, focused: bool) {
        if area.is_empty() {
            return;
        }
        frame.render_widget(&self.area, area);
        if focused {
            let cursor = self.area.screen_cursor();
            let (top, left) = self.area.scroll_offset();
            let row = (cursor.row as u16).saturating_sub(top).min(area.height - 1);
            let column = (cursor.col as u16).saturating_sub(left).min(area.width - 1);
            frame.set_cursor_position((area.x + column, area.y + row));
        }
    }
}
