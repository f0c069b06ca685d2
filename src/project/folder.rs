//! The project folder: manifest, lock, store and runs.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::Store;
use super::backup::Running;
use super::lock::Lock;
use crate::failure::{Context as _, Failure, Result};
use crate::whole_file::write_whole;

const MANIFEST: &str = "hone.toml";
const STORE: &str = "store.sqlite";
const RUNS: &str = "runs";
const VERSION: u32 = 1;

/// What `hone.toml` holds. Unknown keys are left alone.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    name: String,
}

/// An open project folder. One writer at a time: a lock file is held while it is open for writing.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    name: String,
    store: Store,
    /// None where another process holds it and this one only reads.
    lock: Option<Lock>,
    _backup: Option<Running>,
}

/// The folder of a run in the project at `folder`: events, checkpoint, adapters, reports.
pub fn run_folder(folder: &Path, number: u32) -> PathBuf {
    folder.join(RUNS).join(format!("{number:04}"))
}

impl Project {
    /// Makes the folder where needed, and in it the manifest, an empty store and `runs/`.
    ///
    /// # Errors
    /// When the folder already is a project, or cannot be written.
    pub fn create(folder: &Path, name: &str) -> Result<Self> {
        let manifest = folder.join(MANIFEST);
        if manifest.exists() {
            return Err(Failure::user(format!("{}: already a project", folder.display()))
                .hint("open it, or choose another folder"));
        }
        let name: String = name.trim().nfc().collect();
        if name.is_empty() {
            return Err(
                Failure::user("the project's name is empty").hint("give one: `--name NAME`")
            );
        }
        fs::create_dir_all(folder.join(RUNS))
            .because(folder.display())
            .map_err(|failure| failure.hint("check the path and that you may write there"))?;
        let lock = Lock::take(folder)?;
        let store = Store::open(&folder.join(STORE))?;
        // Last, because the manifest is what makes the folder a project.
        let text = toml::to_string(&Manifest { version: VERSION, name: name.clone() })
            .map_err(|error| Failure::defect(format!("{}: {error}", manifest.display())))?;
        write_whole(&manifest, text.as_bytes())?;
        Ok(Self { folder: folder.to_owned(), name, store, lock: Some(lock), _backup: None })
    }

    /// Opens a project for writing and brings its store to the current version.
    ///
    /// # Errors
    /// When the folder is no project, is of a newer version, is open in another process, or its
    /// store is damaged.
    pub fn open(folder: &Path) -> Result<Self> {
        let manifest = read_manifest(folder)?;
        let lock = Lock::take(folder)?;
        let path = store_path(folder)?;
        let store = Store::open(&path)?;
        let backup = store.refresh_backup()?;
        let (folder, name) = (folder.to_owned(), manifest.name);
        Ok(Self { folder, name, store, lock: Some(lock), _backup: backup })
    }

    /// Opens a project for writing, or where another process has it open, for reading only.
    ///
    /// # Errors
    /// As for [`Project::open`], but for a project that is open in another process.
    pub fn open_or_read(folder: &Path) -> Result<Self> {
        if !Lock::is_held(folder) {
            return Self::open(folder);
        }
        let name = read_manifest(folder)?.name;
        let store = Self::reopen(folder)?;
        store.forbid_writing()?;
        Ok(Self { folder: folder.to_owned(), name, store, lock: None, _backup: None })
    }

    /// Whether another process has the project open, so that this one can only read.
    pub fn is_read_only(&self) -> bool {
        self.lock.is_none()
    }

    /// `start` or its nearest ancestor that is a project.
    pub fn find(start: &Path) -> Option<PathBuf> {
        let start = std::path::absolute(start).ok()?;
        start.ancestors().find(|folder| folder.join(MANIFEST).is_file()).map(Path::to_owned)
    }

    /// A further connection to the store, for a thread of the process that has the project open, or
    /// for reading while another process has. Takes no lock and changes no version.
    pub fn reopen(folder: &Path) -> Result<Store> {
        read_manifest(folder)?;
        Store::reopen(&store_path(folder)?)
    }

    /// The project's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The project's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where run `number` keeps its events, checkpoint and adapter: `runs/0001`. May not exist yet.
    pub fn run_folder(&self, number: u32) -> PathBuf {
        run_folder(&self.folder, number)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

fn read_manifest(folder: &Path) -> Result<Manifest> {
    let path = folder.join(MANIFEST);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::user(format!("{}: not a project", folder.display()))
                .hint("make one with `hone new FOLDER`, or go to a folder that has a hone.toml"));
        }
        Err(error) => return Err(Failure::user(format!("{}: {error}", path.display()))),
    };
    let manifest: Manifest = toml::from_str(&text).because(path.display()).map_err(|failure| {
        failure.hint("it needs two lines: `version = 1` and `name = \"...\"`")
    })?;
    if manifest.version > VERSION {
        return Err(Failure::user(format!(
            "{}: the project is of version {}; this program knows versions up to {VERSION}",
            path.display(),
            manifest.version
        ))
        .hint("update `hone`"));
    }
    Ok(manifest)
}

fn store_path(folder: &Path) -> Result<PathBuf> {
    let path = folder.join(STORE);
    if path.is_file() {
        return Ok(path);
    }
    let failure = Failure::user(format!("{}: the store is missing", path.display()));
    let copy = super::backup::path(&path);
    Err(if copy.is_file() {
        failure.hint(format!("a copy is {}; rename it to {STORE}", copy.display()))
    } else {
        failure.hint("put it back from your own backup, or start anew with `hone new`")
    })
}
