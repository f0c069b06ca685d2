//! Columns side by side, as many as fit; titles, thin rules and scroll positions.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::look::{Look, Target};
use crate::app::theme;
use crate::text::{truncate, width};

/// Columns from this width on: three.
pub const THREE_FROM: u16 = 104;
/// Columns from this width on: two.
pub const TWO_FROM: u16 = 76;

/// A column that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Which one, from 0.
    pub index: usize,
    /// Whole area.
    pub area: Rect,
}

/// Chooses which of `weights.len()` columns fit beside the focused one and where they stand.
///
/// Columns follow the focus: what does not fit folds away and comes back with Tab. Between two
/// columns lies one cell for the rule.
pub fn columns(area: Rect, weights: &[u16], focus: usize) -> Vec<Column> {
    let fitting = match area.width {
        THREE_FROM.. => 3,
        TWO_FROM.. => 2,
        _ => 1,
    }
    .min(weights.len());
    let first = focus.saturating_sub(usize::from(fitting > 1 && focus + 1 == weights.len()));
    let first = first.min(weights.len() - fitting);
    let shown: Vec<usize> = (first..first + fitting).collect();
    place(area, weights, &shown)
}

/// As [`columns`], but of two columns that fit the last of three is always one: what is being
/// judged stays in view.
pub fn columns_with_last(area: Rect, weights: [u16; 3], focus: usize) -> Vec<Column> {
    if (TWO_FROM..THREE_FROM).contains(&area.width) {
        return place(area, &weights, &[focus.min(1), 2]);
    }
    columns(area, &weights, focus)
}

fn place(area: Rect, weights: &[u16], shown: &[usize]) -> Vec<Column> {
    let gaps = (shown.len() as u16).saturating_sub(1);
    let total: u16 = shown.iter().map(|&index| weights[index]).sum();
    let room = area.width.saturating_sub(gaps);
    let mut x = area.x;
    shown
        .iter()
        .map(|&index| {
            let last = shown.last() == Some(&index);
            let share = u32::from(room) * u32::from(weights[index]) / u32::from(total.max(1));
            let width = if last { area.right().saturating_sub(x) } else { share as u16 };
            let column = Column { index, area: Rect { x, width, ..area } };
            x = x.saturating_add(width + 1);
            column
        })
        .collect()
}

/// Draws the title line of a column and the rule on its right; returns the area for its content.
pub fn draw_column(
    frame: &mut Frame,
    column: Column,
    focus: usize,
    title: &str,
    note: &str,
    look: &Look,
) -> Rect {
    let Column { index, area } = column;
    look.drawn.put(area, Target::Column(index));
    let last = area.right() >= frame.area().right();
    if !last && area.right() < frame.area().right() {
        let rule = Rect { x: area.right(), width: 1, ..area };
        for row in rule.rows() {
            frame.render_widget(Span::styled(look.symbols.column, theme::DIM), row);
        }
    }
    draw_title(frame, area, focus == index, title, note, look);
    Rect { y: area.y + 1.min(area.height), height: area.height.saturating_sub(1), ..area }
}

/// Draws a title at the top of an area with a dim note at the right.
pub fn draw_title(
    frame: &mut Frame,
    area: Rect,
    focused: bool,
    title: &str,
    note: &str,
    look: &Look,
) {
    if area.is_empty() {
        return;
    }
    let line = Rect { height: 1, ..area };
    let (mark, style) = if focused { (look.symbols.bar, theme::TITLE) } else { (" ", theme::BOLD) };
    let room = usize::from(area.width).saturating_sub(2);
    let title = truncate(title, room, look.symbols.ellipsis).into_owned();
    let left = room.saturating_sub(width(&title) + 2);
    let note = truncate(note, left, look.symbols.ellipsis).into_owned();
    let gap = room.saturating_sub(width(&title) + width(&note));
    frame.render_widget(
        Line::from(vec![
            Span::styled(mark, theme::ACCENT),
            Span::styled(title, style),
            Span::raw(" ".repeat(gap)),
            Span::styled(note, theme::DIM),
        ]),
        line,
    );
}

/// Marks the scroll position on the right edge of an area when not everything fits.
pub fn draw_scrollbar(frame: &mut Frame, area: Rect, total: usize, offset: usize, look: &Look) {
    let height = usize::from(area.height);
    if total <= height || area.width < 4 || height < 2 {
        return;
    }
    let size = (height * height / total).clamp(1, height);
    let travel = total - height;
    let start = (offset.min(travel) * (height - size) + travel / 2) / travel;
    for row in start..(start + size).min(height) {
        let cell = Rect::new(area.right() - 1, area.y + row as u16, 1, 1);
        frame.render_widget(Span::styled(look.symbols.thumb, theme::DIM), cell);
    }
}

/// Cells inside a column: one free on each side.
pub fn inside(area: Rect) -> Rect {
    Rect { x: area.x + 1.min(area.width), width: area.width.saturating_sub(2), ..area }
}

/// Splits off `height` lines at the bottom.
pub fn split_bottom(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let top = Rect { height: area.height - height, ..area };
    (top, Rect { y: top.bottom(), height, ..area })
}

/// Splits off `height` lines at the top.
pub fn split_top(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let top = Rect { height, ..area };
    (top, Rect { y: top.bottom(), height: area.height - height, ..area })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_focused_column_is_always_shown() {
        for (cells, focus, expected) in [
            (120, 0, vec![0, 1, 2]),
            (120, 2, vec![0, 1, 2]),
            (80, 0, vec![0, 1]),
            (80, 1, vec![1, 2]),
            (80, 2, vec![1, 2]),
            (60, 0, vec![0]),
            (60, 1, vec![1]),
            (60, 2, vec![2]),
        ] {
            let shown = columns(Rect::new(0, 2, cells, 10), &[3, 4, 4], focus);
            assert_eq!(
                shown.iter().map(|c| c.index).collect::<Vec<_>>(),
                expected,
                "{cells} {focus}"
            );
            assert_eq!(shown[0].area.x, 0);
            assert_eq!(shown.last().unwrap().area.right(), cells);
        }
        assert_eq!(columns(Rect::new(0, 0, 80, 4), &[1, 1], 0).len(), 2);
        assert_eq!(columns(Rect::new(0, 0, 80, 4), &[1], 0).len(), 1);
    }
}
