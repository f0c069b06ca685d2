//! The runs of a sweep by target (up) and what happened to other abilities (right is better). Runs are
//! drawn as their numbers, the selected one with its intervals.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use crate::app::look::Look;
use crate::app::theme;
use crate::text::width;
use crate::text::width::right;

/// Cells left of the plot: a figure and the axis.
const LEFT: u16 = 5;
/// Fewest cells and rows of a plot that says anything.
const LEAST: (u16, u16) = (24, 6);
/// Share of the range that is free around the outermost points.
const MARGIN: f64 = 0.08;

/// A run in the chart. Figures are percent and points.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// What is drawn: the run's number.
    pub label: String,
    /// Mean change of other abilities, and its interval.
    pub across: (f64, (f64, f64)),
    /// The target, and its interval.
    pub up: (f64, (f64, f64)),
    /// How the label is drawn.
    pub style: Style,
}

/// The ranges shown and the cells they fall on.
struct Plot {
    area: Rect,
    across: (f64, f64),
    up: (f64, f64),
}

impl Plot {
    fn new(area: Rect, points: &[Point]) -> Self {
        // No change is always in view; shares end at 0 and 100.
        let across = wider(range(points.iter().map(|point| point.across.0).chain([0.0])));
        let (low, high) = wider(range(points.iter().map(|point| point.up.0)));
        Self { area, across, up: (low.max(0.0), high.min(100.0)) }
    }

    fn column(&self, value: f64) -> u16 {
        self.area.x + cell(value, self.across, self.area.width)
    }

    fn row(&self, value: f64) -> u16 {
        self.area.bottom() - 1 - cell(value, self.up, self.area.height)
    }
}

/// The cell of `cells` that a value of a range falls on; beyond the range the outermost.
fn cell(value: f64, (low, high): (f64, f64), cells: u16) -> u16 {
    let last = f64::from(cells.saturating_sub(1));
    let at = (value - low) / (high - low).max(f64::MIN_POSITIVE) * last;
    at.round().clamp(0.0, last) as u16
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
}

fn wider((low, high): (f64, f64)) -> (f64, f64) {
    let margin = ((high - low) * MARGIN).max(1.0);
    (low - margin, high + margin)
}

/// Draws the points in `area`, `across` and `up` naming the axes. Nothing is drawn where there is no room.
pub fn draw(
    frame: &mut Frame,
    area: Rect,
    points: &[Point],
    selected: Option<usize>,
    (up, across): (&str, &str),
    look: &Look,
) {
    if area.width < LEAST.0 || area.height < LEAST.1 || points.is_empty() {
        return;
    }
    let inner =
        Rect { x: area.x + LEFT, y: area.y + 1, width: area.width - LEFT, height: area.height - 3 };
    let plot = Plot::new(inner, points);
    let mut put = |x: u16, y: u16, text: &str, style: Style| {
        let cells = (width(text) as u16).min(area.right().saturating_sub(x));
        frame.render_widget(Span::styled(text.to_owned(), style), Rect::new(x, y, cells, 1));
    };
    let dim = theme::DIM;
    put(area.x, area.y, up, dim);
    for row in inner.y..inner.bottom() {
        put(inner.x - 1, row, look.symbols.column, dim);
        put(plot.column(0.0), row, look.symbols.column, dim);
    }
    let floor = look.symbols.rule.repeat(usize::from(inner.width));
    put(inner.x, inner.bottom(), &floor, dim);
    let (low, high) = plot.up;
    for value in [low, f64::midpoint(low, high), high] {
        put(area.x, plot.row(value), &right(&format!("{value:.0}"), usize::from(LEFT) - 1), dim);
    }
    // The name of the axis stands where the numbers leave room: left of none, or right of it.
    let foot = area.bottom() - 1;
    let zero = plot.column(0.0);
    put(zero, foot, "0", dim);
    let (low, high) = plot.across;
    let ends = [format!("{low:+.1}"), format!("{high:+.1}")];
    let end = area.right() - width(&ends[1]) as u16;
    if zero > inner.x + width(&ends[0]) as u16 {
        put(inner.x, foot, &ends[0], dim);
    }
    if end > zero + 1 {
        put(end, foot, &ends[1], dim);
    }
    let before = inner.x + width(&ends[0]) as u16 + 1;
    let gaps = [(before, zero.saturating_sub(1)), (zero + 2, end.saturating_sub(1))];
    let widest = gaps.into_iter().max_by_key(|(from, to)| to.saturating_sub(*from));
    if let Some((from, to)) = widest.filter(|(from, to)| from + width(across) as u16 <= *to) {
        put(from + (to - from - width(across) as u16) / 2, foot, across, dim);
    }
    if let Some(point) = selected.and_then(|at| points.get(at)) {
        let (x, y) = (plot.column(point.across.0), plot.row(point.up.0));
        let (from, to) = (plot.row(point.up.1.1), plot.row(point.up.1.0));
        (from..=to).for_each(|row| put(x, row, look.symbols.column, theme::PLAIN));
        let (from, to) = (plot.column(point.across.1.0), plot.column(point.across.1.1));
        (from..=to).for_each(|column| put(column, y, look.symbols.rule, theme::PLAIN));
    }
    let order = (0..points.len()).filter(|at| Some(*at) != selected).chain(selected);
    let mut taken = Vec::new();
    for (at, point) in order.filter_map(|at| Some((at, points.get(at)?))) {
        let cells = width(&point.label) as u16;
        let centre = plot.column(point.across.0).saturating_sub(cells.saturating_sub(1) / 2);
        let wanted = Rect::new(centre, plot.row(point.up.0), cells, 1);
        let place = free(wanted, inner, &taken);
        taken.push(place);
        let selected = Some(at) == selected;
        let style = if selected { point.style.patch(theme::SELECTED) } else { point.style };
        put(place.x, place.y, &point.label, style);
    }
}

/// Where a label stands: where it belongs, or as near as it does not touch another, since `4` beside
/// `10` would be read as one number. Where all is full, where it belongs.
fn free(wanted: Rect, inner: Rect, taken: &[Rect]) -> Rect {
    const NEAR: [(i32, i32); 11] = [
        (0, 0),
        (1, 0),
        (-1, 0),
        (0, -1),
        (0, 1),
        (2, 0),
        (-2, 0),
        (1, -1),
        (-1, 1),
        (3, 0),
        (-3, 0),
    ];
    let inside = |(across, down): (i32, i32)| {
        let x = (i32::from(wanted.x) + across).max(i32::from(inner.x)) as u16;
        let y = (i32::from(wanted.y) + down).max(i32::from(inner.y)) as u16;
        let x = x.min(inner.right().saturating_sub(wanted.width)).max(inner.x);
        Rect { x, y: y.min(inner.bottom().saturating_sub(1)), ..wanted }
    };
    let touches = |place: Rect| {
        let near = Rect { x: place.x.saturating_sub(1), width: place.width + 2, ..place };
        taken.iter().any(|other| other.intersects(near))
    };
    let places = NEAR.map(inside);
    places.into_iter().find(|place| !touches(*place)).unwrap_or(places[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_fall_on_cells_in_their_order_and_never_beyond() {
        let point = |across: f64, up: f64| Point {
            label: "1".to_owned(),
            across: (across, (across - 1.0, across + 1.0)),
            up: (up, (up - 5.0, up + 5.0)),
            style: theme::PLAIN,
        };
        let area = Rect::new(3, 2, 40, 9);
        let plot = Plot::new(area, &[point(-4.0, 20.0), point(-1.0, 100.0)]);
        assert!(plot.column(-4.0) < plot.column(-1.0) && plot.column(-1.0) < plot.column(0.0));
        assert!(plot.row(100.0) < plot.row(20.0), "more is higher");
        assert_eq!(plot.row(100.0), area.y, "a share ends at 100");
        for value in [-1e9, 1e9] {
            assert!((area.x..area.right()).contains(&plot.column(value)));
            assert!((area.y..area.bottom()).contains(&plot.row(value)));
        }
        // All alike, and nothing changed: still inside.
        let plot = Plot::new(area, &[point(0.0, 50.0)]);
        assert!((area.x + 1..area.right() - 1).contains(&plot.column(0.0)));
    }

    #[test]
    fn labels_do_not_run_into_each_other() {
        let inner = Rect::new(0, 0, 30, 5);
        let mut taken = Vec::new();
        for wanted in [Rect::new(10, 2, 1, 1), Rect::new(11, 2, 2, 1), Rect::new(10, 2, 2, 1)] {
            let place = free(wanted, inner, &taken);
            let near = Rect { x: place.x - 1, width: place.width + 2, ..place };
            assert!(
                taken.iter().all(|other: &Rect| !other.intersects(near)),
                "{place:?} {taken:?}"
            );
            taken.push(place);
        }
        assert_eq!(free(Rect::new(29, 4, 2, 1), inner, &taken), Rect::new(28, 4, 2, 1));
    }
}
