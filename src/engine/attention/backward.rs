//! Gradients of attention.

use std::ops::Range;

use rayon::prelude::*;

use super::operands::{
    Buffered, Buffers, blocks, gather as gather_rows, grow, lay_by_query, of_query, part,
    whole_panels,
};
use super::softmax::Sight;
use super::{BLOCK, Heads, Kept, Part, Projected, parts};
use crate::engine::cpu::multiply;
use crate::engine::cpu::panels::WIDTH;
use crate::engine::cpu::shared::Shared;
use crate::engine::cpu::vector;
use crate::engine::pack::{self, Segment};
use crate::engine::rope::Rotary;

/// Keys whose scores are worked on at a time.
const KEYS: usize = 2 * WIDTH;

/// Gradients by query head, `[heads, 3, tokens, dim]` for dq, dk and dv, into `scratch`.
pub(super) fn run<E: Buffered>(
    heads: Heads,
    rows: Projected<'_>,
    kept: Kept<'_>,
    dout: (&[f32], usize),
    segments: &[Segment],
    scratch: &mut [f32],
) {
    let tokens = kept.log_sums.len() / heads.query;
    let scratch = Shared::new(scratch);
    // Each with the indices of its segments.
    let mut first = 0;
    let trees = pack::trees(segments).map(|tree| {
        first += tree.len();
        first - tree.len()..first
    });
    let mut order: Vec<Range<usize>> = trees.collect();
    let parts =
        |tree: &Range<usize>| tree.clone().flat_map(|index| parts(segments, index, heads.window));
    order.sort_by_key(|tree| std::cmp::Reverse(parts(tree).map(|part| part.work()).sum::<usize>()));
    (0..order.len() * heads.query).into_par_iter().with_max_len(1).for_each(|index| {
        let (tree, head) = (&order[index / heads.query], index % heads.query);
        let all = segments[tree.start].own.start..segments[tree.end - 1].own.end;
        let dim = heads.dim;
        let place = |kind: usize| ((head * 3 + kind) * tokens + all.start) * dim;
        // SAFETY: the tokens of a tree in one head belong to one task.
        #[expect(unsafe_code, reason = "tasks write to places of their own")]
        let [dq, dk, dv] =
            [0, 1, 2].map(|kind| unsafe { scratch.part(place(kind), all.len() * dim) });
        dk.fill(0.0);
        dv.fill(0.0);
        let grads = [dq, dk, dv];
        E::with_buffers(|buffers| {
            let mut grads = grads;
            for part in parts(tree) {
                let part = (all.start, segments, &part);
                attend(heads, head, rows, kept, dout, part, buffers, &mut grads);
            }
        });
    });
}

/// One head of one part. `grads` are dq, dk and dv of its tree, from the tree's first token `origin`
/// on.
#[expect(clippy::too_many_arguments, reason = "each is a distinct part of the state of a pass")]
fn attend<E: Buffered>(
    heads: Heads,
    head: usize,
    Projected { rows, pitch }: Projected<'_>,
    kept: Kept<'_>,
    dout: (&[f32], usize),
    (origin, segments, task): (usize, &[Segment], &Part),
    buffers: &mut Buffers<E>,
    [dq, dk, dv]: &mut [&mut [f32]; 3],
) {
    let (dim, scale) = (heads.dim, heads.scale);
    let tokens = kept.log_sums.len() / heads.query;
    task.sees(segments, &mut buffers.ranges);
    let (before, own) = (task.before, &task.own);
    let (ranges, gathered) = (&buffers.ranges, &mut buffers.gathered);
    let these = gather_rows((rows, pitch), ranges, (heads.key(head), dim), gathered);
    buffers.keys.set_rows(these);
    buffers.turned.set_columns(these, &mut buffers.deep);
    buffers.values.set_rows(gather_rows((rows, pitch), ranges, (heads.value(head), dim), gathered));
    let padded = buffers.keys.padded_rows();
    let wide = whole_panels(dim);
    for buffer in [&mut buffers.scores, &mut buffers.dchances] {
        grow(buffer, KEYS * BLOCK);
    }
    for buffer in [&mut buffers.dkeys, &mut buffers.dvalues] {
        grow(buffer, padded * wide);
        buffer[..padded * wide].fill(0.0);
    }
    grow(&mut buffers.result, buffers.turned.padded_rows() * BLOCK);
    for block in blocks(own) {
        let seen = before + block.end - own.start;
        let own_row = before + block.start - own.start;
        let sight = Sight { rows: seen, own: own_row, window: heads.window };
        let query = part((rows, pitch), &block, (head * dim, dim));
        let grad = part(dout, &block, (head * dim, dim));
        buffers.queries.set_columns(query, BLOCK);
        buffers.queries_deep.set_depths(query);
        buffers.douts.set_columns(grad, BLOCK);
        buffers.douts_deep.set_depths(grad);
        let (mut log_sums, mut through) = ([0.0; BLOCK], [0.0; BLOCK]);
        log_sums[..block.len()].copy_from_slice(&kept.log_sums[head * tokens..][block.clone()]);
        for (through, token) in through.iter_mut().zip(block.clone()) {
            let mixed = &kept.out[(token * heads.query + head) * dim..][..dim];
            *through = vector::dot(&dout.0[token * dout.1 + head * dim..][..dim], mixed);
        }
        let chances = buffers.chances.space(seen, BLOCK);
        let dscores = buffers.dscores.space(seen, BLOCK);
        let (deep, stride) = buffers.deep.space(seen, BLOCK);
        let (scores, dchances) = (&mut buffers.scores[..], &mut buffers.dchances[..]);
        // Some keys at a time: their scores never leave the first-level cache.
        for first in (0..seen).step_by(KEYS) {
            let keys = first..(first + KEYS).min(seen);
            multiply::small(&buffers.keys, keys.clone(), &buffers.queries, scores, BLOCK);
            multiply::small(&buffers.values, keys, &buffers.douts, dchances, BLOCK);
            // Rows of operands up to whole tiles are filled, with zeros.
            let keys = first..(first + KEYS).min(seen.next_multiple_of(WIDTH));
            E::backward(
                keys,
                (scores, dchances),
                sight,
                scale,
                (&log_sums, &through),
                (chances, dscores),
                (deep, stride),
            );
        }
        // Depths of the next products are the block's queries.
        let (chances, dscores) = (&buffers.chances, &buffers.dscores);
        multiply::small_add(chances, 0..seen, &buffers.douts_deep, &mut buffers.dvalues, wide);
        multiply::small_add(dscores, 0..seen, &buffers.queries_deep, &mut buffers.dkeys, wide);
        let turned = &buffers.turned;
        multiply::small(turned, 0..turned.rows(), &buffers.deep, &mut buffers.result, BLOCK);
        lay_by_query(&buffers.result[..turned.padded_rows() * BLOCK], dim, &mut buffers.laid);
        for (lane, token) in block.enumerate() {
            let grad = &mut dq[(token - origin) * dim..][..dim];
            for (grad, from) in of_query(&buffers.laid, lane, grad) {
                grad.copy_from_slice(from);
            }
        }
    }
    for (sums, grads) in [(&buffers.dkeys, dk), (&buffers.dvalues, dv)] {
        for (token, sums) in buffers.ranges.iter().cloned().flatten().zip(sums.chunks_exact(wide)) {
            vector::add_scaled(&mut grads[(token - origin) * dim..][..dim], &sums[..dim], 1.0);
        }
    }
}

/// Sums over the heads that share keys, turns back, and lays out by token.
pub(super) fn gather(
    heads: Heads,
    (rotary, positions): (&Rotary, &[u32]),
    scratch: &[f32],
    grads: &mut [f32],
) {
    let dim = heads.dim;
    let width = (heads.query + 2 * heads.shared) * dim;
    let tokens = positions.len();
    grads.par_chunks_mut(width).enumerate().with_min_len(16).for_each(|(token, grads)| {
        let part = |head: usize, kind: usize| {
            &scratch[((head * 3 + kind) * tokens + token) * dim..][..dim]
        };
        let position = positions[token] as usize;
        for (slot, grad) in grads.chunks_exact_mut(dim).enumerate() {
            if slot < heads.query {
                grad.copy_from_slice(part(slot, 0));
                rotary.turn(grad, position, -1.0);
                continue;
            }
            let kind = 1 + (slot - heads.query) / heads.shared;
            let first = (slot - heads.query) % heads.shared * heads.share();
            grad.copy_from_slice(part(first, kind));
            for head in first + 1..first + heads.share() {
                vector::add_scaled(grad, part(head, kind), 1.0);
            }
            if kind == 1 {
                rotary.turn(grad, position, -1.0);
            }
        }
    });
}
