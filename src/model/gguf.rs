//! Reads models stored as GGUF, the format of llama.cpp
//! (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>).
//!
//! The header is parsed by candle, tensors are read a slice at a time so that the peak is one
//! tensor in f32. Sizes and counts in the file are not trusted.

mod header;
mod layout;
mod metadata;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::quantized::ggml_file::qtensor_from_ggml;
use candle_core::quantized::gguf_file::Value;
use candle_core::quantized::{GgmlDType, gguf_file::TensorInfo};
use candle_core::{Device, Storage};
use rayon::prelude::*;

use crate::failure::{Context, Failure, Result};
use crate::model::positioned::read_exact_at;
use crate::model::{Architecture, DecoderConfig, TensorName, TensorSource};

/// An open GGUF file whose header, tensor list and shapes have been checked.
#[derive(Debug)]
pub struct GgufFile {
    path: PathBuf,
    file: File,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
    data_offset: u64,
    config: DecoderConfig,
    /// The stored copy of the embedding that lost less in quantisation.
    embedding: &'static str,
}

impl GgufFile {
    /// Opens a file, reads its header and checks that it holds a decoder this program can run:
    /// known family, known tensor types, every tensor present, of the right shape and inside the
    /// file.
    ///
    /// A head stored beside the embedding although both are one matrix (Qwen2.5 up to 3B as
    /// converted by llama.cpp) is recognised by comparing rows, and counts as tied.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_unnamed(path).map_err(|failure| failure.context(path.display()))
    }

    fn open_unnamed(path: &Path) -> Result<Self> {
        let file = File::open(path).because("cannot open the file")?;
        let length = file.metadata().because("cannot read the file's size")?.len();
        let content = header::read(&file, length)?;
        let mut opened = Self {
            path: path.to_owned(),
            config: metadata::config(&content)?,
            file,
            metadata: content.metadata,
            tensors: content.tensor_infos,
            data_offset: content.tensor_data_offset,
            embedding: layout::EMBEDDING,
        };
        opened.check_tensors(length)?;
        opened.settle_head()?;
        if let Some(info) = opened.tensors.get(layout::ROPE_FACTORS) {
            let half = opened.config.head_dim / 2;
            if info.ggml_dtype != GgmlDType::F32 || info.shape.dims() != [half] {
                return Err(Failure::user(format!(
                    "tensor \"{}\" is not {half} numbers of type F32",
                    layout::ROPE_FACTORS
                )));
            }
            opened.config.rope_factors = Some(opened.rows(layout::ROPE_FACTORS, 0..half, 1)?);
        }
        opened.config.check()?;
        Ok(opened)
    }

    /// Sizes and switches of the decoder.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A metadata entry that is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// A metadata entry that is a whole number, not negative.
    pub fn number(&self, key: &str) -> Option<u64> {
        metadata::whole(self.metadata.get(key)?)
    }

    /// A metadata entry that is true or false.
    pub fn switch(&self, key: &str) -> Option<bool> {
        match self.metadata.get(key) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// The elements of a metadata entry that is an array.
    pub fn array(&self, key: &str) -> Option<&[Value]> {
        match self.metadata.get(key) {
            Some(Value::Array(values)) => Some(values),
            _ => None,
        }
    }

    /// How many tensors are stored in which type, by type name ("Q4_1").
    pub fn tensor_types(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for info in self.tensors.values() {
            *counts.entry(layout::type_name(info.ggml_dtype)).or_insert(0) += 1;
        }
        counts
    }

    fn check_tensors(&self, length: u64) -> Result<()> {
        for (stored, info) in &self.tensors {
            if !layout::is_known(stored, &self.config) {
                return Err(Failure::user(format!(
                    "tensor \"{stored}\" is no part of a plain {} decoder",
                    self.config.architecture.as_str()
                ))
                .hint("Mixtures of experts, vision models and other variants are not supported."));
            }
            let bytes = layout::stored_bytes(info).ok_or_else(|| {
                Failure::user(format!(
                    "tensor \"{stored}\" has an impossible size ({:?})",
                    info.shape.dims()
                ))
                .hint("The file is damaged; get it again.")
            })?;
            let end =
                self.data_offset.checked_add(info.offset).and_then(|at| at.checked_add(bytes));
            if end.is_none_or(|end| end > length) {
                return Err(truncated(stored));
            }
        }
        for name in TensorName::all(&self.config) {
            let stored = layout::stored_name(name);
            let info = self.tensors.get(&stored).ok_or_else(|| {
                Failure::user(format!("tensor \"{stored}\" is missing"))
                    .hint("The file may be one part of a split model, or not a text decoder.")
            })?;
            let (rows, columns) = name.shape(&self.config);
            let expected = if columns == 1 { vec![rows] } else { vec![rows, columns] };
            if info.shape.dims() != expected {
                return Err(Failure::user(format!(
                    "tensor \"{stored}\" has shape {:?}, expected {expected:?}",
                    info.shape.dims()
                ))
                .hint(
                    "The file's metadata and tensors do not belong together; get the model again.",
                ));
            }
            if !columns.is_multiple_of(info.ggml_dtype.block_size()) {
                return Err(Failure::user(format!(
                    "tensor \"{stored}\": rows of {columns} do not fit blocks of {}",
                    layout::type_name(info.ggml_dtype)
                )));
            }
        }
        Ok(())
    }

    /// Decides whether a stored head is the embedding once more, and which copy is better.
    fn settle_head(&mut self) -> Result<()> {
        let Some(head) = self.tensors.get(layout::HEAD) else {
            return Ok(());
        };
        let Some(embedding) = self.tensors.get(layout::EMBEDDING) else {
            return Ok(());
        };
        let better = layout::precision(head.ggml_dtype) > layout::precision(embedding.ggml_dtype);
        if self.copies_agree()? {
            self.config.tied_head = true;
            if better {
                self.embedding = layout::HEAD;
            }
        }
        Ok(())
    }

    fn stored_name(&self, name: TensorName) -> String {
        match name {
            TensorName::Embedding => self.embedding.to_owned(),
            other => layout::stored_name(other),
        }
    }

    /// Whether a tensor's rows are stored in another order.
    fn is_permuted(&self, name: TensorName) -> bool {
        let heads = matches!(
            name,
            TensorName::Query(_)
                | TensorName::QueryBias(_)
                | TensorName::Key(_)
                | TensorName::KeyBias(_)
        );
        heads && self.config.architecture == Architecture::Llama
    }

    /// Compares sampled rows of embedding and head. Two quantisations of one matrix have a cosine
    /// above 0.99; matrices trained apart are nowhere near.
    fn copies_agree(&self) -> Result<bool> {
        const SAMPLES: usize = 64;
        let (rows, width) = (self.config.vocab_size, self.config.hidden_size);
        let (mut dot, mut left, mut right) = (0.0_f64, 0.0_f64, 0.0_f64);
        for sample in 0..SAMPLES.min(rows) {
            let row = sample * rows / SAMPLES.min(rows);
            let a = self.rows(layout::EMBEDDING, row..row + 1, width)?;
            let b = self.rows(layout::HEAD, row..row + 1, width)?;
            for (x, y) in a.iter().zip(&b) {
                let (x, y) = (f64::from(*x), f64::from(*y));
                dot += x * y;
                left += x * x;
                right += y * y;
            }
        }
        Ok(left > 0.0 && right > 0.0 && dot / (left * right).sqrt() > 0.98)
    }

    /// Reads rows of a stored tensor as f32.
    fn rows(&self, stored: &str, rows: Range<usize>, width: usize) -> Result<Vec<f32>> {
        let mut values = Vec::new();
        self.fill(stored, rows, width, &mut values)?;
        Ok(values)
    }

    /// Reads rows in place of what `values` held, on all threads.
    fn fill(
        &self,
        stored: &str,
        rows: Range<usize>,
        width: usize,
        values: &mut Vec<f32>,
    ) -> Result<()> {
        /// Values that a thread reads at once. They stay in its cache, and what is allocated for them is so little
        /// that it comes from memory the thread had before: pages new from the system take longer than decoding.
        const CHUNK: usize = 1 << 13;
        let defect = || Failure::defect(format!("tensor \"{stored}\" read outside its rows"));
        let info = self.tensors.get(stored).ok_or_else(defect)?;
        let kind = info.ggml_dtype;
        let start = self.data_offset + info.offset;
        let block = kind.block_size();
        // A vector of unquantised numbers has rows of one; anything else has rows of whole blocks.
        let row_bytes = width / block * kind.type_size();
        if row_bytes == 0 || !width.is_multiple_of(block) {
            return Err(defect());
        }
        let rows_at_once = (CHUNK / width).max(1);
        values.resize(rows.len() * width, 0.0);
        let parts = values.par_chunks_mut(rows_at_once * width).enumerate();
        parts.try_for_each(|(index, values)| {
            let mut raw = vec![0; values.len() / width * row_bytes];
            let first = rows.start + index * rows_at_once;
            let at = start + (first * row_bytes) as u64;
            read_exact_at(&self.file, &mut raw, at).map_err(|_| truncated(stored))?;
            dequantize(kind, &raw, width, values).because(format!("tensor \"{stored}\""))
        })
    }
}

impl TensorSource for GgufFile {
    fn read(&mut self, name: TensorName) -> Result<Vec<f32>> {
        (&*self).read(name)
    }

    fn read_to(&mut self, name: TensorName, values: &mut Vec<f32>) -> Result<()> {
        (&*self).read_to(name, values)
    }

    fn read_rows(
        &mut self,
        name: TensorName,
        width: usize,
        rows: Range<usize>,
    ) -> Result<Vec<f32>> {
        (&*self).read_rows(name, width, rows)
    }

    fn read_rows_to(
        &mut self,
        name: TensorName,
        width: usize,
        rows: Range<usize>,
        values: &mut Vec<f32>,
    ) -> Result<()> {
        (&*self).read_rows_to(name, width, rows, values)
    }
}

/// Files are read at places, so that one that is open can be read from anywhere.
impl TensorSource for &GgufFile {
    fn read(&mut self, name: TensorName) -> Result<Vec<f32>> {
        let (rows, width) = name.shape(&self.config);
        self.read_rows(name, width, 0..rows)
    }

    fn read_to(&mut self, name: TensorName, values: &mut Vec<f32>) -> Result<()> {
        let (rows, width) = name.shape(&self.config);
        self.read_rows_to(name, width, 0..rows, values)
    }

    fn read_rows_to(
        &mut self,
        name: TensorName,
        width: usize,
        rows: Range<usize>,
        values: &mut Vec<f32>,
    ) -> Result<()> {
        if self.is_permuted(name) {
            *values = self.read_rows(name, width, rows)?;
            return Ok(());
        }
        let (_, width) = name.shape(&self.config);
        self.fill(&self.stored_name(name), rows, width, values)
            .map_err(|failure| failure.context(self.path.display()))
    }

    fn read_rows(
        &mut self,
        name: TensorName,
        _width: usize,
        rows: Range<usize>,
    ) -> Result<Vec<f32>> {
        let (all, width) = name.shape(&self.config);
        let stored = self.stored_name(name);
        let result = if self.is_permuted(name) {
            let whole = self.rows(&stored, 0..all, width);
            whole.map(|values| {
                let values = layout::unpermute(&values, self.config.head_dim, width);
                values
                    .get(rows.start * width..rows.end * width)
                    .map(<[f32]>::to_vec)
                    .unwrap_or_default()
            })
        } else {
            self.rows(&stored, rows, width)
        };
        result.map_err(|failure| failure.context(self.path.display()))
    }
}

fn truncated(stored: &str) -> Failure {
    Failure::user(format!("the file ends before tensor \"{stored}\" does"))
        .hint("The download or copy was cut off; get the file again.")
}

/// Turns whole stored rows of `width` values into f32.
fn dequantize(
    kind: GgmlDType,
    raw: &[u8],
    width: usize,
    values: &mut [f32],
) -> candle_core::Result<()> {
    let halves = |values: &mut [f32], convert: fn([u8; 2]) -> f32| {
        for (value, bytes) in values.iter_mut().zip(raw.as_chunks::<2>().0) {
            *value = convert(*bytes);
        }
    };
    match kind {
        GgmlDType::F32 => {
            for (value, bytes) in values.iter_mut().zip(raw.as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*bytes);
            }
        }
        GgmlDType::F16 => halves(values, |bytes| half::f16::from_le_bytes(bytes).to_f32()),
        GgmlDType::BF16 => halves(values, |bytes| half::bf16::from_le_bytes(bytes).to_f32()),
        _ => {
            let stored =
                qtensor_from_ggml(kind, raw, vec![values.len() / width, width], &Device::Cpu)?;
            let read = stored.dequantize(&Device::Cpu)?;
            let (storage, layout) = read.storage_and_layout();
            let Storage::Cpu(storage) = &*storage else {
                candle_core::bail!("not on the processor")
            };
            let read = storage.as_slice::<f32>()?;
            values.copy_from_slice(&read[layout.start_offset()..][..values.len()]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
