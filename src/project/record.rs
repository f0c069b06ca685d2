//! Rows of the store as the rest of the program sees them.

use serde::{Deserialize, Serialize};

use crate::document::{DiffPart, Passage};
use crate::pair::{Example, ReviewState};

/// How the training set is put together.
pub use crate::mix::Settings as MixSettings;

/// Key of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DocumentId(pub i64);

/// Key of a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PassageId(pub i64);

/// Key of an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExampleId(pub i64);

/// A document without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRecord {
    /// Key.
    pub id: DocumentId,
    /// File name, NFC.
    pub name: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Number of pages.
    pub pages: u32,
    /// Number of passages.
    pub passages: u32,
    /// Pages flagged as needing character recognition.
    pub needs_ocr: u32,
    /// Unix seconds.
    pub added: i64,
}

/// A passage with its key and document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageRecord {
    /// Key.
    pub id: PassageId,
    /// Document it is from.
    pub document: DocumentId,
    /// Page, span and text.
    pub passage: Passage,
    /// Left out of drafting and coverage.
    #[serde(default)]
    pub excluded: bool,
}

/// What came of adding a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The document.
    pub id: DocumentId,
    /// Whether it was there.
    pub kind: ImportKind,
    /// What changed, where a version was replaced.
    pub changes: DocumentChanges,
}

/// Whether a document that was added had been there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportKind {
    /// It was there as it is; nothing was changed.
    Same,
    /// It is new.
    New,
    /// It took the place of the version that was there.
    Replaced,
}

/// What a new version of a document changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DocumentChanges {
    /// Passages with the same text.
    pub unchanged: usize,
    /// Passages whose text was changed.
    pub changed: Vec<ChangedPassage>,
    /// Passages that were not there before.
    pub new: Vec<PassageId>,
    /// Passages that are no longer there.
    pub gone: Vec<Passage>,
    /// Examples whose passage was found again.
    pub pairs_kept: usize,
    /// Examples whose quote or passage is no longer there; they stay, without a passage.
    pub pairs_lost: usize,
}

/// A passage whose text was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedPassage {
    /// What it is now.
    pub passage: PassageId,
    /// What it was.
    pub was: Passage,
    /// How the two texts differ.
    pub diff: Vec<DiffPart>,
}

/// An example in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredExample {
    /// Key.
    pub id: ExampleId,
    /// Review state; the truth, whatever `example.meta.state` says.
    pub state: ReviewState,
    /// Passage it is about, if known.
    pub passage: Option<PassageId>,
    /// The example itself.
    pub example: Example,
}
