//! One screen a file: its state, what its commands do, how it is drawn.

pub mod curate;
pub mod evaluate;
pub mod home;
pub mod jobs;
pub mod mix;
pub mod settings;
pub mod sources;
pub mod train;
pub mod try_;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::Screen;
use super::command::Command;
use super::look::Look;
use super::reply::Reply;
use super::strings::Text;
use super::theme;
use super::widgets::Rich;
use crate::text::width::right;

/// What every screen can do. All methods but [`ScreenState::view`] and [`ScreenState::command`]
/// have a sensible nothing.
pub trait ScreenState {
    /// Draws the screen.
    fn view(&self, frame: &mut Frame, area: Rect, look: &Look);

    /// Carries out a command of this screen, or one about lists and focus.
    fn command(&mut self, command: Command, look: &Look, reply: &mut Reply);

    /// Why a command cannot be carried out now; none when it can.
    fn unavailable(&self, _command: Command, _look: &Look) -> Option<Text> {
        None
    }

    /// Whether a text field has the focus.
    fn is_editing(&self) -> bool {
        false
    }

    /// Takes a key while a text field has the focus; `command` is what it means there, if
    /// anything.
    fn field_key(
        &mut self,
        _key: KeyEvent,
        _command: Option<Command>,
        _look: &Look,
        _reply: &mut Reply,
    ) {
    }

    /// Takes pasted text while a text field has the focus.
    fn paste(&mut self, _text: &str, _look: &Look, _reply: &mut Reply) {}

    /// The user came to this screen.
    fn visited(&mut self, _look: &Look, _reply: &mut Reply) {}

    /// The project was read again or changed.
    fn data_changed(&mut self, _look: &Look) {}

    /// A moment passed.
    fn tick(&mut self, _look: &Look, _reply: &mut Reply) {}

    /// The text that copying takes.
    fn copied(&self, _look: &Look) -> Option<String> {
        None
    }

    /// A column, or a row of its list, was clicked.
    fn click(&mut self, _column: usize, _row: Option<usize>, _look: &Look) {}
}

/// The state of every screen.
#[derive(Default)]
pub struct Screens {
    /// Overview.
    pub home: home::Home,
    /// Documents and passages.
    pub sources: sources::Sources,
    /// Review and editing of pairs.
    pub curate: curate::Curate,
    /// Composition of the training set.
    pub mix: mix::Mix,
    /// Training.
    pub train: train::Train,
    /// Comparison of base and tuned.
    pub evaluate: evaluate::Evaluate,
    /// Chat.
    pub try_: try_::Try,
    /// Background work.
    pub jobs: jobs::Jobs,
    /// Settings.
    pub settings: settings::SettingsScreen,
}

impl Screens {
    /// A screen's state.
    pub fn get(&self, screen: Screen) -> &dyn ScreenState {
        match screen {
            Screen::Home => &self.home,
            Screen::Sources => &self.sources,
            Screen::Curate => &self.curate,
            Screen::Mix => &self.mix,
            Screen::Train => &self.train,
            Screen::Evaluate => &self.evaluate,
            Screen::Try => &self.try_,
            Screen::Jobs => &self.jobs,
            Screen::Settings => &self.settings,
        }
    }

    /// A screen's state, to change.
    pub fn get_mut(&mut self, screen: Screen) -> &mut dyn ScreenState {
        match screen {
            Screen::Home => &mut self.home,
            Screen::Sources => &mut self.sources,
            Screen::Curate => &mut self.curate,
            Screen::Mix => &mut self.mix,
            Screen::Train => &mut self.train,
            Screen::Evaluate => &mut self.evaluate,
            Screen::Try => &mut self.try_,
            Screen::Jobs => &mut self.jobs,
            Screen::Settings => &mut self.settings,
        }
    }
}

/// Says what is missing and which keys help, in the middle of an empty area.
pub(super) fn empty(frame: &mut Frame, area: Rect, words: Text, commands: &[Command], look: &Look) {
    let cells = area.width.saturating_sub(4).min(64);
    let mut text = Rich::default();
    text.push(look.t(words), theme::PLAIN);
    if !commands.is_empty() {
        text.line();
    }
    for command in commands {
        let key = command
            .info()
            .keys
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        text.line().hang(8).push(&right(&key, 6), theme::KEY);
        text.push(&format!("  {}", command.help(look.language)), theme::DIM);
    }
    let lines = text.lines(usize::from(cells));
    let widest = lines
        .iter()
        .map(ratatui::text::Line::width)
        .max()
        .unwrap_or_default() as u16;
    let height = (lines.len() as u16).min(area.height);
    let y = area.y + (area.height - height) / 3;
    let x = area.x + area.width.saturating_sub(widest) / 2;
    let place = Rect {
        x,
        y,
        width: area.right().saturating_sub(x),
        height,
    };
    for (row, line) in place.rows().zip(&lines) {
        frame.render_widget(line, row);
    }
}

/// Explains the selected one of `rows` settings at the bottom of their column.
pub(super) fn explain(frame: &mut Frame, area: Rect, rows: usize, words: &str) {
    let lines = Rich::plain(words).lines(usize::from(area.width.saturating_sub(3)));
    let top = area.y + (rows as u16 + 1).min(area.height);
    let room = area.bottom().saturating_sub(top);
    let place = Rect {
        x: area.x + 1,
        y: top,
        width: area.width.saturating_sub(2),
        height: room,
    };
    for (row, line) in place.rows().zip(lines) {
        frame.render_widget(line.style(theme::DIM), row);
    }
}
