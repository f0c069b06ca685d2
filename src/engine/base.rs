//! The frozen base model: NF4 projections, everything else in f32.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::coarse::{Coarse, Profile};
use super::cpu::pages::Region;
use super::cpu::vector;
use super::lora::Target;
use super::nf4::{self, Decoded, Quantized};
use super::table::{self, Table};
use crate::failure::{Failure, Result};
use crate::model::{DecoderConfig, TensorName, TensorSource};
use crate::progress::{OnProgress, Progress};

/// What products are computed in. Sums are in f32 in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Operands in f32: the reference.
    F32,
    /// Operands rounded to bf16, as the GPU recipes of QLoRA have it. Needs a kernel for it to be
    /// quick.
    Bf16,
}

impl Precision {
    /// The quickest one on this machine (see [`super::cpu::kernel`]).
    pub fn fastest() -> Self {
        if super::cpu::kernel().is_half() { Self::Bf16 } else { Self::F32 }
    }

    /// Bytes of an operand's value.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}

/// A loaded base model. Never changes; adapters lie beside it.
#[derive(Debug)]
pub struct Base {
    config: DecoderConfig,
    precision: Precision,
    embedding: Table,
    head: Option<Table>,
    final_norm: Vec<f32>,
    layers: Vec<Layer>,
    coarse: OnceLock<Option<Coarse>>,
}

/// Weights of one decoder block.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention_norm: Vec<f32>,
    pub(super) ffn_norm: Vec<f32>,
    /// Biases of query, key and value, one after the other.
    pub(super) bias: Option<Vec<f32>>,
    /// Norms of each query head and of each key head.
    pub(super) head_norms: Option<[Vec<f32>; 2]>,
    /// Norms of what attention and the feed-forward layer give, before it is added.
    pub(super) post_norms: Option<[Vec<f32>; 2]>,
    /// In the order of [`Group::ALL`].
    groups: [Matrix; 4],
}

/// Projections of a block that share their input; their outputs lie side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Query, key, value.
    Attention,
    /// Attention output.
    Output,
    /// Gate and up.
    Ffn,
    /// Down.
    Down,
}

impl Group {
    pub(super) const ALL: [Self; 4] = [Self::Attention, Self::Output, Self::Ffn, Self::Down];

    /// The projections, in the order of their outputs.
    pub(super) fn targets(self) -> &'static [Target] {
        match self {
            Self::Attention => &[Target::Query, Target::Key, Target::Value],
            Self::Output => &[Target::Output],
            Self::Ffn => &[Target::Gate, Target::Up],
            Self::Down => &[Target::Down],
        }
    }

    /// Inputs, and outputs of all projections together.
    pub(super) fn shape(self, config: &DecoderConfig) -> (usize, usize) {
        let targets = self.targets();
        let outputs = targets.iter().map(|target| target.shape(config).1).sum();
        (targets[0].shape(config).0, outputs)
    }
}

/// A group's weights `[outputs, inputs]`, each projection quantized by itself.
#[derive(Debug)]
pub(super) struct Matrix {
    inputs: usize,
    outputs: usize,
    parts: Vec<Quantized>,
}

impl Matrix {
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Decodes the values of a row from column `first` on.
    pub(super) fn part<E: Decoded>(&self, row: usize, first: usize, out: &mut [E]) {
        let mut at = row * self.inputs + first;
        for part in &self.parts {
            if at < part.len {
                nf4::decode(part, at, out);
                return;
            }
            at -= part.len;
        }
    }

    /// Decodes whole rows from `first` on.
    #[cfg(test)]
    pub(super) fn rows(&self, first: usize, out: &mut [f32]) {
        for (i, out) in out.chunks_exact_mut(self.inputs).enumerate() {
            self.part(first + i, 0, out);
        }
    }

    /// The projections, one after the other.
    pub(super) fn parts(&self) -> &[Quantized] {
        &self.parts
    }

    fn new(inputs: usize, parts: Vec<Quantized>) -> Self {
        let outputs = parts.iter().map(|part| part.len / inputs).sum();
        Self { inputs, outputs, parts }
    }

    fn bytes(&self) -> usize {
        self.parts.iter().map(Quantized::bytes).sum()
    }
}

impl Base {
    /// Reads and quantizes a model, one matrix at a time: the peak above the result is one matrix, of
    /// embeddings and the head a part.
    ///
    /// Progress has the stage "load" and counts bytes of f32 values. `None` when it asked to stop.
    ///
    /// # Errors
    /// If a size in `config` cannot be, or the source fails or gives a tensor of another length or
    /// one with values that are not finite.
    pub fn load(
        config: &DecoderConfig,
        source: &mut dyn TensorSource,
        precision: Precision,
        on: &mut OnProgress,
    ) -> Result<Option<Self>> {
        check(config)?;
        let mut reader =
            Reader { source, on, done: 0, total: total_values(config) as u64 * 4, stopped: false };
        let loaded = read_model(config, &mut reader, precision);
        if reader.stopped {
            return Ok(None);
        }
        loaded.map(Some)
    }

    /// Sizes and switches.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// What products are computed in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Bytes of all weights as they are held.
    pub fn bytes(&self) -> usize {
        let layers: usize = self
            .layers
            .iter()
            .map(|layer| {
                let more = layer.head_norms.iter().chain(&layer.post_norms).flatten();
                let vectors = layer.attention_norm.len()
                    + layer.ffn_norm.len()
                    + layer.bias.as_ref().map_or(0, Vec::len)
                    + more.map(Vec::len).sum::<usize>();
                vectors * 4 + layer.groups.iter().map(Matrix::bytes).sum::<usize>()
            })
            .sum();
        let head = self.head.as_ref().map_or(0, Table::bytes);
        let coarse = self.coarse.get().and_then(Option::as_ref).map_or(0, Coarse::bytes);
        layers + self.embedding.bytes() + head + coarse + self.final_norm.len() * 4
    }

    pub(super) fn layer(&self, layer: usize) -> &Layer {
        &self.layers[layer]
    }

    pub(super) fn matrix(&self, layer: usize, group: Group) -> &Matrix {
        &self.layers[layer].groups[group as usize]
    }

    pub(super) fn final_norm(&self) -> &[f32] {
        &self.final_norm
    }

    /// The embedding, `[vocab_size, hidden_size]`, not scaled.
    pub(super) fn embedding(&self) -> &Table {
        &self.embedding
    }

    /// Whether a token's row of the head was never trained: many others are the same but for rounding, as
    /// reserved ones are. No hidden state makes such a token the likeliest, so no adapter teaches it.
    pub fn is_untrained(&self, token: u32) -> bool {
        const SHARE: f32 = 0.02;
        const TWINS: usize = 8;
        let head = self.head();
        (token as usize) < head.rows() && head.near(token as usize, SHARE) >= TWINS
    }

    /// The output head, `[vocab_size, hidden_size]`.
    pub(super) fn head(&self) -> &Table {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    /// A copy of the head for finding the likeliest token, made when it is first asked for, for tokens like these.
    pub(super) fn coarse_head(&self, profile: &Profile) -> Option<&Coarse> {
        let round = self.precision == Precision::Bf16;
        self.coarse.get_or_init(|| Coarse::new(self.head(), profile, round)).as_ref()
    }

    /// Writes the embeddings of `ids`, scaled, into `out`, one row a token.
    pub(super) fn embed(&self, ids: &[u32], out: &mut [f32]) {
        let width = self.config.hidden_size;
        for (id, out) in ids.iter().zip(out.chunks_exact_mut(width)) {
            self.embedding.part(*id as usize, 0, out);
        }
        if self.config.embedding_scale != 1.0 {
            vector::scale(&mut out[..ids.len() * width], self.config.embedding_scale);
        }
    }

    /// Fails unless `id` is in the vocabulary.
    pub(super) fn check_id(&self, id: u32) -> Result<()> {
        if (id as usize) < self.config.vocab_size {
            return Ok(());
        }
        Err(Failure::user(format!(
            "token {id} is outside the model's vocabulary of {}",
            self.config.vocab_size
        ))
        .hint("The tokenizer belongs to another model."))
    }
}

/// Reads tensors with checks and progress.
struct Reader<'a, 'b> {
    source: &'a mut dyn TensorSource,
    on: &'a mut OnProgress<'b>,
    done: u64,
    total: u64,
    stopped: bool,
}

impl Reader<'_, '_> {
    fn read(&mut self, name: TensorName, len: usize) -> Result<Vec<f32>> {
        self.go_on()?;
        let values = self.source.read(name)?;
        self.check(name, &values, len)?;
        Ok(values)
    }

    /// Reads a matrix where the one before it lay.
    fn read_to(&mut self, name: TensorName, len: usize, values: &mut Vec<f32>) -> Result<()> {
        self.go_on()?;
        self.source.read_to(name, values)?;
        self.check(name, values, len)
    }

    /// Reads a table part by part: in f32 and whole, it could be larger than the rest of the model.
    fn table(
        &mut self,
        name: TensorName,
        (rows, width): (usize, usize),
        precision: Precision,
    ) -> Result<Table> {
        let mut table = Table::begin(rows, width);
        let step = (table::PART / width).max(1);
        let mut values = Vec::new();
        for first in (0..rows).step_by(step) {
            self.go_on()?;
            let part = first..(first + step).min(rows);
            let len = part.len() * width;
            self.source.read_rows_to(name, width, part, &mut values)?;
            self.check(name, &values, len)?;
            table.push(&values, precision);
        }
        Ok(table)
    }

    fn go_on(&mut self) -> Result<()> {
        let progress = Progress::new("load", self.done, Some(self.total), "bytes");
        if (self.on)(progress) == ControlFlow::Break(()) {
            self.stopped = true;
            return Err(Failure::user("loading was stopped"));
        }
        Ok(())
    }

    fn check(&mut self, name: TensorName, values: &[f32], len: usize) -> Result<()> {
        if values.len() != len {
            return Err(Failure::user(format!(
                "{name} has {} values, but the model's sizes ask for {len}",
                values.len()
            ))
            .hint("The weights and the model's configuration do not belong together."));
        }
        // All of a part are looked at, which goes many at a time.
        let finite = |part: &[f32]| part.iter().fold(true, |all, x| all & x.is_finite());
        if !values.par_chunks(1 << 15).all(finite) {
            return Err(Failure::user(format!("{name} has values that are not finite"))
                .hint("The file is damaged; download it again."));
        }
        self.done += len as u64 * 4;
        Ok(())
    }
}

fn read_model(
    config: &DecoderConfig,
    reader: &mut Reader<'_, '_>,
    precision: Precision,
) -> Result<Base> {
    let hidden = config.hidden_size;
    let size = (config.vocab_size, hidden);
    let embedding = reader.table(TensorName::Embedding, size, precision)?;
    let mut layers = Vec::with_capacity(config.layers);
    let mut values = Vec::new();
    let mut codes = Region::with_room(code_bytes(config));
    for layer in 0..config.layers {
        let attention_norm = reader.read(TensorName::AttentionNorm(layer), hidden)?;
        let ffn_norm = reader.read(TensorName::FfnNorm(layer), hidden)?;
        let mut bias = None;
        if config.qkv_bias {
            let mut all = reader.read(TensorName::QueryBias(layer), config.query_size())?;
            all.extend(reader.read(TensorName::KeyBias(layer), config.kv_size())?);
            all.extend(reader.read(TensorName::ValueBias(layer), config.kv_size())?);
            bias = Some(all);
        }
        let mut pair = |names: [TensorName; 2], len: usize| -> Result<[Vec<f32>; 2]> {
            Ok([reader.read(names[0], len)?, reader.read(names[1], len)?])
        };
        let family = config.architecture;
        let mut head_norms = None;
        if family.has_head_norms() {
            let names = [TensorName::QueryNorm(layer), TensorName::KeyNorm(layer)];
            head_norms = Some(pair(names, config.head_dim)?);
        }
        let mut post_norms = None;
        if family.has_post_norms() {
            let names = [TensorName::PostAttentionNorm(layer), TensorName::PostFfnNorm(layer)];
            post_norms = Some(pair(names, hidden)?);
        }
        let mut group = |group: Group| -> Result<Matrix> {
            let mut parts = Vec::new();
            for target in group.targets() {
                let (inputs, outputs) = target.shape(config);
                reader.read_to(tensor_name(*target, layer), inputs * outputs, &mut values)?;
                parts.push(nf4::quantize_to(&mut codes, &values));
            }
            Ok(Matrix::new(group.shape(config).0, parts))
        };
        let groups = [
            group(Group::Attention)?,
            group(Group::Output)?,
            group(Group::Ffn)?,
            group(Group::Down)?,
        ];
        layers.push(Layer { attention_norm, ffn_norm, bias, head_norms, post_norms, groups });
    }
    let codes = Arc::new(codes);
    for matrix in layers.iter_mut().flat_map(|layer: &mut Layer| &mut layer.groups) {
        matrix.parts.iter_mut().for_each(|part| part.settle(&codes));
    }
    let final_norm = reader.read(TensorName::FinalNorm, hidden)?;
    let head = if config.tied_head {
        None
    } else {
        Some(reader.table(TensorName::Head, size, precision)?)
    };
    // The last word on progress: all is read. A stop asked for here comes too late to matter.
    let _ = (reader.on)(Progress::new("load", reader.done, Some(reader.total), "bytes"));
    let (config, coarse) = (config.clone(), OnceLock::new());
    Ok(Base { config, precision, embedding, head, final_norm, layers, coarse })
}

fn tensor_name(target: Target, layer: usize) -> TensorName {
    match target {
        Target::Query => TensorName::Query(layer),
        Target::Key => TensorName::Key(layer),
        Target::Value => TensorName::Value(layer),
        Target::Output => TensorName::Output(layer),
        Target::Gate => TensorName::Gate(layer),
        Target::Up => TensorName::Up(layer),
        Target::Down => TensorName::Down(layer),
    }
}

/// Bytes of all projections' codes in one region.
fn code_bytes(config: &DecoderConfig) -> usize {
    let sizes = Target::ALL.iter().map(|target| target.shape(config));
    config.layers
        * sizes.map(|(inputs, outputs)| nf4::region_bytes(inputs * outputs)).sum::<usize>()
}

fn total_values(config: &DecoderConfig) -> usize {
    let matrices: usize = Target::ALL
        .iter()
        .map(|target| target.shape(config))
        .map(|(inputs, outputs)| inputs * outputs)
        .sum();
    let biases = if config.qkv_bias { config.query_size() + 2 * config.kv_size() } else { 0 };
    let head_norms = if config.architecture.has_head_norms() { 2 * config.head_dim } else { 0 };
    let norms = if config.architecture.has_post_norms() { 4 } else { 2 };
    let heads = if config.tied_head { 1 } else { 2 };
    config.layers * (matrices + biases + head_norms + norms * config.hidden_size)
        + heads * config.vocab_size * config.hidden_size
        + config.hidden_size
}

fn check(config: &DecoderConfig) -> Result<()> {
    let wrong = |what: String| Err(Failure::user(format!("model configuration: {what}")));
    for (name, value) in [
        ("vocab_size", config.vocab_size),
        ("hidden_size", config.hidden_size),
        ("layers", config.layers),
        ("heads", config.heads),
        ("kv_heads", config.kv_heads),
        ("head_dim", config.head_dim),
        ("ffn_size", config.ffn_size),
    ] {
        if value == 0 {
            return wrong(format!("{name} is 0"));
        }
    }
    if !config.heads.is_multiple_of(config.kv_heads) {
        return wrong(format!(
            "{} heads cannot share {} key-value heads",
            config.heads, config.kv_heads
        ));
    }
    if !config.head_dim.is_multiple_of(2) {
        return wrong(format!("head_dim {} is odd", config.head_dim));
    }
    if let Some(factors) = &config.rope_factors
        && factors.len() != config.head_dim / 2
    {
        return wrong(format!(
            "{} rope factors for {} frequencies",
            factors.len(),
            config.head_dim / 2
        ));
    }
    if let Some(windows) = &config.windows
        && (windows.layers.len() != config.layers || windows.tokens == 0)
    {
        return wrong("the sliding windows do not fit the layers".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::toy;

    #[test]
    fn rows_and_parts_of_a_group_are_its_projections() {
        let config = toy::qwen2();
        let base = toy::load(&config, 5);
        for group in Group::ALL {
            let matrix = base.matrix(1, group);
            assert_eq!((matrix.inputs(), matrix.outputs()), group.shape(&config));
            let mut whole = Vec::new();
            for part in &matrix.parts {
                let mut values = vec![0.0; part.len];
                part.dequantize(0, &mut values);
                whole.extend(values);
            }
            let mut rows = vec![0.0; whole.len()];
            matrix.rows(0, &mut rows);
            assert_eq!(rows, whole);
            let (row, column) = (matrix.outputs() - 1, matrix.inputs() - 7);
            let mut part = [0.0; 5];
            matrix.part(row, column, &mut part);
            assert_eq!(part, whole[row * matrix.inputs() + column..][..5]);
        }
    }

    #[test]
    fn progress_ends_at_its_total_and_can_stop() {
        let config = toy::llama();
        let mut source = toy::Source::new(&config, 1);
        let mut last = None;
        let loaded = Base::load(&config, &mut source, Precision::F32, &mut |progress| {
            last = Some(progress);
            ControlFlow::Continue(())
        });
        assert!(loaded.unwrap().is_some());
        assert_eq!(last.unwrap().fraction(), Some(1.0));
        let mut calls = 0;
        let stopped = Base::load(&config, &mut source, Precision::F32, &mut |_| {
            calls += 1;
            if calls == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(stopped.unwrap().is_none());
        assert_eq!(calls, 4);
    }

    #[test]
    fn impossible_sizes_and_wrong_tensors_are_named() {
        let mut config = toy::llama();
        config.kv_heads = 3;
        let mut source = toy::Source::new(&toy::llama(), 1);
        let mut on = |_| ControlFlow::Continue(());
        let failure = Base::load(&config, &mut source, Precision::F32, &mut on).unwrap_err();
        assert!(failure.message.contains("key-value heads"));
        let mut config = toy::llama();
        config.ffn_size += 2;
        let failure = Base::load(&config, &mut source, Precision::F32, &mut on).unwrap_err();
        assert!(failure.message.contains("gate_proj"), "{failure}");
    }
}
