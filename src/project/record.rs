//! Rows of the store as the rest of the program sees them.

use serde::{Deserialize, Serialize};

use crate::document::Passage;
use crate::pair::{Example, Language, ReviewState};

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

/// How the training set is put together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MixSettings {
    /// Share of general conversation, counted in tokens, 0 to 0.9.
    pub general_share: f64,
    /// Languages taken from the general pool.
    pub general_languages: Vec<Language>,
    /// Share of pages kept for validation.
    pub validation_share: f64,
    /// Share of pages kept for testing.
    pub test_share: f64,
    /// Seed of selection and order.
    pub seed: u64,
}

impl Default for MixSettings {
    fn default() -> Self {
        Self {
            general_share: 0.15,
            general_languages: vec![Language::Korean, Language::English],
            validation_share: 0.08,
            test_share: 0.12,
            seed: 1,
        }
    }
}
