//! Base beside tuned: the table of metrics, the items behind each, both answers of an item, and what
//! was forgotten.

mod items;
mod panel;
mod table;

use std::fmt::Display;

use ratatui::Frame;
use ratatui::layout::Rect;

use super::{ScreenState, empty};
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::overlays::{Asking, Overlay, Prompt};
use crate::app::reply::Reply;
use crate::app::strings::{self, Text, common, screen as texts};
use crate::app::widgets::{ListState, Scroll};
use crate::app::{Effect, format, pair_text};
use crate::evaluate::{
    Difference, Evaluation, Form, ItemResult, Metric, MetricResult, SuiteResult,
};
use crate::job::{EvaluateOptions, JobSpec};
use crate::pair::{Change, Edit, ReviewState};
use crate::train::RunOutcome;
use items::{Filter, Standing, standing};

/// State of the screen.
#[derive(Default)]
pub struct Evaluate {
    /// How many evaluations before the latest is shown.
    back: usize,
    table: ListState,
    /// Suite whose items are shown instead of the table.
    suite: Option<usize>,
    focus: usize,
    filter: Filter,
    /// What listed items must hold; empty for all.
    wanted: String,
    /// Whether the panel of what was forgotten is shown instead of the table.
    panel: bool,
    /// Indices of the listed items.
    shown: Vec<usize>,
    items: ListState,
    scroll: Scroll,
}

impl Evaluate {
    fn evaluation<'a>(&self, look: &Look<'a>) -> Option<&'a Evaluation> {
        look.data.snapshot.evaluations.iter().rev().nth(self.back)
    }

    fn suite<'a>(&self, look: &Look<'a>) -> Option<&'a SuiteResult> {
        self.evaluation(look)?.suites.get(self.suite?)
    }

    fn item<'a>(&self, look: &Look<'a>) -> Option<&'a ItemResult> {
        self.suite(look)?.items.get(*self.shown.get(self.items.selected)?)
    }

    fn refresh(&mut self, look: &Look) {
        let evaluations = look.data.snapshot.evaluations.len();
        self.back = self.back.min(evaluations.saturating_sub(1));
        let rows = self.evaluation(look).map_or(0, |evaluation| table::rows(evaluation).len());
        self.table.by(0, rows);
        let items = self.suite(look).map_or(&[][..], |suite| suite.items.as_slice());
        let listed = |item: &ItemResult| {
            self.filter.fits(standing(item)) && items::holds(item, &self.wanted)
        };
        self.shown = (0..items.len()).filter(|&at| listed(&items[at])).collect();
        self.items.by(0, self.shown.len());
    }

    fn open(&mut self, look: &Look) {
        if self.suite.is_some() {
            self.focus = 1;
            return;
        }
        let rows = self.evaluation(look).map(table::rows).unwrap_or_default();
        if let Some(row) = rows.get(self.table.selected) {
            self.suite = Some(row.suite());
            (self.focus, self.filter, self.panel) = (0, Filter::All, false);
            self.wanted.clear();
            self.items = ListState::default();
            self.scroll.reset();
            self.refresh(look);
        }
    }

    /// Lists only items that hold a text.
    pub fn search_for(&mut self, wanted: &str, look: &Look) {
        wanted.trim().clone_into(&mut self.wanted);
        self.items = ListState::default();
        self.scroll.reset();
        self.refresh(look);
    }

    /// Selects the next or previous item on which the models disagree.
    fn disagreement(&mut self, forward: bool, look: &Look, reply: &mut Reply) {
        if self.suite.is_none() {
            self.open(look);
        }
        let Some(suite) = self.suite(look) else {
            return;
        };
        let differs = |&row: &usize| {
            let item = self.shown.get(row).and_then(|&at| suite.items.get(at));
            item.map(standing).is_some_and(Standing::differs)
        };
        let (at, len) = (self.items.selected, self.shown.len());
        let found = if forward {
            (at + 1..len).find(differs)
        } else {
            (0..at.min(len)).rev().find(differs)
        };
        match found {
            Some(row) => {
                self.items.select(row, len);
                self.scroll.reset();
            }
            None => reply.tell(look.t(texts::NO_MORE_DIFFERENCES)),
        }
    }

    fn step(&mut self, rows: isize, look: &Look) {
        if self.suite.is_none() && self.panel {
            self.scroll.by(rows);
        } else if self.suite.is_none() {
            let len = self.evaluation(look).map_or(0, |evaluation| table::rows(evaluation).len());
            self.table.by(rows, len);
        } else if self.focus == 0 {
            self.items.by(rows, self.shown.len());
            self.scroll.reset();
        } else {
            self.scroll.by(rows);
        }
    }

    /// Makes a draft of an item's question and expected answer.
    fn to_pair(&self, look: &Look, reply: &mut Reply) {
        let Some(item) = self.item(look) else { return };
        let Some(answer) = items::text_to_teach(item) else {
            return reply.warn(look.t(texts::NO_EXPECTED_TEXT));
        };
        let blank = pair_text::new_example(None);
        let exchange = pair_text::exchange(&item.question, answer);
        let mut example = match pair_text::with_turns(&blank, &exchange) {
            Ok(example) => example,
            Err(reason) => return reply.warn(look.t(reason)),
        };
        pair_text::note_language(&mut example);
        example.meta.tags = vec!["evaluation".to_owned()];
        let summary = look.fill(texts::DONE_WRITTEN, &[&1]);
        reply.tell(format!("{summary} {} {}", look.symbols.dot, look.t(common::UNDO_HINT)));
        let (key, passage, state) = (None, None, ReviewState::Draft);
        let changes = vec![Change::Insert { key, passage, state, example }];
        reply.effect(Effect::Apply(Edit { summary, changes }));
    }

    fn start(run: Option<u32>, look: &Look, reply: &mut Reply) {
        let Some(model) = look.model().map(str::to_owned) else {
            return;
        };
        reply.start = Some(JobSpec::Evaluate { model, run, options: EvaluateOptions::default() });
    }
}

/// The latest run whose adapter can be scored.
fn latest_run(look: &Look) -> Option<u32> {
    let usable = |outcome: &Option<RunOutcome>| {
        matches!(outcome, Some(RunOutcome::Finished | RunOutcome::Stopped))
    };
    let runs = look.data.snapshot.runs.iter().rev();
    runs.filter(|run| usable(&run.outcome)).map(|run| run.number).next()
}

/// The one difference that stands for an evaluation: whole calls read strictly, else the first
/// metric of the task.
pub fn headline(evaluation: &Evaluation) -> Option<(&MetricResult, Difference)> {
    let metrics = || {
        let task = evaluation.suites.iter().filter(|suite| !suite.forgetting);
        task.flat_map(|suite| &suite.metrics).filter(|metric| metric.subset.is_none())
    };
    let whole =
        |metric: &&MetricResult| metric.metric == Metric::Parameters && metric.form == Form::Strict;
    let metric = metrics().find(whole).or_else(|| metrics().next())?;
    metric.difference.map(|difference| (metric, difference))
}

/// An evaluation in one sentence, and whether nothing got worse.
pub fn verdict(evaluation: &Evaluation, look: &Look) -> (String, bool) {
    let worse = evaluation.suites.iter().filter(|suite| {
        let told =
            |metric: &MetricResult| metric.difference.is_some_and(|d| d.is_told() && d.delta < 0.0);
        suite.forgetting && suite.metrics.iter().any(told)
    });
    let worse = worse.count();
    let mut parts = Vec::new();
    if let Some((metric, _)) = headline(evaluation)
        && let Some(tuned) = metric.tuned
    {
        let share = |proportion: crate::evaluate::Proportion| format::proportion(proportion);
        let name = look.t(table::metric_name(metric.metric));
        parts.push(look.fill(texts::FROM_TO, &[&name, &share(metric.base), &share(tuned)]));
    }
    if evaluation.run.is_some() && evaluation.suites.iter().any(|suite| suite.forgetting) {
        parts.push(match worse {
            0 => look.t(texts::FORGETTING_NONE).to_owned(),
            worse => look.fill(texts::FORGETTING_SOME, &[&worse]),
        });
    }
    (parts.join(", "), worse == 0)
}

impl ScreenState for Evaluate {
    fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let Some(evaluation) = self.evaluation(look) else {
            let (words, commands) = if look.model().is_none() {
                (common::NO_MODEL, vec![Command::GoSettings])
            } else if latest_run(look).is_none() {
                (texts::EVALUATE_NO_RUN, vec![Command::GoTrain, Command::EvaluateBase])
            } else {
                (texts::NO_EVALUATION, vec![Command::EvaluateStart])
            };
            empty(frame, area, words, &commands, look);
            return;
        };
        match self.suite(look) {
            Some(suite) => self.draw_items(frame, area, suite, look),
            None if self.panel => self.draw_panel(frame, area, evaluation, look),
            None => self.draw_table(frame, area, evaluation, look),
        }
    }

    fn command(&mut self, command: Command, look: &Look, reply: &mut Reply) {
        match command {
            Command::EvaluateStart => Self::start(latest_run(look), look, reply),
            Command::EvaluateBase => Self::start(None, look, reply),
            Command::EvaluateNext => self.disagreement(true, look, reply),
            Command::EvaluatePrevious => self.disagreement(false, look, reply),
            Command::EvaluateFilter => {
                self.filter = self.filter.next();
                self.refresh(look);
            }
            Command::EvaluateSearch => {
                reply.overlay = Some(Overlay::Prompt(Prompt::new(Asking::Items, &self.wanted)));
            }
            Command::EvaluatePanel => {
                (self.panel, self.suite) = (!self.panel, None);
                self.scroll.reset();
            }
            Command::EvaluateToPair => self.to_pair(look, reply),
            Command::EvaluateOlder | Command::EvaluateNewer => {
                let older = command == Command::EvaluateOlder;
                self.back = if older { self.back + 1 } else { self.back.saturating_sub(1) };
                self.suite = None;
                self.refresh(look);
            }
            Command::ListOpen => self.open(look),
            Command::Back if self.focus == 1 => self.focus = 0,
            Command::Back if self.panel => self.panel = false,
            Command::Back => self.suite = None,
            Command::FocusNext | Command::FocusPrevious if self.suite.is_some() => {
                self.focus = 1 - self.focus;
            }
            Command::ListUp => self.step(-1, look),
            Command::ListDown => self.step(1, look),
            Command::ListPageUp | Command::ListPageDown => {
                let pages = if command == Command::ListPageUp { -1 } else { 1 };
                match (self.suite, self.focus) {
                    (Some(_), 0) => self.items.by_page(pages, self.shown.len()),
                    (Some(_), _) => self.scroll.by_page(pages),
                    (None, _) => self.step(pages * 10, look),
                }
            }
            Command::ListFirst => self.step(isize::MIN / 2, look),
            Command::ListLast => self.step(isize::MAX / 2, look),
            _ => {}
        }
    }

    fn unavailable(&self, command: Command, look: &Look) -> Option<Text> {
        match command {
            Command::EvaluateStart | Command::EvaluateBase if look.model().is_none() => {
                Some(common::NO_MODEL)
            }
            Command::EvaluateStart => latest_run(look).is_none().then_some(texts::EVALUATE_NO_RUN),
            Command::EvaluateNext
            | Command::EvaluatePrevious
            | Command::EvaluatePanel
            | Command::ListOpen => self.evaluation(look).is_none().then_some(texts::NO_EVALUATION),
            Command::EvaluateFilter | Command::EvaluateSearch | Command::FocusNext => {
                self.suite(look).is_none().then_some(texts::OPEN_A_SUITE)
            }
            Command::EvaluateToPair => self.item(look).is_none().then_some(texts::OPEN_A_SUITE),
            Command::EvaluateOlder => {
                let older = self.back + 1 < look.data.snapshot.evaluations.len();
                (!older).then_some(texts::NO_OTHER_EVALUATION)
            }
            Command::EvaluateNewer => (self.back == 0).then_some(texts::NO_OTHER_EVALUATION),
            _ => None,
        }
    }

    fn data_changed(&mut self, look: &Look) {
        self.refresh(look);
    }

    fn copied(&self, look: &Look) -> Option<String> {
        let item = self.item(look)?;
        let tuned = item.tuned.as_ref().map_or("", |answer| answer.text.as_str());
        let expected = strings::expected(&item.expected, look.language);
        let values: [&dyn Display; 4] = [&item.question, &expected, &item.base.text, &tuned];
        Some(look.fill(texts::COPIED_ITEM, &values))
    }

    fn click(&mut self, column: usize, row: Option<usize>, look: &Look) {
        let Some(row) = row else {
            self.focus = if self.suite.is_some() { column } else { 0 };
            return;
        };
        if self.suite.is_some() {
            self.focus = 0;
            self.items.select(row, self.shown.len());
            self.scroll.reset();
        } else {
            self.table.select(row, usize::MAX);
            self.refresh(look);
        }
    }
}
