//! Finds the place of a quote in a document's text.

use std::collections::HashMap;

use crate::document::Page;
use crate::text::Span;

/// A document's text, made ready for searching.
///
/// Compared without any whitespace, because a new version of a file often breaks lines elsewhere,
/// in Korean also inside words.
pub(super) struct Haystack {
    pages: Vec<(u32, Collapsed)>,
    passages: Vec<Found>,
    by_text: HashMap<String, i64>,
}

/// A passage that can be attached to.
pub(super) struct Found {
    pub id: i64,
    pub page: u32,
    pub span: Span,
}

/// Where a quote stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Page number, from 1.
    pub page: u32,
    /// Characters of the page's text.
    pub span: Span,
    /// Passage that covers most of it; none when no passage does.
    pub passage: Option<i64>,
}

impl Haystack {
    pub fn new(pages: &[Page], passages: impl IntoIterator<Item = (Found, String)>) -> Self {
        let mut haystack = Self {
            pages: pages.iter().map(|page| (page.number, Collapsed::new(&page.text))).collect(),
            passages: Vec::new(),
            by_text: HashMap::new(),
        };
        for (passage, text) in passages {
            haystack.by_text.entry(without_space(&text)).or_insert(passage.id);
            haystack.passages.push(passage);
        }
        haystack
    }

    /// The place of `quote` on the page nearest to `near`.
    pub fn find(&self, quote: &str, near: Option<u32>) -> Option<Place> {
        let quote = without_space(quote);
        if quote.is_empty() {
            return None;
        }
        let places = self.pages.iter().filter_map(|(page, text)| Some((*page, text.find(&quote)?)));
        let (page, span) =
            places.min_by_key(|(page, _)| near.map_or(0, |near| near.abs_diff(*page)))?;
        let overlap = |passage: &Found| {
            let end = passage.span.end.min(span.end);
            end.saturating_sub(passage.span.start.max(span.start))
        };
        let on_page = self.passages.iter().filter(|passage| passage.page == page);
        // The first of equals, hence the reversal.
        let best = on_page.rev().max_by_key(|passage| overlap(passage));
        let passage = best.filter(|passage| overlap(passage) > 0).map(|passage| passage.id);
        Some(Place { page, span, passage })
    }

    /// The passage with the same text.
    pub fn same_passage(&self, text: &str) -> Option<i64> {
        self.by_text.get(&without_space(text)).copied()
    }
}

/// A text without whitespace, and where each of its characters came from.
struct Collapsed {
    text: String,
    origins: Vec<usize>,
}

impl Collapsed {
    fn new(text: &str) -> Self {
        let kept = text.chars().enumerate().filter(|(_, c)| !c.is_whitespace());
        let (origins, text) = kept.unzip();
        Self { text, origins }
    }

    fn find(&self, quote: &str) -> Option<Span> {
        let byte = self.text.find(quote)?;
        let first = self.text.get(..byte)?.chars().count();
        let last = first + quote.chars().count() - 1;
        Some(Span { start: *self.origins.get(first)?, end: self.origins.get(last)? + 1 })
    }
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, text: &str) -> Page {
        Page { number, text: text.to_owned(), flags: Vec::new() }
    }

    #[test]
    fn quotes_are_found_across_other_line_breaks() {
        let pages = [
            page(1, "목차\n피복두께 ... 7"),
            page(7, "4.3 피복두께\n\n옥외의 최소 피복\n두께는 50 mm 로 한다."),
            page(9, "최소 피복두께는 50mm로 한다."),
        ];
        let passages = [
            (Found { id: 1, page: 7, span: Span { start: 0, end: 8 } }, "4.3 피복두께".to_owned()),
            (Found { id: 2, page: 7, span: Span { start: 10, end: 36 } }, "옥외의".to_owned()),
        ];
        let haystack = Haystack::new(&pages, passages);
        let place = haystack.find("최소 피복두께는 50 mm로", Some(6)).unwrap();
        assert_eq!((place.page, place.passage), (7, Some(2)));
        assert_eq!(place.span.of(&pages[1].text), "최소 피복\n두께는 50 mm 로");
        assert_eq!(haystack.find("최소 피복두께는 50 mm로", Some(9)).unwrap().page, 9);
        assert_eq!(haystack.find("최소 피복두께는 50 mm로", Some(9)).unwrap().passage, None);
        assert_eq!(haystack.find("최대 피복두께", None), None);
        assert_eq!(haystack.find(" \n", None), None);
        assert_eq!(haystack.same_passage("4.3  피복\n두께"), Some(1));
    }
}
