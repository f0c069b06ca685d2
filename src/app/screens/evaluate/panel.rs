//! What was gained and what was forgotten, in one picture: the target and each ability, base and
//! tuned, with an arrow for what can be told; and what to change where something fell.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Evaluate, headline, table};
use crate::app::look::Look;
use crate::app::strings::screen as texts;
use crate::app::widgets::Rich;
use crate::app::widgets::columns::{draw_title, split_top};
use crate::app::{format, theme};
use crate::evaluate::{Difference, Evaluation, MetricResult, SuiteResult, TextLoss};
use crate::pair::Language;
use crate::text::width::right;
use crate::text::{fit, width};

/// Cells of a name, where there is room, and where there is some.
const NAMES: [usize; 2] = [32, 26];
/// From this width on, there is room for the longer names.
const LONG_NAMES_FROM: usize = 76;
/// From this width on, intervals stand beside the figures.
const INTERVALS_FROM: usize = 92;

/// How much a difference is, for the number of arrows: points from which two and three are drawn.
const STRONG: [f64; 2] = [0.10, 0.30];

impl Evaluate {
    pub(super) fn draw_panel(
        &self,
        frame: &mut Frame,
        area: Rect,
        evaluation: &Evaluation,
        look: &Look,
    ) {
        let note = format!("{}  {}", evaluation.model, format::date(evaluation.created));
        draw_title(frame, area, true, look.t(texts::PANEL), &note, look);
        let (_, body) = split_top(area, 2);
        let inner = Rect { x: body.x + 1, width: body.width.saturating_sub(2), ..body };
        let lines = lines(evaluation, usize::from(inner.width), look);
        self.scroll.draw(frame, inner, &lines, look);
    }
}

/// The lines of the panel.
fn lines(evaluation: &Evaluation, cells: usize, look: &Look) -> Vec<Line<'static>> {
    let mut lines = vec![head(cells, look)];
    if let Some((metric, _)) = headline(evaluation) {
        let name =
            format!("{}: {}", look.t(texts::TARGET), look.t(table::metric_name(metric.metric)));
        lines.push(ability(&name, metric, cells, look));
        lines.push(Line::default());
    }
    let mut fell = false;
    for suite in evaluation.suites.iter().filter(|suite| suite.forgetting) {
        if let Some(metric) = suite.metrics.iter().find(|metric| metric.subset.is_none()) {
            fell |= metric.difference.is_some_and(|d| d.is_told() && d.delta < 0.0);
            lines.push(ability(title(suite, look), metric, cells, look));
        }
        if let Some(loss) = suite.text_loss {
            fell |= loss.is_told() && loss.relative().is_some_and(|change| change > 0.0);
            lines.push(text_line(title(suite, look), loss, cells, look));
        }
    }
    lines.push(Line::default());
    let advice = if fell { texts::PANEL_ADVICE } else { texts::PANEL_NOTHING_FELL };
    let mut rich = Rich::default();
    rich.push(look.t(advice), theme::PLAIN);
    lines.extend(rich.lines(cells));
    let mut rich = Rich::default();
    rich.push(look.t(texts::PANEL_LEGEND), theme::DIM);
    lines.push(Line::default());
    lines.extend(rich.lines(cells));
    lines
}

fn title<'a>(suite: &'a SuiteResult, look: &Look) -> &'a str {
    match look.language {
        Language::Korean => &suite.title.ko,
        Language::English => &suite.title.en,
    }
}

/// Cells for the name, and for a figure with or without its interval.
fn widths(cells: usize) -> (usize, usize) {
    let [long, short] = NAMES;
    match cells {
        INTERVALS_FROM.. => (long, 18),
        LONG_NAMES_FROM.. => (long, 9),
        _ => (cells.saturating_sub(36).min(short), 9),
    }
}

fn head(cells: usize, look: &Look) -> Line<'static> {
    let (name, figure) = widths(cells);
    let text = format!(
        "{}{}    {}",
        " ".repeat(name),
        fit(&right(look.t(texts::BASE), 7), figure, ""),
        right(look.t(texts::TUNED), 7)
    );
    Line::styled(text, theme::DIM)
}

fn ability(name: &str, metric: &MetricResult, cells: usize, look: &Look) -> Line<'static> {
    let (name_cells, figure_cells) = widths(cells);
    let figure = |text: String, interval: Option<(f64, f64)>| {
        let interval = interval.filter(|_| figure_cells > 9).map(format::interval);
        fit(&format!("{} {}", right(&text, 7), interval.unwrap_or_default()), figure_cells, "")
    };
    let tuned = metric.tuned.map_or_else(|| "-".to_owned(), format::proportion);
    let mut spans = vec![
        Span::raw(fit(name, name_cells, look.symbols.ellipsis)),
        Span::raw(figure(format::proportion(metric.base), Some(metric.base_interval))),
        Span::styled(format!(" {} ", look.symbols.arrow), theme::DIM),
        Span::styled(figure(tuned, metric.tuned_interval), theme::BOLD),
    ];
    if let Some(difference) = metric.difference {
        let used = spans.iter().map(|span| width(&span.content)).sum();
        let (words, style) = change(difference, cells.saturating_sub(used), metric.base.n, look);
        spans.push(Span::styled(words, style));
    }
    Line::from(spans)
}

/// Arrows and points for a change that can be told; else that it cannot.
fn change(difference: Difference, room: usize, n: u32, look: &Look) -> (String, Style) {
    let points = format!("{:+.1}", difference.delta * 100.0);
    if !difference.is_told() {
        let same = look.symbols.same;
        if difference.is_same() {
            return (format!("{same} {}", look.t(texts::NO_CHANGE)), theme::DIM);
        }
        let cannot = look.t(texts::CANNOT_TELL);
        let needed = difference.needed.filter(|needed| *needed > n);
        let needed = needed.map(|needed| look.fill(texts::ABOUT_WOULD_DO, &[&needed]));
        let long = format!("{same} {points}  {cannot} {}", needed.unwrap_or_default());
        let forms = [long, format!("{same} {points}  {cannot}"), format!("{same} {points}")];
        let fitting = forms.iter().find(|form| width(form) <= room).unwrap_or(&forms[2]);
        return (fitting.trim_end().to_owned(), theme::DIM);
    }
    let strength = 1 + STRONG.iter().filter(|least| difference.delta.abs() >= **least).count();
    let (mark, style) = if difference.delta > 0.0 {
        (look.symbols.better, theme::BETTER)
    } else {
        (look.symbols.worse, theme::WORSE)
    };
    let (low, high) = difference.interval;
    let arrows = mark.repeat(strength);
    let long = format!("{arrows} {points} [{:+.0}, {:+.0}]", low * 100.0, high * 100.0);
    if width(&long) <= room { (long, style) } else { (format!("{arrows} {points}"), style) }
}

fn text_line(name: &str, loss: TextLoss, cells: usize, look: &Look) -> Line<'static> {
    let (name_cells, figure_cells) = widths(cells);
    let figure = |value: Option<f64>| {
        let text = value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
        fit(&right(&text, 7), figure_cells, "")
    };
    let mut spans = vec![
        Span::raw(fit(name, name_cells, look.symbols.ellipsis)),
        Span::raw(figure(Some(loss.base))),
        Span::styled(format!(" {} ", look.symbols.arrow), theme::DIM),
        Span::styled(figure(loss.tuned), theme::BOLD),
    ];
    if let Some(relative) = loss.relative() {
        let percent = format!("{:+.1} %", relative * 100.0);
        let (mark, style) = match (loss.is_told(), relative > 0.0) {
            (false, _) => (look.symbols.same, theme::DIM),
            // More nats a token is worse.
            (true, true) => (look.symbols.worse, theme::WORSE),
            (true, false) => (look.symbols.better, theme::BETTER),
        };
        spans.push(Span::styled(format!("{mark} {percent}"), style));
    }
    Line::from(spans)
}
