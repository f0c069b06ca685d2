//! Passages as a reader would have them: split, merged, with another beginning or end, left out.
//!
//! In the text column a sentence is selected; passages are cut before or after it.

use super::Sources;
use crate::app::Effect;
use crate::app::look::Look;
use crate::app::overlays::{Asking, Overlay, Prompt, Reading};
use crate::app::reply::Reply;
use crate::app::strings::{Text, common, screen as texts};
use crate::app::theme;
use crate::app::widgets::Rich;
use crate::document::{DiffKind, PassageSettings, sentence_spans};
use crate::job::JobSpec;
use crate::project::{DocumentChanges, DocumentId, PassageEdit};
use crate::text::Span;

/// Tokens that a passage may be asked to have.
const TOKENS_MIN: usize = 32;
const TOKENS_MAX: usize = 8_192;

impl Sources {
    /// The sentences of the selected passage, in characters of its text.
    pub(super) fn sentences(&self, look: &Look) -> Vec<Span> {
        self.passage(look).map(|record| sentence_spans(&record.passage.text)).unwrap_or_default()
    }

    /// The selected sentence.
    pub(super) fn selected_sentence(&self, look: &Look) -> Option<Span> {
        let sentences = self.sentences(look);
        sentences.get(self.sentence.min(sentences.len().saturating_sub(1))).copied()
    }

    /// Selects another sentence.
    pub(super) fn step_sentence(&mut self, by: isize, look: &Look) {
        let last = self.sentences(look).len().saturating_sub(1);
        self.sentence = self.sentence.min(last).saturating_add_signed(by).min(last);
        self.follow.set(true);
    }

    /// Makes two passages: what stands before the selected sentence, and the rest.
    pub(super) fn split(&self, look: &Look, reply: &mut Reply) {
        let (Some(record), Some(sentence)) = (self.passage(look), self.selected_sentence(look))
        else {
            return;
        };
        if sentence.start == 0 {
            reply.tell(look.t(texts::SPLIT_PASSAGE_WHERE));
            return;
        }
        let at = record.passage.span.start + sentence.start;
        edit(PassageEdit::Split(record.id, at), texts::DONE_PASSAGE_SPLIT, look, reply);
    }

    /// Makes one passage of this and the next.
    pub(super) fn merge(&self, look: &Look, reply: &mut Reply) {
        if let Some(record) = self.passage(look) {
            edit(PassageEdit::Merge(record.id), texts::DONE_PASSAGE_MERGED, look, reply);
        }
    }

    /// Leaves the passage out of drafting and coverage, or takes it in again, and goes on.
    pub(super) fn exclude(&mut self, look: &Look, reply: &mut Reply) {
        let Some(record) = self.passage(look) else { return };
        let out = !record.excluded;
        let words = if out { texts::DONE_PASSAGE_OUT } else { texts::DONE_PASSAGE_IN };
        edit(PassageEdit::Exclude(vec![record.id], out), words, look, reply);
        self.passages.by(1, self.shown.len());
    }

    /// Lets the passage begin with the selected sentence, or end with it.
    pub(super) fn set_bound(&self, begins: bool, look: &Look, reply: &mut Reply) {
        let (Some(record), Some(sentence)) = (self.passage(look), self.selected_sentence(look))
        else {
            return;
        };
        let Span { start, end } = record.passage.span;
        let bounds = if begins {
            Span { start: start + sentence.start, end }
        } else {
            Span { start, end: start + sentence.end }
        };
        if bounds == record.passage.span {
            reply.tell(look.t(texts::SPLIT_PASSAGE_WHERE));
            return;
        }
        edit(PassageEdit::Bounds(record.id, bounds), texts::DONE_PASSAGE_BOUNDS, look, reply);
    }

    /// Asks how long the passages of the selected document are to be.
    pub(super) fn ask_length(&self, look: &Look, reply: &mut Reply) {
        let Some(document) = self.document(look) else { return };
        let PassageSettings { tokens, overlap } = look.settings.passages;
        let asking = Asking::PassageLength(document.id);
        let prompt = Prompt::new(asking, &format!("{tokens} {overlap}"));
        reply.overlay = Some(Overlay::Prompt(prompt));
    }

    /// Splits a document anew, into passages of the length that was typed.
    pub fn split_again(document: DocumentId, text: &str, look: &Look, reply: &mut Reply) {
        let numbers: Option<Vec<usize>> =
            text.split_whitespace().map(|number| number.parse().ok()).collect();
        let (tokens, overlap) = match numbers.as_deref() {
            Some([tokens]) => (*tokens, 0),
            Some([tokens, overlap]) => (*tokens, *overlap),
            _ => return reply.warn(look.t(texts::BAD_PASSAGE_LENGTH)),
        };
        let tokens = tokens.clamp(TOKENS_MIN, TOKENS_MAX);
        let passages = PassageSettings { tokens, overlap: overlap.min(tokens / 2) };
        reply.start = Some(JobSpec::SplitDocument { document, passages });
    }

    /// Shows what the last version of the selected document changed.
    pub fn changes_read(changes: Option<&DocumentChanges>, look: &Look, reply: &mut Reply) {
        let Some(changes) = changes else {
            reply.tell(look.t(texts::NO_CHANGES));
            return;
        };
        let mut text = Rich::default();
        let counts: [&dyn std::fmt::Display; 4] =
            [&changes.unchanged, &changes.changed.len(), &changes.new.len(), &changes.gone.len()];
        text.push(&look.fill(texts::CHANGES_COUNTED, &counts), theme::BOLD).line();
        let pairs: [&dyn std::fmt::Display; 2] = [&changes.pairs_kept, &changes.pairs_lost];
        text.push(&look.fill(texts::CHANGES_PAIRS, &pairs), theme::DIM).line();
        let head = |text: &mut Rich, words: Text, page: u32| {
            text.line();
            let page = look.fill(texts::PAGE, &[&page]);
            text.push(&format!("{} {} {page}", look.t(words), look.symbols.dot), theme::DIM).line();
        };
        for changed in &changes.changed {
            let now = look.data.passage(changed.passage);
            let page = now.map_or(changed.was.page, |record| record.passage.page);
            head(&mut text, texts::PASSAGE_CHANGED, page);
            for part in &changed.diff {
                match part.kind {
                    DiffKind::Same => text.push(&part.text, theme::PLAIN),
                    DiffKind::Removed => text.push(&format!("[-{}-]", part.text), theme::REMOVED),
                    DiffKind::Added => text.push(&format!("{{+{}+}}", part.text), theme::ADDED),
                };
            }
            text.line();
        }
        for record in changes.new.iter().filter_map(|id| look.data.passage(*id)) {
            head(&mut text, texts::PASSAGE_NEW, record.passage.page);
            text.push(&record.passage.text, theme::BETTER).line();
        }
        for gone in &changes.gone {
            head(&mut text, texts::PASSAGE_GONE, gone.page);
            text.push(&gone.text, theme::WORSE).line();
        }
        let title = look.t(texts::CHANGES_TITLE).to_owned();
        reply.overlay = Some(Overlay::Reading(Reading::new(title, text)));
    }
}

fn edit(edit: PassageEdit, done: Text, look: &Look, reply: &mut Reply) {
    let summary = look.t(done).to_owned();
    reply.tell(format!("{summary} {} {}", look.symbols.dot, look.t(common::UNDO_HINT)));
    reply.effect(Effect::EditPassage(edit, summary));
}
