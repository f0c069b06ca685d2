//! Asking for a password on the terminal.

use std::io::{IsTerminal, Write, stderr, stdin};
use std::path::Path;

use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, read};
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};

/// Tells whether someone is there to be asked.
pub fn can_ask() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Asks for the password of a locked file, which is not shown. `None` where nobody is there to be asked, or
/// gives up with Escape or ctrl-C.
pub fn ask(file: &Path) -> Option<String> {
    if !can_ask() {
        return None;
    }
    let mut err = stderr().lock();
    let _ = write!(err, "Password of {}: ", file.display());
    let _ = err.flush();
    enable_raw_mode().ok()?;
    let answer = line();
    let _ = disable_raw_mode();
    let _ = writeln!(err);
    answer.filter(|password| !password.is_empty())
}

/// Reads keys up to Enter.
fn line() -> Option<String> {
    let mut password = String::new();
    loop {
        let Event::Key(key) = read().ok()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match key.code {
            KeyCode::Enter => return Some(password),
            KeyCode::Esc => return None,
            KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return None;
            }
            KeyCode::Char(character) => password.push(character),
            KeyCode::Backspace => {
                password.pop();
            }
            _ => {}
        }
    }
}
