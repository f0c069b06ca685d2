//! Typing a question and an answer, and keeping what is typed.

use ratatui::crossterm::event::KeyEvent;

use super::turns::{self, Turn, Unsent};
use super::{Curate, Outside, PAIR};
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::overlays::{Overlay, Reading};
use crate::app::pair_text::TurnText;
use crate::app::reply::Reply;
use crate::app::snapshot::UNSENT_PAIRS;
use crate::app::strings::{common, screen as texts};
use crate::app::widgets::Editor;
use crate::app::{Effect, pair_text};
use crate::pair::{Change, Example, ReviewState, Role};
use crate::project::{ExampleId, PassageId};

/// A pair being typed.
pub(super) struct Editing {
    /// The example; none for a new one.
    target: Option<ExampleId>,
    passage: Option<PassageId>,
    pub(super) turns: Vec<Turn>,
    /// Turn with the focus.
    pub(super) field: usize,
}

impl Editing {
    pub(super) fn target(&self) -> Option<ExampleId> {
        self.target
    }

    pub(super) fn is_new(&self) -> bool {
        self.target.is_none()
    }

    pub(super) fn paste(&mut self, text: &str) {
        if let Some(turn) = self.turns.get_mut(self.field) {
            turn.editor.paste(text);
        }
    }

    fn key(&self) -> String {
        key(self.target, self.passage)
    }
}

/// What unsaved typing belongs to.
fn key(target: Option<ExampleId>, passage: Option<PassageId>) -> String {
    match (target, passage) {
        (Some(id), _) => format!("pair {}", id.0),
        (None, Some(passage)) => format!("new {}", passage.0),
        (None, None) => "new".to_owned(),
    }
}

impl Curate {
    /// Takes over what was typed and not saved before the program was left.
    pub fn take_unsent(&mut self, unsent: &[(String, String)]) {
        let text = unsent.iter().find(|(key, _)| key == UNSENT_PAIRS).map(|(_, text)| text);
        self.unsent = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    }

    /// Whether typing was not kept yet.
    pub fn has_unkept_typing(&self) -> bool {
        self.typed
    }

    /// Keeps what was typed since the last time.
    pub fn keep_typing(&mut self, reply: &mut Reply) {
        if !self.typed {
            return;
        }
        self.typed = false;
        if let Some(editing) = &self.editing {
            if turns::unchanged(&editing.turns) {
                self.unsent.remove(&editing.key());
            } else {
                let turns = turns::typed(&editing.turns);
                self.unsent.insert(editing.key(), Unsent::Turns { turns });
            }
        }
        let text = serde_json::to_string(&self.unsent).unwrap_or_default();
        reply.effect(Effect::SaveUnsent(UNSENT_PAIRS, text));
    }

    /// Whether unsaved typing waits for the pair or passage that is shown.
    pub(super) fn has_unsent(&self, look: &Look) -> bool {
        let passage = self.current_passage(look).map(|record| record.id);
        self.unsent.contains_key(&key(self.current(look).map(|stored| stored.id), passage))
    }

    pub(super) fn edit_current(&mut self, look: &Look) {
        let Some(stored) = self.current(look) else {
            return;
        };
        self.begin(Some(stored.id), stored.passage, turns::turns(Some(&stored.example)));
    }

    pub(super) fn edit_new(&mut self, look: &Look) {
        let passage = self.current_passage(look).map(|record| record.id);
        self.begin(None, passage, turns::turns(None));
    }

    fn begin(
        &mut self,
        target: Option<ExampleId>,
        passage: Option<PassageId>,
        mut turns: Vec<Turn>,
    ) {
        if let Some(unsent) = self.unsent.get(&key(target, passage)) {
            turns::retype(&mut turns, unsent);
        }
        // The last question is what most edits are about.
        let field = turns.iter().rposition(|turn| turn.role() == Role::User).unwrap_or_default();
        self.editing = Some(Editing { target, passage, turns, field });
        self.focus = PAIR;
    }

    pub(super) fn editing_key(
        &mut self,
        key: KeyEvent,
        command: Option<Command>,
        look: &Look,
        reply: &mut Reply,
    ) {
        let Some(editing) = &mut self.editing else {
            return;
        };
        match command {
            Some(Command::FieldSave) => self.save(look, reply),
            Some(Command::FieldNext) => {
                editing.field = (editing.field + 1) % editing.turns.len().max(1);
            }
            Some(Command::FieldPrevious) => {
                let turns = editing.turns.len().max(1);
                editing.field = (editing.field + turns - 1) % turns;
            }
            Some(Command::FieldAddTurn) => {
                editing.field = turns::add(&mut editing.turns, editing.field);
            }
            Some(Command::FieldSystem) => editing.field = turns::add_system(&mut editing.turns),
            Some(Command::FieldCall) => self.fill_call(look, reply),
            Some(Command::FieldSplit) => self.split_at_cursor(look, reply),
            Some(Command::FieldDiff) => {
                let texts: Vec<_> = turns::typed(&editing.turns);
                let parts: Vec<_> = (editing.turns.iter().zip(&texts))
                    .map(|(turn, typed)| (look.t(turn.label()), turn.saved(), typed.text.as_str()))
                    .collect();
                let title = look.t(common::DIFF_TITLE).to_owned();
                reply.overlay = Some(Overlay::Reading(Reading::diff(title, &parts)));
            }
            Some(Command::FieldEditor) => self.open_outside(Outside::Fields, reply),
            Some(Command::FieldPassageDown) => self.passage_scroll.by_page(1),
            Some(Command::FieldPassageUp) => self.passage_scroll.by_page(-1),
            Some(Command::FieldLeave) => self.leave_editing(look, reply),
            _ => {
                let turn = editing.turns.get_mut(editing.field);
                if turn.is_some_and(|turn| turn.editor.key(key)) {
                    self.typed = true;
                }
            }
        }
    }

    /// Leaves the fields; what was typed waits under its key.
    fn leave_editing(&mut self, look: &Look, reply: &mut Reply) {
        self.typed = true;
        self.keep_typing(reply);
        if let Some(editing) = self.editing.take()
            && self.unsent.contains_key(&editing.key())
        {
            reply.tell(look.t(texts::TYPING_KEPT));
        }
    }

    /// Opens the pair being typed in the outside editor.
    pub(super) fn open_outside(&mut self, purpose: Outside, reply: &mut Reply) {
        let Some(editing) = &self.editing else { return };
        let text = pair_text::join(&turns::typed(&editing.turns));
        self.outside = purpose;
        reply.effect(Effect::EditOutside(text));
    }

    /// Takes the text that the outside editor saved.
    pub fn edited_outside(&mut self, text: &str, look: &Look, reply: &mut Reply) {
        if self.outside == Outside::Tools {
            self.outside = Outside::Fields;
            return Self::tools_edited(text, look, reply);
        }
        let Some(editing) = &mut self.editing else {
            return;
        };
        self.typed = true;
        let Some(read) = pair_text::split(text, &turns::typed(&editing.turns)) else {
            if let Some(last) = editing.turns.last_mut() {
                last.editor = Editor::new(text);
            }
            editing.field = editing.turns.len().saturating_sub(1);
            reply.warn(look.t(texts::NO_DIVIDER));
            return;
        };
        turns::retype(&mut editing.turns, &Unsent::Turns { turns: read });
        editing.field = editing.field.min(editing.turns.len().saturating_sub(1));
        if self.outside == Outside::List {
            self.save(look, reply);
        }
    }

    /// Saves the pair with what stands before the cursor of its last answer, and makes a draft with
    /// the same question of what stands behind it.
    fn split_at_cursor(&mut self, look: &Look, reply: &mut Reply) {
        let Some(editing) = &mut self.editing else { return };
        let passage = editing.passage;
        let question = editing.turns.iter().rfind(|turn| turn.role() == Role::User);
        let question = question.map(|turn| turn.editor.text()).unwrap_or_default();
        let Some(turn) = editing.turns.get_mut(editing.field) else { return };
        let (before, after) = turn.editor.at_cursor();
        if turn.role() != Role::Assistant || before.trim().is_empty() || after.trim().is_empty() {
            reply.tell(look.t(texts::SPLIT_WHERE));
            return;
        }
        turn.editor = Editor::new(before.trim_end());
        let typed = [(Role::User, question), (Role::Assistant, after)]
            .map(|(role, text)| TurnText { at: None, role, text });
        let base = Self::base(passage, look);
        match pair_text::with_turns(&base, &typed) {
            Ok(mut example) => {
                pair_text::note_language(&mut example);
                let passage = passage.map(|passage| passage.0);
                let rest = Change::insert(passage, ReviewState::Draft, example);
                self.save_with(vec![rest], look, reply);
            }
            Err(reason) => reply.warn(look.t(reason)),
        }
    }

    /// What a new pair about a passage starts from.
    fn base(passage: Option<PassageId>, look: &Look) -> Example {
        let record = passage.and_then(|passage| look.data.passage(passage));
        let document = record.and_then(|record| look.data.document(record.document));
        pair_text::new_example(record.zip(document.map(|d| d.name.as_str())))
    }

    /// What the checks say of the pair as typed.
    pub(super) fn problems_typed(&self, look: &Look) -> Vec<String> {
        let Some(editing) = &self.editing else { return Vec::new() };
        let stored = editing.target.and_then(|id| look.data.example(id));
        let base = stored.map(|stored| stored.example.clone()).unwrap_or_default();
        match pair_text::with_turns(&base, &turns::typed(&editing.turns)) {
            Ok(example) => crate::pair::check(&example),
            Err(reason) => vec![look.t(reason).to_owned()],
        }
    }

    fn save(&mut self, look: &Look, reply: &mut Reply) {
        self.save_with(Vec::new(), look, reply);
    }

    /// Saves what is typed, together with other changes, as one edit.
    fn save_with(&mut self, others: Vec<Change>, look: &Look, reply: &mut Reply) {
        let Some(editing) = &self.editing else { return };
        let (key, target, passage) = (editing.key(), editing.target, editing.passage);
        let stored = target.and_then(|id| look.data.example(id));
        let lost = target.is_some() && stored.is_none();
        let base = match stored {
            Some(stored) => stored.example.clone(),
            None => Self::base(passage, look),
        };
        let mut changes = Vec::new();
        let mut words = texts::DONE_EDITED;
        if lost || !turns::unchanged(&editing.turns) {
            let mut typed = turns::typed(&editing.turns);
            if lost {
                // Deleted meanwhile: what was typed becomes a pair again.
                for turn in &mut typed {
                    turn.at = None;
                }
            }
            let mut example = match pair_text::with_turns(&base, &typed) {
                Ok(example) => example,
                Err(reason) => {
                    reply.warn(look.t(reason));
                    return;
                }
            };
            if let Some(stored) = stored {
                changes.push(Change::Replace { key: stored.id.0, example });
            } else {
                pair_text::note_language(&mut example);
                let passage = passage.map(|passage| passage.0);
                changes.push(Change::insert(passage, ReviewState::Accepted, example));
                words = texts::DONE_WRITTEN;
            }
        }
        if !others.is_empty() {
            words = texts::DONE_SPLIT;
            changes.extend(others);
        }
        if !changes.is_empty() {
            Self::apply(words, changes, look, reply);
        }
        self.editing = None;
        self.unsent.remove(&key);
        self.typed = true;
        self.keep_typing(reply);
    }
}
