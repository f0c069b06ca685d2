//! Which pairs are listed, which one is selected, which ones are marked.

use std::collections::HashSet;

use super::{Curate, Filter, LIST, PASSAGE};
use crate::app::look::Look;
use crate::app::reply::Reply;
use crate::app::snapshot::Touched;
use crate::app::strings::screen as texts;
use crate::pair::ReviewState;
use crate::pair::catalog::{Entry, Listing, Query, matches};
use crate::project::{ExampleId, PassageId, PassageRecord, StoredExample};

/// Rows up to which a list is made at once, without asking for it.
const AT_ONCE_MAX: usize = 20_000;

/// A list that was asked for.
#[derive(Default)]
pub(super) struct Asked {
    number: u64,
    /// Set until the query was handed out.
    due: bool,
    /// Set until the list came.
    pub(super) waiting: bool,
}

impl Curate {
    /// Shows a passage and the pairs about it.
    pub fn show_passage(&mut self, passage: PassageId, look: &Look) {
        (self.filter, self.only) = (Filter::All, Some(passage));
        self.search.set("");
        self.selected = None;
        self.alone = (look.data.pairs_about(passage) == 0).then_some(passage);
        self.refresh(look);
        self.passage_scroll.reset();
        self.focus = PASSAGE;
    }

    /// An edit added examples: shows the last of them.
    pub fn inserted(&mut self, ids: &[ExampleId], look: &Look) {
        let Some(&id) = ids.last() else { return };
        let hidden = look.data.catalog.get(id.0).is_some_and(|entry| !matches(entry, &self.query));
        (self.selected, self.alone) = (Some(id), None);
        if hidden {
            (self.filter, self.only) = (Filter::All, None);
            self.search.set("");
            self.refresh(look);
        } else {
            self.follow(look);
        }
    }

    /// An edit was undone or done again: shows the first example it touched, if it is listed.
    pub fn touched(&mut self, ids: &[ExampleId], look: &Look) {
        if self.selected.is_some_and(|id| ids.contains(&id)) || self.editing.is_some() {
            return;
        }
        let listed = |id: &&ExampleId| {
            look.data.catalog.get(id.0).is_some_and(|entry| matches(entry, &self.query))
        };
        if let Some(&id) = ids.iter().find(listed) {
            (self.selected, self.alone) = (Some(id), None);
            self.follow(look);
        }
    }

    /// The project changed: brings the list up to date.
    pub(super) fn update_list(&mut self, look: &Look) {
        let gone = |id: &i64| look.data.catalog.find(*id).is_none();
        self.marked.retain(|id| !gone(id));
        match &look.data.touched {
            Touched::Rows(places) if places.len() < AT_ONCE_MAX / 10 => {
                for &place in places {
                    self.listing.update(place, &look.data.catalog, &self.query);
                }
                self.follow(look);
            }
            _ => self.refresh(look),
        }
    }

    /// Lists anew and keeps the selection where it was. A long list is asked for and comes later.
    pub(super) fn refresh(&mut self, look: &Look) {
        let mut query = Query::parse(self.search.text());
        if let Filter::Only(state) = self.filter {
            query = query.with_state(state);
        }
        if let Some(passage) = self.only {
            query = query.with_passage(passage.0);
        }
        self.query = query;
        self.asked.number += 1;
        if look.data.catalog.len() <= AT_ONCE_MAX {
            (self.asked.due, self.asked.waiting) = (false, false);
            self.listing = Listing::of(&look.data.catalog, &self.query);
            self.follow(look);
        } else {
            (self.asked.due, self.asked.waiting) = (true, true);
        }
    }

    /// A list that must be made, with its number; once for each change.
    pub fn wanted_list(&mut self) -> Option<(u64, Query)> {
        let due = std::mem::take(&mut self.asked.due);
        due.then(|| (self.asked.number, self.query.clone()))
    }

    /// A list came. One that is no longer wanted is dropped.
    pub fn listed(&mut self, number: u64, listing: Listing, look: &Look) {
        if number == self.asked.number {
            (self.listing, self.asked.waiting) = (listing, false);
            self.follow(look);
        }
    }

    /// Examples that must be read before the screen is drawn.
    pub fn wanted_examples(&self, look: &Look) -> Vec<ExampleId> {
        let waiting = self.waiting.iter().flat_map(|waiting| waiting.ids.iter().copied());
        let ids = self.selected.into_iter().chain(waiting);
        ids.filter(|id| look.data.example(*id).is_none() && look.data.catalog.find(id.0).is_some())
            .collect()
    }

    /// Selects the row of the selected example, or where it is gone, the one in its place.
    fn follow(&mut self, look: &Look) {
        let place = self.selected.and_then(|id| look.data.catalog.find(id.0));
        let row =
            place.and_then(|place| self.listing.position(place, &look.data.catalog, &self.query));
        self.list.select(row.unwrap_or(self.list.selected), self.listing.places.len());
        self.settle(look);
    }

    /// The row of the list decides what is selected.
    pub(super) fn settle(&mut self, look: &Look) {
        let id = self.row(look, self.list.selected).map(|entry| ExampleId(entry.key()));
        if id != self.selected {
            self.passage_scroll.reset();
            self.pair_scroll.reset();
        }
        self.selected = id;
    }

    /// How many pairs are listed.
    pub(super) fn shown(&self) -> usize {
        self.listing.places.len()
    }

    /// A row of the list.
    pub(super) fn row<'a>(&self, look: &Look<'a>, row: usize) -> Option<Entry<'a>> {
        look.data.catalog.at(*self.listing.places.get(row)?)
    }

    /// The selected row.
    pub(super) fn entry<'a>(&self, look: &Look<'a>) -> Option<Entry<'a>> {
        if self.alone.is_some() {
            return None;
        }
        look.data.catalog.get(self.selected?.0)
    }

    /// The selected example, whole.
    pub(super) fn current<'a>(&self, look: &Look<'a>) -> Option<&'a StoredExample> {
        if self.alone.is_some() {
            return None;
        }
        look.data.example(self.selected?)
    }

    pub(super) fn current_passage<'a>(&self, look: &Look<'a>) -> Option<&'a PassageRecord> {
        let of_pair = || self.entry(look).and_then(Entry::passage).map(PassageId);
        look.data.passage(self.alone.or_else(of_pair)?)
    }

    pub(super) fn step(&mut self, rows: isize, look: &Look) {
        self.alone = None;
        self.list.by(rows, self.shown());
        self.settle(look);
    }

    /// The nearest listed draft before or after the selected row.
    pub(super) fn draft_row(&self, forward: bool, look: &Look) -> Option<usize> {
        let is_draft = |row: &usize| {
            self.row(look, *row).is_some_and(|entry| entry.state() == ReviewState::Draft)
        };
        let at = self.list.selected;
        if forward {
            (at + 1..self.shown()).chain(0..at).find(is_draft)
        } else {
            (0..at).rev().chain((at + 1..self.shown()).rev()).find(is_draft)
        }
    }

    pub(super) fn go_to_draft(&mut self, forward: bool, look: &Look, reply: &mut Reply) {
        match self.draft_row(forward, look) {
            Some(row) => {
                self.alone = None;
                self.list.select(row, self.shown());
                self.settle(look);
            }
            None => reply.tell(look.t(texts::NO_MORE_DRAFTS)),
        }
    }

    /// Selects the next draft below, else the next row, else the row above.
    pub(super) fn move_on(&mut self, look: &Look) {
        let at = self.list.selected;
        let draft_below = self.draft_row(true, look).filter(|&row| row > at);
        let below = (at + 1 < self.shown()).then_some(at + 1);
        if let Some(row) = draft_below.or(below).or_else(|| at.checked_sub(1)) {
            self.list.select(row, self.shown());
            self.settle(look);
        }
    }

    /// Selects the row below, else the one above.
    pub(super) fn move_on_plainly(&mut self, look: &Look) {
        let at = self.list.selected;
        let below = (at + 1 < self.shown()).then_some(at + 1);
        if let Some(row) = below.or_else(|| at.checked_sub(1)) {
            self.list.select(row, self.shown());
            self.settle(look);
        }
    }

    /// Marks the selected pair or takes the mark away, and steps down.
    pub(super) fn mark(&mut self, look: &Look) {
        let Some(entry) = self.entry(look) else { return };
        let key = entry.key();
        if !self.marked.remove(&key) {
            self.marked.insert(key);
            self.mark_from = Some(key);
        }
        self.step(1, look);
    }

    /// Marks everything from the last mark to the selected pair.
    pub(super) fn mark_to(&mut self, look: &Look) {
        let place = self.mark_from.and_then(|key| look.data.catalog.find(key));
        let from = place
            .and_then(|place| self.listing.position(place, &look.data.catalog, &self.query))
            .unwrap_or(self.list.selected);
        let (low, high) = (from.min(self.list.selected), from.max(self.list.selected));
        for row in low..=high.min(self.shown().saturating_sub(1)) {
            let key = self.row(look, row).map(Entry::key);
            self.marked.extend(key);
        }
    }

    /// Marks everything listed, or takes all marks away.
    pub(super) fn mark_all(&mut self, look: &Look, reply: &mut Reply) {
        if self.marked.is_empty() {
            let listed =
                self.listing.places.iter().filter_map(|&place| look.data.catalog.at(place));
            self.marked = listed.map(Entry::key).collect();
            reply.tell(look.fill(texts::MARKED, &[&self.marked.len()]));
        } else {
            self.marked.clear();
            reply.tell(look.t(texts::UNMARKED));
        }
    }

    /// What a command works on: the marked pairs in the order of the list, else the selected one.
    pub(super) fn targets(&self, look: &Look) -> Vec<i64> {
        if self.marked.is_empty() {
            return self.entry(look).map(Entry::key).into_iter().collect();
        }
        let listed = self.listing.places.iter().filter_map(|&place| look.data.catalog.at(place));
        let mut keys: Vec<i64> =
            listed.map(Entry::key).filter(|key| self.marked.contains(key)).collect();
        if keys.len() < self.marked.len() {
            // Marked under another filter.
            let listed: HashSet<i64> = keys.iter().copied().collect();
            let mut others: Vec<i64> = self.marked.difference(&listed).copied().collect();
            others.sort_unstable();
            keys.extend(others);
        }
        keys
    }

    /// Shows the first passage, after this one, on a page that no pair is about.
    pub(super) fn next_uncovered(&mut self, look: &Look, reply: &mut Reply) {
        let covered = look.data.covered_pages();
        let passages = &look.data.snapshot.passages;
        let at = self.current_passage(look);
        let here = at.map(|record| (record.document, record.passage.page));
        let start = at.and_then(|record| look.data.passage_index(record.id)).map_or(0, |at| at + 1);
        let order = (start..passages.len()).chain(0..start.min(passages.len()));
        let free = |record: &&PassageRecord| {
            let page = (record.document, record.passage.page);
            !record.excluded && !covered.contains(&page) && Some(page) != here
        };
        match order.map(|index| &passages[index]).find(free) {
            Some(record) => {
                self.alone = Some(record.id);
                self.passage_scroll.reset();
                self.focus = PASSAGE;
            }
            None => reply.tell(look.t(texts::ALL_COVERED)),
        }
    }

    /// Leaves what is shown alone, or clears marks, then filters.
    pub(super) fn back(&mut self, look: &Look) {
        if self.alone.take().is_some() {
            return;
        }
        if !self.marked.is_empty() {
            self.marked.clear();
            return;
        }
        self.only = None;
        self.filter = Filter::All;
        self.search.set("");
        self.focus = LIST;
        self.refresh(look);
    }
}
