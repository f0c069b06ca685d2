//! A line of text being typed, with the terminal's own cursor.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::text::Span;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::app::theme;
use crate::text::width::prefix;
use crate::text::{nfc, width};

/// Text and cursor of a one-line field. The text is always NFC and without line ends.
#[derive(Debug, Default, Clone)]
pub struct Input {
    text: String,
    /// Byte position, on a grapheme boundary.
    cursor: usize,
    masked: bool,
}

impl Input {
    /// Starts with text, the cursor after it.
    pub fn new(text: &str) -> Self {
        let mut input = Self::default();
        input.set(text);
        input
    }

    /// A field that shows dots for what is typed.
    pub fn masked() -> Self {
        Self {
            masked: true,
            ..Self::default()
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the text, the cursor after it.
    pub fn set(&mut self, text: &str) {
        self.text = one_line(text);
        self.cursor = self.text.len();
    }

    /// Inserts pasted text at the cursor.
    pub fn paste(&mut self, text: &str) {
        let text = one_line(text);
        self.text.insert_str(self.cursor, &text);
        self.cursor += text.len();
        self.compose();
    }

    /// Takes a key; returns whether it was one for a text field.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('u') if control => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('w') if control => {
                let start = word_start(&self.text[..self.cursor]);
                self.text.drain(start..self.cursor);
                self.cursor = start;
            }
            KeyCode::Char(_) if control => return false,
            KeyCode::Char(letter) => {
                self.text.insert(self.cursor, letter);
                self.cursor += letter.len_utf8();
                self.compose();
            }
            KeyCode::Backspace => {
                let start = self.before();
                self.text.drain(start..self.cursor);
                self.cursor = start;
            }
            KeyCode::Delete => {
                let end = self.after();
                self.text.drain(self.cursor..end);
            }
            KeyCode::Left => self.cursor = self.before(),
            KeyCode::Right => self.cursor = self.after(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return false,
        }
        true
    }

    /// Draws the text so that the cursor shows; `focused` puts the terminal's cursor there.
    pub fn draw(&self, frame: &mut Frame, area: Rect, focused: bool) {
        if area.is_empty() {
            return;
        }
        let masked = "*".repeat(self.text.graphemes(true).count());
        let (text, before) = if self.masked {
            (
                masked.as_str(),
                self.text[..self.cursor].graphemes(true).count(),
            )
        } else {
            (self.text.as_str(), width(&self.text[..self.cursor]))
        };
        let room = usize::from(area.width).saturating_sub(1);
        // Scroll by whole graphemes so that a wide glyph is never cut.
        let hidden = before.saturating_sub(room);
        let mut start = prefix(text, hidden);
        if width(&text[..start]) < hidden {
            start += text[start..].graphemes(true).next().map_or(0, str::len);
        }
        let shown = &text[start..];
        let shown = &shown[..prefix(shown, usize::from(area.width))];
        let style = if focused { theme::PLAIN } else { theme::DIM };
        frame.render_widget(Span::styled(shown, style), Rect { height: 1, ..area });
        if focused {
            let column = before.saturating_sub(width(&text[..start])) as u16;
            frame.set_cursor_position((area.x + column.min(area.width - 1), area.y));
        }
    }

    fn compose(&mut self) {
        if let std::borrow::Cow::Owned(composed) = nfc(&self.text) {
            let before = nfc(&self.text[..self.cursor]).len();
            self.text = composed;
            self.cursor = before.min(self.text.len());
            while !self.text.is_char_boundary(self.cursor) {
                self.cursor -= 1;
            }
        }
    }

    fn before(&self) -> usize {
        let last = self.text[..self.cursor].grapheme_indices(true).next_back();
        last.map_or(0, |(index, _)| index)
    }

    fn after(&self) -> usize {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor + next.map_or(0, str::len)
    }
}

fn one_line(text: &str) -> String {
    nfc(text)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn word_start(text: &str) -> usize {
    text.trim_end().rfind([' ', '/']).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(input: &mut Input, code: KeyCode) {
        input.key(KeyEvent::from(code));
    }

    #[test]
    fn edits_by_grapheme() {
        let mut input = Input::new("내진");
        press(&mut input, KeyCode::Left);
        press(&mut input, KeyCode::Char('x'));
        assert_eq!(input.text(), "내x진");
        press(&mut input, KeyCode::Backspace);
        press(&mut input, KeyCode::Backspace);
        assert_eq!(input.text(), "진");
        press(&mut input, KeyCode::Delete);
        assert_eq!(input.text(), "");
        input.paste("a\nb\u{1112}\u{1161}\u{11ab}");
        assert_eq!(input.text(), "a b한");
        press(&mut input, KeyCode::Backspace);
        assert_eq!(input.text(), "a b");
    }

    #[test]
    fn jamo_that_arrive_one_by_one_are_composed() {
        let mut input = Input::default();
        for jamo in ['\u{1112}', '\u{1161}', '\u{11ab}', '!'] {
            press(&mut input, KeyCode::Char(jamo));
        }
        assert_eq!(input.text(), "한!");
    }

    #[test]
    fn control_keys_cut_words_and_lines() {
        let mut input = Input::new("/home/문서/기준.pdf");
        let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
        assert!(input.key(control('w')));
        assert_eq!(input.text(), "/home/문서/");
        assert!(input.key(control('u')));
        assert_eq!(input.text(), "");
        assert!(!input.key(control('s')));
    }
}
