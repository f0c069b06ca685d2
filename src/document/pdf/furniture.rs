//! Running headers, footers and page numbers: lines at a page's edge that come back on most pages, or whose
//! number counts the pages.

use std::collections::{HashMap, VecDeque};

use super::line::Line;

/// Lines from an edge that may be furniture.
const DEPTH: usize = 3;
/// Share of the pages on which a line must come back.
const SHARE: f64 = 0.6;
/// The same in longer documents, whose left and right pages differ.
const SHARE_ALTERNATING: f64 = 0.35;

/// Pages on either side of a page that say what its furniture is. A chapter's own header need not come
/// back outside the chapter.
const REACH: u32 = 16;

/// What stands at the edges of a page and of those around it.
#[derive(Default)]
pub(super) struct Margins(VecDeque<Margin>);

struct Margin {
    number: u32,
    keys: Vec<(Edge, String)>,
    /// Numbers in the outermost lines.
    numbers: Vec<i64>,
    blank: bool,
}

impl Margins {
    /// Takes note of the next page's edges.
    pub(super) fn note(&mut self, number: u32, lines: &[Line]) {
        let mut keys = Vec::new();
        let mut printed = Vec::new();
        for edge in [Edge::Top, Edge::Bottom] {
            let order = candidates(lines, edge);
            let found = order.iter().filter_map(|index| lines.get(*index));
            keys.extend(found.map(|line| (edge, key(line))));
            printed.extend(order.first().and_then(|index| lines.get(*index)).map(numbers));
        }
        keys.sort_unstable();
        keys.dedup();
        let numbers = printed.into_iter().flatten().collect();
        self.0.push_back(Margin { number, keys, numbers, blank: lines.is_empty() });
    }

    /// Takes the furniture out of a page's lines and forgets what no later page needs.
    pub(super) fn clear(&mut self, number: u32, mut lines: Vec<Line>) -> Vec<Line> {
        while self.0.front().is_some_and(|margin| margin.number + REACH < number) {
            self.0.pop_front();
        }
        let near = || self.0.iter().take_while(|margin| margin.number <= number + REACH);
        let mut seen: HashMap<&(Edge, String), usize> = HashMap::new();
        for key in near().flat_map(|margin| &margin.keys) {
            *seen.entry(key).or_default() += 1;
        }
        let count = near().filter(|margin| !margin.blank).count();
        let share = if count >= 6 { SHARE_ALTERNATING } else { SHARE };
        let enough = ((share * count as f64).ceil() as usize).max(2);
        let offset = page_offset(near(), count);
        let mut gone = Vec::new();
        for edge in [Edge::Top, Edge::Bottom] {
            // From the edge inwards: what stands beyond body text is furniture, nothing inside it is.
            let order = candidates(&lines, edge);
            for (place, index) in order.iter().enumerate() {
                let Some(line) = lines.get(*index) else {
                    break;
                };
                let repeated = seen
                    .get(&(edge, key(line)))
                    .is_some_and(|times| *times >= enough && !is_bare_number(line));
                let next = order.get(place + 1).and_then(|next| lines.get(*next));
                let counts = offset
                    .is_some_and(|offset| numbers(line).contains(&(i64::from(number) + offset)));
                if repeated || counts || (is_page_number(line) && stands_apart(line, next)) {
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
        lines
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    let pieces: Vec<&str> = line.pieces().map(|piece| piece.text.as_str()).collect();
    pieces.join(" ")
}

/// What to add to a page's place in the file for the number printed on it, where a number at the edge of
/// most pages counts them. Three pages are the least that can show it.
fn page_offset<'a>(near: impl Iterator<Item = &'a Margin>, count: usize) -> Option<i64> {
    let mut votes: HashMap<i64, usize> = HashMap::new();
    for margin in near {
        let mut offsets: Vec<i64> = margin
            .numbers
            .iter()
            .map(|printed| printed.saturating_sub(i64::from(margin.number)))
            .collect();
        offsets.sort_unstable();
        offsets.dedup();
        for offset in offsets {
            *votes.entry(offset).or_default() += 1;
        }
    }
    let (offset, votes) = votes.into_iter().max_by_key(|(offset, votes)| {
        (*votes, std::cmp::Reverse(offset.unsigned_abs()), *offset)
    })?;
    (votes >= 3 && votes * 2 > count).then_some(offset)
}

/// The whole numbers with which a line begins or ends.
fn numbers(line: &Line) -> Vec<i64> {
    let text = text(line);
    let mut words = text.split_whitespace();
    [words.next(), words.next_back()]
        .into_iter()
        .flatten()
        .filter_map(|word| word.parse().ok())
        .collect()
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
    (digits > 0 && digits <= 8 && rest.chars().all(|c| c.is_ascii_digit() || c == '/' || c == ' '))
        || (!core.is_empty() && core.len() <= 6 && core.chars().all(|c| "ivxlc".contains(c)))
}

/// Tells whether a line keeps more than a paragraph's distance from its inner neighbour.
fn stands_apart(line: &Line, inner: Option<&Line>) -> bool {
    inner.is_none_or(|inner| {
        (line.baseline - inner.baseline).abs() > 2.2 * line.size.max(inner.size)
    })
}

#[cfg(test)]
mod tests {
    use super::super::line::{Content, Piece};
    use super::*;

    fn page(lines: &[(f64, &str)]) -> Vec<Line> {
        lines
            .iter()
            .map(|(baseline, text)| Line {
                content: Content::Text(Piece { text: (*text).into(), spaced: false }),
                left: 50.0,
                right: 500.0,
                baseline: *baseline,
                size: 10.0,
            })
            .collect()
    }

    fn left(pages: &[&[(f64, &str)]]) -> Vec<String> {
        let mut margins = Margins::default();
        for (number, lines) in (1..).zip(pages) {
            margins.note(number, &page(lines));
        }
        (1..)
            .zip(pages)
            .map(|(number, lines)| {
                let left = margins.clear(number, page(lines));
                left.iter().map(text).collect::<Vec<_>>().join("|")
            })
            .collect()
    }

    #[test]
    fn headers_and_page_numbers_go_and_text_stays() {
        let found = left(&[
            &[
                (30.0, "건축구조 표본기준"),
                (60.0, "본문 하나"),
                (80.0, "2.0 24 31"),
                (800.0, "- 1 -"),
            ],
            &[
                (30.0, "건축구조 표본기준"),
                (60.0, "본문 둘"),
                (80.0, "2.6 19 27"),
                (800.0, "- 2 -"),
            ],
        ]);
        assert_eq!(found, ["본문 하나|2.0 24 31", "본문 둘|2.6 19 27"]);
    }

    #[test]
    fn chapter_headers_are_told_by_their_page_numbers() {
        let found = left(&[
            &[(30.0, "Chapter 1: Scope 7"), (45.0, "one")],
            &[(30.0, "8 Handbook"), (45.0, "two")],
            &[(30.0, "Chapter 2: Loads 9"), (45.0, "three")],
            &[(30.0, "Loads on slabs"), (45.0, "four 10"), (60.0, "end")],
        ]);
        assert_eq!(found, ["one", "two", "three", "Loads on slabs|four 10|end"]);
    }

    #[test]
    fn one_page_keeps_its_heading() {
        let found = left(&[&[(30.0, "제1장 총칙"), (60.0, "본문"), (75.0, "12")]]);
        assert_eq!(found, ["제1장 총칙|본문|12"]);
    }
}
