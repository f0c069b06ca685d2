//! The recipe, the curve of the run, and earlier runs.

mod recipe_field;
mod sweep;
mod sweep_view;
mod view;

use std::collections::HashMap;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::ScreenState;
use crate::app::command::Command;
use crate::app::live_run::LiveRun;
use crate::app::look::Look;
use crate::app::overlays::{Choice, Choosing, Overlay};
use crate::app::reply::Reply;
use crate::app::snapshot::Settings;
use crate::app::strings::{Text, common, screen as texts};
use crate::app::widgets::ListState;
use crate::app::widgets::columns::columns;
use crate::app::widgets::fields::Form;
use crate::app::{Effect, format};
use crate::job::JobSpec;
use crate::train::{Recipe, RunOutcome, RunRecord, TrainEvent};
use recipe_field::{ITEMS, Item};
use sweep::Sweeps;

const FIELDS: usize = 0;
const CURVE: usize = 1;
const RUNS: usize = 2;
const WEIGHTS: [u16; 3] = [34, 56, 32];

/// State of the screen.
#[derive(Default)]
pub struct Train {
    focus: usize,
    form: Form,
    runs: ListState,
    /// Runs read back from their files.
    read: HashMap<u32, LiveRun>,
    /// Whether the selected earlier run is shown instead of the running one.
    earlier: bool,
    /// Sweeps, and whether they are shown instead of all this.
    sweeps: Sweeps,
}

impl Train {
    /// Takes the events of a run read from its file.
    pub fn run_read(&mut self, number: u32, events: &[TrainEvent]) {
        self.read.insert(number, LiveRun::from_events(events));
    }

    fn item(&self) -> Item {
        ITEMS[self.form.list.selected.min(ITEMS.len() - 1)]
    }

    /// Runs are listed newest first.
    fn selected_run<'a>(&self, look: &Look<'a>) -> Option<&'a RunRecord> {
        look.data.snapshot.runs.iter().rev().nth(self.runs.selected)
    }

    fn set(&self, number: f64, look: &Look, reply: &mut Reply) {
        let mut recipe = look.settings.recipe.clone();
        self.item().set(&mut recipe, number);
        reply.settings = Some(Box::new(Settings { recipe, ..look.settings.clone() }));
    }

    /// Takes what a sweep is to vary as it was typed.
    pub fn sweep_typed(&mut self, text: &str, look: &Look, reply: &mut Reply) {
        self.sweeps.typed(text, look, reply);
    }

    /// Starts the sweep that was typed.
    pub fn start_sweep(&mut self, reply: &mut Reply) {
        self.sweeps.start(reply);
        self.focus = 0;
    }

    fn step(&mut self, rows: isize, look: &Look, reply: &mut Reply) {
        if self.sweeps.open {
            let runs = self.sweeps.told().map_or(0, |told| told.state.runs.len());
            return self.sweeps.runs.by(rows, runs);
        }
        match self.focus {
            FIELDS => self.form.list.by(rows, ITEMS.len()),
            RUNS => {
                self.runs.by(rows, look.data.snapshot.runs.len());
                self.earlier = true;
                self.read_selected(look, reply);
            }
            _ => {}
        }
    }

    fn read_selected(&self, look: &Look, reply: &mut Reply) {
        if let Some(run) = self.selected_run(look)
            && !self.read.contains_key(&run.number)
        {
            reply.effect(Effect::ReadRun(run.number));
        }
    }

    /// The run whose curve is shown: the one that runs, unless an earlier one was selected.
    fn shown<'a>(&'a self, look: &Look<'a>) -> Option<(Option<&'a RunRecord>, &'a LiveRun)> {
        let live = look.jobs.training().filter(|_| !self.earlier);
        if let Some(run) = live.and_then(|job| job.run.as_ref()) {
            return Some((None, run));
        }
        let record = self.selected_run(look)?;
        self.read.get(&record.number).map(|run| (Some(record), run))
    }
}

/// Offers the models on this machine.
pub fn choose_model(look: &Look, reply: &mut Reply) {
    let models = look.data.snapshot.models.iter();
    let options = models.map(|model| (model.name.clone(), format::bytes(model.bytes))).collect();
    let choice = Choice::new(Choosing::Model, options, look.model());
    reply.overlay = Some(Overlay::Choice(choice));
}

impl ScreenState for Train {
    fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        if self.sweeps.open {
            return self.draw_sweeps(frame, area, look);
        }
        for column in columns(area, &WEIGHTS, self.focus) {
            match column.index {
                FIELDS => self.draw_fields(frame, column, look),
                CURVE => self.draw_curve(frame, column, look),
                _ => self.draw_runs(frame, column, look),
            }
        }
    }

    fn command(&mut self, command: Command, look: &Look, reply: &mut Reply) {
        let on_fields = self.focus == FIELDS;
        match command {
            Command::TrainSweep => self.sweeps.ask(reply),
            Command::TrainSweeps => {
                (self.sweeps.open, self.focus) = (!self.sweeps.open, 0);
                self.sweeps.refresh(look);
            }
            Command::TrainSweepOlder => self.sweeps.turn(true, look),
            Command::TrainSweepNewer => self.sweeps.turn(false, look),
            Command::TrainResume if self.sweeps.open => self.sweeps.resume(reply),
            Command::Back if self.sweeps.open => (self.sweeps.open, self.focus) = (false, 0),
            Command::FocusNext | Command::FocusPrevious if self.sweeps.open => {
                self.focus = 1 - self.focus.min(1);
            }
            Command::ListOpen if self.sweeps.open => self.focus = 1,
            Command::TrainStart => {
                (self.earlier, self.sweeps.open) = (false, false);
                if let Some(model) = look.model() {
                    let (model, recipe) = (model.to_owned(), look.settings.recipe.clone());
                    reply.start = Some(JobSpec::Train { model, recipe, resume: None });
                    self.focus = CURVE;
                }
            }
            Command::TrainResume => {
                if let Some(run) = self.selected_run(look) {
                    let (model, recipe) = (run.model.clone(), run.recipe.clone());
                    let resume = Some(run.number);
                    self.earlier = false;
                    reply.start = Some(JobSpec::Train { model, recipe, resume });
                    self.focus = CURVE;
                }
            }
            Command::TrainModel => choose_model(look, reply),
            Command::TrainMore | Command::TrainLess => {
                if self.item() == Item::Model {
                    choose_model(look, reply);
                } else {
                    let up = command == Command::TrainMore;
                    self.set(self.item().stepped(&look.settings.recipe, up), look, reply);
                }
            }
            Command::TrainDefaults => {
                let recipe = Recipe::default();
                reply.settings = Some(Box::new(Settings { recipe, ..look.settings.clone() }));
            }
            Command::ListOpen if on_fields => match self.item() {
                Item::Model => choose_model(look, reply),
                item if item.choice(&look.settings.recipe).is_some() => {
                    self.set(item.stepped(&look.settings.recipe, true), look, reply);
                }
                item => self.form.begin(&item.value(&look.settings.recipe)),
            },
            Command::ListOpen if self.focus == RUNS => {
                self.earlier = true;
                self.read_selected(look, reply);
                self.focus = CURVE;
            }
            Command::ListUp => self.step(-1, look, reply),
            Command::ListDown => self.step(1, look, reply),
            Command::ListFirst => self.step(isize::MIN / 2, look, reply),
            Command::ListLast => self.step(isize::MAX / 2, look, reply),
            Command::FocusNext => self.focus = (self.focus + 1) % 3,
            Command::FocusPrevious => self.focus = (self.focus + 2) % 3,
            Command::Back => (self.earlier, self.focus) = (false, FIELDS),
            _ => {}
        }
    }

    fn unavailable(&self, command: Command, look: &Look) -> Option<Text> {
        match command {
            Command::TrainStart | Command::TrainSweep if look.model().is_none() => {
                Some(common::NO_MODEL)
            }
            Command::TrainStart | Command::TrainSweep => {
                (look.data.summary.accepted == 0).then_some(texts::NO_ACCEPTED)
            }
            Command::TrainSweepOlder | Command::TrainSweepNewer if self.sweeps.open => {
                self.sweeps.cannot_turn(command == Command::TrainSweepOlder, look)
            }
            Command::TrainSweepOlder | Command::TrainSweepNewer => Some(texts::SWEEP_CLOSED),
            Command::TrainModel
            | Command::TrainMore
            | Command::TrainLess
            | Command::TrainDefaults
                if self.sweeps.open =>
            {
                Some(texts::SWEEP_OPEN)
            }
            Command::TrainResume if self.sweeps.open => self.sweeps.cannot_resume(look),
            Command::TrainResume => {
                let run = self.selected_run(look);
                if run.is_some_and(|run| look.running_run() == Some(run.number)) {
                    return Some(texts::WAIT_FOR_JOB);
                }
                let done = run.is_none_or(|run| run.outcome == Some(RunOutcome::Finished));
                done.then_some(texts::NOTHING_TO_RESUME)
            }
            _ => None,
        }
    }

    fn is_editing(&self) -> bool {
        self.form.input.is_some()
    }

    fn field_key(
        &mut self,
        key: KeyEvent,
        command: Option<Command>,
        look: &Look,
        reply: &mut Reply,
    ) {
        let Some(text) = self.form.key(key, command == Some(Command::FieldSave)) else {
            return;
        };
        match text.trim_end_matches('%').trim().parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => self.set(number, look, reply),
            Ok(_) | Err(_) => reply.warn(look.t(texts::NOT_A_NUMBER)),
        }
    }

    fn paste(&mut self, text: &str, _look: &Look, _reply: &mut Reply) {
        if let Some(input) = &mut self.form.input {
            input.paste(text);
        }
    }

    fn data_changed(&mut self, look: &Look) {
        self.sweeps.refresh(look);
        self.runs.by(0, look.data.snapshot.runs.len());
        // A run that went on has more events than were read.
        self.read.retain(|number, run| {
            let record = look.data.snapshot.runs.iter().find(|record| record.number == *number);
            record.is_some_and(|record| run.last.map_or(0, |last| last.step) >= record.step)
        });
    }

    fn visited(&mut self, look: &Look, reply: &mut Reply) {
        if look.jobs.training().is_none() {
            self.read_selected(look, reply);
        }
    }

    fn click(&mut self, column: usize, row: Option<usize>, look: &Look) {
        self.focus = column;
        if self.sweeps.open {
            let runs = self.sweeps.told().map_or(0, |told| told.state.runs.len());
            return row.into_iter().for_each(|row| self.sweeps.runs.select(row, runs));
        }
        match (column, row) {
            (FIELDS, Some(row)) => self.form.list.select(row, ITEMS.len()),
            (RUNS, Some(row)) => self.runs.select(row, look.data.snapshot.runs.len()),
            _ => {}
        }
    }
}
