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
