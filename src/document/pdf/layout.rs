//! Pages of fragments to pages of text, some pages behind the decoder.
//!
//! What a line at a page's edge is, how far apart lines are and where they break shows only over many
//! pages. So a page is laid out when some pages after it are known; what is kept of those before it is
//! small and bounded.

use std::collections::{BTreeMap, VecDeque};

use unicode_normalization::UnicodeNormalization;

use super::fragment::{Fragment, PageFragments};
use super::furniture::Margins;
use super::join::Joiner;
use super::line::{Line, lines};
use super::paragraph::{Steps, page_text};
use crate::document::passage::{Page, PageFlag};

/// Pages that must be known after a page before it is laid out.
const AHEAD: usize = 16;

/// Lays out a document's pages in order.
#[derive(Default)]
pub(crate) struct Layout {
    waiting: VecDeque<Waiting>,
    margins: Margins,
    steps: Steps,
    joiner: Joiner,
}

/// A page that is decoded and not laid out.
struct Waiting {
    number: u32,
    flags: Vec<PageFlag>,
    /// Lines of the page's main direction.
    main: Vec<Line>,
    /// Lines of every other direction.
    aside: Vec<Vec<Line>>,
}

impl Layout {
    /// Takes the next page.
    pub(crate) fn add(&mut self, number: u32, page: &PageFragments, flags: Vec<PageFlag>) {
        let (main, aside) = by_direction(page);
        self.margins.note(number, &main);
        self.steps.note(&main);
        self.joiner.note(&main, self.steps.usual());
        self.waiting.push_back(Waiting { number, flags, main, aside });
    }

    /// The number of the page that can be laid out now, if any. At the document's end all can.
    pub(crate) fn due(&self, ended: bool) -> Option<u32> {
        let front = self.waiting.front()?;
        (ended || self.waiting.len() > AHEAD).then_some(front.number)
    }

    /// Lays out the page that is due; its text is NFC.
    pub(crate) fn take(&mut self) -> Option<Page> {
        let page = self.waiting.pop_front()?;
        let step = self.steps.usual();
        let main = self.margins.clear(page.number, page.main);
        let mut text = page_text(&main, step, &self.joiner);
        for lines in &page.aside {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            text.push_str(&page_text(lines, step, &self.joiner));
        }
        Some(Page { number: page.number, text: text.nfc().collect(), flags: page.flags })
    }
}

/// The lines of the page's main direction, and those of every other right-angled direction. Slanting text
/// is a watermark and is left out, unless there is nothing else.
fn by_direction(page: &PageFragments) -> (Vec<Line>, Vec<Vec<Line>>) {
    let mut directions: BTreeMap<i16, Vec<&Fragment>> = BTreeMap::new();
    for fragment in &page.fragments {
        directions.entry(fragment.angle).or_default().push(fragment);
    }
    let characters = |fragments: &[&Fragment]| -> usize {
        fragments.iter().map(|fragment| fragment.text.chars().count()).sum()
    };
    let upright = directions.keys().any(|angle| angle % 90 == 0);
    let mut groups: Vec<Vec<&Fragment>> = directions
        .into_iter()
        .filter(|(angle, _)| !upright || angle % 90 == 0)
        .map(|(_, fragments)| fragments)
        .collect();
    groups.sort_by_key(|fragments| std::cmp::Reverse(characters(fragments)));
    let mut groups = groups.iter().map(|fragments| lines(fragments));
    (groups.next().unwrap_or_default(), groups.collect())
}
