//! Width of text in terminal cells, and cutting it to a width.
//!
//! A Hangul syllable is two cells. Ambiguous characters (`…`, `│`, `·`) count as one, as most
//! terminals draw them.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Width of `text` in cells.
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(grapheme_width).sum()
}

/// Width of one grapheme cluster in cells; 0 for control characters.
pub fn grapheme_width(grapheme: &str) -> usize {
    if grapheme.starts_with(char::is_control) { 0 } else { grapheme.width() }
}

/// Cuts `text` to at most `max` cells; what is cut off is told by `ellipsis` at the end.
///
/// A wide glyph that would straddle the edge is dropped whole, so the result may be one cell short.
pub fn truncate<'a>(text: &'a str, max: usize, ellipsis: &str) -> Cow<'a, str> {
    if width(text) <= max {
        return Cow::Borrowed(text);
    }
    let Some(room) = max.checked_sub(width(ellipsis)) else {
        return Cow::Borrowed(&text[..prefix(text, max)]);
    };
    Cow::Owned(format!("{}{ellipsis}", &text[..prefix(text, room)]))
}

/// Cuts `text` at its start to at most `max` cells, for paths whose end matters most.
pub fn truncate_start<'a>(text: &'a str, max: usize, ellipsis: &str) -> Cow<'a, str> {
    if width(text) <= max {
        return Cow::Borrowed(text);
    }
    let room = max.saturating_sub(width(ellipsis));
    let mut kept = 0;
    let mut from = text.len();
    for (index, grapheme) in text.grapheme_indices(true).rev() {
        kept += grapheme_width(grapheme);
        if kept > room {
            break;
        }
        from = index;
    }
    if max < width(ellipsis) {
        return Cow::Borrowed("");
    }
    Cow::Owned(format!("{ellipsis}{}", &text[from..]))
}

/// Cuts or pads `text` with spaces to exactly `cells` cells.
pub fn fit(text: &str, cells: usize, ellipsis: &str) -> String {
    let cut = truncate(text, cells, ellipsis);
    let missing = cells.saturating_sub(width(&cut));
    format!("{cut}{}", " ".repeat(missing))
}

/// Pads `text` with spaces on the left to at least `cells` cells, for figures.
pub fn right(text: &str, cells: usize) -> String {
    format!("{}{text}", " ".repeat(cells.saturating_sub(width(text))))
}

/// Byte length of the longest prefix of whole graphemes that is at most `max` cells wide.
pub fn prefix(text: &str, max: usize) -> usize {
    let mut used = 0;
    for (index, grapheme) in text.grapheme_indices(true) {
        used += grapheme_width(grapheme);
        if used > max {
            return index;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangul_is_two_cells_wide() {
        for (text, cells) in
            [("", 0), ("abc", 3), ("내진", 4), ("내진 25 %", 9), ("e\u{301}", 1), ("a\nb", 2)]
        {
            assert_eq!(width(text), cells, "{text:?}");
        }
    }

    #[test]
    fn cuts_never_split_a_wide_glyph() {
        for (text, max, expected) in [
            ("건물의 내진설계", 15, "건물의 내진설계"),
            ("건물의 내진설계", 14, "건물의 내진설…"),
            ("건물의 내진설계", 8, "건물의 …"),
            ("건물", 2, "…"),
            ("건물", 1, "…"),
            ("건물", 0, ""),
            ("abcdef", 4, "abc…"),
        ] {
            let cut = truncate(text, max, "…");
            assert_eq!(cut, expected, "{text:?} to {max}");
            assert!(width(&cut) <= max);
        }
        assert_eq!(truncate_start("/문서/건축/기준.pdf", 10, "…"), "…/기준.pdf");
        assert_eq!(truncate_start("ab", 10, "…"), "ab");
        assert_eq!(truncate_start("abc", 0, "…"), "");
    }

    #[test]
    fn fit_fills_the_cell_that_a_wide_glyph_leaves() {
        assert_eq!(fit("내진설계", 6, "…"), "내진… ");
        assert_eq!(fit("ab", 4, "…"), "ab  ");
        assert_eq!(right("내", 4), "  내");
        for cells in 0..20 {
            assert_eq!(width(&fit("건물의 내진설계", cells, "…")), cells);
        }
    }
}
