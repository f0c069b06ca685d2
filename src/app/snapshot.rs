//! What the interface knows of the project: plain data, read whole by the runtime.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::checked::Findings;
use super::symbols::SymbolSet;
use crate::document::{PageFlag, PassageSettings};
use crate::evaluate::Evaluation;
use crate::job::checking::CheckReport;
use crate::job::sweep::state::SweepState;
use crate::mix::MixReport;
use crate::pair::catalog::{Catalog, Digest, Judged, Place};
use crate::pair::{Language, ReviewState, Tool};
use crate::project::{
    Dismissal, DocumentId, DocumentRecord, ExampleId, MixSettings, PassageId, PassageRecord,
    StoredExample,
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
    /// Another program has the project open: nothing can be changed here.
    pub read_only: bool,
    /// Documents, oldest first.
    pub documents: Vec<DocumentRecord>,
    /// Pages whose text needs a warning.
    pub flagged_pages: Vec<FlaggedPage>,
    /// Passages of all documents, in document order.
    pub passages: Vec<PassageRecord>,
    /// All examples as lists need them, or the first ones while the others are being read.
    pub catalog: Catalog,
    /// Number of examples.
    pub example_count: usize,
    /// Runs, oldest first.
    pub runs: Vec<RunRecord>,
    /// Sweeps, by number.
    pub sweeps: Vec<SweepState>,
    /// Why the sweeps could not be read, where they could not.
    pub sweeps_unread: Option<String>,
    /// Evaluations, oldest first.
    pub evaluations: Vec<Evaluation>,
    /// Settings of the project.
    pub settings: Settings,
    /// Models that can be used without a download.
    pub models: Vec<InstalledModel>,
    /// Figures of the last mix, if one was made.
    pub mix: Option<MixReport>,
    /// Pools of general conversation that the user added, by name.
    pub pools: Vec<String>,
    /// Findings that a person judged to be no problem.
    pub dismissals: Vec<Dismissal>,
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
    /// How long passages are.
    pub passages: PassageSettings,
    /// Tools that pairs can offer.
    pub tools: Vec<Tool>,
    /// Search lines kept under names.
    pub filters: Vec<SavedFilter>,
}

/// A search line kept under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFilter {
    /// Its name.
    pub name: String,
    /// What is typed in the search line; see [`crate::pair::catalog::Query`].
    pub query: String,
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
            passages: PassageSettings::default(),
            tools: Vec::new(),
            filters: Vec::new(),
        }
    }
}

/// Changes that the store has made.
#[derive(Debug, Clone, PartialEq)]
pub enum Changes {
    /// The examples touched as they are now, none where one was removed.
    Rows(Vec<(ExampleId, Option<StoredExample>)>),
    /// More than is worth telling one by one; the project is read again.
    Many,
    /// What is judged to be no problem; all of it.
    Judged(Vec<Dismissal>),
}

/// What the last change touched.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Touched {
    /// Anything.
    #[default]
    All,
    /// Rows of the catalog; where others have not moved.
    Rows(Vec<Place>),
}

/// Changed examples that are judged anew at once; those beyond wait for the next check.
const JUDGED_AT_ONCE: usize = 500;
/// Examples that are kept whole at a time.
const WHOLE_MAX: usize = 64;

/// The snapshot with what is looked up often.
#[derive(Debug, Default)]
pub struct Data {
    /// The project as read.
    pub snapshot: Snapshot,
    /// All examples, as lists need them.
    pub catalog: Catalog,
    /// What changed last.
    pub touched: Touched,
    /// What the last check found, as far as it still holds.
    pub findings: Findings,
    /// All examples are being read on a thread of its own; what is edited meanwhile must be noted.
    reading: bool,
    /// Examples near the one that is looked at, whole.
    whole: HashMap<ExampleId, StoredExample>,
    passages: HashMap<PassageId, usize>,
    /// Examples about each passage, by state.
    about: HashMap<i64, [u32; 3]>,
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
    fn count_mut(&mut self, state: ReviewState) -> &mut usize {
        match state {
            ReviewState::Draft => &mut self.drafts,
            ReviewState::Accepted => &mut self.accepted,
            ReviewState::Rejected => &mut self.rejected,
        }
    }

    /// Share of pages with text that some pair is about, in percent.
    pub fn coverage_percent(&self) -> Option<usize> {
        (self.pages_covered * 100).checked_div(self.pages_with_text)
    }
}

impl Data {
    /// Takes over a snapshot. Where only its first examples were read, more from `before` stay.
    pub fn new(mut snapshot: Snapshot, before: Self) -> Self {
        let mut catalog = std::mem::take(&mut snapshot.catalog);
        let reading = catalog.len() < snapshot.example_count;
        if reading && catalog.len() < before.catalog.len() {
            catalog = before.catalog;
        }
        let findings = before.findings;
        let mut data = Self { snapshot, catalog, findings, reading, ..Self::default() };
        data.findings.dismiss(&data.snapshot.dismissals);
        data.passages = (data.snapshot.passages.iter().enumerate())
            .map(|(index, passage)| (passage.id, index))
            .collect();
        data.count_all();
        let found: Vec<i64> = data.findings.pairs().collect();
        data.judge(&found);
        data
    }

    /// Takes in what a check came to.
    pub fn checked(&mut self, report: &CheckReport) {
        let mut concerned: Vec<i64> = self.findings.pairs().collect();
        self.findings.take(report);
        concerned.extend(self.findings.pairs());
        self.judge(&concerned);
        self.touched = Touched::All;
    }

    /// Takes in what is judged to be no problem.
    pub fn dismiss(&mut self, dismissals: Vec<Dismissal>) {
        self.findings.dismiss(&dismissals);
        self.snapshot.dismissals = dismissals;
        let found: Vec<i64> = self.findings.pairs().collect();
        self.judge(&found);
        self.touched = Touched::All;
    }

    /// Writes into the catalog what was found about pairs.
    fn judge(&mut self, pairs: &[i64]) {
        for &pair in pairs {
            let Some(entry) = self.catalog.get(pair) else { continue };
            let found = self.findings.kinds(pair, entry.state());
            let judged = Judged { found, ..entry.judged() };
            self.catalog.set_judged(pair, judged);
        }
    }

    /// Takes over the examples once they have been read.
    pub fn set_catalog(&mut self, catalog: Catalog) {
        self.snapshot.example_count = catalog.len();
        (self.catalog, self.reading) = (catalog, false);
        self.touched = Touched::All;
        self.whole.clear();
        self.count_all();
        let found: Vec<i64> = self.findings.pairs().collect();
        self.judge(&found);
    }

    /// Whether some examples are still being read.
    pub fn is_partial(&self) -> bool {
        self.reading
    }

    /// Puts in examples that an edit touched; none removes the example.
    pub fn change(&mut self, changed: Vec<(ExampleId, Option<StoredExample>)>) {
        let mut places = Vec::new();
        let (mut moved, mut judged) = (false, 0);
        for (id, example) in changed {
            let before = self.catalog.find(id.0);
            self.count(id, false);
            if let Some(stored) = example {
                let passage = stored.passage.map(|passage| passage.0);
                let digest = Digest::new(id.0, passage, stored.state, &stored.example);
                let says_same = self.catalog.says(&digest);
                moved |= self.catalog.put(&digest);
                if !says_same && judged < JUDGED_AT_ONCE {
                    let record = stored.passage.and_then(|passage| self.passage(passage));
                    let page = record.map(|record| record.passage.in_full());
                    self.findings.changed(&stored, page.as_deref());
                    judged += 1;
                }
                self.judge(&[id.0]);
                if self.whole.contains_key(&id) {
                    self.whole.insert(id, stored);
                }
            } else {
                self.catalog.remove(id.0);
                self.whole.remove(&id);
            }
            self.count(id, true);
            places.extend(self.catalog.find(id.0).or(before));
        }
        if !self.reading {
            self.snapshot.example_count = self.catalog.len();
        }
        self.touched = if moved { Touched::All } else { Touched::Rows(places) };
        self.summary.pages_covered = self.covered_pages().len();
    }

    /// Keeps examples that were read whole.
    pub fn keep_whole(&mut self, examples: Vec<StoredExample>) {
        if self.whole.len() + examples.len() > WHOLE_MAX {
            self.whole.clear();
        }
        self.whole.extend(examples.into_iter().map(|stored| (stored.id, stored)));
    }

    /// A passage by key.
    pub fn passage(&self, id: PassageId) -> Option<&PassageRecord> {
        self.passages.get(&id).and_then(|&index| self.snapshot.passages.get(index))
    }

    /// Position of a passage in document order.
    pub fn passage_index(&self, id: PassageId) -> Option<usize> {
        self.passages.get(&id).copied()
    }

    /// A whole example by key, if it has been read; those near the one looked at have.
    pub fn example(&self, id: ExampleId) -> Option<&StoredExample> {
        self.whole.get(&id)
    }

    /// Number of examples about a passage in any state.
    pub fn pairs_about(&self, passage: PassageId) -> usize {
        self.about.get(&passage.0).map_or(0, |counts| counts.iter().sum::<u32>() as usize)
    }

    /// Number of examples about a passage in a state.
    pub fn pairs_in_state(&self, passage: PassageId, state: ReviewState) -> usize {
        self.about.get(&passage.0).map_or(0, |counts| counts[state as usize] as usize)
    }

    /// A document by key.
    pub fn document(&self, id: DocumentId) -> Option<&DocumentRecord> {
        self.snapshot.documents.iter().find(|document| document.id == id)
    }

    /// Pages that an example not rejected is about.
    pub fn covered_pages(&self) -> HashSet<(DocumentId, u32)> {
        let covers = |counts: &[u32; 3]| {
            counts[ReviewState::Draft as usize] + counts[ReviewState::Accepted as usize] > 0
        };
        (self.about.iter().filter(|(_, counts)| covers(counts)))
            .filter_map(|(&passage, _)| self.passage(PassageId(passage)))
            .filter(|passage| !passage.excluded)
            .map(|passage| (passage.document, passage.passage.page))
            .collect()
    }

    /// Counts one example in or out.
    fn count(&mut self, id: ExampleId, add: bool) {
        let Some(entry) = self.catalog.get(id.0) else { return };
        let (passage, state) = (entry.passage(), entry.state());
        let in_all = self.summary.count_mut(state);
        *in_all = if add { *in_all + 1 } else { in_all.saturating_sub(1) };
        if let Some(passage) = passage {
            let count = &mut self.about.entry(passage).or_default()[state as usize];
            *count = if add { *count + 1 } else { count.saturating_sub(1) };
        }
    }

    fn count_all(&mut self) {
        let with_text: HashSet<_> = (self.snapshot.passages.iter())
            .filter(|passage| !passage.excluded)
            .map(|passage| (passage.document, passage.passage.page))
            .collect();
        let mut summary = Summary {
            pages: self.snapshot.documents.iter().map(|document| document.pages).sum(),
            needs_ocr: self.snapshot.documents.iter().map(|document| document.needs_ocr).sum(),
            pages_with_text: with_text.len(),
            ..Summary::default()
        };
        self.about.clear();
        for (_, entry) in self.catalog.iter() {
            *summary.count_mut(entry.state()) += 1;
            if let Some(passage) = entry.passage() {
                self.about.entry(passage).or_default()[entry.state() as usize] += 1;
            }
        }
        self.summary = summary;
        self.summary.pages_covered = self.covered_pages().len();
    }
}
