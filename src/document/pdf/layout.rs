//! Pages of fragments to pages of text.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use super::fragment::{Fragment, PageFragments};
use super::furniture;
use super::join::Joiner;
use super::line::{Line, lines};
use super::paragraph::{page_text, usual_step};

/// Lays out a document's pages; the text of each, NFC. All pages at once, since furniture and the way
/// lines end show only over many pages.
pub(crate) fn lay_out(pages: &[PageFragments]) -> Vec<String> {
    let mut main = Vec::with_capacity(pages.len());
    let mut aside = Vec::with_capacity(pages.len());
    for page in pages {
        let (first, rest) = by_direction(page);
        main.push(first);
        aside.push(rest);
    }
    furniture::remove(&mut main);
    let step = usual_step(&main);
    let joiner = Joiner::new(&main, step);
    main.iter()
        .zip(&aside)
        .map(|(lines, aside)| {
            let mut text = page_text(lines, step, &joiner);
            for lines in aside {
                if !text.is_empty() {
                    text.push_str("\n\n");
                }
                text.push_str(&page_text(lines, step, &joiner));
            }
            text.nfc().collect()
        })
        .collect()
}

/// The lines of the page's main direction, and those of every other right-angled direction. Slanting text
/// is a watermark and is left out, unless there is nothing else.
fn by_direction(page: &PageFragments) -> (Vec<Line>, Vec<Vec<Line>>) {
    let mut directions: BTreeMap<i16, Vec<Fragment>> = BTreeMap::new();
    for fragment in &page.fragments {
        directions.entry(fragment.angle).or_default().push(fragment.clone());
    }
    let characters = |fragments: &[Fragment]| -> usize {
        fragments.iter().map(|fragment| fragment.text.chars().count()).sum()
    };
    let upright = directions.keys().any(|angle| angle % 90 == 0);
    let mut groups: Vec<Vec<Fragment>> = directions
        .into_iter()
        .filter(|(angle, _)| !upright || angle % 90 == 0)
        .map(|(_, fragments)| fragments)
        .collect();
    groups.sort_by_key(|fragments| std::cmp::Reverse(characters(fragments)));
    let mut groups = groups.iter().map(|fragments| lines(fragments));
    (groups.next().unwrap_or_default(), groups.collect())
}
