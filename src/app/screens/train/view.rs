//! How Train is drawn.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::recipe_field::{ITEMS, Item};
use super::{FIELDS, RUNS, Train};
use crate::app::activity::Activity;
use crate::app::command::Command;
use crate::app::live_run::LiveRun;
use crate::app::look::Look;
use crate::app::screens::{empty, explain};
use crate::app::strings::{common, screen as texts};
use crate::app::widgets::columns::{draw_column, inside, split_bottom, split_top};
use crate::app::widgets::fields::{self, Field};
use crate::app::widgets::{Column, loss_chart};
use crate::app::{format, theme};
use crate::text::{fit, truncate, width};
use crate::train::{RunOutcome, RunRecord};

/// Fewest rows that a curve can be read on.
const CHART_ROWS_MIN: u16 = 6;

/// Rows of the list of fields: all, or fewer where what a field does would have no room below.
fn list_rows(height: u16) -> u16 {
    /// Rows that say what a field does, with the empty one above.
    const HELP: u16 = 5;
    let all = ITEMS.len() as u16;
    let beside_help = if height >= 2 * HELP + 4 { height - HELP } else { height };
    all.min(beside_help)
}

impl Train {
    pub(super) fn draw_fields(&self, frame: &mut Frame, column: Column, look: &Look) {
        let title = look.t(texts::RECIPE);
        let inner = draw_column(frame, column, self.focus, title, "", look);
        let recipe = &look.settings.recipe;
        let rows: Vec<_> = ITEMS
            .into_iter()
            .map(|item| {
                let value = match item {
                    Item::Model => look.model().unwrap_or(look.t(common::NOT_SET)).to_owned(),
                    Item::Memory if recipe.memory_mib == 0 => look.t(texts::MEMORY_ALL).to_owned(),
                    Item::Warmup => format!("{} %", item.value(recipe)),
                    Item::ValidateEvery | Item::CheckpointEvery if item.value(recipe) == "0" => {
                        look.t(texts::ONCE_AN_EPOCH).to_owned()
                    }
                    _ => match item.choice(recipe) {
                        Some((names, second)) => look.t(names[usize::from(second)]).to_owned(),
                        None => item.value(recipe),
                    },
                };
                Field { label: look.t(item.label()), value, note: String::new() }
            })
            .collect();
        let list = Rect { height: list_rows(inner.height), ..inner };
        fields::draw(frame, list, &rows, &self.form, (FIELDS, self.focus == FIELDS), look);
        explain(frame, inner, usize::from(list.height), look.t(self.item().help()));
    }

    pub(super) fn draw_runs(&self, frame: &mut Frame, column: Column, look: &Look) {
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
        let Some(run) = self.selected_run(look) else {
            return;
        };
        let foot = inside(foot);
        let time = Duration::try_from_secs_f64(run.seconds).unwrap_or_default();
        let time = format::duration(time, look.language);
        let outcome = match &run.outcome {
            Some(RunOutcome::Finished) => look.t(texts::RUN_FINISHED).to_owned(),
            Some(RunOutcome::Stopped) => look.t(texts::RUN_STOPPED).to_owned(),
            Some(RunOutcome::Failed { reason }) => look.fill(texts::RUN_FAILED, &[reason]),
            None if look.running_run() == Some(run.number) => look.t(texts::RUNNING).to_owned(),
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

    pub(super) fn draw_curve(&self, frame: &mut Frame, column: Column, look: &Look) {
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
    let Some((_, prompt, _)) = run.samples.last() else {
        return Vec::new();
    };
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
    if look.running_run() == Some(run.number) {
        return (look.symbols.running, theme::ACCENT);
    }
    match run.outcome {
        Some(RunOutcome::Finished) => (look.symbols.yes, theme::BETTER),
        Some(RunOutcome::Stopped) | None => (look.symbols.dot, theme::DIM),
        Some(RunOutcome::Failed { .. }) => (look.symbols.no, theme::WORSE),
    }
}
