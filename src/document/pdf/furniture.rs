//! Running headers, footers and page numbers: lines at a page's edge that come back on most pages.

use std::collections::HashMap;

use super::line::Line;

/// Lines from an edge that may be furniture.
const DEPTH: usize = 3;
/// Share of the pages on which a line must come back.
const SHARE: f64 = 0.6;
/// The same in longer documents, whose left and right pages differ.
const SHARE_ALTERNATING: f64 = 0.35;

/// Takes the furniture out of every page's lines.
pub(super) fn remove(pages: &mut [Vec<Line>]) {
    let mut seen: HashMap<(Edge, String), usize> = HashMap::new();
    for lines in pages.iter() {
        for edge in [Edge::Top, Edge::Bottom] {
            let mut keys: Vec<String> = candidates(lines, edge)
                .into_iter()
                .filter_map(|index| lines.get(index).map(key))
                .collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                *seen.entry((edge, key)).or_default() += 1;
            }
        }
    }
    let count = pages.iter().filter(|lines| !lines.is_empty()).count();
    let share = if count >= 6 { SHARE_ALTERNATING } else { SHARE };
    let enough = ((share * count as f64).ceil() as usize).max(2);
    for lines in pages {
        let mut gone = Vec::new();
        for edge in [Edge::Top, Edge::Bottom] {
            // From the edge inwards: what stands beyond body text is furniture, nothing inside it is.
            let order = candidates(lines, edge);
            for (place, index) in order.iter().enumerate() {
                let Some(line) = lines.get(*index) else {
                    break;
                };
                let repeated = seen
                    .get(&(edge, key(line)))
                    .is_some_and(|times| *times >= enough && !is_bare_number(line));
                let next = order.get(place + 1).and_then(|next| lines.get(*next));
                if repeated || (is_page_number(line) && stands_apart(line, next)) {
                    gone.push(*index);
                } else {
                    break;
                }
            }
        }
        let mut index = 0;
        lines.retain(|_| {
            index += 1;
            !gone.contains(&(index - 1))
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Edge {
    Top,
    Bottom,
}

/// Indices of the outermost lines, the outermost first.
fn candidates(lines: &[Line], edge: Edge) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    let baseline = |index: &usize| lines.get(*index).map_or(0.0, |line| line.baseline);
    order.sort_by(|a, b| baseline(a).total_cmp(&baseline(b)));
    if edge == Edge::Bottom {
        order.reverse();
    }
    order.truncate(DEPTH);
    order
}

fn text(line: &Line) -> String {
    line.pieces().map(|piece| piece.text.as_str()).collect()
}

/// The line with its numbers and spaces levelled, so that "3 / 12" and "4 / 12" are one.
fn key(line: &Line) -> String {
    let mut key = String::new();
    for character in text(line).chars().filter(|c| !c.is_whitespace()) {
        if !character.is_numeric() {
            key.push(character);
        } else if !key.ends_with('#') {
            key.push('#');
        }
    }
    key
}

/// Numbers alone may be data; only [`is_page_number`] may take them.
fn is_bare_number(line: &Line) -> bool {
    !key(line).chars().any(char::is_alphabetic)
}

/// A line like "12", "- 12 -", "12 / 80", "Page 12", "xii".
fn is_page_number(line: &Line) -> bool {
    let Some(piece) = line.piece() else {
        return false;
    };
    let text = piece.text.to_lowercase();
    let core = text
        .trim_start_matches("page")
        .trim_start_matches("p.")
        .trim_end_matches("쪽")
        .trim_end_matches("페이지")
        .trim_matches(|c: char| c.is_whitespace() || "-–—―−·•|[](){}<>".contains(c));
    let digits = core.chars().filter(char::is_ascii_digit).count();
    let rest = core.replace("of", "/");
    (digits > 0
        && digits <= 8
        && rest
            .chars()
            .all(|c| c.is_ascii_digit() || c == '/' || c == ' '))
        || (!core.is_empty() && core.len() <= 6 && core.chars().all(|c| "ivxlc".contains(c)))
}

/// Tells whether a line keeps more than a paragraph's distance from its inner neighbour.
fn stands_apart(line: &Line, inner: Option<&Line>) -> bool {
    inner.is_none_or(|inner| {
        (line.baseline - inner.baseline).abs() > 2.2 * line.size.max(inner.size)
    })
}
