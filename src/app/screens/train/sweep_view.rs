//! How a sweep is drawn: its runs with where each stands, the chart, and what they tell.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Train;
use super::sweep::Told;
use crate::app::activity::Activity;
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::screens::empty;
use crate::app::strings::{self, screen as texts};
use crate::app::widgets::columns::{columns, draw_column, inside, split_bottom, split_top};
use crate::app::widgets::sweep_chart::{self, Point};
use crate::app::widgets::{Column, Rich};
use crate::app::{format, theme};
use crate::job::sweep::state::Entry;
use crate::report::sweep::{self as report, Measure, Run};
use crate::text::width::right;
use crate::text::{fit, width};

const WEIGHTS: [u16; 2] = [44, 40];
/// Cells of the target and of the change of other abilities in the list.
const FIGURES: [usize; 2] = [7, 6];
/// Most lines that what is said below the list or the chart takes.
const SAID: u16 = 6;

impl Train {
    pub(super) fn draw_sweeps(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let Some(told) = self.sweeps.told() else {
            let running = look.jobs.sweep();
            let unread = look.data.snapshot.sweeps_unread.as_ref();
            if let Some(reason) = unread {
                said(frame, inside(area), &look.fill(texts::SWEEPS_UNREAD, &[reason]), theme::WARN);
            } else if running.is_some() {
                said(frame, inside(area), look.t(texts::PREPARING), theme::DIM);
            } else {
                empty(frame, area, texts::NO_SWEEPS, &[Command::TrainSweep, Command::Back], look);
            }
            return;
        };
        // A sweep that is not in the project yet is not the one shown.
        let live = look.jobs.sweep().filter(|job| {
            job.sweep.as_ref().is_some_and(|live| live.number == Some(told.state.number))
        });
        for column in columns(area, &WEIGHTS, self.focus.min(1)) {
            if column.index == 0 {
                self.draw_sweep_runs(frame, column, told, live, look);
            } else {
                self.draw_sweep_chart(frame, column, told, look);
            }
        }
    }

    fn draw_sweep_runs(
        &self,
        frame: &mut Frame,
        column: Column,
        told: &Told,
        live: Option<&Activity>,
        look: &Look,
    ) {
        let focus = self.focus.min(1);
        let title = look.fill(texts::SWEEP, &[&told.state.number]);
        let inner = draw_column(frame, column, focus, &title, &told.state.model, look);
        let text = inside(inner);
        let cells = usize::from(text.width);
        let mut head = lines(&report::standing(&told.report, look.language), theme::PLAIN, cells);
        for shortage in live.and_then(|job| job.sweep.as_ref()).into_iter().flat_map(|s| &s.short) {
            let words =
                format!("{} {}", look.symbols.warn, strings::short(shortage, look.language));
            head.extend(lines(&words, theme::WARN, cells));
        }
        head.push(Line::default());
        let widths = Widths::of(told, look);
        head.push(widths.head(told, look));
        let most = inner.height.saturating_sub(4).max(inner.height / 2);
        let skipped = head.len().saturating_sub(usize::from(most));
        head.drain(..skipped);
        let (top, rest) = split_top(inner, head.len() as u16);
        for (row, line) in inside(top).rows().zip(head) {
            frame.render_widget(line, row);
        }
        let runs = &told.state.runs;
        let selected = runs.get(self.sweeps.runs.selected);
        let foot = selected.map(|entry| detail(entry, cells, look)).unwrap_or_default();
        let room = rest.height.saturating_sub((runs.len() as u16).min(rest.height / 2));
        let (rows, foot_area) = split_bottom(rest, (foot.len() as u16).min(SAID).min(room));
        for (row, line) in inside(foot_area).rows().zip(foot) {
            frame.render_widget(line, row);
        }
        self.sweeps.runs.draw(frame, rows, runs.len(), (0, focus == 0), look, |at, _| {
            let front = told.front.contains(&at);
            widths.row(&runs[at], front, standing(&runs[at], live, look), look)
        });
    }

    fn draw_sweep_chart(&self, frame: &mut Frame, column: Column, told: &Told, look: &Look) {
        let focus = self.focus.min(1);
        let title = look.t(texts::SWEEP_CHART);
        let inner = inside(draw_column(frame, column, focus, title, "", look));
        let cells = usize::from(inner.width);
        let points: Vec<(usize, Point)> = (told.report.runs.iter().enumerate())
            .filter_map(|(at, run)| Some((at, point(told, at, run)?)))
            .collect();
        let mut words = Vec::new();
        let measured = told.report.runs.iter().any(|run| run.measure.is_some());
        if points.is_empty() {
            let text = if measured { texts::SWEEP_NO_FORGETTING } else { texts::SWEEP_NO_CHART };
            words.extend(lines(look.t(text), theme::DIM, cells));
        }
        if measured {
            for finding in told.findings(look.language) {
                words.extend(lines(&format!("{finding}."), theme::PLAIN, cells));
            }
        }
        if !points.is_empty() {
            words.extend(lines(look.t(texts::SWEEP_LEGEND), theme::DIM, cells));
        }
        let (chart, foot) = if points.is_empty() {
            (Rect::default(), split_top(inner, 1).1)
        } else {
            let room = inner.height.saturating_sub((inner.height / 2).max(8));
            split_bottom(inner, (words.len() as u16).min(room))
        };
        let selected = points.iter().position(|(at, _)| *at == self.sweeps.runs.selected);
        let points: Vec<Point> = points.into_iter().map(|(_, point)| point).collect();
        let axes = (format!("{}, %", look.t(texts::SWEEP_TARGET)), look.t(texts::SWEEP_X));
        sweep_chart::draw(frame, chart, &points, selected, (&axes.0, axes.1), look);
        for (row, line) in foot.rows().zip(words) {
            frame.render_widget(line, row);
        }
    }
}

/// A run in the chart, if it was measured in both.
fn point(told: &Told, at: usize, run: &Run) -> Option<Point> {
    let measure = run.measure.as_ref()?;
    let mean = measure.forgetting.as_ref()?.mean;
    let of = |value: f64, (low, high): (f64, f64)| (100.0 * value, (100.0 * low, 100.0 * high));
    let style = match told.front.contains(&at) {
        true if told.best == Some(at) => theme::BETTER.patch(theme::BOLD),
        true => theme::BOLD,
        false => theme::DIM,
    };
    Some(Point {
        label: run.number.map_or_else(|| "?".to_owned(), |number| number.to_string()),
        across: of(mean.delta, mean.interval),
        up: of(report::target(measure), measure.target.interval),
        style,
    })
}

/// How a run stands that has no figures yet: a mark and words.
fn standing(entry: &Entry, live: Option<&Activity>, look: &Look) -> (&'static str, Style, String) {
    let symbols = look.symbols;
    let running = live.filter(|job| {
        let run = job.sweep.as_ref().and_then(|sweep| sweep.run);
        run.is_some() && run == entry.run
    });
    if let Some(job) = running {
        let words = match (job.trained(), &job.progress) {
            (Some((run, step)), _) if run.steps > 0 => {
                let share = format::whole_percent(step.step as f64 / run.steps as f64);
                format!("{} {share}", strings::stage("train", look.language))
            }
            (_, Some(progress)) => strings::stage(&progress.stage, look.language).to_owned(),
            _ => look.t(texts::PREPARING).to_owned(),
        };
        return (symbols.running, theme::ACCENT, words);
    }
    match (&entry.measure, &entry.failed, entry.run) {
        (Some(_), ..) => (symbols.yes, theme::BETTER, String::new()),
        (_, Some(_), _) => (symbols.no, theme::WORSE, look.t(texts::RUN_FAILED_SHORT).to_owned()),
        (_, _, Some(_)) => (symbols.dot, theme::DIM, look.t(texts::SWEEP_BEGUN).to_owned()),
        _ => (" ", theme::DIM, look.t(texts::SWEEP_TO_DO).to_owned()),
    }
}

/// Cells of the columns of values.
struct Widths {
    number: usize,
    values: Vec<usize>,
}

impl Widths {
    fn of(told: &Told, look: &Look) -> Self {
        let runs = &told.state.runs;
        let values = told.state.keys.iter().enumerate().map(|(at, key)| {
            let widest =
                runs.iter().filter_map(|entry| entry.values.get(at)).map(|v| width(v)).max();
            widest.unwrap_or(0).max(width(key.name()))
        });
        Self { number: width(look.t(texts::SWEEP_RUN)).max(3), values: values.collect() }
    }

    fn head(&self, told: &Told, look: &Look) -> Line<'static> {
        let mut text = format!("{}  ", right(look.t(texts::SWEEP_RUN), self.number));
        for (key, cells) in told.state.keys.iter().zip(&self.values) {
            text = format!("{text} {}", right(key.name(), *cells));
        }
        for (name, cells) in [texts::SWEEP_TARGET, texts::SWEEP_KEPT].into_iter().zip(FIGURES) {
            text = format!("{text} {}", right(look.t(name), cells));
        }
        Line::styled(text, theme::DIM)
    }

    fn row(
        &self,
        entry: &Entry,
        front: bool,
        (mark, style, words): (&'static str, Style, String),
        _look: &Look,
    ) -> Line<'static> {
        let number = entry.run.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let mut spans = vec![
            Span::raw(format!("{} ", right(&number, self.number))),
            Span::styled(fit(mark, 1, ""), style),
        ];
        for (value, cells) in entry.values.iter().zip(&self.values) {
            spans.push(Span::raw(format!(" {}", right(value, *cells))));
        }
        match &entry.measure {
            Some(measure) => {
                let style = if front { theme::BOLD } else { theme::PLAIN };
                spans.push(Span::styled(figures(measure), style));
            }
            None => spans.push(Span::styled(format!(" {words}"), style)),
        }
        Line::from(spans)
    }
}

/// Target and change of the other abilities, each in its cells.
fn figures(measure: &Measure) -> String {
    let target = format::percent(report::target(measure));
    let kept = report::kept(measure);
    let kept = kept.map_or_else(|| "-".to_owned(), |delta| format!("{:+.1}", 100.0 * delta));
    format!(" {} {}", right(&target, FIGURES[0]), right(&kept, FIGURES[1]))
}

/// What there is to say of the selected run.
fn detail(entry: &Entry, cells: usize, look: &Look) -> Vec<Line<'static>> {
    let mut all = vec![Line::default()];
    if let Some(number) = entry.run {
        let seconds = entry.took.training + entry.took.evaluation;
        let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let time = format::duration(time, look.language);
        all.extend(lines(&look.fill(texts::SWEEP_FACTS, &[&number, &time]), theme::DIM, cells));
    }
    if let Some(measure) = &entry.measure {
        let target = format::percent(report::target(measure));
        let interval = format::interval(measure.target.interval);
        let kept = measure.forgetting.as_ref().map_or_else(
            || "-".to_owned(),
            |forgetting| {
                let (low, high) = forgetting.mean.interval;
                let delta = 100.0 * forgetting.mean.delta;
                format!("{delta:+.1} [{:+.1}, {:+.1}]", 100.0 * low, 100.0 * high)
            },
        );
        let words = look.fill(texts::SWEEP_DETAIL, &[&target, &interval, &kept]);
        all.extend(lines(&words, theme::DIM, cells));
    } else if let Some(reason) = &entry.failed {
        all.extend(lines(&look.fill(texts::RUN_FAILED, &[reason]), theme::WORSE, cells));
    }
    all
}

fn lines(text: &str, style: Style, cells: usize) -> Vec<Line<'static>> {
    let mut rich = Rich::default();
    rich.push(text, style);
    rich.lines(cells)
}

fn said(frame: &mut Frame, area: Rect, text: &str, style: Style) {
    for (row, line) in area.rows().zip(lines(text, style, usize::from(area.width))) {
        frame.render_widget(line, row);
    }
}
