//! Wrapping to a width: at spaces, and inside a word only where it does not fit a whole line.
//!
//! Korean is written with spaces and breaks there first, then at any glyph. Lines are byte ranges
//! of the given text, so that highlights can be laid over them.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

use super::width::{grapheme_width, prefix};

/// Breaks `text` into lines of at most `max` cells (at least one grapheme each).
///
/// Returns byte ranges without line ends and without the spaces a break falls on. An empty text is
/// one empty line; a `max` of 0 counts as 1.
pub fn wrap(text: &str, max: usize) -> Vec<Range<usize>> {
    let max = max.max(1);
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        wrap_line(line.trim_end_matches('\r'), start, max, &mut lines);
        start += line.len() + 1;
    }
    lines
}

fn wrap_line(line: &str, offset: usize, max: usize, out: &mut Vec<Range<usize>>) {
    let mut start = 0;
    loop {
        let rest = &line[start..];
        let fitting = prefix(rest, max);
        if fitting == rest.len() {
            out.push(offset + start..offset + line.len());
            return;
        }
        // The text up to `fitting` fits; the next grapheme does not.
        let (end, next) = if let Some(at) = break_point(rest, fitting) {
            (at, rest.len() - rest[at..].trim_start_matches(' ').len())
        } else {
            let first = rest.graphemes(true).next().map_or(rest.len(), str::len);
            (fitting.max(first), fitting.max(first))
        };
        let trimmed = rest[..end].trim_end_matches(' ').len();
        out.push(offset + start..offset + start + trimmed);
        start += next;
        if start >= line.len() {
            return;
        }
    }
}

/// Where to break so that the line ends at a space: the last one inside, or just after, the part
/// that fits. None when that would leave nothing but leading spaces.
fn break_point(rest: &str, fitting: usize) -> Option<usize> {
    if rest[fitting..].starts_with(' ') {
        return Some(fitting);
    }
    let at = rest[..fitting].rfind(' ')?;
    let word_before = !rest[..at].trim().is_empty();
    word_before.then_some(at)
}

/// Width in cells of the widest line of `text`.
pub fn widest(text: &str) -> usize {
    text.split('\n')
        .map(|line| line.graphemes(true).map(grapheme_width).sum())
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::width;

    fn lines(text: &str, max: usize) -> Vec<&str> {
        wrap(text, max).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn breaks_at_spaces_then_at_glyphs() {
        for (text, max, expected) in [
            ("", 5, vec![""]),
            ("창고로 쓰이는 공간", 8, vec!["창고로", "쓰이는", "공간"]),
            ("창고로 쓰이는 공간", 13, vec!["창고로 쓰이는", "공간"]),
            ("유효건물중량에는", 7, vec!["유효건", "물중량", "에는"]),
            ("a 유효건물중량", 6, vec!["a", "유효건", "물중량"]),
            ("one two", 3, vec!["one", "two"]),
            ("one  two", 4, vec!["one", "two"]),
            ("가\n\n나", 10, vec!["가", "", "나"]),
            ("line\r\nend", 10, vec!["line", "end"]),
            ("가나", 1, vec!["가", "나"]),
        ] {
            assert_eq!(lines(text, max), expected, "{text:?} to {max}");
        }
        assert_eq!(widest("가나\nabc"), 4);
    }

    proptest::proptest! {
        #[test]
        fn lines_fit_and_lose_nothing_but_spaces(text in "[가-힣a-z \n]{0,60}", max in 2usize..20) {
            let lines = lines(&text, max);
            for line in &lines {
                proptest::prop_assert!(width(line) <= max);
            }
            let keep = |c: &char| !c.is_whitespace();
            let joined: String = lines.concat().chars().filter(keep).collect();
            let given: String = text.chars().filter(keep).collect();
            proptest::prop_assert_eq!(joined, given);
        }
    }
}
