//! The recipe, the curve of the run, and earlier runs.

use std::collections::HashMap;
use std::time::Duration;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{ScreenState, empty, explain};
use crate::app::activity::Activity;
use crate::app::command::Command;
use crate::app::live_run::LiveRun;
use crate::app::look::Look;
use crate::app::overlays::{Choice, Choosing, Overlay};
use crate::app::reply::Reply;
use crate::app::snapshot::Settings;
use crate::app::strings::{Text, common, screen as texts};
use crate::app::widgets::columns::{columns, draw_column, inside, split_bottom, split_top};
use crate::app::widgets::fields::{self, Field, Form};
use crate::app::widgets::{Column, ListState, loss_chart};
use crate::app::{Effect, format, theme};
use crate::job::JobSpec;
use crate::text::{fit, truncate, width};
use crate::train::{Recipe, RunOutcome, RunRecord, TrainEvent};

const FIELDS: usize = 0;
const CURVE: usize = 1;
const RUNS: usize = 2;
const WEIGHTS: [u16; 3] = [34, 56, 32];

/// Fewest rows that a curve can be read on.
const CHART_ROWS_MIN: u16 = 6;

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Model,
    Epochs,
    LearningRate,
    Rank,
    Alpha,
    BatchRows,
    LengthMax,
    Warmup,
    ValidateEvery,
    CheckpointEvery,
    Clip,
    WeightDecay,
    Seed,
}

const ITEMS: [Item; 13] = [
    Item::Model,
    Item::Epochs,
    Item::LearningRate,
    Item::Rank,
    Item::Alpha,
    Item::BatchRows,
    Item::LengthMax,
    Item::Warmup,
    Item::ValidateEvery,
    Item::CheckpointEvery,
    Item::Clip,
    Item::WeightDecay,
    Item::Seed,
];

impl Item {
    fn label(self) -> Text {
        match self {
            Self::Model => texts::MODEL,
            Self::Epochs => texts::EPOCHS,
            Self::LearningRate => texts::LEARNING_RATE,
            Self::Rank => texts::RANK,
            Self::Alpha => texts::ALPHA,
            Self::BatchRows => texts::BATCH_ROWS,
            Self::LengthMax => texts::LENGTH_MAX,
            Self::Warmup => texts::WARMUP,
            Self::ValidateEvery => texts::VALIDATE_EVERY,
            Self::CheckpointEvery => texts::CHECKPOINT_EVERY,
            Self::Clip => texts::CLIP,
            Self::WeightDecay => texts::WEIGHT_DECAY,
            Self::Seed => texts::SEED,
        }
    }

    fn help(self) -> Text {
        match self {
            Self::Model => texts::HELP_MODEL,
            Self::Epochs => texts::HELP_EPOCHS,
            Self::LearningRate => texts::HELP_LEARNING_RATE,
            Self::Rank => texts::HELP_RANK,
            Self::Alpha => texts::HELP_ALPHA,
            Self::BatchRows => texts::HELP_BATCH_ROWS,
            Self::LengthMax => texts::HELP_LENGTH_MAX,
            Self::Warmup => texts::HELP_WARMUP,
            Self::ValidateEvery => texts::HELP_VALIDATE_EVERY,
            Self::CheckpointEvery => texts::HELP_CHECKPOINT_EVERY,
            Self::Clip => texts::HELP_CLIP,
            Self::WeightDecay => texts::HELP_WEIGHT_DECAY,
            Self::Seed => texts::HELP_SEED,
        }
    }

    /// The value as it is typed.
    fn value(self, recipe: &Recipe) -> String {
        match self {
            Self::Model => String::new(),
            Self::Epochs => recipe.epochs.to_string(),
            Self::LearningRate => format!("{:e}", recipe.learning_rate),
            Self::Rank => recipe.rank.to_string(),
            Self::Alpha => recipe.alpha.to_string(),
            Self::BatchRows => recipe.batch_rows.to_string(),
            Self::LengthMax => recipe.length_max.to_string(),
            Self::Warmup => format!("{}", (recipe.warmup_share * 1000.0).round() / 10.0),
            Self::ValidateEvery => recipe.validate_every.to_string(),
            Self::CheckpointEvery => recipe.checkpoint_every.to_string(),
            Self::Clip => recipe.clip_norm.to_string(),
            Self::WeightDecay => recipe.weight_decay.to_string(),
            Self::Seed => recipe.seed.to_string(),
        }
    }

    /// Sets the value from a number, brought into a sensible range.
    fn set(self, recipe: &mut Recipe, number: f64) {
        let whole = |low: f64, high: f64| number.round().clamp(low, high);
        match self {
            Self::Model => {}
            Self::Epochs => recipe.epochs = number.clamp(0.1, 100.0),
            Self::LearningRate => recipe.learning_rate = number.clamp(1e-7, 0.1) as f32,
            Self::Rank => recipe.rank = whole(1.0, 512.0) as usize,
            Self::Alpha => recipe.alpha = number.clamp(0.1, 4096.0) as f32,
            Self::BatchRows => recipe.batch_rows = whole(1.0, 1024.0) as usize,
            Self::LengthMax => recipe.length_max = whole(16.0, 131_072.0) as usize,
            Self::Warmup => recipe.warmup_share = (number / 100.0).clamp(0.0, 0.9) as f32,
            Self::ValidateEvery => recipe.validate_every = whole(0.0, 1e9) as u64,
            Self::CheckpointEvery => recipe.checkpoint_every = whole(0.0, 1e9) as u64,
            Self::Clip => recipe.clip_norm = number.clamp(0.0, 1000.0) as f32,
            Self::WeightDecay => recipe.weight_decay = number.clamp(0.0, 1.0) as f32,
            Self::Seed => recipe.seed = whole(0.0, 9e15) as u64,
        }
    }

    /// The next value up or down: doubling where orders of magnitude matter, else by one step.
    fn stepped(self, recipe: &Recipe, up: bool) -> f64 {
        let now: f64 = self.value(recipe).parse().unwrap_or_default();
        let doubled = if up { now * 2.0 } else { now / 2.0 };
        let by = |step: f64| if up { now + step } else { (now - step).max(0.0) };
        match self {
            Self::Model => 0.0,
            Self::Epochs => by(if now > 1.0 || (up && now >= 1.0) { 1.0 } else { 0.5 }).max(0.5),
            Self::LearningRate => {
                // 1, 2, 5, 10: the steps people try.
                let exponent = now.log10().floor();
                let lead = now / 10f64.powf(exponent);
                let next = match (up, lead) {
                    (true, ..1.5) => 2.0,
                    (true, 1.5..3.5) => 5.0,
                    (true, _) => 10.0,
                    (false, ..1.5) => 0.5,
                    (false, 1.5..3.5) => 1.0,
                    (false, _) => 2.0,
                };
                next * 10f64.powf(exponent)
            }
            Self::Rank | Self::Alpha | Self::BatchRows | Self::LengthMax => doubled,
            Self::Warmup => by(1.0),
            Self::ValidateEvery | Self::CheckpointEvery => by(10.0),
            Self::Clip => by(0.5),
            Self::WeightDecay => by(0.01),
            Self::Seed => by(1.0),
        }
    }
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

    fn step(&mut self, rows: isize, look: &Look, reply: &mut Reply) {
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

    fn draw_fields(&self, frame: &mut Frame, column: Column, look: &Look) {
        let title = look.t(texts::RECIPE);
        let inner = draw_column(frame, column, self.focus, title, "", look);
        let recipe = &look.settings.recipe;
        let rows: Vec<_> = ITEMS
            .into_iter()
            .map(|item| {
                let value = match item {
                    Item::Model => look.model().unwrap_or(look.t(common::NOT_SET)).to_owned(),
                    Item::Warmup => format!("{} %", item.value(recipe)),
                    Item::ValidateEvery | Item::CheckpointEvery if item.value(recipe) == "0" => {
                        look.t(texts::ONCE_AN_EPOCH).to_owned()
                    }
                    _ => item.value(recipe),
                };
                Field { label: look.t(item.label()), value, note: String::new() }
            })
            .collect();
        fields::draw(frame, inner, &rows, &self.form, (FIELDS, self.focus == FIELDS), look);
        explain(frame, inner, ITEMS.len(), look.t(self.item().help()));
    }

    fn draw_runs(&self, frame: &mut Frame, column: Column, look: &Look) {
        let runs = &look.data.snapshot.runs;
        let title = look.t(texts::RUNS);
        let count = runs.len().to_string();
        let inner = draw_column(frame, column, self.focus, title, &count, look);
        if runs.is_empty() {
            empty(frame, inner, texts::NO_RUNS, &[], look);
            return;
        }
        let (rows, foot) = split_bottom(inner, 7.min(inner.height / 2));
        let focus = (RUNS, self.focus == RUNS);
        self.runs.draw(frame, rows, runs.len(), focus, look, |index, room| {
            let run = &runs[runs.len() - 1 - index];
            let mark = outcome_mark(run, look);
            let loss = run.validation_loss.or(run.loss);
            let loss = loss.map_or_else(String::new, |loss| format!("{loss:.3}"));
            let model = room.saturating_sub(width(&loss) + 7);
            Line::from(vec![
                Span::raw(format!("{:>3} ", run.number)),
                Span::styled(mark.0, mark.1),
                Span::raw(format!(" {}", fit(&run.model, model, look.symbols.ellipsis))),
                Span::styled(format!(" {loss}"), theme::BOLD),
            ])
        });
        let Some(run) = self.selected_run(look) else { return };
        let foot = inside(foot);
        let time = Duration::try_from_secs_f64(run.seconds).unwrap_or_default();
        let time = format::duration(time, look.language);
        let outcome = match &run.outcome {
            Some(RunOutcome::Finished) => look.t(texts::RUN_FINISHED).to_owned(),
            Some(RunOutcome::Stopped) => look.t(texts::RUN_STOPPED).to_owned(),
            Some(RunOutcome::Failed { reason }) => look.fill(texts::RUN_FAILED, &[reason]),
            None => look.t(texts::RUN_UNFINISHED).to_owned(),
        };
        let recipe = &run.recipe;
        let lines = [
            String::new(),
            outcome,
            format!("{}, {time}", format::date(run.started)),
            look.fill(texts::STEPS_OF, &[&format::count(run.step), &format::count(run.steps)]),
            look.fill(texts::RUN_RECIPE, &[&recipe.rank, &recipe.alpha, &recipe.epochs]),
            format!("lr {:e}", recipe.learning_rate),
        ];
        for (row, line) in foot.rows().zip(lines) {
            let line = truncate(&line, usize::from(row.width), look.symbols.ellipsis).into_owned();
            frame.render_widget(Line::styled(line, theme::DIM), row);
        }
    }

    fn draw_curve(&self, frame: &mut Frame, column: Column, look: &Look) {
        let job = look.jobs.training().filter(|_| !self.earlier);
        let Some((record, run)) = self.shown(look) else {
            let title = look.t(texts::LOSS);
            let inner = draw_column(frame, column, self.focus, title, "", look);
            let words = if look.model().is_none() { common::NO_MODEL } else { texts::NO_CURVE };
            empty(frame, inner, words, &[Command::TrainStart, Command::TrainModel], look);
            return;
        };
        let title = match record {
            Some(record) => look.fill(texts::RUN, &[&record.number]),
            None => look.t(texts::THIS_RUN).to_owned(),
        };
        let state = match (&run.outcome, job.filter(|job| job.is_running())) {
            (_, Some(job)) if job.stopping => look.t(common::STOPPING),
            (None, Some(_)) => look.t(texts::RUNNING),
            (Some(RunOutcome::Finished), _) => look.t(texts::RUN_FINISHED),
            (Some(RunOutcome::Stopped), _) => look.t(texts::RUN_STOPPED),
            (Some(RunOutcome::Failed { .. }), _) => look.t(texts::RUN_FAILED_SHORT),
            (None, None) => look.t(texts::RUN_UNFINISHED),
        };
        let inner = draw_column(frame, column, self.focus, &title, state, look);
        let inner = inside(inner);
        let facts = curve_facts(run, job, usize::from(inner.width), look);
        let facts_height = (facts.len() as u16).min(inner.height / 2);
        let (top, rest) = split_top(inner, facts_height);
        for (row, line) in top.rows().zip(facts) {
            frame.render_widget(line, row);
        }
        let samples = samples(run, usize::from(rest.width), look);
        let roomy = rest.height >= CHART_ROWS_MIN + 3;
        let sample_height = if roomy { (samples.len() as u16).min(rest.height / 3) } else { 0 };
        let (chart, foot) = split_bottom(rest, sample_height);
        loss_chart::draw(frame, chart, run, look);
        let skip = samples.len().saturating_sub(usize::from(sample_height));
        for (row, line) in foot.rows().zip(samples.into_iter().skip(skip)) {
            frame.render_widget(line, row);
        }
    }
}

fn curve_facts(
    run: &LiveRun,
    job: Option<&Activity>,
    cells: usize,
    look: &Look,
) -> Vec<Line<'static>> {
    let dim = |text: String| Span::styled(text, theme::DIM);
    let bold = |text: String| Span::styled(text, theme::BOLD);
    let mut lines = Vec::new();
    let Some(last) = run.last else {
        let words = match job.and_then(|job| job.progress.as_ref()) {
            Some(progress) => crate::app::strings::stage(&progress.stage, look.language).to_owned(),
            None => look.t(texts::PREPARING).to_owned(),
        };
        return vec![Line::from(dim(words))];
    };
    let epochs = format!("{:.1}", last.epoch);
    let steps = look.fill(texts::STEPS_OF, &[&format::count(last.step), &format::count(run.steps)]);
    lines.push(Line::from(vec![dim(format!("{} {epochs}   {steps}", look.t(texts::EPOCH)))]));
    let mut losses =
        vec![dim(format!("{} ", look.t(texts::TRAIN_LOSS))), bold(format!("{:.3}", last.loss))];
    if let Some((_, loss)) = run.validations.last() {
        let mark = loss_chart::validation_mark(look);
        losses.push(dim(format!("   {mark} {} ", look.t(texts::VALIDATION_SHORT))));
        losses.push(Span::styled(format!("{loss:.3}"), theme::WARN.patch(theme::BOLD)));
    }
    if let Some((step, best)) = run.best {
        let best = format!("{best:.3}");
        let words = format!("  {}", look.fill(texts::BEST_AT, &[&best, &step]));
        let used: usize = losses.iter().map(Span::width).sum();
        if used + width(&words) <= cells {
            losses.push(dim(words));
        }
    }
    lines.push(Line::from(losses));
    let rate = format::count(last.tokens_per_second as u64);
    let mut words = vec![dim(format!("{rate} tok/s   lr {:.1e}", last.learning_rate))];
    if run.outcome.is_none() && job.is_some() {
        let left = Duration::try_from_secs_f64(last.seconds_left.max(0.0)).unwrap_or_default();
        let left = look.fill(common::LEFT, &[&format::duration(left, look.language)]);
        words.push(bold(format!("   {left}")));
    }
    lines.push(Line::from(words));
    if let Some(step) = run.checkpoint {
        let ago = last.step.saturating_sub(step);
        lines.push(Line::from(dim(look.fill(texts::CHECKPOINT, &[&step, &ago]))));
    }
    lines
}

/// The held-out question and what the model answered at each validation, newest last.
fn samples(run: &LiveRun, cells: usize, look: &Look) -> Vec<Line<'static>> {
    let Some((_, prompt, _)) = run.samples.last() else { return Vec::new() };
    let ellipsis = look.symbols.ellipsis;
    let one_line = |text: &str| text.replace('\n', look.symbols.newline);
    let question = look.fill(texts::HELD_OUT, &[&one_line(prompt)]);
    let mut lines =
        vec![Line::styled(truncate(&question, cells, ellipsis).into_owned(), theme::DIM)];
    let same = run.samples.iter().filter(|(_, other, _)| other == prompt);
    for (step, _, answer) in same {
        let step = format!("{step:>6}  ");
        let room = cells.saturating_sub(width(&step));
        let answer = truncate(&one_line(answer), room, ellipsis).into_owned();
        lines.push(Line::from(vec![Span::styled(step, theme::DIM), Span::raw(answer)]));
    }
    lines
}

fn outcome_mark(run: &RunRecord, look: &Look) -> (&'static str, ratatui::style::Style) {
    match run.outcome {
        Some(RunOutcome::Finished) => (look.symbols.yes, theme::BETTER),
        Some(RunOutcome::Stopped) | None => (look.symbols.dot, theme::DIM),
        Some(RunOutcome::Failed { .. }) => (look.symbols.no, theme::WORSE),
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
            Command::TrainStart => {
                self.earlier = false;
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
            Command::TrainStart if look.model().is_none() => Some(common::NO_MODEL),
            Command::TrainStart => (look.data.summary.accepted == 0).then_some(texts::NO_ACCEPTED),
            Command::TrainResume => {
                let run = self.selected_run(look);
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
        let Some(text) = self.form.key(key, command == Some(Command::FieldSave)) else { return };
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
        match (column, row) {
            (FIELDS, Some(row)) => self.form.list.select(row, ITEMS.len()),
            (RUNS, Some(row)) => self.runs.select(row, look.data.snapshot.runs.len()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_up_and_come_back_and_stay_in_range() {
        for item in ITEMS.into_iter().skip(1) {
            let mut recipe = Recipe::default();
            for up in [true, false, false, false, false, false, false, false, false, false] {
                let next = item.stepped(&recipe, up);
                item.set(&mut recipe, next);
                let text = item.value(&recipe);
                assert!(text.parse::<f64>().is_ok_and(f64::is_finite), "{item:?}: {text}");
            }
            assert!(recipe.rank >= 1 && recipe.batch_rows >= 1 && recipe.learning_rate > 0.0);
        }
        let mut recipe = Recipe::default();
        let mut rates = Vec::new();
        for _ in 0..4 {
            rates.push(Item::LearningRate.value(&recipe));
            let next = Item::LearningRate.stepped(&recipe, true);
            Item::LearningRate.set(&mut recipe, next);
        }
        assert_eq!(rates, ["2e-4", "5e-4", "1e-3", "2e-3"]);
    }
}
