//! Pairs: list, passage, pair. The screen people live in.
//!
//! Every change is an undoable [`Edit`]; accepting and rejecting move on by themselves. What is
//! typed and not saved is kept under one key, so that leaving a field or a crash loses nothing.

mod editing;
mod view;

use std::collections::{BTreeMap, HashMap};

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use super::ScreenState;
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::overlays::{Overlay, Reading};
use crate::app::reply::Reply;
use crate::app::strings::{Text, common, screen as texts};
use crate::app::widgets::{Input, ListState, Scroll};
use crate::app::{Effect, pair_text};
use crate::job::{DraftSource, JobSpec};
use crate::pair::{Change, Edit, Example, ReviewState, check};
use crate::project::{ExampleId, PassageId, PassageRecord, StoredExample};
use crate::text::hangul;
use editing::{Editing, Unsent};

const LIST: usize = 0;
const PASSAGE: usize = 1;
const PAIR: usize = 2;

/// Which states are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Filter {
    #[default]
    All,
    Only(ReviewState),
}

impl Filter {
    fn next(self) -> Self {
        match self {
            Self::All => Self::Only(ReviewState::Draft),
            Self::Only(ReviewState::Draft) => Self::Only(ReviewState::Accepted),
            Self::Only(ReviewState::Accepted) => Self::Only(ReviewState::Rejected),
            Self::Only(ReviewState::Rejected) => Self::All,
        }
    }

    fn fits(self, state: ReviewState) -> bool {
        match self {
            Self::All => true,
            Self::Only(wanted) => wanted == state,
        }
    }
}

/// State of the screen.
#[derive(Default)]
pub struct Curate {
    focus: usize,
    filter: Filter,
    /// Only pairs about this passage are listed.
    only: Option<PassageId>,
    search: Input,
    searching: bool,
    /// Indices of the listed examples.
    shown: Vec<usize>,
    list: ListState,
    /// Listed example; followed when the list changes.
    selected: Option<ExampleId>,
    /// A passage shown by itself, with no pair beside it.
    alone: Option<PassageId>,
    passage_scroll: Scroll,
    pair_scroll: Scroll,
    /// What the checks say of the selected example.
    problems: Vec<String>,
    editing: Option<Editing>,
    /// Typed and not saved, by what it belongs to.
    unsent: BTreeMap<String, Unsent>,
    typed: bool,
    /// Whether the outside editor was opened from the list and its text is saved at once.
    outside_saves: bool,
    /// Examples as they were before their last edit in this session.
    before: HashMap<ExampleId, Example>,
}

impl Curate {
    /// Shows a passage and the pairs about it.
    pub fn show_passage(&mut self, passage: PassageId, look: &Look) {
        (self.filter, self.only) = (Filter::All, Some(passage));
        self.search.set("");
        self.selected = None;
        self.refresh(look);
        self.alone = self.shown.is_empty().then_some(passage);
        self.passage_scroll.reset();
        self.focus = PASSAGE;
    }

    /// An edit added examples: shows the last of them.
    pub fn inserted(&mut self, ids: &[ExampleId], look: &Look) {
        let Some(&id) = ids.last() else { return };
        let hidden = look.data.example(id).is_some_and(|example| !self.lists(example));
        if hidden {
            (self.filter, self.only) = (Filter::All, None);
            self.search.set("");
        }
        (self.selected, self.alone) = (Some(id), None);
        self.refresh(look);
    }

    /// An edit was undone or done again: shows the first example it touched, if it is listed.
    pub fn touched(&mut self, ids: &[ExampleId], look: &Look) {
        if self.selected.is_some_and(|id| ids.contains(&id)) || self.editing.is_some() {
            return;
        }
        let listed = |id: &&ExampleId| look.data.example(**id).is_some_and(|it| self.lists(it));
        if let Some(&id) = ids.iter().find(listed) {
            (self.selected, self.alone) = (Some(id), None);
            self.refresh(look);
        }
    }

    /// Whether a pair is being written or edited.
    pub fn is_writing(&self) -> bool {
        self.editing.is_some()
    }

    fn lists(&self, stored: &StoredExample) -> bool {
        self.filter.fits(stored.state)
            && self.only.is_none_or(|passage| stored.passage == Some(passage))
            && {
                let needle = self.search.text();
                needle.is_empty()
                    || hangul::contains(stored.example.question(), needle)
                    || hangul::contains(stored.example.answer(), needle)
            }
    }

    /// Lists anew and keeps the selection where it was.
    fn refresh(&mut self, look: &Look) {
        let examples = &look.data.snapshot.examples;
        self.shown = (0..examples.len()).filter(|&index| self.lists(&examples[index])).collect();
        let id_at = |row: usize| self.shown.get(row).map(|&index| examples[index].id);
        let row = (self.selected)
            .and_then(|id| (0..self.shown.len()).find(|&row| id_at(row) == Some(id)));
        self.list.select(row.unwrap_or(self.list.selected), self.shown.len());
        self.settle(look);
    }

    /// The row of the list decides what is selected.
    fn settle(&mut self, look: &Look) {
        let stored = self.listed(look, self.list.selected);
        let id = stored.map(|stored| stored.id);
        if id != self.selected {
            self.passage_scroll.reset();
            self.pair_scroll.reset();
        }
        self.problems = stored.map(|stored| check(&stored.example)).unwrap_or_default();
        self.selected = id;
    }

    fn listed<'a>(&self, look: &Look<'a>, row: usize) -> Option<&'a StoredExample> {
        look.data.snapshot.examples.get(*self.shown.get(row)?)
    }

    fn current<'a>(&self, look: &Look<'a>) -> Option<&'a StoredExample> {
        if self.alone.is_some() {
            return None;
        }
        look.data.example(self.selected?)
    }

    fn current_passage<'a>(&self, look: &Look<'a>) -> Option<&'a PassageRecord> {
        let of_pair = || self.current(look).and_then(|stored| stored.passage);
        look.data.passage(self.alone.or_else(of_pair)?)
    }

    fn step(&mut self, rows: isize, look: &Look) {
        self.alone = None;
        self.list.by(rows, self.shown.len());
        self.settle(look);
    }

    /// The nearest listed draft before or after the selected row.
    fn draft_row(&self, forward: bool, look: &Look) -> Option<usize> {
        let is_draft = |row: &usize| {
            self.listed(look, *row).is_some_and(|stored| stored.state == ReviewState::Draft)
        };
        let at = self.list.selected;
        if forward {
            (at + 1..self.shown.len()).chain(0..at).find(is_draft)
        } else {
            (0..at).rev().chain((at + 1..self.shown.len()).rev()).find(is_draft)
        }
    }

    fn go_to_draft(&mut self, forward: bool, look: &Look, reply: &mut Reply) {
        match self.draft_row(forward, look) {
            Some(row) => {
                self.alone = None;
                self.list.select(row, self.shown.len());
                self.settle(look);
            }
            None => reply.tell(look.t(texts::NO_MORE_DRAFTS)),
        }
    }

    /// Gives the current pair a state and moves on.
    fn judge(&mut self, state: ReviewState, look: &Look, reply: &mut Reply) {
        let Some(stored) = self.current(look) else {
            return;
        };
        let id = stored.id;
        if stored.state != state {
            self.apply(done(state), vec![Change::SetState { key: id.0, state }], look, reply);
        }
        self.move_on(look);
    }

    /// Selects the next draft below, else the next row, else the row above.
    fn move_on(&mut self, look: &Look) {
        let at = self.list.selected;
        let draft_below = self.draft_row(true, look).filter(|&row| row > at);
        let below = (at + 1 < self.shown.len()).then_some(at + 1);
        if let Some(row) = draft_below.or(below).or_else(|| at.checked_sub(1)) {
            self.list.select(row, self.shown.len());
            self.settle(look);
        }
    }

    /// Gives every listed draft a state, as one edit.
    fn judge_shown(&mut self, state: ReviewState, look: &Look, reply: &mut Reply) {
        let drafts =
            (self.shown.iter()).filter_map(|&index| look.data.snapshot.examples.get(index));
        let changes: Vec<_> = drafts
            .filter(|stored| stored.state == ReviewState::Draft)
            .map(|stored| Change::SetState { key: stored.id.0, state })
            .collect();
        if changes.is_empty() {
            reply.tell(look.t(texts::NO_MORE_DRAFTS));
        } else {
            self.apply(done(state), changes, look, reply);
        }
    }

    /// Asks for an edit and tells it with its undo.
    fn apply(&mut self, done: Text, changes: Vec<Change>, look: &Look, reply: &mut Reply) {
        for change in &changes {
            if let Change::Replace { key, .. } = change {
                let id = ExampleId(*key);
                let before = look.data.example(id).map(|stored| (id, stored.example.clone()));
                self.before.extend(before);
            }
        }
        let summary = look.fill(done, &[&changes.len()]);
        reply.tell(format!("{summary} {} {}", look.symbols.dot, look.t(common::UNDO_HINT)));
        reply.effect(Effect::Apply(Edit { summary, changes }));
    }

    /// Shows the first passage, after this one, on a page that no pair is about.
    fn next_uncovered(&mut self, look: &Look, reply: &mut Reply) {
        let covered = look.data.covered_pages();
        let passages = &look.data.snapshot.passages;
        let at = self.current_passage(look);
        let here = at.map(|record| (record.document, record.passage.page));
        let start = at.and_then(|record| look.data.passage_index(record.id)).map_or(0, |at| at + 1);
        let order = (start..passages.len()).chain(0..start.min(passages.len()));
        let free = |record: &&PassageRecord| {
            let page = (record.document, record.passage.page);
            !covered.contains(&page) && Some(page) != here
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

    fn draft(&self, look: &Look, reply: &mut Reply) {
        if let Some(record) = self.current_passage(look) {
            draft_passages(vec![record.id], look, reply);
        }
    }

    fn show_diff(&self, look: &Look, reply: &mut Reply) {
        let Some(stored) = self.current(look) else {
            return;
        };
        let Some(before) = self.before.get(&stored.id) else {
            return;
        };
        let (old, new) = (pair_text::answer(before), pair_text::answer(&stored.example));
        reply.overlay = Some(Overlay::Reading(Reading::diff(
            look.t(common::DIFF_TITLE).to_owned(),
            &[
                (look.t(texts::QUESTION), before.question(), stored.example.question()),
                (look.t(texts::ANSWER), &old, &new),
            ],
        )));
    }

    fn scroll_or_step(&mut self, rows: isize, look: &Look) {
        match self.focus {
            PASSAGE => self.passage_scroll.by(rows),
            PAIR => self.pair_scroll.by(rows),
            _ => self.step(rows, look),
        }
    }
}

/// Starts drafting pairs about passages, with the endpoint if one is set, else with the base model.
pub fn draft_passages(passages: Vec<PassageId>, look: &Look, reply: &mut Reply) {
    let settings = look.settings;
    let source = if settings.endpoint_url.is_empty() {
        let Some(model) = look.model() else {
            reply.warn(look.t(common::NO_MODEL));
            return;
        };
        DraftSource::Embedded { model: model.to_owned() }
    } else {
        let (url, model) = (settings.endpoint_url.clone(), settings.endpoint_model.clone());
        DraftSource::Endpoint { url, model }
    };
    reply.start = Some(JobSpec::Draft { passages, count: settings.draft_count, source });
}

fn done(state: ReviewState) -> Text {
    match state {
        ReviewState::Draft => texts::DONE_UNREVIEWED,
        ReviewState::Accepted => texts::DONE_ACCEPTED,
        ReviewState::Rejected => texts::DONE_REJECTED,
    }
}

impl ScreenState for Curate {
    fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        self.draw(frame, area, look);
    }

    fn command(&mut self, command: Command, look: &Look, reply: &mut Reply) {
        match command {
            Command::CurateAccept => self.judge(ReviewState::Accepted, look, reply),
            Command::CurateReject => self.judge(ReviewState::Rejected, look, reply),
            Command::CurateUnreview => self.judge(ReviewState::Draft, look, reply),
            Command::CurateAcceptShown => self.judge_shown(ReviewState::Accepted, look, reply),
            Command::CurateRejectShown => self.judge_shown(ReviewState::Rejected, look, reply),
            Command::CurateEdit => self.edit_current(look),
            Command::CurateNew => self.edit_new(look),
            Command::CurateEditor => {
                self.edit_current(look);
                self.open_outside(true, reply);
            }
            Command::CurateNext => self.go_to_draft(true, look, reply),
            Command::CuratePrevious => self.go_to_draft(false, look, reply),
            Command::CurateNextUncovered => self.next_uncovered(look, reply),
            Command::CurateDraft => self.draft(look, reply),
            Command::CurateFilter => {
                (self.filter, self.alone) = (self.filter.next(), None);
                self.refresh(look);
            }
            Command::CurateSearch => (self.searching, self.focus) = (true, LIST),
            Command::CurateRendered => {
                if let (Some(stored), Some(model)) = (self.current(look), look.model()) {
                    let example = Box::new(stored.example.clone());
                    reply.effect(Effect::Render(model.to_owned(), example));
                }
            }
            Command::CurateDiff => self.show_diff(look, reply),
            Command::CurateDelete => {
                if let Some(stored) = self.current(look) {
                    let change = Change::Delete { key: stored.id.0 };
                    self.apply(texts::DONE_DELETED, vec![change], look, reply);
                    self.move_on(look);
                }
            }
            Command::CurateDuplicate => {
                if let Some(stored) = self.current(look) {
                    let passage = stored.passage.map(|passage| passage.0);
                    let (key, state) = (None, ReviewState::Draft);
                    let example = stored.example.clone();
                    let change = Change::Insert { key, passage, state, example };
                    self.apply(texts::DONE_DUPLICATED, vec![change], look, reply);
                }
            }
            Command::ListUp => self.scroll_or_step(-1, look),
            Command::ListDown => self.scroll_or_step(1, look),
            Command::ListPageUp | Command::ListPageDown => {
                let pages = if command == Command::ListPageUp { -1 } else { 1 };
                match self.focus {
                    PASSAGE => self.passage_scroll.by_page(pages),
                    PAIR => self.pair_scroll.by_page(pages),
                    _ => {
                        self.list.by_page(pages, self.shown.len());
                        self.step(0, look);
                    }
                }
            }
            Command::ListFirst => self.step(isize::MIN / 2, look),
            Command::ListLast => self.step(isize::MAX / 2, look),
            Command::FocusNext => self.focus = (self.focus + 1) % 3,
            Command::FocusPrevious => self.focus = (self.focus + 2) % 3,
            Command::Back => {
                if self.alone.take().is_none() {
                    self.only = None;
                    self.filter = Filter::All;
                    self.search.set("");
                    self.focus = LIST;
                }
                self.refresh(look);
            }
            _ => {}
        }
    }

    fn unavailable(&self, command: Command, look: &Look) -> Option<Text> {
        let needs_pair = || self.current(look).is_none().then_some(texts::NO_PAIR_SELECTED);
        match command {
            Command::CurateRendered if look.model().is_none() => Some(common::NO_MODEL),
            Command::CurateAccept
            | Command::CurateReject
            | Command::CurateUnreview
            | Command::CurateEdit
            | Command::CurateEditor
            | Command::CurateRendered
            | Command::CurateDelete
            | Command::CurateDuplicate => needs_pair(),
            Command::CurateDiff => {
                let edited = self.current(look).map(|stored| self.before.contains_key(&stored.id));
                (edited != Some(true)).then_some(texts::NOT_EDITED)
            }
            Command::CurateDraft => {
                self.current_passage(look).is_none().then_some(texts::NO_PASSAGE_SELECTED)
            }
            Command::CurateNextUncovered => {
                look.data.snapshot.passages.is_empty().then_some(texts::NO_PASSAGE_SELECTED)
            }
            Command::CurateNext
            | Command::CuratePrevious
            | Command::CurateAcceptShown
            | Command::CurateRejectShown => {
                (look.data.summary.drafts == 0).then_some(texts::NO_MORE_DRAFTS)
            }
            Command::CurateFilter | Command::CurateSearch => {
                look.data.snapshot.examples.is_empty().then_some(texts::NO_PAIRS)
            }
            Command::ListOpen => Some(texts::NO_PAIR_SELECTED),
            _ => None,
        }
    }

    fn is_editing(&self) -> bool {
        self.searching || self.editing.is_some()
    }

    fn field_key(
        &mut self,
        key: KeyEvent,
        command: Option<Command>,
        look: &Look,
        reply: &mut Reply,
    ) {
        if !self.searching {
            self.editing_key(key, command, look, reply);
            return;
        }
        match key.code {
            KeyCode::Enter | KeyCode::Esc => self.searching = false,
            KeyCode::Up => self.step(-1, look),
            KeyCode::Down => self.step(1, look),
            _ => {
                if self.search.key(key) {
                    self.alone = None;
                    self.refresh(look);
                }
            }
        }
    }

    fn paste(&mut self, text: &str, look: &Look, _reply: &mut Reply) {
        if self.searching {
            self.search.paste(text);
            self.refresh(look);
        } else if let Some(editing) = &mut self.editing {
            editing.paste(text);
            self.typed = true;
        }
    }

    fn data_changed(&mut self, look: &Look) {
        self.alone = self.alone.filter(|&passage| look.data.passage(passage).is_some());
        self.only = self.only.filter(|&passage| look.data.passage(passage).is_some());
        self.refresh(look);
    }

    fn tick(&mut self, _look: &Look, reply: &mut Reply) {
        self.keep_typing(reply);
    }

    fn copied(&self, look: &Look) -> Option<String> {
        if self.focus == PASSAGE {
            return self.current_passage(look).map(|record| record.passage.text.clone());
        }
        let stored = self.current(look)?;
        let answer = pair_text::answer(&stored.example);
        Some(format!("{}\n\n{answer}", stored.example.question()))
    }

    fn click(&mut self, column: usize, row: Option<usize>, look: &Look) {
        self.focus = column;
        if let Some(row) = row {
            self.alone = None;
            self.list.select(row, self.shown.len());
            self.settle(look);
        }
    }
}
