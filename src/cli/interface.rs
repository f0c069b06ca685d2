//! `hone` without a subcommand: the interface over a project's store and the jobs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::app::Snapshot;
use crate::app::message::{PairsPreview, RenderedPart};
use crate::app::snapshot::{Changes, FlaggedPage, InstalledModel, Settings, UNSENT_KEYS};
use crate::failure::{Context as _, Failure, Result};
use crate::job::sweep::state;
use crate::job::{self, Models, mixing};
use crate::model::{self, Codec, Places};
use crate::pair::catalog::Catalog;
use crate::pair::{Edit, Example};
use crate::project::exchange;
use crate::project::pair_file::ReadAs;
use crate::project::{
    Dismissal, DocumentChanges, DocumentId, ExampleId, KeyRange, PassageEdit, Project, Store,
    StoredExample, Undone, run_folder,
};
use crate::train::TrainEvent;
use crate::tui::{self, Backend, CatalogReader};

/// Opens the interface on the project at `folder` until the user leaves it.
///
/// # Errors
/// When the project cannot be opened or there is no terminal.
pub fn open(folder: PathBuf) -> Result<()> {
    let options = options(&folder)?;
    tui::run(folder, options)
}

/// What the interface is started with on the project at `folder`: its store and the real jobs.
///
/// # Errors
/// When the project cannot be opened.
pub fn options(folder: &Path) -> Result<tui::Options> {
    let project = Project::open_or_read(folder)?;
    let models = Arc::new(Models::default());
    Ok(tui::Options {
        backend: Box::new(ProjectBackend { project, codec: None }),
        runner: Arc::new(move |spec, folder: &Path, cancel, on_event| {
            job::run(&spec, folder, &models, cancel, on_event)
        }),
        language: None,
        symbols: None,
        mouse: true,
    })
}

/// The interface's view of a project's store.
struct ProjectBackend {
    project: Project,
    /// Tokenizer and template of the model last rendered with.
    codec: Option<(String, Codec)>,
}

/// Examples read before the first screen; more are read beside it.
const AT_ONCE_MAX: usize = 4_096;
/// New examples that are worth waiting for.
const ADDED_MAX: usize = 10_000;
/// Rows that a preview of a file shows.
const PREVIEW_ROWS: usize = 5;
/// Changed examples that are told one by one.
const CHANGES_MAX: usize = 20_000;

/// Reads all examples, a part of them on each core, each over a connection of its own.
fn read_catalog(folder: &Path, model: Option<&str>) -> Result<Catalog> {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(4));
    let ranges = Project::reopen(folder)?.key_ranges(threads)?;
    let parts: Vec<Result<Catalog>> = std::thread::scope(|scope| {
        let reads: Vec<_> = (ranges.into_iter())
            .map(|range| {
                scope.spawn(move || Project::reopen(folder)?.catalog(range, usize::MAX, model))
            })
            .collect();
        let joined = reads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|part| part.unwrap_or_else(|_| Err(Failure::defect("reading failed")))).collect()
    });
    let mut whole = Catalog::default();
    for part in parts {
        whole.append(part?);
    }
    Ok(whole)
}

impl ProjectBackend {
    /// What became of examples.
    fn changes(&self, touched: &[ExampleId]) -> Result<Changes> {
        // Whole files and passages come and go without naming every example.
        if touched.is_empty() || touched.len() > CHANGES_MAX {
            return Ok(Changes::Many);
        }
        let store = self.store();
        let rows = touched.iter().map(|&id| Ok((id, store.example(id)?)));
        Ok(Changes::Rows(rows.collect::<Result<_>>()?))
    }

    /// What was undone or redone, and what became of it.
    fn told(&self, done: Undone) -> Result<(String, Changes)> {
        let changes = if done.judged {
            Changes::Judged(self.store().dismissals()?)
        } else {
            self.changes(&done.touched)?
        };
        Ok((done.summary, changes))
    }

    /// The model whose measures are shown: the project's, or the one that measured last.
    fn model(&self) -> Result<Option<String>> {
        match self.store().setting(mixing::MODEL_KEY)? {
            Some(model) => Ok(Some(model)),
            None => self.store().measured_last(),
        }
    }

    fn store(&self) -> &Store {
        self.project.store()
    }

    fn settings(&self) -> Result<Settings> {
        let defaults = Settings::default();
        let store = self.store();
        Ok(Settings {
            language: store.setting("language")?.unwrap_or(defaults.language),
            symbols: store.setting("symbols")?.unwrap_or(defaults.symbols),
            model: store.setting(mixing::MODEL_KEY)?,
            endpoint_url: store.setting("endpoint_url")?.unwrap_or(defaults.endpoint_url),
            endpoint_model: store.setting("endpoint_model")?.unwrap_or(defaults.endpoint_model),
            draft_count: store.setting("draft_count")?.unwrap_or(defaults.draft_count),
            recipe: store.setting(super::train::RECIPE_KEY)?.unwrap_or(defaults.recipe),
            mix: store.setting(mixing::SETTINGS_KEY)?.unwrap_or(defaults.mix),
            passages: job::documents::settings(store)?,
            tools: store.setting("tools")?.unwrap_or(defaults.tools),
            filters: store.setting("filters")?.unwrap_or(defaults.filters),
        })
    }

    fn codec(&mut self, name: &str) -> Result<&Codec> {
        if self.codec.as_ref().is_none_or(|(known, _)| known != name) {
            self.codec = None;
        }
        let (_, codec) = match self.codec.take() {
            Some(known) => self.codec.insert(known),
            None => self.codec.insert((name.to_owned(), model::open(name)?.codec)),
        };
        Ok(codec)
    }
}

impl Backend for ProjectBackend {
    fn load(&mut self) -> Result<Snapshot> {
        let store = self.store();
        let documents = store.documents()?;
        let flagged = store.flagged_pages()?.into_iter();
        let flagged_pages =
            flagged.map(|(document, number, flags)| FlaggedPage { document, number, flags });
        let mut unsent = Vec::new();
        for key in UNSENT_KEYS {
            if let Some(text) = store.unsent(key)? {
                unsent.push((key.to_owned(), text));
            }
        }
        // A sweep that cannot be read must not keep anyone from the rest of the project.
        let (sweeps, sweeps_unread) = match state::sweeps(self.project.folder()) {
            Ok(sweeps) => (sweeps, None),
            Err(failure) => (Vec::new(), Some(failure.message)),
        };
        Ok(Snapshot {
            project: self.project.name().to_owned(),
            read_only: self.project.is_read_only(),
            documents,
            flagged_pages: flagged_pages.collect(),
            passages: store.passages(None)?,
            catalog: store.catalog(KeyRange::after(0), AT_ONCE_MAX, self.model()?.as_deref())?,
            example_count: store.example_count()?,
            runs: store.runs()?,
            sweeps,
            sweeps_unread,
            evaluations: store.evaluations()?,
            settings: self.settings()?,
            models: Vec::new(),
            mix: store.setting(mixing::REPORT_KEY)?,
            dismissals: store.dismissals()?,
            pools: store.pool_names()?,
            unsent,
        })
    }

    fn models(&mut self) -> Result<Vec<InstalledModel>> {
        // A damaged entry is left out here; `hone model list` says what is wrong with it.
        let (manifests, _) = model::registry::list(&Places::from_environment()?)?;
        Ok(manifests
            .into_iter()
            .map(|manifest| InstalledModel {
                bytes: weight_bytes(&manifest.path),
                name: manifest.name,
            })
            .collect())
    }

    fn added(&mut self, after: i64) -> Result<Option<Vec<StoredExample>>> {
        self.store().examples_after(after, ADDED_MAX)
    }

    fn catalog_reader(&mut self) -> CatalogReader {
        let folder = self.project.folder().to_owned();
        let model = self.model();
        Box::new(move || read_catalog(&folder, model?.as_deref()))
    }

    fn examples(&mut self, ids: &[ExampleId]) -> Result<Vec<StoredExample>> {
        let store = self.store();
        let read = ids.iter().map(|&id| store.example(id));
        Ok(read.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn before_last_edit(&mut self, id: ExampleId) -> Result<Option<Example>> {
        self.store().before_last_edit(id)
    }

    fn apply(&mut self, edit: Edit) -> Result<Changes> {
        let touched = self.store().apply(edit)?;
        self.changes(&touched)
    }

    fn undo(&mut self) -> Result<Option<(String, Changes)>> {
        let undone = self.store().undo()?;
        undone.map(|done| self.told(done)).transpose()
    }

    fn redo(&mut self) -> Result<Option<(String, Changes)>> {
        let redone = self.store().redo()?;
        redone.map(|done| self.told(done)).transpose()
    }

    fn remove_document(&mut self, id: DocumentId) -> Result<()> {
        self.store().remove_document(id)
    }

    fn edit_passage(&mut self, edit: &PassageEdit, summary: &str) -> Result<()> {
        self.store().edit_passage(edit, summary)
    }

    fn dismiss(&mut self, dismissals: &[Dismissal], summary: &str) -> Result<Changes> {
        self.store().dismiss(dismissals, summary)?;
        Ok(Changes::Judged(self.store().dismissals()?))
    }

    fn document_changes(&mut self, id: DocumentId) -> Result<Option<DocumentChanges>> {
        self.store().document_changes(id)
    }

    fn set_setting(&mut self, key: &str, value: &Value) -> Result<()> {
        self.store().set_setting(key, value)
    }

    fn save_unsent(&mut self, key: &str, text: &str) -> Result<()> {
        if text.is_empty() {
            self.store().clear_unsent(key)
        } else {
            self.store().save_unsent(key, text)
        }
    }

    fn preview(&mut self, path: &Path, mapping: &str) -> Result<PairsPreview> {
        let read_as = ReadAs { format: None, mapping: job::mapping(mapping)? };
        let preview = exchange::preview(path, &read_as, PREVIEW_ROWS)?;
        Ok(PairsPreview {
            read_as: preview.file.description(),
            place: preview.file.container.counts(),
            rows: preview.rows,
            examined: preview.examined,
            problems: preview.problems,
        })
    }

    fn remove_pool(&mut self, name: &str) -> Result<()> {
        self.store().remove_pool(name)
    }

    fn run_events(&mut self, number: u32) -> Result<Vec<TrainEvent>> {
        let path = run_folder(self.project.folder(), number).join("events.jsonl");
        if !path.is_file() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&path).because(path.display())?;
        // The last line may have been cut by a crash.
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    fn render(&mut self, model: &str, example: &Example) -> Result<Vec<RenderedPart>> {
        let codec = self.codec(model)?;
        let encoded = codec.encode(example)?;
        let mut parts = Vec::new();
        let mut start = 0;
        for end in 1..=encoded.ids.len() {
            let trained = encoded.labels[start];
            if end == encoded.ids.len() || encoded.labels[end] != trained {
                let text = codec.tokenizer().decode_all(&encoded.ids[start..end]);
                parts.push(RenderedPart { text, trained, tokens: end - start });
                start = end;
            }
        }
        Ok(parts)
    }
}

/// Size of a model's weight files.
fn weight_bytes(path: &Path) -> u64 {
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    if path.is_file() {
        return size(path);
    }
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
        .map(|path| size(&path))
        .sum()
}
