//! The table of metrics: figures with their intervals, differences in words.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Evaluate;
use super::items::{Standing, standing};
use crate::app::look::Look;
use crate::app::strings::{Text, screen as texts};
use crate::app::widgets::columns::{draw_title, split_bottom, split_top};
use crate::app::{format, theme};
use crate::evaluate::{
    Difference, Evaluation, Form, Metric, MetricResult, Proportion, SuiteResult, TextLoss,
};
use crate::pair::Language;
use crate::text::width::right;
use crate::text::{fit, truncate, width};

/// From this width on, a scale from 0 to 100 is drawn.
const SCALE_FROM: usize = 112;
/// From this width on, intervals stand beside the figures.
const INTERVALS_FROM: usize = 76;

const BASE: usize = 0;
const TUNED: usize = 1;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    /// Title of a suite.
    Suite(usize),
    /// A metric of a suite.
    Metric(usize, usize),
    /// Cross-entropy of a suite.
    Loss(usize),
}

impl Row {
    /// Index of the suite concerned.
    pub(super) fn suite(self) -> usize {
        match self {
            Self::Suite(suite) | Self::Metric(suite, _) | Self::Loss(suite) => suite,
        }
    }
}

/// All rows of an evaluation, tasks before guards against forgetting.
pub(super) fn rows(evaluation: &Evaluation) -> Vec<Row> {
    let mut rows = Vec::new();
    for forgetting in [false, true] {
        for (index, suite) in evaluation.suites.iter().enumerate() {
            if suite.forgetting == forgetting {
                rows.push(Row::Suite(index));
                rows.extend((0..suite.metrics.len()).map(|metric| Row::Metric(index, metric)));
                rows.extend(suite.text_loss.map(|_| Row::Loss(index)));
            }
        }
    }
    rows
}

/// The name of a subset; tags that are not known are shown as they are.
fn subset_name<'a>(subset: &'a str, look: &Look) -> &'a str {
    match subset {
        "seen" => look.t(texts::SUBSET_SEEN),
        "unseen" => look.t(texts::SUBSET_UNSEEN),
        "ko" => look.t(texts::SUBSET_KOREAN),
        "en" => look.t(texts::SUBSET_ENGLISH),
        "parallel" => look.t(texts::SUBSET_PARALLEL),
        other => other,
    }
}

/// The name of a metric.
pub(super) fn metric_name(metric: Metric) -> Text {
    match metric {
        Metric::JsonValidity => texts::METRIC_JSON,
        Metric::ToolName => texts::METRIC_TOOL,
        Metric::Parameters => texts::METRIC_PARAMETERS,
        Metric::ExactMatch => texts::METRIC_EXACT,
        Metric::NoCall => texts::METRIC_NO_CALL,
        Metric::Accuracy => texts::METRIC_ACCURACY,
        Metric::Judged => texts::METRIC_JUDGED,
    }
}

impl Evaluate {
    pub(super) fn draw_table(
        &self,
        frame: &mut Frame,
        area: Rect,
        evaluation: &Evaluation,
        look: &Look,
    ) {
        let title = match evaluation.run {
            Some(run) => look.fill(texts::RUN_AGAINST_BASE, &[&run]),
            None => look.t(texts::BASE_ALONE).to_owned(),
        };
        let count = look.data.snapshot.evaluations.len();
        let mut note = format!("{}  {}", evaluation.model, format::date(evaluation.created));
        if count > 1 {
            note = format!("{note}  {}/{count}", count - self.back);
        }
        draw_title(frame, area, true, &title, &note, look);
        let (_, body) = split_top(area, 1);
        let (head, body) = split_top(body, 1);
        let (body, foot) = split_bottom(body, 2.min(body.height / 4));
        let layout = Layout::new(usize::from(area.width));
        frame.render_widget(
            layout.head(look),
            Rect { x: head.x + 1, width: head.width - 1, ..head },
        );
        let rows = rows(evaluation);
        self.table.draw(frame, body, rows.len(), (0, true), look, |index, _| {
            let row = rows[index];
            let suite = &evaluation.suites[row.suite()];
            match row {
                Row::Suite(_) => suite_line(suite, &layout, look),
                Row::Metric(_, metric) => layout.metric(&suite.metrics, metric, look),
                Row::Loss(_) => {
                    suite.text_loss.map_or_else(Line::default, |loss| layout.loss(loss, look))
                }
            }
        });
        if foot.height > 1 {
            let line =
                Rect { x: foot.x + 1, y: foot.bottom() - 1, width: foot.width - 1, height: 1 };
            frame.render_widget(counts(evaluation, look), line);
        }
    }
}

fn suite_line(suite: &SuiteResult, layout: &Layout, look: &Look) -> Line<'static> {
    let title = match look.language {
        Language::Korean => &suite.title.ko,
        Language::English => &suite.title.en,
    };
    let kind = if suite.forgetting { look.t(texts::FORGETTING) } else { "" };
    let title =
        truncate(title, layout.total.saturating_sub(width(kind) + 3), look.symbols.ellipsis);
    Line::from(vec![
        Span::styled(title.into_owned(), theme::BOLD),
        Span::styled(format!("  {kind}"), theme::DIM),
    ])
}

/// How the items of the task came out, in counts.
fn counts(evaluation: &Evaluation, look: &Look) -> Line<'static> {
    let items = evaluation.suites.iter().filter(|suite| !suite.forgetting);
    let standings: Vec<_> = items.flat_map(|suite| &suite.items).map(standing).collect();
    let count = |wanted| standings.iter().filter(|&&standing| standing == wanted).count();
    let values = [
        count(Standing::Improved),
        count(Standing::Regressed),
        count(Standing::BothWrong),
        count(Standing::BothRight),
    ];
    if evaluation.run.is_none() {
        return Line::default();
    }
    let words = look.fill(texts::COUNTS, &[&values[0], &values[1], &values[2], &values[3]]);
    Line::styled(words, theme::DIM)
}

/// Widths of the table's columns.
struct Layout {
    total: usize,
    label: usize,
    scale: usize,
    /// Cells for base and tuned.
    figures: [usize; 2],
    intervals: bool,
}

impl Layout {
    fn new(total: usize) -> Self {
        let intervals = total >= INTERVALS_FROM;
        // A base interval of full width still stands apart from the tuned figure.
        let figures = if intervals { [17, 16] } else { [8, 8] };
        let scale = if total >= SCALE_FROM { 22 } else { 0 };
        let label = match (scale > 0, intervals) {
            (true, _) => 26,
            (false, true) => 24,
            (false, false) => 20,
        };
        Self { total, label, scale, figures, intervals }
    }

    fn head(&self, look: &Look) -> Line<'static> {
        let mut text = " ".repeat(self.label);
        if self.scale > 0 {
            let middle = self.scale.saturating_sub(10);
            let gap = " ".repeat(middle / 2);
            text = format!("{text} 0{gap}50{gap}100 ");
            text = fit(&text, self.label + self.scale, "");
        }
        text.push_str(&self.figure_text(BASE, look.t(texts::BASE), ""));
        text.push_str(&self.figure_text(TUNED, look.t(texts::TUNED), ""));
        text.push_str("   ");
        text.push_str(look.t(texts::DIFFERENCE));
        Line::styled(text, theme::DIM)
    }

    /// A figure of base or tuned, right-aligned, and its interval, left-aligned.
    fn figure_text(&self, side: usize, figure: &str, interval: &str) -> String {
        let cells = self.figures[side];
        if self.intervals {
            format!("{} {}", right(figure, 7), fit(interval, cells - 8, ""))
        } else {
            right(figure, cells)
        }
    }

    fn metric(&self, results: &[MetricResult], at: usize, look: &Look) -> Line<'static> {
        let result = &results[at];
        let metric = look.t(metric_name(result.metric));
        // The lenient form stands right under the strict one, which names both, where there is one.
        let above = at.checked_sub(1).map(|above| &results[above]);
        let is_second = result.form == Form::Lenient
            && above.is_some_and(|above| {
                above.form == Form::Strict
                    && (above.metric, &above.subset) == (result.metric, &result.subset)
            });
        let name = match &result.subset {
            _ if is_second => look.t(texts::LENIENT).to_owned(),
            Some(subset) => format!("{}: {metric}", subset_name(subset, look)),
            None => metric.to_owned(),
        };
        let indent = if is_second { 3 } else { 1 };
        let label = format!("{}{name}", " ".repeat(indent));
        let figure = |side, proportion: Option<Proportion>, interval: Option<(f64, f64)>| {
            let text = proportion.map_or_else(|| "-".to_owned(), format::proportion);
            let interval = interval.map(format::interval).unwrap_or_default();
            self.figure_text(side, &text, &interval)
        };
        let mut spans = vec![Span::raw(fit(&label, self.label, look.symbols.ellipsis))];
        if self.scale > 0 {
            spans.push(Span::styled(self.scale(result, look), theme::DIM));
        }
        spans.push(Span::raw(figure(BASE, Some(result.base), Some(result.base_interval))));
        spans.push(Span::styled(figure(TUNED, result.tuned, result.tuned_interval), theme::BOLD));
        let n = result.base.n;
        let room = self
            .total
            .saturating_sub(self.label + self.scale + self.figures.iter().sum::<usize>() + 5);
        let (words, style) = match result.difference {
            Some(difference) => difference_words(difference, n, room, look),
            None => (format!("n={n}"), theme::DIM),
        };
        spans.push(Span::styled(format!("   {words}"), style));
        Line::from(spans)
    }

    /// Base and tuned on a line from 0 to 100 %.
    fn scale(&self, result: &MetricResult, look: &Look) -> String {
        let cells = self.scale.saturating_sub(3);
        let place = |proportion: Proportion| {
            let share = f64::from(proportion.successes) / f64::from(proportion.n.max(1));
            (share * (cells - 1) as f64).round() as usize
        };
        let base = place(result.base);
        let tuned = result.tuned.map(place);
        let between = tuned.map(|tuned| base.min(tuned)..=base.max(tuned));
        let cell = |at: usize| {
            if tuned == Some(at) {
                look.symbols.tuned
            } else if at == base {
                look.symbols.base
            } else if between.as_ref().is_some_and(|between| between.contains(&at)) {
                look.symbols.rule
            } else {
                " "
            }
        };
        let line: String = (0..cells).map(cell).collect();
        format!(" {line}  ")
    }

    fn loss(&self, loss: TextLoss, look: &Look) -> Line<'static> {
        let label = format!(" {}", look.t(texts::CROSS_ENTROPY));
        let tuned = loss.tuned.map_or_else(|| "-".to_owned(), |tuned| format!("{tuned:.3}"));
        let mut spans =
            vec![Span::raw(fit(&label, self.label + self.scale, look.symbols.ellipsis))];
        spans.push(Span::raw(self.figure_text(BASE, &format!("{:.3}", loss.base), "")));
        spans.push(Span::styled(self.figure_text(TUNED, &tuned, ""), theme::BOLD));
        let change = loss.tuned.filter(|_| loss.base > 0.0);
        let change = change.map(|tuned| format!("{:+.1} %", (tuned / loss.base - 1.0) * 100.0));
        let tokens = format::short(loss.tokens);
        let words = format!("   {}  {tokens} tok", change.unwrap_or_default());
        spans.push(Span::styled(words, theme::DIM));
        Line::from(spans)
    }
}

/// A difference in as many words as there is room for. What cannot be told is said, not coloured.
fn difference_words(difference: Difference, n: u32, room: usize, look: &Look) -> (String, Style) {
    let Difference { delta, interval: (low, high), p, .. } = difference;
    let symbols = look.symbols;
    let (mark, style) = if !difference.is_told() {
        (symbols.same, theme::DIM)
    } else if delta > 0.0 {
        (symbols.better, theme::BETTER)
    } else {
        (symbols.worse, theme::WORSE)
    };
    let points = format!("{:+.1}", delta * 100.0);
    let forms = if difference.is_told() {
        let range = format!("[{:+.0}, {:+.0}]", low * 100.0, high * 100.0);
        let chance = if p < 0.001 { "p<.001".to_owned() } else { format!("p={p:.3}") };
        [
            format!("{mark} {} {range}  {chance} n={n}", right(&points, 6)),
            format!("{mark} {} {range}", right(&points, 6)),
            format!("{mark} {} n={n}", right(&points, 6)),
            format!("{mark} {}", right(&points, 6)),
        ]
    } else if difference.is_same() {
        let same = look.t(texts::NO_CHANGE);
        let [long, short] = [format!("{mark} {same} n={n}"), format!("{mark} {same}")];
        [long, short, mark.to_owned(), mark.to_owned()]
    } else {
        let cannot = look.t(texts::CANNOT_TELL);
        [
            format!("{mark} {cannot} ({points}, n={n})"),
            format!("{mark} {cannot} n={n}"),
            format!("{mark} {cannot}"),
            mark.to_owned(),
        ]
    };
    let fitting = forms.iter().find(|form| width(form) <= room).unwrap_or(&forms[3]);
    (fitting.clone(), style)
}
