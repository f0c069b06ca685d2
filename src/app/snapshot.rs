//! What the interface knows of the project: plain data, read whole by the runtime.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::symbols::SymbolSet;
use crate::document::PageFlag;
use crate::evaluate::Evaluation;
use crate::mix::MixReport;
use crate::pair::{Language, ReviewState};
use crate::project::{
    DocumentId, DocumentRecord, ExampleId, MixSettings, PassageId, PassageRecord, StoredExample,
};
use crate::train::{Recipe, RunRecord};

/// Key of the pairs being written or edited and not saved.
pub const UNSENT_PAIRS: &str = "pairs";
/// Every key under which text that is being typed is kept.
pub const UNSENT_KEYS: [&str; 1] = [UNSENT_PAIRS];

/// The project as it was when last read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Project name.
    pub project: String,
    /// Documents, oldest first.
    pub documents: Vec<DocumentRecord>,
    /// Pages whose text needs a warning.
    pub flagged_pages: Vec<FlaggedPage>,
    /// Passages of all documents, in document order.
    pub passages: Vec<PassageRecord>,
    /// Examples, oldest first.
    pub examples: Vec<StoredExample>,
    /// Runs, oldest first.
    pub runs: Vec<RunRecord>,
    /// Evaluations, oldest first.
    pub evaluations: Vec<Evaluation>,
    /// Settings of the project.
    pub settings: Settings,
    /// Models that can be used without a download.
    pub models: Vec<InstalledModel>,
    /// Figures of the last mix, if one was made.
    pub mix: Option<MixReport>,
    /// Text that was being typed and not saved, by key.
    pub unsent: Vec<(String, String)>,
}

/// A page with flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlaggedPage {
    /// Document.
    pub document: DocumentId,
    /// Page number, from 1.
    pub number: u32,
    /// Its flags.
    pub flags: Vec<PageFlag>,
}

/// A model on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledModel {
    /// Name that commands take.
    pub name: String,
    /// Size on disk in bytes.
    pub bytes: u64,
}

/// Settings that the interface shows and changes. Each field is one setting of the project under
/// the field's name, JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Language of the interface; none follows the locale.
    pub language: Option<Language>,
    /// Symbols drawn.
    pub symbols: SymbolSet,
    /// Base model.
    pub model: Option<String>,
    /// Address of an OpenAI-compatible endpoint for drafting; empty for none.
    pub endpoint_url: String,
    /// Model name sent to the endpoint.
    pub endpoint_model: String,
    /// Pairs asked for, a passage.
    pub draft_count: usize,
    /// Training settings.
    pub recipe: Recipe,
    /// Mix settings.
    pub mix: MixSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            language: None,
            symbols: SymbolSet::default(),
            model: None,
            endpoint_url: String::new(),
            endpoint_model: String::new(),
            draft_count: 3,
            recipe: Recipe::default(),
            mix: MixSettings::default(),
        }
    }
}

/// The snapshot with what is looked up often.
#[derive(Debug, Default)]
pub struct Data {
    /// The project as read.
    pub snapshot: Snapshot,
    passages: HashMap<PassageId, usize>,
    examples: HashMap<ExampleId, usize>,
    by_passage: HashMap<PassageId, Vec<usize>>,
    /// Figures of the whole, for the top line and the home screen.
    pub summary: Summary,
}

/// Figures of the whole project.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Pages of all documents.
    pub pages: u32,
    /// Pages that need character recognition.
    pub needs_ocr: u32,
    /// Examples by state.
    pub accepted: usize,
    /// Examples that wait for review.
    pub drafts: usize,
    /// Refused examples.
    pub rejected: usize,
    /// Pages with passages.
    pub pages_with_text: usize,
    /// Of those, pages that an example not rejected is about.
    pub pages_covered: usize,
}

impl Summary {
    /// Share of pages with text that some pair is about, in percent.
    pub fn coverage_percent(&self) -> Option<usize> {
        (self.pages_covered * 100).checked_div(self.pages_with_text)
    }
}

impl Data {
    /// Takes over a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        let mut data = Self { snapshot, ..Self::default() };
        data.passages = (data.snapshot.passages.iter().enumerate())
            .map(|(index, passage)| (passage.id, index))
            .collect();
        data.index_examples();
        data
    }

    /// Puts in examples that an edit touched; none removes the example.
    pub fn change(&mut self, changed: Vec<(ExampleId, Option<StoredExample>)>) {
        let mut removed = HashSet::new();
        for (id, example) in changed {
            match (example, self.examples.get(&id)) {
                (Some(example), Some(&index)) => self.snapshot.examples[index] = example,
                (Some(example), None) => self.snapshot.examples.push(example),
                (None, _) => {
                    removed.insert(id);
                }
            }
        }
        if !removed.is_empty() {
            self.snapshot.examples.retain(|example| !removed.contains(&example.id));
        }
        self.index_examples();
    }

    /// The examples that are other than they were in `before`, in their order.
    pub fn changed_since(&self, before: &Self) -> Vec<ExampleId> {
        let other = |stored: &&StoredExample| before.example(stored.id) != Some(stored);
        self.snapshot.examples.iter().filter(other).map(|stored| stored.id).collect()
    }

    /// A passage by key.
    pub fn passage(&self, id: PassageId) -> Option<&PassageRecord> {
        self.passages.get(&id).and_then(|&index| self.snapshot.passages.get(index))
    }

    /// Position of a passage in document order.
    pub fn passage_index(&self, id: PassageId) -> Option<usize> {
        self.passages.get(&id).copied()
    }

    /// An example by key.
    pub fn example(&self, id: ExampleId) -> Option<&StoredExample> {
        self.examples.get(&id).and_then(|&index| self.snapshot.examples.get(index))
    }

    /// Examples about a passage.
    pub fn examples_of(&self, passage: PassageId) -> impl Iterator<Item = &StoredExample> {
        let indices = self.by_passage.get(&passage).map_or(&[][..], Vec::as_slice);
        indices.iter().filter_map(|&index| self.snapshot.examples.get(index))
    }

    /// A document by key.
    pub fn document(&self, id: DocumentId) -> Option<&DocumentRecord> {
        self.snapshot.documents.iter().find(|document| document.id == id)
    }

    /// Pages that an example not rejected is about.
    pub fn covered_pages(&self) -> HashSet<(DocumentId, u32)> {
        let rejected = ReviewState::Rejected;
        (self.snapshot.examples.iter().filter(|example| example.state != rejected))
            .filter_map(|example| self.passage(example.passage?))
            .map(|passage| (passage.document, passage.passage.page))
            .collect()
    }

    fn index_examples(&mut self) {
        self.examples.clear();
        self.by_passage.clear();
        for (index, example) in self.snapshot.examples.iter().enumerate() {
            self.examples.insert(example.id, index);
            if let Some(passage) = example.passage {
                self.by_passage.entry(passage).or_default().push(index);
            }
        }
        self.summary = self.summarize();
    }

    fn summarize(&self) -> Summary {
        let count =
            |state| self.snapshot.examples.iter().filter(|example| example.state == state).count();
        let with_text: HashSet<_> = (self.snapshot.passages.iter())
            .map(|passage| (passage.document, passage.passage.page))
            .collect();
        Summary {
            pages: self.snapshot.documents.iter().map(|document| document.pages).sum(),
            needs_ocr: self.snapshot.documents.iter().map(|document| document.needs_ocr).sum(),
            accepted: count(ReviewState::Accepted),
            drafts: count(ReviewState::Draft),
            rejected: count(ReviewState::Rejected),
            pages_with_text: with_text.len(),
            pages_covered: self.covered_pages().len(),
        }
    }
}
