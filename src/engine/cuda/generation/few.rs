//! Going one token further for few sequences: products that read NF4 as it is stored.

use std::sync::Arc;

use super::machine::Machine;
use super::places;
use super::steps::Rows;
use crate::engine::base::{Base, Group};
use crate::engine::cuda::driver::{Gpu, Kernel, Memory, arguments};
use crate::engine::cuda::weights::{Entries, Operand};
use crate::failure::Result;
use crate::model::DecoderConfig;

/// Tokens that the kernels take at most.
pub(super) const FEW_MAX: usize = 8;

/// Rows of a product's result that a group of warps makes at once.
const ROWS: usize = 16;
/// Depths that share a magnitude.
const DEPTHS: usize = 64;
/// Warps of a block at most.
const WARPS: usize = 24;
/// Shared memory of the table of codes, and of one warp's sums of 16 rows, bytes.
const TABLE_BYTES: usize = 256 * 32 * 4;
const SUM_BYTES: usize = 128 * 4;
/// Tiles of a gated product whose sums wait to be added up.
const WAITING: usize = 3;
/// Bytes of one NF4 part's entry.
const PART_BYTES: usize = 56;
/// Threads of the head's product, and rows of its result that a block makes.
const HEAD_THREADS: usize = 256;
const HEAD_ROWS: usize = 128;
/// Shared memory of a kernel that is there whatever it asks for, bytes.
const OWN_BYTES: usize = 3 << 10;

/// What is known of a group of projections.
#[derive(Debug, Clone, Copy)]
pub(super) struct FewGroup {
    /// The group's first of a layer's NF4 parts, and how many they are.
    first: usize,
    count: usize,
    /// What the adapter adds to them.
    tails: Entries,
}

/// How a product is shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    /// Rows of the result come in so many tiles.
    tiles: usize,
    /// Groups of warps of a block, each of which makes a tile, and warps of all groups.
    groups: usize,
    warps: usize,
    blocks: usize,
}

impl Share {
    /// Each block makes one tile; of gated products, whose tiles are many, one after the other.
    fn new(inputs: usize, outputs: usize, gated: bool, multiprocessors: u32) -> Self {
        let (depths, tiles) = (inputs / DEPTHS, outputs / ROWS);
        let groups = if gated { (WARPS / depths.max(1)).max(1) } else { 1 };
        // As few warps as take no longer.
        let width = depths.div_ceil(depths.div_ceil(WARPS / groups)).max(1);
        let most = if gated { multiprocessors as usize } else { usize::MAX };
        Self { tiles, groups, warps: groups * width, blocks: tiles.div_ceil(groups).min(most) }
    }

    /// Shared memory besides normalized rows, bytes.
    fn shared(&self, gated: bool) -> usize {
        TABLE_BYTES + if gated { WAITING } else { 1 } * self.warps * SUM_BYTES
    }
}

/// Shared memory of so many normalized rows.
fn normed_bytes(width: usize, tokens: usize) -> usize {
    (width + 8) * tokens * 2
}

/// Shared memory that a kernel asks for at most.
pub(super) fn shared_most(config: &DecoderConfig, tokens: usize) -> usize {
    TABLE_BYTES + WAITING * WARPS * SUM_BYTES + normed_bytes(config.hidden_size, tokens)
}

/// Tokens up to which the kernels can read this model where a block may have so many bytes of shared memory; 0 where
/// they cannot.
pub(super) fn most(base: &Base, shared_max: usize) -> usize {
    let fits = Group::ALL.into_iter().all(|group| {
        let matrix = base.matrix(0, group);
        let (inputs, parts) = (matrix.inputs(), matrix.parts());
        inputs.is_multiple_of(DEPTHS)
            && parts.iter().all(|part| (part.len / inputs).is_multiple_of(ROWS))
    });
    let room = |tokens: &usize| shared_most(base.config(), *tokens) + OWN_BYTES <= shared_max;
    if fits { (1..=FEW_MAX).rev().find(room).unwrap_or(0) } else { 0 }
}

/// What the kernels ask of each group, and the tables they read.
pub(super) fn groups(gpu: &Arc<Gpu>, operands: &[Operand; 4]) -> Result<([FewGroup; 4], Memory)> {
    let tables = Memory::new(gpu, 4 * 256)?;
    let mut groups = [FewGroup { first: 0, count: 0, tails: Entries::default() }; 4];
    let mut first = 0;
    for (index, (group, operand)) in Group::ALL.into_iter().zip(operands).enumerate() {
        let mut table: Vec<u32> = Vec::new();
        for part in &operand.parts {
            let four = [part.output, part.slot.outputs, part.slot.b, part.column];
            table.extend(four.map(|value| value as u32));
        }
        let at = tables.at + 256 * index as u64;
        gpu.upload(at, &table)?;
        let tails = Entries { at, count: operand.parts.len(), blocks: 0 };
        let count = group.targets().len();
        groups[index] = FewGroup { first, count, tails };
        first += count;
    }
    Ok((groups, tables))
}

impl Machine {
    /// A block by the kernels for few tokens, which read NF4 as it is stored.
    pub(super) fn few_block(&self, layer: usize, any_tuned: bool, rows: usize) -> Result<()> {
        let (at, places) = (self.weights.vectors[layer], &self.places);
        let (hidden, query, ffn) =
            (self.config.hidden_size, self.config.query_size(), self.config.ffn_size);
        let x = (places.x, hidden);
        let width = self.qkv_width();
        let few = |group: Group, from: Rows, norm: u64, kernel, out: Rows| {
            self.few((layer, group), (from, norm), kernel, out, any_tuned, rows)
        };
        let steps = &self.steps;
        few(Group::Attention, x, at.attention_norm, steps.plain, (places.qkv, width))?;
        self.attend_step(layer, (places.mixed, query), rows)?;
        let back = |group: Group, from: Rows, post: u64| {
            if post == 0 {
                return few(group, from, 0, steps.added, x);
            }
            few(group, from, 0, steps.plain, (places.wide, hidden))?;
            self.add_norm(Some((places.wide, post)), None, rows)
        };
        back(Group::Output, (places.mixed, query), at.post_attention)?;
        few(Group::Ffn, x, at.ffn_norm, steps.gated, (places.hidden, ffn))?;
        back(Group::Down, (places.hidden, ffn), at.post_ffn)
    }

    fn few(
        &self,
        (layer, group): (usize, Group),
        ((x, x_pitch), norm): (Rows, u64),
        kernel: Kernel<15>,
        (out, out_pitch): Rows,
        any_tuned: bool,
        rows: usize,
    ) -> Result<()> {
        let (operand, known) = (self.operand(group), self.few[group as usize]);
        let (u, side) = (self.places.u, places::side(&self.weights.operands));
        let mut count_rank = 0;
        if any_tuned && !operand.parts.is_empty() {
            self.side((layer, group), (x, x_pitch), norm, (u, side), rows)?;
            count_rank = ((known.tails.count << 16) | self.rank) as u32;
        }
        let gated = group == Group::Ffn;
        let share =
            Share::new(operand.inputs, operand.outputs, gated, self.gpu.facts.multiprocessors);
        let normed = if norm == 0 { 0 } else { normed_bytes(operand.inputs, rows) };
        let shared = share.shared(gated) + normed;
        let halves = |at: u64| [at as u32, (at >> 32) as u32];
        let [a, b, c] = [known.tails.at, self.values(layer), u].map(halves);
        let tails = [a[0], a[1], b[0], b[1], c[0], c[1], count_rank, self.scale.to_bits()];
        let parts = self.weights.parts[layer].at + (known.first * PART_BYTES) as u64;
        let arguments = arguments![
            parts,
            known.count,
            self.weights.map,
            x,
            x_pitch,
            norm,
            self.config.norm_eps,
            out,
            out_pitch,
            rows,
            tails,
            side,
            self.gelu(),
            share.tiles,
            share.groups
        ];
        self.gpu.launch_early(kernel, (share.blocks, 1), share.warps * 32, shared, arguments)
    }

    pub(super) fn few_head(&self, rows: usize) -> Result<()> {
        let (places, config) = (&self.places, &self.config);
        let (width, vocab) = (config.hidden_size, config.vocab_size);
        let arguments = arguments![
            self.weights.head,
            places.x,
            self.weights.final_norm,
            width,
            config.norm_eps,
            places.logits,
            places.logit_pitch,
            vocab,
            rows
        ];
        let (grid, shared) = ((vocab.div_ceil(HEAD_ROWS), 1), normed_bytes(width, rows));
        self.gpu.launch_early(self.steps.head, grid, HEAD_THREADS, shared, arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tiles_and_depths_are_shared_out() {
        let check = |inputs: usize, outputs: usize, gated: bool| {
            let share = Share::new(inputs, outputs, gated, 132);
            let width = share.warps / share.groups;
            assert!(share.warps <= WARPS && width * share.groups == share.warps, "{share:?}");
            assert!(
                width <= inputs / DEPTHS && share.groups * share.blocks >= share.tiles.min(132)
            );
            assert_eq!(share.tiles, outputs / 16);
            assert!(gated || share.blocks == share.tiles);
            share
        };
        // Qwen2.5-1.5B: 24 warps of one unit each, or of six.
        assert_eq!(check(1536, 2048, false).warps, 24);
        assert_eq!(check(8960, 1536, false).warps, 24);
        assert_eq!(check(1536, 17920, true).blocks, 132);
        // SmolLM2-135M: two groups of nine.
        assert_eq!(check(576, 3072, true).warps, 18);
        check(64, 128, true);
        check(4096, 28672, true);
    }
}
