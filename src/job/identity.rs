//! What a model and an adapter are, as hashes of their files.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest as _, Sha256};

use super::loaded::Loaded;
use crate::digest::hexadecimal;
use crate::failure::{Context as _, Failure, Result};
use crate::model::hub;
use crate::project::AnswerStore;

/// Files of a model that decide what it answers.
const DECIDE: &[&str] = &["safetensors", "gguf", "json", "jinja", "model"];

/// The SHA-256 over the files of a model: weights, configuration, tokenizer and template.
pub(super) fn model(loaded: &Loaded, store: &AnswerStore) -> Result<String> {
    folder(&loaded.path, store)
}

/// The SHA-256 over a file, or over the files of a folder that decide what a model answers.
pub(super) fn folder(path: &Path, store: &AnswerStore) -> Result<String> {
    let mut files: Vec<PathBuf> = if path.is_dir() {
        let entries = fs::read_dir(path).because(path.display())?;
        entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
    } else {
        vec![path.to_owned()]
    };
    files.retain(|file| {
        let end = file.extension().and_then(|end| end.to_str());
        file.is_file() && end.is_some_and(|end| DECIDE.contains(&end))
    });
    files.sort();
    let mut all = Sha256::new();
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        all.update(format!("{name} {}\n", sha256(file, store)?));
    }
    Ok(hexadecimal(&all.finalize()))
}

fn sha256(file: &Path, store: &AnswerStore) -> Result<String> {
    // A snapshot of a hub's cache holds links.
    let file = fs::canonicalize(file).because(file.display())?;
    let data = fs::metadata(&file).because(file.display())?;
    let modified = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.map_or(0, |time| time.as_nanos() as i64);
    if let Some(known) = store.known_sha256(&file, data.len(), modified)? {
        return Ok(known);
    }
    let found =
        hub::sha256(&file, &mut |_| ControlFlow::Continue(())).map_err(
            |trouble| match trouble {
                hub::Trouble::Storage(failure) => failure,
                _ => Failure::user(format!("{}: cannot be read", file.display())),
            },
        )?;
    store.remember_sha256(&file, data.len(), modified, &found)?;
    Ok(found)
}
