//! Rows of the store as the rest of the program sees them.

use serde::{Deserialize, Serialize};

use crate::document::Passage;
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
