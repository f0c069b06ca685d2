//! What the interface needs of the project's data.

use serde_json::Value;

use crate::app::Snapshot;
use crate::app::message::RenderedPart;
use crate::app::snapshot::InstalledModel;
use crate::failure::Result;
use crate::pair::{Edit, Example};
use crate::project::{DocumentId, ExampleId, StoredExample};
use crate::train::TrainEvent;

/// Reads and writes a project. Called on the interface's thread: every call must be short.
pub trait Backend {
    /// Reads the project whole. `models` may be left empty; they are asked for separately.
    fn load(&mut self) -> Result<Snapshot>;

    /// Lists the models on this machine.
    fn models(&mut self) -> Result<Vec<InstalledModel>>;

    /// Applies an edit as one undoable unit and returns the examples it touched as they are now,
    /// none for one that is gone.
    fn apply(&mut self, edit: Edit) -> Result<Vec<(ExampleId, Option<StoredExample>)>>;

    /// Undoes the last edit and returns its summary; none when there is nothing to undo.
    fn undo(&mut self) -> Result<Option<String>>;

    /// Redoes the last undone edit and returns its summary; none when there is nothing to redo.
    fn redo(&mut self) -> Result<Option<String>>;

    /// Removes a document with its pages and passages.
    fn remove_document(&mut self, id: DocumentId) -> Result<()>;

    /// Keeps a setting: a field of [`crate::app::snapshot::Settings`] by its name.
    fn set_setting(&mut self, key: &str, value: &Value) -> Result<()>;

    /// Keeps text that is being typed.
    fn save_unsent(&mut self, key: &str, text: &str) -> Result<()>;

    /// Reads the events of a run from its file; empty when it left none.
    fn run_events(&mut self, number: u32) -> Result<Vec<TrainEvent>>;

    /// Renders an example with a model's chat template and tells which parts are trained on.
    fn render(&mut self, model: &str, example: &Example) -> Result<Vec<RenderedPart>>;
}
