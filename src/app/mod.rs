//! The interface without a terminal: `update` takes what happened and answers what to do, `view`
//! draws. No files, no threads, no network.

/// Builds a [`Look`] from the fields of an `App`, leaving `screens` and `overlays` free to change.
macro_rules! look {
    ($app:expr) => {
        look!($app, $app.overlays.is_empty())
    };
    ($app:expr, $on_top:expr) => {
        $crate::app::look::Look {
            language: $app.settings.language.unwrap_or($app.options.language),
            symbols: $app.options.symbols.unwrap_or($app.settings.symbols).symbols(),
            data: &$app.data,
            settings: &$app.settings,
            jobs: &$app.jobs,
            now: $app.now,
            drawn: &$app.drawn,
            on_top: $on_top,
        }
    };
}

mod activity;
mod answers;
mod checked;
pub mod command;
pub mod effect;
mod format;
pub mod keymap;
mod live_run;
mod live_sweep;
mod look;
pub mod message;
mod overlays;
mod pair_text;
mod reading;
mod reply;
mod screens;
pub mod snapshot;
pub mod strings;
pub mod symbols;
mod theme;
mod update;
mod view;
mod widgets;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use activity::Activities;
pub use effect::Effect;
use look::{Drawn, Look};
pub use message::Message;
use overlays::Overlay;
use reply::Notice;
use screens::Screens;
pub use snapshot::Snapshot;
use snapshot::{Data, Settings};
use symbols::SymbolSet;

use crate::pair::Language;
use crate::project::{ExampleId, StoredExample};

/// Smallest terminal that is drawn on, columns and rows.
pub const SIZE_MIN: (u16, u16) = (60, 16);

/// What the user's data is at: one screen a stage, and three beside the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Screen {
    /// Overview and what to do next.
    Home,
    /// Documents, pages, passages.
    Sources,
    /// Pairs, reviewed and edited.
    Curate,
    /// The training set.
    Mix,
    /// Runs.
    Train,
    /// Base beside tuned.
    Evaluate,
    /// Chat with both.
    Try,
    /// Background work.
    Jobs,
    /// Settings.
    Settings,
}

/// All screens; the path of the data is `SCREENS[1..7]`.
pub const SCREENS: [Screen; 9] = [
    Screen::Home,
    Screen::Sources,
    Screen::Curate,
    Screen::Mix,
    Screen::Train,
    Screen::Evaluate,
    Screen::Try,
    Screen::Jobs,
    Screen::Settings,
];

/// What the application is told once, at the start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Language when the project has no setting.
    pub language: Language,
    /// Symbols when ASCII is asked for by the caller; none follows the project's setting.
    pub symbols: Option<SymbolSet>,
    /// Folder that path prompts start in.
    pub folder: PathBuf,
}

/// The state of the interface.
pub struct App {
    options: Options,
    data: Data,
    /// Settings in use: the snapshot's with what was changed since.
    settings: Settings,
    size: (u16, u16),
    screen: Screen,
    screens: Screens,
    overlays: Vec<Overlay>,
    jobs: Activities,
    notice: Option<Notice>,
    /// Edits made while the examples are being read.
    changed_meanwhile: Vec<Vec<(ExampleId, Option<StoredExample>)>>,
    now: Duration,
    /// Set once the user wants to leave and a job must stop first.
    quitting: bool,
    loaded: bool,
    drawn: Drawn,
}

impl App {
    /// Starts on the home screen with nothing loaded.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            data: Data::default(),
            settings: Settings::default(),
            size: (0, 0),
            screen: Screen::Home,
            screens: Screens::default(),
            overlays: Vec::new(),
            jobs: Activities::default(),
            notice: None,
            changed_meanwhile: Vec::new(),
            now: Duration::ZERO,
            quitting: false,
            loaded: false,
            drawn: Drawn::default(),
        }
    }

    /// What the application wants done before the first message.
    pub fn start(&self) -> Vec<Effect> {
        vec![Effect::Reload, Effect::ListModels]
    }

    /// Whether a text field has the focus: nothing else should move on the screen.
    pub fn is_editing(&self) -> bool {
        match self.overlays.last() {
            Some(overlay) => overlay.is_typing(),
            None => self.screens.get(self.screen).is_editing(),
        }
    }

    /// Whether time matters now: ticks are wanted.
    pub fn wants_ticks(&self) -> bool {
        self.notice.is_some()
            || self.jobs.current().is_some()
            || self.screens.curate.has_unkept_typing()
    }

    /// The screen that is shown.
    pub fn screen(&self) -> Screen {
        self.screen
    }

    /// List rows built by the last drawing.
    pub fn rows_built(&self) -> usize {
        self.drawn.rows_built()
    }

    fn language(&self) -> Language {
        self.settings.language.unwrap_or(self.options.language)
    }

    fn symbol_set(&self) -> SymbolSet {
        self.options.symbols.unwrap_or(self.settings.symbols)
    }

    fn look(&self) -> Look<'_> {
        look!(self)
    }
}
