//! A project folder: the SQLite store of documents, pairs, edits, runs and evaluations.

pub mod record;

pub use record::{
    DocumentId, DocumentRecord, ExampleId, MixSettings, PassageId, PassageRecord, StoredExample,
};
