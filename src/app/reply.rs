//! What a screen or overlay answers to a command.

use super::Screen;
use super::effect::Effect;
use super::overlays::Overlay;
use super::snapshot::Settings;
use crate::job::JobSpec;
use crate::project::PassageId;

/// Collected answers; the application carries them out.
#[derive(Default)]
pub struct Reply {
    /// What the runtime must do.
    pub effects: Vec<Effect>,
    /// What to tell the user.
    pub notice: Option<Notice>,
    /// What to lay over the screen.
    pub overlay: Option<Overlay>,
    /// Where to go.
    pub go: Option<Place>,
    /// Work to start.
    pub start: Option<JobSpec>,
    /// Settings to take over and keep.
    pub settings: Option<Box<Settings>>,
}

impl Reply {
    /// Asks for an effect.
    pub fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Tells the user something.
    pub fn tell(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice::info(text));
    }

    /// Tells the user what went wrong.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice::warning(text));
    }
}

/// A place to go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A screen as it was left.
    Screen(Screen),
    /// Curate, at a passage.
    Passage(PassageId),
}

/// A short word to the user; goes away by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The word.
    pub text: String,
    /// Whether something went wrong.
    pub warning: bool,
    /// Ticks until it goes away.
    pub ticks_left: u32,
}

impl Notice {
    /// Something that happened.
    pub fn info(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            warning: false,
            ticks_left: 12,
        }
    }

    /// Something that went wrong; stays longer.
    pub fn warning(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            warning: true,
            ticks_left: 40,
        }
    }
}
