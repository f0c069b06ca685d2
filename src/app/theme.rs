//! Colours: the terminal's own sixteen, one accent, green and red only for better and worse.
//!
//! Colour never carries meaning alone; with `NO_COLOR` the marks and bold remain.

use ratatui::style::{Color, Modifier, Style};

/// What the user acts on.
pub const ACCENT: Style = Style::new().fg(Color::Cyan);
/// Context that may be overlooked.
pub const DIM: Style = Style::new().add_modifier(Modifier::DIM);
/// Titles and what is loudest.
pub const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
/// The focused title.
pub const TITLE: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
/// The selected row of the focused list.
pub const SELECTED: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
/// The selected row of a list without focus.
pub const MARKED: Style = Style::new().add_modifier(Modifier::BOLD);
/// Better.
pub const BETTER: Style = Style::new().fg(Color::Green);
/// Worse.
pub const WORSE: Style = Style::new().fg(Color::Red);
/// Wants attention.
pub const WARN: Style = Style::new().fg(Color::Yellow);
/// The quote in its passage.
pub const QUOTE: Style = Style::new().add_modifier(Modifier::UNDERLINED.union(Modifier::BOLD));
/// A key in the key bar.
pub const KEY: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
/// Words only the first text has.
pub const REMOVED: Style = Style::new()
    .fg(Color::Red)
    .add_modifier(Modifier::CROSSED_OUT);
/// Words only the second text has.
pub const ADDED: Style = Style::new()
    .fg(Color::Green)
    .add_modifier(Modifier::UNDERLINED);
/// Nothing special.
pub const PLAIN: Style = Style::new();
