//! What every view needs besides its own state, and where the last drawing put what.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use ratatui::layout::{Position, Rect};

use super::Screen;
use super::activity::Activities;
use super::snapshot::{Data, Settings};
use super::strings::Text;
use super::symbols::Symbols;
use crate::job::JobSpec;
use crate::pair::Language;

/// The surroundings of a view.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Language of the interface.
    pub language: Language,
    /// Marks to draw.
    pub symbols: &'static Symbols,
    /// The project.
    pub data: &'a Data,
    /// Jobs of this session.
    pub jobs: &'a Activities,
    /// Time since the program started.
    pub now: Duration,
    /// Settings in use.
    pub settings: &'a Settings,
    /// Where things were drawn.
    pub drawn: &'a Drawn,
    /// Whether nothing is laid over the screen, so that its fields may own the cursor.
    pub on_top: bool,
}

impl<'a> Look<'a> {
    /// The base model in use: the setting, or the first one on this machine.
    pub fn model(&self) -> Option<&'a str> {
        let setting = self.settings.model.as_deref().filter(|model| !model.is_empty());
        let first = || self.data.snapshot.models.first().map(|model| model.name.as_str());
        setting.or_else(first)
    }

    /// Number of the run that is being trained now.
    pub fn running_run(&self) -> Option<u32> {
        let job = self.jobs.training().filter(|job| job.is_running())?;
        let JobSpec::Train { resume, .. } = &job.spec else {
            return job.sweep.as_ref().and_then(|sweep| sweep.run);
        };
        let newest = self.data.snapshot.runs.last().filter(|run| run.outcome.is_none());
        resume.or_else(|| newest.map(|run| run.number))
    }

    /// The text in the language of the interface.
    pub fn t(&self, text: Text) -> &'static str {
        text.of(self.language)
    }

    /// The text with `{0}`, `{1}` and so on filled in.
    pub fn fill(&self, text: Text, values: &[&dyn std::fmt::Display]) -> String {
        text.fill(self.language, values)
    }
}

/// Where the last drawing put what can be clicked, and how many list rows it built.
#[derive(Debug, Default)]
pub struct Drawn {
    targets: RefCell<Vec<(Rect, Target)>>,
    rows_built: Cell<usize>,
}

/// Something that can be clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A stage in the top line.
    Stage(Screen),
    /// A column of the screen.
    Column(usize),
    /// A row of a list in a column.
    Row(usize, usize),
}

impl Drawn {
    /// Forgets the last drawing.
    pub fn clear(&self) {
        self.targets.borrow_mut().clear();
        self.rows_built.set(0);
    }

    /// Notes where something was drawn.
    pub fn put(&self, area: Rect, target: Target) {
        self.targets.borrow_mut().push((area, target));
    }

    /// The topmost thing drawn at a position.
    pub fn at(&self, column: u16, row: u16) -> Option<Target> {
        let position = Position::new(column, row);
        let targets = self.targets.borrow();
        targets.iter().rev().find(|(area, _)| area.contains(position)).map(|(_, target)| *target)
    }

    /// Counts a list row that was built.
    pub fn row_built(&self) {
        self.rows_built.set(self.rows_built.get() + 1);
    }

    /// List rows built by the last drawing.
    pub fn rows_built(&self) -> usize {
        self.rows_built.get()
    }
}
