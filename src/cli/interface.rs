//! `hone` without a subcommand: the interface over a project's store and the jobs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::app::Snapshot;
use crate::app::message::RenderedPart;
use crate::app::snapshot::{FlaggedPage, InstalledModel, Settings, UNSENT_KEYS};
use crate::failure::{Context as _, Result};
use crate::job::{self, Models, mixing};
use crate::model::{self, Codec, Places};
use crate::pair::{Edit, Example};
use crate::project::{DocumentId, ExampleId, Project, Store, StoredExample, run_folder};
use crate::train::TrainEvent;
use crate::tui::{self, Backend};

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
    let project = Project::open(folder)?;
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

impl ProjectBackend {
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
        let mut flagged_pages = Vec::new();
        for document in &documents {
            for page in store.pages(document.id)?.into_iter().filter(|page| !page.flags.is_empty())
            {
                flagged_pages.push(FlaggedPage {
                    document: document.id,
                    number: page.number,
                    flags: page.flags,
                });
            }
        }
        let mut unsent = Vec::new();
        for key in UNSENT_KEYS {
            if let Some(text) = store.unsent(key)? {
                unsent.push((key.to_owned(), text));
            }
        }
        Ok(Snapshot {
            project: self.project.name().to_owned(),
            documents,
            flagged_pages,
            passages: store.passages(None)?,
            examples: store.examples()?,
            runs: store.runs()?,
            evaluations: store.evaluations()?,
            settings: self.settings()?,
            models: Vec::new(),
            mix: store.setting(mixing::REPORT_KEY)?,
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

    fn apply(&mut self, edit: Edit) -> Result<Vec<(ExampleId, Option<StoredExample>)>> {
        let store = self.store();
        let ids = store.apply(edit)?;
        ids.into_iter().map(|id| Ok((id, store.example(id)?))).collect()
    }

    fn undo(&mut self) -> Result<Option<String>> {
        self.store().undo()
    }

    fn redo(&mut self) -> Result<Option<String>> {
        self.store().redo()
    }

    fn remove_document(&mut self, id: DocumentId) -> Result<()> {
        self.store().remove_document(id)
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
                parts.push(RenderedPart { text, trained });
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
