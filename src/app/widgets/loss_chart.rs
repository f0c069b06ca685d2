//! The loss curve of a run: training as a line, validation as marks.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::symbols::Marker;
use ratatui::text::Span;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType};

use crate::app::live_run::LiveRun;
use crate::app::look::Look;
use crate::app::theme;

/// Draws the curve of `run` in `area`. Nothing is drawn before the first step.
pub fn draw(frame: &mut Frame, area: Rect, run: &LiveRun, look: &Look) {
    if run.losses.is_empty() || area.width < 12 || area.height < 4 {
        return;
    }
    // Braille has two dots a cell.
    let training = run.thinned(usize::from(area.width) * 2);
    let (low, high) = bounds(training.iter().chain(&run.validations).map(|point| point.1));
    let last = run.losses.last().map_or(1.0, |point| point.0);
    let end = last.max(run.steps as f64).max(1.0);
    let line = if is_plain(look) {
        Marker::Custom('.')
    } else {
        Marker::Braille
    };
    let mark = Marker::Custom(validation_mark(look));
    let datasets = vec![
        Dataset::default()
            .marker(line)
            .graph_type(GraphType::Line)
            .style(theme::ACCENT)
            .data(&training),
        Dataset::default()
            .marker(mark)
            .graph_type(GraphType::Scatter)
            .style(theme::WARN)
            .data(&run.validations),
    ];
    let label = |value: f64| Span::styled(format!("{value:.2}"), theme::DIM);
    let steps = |value: f64| Span::styled(format!("{value:.0}"), theme::DIM);
    let chart = Chart::new(datasets)
        .x_axis(
            Axis::default()
                .style(theme::DIM)
                .bounds([0.0, end])
                .labels([steps(0.0), steps(end / 2.0), steps(end)]),
        )
        .y_axis(
            Axis::default()
                .style(theme::DIM)
                .bounds([low, high])
                .labels([label(low), label(f64::midpoint(low, high)), label(high)]),
        )
        .legend_position(None);
    frame.render_widget(chart, area);
}

/// What a measured validation loss is drawn as.
pub fn validation_mark(look: &Look) -> char {
    if is_plain(look) { 'o' } else { '•' }
}

fn is_plain(look: &Look) -> bool {
    look.symbols.rule.is_ascii()
}

/// Bounds a little wider than the values.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let margin = ((high - low) * 0.05).max(0.01);
    ((low - margin).max(0.0), high + margin)
}
