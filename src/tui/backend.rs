//! What the interface needs of the project's data.

use std::path::Path;

use serde_json::Value;

use crate::app::Snapshot;
use crate::app::message::{PairsPreview, RenderedPart};
use crate::app::snapshot::{Changes, InstalledModel};
use crate::failure::Result;
use crate::pair::catalog::Catalog;
use crate::pair::{Edit, Example};
use crate::project::{
    Dismissal, DocumentChanges, DocumentId, ExampleId, PassageEdit, StoredExample,
};
use crate::train::TrainEvent;

/// Reads all examples of a project; takes as long as it takes.
pub type CatalogReader = Box<dyn FnOnce() -> Result<Catalog> + Send>;

/// Reads and writes a project. Called on the interface's thread: every call must be short.
pub trait Backend {
    /// Reads the project. `models` may be left empty; they are asked for separately. `catalog` is left
    /// out where reading it takes long; then [`Backend::catalog_reader`] reads it.
    fn load(&mut self) -> Result<Snapshot>;

    /// Lists the models on this machine.
    fn models(&mut self) -> Result<Vec<InstalledModel>>;

    /// Reads the examples after a key. None where there are too many to wait for.
    fn added(&mut self, after: i64) -> Result<Option<Vec<StoredExample>>>;

    /// Makes what reads all examples on a thread of its own.
    fn catalog_reader(&mut self) -> CatalogReader;

    /// Reads examples whole; those that are gone are left out.
    fn examples(&mut self, ids: &[ExampleId]) -> Result<Vec<StoredExample>>;

    /// An example as it was before its text was last edited; none where it never was.
    fn before_last_edit(&mut self, id: ExampleId) -> Result<Option<Example>>;

    /// Applies an edit as one undoable unit.
    fn apply(&mut self, edit: Edit) -> Result<Changes>;

    /// Undoes the last edit and returns its summary and what changed; none when there is nothing to
    /// undo.
    fn undo(&mut self) -> Result<Option<(String, Changes)>>;

    /// Redoes the last undone edit and returns its summary and what changed; none when there is
    /// nothing to redo.
    fn redo(&mut self) -> Result<Option<(String, Changes)>>;

    /// Removes a document with its pages and passages.
    fn remove_document(&mut self, id: DocumentId) -> Result<()>;

    /// Edits passages as one undoable unit.
    fn edit_passage(&mut self, edit: &PassageEdit, summary: &str) -> Result<()>;

    /// Records that findings are no problem, as one undoable unit.
    fn dismiss(&mut self, dismissals: &[Dismissal], summary: &str) -> Result<Changes>;

    /// What the last version of a document changed; none where there was one version only.
    fn document_changes(&mut self, id: DocumentId) -> Result<Option<DocumentChanges>>;

    /// Keeps a setting: a field of [`crate::app::snapshot::Settings`] by its name.
    fn set_setting(&mut self, key: &str, value: &Value) -> Result<()>;

    /// Keeps text that is being typed.
    fn save_unsent(&mut self, key: &str, text: &str) -> Result<()>;

    /// Reads the beginning of a file of pairs; `mapping` gives columns by their meaning, as typed.
    fn preview(&mut self, path: &Path, mapping: &str) -> Result<PairsPreview>;

    /// Takes a pool of general conversation away.
    fn remove_pool(&mut self, name: &str) -> Result<()>;

    /// Reads the events of a run from its file; empty when it left none.
    fn run_events(&mut self, number: u32) -> Result<Vec<TrainEvent>>;

    /// Renders an example with a model's chat template and tells which parts are trained on.
    fn render(&mut self, model: &str, example: &Example) -> Result<Vec<RenderedPart>>;
}
