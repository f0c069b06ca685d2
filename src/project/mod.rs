//! A project folder: the SQLite store of documents, pairs, edits, runs and evaluations.
//!
//! One process writes at a time (a lock file says which); its job threads use connections of their
//! own, see [`Project::reopen`]. Every method of [`Store`] is one transaction.

mod answer_cache;
mod attach;
mod backup;
mod catalog;
mod document;
pub mod exchange;
mod failures;
mod folder;
mod history;
mod import;
mod judgements;
mod lock;
pub mod pair_file;
mod passage;
pub mod pools;
pub mod record;
mod runs;
mod schema;
mod settings;
mod store;
pub mod suites;

pub use answer_cache::AnswerStore;
pub use catalog::KeyRange;
pub use folder::{Project, run_folder};
pub use history::Undone;
pub use judgements::{Dismissal, Measure};
pub use passage::PassageEdit;
pub use record::{
    ChangedPassage, DocumentChanges, DocumentId, DocumentRecord, ExampleId, ImportKind, Imported,
    MixSettings, PassageId, PassageRecord, StoredExample,
};
pub use store::Store;

#[cfg(test)]
mod tests;
