//! Styled text that wraps: highlights are laid over byte ranges and survive the line breaks.

use std::cell::Cell;
use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::columns::draw_scrollbar;
use crate::app::look::Look;
use crate::text::wrap;

/// Text with styles over ranges of it.
#[derive(Debug, Clone, Default)]
pub struct Rich {
    text: String,
    styles: Vec<(Range<usize>, Style)>,
    /// Byte positions of lines that are indented, with the indent in cells.
    indents: Vec<(usize, usize)>,
}

impl Rich {
    /// Starts with plain text.
    pub fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// Appends text in a style.
    pub fn push(&mut self, text: &str, style: Style) -> &mut Self {
        let start = self.text.len();
        self.text.push_str(text);
        if style != Style::default() {
            self.styles.push((start..self.text.len(), style));
        }
        self
    }

    /// Appends a line end.
    pub fn line(&mut self) -> &mut Self {
        self.text.push('\n');
        self
    }

    /// From here to the next line end, wrapped lines after the first are indented by `cells`.
    pub fn hang(&mut self, cells: usize) -> &mut Self {
        self.indents.push((self.text.len(), cells));
        self
    }

    /// Lays a style over a byte range of the text.
    pub fn over(&mut self, range: Range<usize>, style: Style) -> &mut Self {
        self.styles.push((range, style));
        self
    }

    /// Appends another text with its styles.
    pub fn append(&mut self, other: &Self) -> &mut Self {
        let offset = self.text.len();
        self.text.push_str(&other.text);
        let moved = other
            .styles
            .iter()
            .map(|(range, style)| (range.start + offset..range.end + offset, *style));
        self.styles.extend(moved);
        self.indents.extend(other.indents.iter().map(|(at, cells)| (at + offset, *cells)));
        self
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text without styles.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line, among [`Rich::lines`], that a byte position of the text falls on.
    pub fn line_at(&self, position: usize, width: usize) -> usize {
        let before = self.text.get(..position).unwrap_or_default();
        let before = Self { text: before.to_owned(), styles: Vec::new(), ..self.clone() };
        before.lines(width).len() - 1
    }

    /// Number of bytes of text.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Breaks into lines of at most `width` cells.
    pub fn lines(&self, width: usize) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let mut start = 0;
        for paragraph in self.text.split('\n') {
            let end = start + paragraph.len();
            let indent = (self.indents.iter().rev())
                .find(|(at, _)| (start..=end).contains(at))
                .map_or(0, |(_, cells)| (*cells).min(width / 2));
            self.wrap_paragraph(start..end, width, indent, &mut lines);
            start = end + 1;
        }
        lines
    }

    fn wrap_paragraph(
        &self,
        range: Range<usize>,
        width: usize,
        indent: usize,
        out: &mut Vec<Line<'static>>,
    ) {
        let text = &self.text[range.clone()];
        let first = wrap(text, width);
        let head = first[0].clone();
        out.push(self.styled(head.start + range.start..head.end + range.start, 0));
        if first.len() == 1 {
            return;
        }
        let rest_start = if indent == 0 { first[1].start } else { next_word(text, head.end) };
        let rest = &text[rest_start..];
        for line in wrap(rest, width.saturating_sub(indent)) {
            let start = range.start + rest_start;
            out.push(self.styled(line.start + start..line.end + start, indent));
        }
    }

    fn styled(&self, range: Range<usize>, indent: usize) -> Line<'static> {
        let mut cuts = vec![range.start, range.end];
        for (styled, _) in &self.styles {
            cuts.extend([styled.start, styled.end].into_iter().filter(|at| range.contains(at)));
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut spans = Vec::with_capacity(cuts.len());
        if indent > 0 {
            spans.push(Span::raw(" ".repeat(indent)));
        }
        for pair in cuts.windows(2) {
            let style = (self.styles.iter())
                .filter(|(styled, _)| styled.start <= pair[0] && pair[1] <= styled.end)
                .fold(Style::default(), |sum, (_, style)| sum.patch(*style));
            spans.push(Span::styled(self.text[pair[0]..pair[1]].to_owned(), style));
        }
        Line::from(spans)
    }
}

fn next_word(text: &str, at: usize) -> usize {
    at + text[at..].len() - text[at..].trim_start_matches(' ').len()
}

/// How far a text is scrolled; held in bounds by drawing.
#[derive(Debug, Default, Clone)]
pub struct Scroll {
    offset: Cell<usize>,
    page: Cell<usize>,
    /// Nothing was drawn since the text was begun.
    fresh: Cell<bool>,
}

impl Scroll {
    /// Back to the first line.
    pub fn reset(&self) {
        self.offset.set(0);
        self.fresh.set(true);
    }

    /// Moves by lines, down when positive.
    pub fn by(&self, lines: isize) {
        self.offset.set(self.offset.get().saturating_add_signed(lines));
    }

    /// Moves by pages, down when positive.
    pub fn by_page(&self, pages: isize) {
        self.by(pages * self.page.get().max(2).cast_signed().saturating_sub(1));
    }

    /// The next drawing moves so that its `line` is shown, if this text was just begun.
    pub fn show(&self, line: usize, height: u16) {
        if self.fresh.replace(false) && line + 1 >= usize::from(height) {
            self.offset.set(line.saturating_sub(usize::from(height) / 3));
        }
    }

    /// Moves as little as needed to show a line of the text, with one line beside it.
    pub fn reveal(&self, line: usize, height: u16) {
        let lowest = (line + 2).saturating_sub(usize::from(height));
        self.offset.set(self.offset.get().max(lowest).min(line.saturating_sub(1)));
    }

    /// To the end; drawing finds where that is.
    pub fn end(&self) {
        self.offset.set(usize::MAX / 2);
    }

    /// Draws lines in `area` from the scrolled position, with a scrollbar when they do not fit.
    pub fn draw(&self, frame: &mut Frame, area: Rect, lines: &[Line], look: &Look) {
        let height = usize::from(area.height);
        self.page.set(height);
        let offset = self.offset.get().min(lines.len().saturating_sub(height));
        self.offset.set(offset);
        for (row, line) in area.rows().zip(lines.iter().skip(offset)) {
            frame.render_widget(line, row);
        }
        draw_scrollbar(frame, area, lines.len(), offset, look);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Modifier;

    use super::*;

    fn plain(lines: &[Line]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn highlights_survive_line_breaks() {
        let mut rich = Rich::plain("창고로 쓰이는 공간에서는 25 %를 포함한다");
        let start = "창고로 ".len();
        rich.over(start..start + "쓰이는 공간에서는".len(), Modifier::UNDERLINED.into());
        let lines = rich.lines(14);
        assert_eq!(plain(&lines), ["창고로 쓰이는", "공간에서는 25", "%를 포함한다"]);
        let marked: String = (lines.iter().flat_map(|line| &line.spans))
            .filter(|span| span.style.add_modifier.contains(Modifier::UNDERLINED))
            .map(|span| span.content.as_ref())
            .collect();
        assert_eq!(marked, "쓰이는공간에서는");
    }

    #[test]
    fn hanging_lines_are_indented() {
        let mut rich = Rich::default();
        rich.hang(2).push("Q ", Style::default()).push("창고의 하중은 얼마인가", Style::default());
        rich.line().push("next", Style::default());
        assert_eq!(plain(&rich.lines(12)), ["Q 창고의", "  하중은", "  얼마인가", "next"]);
        assert_eq!(plain(&Rich::default().lines(5)), [""]);
    }
}
