//! The only way to lay something over a screen.
//!
//! Clearing an area whose left edge falls on the right half of a wide glyph leaves the glyph to
//! swallow the border (ratatui #2526); the glyph's left half is blanked first.

use ratatui::Frame;
use ratatui::buffer::CellWidth as _;
use ratatui::layout::Rect;
use ratatui::text::Span;
use ratatui::widgets::Clear;

use crate::app::look::Look;
use crate::app::theme;
use crate::text::{truncate, width};

/// Clears `area` and draws a frame with a title; returns the area inside.
pub fn open(frame: &mut Frame, area: Rect, title: &str, look: &Look) -> Rect {
    let area = area.intersection(frame.area());
    clear(frame, area);
    if area.width < 4 || area.height < 3 {
        return Rect::default();
    }
    draw_frame(frame, area, title, look);
    Rect::new(area.x + 2, area.y + 1, area.width - 4, area.height - 2)
}

/// Clears `area`, wide glyphs cut by its left edge included.
pub fn clear(frame: &mut Frame, area: Rect) {
    let buffer = frame.buffer_mut();
    for y in area.top()..area.bottom() {
        if let Some(x) = area.x.checked_sub(1)
            && let Some(cell) = buffer.cell_mut((x, y))
            && cell.symbol().cell_width() > 1
        {
            cell.set_symbol(" ");
        }
    }
    frame.render_widget(Clear, area);
}

/// An area of at most `width` by `height` in the middle of `outer`, a little above the centre.
pub fn centred(outer: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(outer.width.saturating_sub(2)).max(1);
    let height = height.min(outer.height.saturating_sub(2)).max(1);
    let x = outer.x + outer.width.saturating_sub(width) / 2;
    let y = outer.y + outer.height.saturating_sub(height) * 2 / 5;
    Rect {
        x,
        y,
        width,
        height,
    }
}

fn draw_frame(frame: &mut Frame, area: Rect, title: &str, look: &Look) {
    let symbols = look.symbols;
    let [top_left, top_right, bottom_left, bottom_right] = symbols.corners;
    let inner = usize::from(area.width) - 2;
    let title = truncate(title, inner.saturating_sub(4), symbols.ellipsis);
    let title = if title.is_empty() {
        String::new()
    } else {
        format!(" {title} ")
    };
    let rest = inner.saturating_sub(width(&title) + 1);
    let line = |y: u16| Rect {
        y,
        height: 1,
        ..area
    };
    let rule = |cells: usize| symbols.rule.repeat(cells);
    frame.render_widget(
        ratatui::text::Line::from(vec![
            Span::styled(format!("{top_left}{}", rule(1)), theme::ACCENT),
            Span::styled(title, theme::TITLE),
            Span::styled(format!("{}{top_right}", rule(rest)), theme::ACCENT),
        ]),
        line(area.y),
    );
    for y in area.y + 1..area.bottom() - 1 {
        for x in [area.x, area.right() - 1] {
            frame.render_widget(
                Span::styled(symbols.column, theme::ACCENT),
                Rect::new(x, y, 1, 1),
            );
        }
    }
    let bottom = format!("{bottom_left}{}{bottom_right}", rule(inner));
    frame.render_widget(Span::styled(bottom, theme::ACCENT), line(area.bottom() - 1));
}
