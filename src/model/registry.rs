//! The models this program knows: short names, and a small manifest for each one installed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::{Context, Failure, Result};
use crate::model::Places;
use crate::model::open::{self, Kind};

/// Short names and the hub repositories they stand for.
pub const SHORT_NAMES: [(&str, &str); 6] = [
    ("smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct"),
    ("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B-Instruct"),
    ("qwen2.5-1.5b", "Qwen/Qwen2.5-1.5B-Instruct"),
    ("qwen3-0.6b", "Qwen/Qwen3-0.6B"),
    ("gemma-3-270m", "google/gemma-3-270m-it"),
    ("gemma-3-1b", "google/gemma-3-1b-it"),
];

/// Name of a manifest in a model's own folder.
const MANIFEST: &str = "model.json";
const VERSION: u32 = 1;

/// What is recorded about an installed model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this file's format.
    pub version: u32,
    /// The name it is opened by.
    pub name: String,
    /// How it is stored.
    pub kind: Kind,
    /// The GGUF file or the folder; relative to the manifest's own folder when inside it.
    pub path: PathBuf,
    /// Where it came from.
    pub source: String,
}

impl Manifest {
    /// Makes a manifest of the present version.
    pub fn new(name: &str, kind: Kind, path: &Path, source: &str) -> Self {
        Self {
            version: VERSION,
            name: name.to_owned(),
            kind,
            path: path.to_owned(),
            source: source.to_owned(),
        }
    }
}

/// The hub repository a name stands for: a short name's, or "owner/name" itself.
pub fn repository(name: &str) -> Option<String> {
    if let Some((_, repository)) = SHORT_NAMES.iter().find(|(short, _)| *short == name) {
        return Some((*repository).to_owned());
    }
    let (owner, rest) = name.split_once('/')?;
    (is_plain(owner) && is_plain(rest)).then(|| name.to_owned())
}

/// The folder name of a model; `None` when the name could lead out of the model folder.
pub fn slug(name: &str) -> Option<String> {
    let slug = name.replace('/', "--");
    let short = SHORT_NAMES.iter().find(|(_, repository)| *repository == name);
    let slug = short.map_or(slug, |(short, _)| (*short).to_owned());
    (name.matches('/').count() <= 1 && is_plain(&slug)).then_some(slug)
}

fn is_plain(part: &str) -> bool {
    let usual = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !part.is_empty() && part.len() <= 200 && !part.starts_with('.') && part.chars().all(usual)
}

/// Reads the manifest of one installed model, with its path made absolute.
///
/// # Errors
/// Names the manifest when it is malformed or of a later version.
pub fn load(places: &Places, slug: &str) -> Result<Option<Manifest>> {
    let folder = places.models.join(slug);
    let path = folder.join(MANIFEST);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::user(format!("{}: {error}", path.display()))),
    };
    let mut manifest: Manifest = serde_json::from_slice(&bytes)
        .because(path.display())
        .map_err(|failure| failure.hint("Remove the file and get or add the model again."))?;
    if manifest.version > VERSION {
        return Err(Failure::user(format!(
            "{}: written by a later version of hone",
            path.display()
        )));
    }
    manifest.path = folder.join(&manifest.path);
    Ok(Some(manifest))
}

/// Lists installed models by name, those whose files are gone included, and after them what is
/// wrong with manifests that cannot be read.
///
/// # Errors
/// When the model folder is there and cannot be read.
pub fn list(places: &Places) -> Result<(Vec<Manifest>, Vec<Failure>)> {
    let mut manifests = Vec::new();
    let mut broken = Vec::new();
    let entries = match std::fs::read_dir(&places.models) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok((manifests, broken));
        }
        Err(error) => {
            return Err(Failure::user(format!("{}: {error}", places.models.display())));
        }
    };
    for entry in entries.flatten() {
        let Some(slug) = entry.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        if !is_plain(&slug) {
            continue;
        }
        match load(places, &slug) {
            Ok(manifest) => manifests.extend(manifest),
            Err(failure) => broken.push(failure),
        }
    }
    manifests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((manifests, broken))
}

/// Registers a GGUF file or a Hugging Face folder where it lies, or as a copy, after checking
/// that it can be used.
///
/// # Errors
/// When the model is unusable, the name is not, or is taken by other files.
pub fn add(places: &Places, path: &Path, name: Option<&str>, copy: bool) -> Result<Manifest> {
    let path = std::fs::canonicalize(path).because(path.display())?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => path
            .file_stem()
            .filter(|_| path.is_file())
            .or(path.file_name())
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default(),
    };
    let slug = slug(&name).ok_or_else(|| {
        Failure::user(format!("\"{name}\" cannot be a model's name"))
            .hint("Give one of letters, digits, '-', '_' and '.' with --name.")
    })?;
    let opened = open::open_path(&name, &path)?;
    let kind = opened.description.kind;
    if let Some(taken) = load(places, &slug)?
        && taken.path != path
    {
        return Err(Failure::user(format!(
            "the name \"{name}\" is taken by {}",
            taken.path.display()
        ))
        .hint("Give another one with --name."));
    }
    let folder = places.models.join(&slug);
    if !copy {
        return save(places, &slug, Manifest::new(&name, kind, &path, "added"));
    }
    std::fs::create_dir_all(&places.models).because(places.models.display())?;
    let staged = tempfile::Builder::new()
        .prefix(".adding-")
        .tempdir_in(&places.models)
        .because(places.models.display())?;
    let stored = match kind {
        Kind::Gguf => {
            let file = PathBuf::from(path.file_name().unwrap_or_default());
            std::fs::copy(&path, staged.path().join(&file)).because(path.display())?;
            file
        }
        Kind::Folder => {
            let mut files = crate::model::safetensors::weight_files(&path)?;
            files.extend(FOLDER_FILES.map(str::to_owned));
            for file in files.iter().filter(|file| path.join(file).is_file()) {
                std::fs::copy(path.join(file), staged.path().join(file)).because(path.display())?;
            }
            PathBuf::from(".")
        }
    };
    let manifest = Manifest::new(&name, kind, &stored, "added");
    write_manifest(staged.path(), &manifest)?;
    install(staged.path(), &folder)?;
    load(places, &slug)?.ok_or_else(|| Failure::defect("the model just added is not there"))
}

/// Files of a Hugging Face folder beside the weights that are used when present.
pub const FOLDER_FILES: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
    "README.md",
];

/// Writes a manifest into a model's own folder and returns it with its path made absolute.
pub(crate) fn save(places: &Places, slug: &str, manifest: Manifest) -> Result<Manifest> {
    let folder = places.models.join(slug);
    std::fs::create_dir_all(&folder).because(folder.display())?;
    write_manifest(&folder, &manifest)?;
    Ok(Manifest { path: folder.join(&manifest.path), ..manifest })
}

/// Writes `model.json` whole or not at all.
pub(crate) fn write_manifest(folder: &Path, manifest: &Manifest) -> Result<()> {
    let text = serde_json::to_string_pretty(manifest)
        .map_err(|error| Failure::defect(format!("manifest: {error}")))?;
    let path = folder.join(MANIFEST);
    // Not a private temporary file: other users of a shared model folder must be able to read it.
    let new = folder.join("model.json.new");
    std::fs::write(&new, text).because(new.display())?;
    std::fs::rename(&new, &path).because(path.display())
}

/// Moves a finished folder to its place; what stood there gives way.
pub(crate) fn install(staged: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).because(folder.display())?;
    }
    std::fs::rename(staged, folder).because(folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::toy::{self, ToyGguf};

    #[test]
    fn names_stay_inside_the_model_folder() {
        let cases = [
            ("smollm2-135m", Some("smollm2-135m")),
            ("HuggingFaceTB/SmolLM2-135M-Instruct", Some("smollm2-135m")),
            ("owner/name.v2", Some("owner--name.v2")),
            ("나의-모델", Some("나의-모델")),
            ("../x", None),
            ("/etc/x", None),
            ("a/b/c", None),
            ("a\\b", None),
            (".hidden", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(slug(name).as_deref(), expected, "{name}");
        }
        assert_eq!(repository("qwen2.5-0.5b").as_deref(), Some("Qwen/Qwen2.5-0.5B-Instruct"));
        assert_eq!(repository("toy"), None);
        assert_eq!(repository("../x"), None);
    }

    #[test]
    fn models_are_added_in_place_or_copied_and_listed() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places { models: folder.path().join("models"), hub_caches: Vec::new() };
        let gguf = folder.path().join("toy.gguf");
        ToyGguf::new("llama").write(&gguf);
        let hub = folder.path().join("hub");
        toy::hf_folder(&hub, "qwen2");
        let added = add(&places, &gguf, None, false).unwrap();
        assert_eq!((added.name.as_str(), added.kind), ("toy", Kind::Gguf));
        let copied = add(&places, &hub, Some("mine"), true).unwrap();
        assert!(copied.path.starts_with(&places.models));
        std::fs::remove_dir_all(&hub).unwrap();
        assert_eq!(open::open_in(&places, "mine").unwrap().config.layers, 2);
        assert_eq!(open::open_in(&places, "toy").unwrap().description.path, added.path);
        std::fs::create_dir_all(places.models.join("broken")).unwrap();
        std::fs::write(places.models.join("broken/model.json"), "{").unwrap();
        let (manifests, broken) = list(&places).unwrap();
        let names: Vec<&str> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
        assert_eq!(names, ["mine", "toy"]);
        assert!(broken[0].message.contains("broken"), "{broken:?}");
    }

    #[test]
    fn an_unusable_model_or_a_taken_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places { models: folder.path().join("models"), hub_caches: Vec::new() };
        let junk = folder.path().join("junk.gguf");
        std::fs::write(&junk, "no model").unwrap();
        assert!(add(&places, &junk, None, false).is_err());
        assert!(!places.models.exists(), "nothing is written for a model that is refused");
        let gguf = folder.path().join("toy.gguf");
        ToyGguf::new("llama").write(&gguf);
        add(&places, &gguf, None, false).unwrap();
        add(&places, &gguf, None, false).unwrap();
        let other = folder.path().join("other.gguf");
        ToyGguf::new("llama").write(&other);
        let failure = add(&places, &other, Some("toy"), false).unwrap_err();
        assert!(failure.message.contains("taken"), "{failure}");
        assert!(add(&places, &other, Some("../toy"), false).is_err());
    }
}
