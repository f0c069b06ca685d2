//! What is done to pairs: every action works on the marked pairs or the selected one, and is one edit
//! that can be undone.

use super::Curate;
use crate::app::Effect;
use crate::app::look::Look;
use crate::app::overlays::{Asking, Overlay, Prompt, Reading};
use crate::app::reply::Reply;
use crate::app::strings::{Text, common, screen as texts};
use crate::job::{DraftSource, JobSpec};
use crate::pair::reshape;
use crate::pair::{Change, Edit, Example, Message, ReviewState, Role};
use crate::project::{ExampleId, PassageId};

/// Most pairs that are put together into one conversation.
const MERGE_MAX: usize = 32;

/// An action that waits until the examples it needs have been read.
pub(super) struct Waiting {
    pub(super) ids: Vec<ExampleId>,
    action: Action,
}

#[derive(Clone, Copy)]
enum Action {
    Merge,
    Duplicate,
}

impl Curate {
    /// Gives the marked pairs, or the current one, a state. The current one is left for the next.
    pub(super) fn judge(&mut self, state: ReviewState, look: &Look, reply: &mut Reply) {
        let keys = self.targets(look);
        let changes: Vec<_> = (keys.iter())
            .filter(|key| look.data.catalog.get(**key).is_some_and(|entry| entry.state() != state))
            .map(|&key| Change::SetState { key, state })
            .collect();
        let many = !self.marked.is_empty();
        if !changes.is_empty() {
            Self::apply(done(state), changes, look, reply);
        }
        if many {
            self.marked.clear();
        } else if self.entry(look).is_some() {
            self.move_on(look);
        }
    }

    /// Gives every listed draft a state, as one edit.
    pub(super) fn judge_shown(&mut self, state: ReviewState, look: &Look, reply: &mut Reply) {
        let entries = self.listing.places.iter().filter_map(|&place| look.data.catalog.at(place));
        let changes: Vec<_> = entries
            .filter(|entry| entry.state() == ReviewState::Draft)
            .map(|entry| Change::SetState { key: entry.key(), state })
            .collect();
        if changes.is_empty() {
            reply.tell(look.t(texts::NO_MORE_DRAFTS));
        } else {
            Self::apply(done(state), changes, look, reply);
        }
    }

    /// Asks for an edit and tells it with its undo.
    pub(super) fn apply(done: Text, changes: Vec<Change>, look: &Look, reply: &mut Reply) {
        let summary = look.fill(done, &[&changes.len()]);
        reply.tell(format!("{summary} {} {}", look.symbols.dot, look.t(common::UNDO_HINT)));
        reply.effect(Effect::Apply(Edit { summary, changes }));
    }

    pub(super) fn delete(&mut self, look: &Look, reply: &mut Reply) {
        let keys = self.targets(look);
        if keys.is_empty() {
            return;
        }
        let many = !self.marked.is_empty();
        let changes = keys.into_iter().map(|key| Change::Delete { key }).collect();
        Self::apply(texts::DONE_DELETED, changes, look, reply);
        self.marked.clear();
        if !many {
            self.move_on(look);
        }
    }

    /// Raises or lowers the score of the marked pairs or the current one, each by itself.
    pub(super) fn score_by(&mut self, step: i8, look: &Look, reply: &mut Reply) {
        let scored = |score: Option<u8>| match score {
            None if step > 0 => Some(1),
            None => None,
            Some(score) => score.checked_add_signed(step).filter(|score| *score > 0),
        };
        self.set_scores(|score| scored(score).map(|score| score.min(5)), look, reply);
    }

    /// Gives the marked pairs, or the current one, a score; none takes it away.
    pub(super) fn score(&mut self, score: Option<u8>, look: &Look, reply: &mut Reply) {
        self.set_scores(|_| score, look, reply);
    }

    fn set_scores(
        &mut self,
        to: impl Fn(Option<u8>) -> Option<u8>,
        look: &Look,
        reply: &mut Reply,
    ) {
        let keys = self.targets(look);
        let entries = keys.iter().filter_map(|&key| look.data.catalog.get(key));
        let changes: Vec<_> = entries
            .filter(|entry| to(entry.score()) != entry.score())
            .map(|entry| Change::SetScore { key: entry.key(), score: to(entry.score()) })
            .collect();
        if !changes.is_empty() {
            Self::apply(texts::DONE_SCORED, changes, look, reply);
        }
    }

    /// Asks for the tags of the marked pairs or the current one.
    pub(super) fn ask_tags(&self, look: &Look, reply: &mut Reply) {
        let keys = self.targets(look);
        let known = match keys.as_slice() {
            [key] => look.data.catalog.get(*key).map(|entry| entry.tags().collect::<Vec<_>>()),
            _ => None,
        };
        let text = known.unwrap_or_default().join(", ");
        let asking = Asking::Tags { many: keys.len() > 1 };
        reply.overlay = Some(Overlay::Prompt(Prompt::new(asking, &text)));
    }

    /// Asks for the system prompt of the marked pairs or the current one.
    pub(super) fn ask_system(&self, look: &Look, reply: &mut Reply) {
        let now = self.current(look).map_or("", |stored| stored.example.system());
        reply.overlay = Some(Overlay::Prompt(Prompt::new(Asking::System, now)));
    }

    /// Takes the tags that were typed, with commas between them. Of one pair they become its tags;
    /// to several they are added, and those with a minus before them are taken away.
    pub fn set_tags(&mut self, text: &str, look: &Look, reply: &mut Reply) {
        let typed: Vec<&str> =
            text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
        let keys = self.targets(look);
        let alone = keys.len() == 1;
        let mut changes = Vec::new();
        for entry in keys.iter().filter_map(|&key| look.data.catalog.get(key)) {
            let before: Vec<&str> = entry.tags().collect();
            let mut tags = if alone { Vec::new() } else { before.clone() };
            for tag in &typed {
                match tag.strip_prefix('-').filter(|_| !alone) {
                    Some(gone) => tags.retain(|tag| *tag != gone.trim()),
                    None if tags.contains(tag) => {}
                    None => tags.push(tag),
                }
            }
            if tags != before {
                let tags = tags.into_iter().map(str::to_owned).collect();
                changes.push(Change::SetTags { key: entry.key(), tags });
            }
        }
        if !changes.is_empty() {
            Self::apply(texts::DONE_TAGGED, changes, look, reply);
        }
    }

    /// Parts the current conversation into one pair for each question.
    pub(super) fn split(&mut self, look: &Look, reply: &mut Reply) {
        let Some(stored) = self.current(look) else { return };
        let parts = reshape::split(&stored.example);
        if parts.len() < 2 {
            reply.tell(look.t(texts::SPLIT_ONE_TURN));
            return;
        }
        let (key, passage) = (stored.id.0, stored.passage.map(|passage| passage.0));
        let state = stored.state;
        let mut changes = Vec::new();
        for (index, example) in parts.into_iter().enumerate() {
            changes.push(if index == 0 {
                Change::Replace { key, example }
            } else {
                Change::insert(passage, state, example)
            });
        }
        Self::apply(texts::DONE_SPLIT, changes, look, reply);
    }

    /// Puts the marked pairs, or the current and the next one, together into one conversation.
    pub(super) fn merge(&mut self, look: &Look, reply: &mut Reply) {
        let mut keys = self.targets(look);
        if self.marked.is_empty() {
            let next = self.row(look, self.list.selected + 1);
            keys.extend(next.map(crate::pair::catalog::Entry::key));
        }
        if keys.len() < 2 {
            reply.tell(look.t(texts::MERGE_NEEDS_TWO));
        } else if keys.len() > MERGE_MAX {
            reply.warn(look.fill(texts::MERGE_TOO_MANY, &[&MERGE_MAX]));
        } else {
            self.act_on(Action::Merge, keys, look, reply);
        }
    }

    pub(super) fn duplicate(&mut self, look: &Look, reply: &mut Reply) {
        let keys = self.targets(look);
        if keys.len() > MERGE_MAX {
            reply.warn(look.fill(texts::MERGE_TOO_MANY, &[&MERGE_MAX]));
        } else if !keys.is_empty() {
            self.act_on(Action::Duplicate, keys, look, reply);
        }
    }

    fn act_on(&mut self, action: Action, keys: Vec<i64>, look: &Look, reply: &mut Reply) {
        let ids = keys.into_iter().map(ExampleId).collect();
        self.waiting = Some(Waiting { ids, action });
        self.examples_read(look, reply);
    }

    /// Examples were read: does what waited for them.
    pub fn examples_read(&mut self, look: &Look, reply: &mut Reply) {
        let Some(waiting) = &self.waiting else { return };
        let read: Option<Vec<_>> = waiting.ids.iter().map(|id| look.data.example(*id)).collect();
        let gone = waiting.ids.iter().any(|id| look.data.catalog.find(id.0).is_none());
        let action = waiting.action;
        let Some(examples) = read else {
            if gone {
                self.waiting = None;
            }
            return;
        };
        self.waiting = None;
        match action {
            Action::Merge => {
                let Some((first, rest)) = examples.split_first() else { return };
                let whole: Vec<&Example> = examples.iter().map(|stored| &stored.example).collect();
                let example = reshape::merge(&whole);
                let mut changes = vec![Change::Replace { key: first.id.0, example }];
                changes.extend(rest.iter().map(|stored| Change::Delete { key: stored.id.0 }));
                self.marked.clear();
                self.selected = Some(first.id);
                Self::apply(texts::DONE_MERGED, changes, look, reply);
            }
            Action::Duplicate => {
                let copy = |stored: &&crate::project::StoredExample| {
                    let passage = stored.passage.map(|passage| passage.0);
                    Change::insert(passage, ReviewState::Draft, stored.example.clone())
                };
                let changes = examples.iter().map(copy).collect();
                self.marked.clear();
                Self::apply(texts::DONE_DUPLICATED, changes, look, reply);
            }
        }
    }

    pub(super) fn draft(&self, look: &Look, reply: &mut Reply) {
        if let Some(record) = self.current_passage(look) {
            draft_passages(vec![record.id], look, reply);
        }
    }

    /// Asks for the pair as it was before its last edit, to show what changed.
    pub(super) fn show_diff(&self, look: &Look, reply: &mut Reply) {
        if let Some(stored) = self.current(look) {
            reply.effect(Effect::ReadBefore(stored.id));
        }
    }

    /// Shows what the last edit of a pair changed, turn by turn.
    pub fn before_read(id: ExampleId, before: Option<&Example>, look: &Look, reply: &mut Reply) {
        let (Some(before), Some(stored)) = (before, look.data.example(id)) else {
            reply.tell(look.t(texts::NOT_EDITED));
            return;
        };
        let turns = before.messages.len().max(stored.example.messages.len());
        let text = |example: &Example, at: usize| {
            example.messages.get(at).map(Message::text_or_calls).unwrap_or_default()
        };
        let parts: Vec<_> = (0..turns)
            .map(|at| {
                let role = stored.example.messages.get(at).or(before.messages.get(at));
                let label = match role.map(|turn| turn.role) {
                    Some(Role::System) => texts::SYSTEM,
                    Some(Role::User) => texts::QUESTION,
                    Some(Role::Tool) => texts::RESULT,
                    _ => texts::ANSWER,
                };
                (look.t(label), text(before, at), text(&stored.example, at))
            })
            .collect();
        let parts: Vec<_> =
            parts.iter().map(|(label, old, new)| (*label, old.as_str(), new.as_str())).collect();
        let title = look.t(common::DIFF_TITLE).to_owned();
        reply.overlay = Some(Overlay::Reading(Reading::diff(title, &parts)));
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
