//! Finding a quote on its page.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::text::Span;

/// Finds a quote in a page's text, verbatim up to what line breaks and normalization change: blanks are
/// left out of the comparison (a Korean line may end inside a word), canonically equal characters are
/// equal, and a hyphen at a line's end may be there or not. Answers the first place, without blanks at its
/// ends.
pub fn find_quote(page_text: &str, quote: &str) -> Option<Span> {
    [false, true].into_iter().find_map(|keep_hyphens| {
        let page = Skeleton::new(page_text, keep_hyphens);
        let wanted = Skeleton::new(quote, keep_hyphens);
        page.find(&wanted)
    })
}

/// A text without what may differ, with the way back to its characters.
struct Skeleton {
    text: String,
    /// For each byte of `text`, the character of the original that it comes from.
    origins: Vec<usize>,
}

impl Skeleton {
    fn new(text: &str, keep_hyphens: bool) -> Self {
        let mut skeleton = Self { text: String::new(), origins: Vec::new() };
        let mut rest = text.chars().enumerate();
        let mut previous = ' ';
        while let Some((index, character)) = rest.next() {
            let breaks = matches!(character, '-' | '\u{2010}')
                && previous.is_alphabetic()
                && ends_line(rest.clone().map(|(_, following)| following));
            previous = character;
            if is_blank(character) || (breaks && !keep_hyphens) {
                continue;
            }
            for part in std::iter::once(character).nfd() {
                skeleton.text.push(part);
                skeleton.origins.resize(skeleton.text.len(), index);
            }
        }
        skeleton
    }

    fn find(&self, wanted: &Self) -> Option<Span> {
        if wanted.text.is_empty() {
            return None;
        }
        let mut from = 0;
        loop {
            let start = from + self.text.get(from..)?.find(&wanted.text)?;
            let end = start + wanted.text.len();
            if self.is_whole(start) && self.is_whole(end) {
                return Some(Span {
                    start: *self.origins.get(start)?,
                    end: self.origins.get(end - 1)? + 1,
                });
            }
            from = start + self.text.get(start..)?.chars().next()?.len_utf8();
        }
    }

    /// Tells whether no character (and no syllable) is cut at this byte.
    fn is_whole(&self, at: usize) -> bool {
        let Some(next) = self.text.get(at..).and_then(|rest| rest.chars().next()) else {
            return true;
        };
        let inside = at > 0 && self.origins.get(at) == self.origins.get(at - 1);
        let continues =
            canonical_combining_class(next) != 0 || ('\u{1160}'..='\u{11FF}').contains(&next);
        !inside && !continues
    }
}

/// Tells whether only blanks follow up to the end of the line, and then more text.
fn ends_line(following: impl Iterator<Item = char>) -> bool {
    let mut broken = false;
    for character in following {
        if character == '\n' {
            broken = true;
        } else if !is_blank(character) {
            return broken && character.is_alphabetic();
        }
    }
    false
}

/// Characters that take no part in a comparison.
fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_found_over_line_ends() {
        for (page, quote, found) in [
            ("하중을 포함한 중량으로 한다.", "포함한 중량", Some("포함한 중량")),
            ("큰 값을 적\n용한다. 다만,", "값을 적용한다.", Some("값을 적\n용한다.")),
            ("가급 병원,\n소방서 1.25 1.15", "병원, 소방서 1.25", Some("병원,\n소방서 1.25")),
            ("a retain-\ning wall", "retaining wall", Some("retain-\ning wall")),
            ("a load-\nbearing wall", "load-bearing wall", Some("load-\nbearing wall")),
            ("a load-bearing wall", "load-\nbearing wall", Some("load-bearing wall")),
            ("a load-bearing wall", "loadbearing wall", None),
            ("\u{1112}\u{1161}\u{11AB}글 문서", "한글", Some("\u{1112}\u{1161}\u{11AB}글")),
            ("한글", "\u{1112}\u{1161}\u{11AB}글", Some("한글")),
            ("한글", "\u{1112}\u{1161}", None),
            ("각, 가", "가", Some("가")),
            ("cafe\u{301} bar", "cafe", None),
            ("0.85V 미만", "0.85V", Some("0.85V")),
            ("0.85V", "0.86V", None),
            ("무엇", "  ", None),
        ] {
            let span = find_quote(page, quote);
            assert_eq!(span.map(|span| span.of(page)), found, "{page:?} {quote:?}");
        }
    }
}
