//! Pairs: list, passage, pair. The screen people live in.
//!
//! Every change is an undoable [`Edit`]; accepting and rejecting move on by themselves. What is
//! typed and not saved is kept under one key, so that leaving a field or a crash loses nothing.

mod acting;
mod checks;
mod editing;
mod filters;
mod listing;
mod tools;
mod turns;
mod view;

use std::collections::{BTreeMap, HashSet};

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use super::ScreenState;
use crate::app::Effect;
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::overlays::{Coverage, Overlay};
use crate::app::reply::Reply;
use crate::app::strings::{Text, common, screen as texts};
use crate::app::widgets::{Input, ListState, Scroll};
use crate::pair::ReviewState;
use crate::pair::catalog::{Listing, Query};
use crate::project::{ExampleId, PassageId};
use acting::Waiting;
pub use acting::draft_passages;
use editing::Editing;
use listing::Asked;
use turns::Unsent;

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
}

/// What the outside editor was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Outside {
    /// The pair in the fields; its text goes back there.
    #[default]
    Fields,
    /// The pair in the list; its text is saved at once.
    List,
    /// The project's tools.
    Tools,
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
    /// What is listed and in what order.
    query: Query,
    listing: Listing,
    asked: Asked,
    list: ListState,
    /// Listed example; followed when the list changes.
    selected: Option<ExampleId>,
    /// Keys of the marked pairs, and the last one that was marked.
    marked: HashSet<i64>,
    mark_from: Option<i64>,
    /// An action that waits for examples to be read.
    waiting: Option<Waiting>,
    /// A passage shown by itself, with no pair beside it.
    alone: Option<PassageId>,
    passage_scroll: Scroll,
    pair_scroll: Scroll,
    editing: Option<Editing>,
    /// Typed and not saved, by what it belongs to.
    unsent: BTreeMap<String, Unsent>,
    typed: bool,
    /// What the outside editor was opened for.
    outside: Outside,
}

impl Curate {
    /// Whether a pair is being written or edited.
    pub fn is_writing(&self) -> bool {
        self.editing.is_some()
    }

    fn scroll_or_step(&mut self, rows: isize, look: &Look) {
        match self.focus {
            PASSAGE => self.passage_scroll.by(rows),
            PAIR => self.pair_scroll.by(rows),
            _ => self.step(rows, look),
        }
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
                self.open_outside(Outside::List, reply);
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
            Command::CurateDelete => self.delete(look, reply),
            Command::CurateDuplicate => self.duplicate(look, reply),
            Command::CurateMark => self.mark(look),
            Command::CurateMarkTo => self.mark_to(look),
            Command::CurateTools => self.choose_tools(look, reply),
            Command::CurateSystem => self.ask_system(look, reply),
            Command::CurateSaved => self.choose_filter(look, reply),
            Command::CurateOrder => self.choose_order(look, reply),
            Command::CurateCoverage => {
                let here = self.current_passage(look).map(|record| record.id);
                reply.overlay = Some(Overlay::Coverage(Coverage::new(here, look)));
            }
            Command::CurateChecks => Self::choose_check(look, reply),
            Command::CurateDismiss => self.dismiss(look, reply),
            Command::CurateMeasure => Self::measure(false, look, reply),
            Command::CurateKnown => Self::measure(true, look, reply),
            Command::CurateMarkAll => self.mark_all(look, reply),
            Command::CurateTags => self.ask_tags(look, reply),
            Command::CurateScoreUp => self.score_by(1, look, reply),
            Command::CurateScoreDown => self.score_by(-1, look, reply),
            Command::CurateScore1 => self.score(Some(1), look, reply),
            Command::CurateScore2 => self.score(Some(2), look, reply),
            Command::CurateScore3 => self.score(Some(3), look, reply),
            Command::CurateScore4 => self.score(Some(4), look, reply),
            Command::CurateScore5 => self.score(Some(5), look, reply),
            Command::CurateScoreNone => self.score(None, look, reply),
            Command::CurateSplit => self.split(look, reply),
            Command::CurateMerge => self.merge(look, reply),
            Command::ListUp => self.scroll_or_step(-1, look),
            Command::ListDown => self.scroll_or_step(1, look),
            Command::ListPageUp | Command::ListPageDown => {
                let pages = if command == Command::ListPageUp { -1 } else { 1 };
                match self.focus {
                    PASSAGE => self.passage_scroll.by_page(pages),
                    PAIR => self.pair_scroll.by_page(pages),
                    _ => {
                        self.list.by_page(pages, self.shown());
                        self.step(0, look);
                    }
                }
            }
            Command::ListFirst => self.step(isize::MIN / 2, look),
            Command::ListLast => self.step(isize::MAX / 2, look),
            Command::FocusNext => self.focus = (self.focus + 1) % 3,
            Command::FocusPrevious => self.focus = (self.focus + 2) % 3,
            Command::Back => self.back(look),
            _ => {}
        }
    }

    fn unavailable(&self, command: Command, look: &Look) -> Option<Text> {
        let needs_pair = || {
            let some = self.entry(look).is_some() || !self.marked.is_empty();
            (!some).then_some(texts::NO_PAIR_SELECTED)
        };
        match command {
            Command::CurateRendered | Command::CurateMeasure | Command::CurateKnown
                if look.model().is_none() =>
            {
                Some(common::NO_MODEL)
            }
            Command::CurateAccept
            | Command::CurateReject
            | Command::CurateUnreview
            | Command::CurateEdit
            | Command::CurateEditor
            | Command::CurateRendered
            | Command::CurateDelete
            | Command::CurateDismiss
            | Command::CurateDiff
            | Command::CurateTags
            | Command::CurateTools
            | Command::CurateSystem
            | Command::CurateScoreUp
            | Command::CurateScoreDown
            | Command::CurateScore1
            | Command::CurateScore2
            | Command::CurateScore3
            | Command::CurateScore4
            | Command::CurateScore5
            | Command::CurateScoreNone
            | Command::CurateMark
            | Command::CurateSplit
            | Command::CurateMerge
            | Command::CurateDuplicate => needs_pair(),
            Command::CurateDraft => {
                self.current_passage(look).is_none().then_some(texts::NO_PASSAGE_SELECTED)
            }
            Command::CurateNextUncovered | Command::CurateCoverage => {
                look.data.snapshot.passages.is_empty().then_some(texts::NO_PASSAGE_SELECTED)
            }
            Command::CurateNext
            | Command::CuratePrevious
            | Command::CurateAcceptShown
            | Command::CurateRejectShown => {
                (look.data.summary.drafts == 0).then_some(texts::NO_MORE_DRAFTS)
            }
            Command::CurateFilter
            | Command::CurateSearch
            | Command::CurateSaved
            | Command::CurateOrder
            | Command::CurateChecks
            | Command::CurateMeasure
            | Command::CurateKnown
            | Command::CurateMarkAll
            | Command::CurateMarkTo => look.data.catalog.is_empty().then_some(texts::NO_PAIRS),
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
        if command == Some(Command::FieldSave) {
            self.ask_filter_name(look, reply);
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
        self.update_list(look);
    }

    fn tick(&mut self, _look: &Look, reply: &mut Reply) {
        self.keep_typing(reply);
    }

    fn copied(&self, look: &Look) -> Option<String> {
        if self.focus == PASSAGE {
            return self.current_passage(look).map(|record| record.passage.text.clone());
        }
        let stored = self.current(look)?;
        let answer = stored.example.answer_text();
        Some(format!("{}\n\n{answer}", stored.example.question()))
    }

    fn click(&mut self, column: usize, row: Option<usize>, look: &Look) {
        self.focus = column;
        if let Some(row) = row {
            self.alone = None;
            self.list.select(row, self.shown());
            self.settle(look);
        }
    }
}
