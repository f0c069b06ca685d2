//! Gradients of attention.

use std::ops::Range;

use rayon::prelude::*;

use super::operands::{Buffered, Buffers, blocks, gather as gather_rows, grow, part, whole_panels};
use super::{BLOCK, Heads, Kept, Projected, hide_beyond, parts};
use crate::engine::cpu::multiply;
use crate::engine::cpu::panels::Rows;
use crate::engine::cpu::shared::Shared;
use crate::engine::cpu::vector::{self, exp, multiply_add, vectorized};
use crate::engine::pack::Group;
use crate::engine::rope::Rotary;

/// Gradients by query head, `[heads, 3, tokens, dim]` for dq, dk and dv, into `scratch`.
pub(super) fn run<E: Buffered>(
    heads: Heads,
    rows: Projected<'_>,
    kept: Kept<'_>,
    dout: (&[f32], usize),
    groups: &[Group],
    scratch: &mut [f32],
) {
    let tokens = kept.log_sums.len() / heads.query;
    let scratch = Shared::new(scratch);
    let mut order: Vec<&Group> = groups.iter().collect();
    order.sort_by_key(|group| {
        let work = |(before, own): (Range<usize>, Range<usize>)| {
            own.len() * (2 * before.len() + own.len())
        };
        std::cmp::Reverse(parts(group, heads.window).map(work).sum::<usize>())
    });
    (0..order.len() * heads.query).into_par_iter().with_max_len(1).for_each(|index| {
        let (group, head) = (order[index / heads.query], index % heads.query);
        let all = group.head.start..group.end();
        let dim = heads.dim;
        let place = |kind: usize| ((head * 3 + kind) * tokens + all.start) * dim;
        // SAFETY: the tokens of a group in one head belong to one task.
        #[expect(unsafe_code, reason = "tasks write to places of their own")]
        let [dq, dk, dv] =
            [0, 1, 2].map(|kind| unsafe { scratch.part(place(kind), all.len() * dim) });
        dk.fill(0.0);
        dv.fill(0.0);
        let grads = [dq, dk, dv];
        E::with_buffers(|buffers| {
            let mut grads = grads;
            for (before, own) in parts(group, heads.window) {
                let ranges = (all.start, &before, &own);
                attend(heads, head, rows, kept, dout, ranges, buffers, &mut grads);
            }
        });
    });
}

/// One head of one part. `grads` are dq, dk and dv of its group, from the group's first token
/// `origin` on.
#[expect(clippy::too_many_arguments, reason = "each is a distinct part of the state of a pass")]
fn attend<E: Buffered>(
    heads: Heads,
    head: usize,
    Projected { rows, pitch }: Projected<'_>,
    kept: Kept<'_>,
    dout: (&[f32], usize),
    (origin, before, own): (usize, &Range<usize>, &Range<usize>),
    buffers: &mut Buffers<E>,
    [dq, dk, dv]: &mut [&mut [f32]; 3],
) {
    let (dim, scale) = (heads.dim, heads.scale);
    let tokens = kept.log_sums.len() / heads.query;
    let all = [before, own];
    let gathered = &mut buffers.gathered;
    let these = gather_rows((rows, pitch), all, (heads.key(head), dim), gathered);
    buffers.keys.set_rows(these);
    buffers.turned.set_columns(these);
    buffers.values.set_rows(gather_rows((rows, pitch), all, (heads.value(head), dim), gathered));
    let padded = buffers.keys.padded_rows();
    let wide = whole_panels(dim);
    for buffer in [&mut buffers.scores, &mut buffers.dchances] {
        grow(buffer, padded * BLOCK);
    }
    for buffer in [&mut buffers.dkeys, &mut buffers.dvalues] {
        grow(buffer, padded * wide);
        buffer[..padded * wide].fill(0.0);
    }
    grow(&mut buffers.result, buffers.turned.padded_rows() * BLOCK);
    for block in blocks(own) {
        let seen = before.len() + block.end - own.start;
        let first_hidden = before.len() + block.start - own.start;
        let query = part((rows, pitch), &block, (head * dim, dim));
        let grad = part(dout, &block, (head * dim, dim));
        buffers.queries.set_columns(query, BLOCK);
        buffers.queries_deep.set_depths(query);
        buffers.douts.set_columns(grad, BLOCK);
        buffers.douts_deep.set_depths(grad);
        multiply::small(&buffers.keys, seen, &buffers.queries, &mut buffers.scores, BLOCK);
        multiply::small(&buffers.values, seen, &buffers.douts, &mut buffers.dchances, BLOCK);
        let (mut log_sums, mut through) = ([0.0; BLOCK], [0.0; BLOCK]);
        log_sums[..block.len()].copy_from_slice(&kept.log_sums[head * tokens..][block.clone()]);
        for (through, token) in through.iter_mut().zip(block.clone()) {
            let mixed = &kept.out[(token * heads.query + head) * dim..][..dim];
            *through = vector::dot(&dout.0[token * dout.1 + head * dim..][..dim], mixed);
        }
        let scores = &mut buffers.scores[..seen * BLOCK];
        let dchances = &mut buffers.dchances[..seen * BLOCK];
        softmax_backward(scores, dchances, first_hidden, scale, &log_sums, &through);
        let window = (heads.window, first_hidden, block.len());
        hide_beyond(scores.as_chunks_mut().0, window, 0.0);
        hide_beyond(dchances.as_chunks_mut().0, window, 0.0);
        let hidden_lanes = block.len();
        clear_lanes(scores, hidden_lanes);
        clear_lanes(dchances, hidden_lanes);
        // Depths of the next products are the block's queries.
        let chances = Rows { data: scores, count: seen, columns: block.len(), pitch: BLOCK };
        let dscores = Rows { data: dchances, ..chances };
        buffers.chances.set_rows(chances);
        buffers.dscores.set_rows(dscores);
        buffers.deep.set_depths(Rows { columns: BLOCK, ..dscores });
        let (chances, dscores) = (&buffers.chances, &buffers.dscores);
        multiply::small_add(chances, seen, &buffers.douts_deep, &mut buffers.dvalues, wide);
        multiply::small_add(dscores, seen, &buffers.queries_deep, &mut buffers.dkeys, wide);
        let turned = &buffers.turned;
        multiply::small(turned, turned.rows(), &buffers.deep, &mut buffers.result, BLOCK);
        for (lane, token) in block.enumerate() {
            for (d, grad) in dq[(token - origin) * dim..][..dim].iter_mut().enumerate() {
                *grad = buffers.result[d * BLOCK + lane];
            }
        }
    }
    for (sums, grads) in [(&buffers.dkeys, dk), (&buffers.dvalues, dv)] {
        for (token, sums) in before.clone().chain(own.clone()).zip(sums.chunks_exact(wide)) {
            vector::add_scaled(&mut grads[(token - origin) * dim..][..dim], &sums[..dim], 1.0);
        }
    }
}

/// Zeros in the lanes that no query of a short block has.
fn clear_lanes(rows: &mut [f32], lanes: usize) {
    if lanes < BLOCK {
        for row in rows.chunks_exact_mut(BLOCK) {
            row[lanes..].fill(0.0);
        }
    }
}

vectorized! {
    /// Scores `[keys, BLOCK]` become probabilities, and their gradients `dchances` those of the
    /// scores: `p (dp - through) scale`. From row `hidden` on, row `hidden + i` is seen by columns from
    /// `i` on only.
    fn softmax_backward(
        scores: &mut [f32],
        dchances: &mut [f32],
        hidden: usize,
        scale: f32,
        log_sums: &[f32; BLOCK],
        through: &[f32; BLOCK],
    ) {
        let (rows, _) = scores.as_chunks_mut::<BLOCK>();
        let (drows, _) = dchances.as_chunks_mut::<BLOCK>();
        for (row, drow) in rows.iter_mut().zip(drows.iter_mut()) {
            for lane in 0..BLOCK {
                let chance = exp::<FUSED>(multiply_add::<FUSED>(row[lane], scale, -log_sums[lane]));
                row[lane] = chance;
                drow[lane] = chance * (drow[lane] - through[lane]) * scale;
            }
        }
        for (i, (row, drow)) in rows[hidden..].iter_mut().zip(&mut drows[hidden..]).enumerate() {
            row[..i].fill(0.0);
            drow[..i].fill(0.0);
        }
    }
}

/// Sums over the heads that share keys, turns back, and lays out by token.
pub(super) fn gather(
    heads: Heads,
    groups: &[Group],
    (rotary, positions): (&Rotary, &[u32]),
    scratch: &[f32],
    grads: &mut [f32],
) {
    let dim = heads.dim;
    let width = (heads.query + 2 * heads.shared) * dim;
    let tokens = groups.iter().map(Group::end).max().unwrap_or(0);
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
