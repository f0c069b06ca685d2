//! A list of any length: only the rows that show are built.

use std::cell::Cell;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::columns::draw_scrollbar;
use crate::app::look::{Look, Target};
use crate::app::theme;

/// Which row is selected and which is drawn first.
#[derive(Debug, Default, Clone)]
pub struct ListState {
    /// Selected row, from 0.
    pub selected: usize,
    offset: Cell<usize>,
    page: Cell<usize>,
}

impl ListState {
    /// Moves by rows within `0..len`, down when positive.
    pub fn by(&mut self, rows: isize, len: usize) {
        self.selected = self
            .selected
            .saturating_add_signed(rows)
            .min(len.saturating_sub(1));
    }

    /// Moves by pages within `0..len`, down when positive.
    pub fn by_page(&mut self, pages: isize, len: usize) {
        self.by(
            pages * self.page.get().max(2).cast_signed().saturating_sub(1),
            len,
        );
    }

    /// Selects a row within `0..len`.
    pub fn select(&mut self, row: usize, len: usize) {
        self.selected = row.min(len.saturating_sub(1));
    }

    /// Line of the area on which the last drawing put the selected row.
    pub fn shown_row(&self, len: usize, height: usize) -> Option<usize> {
        let row = self.selected.checked_sub(self.offset.get())?;
        (self.selected < len && row < height).then_some(row)
    }

    /// Draws rows `0..len` in `area`; `row` is called for visible rows only.
    pub fn draw<'r>(
        &self,
        frame: &mut Frame,
        area: Rect,
        len: usize,
        (column, focused): (usize, bool),
        look: &Look,
        row: impl Fn(usize, usize) -> Line<'r>,
    ) {
        let height = usize::from(area.height);
        self.page.set(height);
        if height == 0 || area.width < 3 {
            return;
        }
        let offset = window(self.offset.get(), self.selected, len, height);
        self.offset.set(offset);
        let room = usize::from(area.width) - 2;
        for (line, index) in area.rows().zip(offset..len) {
            look.drawn.row_built();
            look.drawn.put(line, Target::Row(column, index));
            let selected = index == self.selected;
            let mut content = row(index, room);
            if selected {
                content = content.patch_style(if focused {
                    theme::SELECTED
                } else {
                    theme::MARKED
                });
                let mark = if focused { theme::ACCENT } else { theme::DIM };
                frame.render_widget(
                    Span::styled(look.symbols.bar, mark),
                    Rect { width: 1, ..line },
                );
            }
            frame.render_widget(
                content,
                Rect {
                    x: line.x + 1,
                    width: line.width - 2,
                    ..line
                },
            );
        }
        draw_scrollbar(frame, area, len, offset, look);
    }
}

/// First row to draw so that the selected one shows, moving as little as possible and keeping one
/// row of context.
fn window(offset: usize, selected: usize, len: usize, height: usize) -> usize {
    let context = usize::from(height > 4);
    let lowest = (selected + 1 + context).saturating_sub(height);
    let highest = selected.saturating_sub(context);
    offset
        .max(lowest)
        .min(highest)
        .min(len.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_follows_the_selection() {
        for (offset, selected, len, height, expected) in [
            (0, 0, 100, 10, 0),
            (0, 8, 100, 10, 0),
            (0, 9, 100, 10, 1),
            (50, 51, 100, 10, 50),
            (50, 50, 100, 10, 49),
            (95, 99, 100, 10, 90),
            (5, 0, 3, 10, 0),
            (0, 9_999, 10_000, 20, 9_980),
        ] {
            assert_eq!(
                window(offset, selected, len, height),
                expected,
                "{selected} of {len}"
            );
        }
    }
}
