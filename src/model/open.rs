//! Opens a model by name or path: weights, shape, tokenizer and template together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::model::registry::{self, Manifest};
use crate::model::safetensors::SafetensorsFolder;
use crate::model::template::ChatTemplate;
use crate::model::tokenizer::Tokenizer;
use crate::model::{Codec, DecoderConfig, GgufFile, Places, TensorSource, hf_config};

/// A model ready to be loaded into the engine.
pub struct Opened {
    /// The name it was opened by.
    pub name: String,
    /// Sizes and switches of the decoder.
    pub config: DecoderConfig,
    /// Tokenizer and chat template.
    pub codec: Codec,
    /// The weights.
    pub source: Box<dyn TensorSource + Send>,
    /// Where it lies and how it is stored.
    pub description: Description,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("name", &self.name)
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

/// How a model is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One GGUF file.
    Gguf,
    /// A Hugging Face folder with safetensors.
    Folder,
}

/// Where a model lies and how it is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// The file or folder.
    pub path: PathBuf,
    /// How it is stored.
    pub kind: Kind,
    /// Size of the weight files in bytes.
    pub bytes: u64,
    /// Numbers in the decoder; a head tied to the embedding is not counted twice.
    pub parameters: u64,
    /// How many tensors are stored in which type.
    pub tensor_types: BTreeMap<String, usize>,
    /// Licence the model's files name, if they do.
    pub licence: Option<String>,
    /// Whether the model's own chat template writes tools; if not, this program does.
    pub native_tools: bool,
}

/// Opens a model by short name, registered name, "owner/name" on the hub, or path.
///
/// # Errors
/// When it is not installed, with the command that gets it; when its files are unusable.
pub fn open(name_or_path: &str) -> Result<Opened> {
    open_in(&Places::from_environment()?, name_or_path)
}

/// [`open`], and what `load` makes of the weights while another thread reads the tokenizer, which takes long too.
///
/// # Errors
/// As for [`open`], and those of `load`.
pub fn open_and<T>(
    name_or_path: &str,
    load: impl FnOnce(&DecoderConfig, &mut dyn TensorSource) -> Result<T>,
) -> Result<(Opened, T)> {
    let (name, path) = resolve(&Places::from_environment()?, name_or_path)?;
    open_path_and(&name, &path, load)
}

/// As [`open`], looking in the given places.
///
/// # Errors
/// As for [`open`].
pub fn open_in(places: &Places, name_or_path: &str) -> Result<Opened> {
    let (name, path) = resolve(places, name_or_path)?;
    open_path(&name, &path)
}

/// The name of a model and its file or folder.
fn resolve(places: &Places, name_or_path: &str) -> Result<(String, PathBuf)> {
    if let Some(manifest) = find(places, name_or_path)? {
        return Ok((manifest.name, manifest.path));
    }
    let path = Path::new(name_or_path);
    if path.exists() {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        return Ok((name, path));
    }
    if Path::new(name_or_path).extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf")) {
        return Err(Failure::user(format!("{name_or_path}: there is no such file")));
    }
    Err(Failure::user(format!("the model \"{name_or_path}\" is not installed"))
        .hint(format!("Run `hone model pull {name_or_path}`."))
        .hint("`hone model list` shows what is installed; `hone model add PATH` registers a file."))
}

/// The manifest of an installed model; a snapshot in a Hugging Face cache counts as installed.
///
/// # Errors
/// When a manifest is there and cannot be read.
pub fn find(places: &Places, name: &str) -> Result<Option<Manifest>> {
    if let Some(slug) = registry::slug(name)
        && let Some(manifest) = registry::load(places, &slug)?
    {
        return Ok(Some(manifest));
    }
    let Some(repository) = registry::repository(name) else {
        return Ok(None);
    };
    let snapshot = places.cached_snapshot(&repository);
    Ok(snapshot.map(|path| Manifest::new(name, Kind::Folder, &path, "Hugging Face cache")))
}

/// Opens a GGUF file or a Hugging Face folder.
///
/// # Errors
/// Names the file that is missing, malformed or of an unsupported kind.
pub fn open_path(name: &str, path: &Path) -> Result<Opened> {
    Ok(open_path_and(name, path, |_, _| Ok(()))?.0)
}

fn open_path_and<T>(
    name: &str,
    path: &Path,
    load: impl FnOnce(&DecoderConfig, &mut dyn TensorSource) -> Result<T>,
) -> Result<(Opened, T)> {
    if path.is_dir() { open_folder(name, path, load) } else { open_gguf(name, path, load) }
}

/// Does two things at once.
fn beside<A: Send, B>(
    other: impl FnOnce() -> Result<A> + Send,
    this: impl FnOnce() -> Result<B>,
) -> Result<(A, B)> {
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        let this = this();
        let other = other.join().map_err(|_| Failure::defect("reading a tokenizer"))?;
        Ok((other?, this?))
    })
}

fn open_gguf<T>(
    name: &str,
    path: &Path,
    load: impl FnOnce(&DecoderConfig, &mut dyn TensorSource) -> Result<T>,
) -> Result<(Opened, T)> {
    let file = GgufFile::open(path)?;
    let words = || Ok((Tokenizer::from_gguf(&file)?, ChatTemplate::from_gguf(&file)?));
    let ((tokenizer, template), loaded) = beside(words, || load(file.config(), &mut &file))?;
    let config = file.config().clone();
    let description = Description {
        path: path.to_owned(),
        kind: Kind::Gguf,
        bytes: std::fs::metadata(path).map_or(0, |data| data.len()),
        parameters: parameters(&config),
        tensor_types: file.tensor_types(),
        licence: file.text("general.license").map(str::to_owned),
        native_tools: template.has_native_tools(),
    };
    let opened = join(name, tokenizer, template, config, Box::new(file), description)?;
    Ok((opened, loaded))
}

fn open_folder<T>(
    name: &str,
    folder: &Path,
    load: impl FnOnce(&DecoderConfig, &mut dyn TensorSource) -> Result<T>,
) -> Result<(Opened, T)> {
    let config = hf_config::read(folder)?;
    let mut weights = SafetensorsFolder::open(folder, &config.decoder)?;
    let decoder = weights.config().clone();
    let words = || {
        let tokenizer = Tokenizer::from_file(&folder.join("tokenizer.json"))?;
        Ok((tokenizer, ChatTemplate::from_folder(folder)?))
    };
    let ((mut tokenizer, template), loaded) = beside(words, || load(&decoder, &mut weights))?;
    let id = |token: &str| tokenizer.id_of(token);
    let ends = (id(template.beginning()), id(template.ending()));
    tokenizer.set_ends(ends.0, ends.1);
    for id in config.stop_ids {
        tokenizer.add_stop(id);
    }
    let files = crate::model::safetensors::weight_files(folder)?;
    let size = |name: &String| std::fs::metadata(folder.join(name)).map_or(0, |data| data.len());
    let description = Description {
        path: folder.to_owned(),
        kind: Kind::Folder,
        bytes: files.iter().map(size).sum(),
        parameters: parameters(&decoder),
        tensor_types: weights.tensor_types(),
        licence: card_licence(folder),
        native_tools: template.has_native_tools(),
    };
    let opened = join(name, tokenizer, template, decoder, Box::new(weights), description)?;
    Ok((opened, loaded))
}

fn join(
    name: &str,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    config: DecoderConfig,
    source: Box<dyn TensorSource + Send>,
    description: Description,
) -> Result<Opened> {
    tokenizer
        .check_fits(config.vocab_size)
        .map_err(|failure| failure.context(description.path.display()))?;
    let codec = Codec::new(tokenizer, template);
    Ok(Opened { name: name.to_owned(), config, codec, source, description })
}

fn parameters(config: &DecoderConfig) -> u64 {
    let size = |name: crate::model::TensorName| {
        let (rows, columns) = name.shape(config);
        (rows * columns) as u64
    };
    crate::model::TensorName::all(config).into_iter().map(size).sum()
}

/// The licence in the front matter of the model card, if the folder has one.
fn card_licence(folder: &Path) -> Option<String> {
    let card = std::fs::read_to_string(folder.join("README.md")).ok()?;
    let front = card.strip_prefix("---")?.split("\n---").next()?;
    let line = front.lines().find_map(|line| line.strip_prefix("license:"))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TensorName;
    use crate::model::toy::{self, ToyGguf};
    use crate::pair::{Message, Role};

    fn places(folder: &Path) -> Places {
        Places { models: folder.join("models"), hub_caches: vec![folder.join("hub")] }
    }

    #[test]
    fn a_folder_and_a_file_open_alike() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let hub = folder.path().join("toy-folder");
        toy::hf_folder(&hub, "llama");
        let gguf = folder.path().join("toy.gguf");
        ToyGguf::new("llama").write(&gguf);
        let mut prompts = Vec::new();
        for (path, name, kind) in [(&hub, "toy-folder", Kind::Folder), (&gguf, "toy", Kind::Gguf)] {
            let mut opened = open_in(&places, path.to_str().unwrap()).unwrap();
            assert_eq!((opened.name.as_str(), opened.description.kind), (name, kind));
            assert_eq!(opened.codec.stop_ids(), [0, 2]);
            assert_eq!(opened.source.read(TensorName::FinalNorm).unwrap().len(), 32);
            let user = [Message::text(Role::User, "값은?")];
            prompts.push(opened.codec.encode_prompt(&user, &[]).unwrap());
            let expected = 264 * 32 + 2 * (2 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 64 * 32) + 32;
            assert_eq!(opened.description.parameters, expected as u64);
        }
        assert_eq!(prompts[0], prompts[1]);
    }

    #[test]
    fn a_cached_snapshot_opens_by_its_hub_name() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let name = "models--HuggingFaceTB--SmolLM2-135M-Instruct/snapshots/abc";
        toy::hf_folder(&places.hub_caches[0].join(name), "llama");
        for name in ["HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-135m"] {
            assert_eq!(open_in(&places, name).unwrap().name, name);
        }
    }

    #[test]
    fn what_is_not_installed_says_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let failure = open_in(&places(folder.path()), "qwen2.5-0.5b").unwrap_err();
        assert!(failure.message.contains("not installed"), "{failure}");
        assert!(failure.hints[0].contains("hone model pull qwen2.5-0.5b"));
        let failure = open_in(&places(folder.path()), "no/such/file.gguf").unwrap_err();
        assert!(failure.message.contains("no such file"), "{failure}");
    }

    #[test]
    fn a_tokenizer_of_another_model_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        toy::hf_folder(folder.path(), "llama");
        let path = folder.path().join("tokenizer.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("\"a\":", "\"zz\":5000,\"a\":");
        std::fs::write(&path, text).unwrap();
        let failure = open_path("toy", folder.path()).unwrap_err();
        assert!(failure.message.contains("only 264 rows"), "{failure}");
    }
}
