//! The frozen base on the device: NF4 as it is, embedding and head in bf16, norms and biases in f32;
//! and one layer's projections decoded, with the adapter beside them.

use std::sync::Arc;

use half::bf16;

use super::driver::{Bump, Gpu, Memory};
use crate::engine::base::{Base, Group};
use crate::engine::effective::{self, Part};
use crate::engine::lora::Adapter;
use crate::engine::nf4::{DYNAMIC_MAP, Quantized};
use crate::engine::table::Table;
use crate::failure::{Failure, Result};

/// Values that one block of threads decodes.
const DECODED: usize = 8192;
/// Values of the adapter that one block of threads rounds.
const FOLDED: usize = 1024;
/// Columns of an adapter beside a projection come in multiples of this, so that rows stay aligned.
const SIDE: usize = 8;

/// A group of projections decoded, `[outputs + side, inputs + side]`: W, `s B` to its right, A below.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) at: u64,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Columns of the adapter, and the same with the zeros behind them.
    pub(super) columns: usize,
    pub(super) side: usize,
    pub(super) parts: Vec<Part>,
}

impl Operand {
    pub(super) fn pitch(&self) -> usize {
        self.inputs + self.side
    }
}

/// A layer's vectors; 0 where there is none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LayerVectors {
    pub(super) attention_norm: u64,
    pub(super) ffn_norm: u64,
    pub(super) bias: u64,
    pub(super) query_norm: u64,
    pub(super) key_norm: u64,
    pub(super) post_attention: u64,
    pub(super) post_ffn: u64,
}

/// Places of what a kernel over a table of entries reads.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entries {
    pub(super) at: u64,
    pub(super) count: usize,
    /// Blocks of threads over all entries.
    pub(super) blocks: usize,
}

pub(super) struct DeviceWeights {
    pub(super) embedding: u64,
    pub(super) head: u64,
    pub(super) final_norm: u64,
    pub(super) map: u64,
    pub(super) vectors: Vec<LayerVectors>,
    /// The NF4 parts of each layer.
    pub(super) parts: Vec<Entries>,
    /// Where the adapter goes; the same for all layers.
    pub(super) sides: Entries,
    /// In the order of [`Group::ALL`], of the first layer or of whichever was decoded last.
    pub(super) operands: [Operand; 4],
    /// Bytes from a layer's operands to the next one's; 0 where all layers share them.
    pub(super) stride: usize,
    pub(super) memory: Memory,
}

/// What is laid out, before anything is copied.
struct Places {
    weights: Weights,
    /// Codes, magnitudes and nested magnitudes of each part of each layer.
    nf4: Vec<[u64; 3]>,
}

struct Weights {
    embedding: u64,
    head: u64,
    final_norm: u64,
    map: u64,
    vectors: Vec<LayerVectors>,
    part_tables: Vec<u64>,
    side_table: u64,
    operands: [Operand; 4],
    stride: usize,
}

fn operand(base: &Base, adapter: Option<&Adapter>, group: Group, bump: &mut Bump) -> Operand {
    let (inputs, outputs) = group.shape(base.config());
    let columns = effective::columns(adapter, group);
    let side = columns.next_multiple_of(SIDE);
    let at = bump.take((outputs + side) * (inputs + side) * 2);
    let parts = adapter.map_or_else(Vec::new, |adapter| effective::parts(adapter, group));
    Operand { at, inputs, outputs, columns, side, parts }
}

/// Lays everything out, with operands of `decoded` layers: all, or one that is decoded again for each.
fn lay(base: &Base, adapter: Option<&Adapter>, decoded: usize, bump: &mut Bump) -> Places {
    let config = base.config();
    let (hidden, vocab) = (config.hidden_size, config.vocab_size);
    let embedding = bump.take(vocab * hidden * 2);
    let head = if config.tied_head { embedding } else { bump.take(vocab * hidden * 2) };
    let (final_norm, map) = (bump.take(hidden * 4), bump.take(1024));
    let (mut vectors, mut nf4, mut part_tables) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..config.layers {
        let layer = base.layer(index);
        let mut one = LayerVectors {
            attention_norm: bump.take(hidden * 4),
            ffn_norm: bump.take(hidden * 4),
            ..LayerVectors::default()
        };
        if let Some(bias) = &layer.bias {
            one.bias = bump.take(bias.len() * 4);
        }
        if let Some([query, key]) = &layer.head_norms {
            (one.query_norm, one.key_norm) = (bump.take(query.len() * 4), bump.take(key.len() * 4));
        }
        if layer.post_norms.is_some() {
            (one.post_attention, one.post_ffn) = (bump.take(hidden * 4), bump.take(hidden * 4));
        }
        vectors.push(one);
        for part in parts_of(base, index) {
            nf4.push([
                bump.take(part.codes.len()),
                bump.take(part.magnitudes.len()),
                bump.take(part.nested.len() * 4),
            ]);
        }
        part_tables.push(bump.take(64 * 8));
    }
    let side_table = bump.take(32 * 16);
    let before = bump.used();
    let operands = Group::ALL.map(|group| operand(base, adapter, group, bump));
    let one = bump.used() - before;
    let stride = if decoded > 1 { one } else { 0 };
    bump.take(one * (decoded - 1));
    let weights = Weights {
        embedding,
        head,
        final_norm,
        map,
        vectors,
        part_tables,
        side_table,
        operands,
        stride,
    };
    Places { weights, nf4 }
}

/// The NF4 projections of a layer in the order of the groups.
fn parts_of(base: &Base, layer: usize) -> impl Iterator<Item = &Quantized> {
    Group::ALL.into_iter().flat_map(move |group| base.matrix(layer, group).parts())
}

/// Bytes that base and operands of `decoded` layers take on the device.
pub(super) fn bytes(base: &Base, adapter: Option<&Adapter>, decoded: usize) -> usize {
    let mut bump = Bump::default();
    lay(base, adapter, decoded, &mut bump);
    bump.used()
}

/// Fails where a width does not fit the kernels.
pub(super) fn check(base: &Base) -> Result<()> {
    let config = base.config();
    let widths = [
        ("hidden size", config.hidden_size),
        ("feed-forward size", config.ffn_size),
        ("head width", config.head_dim),
    ];
    for (what, width) in widths {
        if !width.is_multiple_of(8) {
            return Err(Failure::user(format!(
                "the {what} of this model, {width}, is no multiple of 8, which the GPU needs"
            ))
            .hint("`--device cpu` trains it."));
        }
    }
    if config.head_dim > 256 {
        return Err(Failure::user(format!(
            "heads of this model are {} wide, and the GPU takes 256 at the most",
            config.head_dim
        ))
        .hint("`--device cpu` trains it."));
    }
    Ok(())
}

impl DeviceWeights {
    /// Copies a base to the device, with operands of `decoded` layers: one or all.
    pub(super) fn upload(
        gpu: &Arc<Gpu>,
        base: &Base,
        adapter: Option<&Adapter>,
        decoded: usize,
    ) -> Result<Self> {
        let memory = Memory::new(gpu, bytes(base, adapter, decoded))?;
        let Places { weights, nf4 } = lay(base, adapter, decoded, &mut Bump::at(memory.at));
        let config = base.config();
        upload_table(gpu, weights.embedding, base.embedding())?;
        if !config.tied_head {
            upload_table(gpu, weights.head, base.head())?;
        }
        gpu.upload(weights.final_norm, base.final_norm())?;
        gpu.upload(weights.map, &DYNAMIC_MAP[..])?;
        let mut places = nf4.into_iter();
        let mut parts = Vec::with_capacity(config.layers);
        for index in 0..config.layers {
            let (layer, at) = (base.layer(index), weights.vectors[index]);
            gpu.upload(at.attention_norm, &layer.attention_norm)?;
            gpu.upload(at.ffn_norm, &layer.ffn_norm)?;
            if let Some(bias) = &layer.bias {
                gpu.upload(at.bias, bias)?;
            }
            if let Some([query, key]) = &layer.head_norms {
                gpu.upload(at.query_norm, query)?;
                gpu.upload(at.key_norm, key)?;
            }
            if let Some([attention, ffn]) = &layer.post_norms {
                gpu.upload(at.post_attention, attention)?;
                gpu.upload(at.post_ffn, ffn)?;
            }
            let mut table: Vec<u64> = Vec::new();
            let (mut blocks, mut count) = (0, 0);
            for (group, operand) in Group::ALL.into_iter().zip(&weights.operands) {
                let mut row = 0;
                for part in base.matrix(index, group).parts() {
                    let Some([codes, magnitudes, nested]) = places.next() else { continue };
                    gpu.upload(codes, &part.codes)?;
                    gpu.upload(magnitudes, &part.magnitudes)?;
                    gpu.upload(nested, &part.nested)?;
                    let shift = index * weights.stride + row * operand.pitch() * 2;
                    let out = operand.at + shift as u64;
                    table.extend([codes, magnitudes, nested, out]);
                    table.push(words(part.offset.to_bits(), part.len as u32));
                    table.push(words(operand.inputs as u32, operand.pitch() as u32));
                    table.push(words(blocks as u32, 0));
                    row += part.len / operand.inputs;
                    blocks += part.len.div_ceil(DECODED);
                    count += 1;
                }
            }
            gpu.upload(weights.part_tables[index], &table)?;
            parts.push(Entries { at: weights.part_tables[index], count, blocks });
        }
        let sides = match adapter {
            Some(adapter) => upload_sides(gpu, weights.side_table, &weights.operands, adapter)?,
            None => Entries::default(),
        };
        for (layer, operand) in
            (0..decoded).flat_map(|l| weights.operands.iter().map(move |o| (l, o)))
        {
            // What neither a weight nor the adapter fills stays zero.
            let len = (operand.outputs + operand.side) * operand.pitch() * 2;
            gpu.clear(operand.at + (layer * weights.stride) as u64, len)?;
        }
        gpu.wait()?;
        let Weights { embedding, head, final_norm, map, vectors, operands, stride, .. } = weights;
        Ok(Self {
            embedding,
            head,
            final_norm,
            map,
            vectors,
            parts,
            sides,
            operands,
            stride,
            memory,
        })
    }
}

fn words(low: u32, high: u32) -> u64 {
    u64::from(low) | (u64::from(high) << 32)
}

fn upload_table(gpu: &Gpu, at: u64, table: &Table) -> Result<()> {
    let rows = table.rows();
    if let Some(halves) = table.halves(0, rows) {
        return gpu.upload(at, halves);
    }
    let mut row = vec![bf16::ZERO; table.width()];
    for index in 0..rows {
        table.part(index, 0, &mut row);
        gpu.upload(at + (index * row.len() * 2) as u64, &row)?;
    }
    Ok(())
}

fn upload_sides(gpu: &Gpu, at: u64, operands: &[Operand; 4], adapter: &Adapter) -> Result<Entries> {
    let (rank, scale) = (adapter.config().rank, adapter.config().scale());
    let (mut table, mut blocks, mut count) = (Vec::<u64>::new(), 0, 0);
    let mut add =
        |out: u64, from: usize, (rows, columns): (usize, usize), pitch: usize, by: f32| {
            table.push(out);
            table.push(words(from as u32, rows as u32));
            table.push(words(columns as u32, pitch as u32));
            table.push(words(by.to_bits(), blocks as u32));
            blocks += (rows * columns).div_ceil(FOLDED);
            count += 1;
        };
    for operand in operands {
        let (pitch, inputs) = (operand.pitch(), operand.inputs);
        for part in &operand.parts {
            let below = operand.at + ((operand.outputs + part.column) * pitch * 2) as u64;
            add(below, part.slot.a, (rank, inputs), pitch, 1.0);
            let right = operand.at + ((part.output * pitch + inputs + part.column) * 2) as u64;
            add(right, part.slot.b, (part.slot.outputs, rank), pitch, scale);
        }
    }
    gpu.upload(at, &table)?;
    Ok(Entries { at, count, blocks })
}
