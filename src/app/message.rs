//! What happened, in the past tense: everything that [`super::App::update`] hears of.

use std::path::PathBuf;
use std::time::Duration;

use ratatui::crossterm::event::{KeyEvent, MouseEvent};

use super::snapshot::{Changes, InstalledModel, Snapshot};
use crate::failure::Failure;
use crate::job::{JobEvent, JobId};
use crate::pair::catalog::{Catalog, Listing};
use crate::pair::{Example, Problem};
use crate::project::{DocumentChanges, ExampleId, StoredExample};
use crate::train::TrainEvent;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// The terminal has a new size, columns and rows.
    Resize(u16, u16),
    /// Time passed; the time since the program started. Sent while something moves or was typed.
    Tick(Duration),
    /// The project was read.
    Loaded(Box<Snapshot>),
    /// The project was read again; these examples are new.
    Refreshed(Box<Snapshot>, Vec<StoredExample>),
    /// The examples were read, while the rest of the project was in use already.
    CatalogRead(Catalog),
    /// Examples that were asked for.
    ExamplesRead(Vec<StoredExample>),
    /// An example as it was before its text was last edited; none where it never was.
    BeforeRead(ExampleId, Option<Box<Example>>),
    /// The rows that fit the query of this number.
    Listed(u64, Listing),
    /// An edit was applied.
    Changed(Changes),
    /// An undo was done: summary and changes of what was taken back, none when there was nothing.
    Undone(Option<(String, Changes)>),
    /// A redo was done: summary and changes of what was done again, none when there was nothing.
    Redone(Option<(String, Changes)>),
    /// What the last version of a document changed was read; none where there was one version only.
    ChangesRead(Option<Box<DocumentChanges>>),
    /// A job told something.
    Job(JobId, JobEvent),
    /// The models on this machine were listed.
    ModelsListed(Vec<InstalledModel>),
    /// A folder was listed.
    FolderListed {
        /// The folder.
        folder: PathBuf,
        /// What is in it, sorted.
        entries: Vec<FolderEntry>,
    },
    /// The beginning of a file of pairs was read, with a mapping as typed.
    PairsPreviewed(PathBuf, String, Result<Box<PairsPreview>, Failure>),
    /// The outside editor was left; the text it saved.
    EditedOutside(String),
    /// The rendered row of an example was made.
    Rendered(Vec<RenderedPart>),
    /// The stored events of a run were read.
    RunRead(u32, Vec<TrainEvent>),
    /// An effect failed.
    Failed(Failure),
    /// The process was asked to end.
    Terminated,
}

/// What a file of pairs holds, as far as its beginning tells.
#[derive(Debug, Clone, PartialEq)]
pub struct PairsPreview {
    /// What it was taken for: `CSV, question=Q, answer=A`.
    pub read_as: String,
    /// What places in the file count: "line" or "row".
    pub place: &'static str,
    /// First examples with their places.
    pub rows: Vec<(usize, Example)>,
    /// Rows examined.
    pub examined: usize,
    /// What is wrong with them.
    pub problems: Vec<Problem>,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    /// File name, NFC.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// A piece of an example as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedPart {
    /// Text with the template's marks.
    pub text: String,
    /// Whether its tokens are trained on.
    pub trained: bool,
    /// Number of its tokens.
    pub tokens: usize,
}
