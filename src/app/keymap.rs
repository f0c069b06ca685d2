//! From a key press to the commands it means, in either input mode.

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Screen;
use super::command::{Command, Info, in_field, on_screen};
use crate::text::hangul;

/// A key with the modifiers that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// A character as typed, shift already applied.
    Char(char),
    /// A character with Ctrl.
    Ctrl(char),
    /// A character with Alt.
    Alt(char),
    /// A function key.
    F(u8),
    /// Any other key by itself.
    Named(KeyCode),
}

impl Key {
    /// Enter.
    pub const ENTER: Self = Self::Named(KeyCode::Enter);
    /// Escape.
    pub const ESCAPE: Self = Self::Named(KeyCode::Esc);
    /// Space bar.
    pub const SPACE: Self = Self::Char(' ');
    /// Backspace.
    pub const BACKSPACE: Self = Self::Named(KeyCode::Backspace);
    /// Delete.
    pub const DELETE: Self = Self::Named(KeyCode::Delete);
    /// Insert.
    pub const INSERT: Self = Self::Named(KeyCode::Insert);
    /// Tab.
    pub const TAB: Self = Self::Named(KeyCode::Tab);
    /// Shift and Tab.
    pub const BACK_TAB: Self = Self::Named(KeyCode::BackTab);
    /// Arrow up.
    pub const UP: Self = Self::Named(KeyCode::Up);
    /// Arrow down.
    pub const DOWN: Self = Self::Named(KeyCode::Down);
    /// Arrow left.
    pub const LEFT: Self = Self::Named(KeyCode::Left);
    /// Arrow right.
    pub const RIGHT: Self = Self::Named(KeyCode::Right);
    /// Page up.
    pub const PAGE_UP: Self = Self::Named(KeyCode::PageUp);
    /// Page down.
    pub const PAGE_DOWN: Self = Self::Named(KeyCode::PageDown);
    /// Home.
    pub const HOME: Self = Self::Named(KeyCode::Home);
    /// End.
    pub const END: Self = Self::Named(KeyCode::End);
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        let alt = event.modifiers.contains(KeyModifiers::ALT);
        match event.code {
            KeyCode::Char(letter) if control => Self::Ctrl(letter.to_ascii_lowercase()),
            KeyCode::Char(letter) if alt => Self::Alt(letter),
            KeyCode::Char(letter) => Self::Char(letter),
            KeyCode::F(number) => Self::F(number),
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => Self::BACK_TAB,
            code => Self::Named(code),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Char(' ') => f.write_str("Space"),
            Self::Char(letter) => write!(f, "{letter}"),
            Self::Ctrl(letter) => write!(f, "Ctrl-{}", letter.to_ascii_uppercase()),
            Self::Alt(letter) => write!(f, "Alt-{letter}"),
            Self::F(number) => write!(f, "F{number}"),
            Self::Named(KeyCode::BackTab) => f.write_str("Shift-Tab"),
            Self::Named(KeyCode::PageUp) => f.write_str("PageUp"),
            Self::Named(KeyCode::PageDown) => f.write_str("PageDown"),
            Self::Named(KeyCode::Delete) => f.write_str("Delete"),
            Self::Named(KeyCode::Up) => f.write_str("↑"),
            Self::Named(KeyCode::Down) => f.write_str("↓"),
            Self::Named(KeyCode::Left) => f.write_str("←"),
            Self::Named(KeyCode::Right) => f.write_str("→"),
            Self::Named(code) => write!(f, "{code}"),
        }
    }
}

/// The keys a press stands for: itself, or with a Korean input method on, the QWERTY keys of the
/// jamo or committed syllable (`하` is `g`, `k`).
pub fn decode(key: Key) -> Vec<Key> {
    let (letter, make): (char, fn(char) -> Key) = match key {
        Key::Char(letter) => (letter, Key::Char),
        Key::Ctrl(letter) => (letter, Key::Ctrl),
        Key::Alt(letter) => (letter, Key::Alt),
        Key::F(_) | Key::Named(_) => return vec![key],
    };
    match hangul::keys(letter) {
        Some(keys) => keys.chars().map(make).collect(),
        None => vec![key],
    }
}

/// The command a key means on a screen, outside text fields.
pub fn lookup(screen: Screen, key: Key) -> Option<Command> {
    find(on_screen(screen), key)
}

/// The command a key means in a text field. Chords are decoded as elsewhere, letters never are.
pub fn lookup_in_field(key: Key) -> Option<Command> {
    match key {
        Key::Char(_) => None,
        _ => decode(key)
            .into_iter()
            .find_map(|key| find(in_field(), key)),
    }
}

fn find(mut commands: impl Iterator<Item = &'static Info>, key: Key) -> Option<Command> {
    commands
        .find(|info| info.keys.contains(&key))
        .map(|info| info.command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_input_modes_mean_the_same_command() {
        for (latin, hangul) in [
            ('a', 'ㅁ'),
            ('r', 'ㄱ'),
            ('e', 'ㄷ'),
            ('N', 'N'),
            ('q', 'ㅂ'),
            ('E', 'ㄸ'),
        ] {
            let decoded = decode(Key::Char(hangul));
            assert_eq!(decoded, [Key::Char(latin)]);
            assert!(lookup(Screen::Curate, decoded[0]).is_some(), "{latin}");
        }
        assert_eq!(decode(Key::Char('하')), [Key::Char('g'), Key::Char('k')]);
        assert_eq!(decode(Key::Ctrl('ㅊ')), [Key::Ctrl('c')]);
        assert_eq!(lookup_in_field(Key::Ctrl('ㄴ')), Some(Command::FieldSave));
        assert_eq!(lookup_in_field(Key::Char('ㄴ')), None);
    }

    #[test]
    fn keys_are_written_as_people_say_them() {
        for (key, text) in [
            (Key::Ctrl('r'), "Ctrl-R"),
            (Key::SPACE, "Space"),
            (Key::ENTER, "Enter"),
            (Key::ESCAPE, "Esc"),
            (Key::F(5), "F5"),
            (Key::BACK_TAB, "Shift-Tab"),
            (Key::Char('N'), "N"),
        ] {
            assert_eq!(key.to_string(), text);
        }
    }
}
