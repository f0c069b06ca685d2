//! What a project's pairs are, in numbers.

use std::collections::BTreeMap;

use super::export::for_each;
use crate::failure::Result;
use crate::pair::{Example, Language, ReviewState};
use crate::progress::OnProgress;
use crate::project::{DocumentRecord, Store};

/// Counts of draft, accepted and rejected pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct States {
    /// Not judged yet.
    pub draft: usize,
    /// Accepted.
    pub accepted: usize,
    /// Rejected.
    pub rejected: usize,
}

impl States {
    fn count(&mut self, state: ReviewState) {
        match state {
            ReviewState::Draft => self.draft += 1,
            ReviewState::Accepted => self.accepted += 1,
            ReviewState::Rejected => self.rejected += 1,
        }
    }

    /// Share of accepted among those judged; none while none is.
    pub fn acceptance(&self) -> Option<f64> {
        let judged = self.accepted + self.rejected;
        (judged > 0).then(|| self.accepted as f64 / judged as f64)
    }
}

/// Figures of a project's pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// Documents of the project.
    pub documents: Vec<DocumentRecord>,
    /// Pairs by the document they name.
    pub by_document: BTreeMap<String, States>,
    /// Pairs by kind (domain, tools, tools and several turns ...) and language.
    pub by_kind: BTreeMap<(&'static str, &'static str), States>,
    /// Pairs by who wrote them; the empty name stands for unknown.
    pub by_author: BTreeMap<String, States>,
    /// Drafts by the prompt recorded with them under `meta.prompt`.
    pub prompts: BTreeMap<String, usize>,
    /// Rejected pairs by the reason recorded with them under `meta.reason`.
    pub reasons: BTreeMap<String, usize>,
}

impl Figures {
    /// Counts all pairs of a project; none when it was stopped.
    pub fn gather(store: &Store, on_progress: &mut OnProgress<'_>) -> Result<Option<Self>> {
        let mut figures = Self { documents: store.documents()?, ..Self::default() };
        let flow = for_each(store, None, on_progress, |_, example| {
            figures.count(&example);
            Ok(())
        })?;
        Ok(flow.is_continue().then_some(figures))
    }

    fn count(&mut self, example: &Example) {
        let meta = &example.meta;
        let state = meta.state.unwrap_or_default();
        let turns = example.messages.iter().filter(|m| m.role == crate::pair::Role::User).count();
        let kind = match (example.calls().next().is_some(), example.tools.is_empty(), turns) {
            (true, _, _) => "with calls of tools",
            (false, false, _) => "tools offered, none called",
            (false, true, ..=1) => "question and answer",
            (false, true, _) => "conversation of several turns",
        };
        let language = match example.language() {
            Language::Korean => "ko",
            Language::English => "en",
        };
        self.by_kind.entry((kind, language)).or_default().count(state);
        self.by_author.entry(meta.author.clone().unwrap_or_default()).or_default().count(state);
        if let Some(document) = &meta.document {
            self.by_document.entry(document.clone()).or_default().count(state);
        }
        let text = |key: &str| meta.other.get(key).and_then(serde_json::Value::as_str);
        if let Some(prompt) = text("prompt") {
            *self.prompts.entry(prompt.to_owned()).or_default() += 1;
        }
        if state == ReviewState::Rejected {
            let reason = text("reason").unwrap_or_default();
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
        }
    }
}
