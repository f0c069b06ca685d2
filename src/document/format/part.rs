//! Blocks to pages: by the breaks the document has, else in parts of about a printed page.

use unicode_normalization::UnicodeNormalization;

use super::super::passage::Page;
use super::flow::{Block, Kind};

/// Characters from which a part ends before a heading: about one printed page.
const ENOUGH: usize = 1500;
/// Characters at which a part ends before the next paragraph, whatever that is.
const FULL: usize = 4000;

/// Pages of a document. Where no block is a break, the document knows no pages, and a *part* takes the
/// place of one: training and test are separated by pages, so a document must have some. A part begins at
/// a heading of the outermost level that occurs twice, once the part before has a page's worth of text,
/// or anywhere between paragraphs once it has more than that.
pub(super) fn paginate(blocks: Vec<Block>) -> Vec<Page> {
    let blocks = if blocks.contains(&Block::Break) { blocks } else { parted(blocks) };
    let mut pages: Vec<String> =
        blocks.split(|block| *block == Block::Break).map(page_text).collect();
    while pages.len() > 1 && pages.last().is_some_and(String::is_empty) {
        pages.pop();
    }
    pages
        .into_iter()
        .zip(1u32..)
        .map(|(text, number)| Page { number, text: text.nfc().collect(), flags: Vec::new() })
        .collect()
}

/// Parts of a text that knows no pages, cut at blank lines, or at line ends where there are none.
pub(in super::super) fn parts(text: &str) -> Vec<&str> {
    let end = if text.contains("\n\n") { "\n\n" } else { "\n" };
    let mut parts = Vec::new();
    let (mut start, mut at, mut characters) = (0, 0, 0);
    for paragraph in text.split_inclusive(end) {
        let length = paragraph.chars().count();
        if characters > 0 && characters + length > FULL {
            parts.push(text.get(start..at).unwrap_or_default());
            (start, characters) = (at, 0);
        }
        at += paragraph.len();
        characters += length;
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// Puts breaks into a document that has none.
fn parted(blocks: Vec<Block>) -> Vec<Block> {
    let level = |block: &Block| match block {
        Block::Paragraph(Kind::Heading(level), ..) => Some(*level),
        _ => None,
    };
    let mut levels: Vec<u8> = blocks.iter().filter_map(level).collect();
    levels.sort_unstable();
    let top = levels.windows(2).find(|pair| matches!(pair, [a, b] if a == b));
    let top = top.and_then(|pair| pair.first().copied());
    let mut parted: Vec<Block> = Vec::with_capacity(blocks.len());
    let mut characters = 0;
    for block in blocks {
        let length = match &block {
            Block::Paragraph(_, text, _) | Block::Row(text, _) => text.chars().count(),
            Block::Break => 0,
        };
        let begins = level(&block).is_some_and(|level| top.is_some_and(|top| level <= top));
        let in_table = matches!((parted.last(), &block), (Some(Block::Row(..)), Block::Row(..)));
        let full = characters + length > FULL && !in_table;
        if characters > 0 && (full || (begins && characters >= ENOUGH)) {
            // Headings go with what they head.
            let headings = parted.iter().rev().take_while(|last| level(last).is_some()).count();
            let at = parted.len() - headings;
            let begun = at.checked_sub(1).and_then(|before| parted.get(before));
            if begun.is_some_and(|before| *before != Block::Break) {
                parted.insert(at, Block::Break);
                characters = 0;
            }
        }
        characters += length;
        parted.push(block);
    }
    parted
}

/// A page's text: paragraphs separated by a blank line, items and rows by line ends, notes last.
fn page_text(blocks: &[Block]) -> String {
    let mut text = String::new();
    let mut notes = Vec::new();
    let mut previous: Option<&Block> = None;
    for block in blocks {
        if previous.is_some() {
            let together = matches!(
                (previous, block),
                (Some(Block::Row(..)), Block::Row(..))
                    | (Some(Block::Paragraph(Kind::Item, ..)), Block::Paragraph(Kind::Item, ..))
            );
            text.push_str(if together { "\n" } else { "\n\n" });
        }
        match block {
            Block::Paragraph(kind, said, own) => {
                if let Kind::Heading(level) = kind {
                    text.push_str(&"#".repeat(usize::from((*level).clamp(1, 6))));
                    text.push(' ');
                }
                text.push_str(said);
                notes.extend(own);
            }
            Block::Row(said, own) => {
                text.push_str(said);
                notes.extend(own);
            }
            Block::Break => {}
        }
        previous = Some(block);
    }
    for note in notes {
        text.push_str(if text.is_empty() { "" } else { "\n\n" });
        text.push_str(note);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: Kind, text: &str) -> Block {
        Block::Paragraph(kind, text.to_owned(), Vec::new())
    }

    #[test]
    fn documents_without_pages_are_parted_at_headings() {
        let long = "가나다라 ".repeat(400);
        let mut blocks = vec![block(Kind::Heading(1), "제목"), block(Kind::Text, "머리말")];
        for number in 0..4 {
            blocks.push(block(Kind::Heading(2), &format!("절 {number}")));
            blocks.push(block(Kind::Heading(3), "목"));
            blocks.push(block(Kind::Text, if number == 1 { "짧다" } else { &long }));
        }
        let pages = paginate(blocks);
        let first: Vec<_> = pages.iter().filter_map(|page| page.text.lines().next()).collect();
        assert_eq!(first, ["# 제목", "## 절 1", "## 절 3"]);
        assert!(pages[1].text.contains("## 절 2"));
    }

    #[test]
    fn long_parts_end_between_paragraphs_not_after_headings_or_between_rows() {
        let long = "낱말 ".repeat(900);
        let row = || Block::Row("칸 ".repeat(900), Vec::new());
        let pages = paginate(vec![
            block(Kind::Text, &long),
            block(Kind::Heading(1), "절"),
            block(Kind::Text, &long),
            block(Kind::Text, &long),
            block(Kind::Text, "표"),
            row(),
            row(),
            row(),
        ]);
        let first: Vec<_> =
            pages.iter().filter_map(|page| page.text.split_whitespace().next()).collect();
        assert_eq!(first, ["낱말", "#", "낱말", "칸"]);
        assert!(pages[2].text.ends_with("표"));
    }

    #[test]
    fn blank_pages_inside_are_kept_and_those_at_the_end_are_not() {
        let text = |text: &str| block(Kind::Text, text);
        let pages = paginate(vec![
            text("하나"),
            Block::Break,
            Block::Break,
            text("셋"),
            Block::Break,
            Block::Break,
        ]);
        let found: Vec<_> = pages.iter().map(|page| page.text.as_str()).collect();
        assert_eq!(found, ["하나", "", "셋"]);
        assert_eq!(paginate(Vec::new()).len(), 1);
    }

    #[test]
    fn plain_text_is_parted_where_it_may_be() {
        assert_eq!(parts("짧다"), ["짧다"]);
        let paragraph = format!("{}\n\n", "글 ".repeat(900));
        let text = paragraph.repeat(5);
        let found = parts(&text);
        assert_eq!(found.iter().map(|part| part.len()).collect::<Vec<_>>().len(), 3);
        assert_eq!(found.concat(), text);
        let lines = "한 줄\n".repeat(3000);
        assert!(parts(&lines).iter().all(|part| part.chars().count() <= FULL));
    }
}
