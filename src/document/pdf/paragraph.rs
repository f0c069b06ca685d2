//! Lines to paragraphs to a page's text.

use std::collections::BTreeMap;

use super::join::{BREAK, Joiner, is_hangul, right_margin, wraps};
use super::line::{Content, Line, Piece};
use crate::document::structure;

/// The text of a page: paragraphs separated by a blank line, one line each; tables with a line a row.
pub(super) fn page_text(lines: &[Line], usual_step: f64, joiner: &Joiner) -> String {
    let mut text = String::new();
    let mut paragraph = String::new();
    for (index, line) in lines.iter().enumerate() {
        let previous = index.checked_sub(1).and_then(|before| lines.get(before));
        let joint = previous.map_or(Joint::Start, |previous| {
            joint(lines, index, previous, line, usual_step, joiner)
        });
        match joint {
            Joint::Start => {}
            Joint::Same => {
                if let (Some(last), Some(next)) = (previous.and_then(Line::piece), line.piece()) {
                    joiner.append(&mut paragraph, last, next);
                }
                continue;
            }
            Joint::Line | Joint::Paragraph => {
                text.push_str(&paragraph);
                text.push_str(if joint == Joint::Line { "\n" } else { "\n\n" });
                paragraph.clear();
            }
        }
        paragraph = whole(line, joiner);
    }
    text.push_str(&paragraph);
    text
}

/// Distances between the lines of paragraphs, in hundredths of the font size.
#[derive(Default)]
pub(super) struct Steps {
    counts: BTreeMap<u16, u32>,
    total: u32,
}

impl Steps {
    /// Takes note of a page's distances.
    pub(super) fn note(&mut self, lines: &[Line]) {
        for pair in lines.windows(2) {
            let [a, b] = pair else { continue };
            if a.piece().is_none() || b.piece().is_none() || !wraps(a, b) {
                continue;
            }
            let step = (b.baseline - a.baseline) / a.size.max(b.size);
            if step > 0.9 {
                *self.counts.entry((step * 100.0) as u16).or_default() += 1;
                self.total = self.total.saturating_add(1);
            }
        }
    }

    /// Usual distance, in font sizes: a low quantile, since what lies above it are distances between
    /// paragraphs.
    pub(super) fn usual(&self) -> f64 {
        let mut below = 0;
        for (step, count) in &self.counts {
            below += count;
            if below > self.total / 4 {
                return (f64::from(*step) + 0.5) / 100.0;
            }
        }
        1.4
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// First line of the page.
    Start,
    /// The paragraph goes on.
    Same,
    /// A new line of the same table.
    Line,
    /// A new paragraph.
    Paragraph,
}

fn joint(
    lines: &[Line],
    index: usize,
    previous: &Line,
    line: &Line,
    usual_step: f64,
    joiner: &Joiner,
) -> Joint {
    let (last, next) = match (&previous.content, &line.content) {
        (Content::Text(last), Content::Text(next)) => (last, next),
        (Content::Row(_), Content::Row(_)) => {
            let step = line.baseline - previous.baseline;
            let near = step > 0.0 && step < 6.0 * line.size.max(previous.size);
            return if near { Joint::Line } else { Joint::Paragraph };
        }
        _ => return Joint::Paragraph,
    };
    let size = previous.size.max(line.size);
    let step = line.baseline - previous.baseline;
    if (previous.size - line.size).abs() > 0.08 * size {
        return Joint::Paragraph;
    }
    let finished = ends_sentence(&last.text);
    let left_over = (right_margin(lines, index - 1) - previous.right) / size;
    // What begins the next line would have stood on the previous one, so the break is meant.
    let character = (line.right - line.left) / next.text.chars().count().max(1) as f64 / size;
    let room =
        joiner.unbroken(last, next) as f64 * character * 1.1 + if finished { 0.8 } else { 2.0 };
    let full = left_over <= room;
    if let Some(marker) = structure::marker(&next.text) {
        // "구한|다. 동적해석으로": the end of a broken sentence may look like an item.
        let ending = marker.may_be_ending()
            && last.text.ends_with(is_hangul)
            && next.text.starts_with(['다', '라', '자']);
        if !ending || finished || !full {
            return Joint::Paragraph;
        }
    }
    let column_jump = step < -size && line.left > previous.left;
    if column_jump {
        return if finished { Joint::Paragraph } else { Joint::Same };
    }
    if step <= 0.0 || step > BREAK * usual_step * size || line.left > previous.right {
        return Joint::Paragraph;
    }
    if !full || (structure::is_heading(&last.text) && left_over > 2.0) {
        return Joint::Paragraph;
    }
    let indented = line.left > previous.left + 0.8 * size;
    let hanging = structure::begins_item(&last.text);
    let two_back = index.checked_sub(2).and_then(|before| lines.get(before));
    let previous_is_first =
        two_back.is_none_or(|before| (before.left - previous.left).abs() > 0.5 * size);
    if indented && !hanging && !previous_is_first {
        return Joint::Paragraph;
    }
    Joint::Same
}

fn ends_sentence(text: &str) -> bool {
    text.trim_end_matches([')', '”', '’', '"', '」', '』'])
        .ends_with(['.', '?', '!', ':', ';', '。'])
}

/// One line's own text: a row's cells separated by spaces.
fn whole(line: &Line, joiner: &Joiner) -> String {
    match &line.content {
        Content::Text(piece) => piece.text.clone(),
        Content::Row(cells) => {
            let cells: Vec<String> = cells
                .iter()
                .map(|pieces| {
                    let mut cell = String::new();
                    let mut last: Option<&Piece> = None;
                    for piece in pieces {
                        match last {
                            Some(last) => joiner.append(&mut cell, last, piece),
                            None => cell.push_str(&piece.text),
                        }
                        last = Some(piece);
                    }
                    cell
                })
                .collect();
            cells.join(" ")
        }
    }
}
