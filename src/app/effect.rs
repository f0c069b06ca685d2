//! What the runtime must do, in the imperative: everything that [`super::App::update`] asks for.

use std::path::PathBuf;

use serde_json::Value;

use crate::job::{JobId, JobSpec};
use crate::pair::catalog::{Catalog, Query};
use crate::pair::{Edit, Example};
use crate::project::{Dismissal, DocumentId, ExampleId, PassageEdit};

/// Something to do outside the application's state.
#[expect(clippy::large_enum_variant, reason = "effects are moved once and never kept")]
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Start a job; its events come back under this id.
    Spawn(JobId, JobSpec),
    /// Ask a job to stop at its next safe point.
    Cancel(JobId),
    /// Apply an edit as one undoable unit.
    Apply(Edit),
    /// Read examples whole.
    ReadExamples(Vec<ExampleId>),
    /// Read an example as it was before its text was last edited.
    ReadBefore(ExampleId),
    /// List the rows of the catalog that fit a query; the answer carries the number.
    List(u64, Catalog, Query),
    /// Undo the last edit.
    Undo,
    /// Redo the last undone edit.
    Redo,
    /// Remove a document with its pages and passages.
    RemoveDocument(DocumentId),
    /// Edit passages as one undoable unit, with what undo shows for it.
    EditPassage(PassageEdit, String),
    /// Read what the last version of a document changed.
    ReadChanges(DocumentId),
    /// Record that findings are no problem, with what undo shows for it.
    Dismiss(Vec<Dismissal>, String),
    /// Keep a setting.
    SaveSetting(String, Value),
    /// Keep text that is being typed, under a key.
    SaveUnsent(&'static str, String),
    /// Open text in the outside editor.
    EditOutside(String),
    /// Put text on the clipboard.
    Copy(String),
    /// Read the project again.
    Reload,
    /// Read the project again, of the examples only those after this key.
    Refresh(i64),
    /// List the models on this machine.
    ListModels,
    /// List a folder.
    ListFolder(PathBuf),
    /// Read the beginning of a file of pairs, with columns by their meaning as typed.
    PreviewPairs(PathBuf, String),
    /// Take a pool of general conversation away, by its name.
    RemovePool(String),
    /// Render an example as a model, by name, reads it.
    Render(String, Box<Example>),
    /// Read the stored events of a run.
    ReadRun(u32),
    /// Leave the program.
    Quit,
}
