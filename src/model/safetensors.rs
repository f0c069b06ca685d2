//! Reads weights stored as safetensors, in one file or in shards
//! (<https://github.com/huggingface/safetensors#format>).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Context, Failure, Result};
use crate::model::positioned::read_exact_at;
use crate::model::{Architecture, DecoderConfig, TensorName, TensorSource};

/// The open weight files of a model folder. Offsets in the files are not trusted.
#[derive(Debug)]
pub struct SafetensorsFolder {
    folder: PathBuf,
    files: Vec<(PathBuf, File)>,
    tensors: HashMap<String, Place>,
    config: DecoderConfig,
    /// All tensors and parameters found, also those the decoder does not use.
    parameters: u64,
}

/// Where a tensor lies.
#[derive(Debug, Clone)]
struct Place {
    file: usize,
    kind: Kind,
    start: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F32,
    F16,
    Bf16,
}

impl Kind {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }
}

/// A tensor as the header of a file describes it.
#[derive(Debug, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl SafetensorsFolder {
    /// Opens `model.safetensors`, or the shards `model.safetensors.index.json` names, and checks
    /// that every tensor of the decoder is there with the right shape and inside its file. A
    /// stored `lm_head` beside tied embeddings is not used.
    ///
    /// # Errors
    /// Names the file and the tensor concerned.
    pub fn open(folder: &Path, config: &DecoderConfig) -> Result<Self> {
        let mut opened = Self {
            folder: folder.to_owned(),
            files: Vec::new(),
            tensors: HashMap::new(),
            config: config.clone(),
            parameters: 0,
        };
        for name in weight_files(folder)? {
            let path = folder.join(&name);
            opened.add_file(&path).map_err(|failure| failure.context(path.display()))?;
        }
        let missing = |opened: &Self, name: TensorName| {
            !opened.tensors.contains_key(&name.hugging_face(config))
        };
        if !config.tied_head && missing(&opened, TensorName::Head) {
            // `tie_word_embeddings` is true where the key is absent in older configurations.
            opened.config.tied_head = true;
        }
        for name in TensorName::all(&opened.config) {
            if missing(&opened, name) {
                return Err(Failure::user(format!(
                    "{}: tensor \"{}\" is missing",
                    folder.display(),
                    name.hugging_face(config)
                ))
                .hint("A weight file may be missing; get the model again."));
            }
        }
        Ok(opened)
    }

    /// The decoder's shape, with the head found in the files.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// How many tensors are stored in which type.
    pub fn tensor_types(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for place in self.tensors.values() {
            *counts.entry(place.kind.name().to_owned()).or_insert(0) += 1;
        }
        counts
    }

    /// Numbers in all weight files together.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    fn add_file(&mut self, path: &Path) -> Result<()> {
        const LONGEST_HEADER: u64 = 100_000_000;
        let mut file = File::open(path).because("cannot open the file").map_err(|failure| {
            failure.hint("A weight file is missing or cannot be read; get the model again.")
        })?;
        let length = file.metadata().because("cannot read the file's size")?.len();
        let mut count = [0; 8];
        file.read_exact(&mut count).map_err(|_| cut_off("header"))?;
        let header_length = u64::from_le_bytes(count);
        if header_length > LONGEST_HEADER || header_length.saturating_add(8) > length {
            return Err(cut_off("header"));
        }
        let mut header = vec![0; header_length as usize];
        file.read_exact(&mut header).map_err(|_| cut_off("header"))?;
        let entries: serde_json::Map<String, Value> =
            serde_json::from_slice(&header).because("the header is no JSON").map_err(damaged)?;
        for (name, value) in entries {
            if name == "__metadata__" {
                continue;
            }
            let entry: Entry = serde_json::from_value(value)
                .because(format!("tensor \"{name}\""))
                .map_err(damaged)?;
            if let Some(name) = text_name(&name) {
                self.add_tensor(&name, &entry, header_length + 8, length)?;
            }
        }
        self.files.push((path.to_owned(), file));
        Ok(())
    }

    fn add_tensor(&mut self, name: &str, entry: &Entry, base: u64, length: u64) -> Result<()> {
        let kind = match entry.dtype.as_str() {
            "F32" => Kind::F32,
            "F16" => Kind::F16,
            "BF16" => Kind::Bf16,
            other => {
                return Err(Failure::user(format!(
                    "tensor \"{name}\" is stored as {other}, which is not supported"
                ))
                .hint("Supported types: F32, F16, BF16."));
            }
        };
        let wanted = TensorName::all(&self.config).into_iter();
        let wanted =
            wanted.chain([TensorName::Head]).find(|known| known.hugging_face(&self.config) == name);
        if let Some(known) = wanted {
            let (rows, columns) = known.shape(&self.config);
            let expected = if columns == 1 { vec![rows] } else { vec![rows, columns] };
            if entry.shape != expected {
                return Err(Failure::user(format!(
                    "tensor \"{name}\" has shape {:?}, expected {expected:?}",
                    entry.shape
                ))
                .hint("config.json and the weights belong to different models; get them again."));
            }
        } else if name.starts_with("model.layers.") && !name.ends_with("rotary_emb.inv_freq") {
            return Err(Failure::user(format!(
                "tensor \"{name}\" is no part of a plain {} decoder",
                self.config.architecture.as_str()
            )));
        }
        let (start, end) = entry.data_offsets;
        let elements =
            entry.shape.iter().try_fold(1_u64, |all, size| all.checked_mul(*size as u64));
        let bytes = elements.and_then(|elements| elements.checked_mul(kind.bytes() as u64));
        if bytes != end.checked_sub(start) || base.checked_add(end).is_none_or(|end| end > length) {
            return Err(cut_off(&format!("tensor \"{name}\"")));
        }
        self.parameters += elements.unwrap_or(0);
        let place = Place { file: self.files.len(), kind, start: base + start };
        if self.tensors.insert(name.to_owned(), place).is_some() {
            return Err(damaged(Failure::user(format!("tensor \"{name}\" is stored twice"))));
        }
        Ok(())
    }
}

impl TensorSource for SafetensorsFolder {
    fn read(&mut self, name: TensorName) -> Result<Vec<f32>> {
        let (rows, width) = name.shape(&self.config);
        self.read_rows(name, width, 0..rows)
    }

    fn read_to(&mut self, name: TensorName, values: &mut Vec<f32>) -> Result<()> {
        self.fill(name, 0..name.shape(&self.config).0, values)
    }

    fn read_rows_to(
        &mut self,
        name: TensorName,
        _width: usize,
        rows: Range<usize>,
        values: &mut Vec<f32>,
    ) -> Result<()> {
        self.fill(name, rows, values)
    }

    fn read_rows(
        &mut self,
        name: TensorName,
        _width: usize,
        rows: Range<usize>,
    ) -> Result<Vec<f32>> {
        let mut values = Vec::new();
        self.fill(name, rows, &mut values)?;
        Ok(values)
    }
}

impl SafetensorsFolder {
    /// Reads rows in place of what `values` held, on all threads.
    fn fill(&self, name: TensorName, rows: Range<usize>, values: &mut Vec<f32>) -> Result<()> {
        /// Values that a thread reads at once: they stay in its cache.
        const CHUNK: usize = 1 << 17;
        let (_, width) = name.shape(&self.config);
        let missing =
            || Failure::user(format!("{}: tensor \"{name}\" is missing", self.folder.display()));
        let stored = name.hugging_face(&self.config);
        let place = self.tensors.get(&stored).ok_or_else(missing)?;
        let (path, file) = self
            .files
            .get(place.file)
            .ok_or_else(|| Failure::defect(format!("tensor \"{name}\" points to no file")))?;
        let size = place.kind.bytes();
        let start = place.start + (rows.start * width * size) as u64;
        values.resize(rows.len() * width, 0.0);
        let read = |(index, values): (usize, &mut [f32])| {
            RAW.with_borrow_mut(|raw| {
                raw.resize(values.len() * size, 0);
                read_exact_at(file, raw, start + (index * CHUNK * size) as u64)?;
                widen(place.kind, raw, values);
                Ok::<_, std::io::Error>(())
            })
        };
        let parts = values.par_chunks_mut(CHUNK).enumerate();
        parts
            .try_for_each(read)
            .map_err(|_| cut_off(&format!("tensor \"{name}\"")).context(path.display()))?;
        if self.config.architecture == Architecture::Gemma3 && name.is_norm() {
            // Stored less one (`Gemma3RMSNorm` of transformers multiplies by `1 + weight`).
            for value in values {
                *value += 1.0;
            }
        }
        Ok(())
    }
}

thread_local! {
    /// Values as they are stored.
    static RAW: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Stored values as f32.
fn widen(kind: Kind, raw: &[u8], values: &mut [f32]) {
    match kind {
        Kind::F32 => {
            for (value, bytes) in values.iter_mut().zip(raw.as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*bytes);
            }
        }
        Kind::F16 => {
            for (value, bytes) in values.iter_mut().zip(raw.as_chunks::<2>().0) {
                *value = half::f16::from_le_bytes(*bytes).to_f32();
            }
        }
        Kind::Bf16 => {
            // The upper half of an f32.
            for (value, bytes) in values.iter_mut().zip(raw.as_chunks::<2>().0) {
                *value = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
            }
        }
    }
}

/// The name a tensor has in a model of text only; none where it belongs to the part that sees images.
fn text_name(name: &str) -> Option<String> {
    const IMAGES: [&str; 4] = [
        "vision_tower.",
        "multi_modal_projector.",
        "model.vision_tower.",
        "model.multi_modal_projector.",
    ];
    if IMAGES.iter().any(|part| name.starts_with(part)) {
        return None;
    }
    let rest = name.strip_prefix("model.language_model.").map(|rest| format!("model.{rest}"));
    Some(rest.unwrap_or_else(|| name.strip_prefix("language_model.").unwrap_or(name).to_owned()))
}

/// Names of the weight files of a folder, relative to it.
///
/// # Errors
/// When there are none, or the index is malformed or names a file outside the folder.
pub fn weight_files(folder: &Path) -> Result<Vec<String>> {
    const SINGLE: &str = "model.safetensors";
    let index = folder.join("model.safetensors.index.json");
    if folder.join(SINGLE).is_file() {
        return Ok(vec![SINGLE.to_owned()]);
    }
    if !index.is_file() {
        return Err(Failure::user(format!("{}: there is no model.safetensors", folder.display()))
            .hint(
                "Weights stored as pytorch_model.bin are not read; get a model with safetensors.",
            ));
    }
    let text = std::fs::read(&index).because(index.display())?;
    let parsed: Value = serde_json::from_slice(&text).because(index.display()).map_err(damaged)?;
    let map = parsed.get("weight_map").and_then(Value::as_object);
    let names: BTreeSet<&str> =
        map.into_iter().flat_map(|map| map.values()).filter_map(Value::as_str).collect();
    let plain = |name: &&str| !name.contains(['/', '\\']) && name.ends_with(".safetensors");
    if names.is_empty() || !names.iter().all(plain) {
        return Err(damaged(Failure::user(format!(
            "{}: no usable \"weight_map\"",
            index.display()
        ))));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

fn damaged(failure: Failure) -> Failure {
    failure.hint("The file is damaged; get the model again.")
}

fn cut_off(what: &str) -> Failure {
    Failure::user(format!("the file ends before its {what} does"))
        .hint("The download or copy was cut off; get the file again.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{hf_config, toy};

    fn open(folder: &Path) -> Result<SafetensorsFolder> {
        SafetensorsFolder::open(folder, &hf_config::read(folder).unwrap().decoder)
    }

    #[test]
    fn a_single_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        toy::hf_folder(folder.path(), "qwen2");
        let mut weights = open(folder.path()).unwrap();
        let config = weights.config().clone();
        for name in TensorName::all(&config) {
            let (rows, columns) = name.shape(&config);
            let values = weights.read(name).unwrap();
            assert_eq!(values.len(), rows * columns, "{name}");
            let exact = toy::weight(&name.to_string(), 5);
            assert!((values[5] - exact).abs() < 0.01, "{name}");
        }
        let rows = weights.read_rows(TensorName::Up(1), 32, 3..5).unwrap();
        assert_eq!(rows, weights.read(TensorName::Up(1)).unwrap()[96..160]);
        assert_eq!(weights.tensor_types(), [("BF16".to_owned(), 2 + 2 * 12)].into());
    }

    #[test]
    fn norms_of_gemma3_have_the_one_added_that_is_not_stored() {
        let folder = tempfile::tempdir().unwrap();
        toy::hf_folder(folder.path(), "gemma3_text");
        let mut weights = open(folder.path()).unwrap();
        let config = weights.config().clone();
        assert_eq!(TensorName::all(&config).len(), 2 + 2 * 13);
        let path = "model.layers.1";
        for (name, stored) in [
            (TensorName::PostAttentionNorm(1), "post_attention_layernorm"),
            (TensorName::FfnNorm(1), "pre_feedforward_layernorm"),
            (TensorName::PostFfnNorm(1), "post_feedforward_layernorm"),
            (TensorName::QueryNorm(1), "self_attn.q_norm"),
        ] {
            let exact = 1.0 + toy::weight(&format!("{path}.{stored}.weight"), 5);
            let got = weights.read(name).unwrap();
            assert!((got[5] - exact).abs() < 0.01, "{stored}");
        }
        let exact = toy::weight(&format!("{path}.mlp.up_proj.weight"), 5);
        assert!((weights.read(TensorName::Up(1)).unwrap()[5] - exact).abs() < 0.01);
    }

    #[test]
    fn the_text_part_of_a_model_that_sees_images_is_read() {
        for prefix in ["language_model.model.", "model.language_model."] {
            let folder = tempfile::tempdir().unwrap();
            toy::hf_folder(folder.path(), "gemma3_text");
            let text = toy::hf_config("gemma3_text");
            let config = serde_json::json!({"model_type": "gemma3", "text_config": text});
            std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
            let mut tensors = toy::hf_tensors("gemma3_text");
            for (name, ..) in &mut tensors {
                *name = name.replacen("model.", prefix, 1);
            }
            let image = "vision_tower.vision_model.head.weight".to_owned();
            tensors.push((image, vec![4], vec![0.0; 4]));
            std::fs::write(folder.path().join("model.safetensors"), toy::safetensors(&tensors))
                .unwrap();
            let mut weights = open(folder.path()).unwrap();
            assert_eq!(weights.read(TensorName::Down(1)).unwrap().len(), 32 * 64);
        }
    }

    #[test]
    fn shards_are_joined_by_their_index() {
        let folder = tempfile::tempdir().unwrap();
        toy::hf_folder(folder.path(), "llama");
        let tensors = toy::hf_tensors("llama");
        let (first, second) = tensors.split_at(7);
        let mut map = serde_json::Map::new();
        for (part, file) in [(first, "a.safetensors"), (second, "b.safetensors")] {
            std::fs::write(folder.path().join(file), toy::safetensors(part)).unwrap();
            for (name, _, _) in part {
                map.insert(name.clone(), file.into());
            }
        }
        let whole = open(folder.path()).unwrap().read(TensorName::Down(1)).unwrap();
        std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
        let index = folder.path().join("model.safetensors.index.json");
        std::fs::write(&index, json!({"weight_map": map}).to_string()).unwrap();
        assert_eq!(open(folder.path()).unwrap().read(TensorName::Down(1)).unwrap(), whole);
        let outside = json!({"weight_map": {"x": "../b.safetensors"}}).to_string();
        std::fs::write(&index, outside).unwrap();
        assert!(open(folder.path()).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        type Change = fn(&mut Vec<(String, Vec<usize>, Vec<f32>)>);
        let cases: [(Change, &str); 4] = [
            (|all| drop(all.pop()), "is missing"),
            (|all| all[0].1 = vec![32, toy::VOCABULARY], "expected [264, 32]"),
            (|all| all[5].0 = "model.layers.0.self_attn.q_norm.weight".to_owned(), "no part of"),
            (|all| all[1].2.truncate(31), "ends before"),
        ];
        for (change, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            toy::hf_folder(folder.path(), "llama");
            let mut tensors = toy::hf_tensors("llama");
            change(&mut tensors);
            std::fs::write(folder.path().join("model.safetensors"), toy::safetensors(&tensors))
                .unwrap();
            let failure = open(folder.path()).unwrap_err();
            assert!(failure.message.contains(expected), "{failure}");
        }
    }

    /// What a file of these bytes is refused with.
    fn refusal(bytes: &[u8]) -> Failure {
        let folder = tempfile::tempdir().unwrap();
        toy::hf_folder(folder.path(), "llama");
        std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
        let failure = open(folder.path()).unwrap_err();
        assert!(failure.message.contains("model.safetensors"), "{failure}");
        assert!(!failure.hints.is_empty(), "{failure}");
        failure
    }

    #[test]
    fn a_cut_file_names_what_is_cut() {
        let whole = toy::safetensors(&toy::hf_tensors("llama"));
        for length in [0, 7, 8, 500] {
            let failure = refusal(&whole[..length]);
            assert!(failure.message.contains("ends before its header"), "{length}: {failure}");
        }
        let last = toy::hf_tensors("llama").pop().unwrap().0;
        let failure = refusal(&whole[..whole.len() - 1]);
        assert!(failure.message.contains(&format!("tensor \"{last}\"")), "{failure}");
    }

    #[test]
    fn a_header_that_lies_is_refused_without_taking_its_word() {
        let whole = toy::safetensors(&toy::hf_tensors("llama"));
        for length in [u64::MAX, u64::MAX - 7, 1 << 40, whole.len() as u64] {
            let mut lying = whole.clone();
            lying[..8].copy_from_slice(&length.to_le_bytes());
            assert!(refusal(&lying).message.contains("header"), "{length}");
        }
        let mut short = whole.clone();
        short[..8].copy_from_slice(&100_u64.to_le_bytes());
        assert!(refusal(&short).message.contains("no JSON"));
        let with = |entry: Value| {
            let header = json!({"model.norm.weight": entry}).to_string();
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.bytes());
            bytes.extend([0; 256]);
            refusal(&bytes).message
        };
        let entry = |shape: Value, offsets: [u64; 2]| json!({"dtype": "F32", "shape": shape, "data_offsets": offsets});
        for (entry, expected) in [
            (entry(json!([32]), [0, 1 << 60]), "ends before"),
            (entry(json!([32]), [u64::MAX - 127, u64::MAX]), "ends before"),
            (entry(json!([32]), [128, 0]), "ends before"),
            (entry(json!([u64::MAX]), [0, 128]), "has shape"),
            (entry(json!([-32]), [0, 128]), "model.norm.weight"),
            (entry(json!("x"), [0, 128]), "model.norm.weight"),
            (json!({"dtype": "I8", "shape": [32], "data_offsets": [0, 32]}), "I8"),
            (json!(null), "model.norm.weight"),
        ] {
            let message = with(entry);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_shard_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        toy::hf_folder(folder.path(), "llama");
        std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
        let index = folder.path().join("model.safetensors.index.json");
        let map = json!({"weight_map": {"model.norm.weight": "part-2.safetensors"}});
        std::fs::write(&index, map.to_string()).unwrap();
        let failure = open(folder.path()).unwrap_err();
        assert!(failure.message.contains("part-2.safetensors"), "{failure}");
        assert!(failure.hints[0].contains("get the model again"), "{failure:?}");
        for bad in ["", "{", "[]", "{\"weight_map\": {}}", "{\"weight_map\": {\"x\": 1}}"] {
            std::fs::write(&index, bad).unwrap();
            let failure = open(folder.path()).unwrap_err();
            assert!(failure.message.contains("index.json"), "{bad}: {failure}");
        }
    }

    #[test]
    fn no_damaged_header_makes_it_panic() {
        let folder = tempfile::tempdir().unwrap();
        toy::hf_folder(folder.path(), "llama");
        let path = folder.path().join("model.safetensors");
        let whole = std::fs::read(&path).unwrap();
        for at in (0..3000).step_by(3) {
            let mut damaged = whole.clone();
            damaged[at] = b'9';
            std::fs::write(&path, &damaged).unwrap();
            let _ = open(folder.path());
        }
    }
}
