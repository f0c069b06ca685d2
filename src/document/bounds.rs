//! Passages as a reader would have them: split, merged, with other bounds.

use super::passage::Passage;
use crate::failure::{Failure, Result};
use crate::text::Span;

/// Splits a passage before character `at` of its page. Blanks at the cut belong to neither part; both keep
/// the context.
///
/// # Errors
/// When one part would have no text.
pub fn split_at(passage: &Passage, page_text: &str, at: usize) -> Result<(Passage, Passage)> {
    let Span { start, end } = passage.span;
    let inside = start < at && at < end;
    let parts = inside
        .then(|| (trimmed(page_text, start, at), trimmed(page_text, at, end)))
        .filter(|(first, second)| !first.is_empty() && !second.is_empty());
    let Some((first, second)) = parts else {
        return Err(Failure::user("one of the two passages would be empty")
            .hint("Choose a place between two sentences of the passage."));
    };
    Ok((with(passage, page_text, first), with(passage, page_text, second)))
}

/// Makes one passage of two that follow one another on a page, with the context of the first.
///
/// # Errors
/// When they are on different pages or in the wrong order.
pub fn merge(first: &Passage, next: &Passage, page_text: &str) -> Result<Passage> {
    if first.page != next.page {
        return Err(Failure::user(format!(
            "the next passage is on page {}, this one on page {}",
            next.page, first.page
        ))
        .hint("A passage lies on one page, because training and test are separated by pages."));
    }
    if next.span.start < first.span.start {
        return Err(Failure::user("the passages are not in their order on the page"));
    }
    let span = Span { start: first.span.start, end: first.span.end.max(next.span.end) };
    Ok(with(first, page_text, span))
}

/// Gives a passage other bounds on its page; blanks at the ends are left out.
///
/// # Errors
/// When there is no text within the bounds, or they are beyond the page.
pub fn with_bounds(passage: &Passage, page_text: &str, bounds: Span) -> Result<Passage> {
    let length = page_text.chars().count();
    if bounds.end > length || bounds.is_empty() {
        return Err(Failure::user(format!(
            "characters {} to {} are not on the page, which has {length}",
            bounds.start, bounds.end
        ))
        .hint("Choose a beginning and an end on the page of the passage."));
    }
    let span = trimmed(page_text, bounds.start, bounds.end);
    if !span.of(page_text).chars().any(char::is_alphanumeric) {
        return Err(Failure::user("there is no text between these bounds")
            .hint("Choose bounds with at least a word between them."));
    }
    Ok(with(passage, page_text, span))
}

fn with(passage: &Passage, page_text: &str, span: Span) -> Passage {
    Passage { span, text: span.of(page_text).to_owned(), ..passage.clone() }
}

/// A range without the blanks at its ends.
fn trimmed(text: &str, start: usize, end: usize) -> Span {
    let inside = Span { start, end }.of(text);
    let before = inside.chars().take_while(|c| c.is_whitespace()).count();
    let after = inside.chars().rev().take_while(|c| c.is_whitespace()).count();
    let length = inside.chars().count();
    let start = start + before;
    Span { start, end: start + length.saturating_sub(before + after) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGE: &str = "머리. 첫 문장이다.  둘째 문장이다. 꼬리.";

    fn passage(start: usize, end: usize) -> Passage {
        let span = Span { start, end };
        let context = vec!["제1장".to_owned()];
        Passage { page: 3, span, context, text: span.of(PAGE).to_owned() }
    }

    #[test]
    fn a_passage_is_split_and_merged_again() {
        let whole = passage(4, 21);
        assert_eq!(whole.text, "첫 문장이다.  둘째 문장이다.");
        let (first, second) = split_at(&whole, PAGE, 12).unwrap();
        assert_eq!((first.text.as_str(), second.text.as_str()), ("첫 문장이다.", "둘째 문장이다."));
        assert_eq!(second.context, whole.context);
        assert_eq!(merge(&first, &second, PAGE).unwrap(), whole);
        for at in [0, 4, 21, 99] {
            assert!(split_at(&whole, PAGE, at).is_err(), "{at}");
        }
        assert!(merge(&second, &first, PAGE).is_err());
        let other = Passage { page: 4, ..second };
        assert!(merge(&first, &other, PAGE).unwrap_err().message.contains("page 4"));
    }

    #[test]
    fn bounds_are_kept_on_the_page() {
        let moved = with_bounds(&passage(4, 11), PAGE, Span { start: 0, end: 13 }).unwrap();
        assert_eq!(moved.text, "머리. 첫 문장이다.");
        for (start, end) in [(11, 13), (5, 5), (9, 4), (0, 999)] {
            assert!(
                with_bounds(&passage(4, 11), PAGE, Span { start, end }).is_err(),
                "{start} {end}"
            );
        }
    }

    proptest! {
        #[test]
        fn spans_stay_exact(
            words in prop::collection::vec(prop::sample::select(vec!["가", " ", "\n", "나다", ".", "x"]), 1..30),
            cut in 0usize..40, start in 0usize..40, end in 0usize..40,
        ) {
            let page = words.concat();
            let length = page.chars().count();
            let span = Span { start: 0, end: length };
            let whole = Passage { page: 1, span, context: Vec::new(), text: page.clone() };
            if let Ok((first, second)) = split_at(&whole, &page, cut) {
                prop_assert_eq!(first.span.of(&page), first.text.as_str());
                prop_assert_eq!(second.span.of(&page), second.text.as_str());
                prop_assert!(first.span.end <= cut && cut <= second.span.start);
                let merged = merge(&first, &second, &page).unwrap();
                prop_assert_eq!(merged.text.trim(), page.trim());
            }
            if let Ok(moved) = with_bounds(&whole, &page, Span { start, end }) {
                prop_assert_eq!(moved.span.of(&page), moved.text.as_str());
                prop_assert_eq!(moved.text.trim(), moved.text.as_str());
            }
        }
    }
}
