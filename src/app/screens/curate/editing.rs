//! Typing a question and an answer, and keeping what is typed.

use ratatui::crossterm::event::KeyEvent;
use serde::{Deserialize, Serialize};

use super::{Curate, PAIR};
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::overlays::{Overlay, Reading};
use crate::app::reply::Reply;
use crate::app::snapshot::UNSENT_PAIRS;
use crate::app::strings::{common, screen as texts};
use crate::app::widgets::Editor;
use crate::app::{Effect, pair_text};
use crate::pair::{Change, ReviewState};
use crate::project::{ExampleId, PassageId};

/// A pair being typed.
pub(super) struct Editing {
    /// The example; none for a new one.
    target: Option<ExampleId>,
    passage: Option<PassageId>,
    /// Question and answer as stored.
    saved: [String; 2],
    pub(super) fields: [Editor; 2],
    /// Field with the focus: 0 question, 1 answer.
    pub(super) field: usize,
}

/// Typed text that was not saved: question and answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unsent {
    question: String,
    answer: String,
}

impl Editing {
    fn texts(&self) -> [String; 2] {
        [self.fields[0].text(), self.fields[1].text()]
    }

    pub(super) fn is_new(&self) -> bool {
        self.target.is_none()
    }

    pub(super) fn paste(&mut self, text: &str) {
        self.fields[self.field].paste(text);
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
            let [question, answer] = editing.texts();
            if editing.saved == [question.clone(), answer.clone()] {
                self.unsent.remove(&editing.key());
            } else {
                self.unsent.insert(editing.key(), Unsent { question, answer });
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
        let saved = [stored.example.question().to_owned(), stored.example.answer_text()];
        self.begin(Some(stored.id), stored.passage, saved);
    }

    pub(super) fn edit_new(&mut self, look: &Look) {
        let passage = self.current_passage(look).map(|record| record.id);
        self.begin(None, passage, [String::new(), String::new()]);
    }

    fn begin(&mut self, target: Option<ExampleId>, passage: Option<PassageId>, saved: [String; 2]) {
        let typed = self.unsent.get(&key(target, passage)).cloned();
        let [question, answer] = match typed {
            Some(unsent) => [unsent.question, unsent.answer],
            None => saved.clone(),
        };
        let fields = [Editor::new(&question), Editor::new(&answer)];
        self.editing = Some(Editing { target, passage, saved, fields, field: 0 });
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
            Some(Command::FieldNext) => editing.field = 1 - editing.field,
            Some(Command::FieldDiff) => {
                let [question, answer] = editing.texts();
                reply.overlay = Some(Overlay::Reading(Reading::diff(
                    look.t(common::DIFF_TITLE).to_owned(),
                    &[
                        (look.t(texts::QUESTION), &editing.saved[0], &question),
                        (look.t(texts::ANSWER), &editing.saved[1], &answer),
                    ],
                )));
            }
            Some(Command::FieldEditor) => self.open_outside(false, reply),
            Some(Command::FieldPassageDown) => self.passage_scroll.by_page(1),
            Some(Command::FieldPassageUp) => self.passage_scroll.by_page(-1),
            Some(Command::FieldLeave) => self.leave_editing(look, reply),
            _ => {
                if editing.fields[editing.field].key(key) {
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
    pub(super) fn open_outside(&mut self, save_after: bool, reply: &mut Reply) {
        let Some(editing) = &self.editing else { return };
        let [question, answer] = editing.texts();
        self.outside_saves = save_after;
        reply.effect(Effect::EditOutside(pair_text::join(&question, &answer)));
    }

    /// Takes the text that the outside editor saved.
    pub fn edited_outside(&mut self, text: &str, look: &Look, reply: &mut Reply) {
        let Some(editing) = &mut self.editing else {
            return;
        };
        self.typed = true;
        let Some((question, answer)) = pair_text::split(text) else {
            editing.fields[1] = Editor::new(text);
            editing.field = 1;
            reply.warn(look.t(texts::NO_DIVIDER));
            return;
        };
        editing.fields = [Editor::new(&question), Editor::new(&answer)];
        if self.outside_saves {
            self.save(look, reply);
        }
    }

    fn save(&mut self, look: &Look, reply: &mut Reply) {
        let Some(editing) = &self.editing else { return };
        let [question, answer] = editing.texts();
        let (key, target, passage) = (editing.key(), editing.target, editing.passage);
        let unchanged = editing.saved == [question.clone(), answer.clone()];
        let stored = target.and_then(|id| look.data.example(id));
        let base = match (target, stored) {
            (Some(_), Some(stored)) => stored.example.clone(),
            (Some(_), None) => {
                // Deleted meanwhile: what was typed becomes a pair again.
                self.editing =
                    self.editing.take().map(|editing| Editing { target: None, ..editing });
                pair_text::new_example(None)
            }
            (None, _) => {
                let record = passage.and_then(|passage| look.data.passage(passage));
                let document = record.and_then(|record| look.data.document(record.document));
                pair_text::new_example(record.zip(document.map(|d| d.name.as_str())))
            }
        };
        if !unchanged {
            let mut example = match pair_text::with_texts(&base, &question, &answer) {
                Ok(example) => example,
                Err(reason) => {
                    reply.warn(look.t(reason));
                    return;
                }
            };
            let (done, change) = if let Some(stored) = stored {
                let key = stored.id.0;
                (texts::DONE_EDITED, Change::Replace { key, example })
            } else {
                pair_text::note_language(&mut example);
                let passage = passage.map(|passage| passage.0);
                let change = Change::insert(passage, ReviewState::Accepted, example);
                (texts::DONE_WRITTEN, change)
            };
            self.apply(done, vec![change], look, reply);
        }
        self.editing = None;
        self.unsent.remove(&key);
        self.typed = true;
        self.keep_typing(reply);
    }
}
