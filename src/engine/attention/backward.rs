//! Gradients of attention.

use std::ops::Range;

use rayon::prelude::*;

use super::operands::{
    Buffered, Buffers, gather, gather_lanes, lay_by_query, of_query, whole_panels,
};
use super::pieces::{Piece, Stretch, blocks, pieces};
use super::softmax::Sight;
use super::{BLOCK, Heads, Kept, Projected, TASKS};
use crate::engine::cpu::ahead;
use crate::engine::cpu::multiply;
use crate::engine::cpu::panels::WIDTH;
use crate::engine::cpu::shared::Shared;
use crate::engine::cpu::team::Together as _;
use crate::engine::cpu::vector;
use crate::engine::pack::Segment;
use crate::engine::rope::Rotary;

/// Keys whose scores are worked on at a time.
const KEYS: usize = 2 * WIDTH;

/// See [`super::backward`]. Gradients of keys and values by piece, `[kv_heads, pieces, 2, tokens, dim]`, go into
/// `scratch`.
#[expect(clippy::too_many_arguments, reason = "each is a distinct part of the state of a pass")]
pub(super) fn run<E: Buffered>(
    heads: Heads,
    rows: Projected<'_>,
    kept: Kept<'_>,
    dout: (&[f32], usize),
    segments: &[Segment],
    turn: (&Rotary, &[u32]),
    scratch: &mut [f32],
    grads: &mut [f32],
) {
    let tokens = kept.log_sums.len() / heads.query;
    let pieces = pieces(heads, segments, (TASKS, heads.pieces()));
    let (shared, out) = (Shared::new(scratch), Shared::new(grads));
    (0..pieces.len() * heads.shared).into_par_iter().with_max_len(1).together(|index| {
        let (piece, key_head) = (&pieces[index / heads.shared], index % heads.shared);
        let (all, dim) = (&piece.tokens, heads.dim);
        let place = |kind| (heads.slot(key_head, piece.index, kind) * tokens + all.start) * dim;
        // SAFETY: the tokens of a tree in one piece and key head belong to one task.
        #[expect(unsafe_code, reason = "tasks write to places of their own")]
        let grads = [0, 1].map(|kind| unsafe { shared.part(place(kind), all.len() * dim) });
        let mut grads = Grads { of: grads, origin: all.start, first: true };
        let query = |(token, head): (usize, usize)| {
            // SAFETY: each token and query head belongs to one task.
            #[expect(unsafe_code, reason = "tasks write to places of their own")]
            unsafe {
                out.part(token * heads.width() + head * dim, dim)
            }
        };
        E::with_buffers(|buffers| {
            for stretch in &piece.stretches {
                let stretch = (segments, stretch);
                let to = (query, &mut grads);
                attend(heads, key_head, rows, kept, dout, stretch, turn, buffers, to);
            }
        });
    });
    sum(heads, &pieces, turn, scratch, grads);
}

/// Gradients of a piece's keys (0) and values (1) in one key head.
struct Grads<'a> {
    of: [&'a mut [f32]; 2],
    /// The first of its tree's tokens.
    origin: usize,
    /// Whether none have been added: what is there is from another pass.
    first: bool,
}

impl Grads<'_> {
    /// Adds those of the tokens of some ranges, in order, `pitch` apart.
    fn add(&mut self, ranges: &[Range<usize>], sums: [&[f32]; 2], dim: usize, pitch: usize) {
        for (grads, sums) in self.of.iter_mut().zip(sums) {
            let mut sums = sums.chunks_exact(pitch).map(|sums| &sums[..dim]);
            let mut rest = &mut **grads;
            let mut at = self.origin;
            for range in ranges {
                let (before, others) = rest.split_at_mut((range.start - at) * dim);
                let (these, others) = others.split_at_mut(range.len() * dim);
                (rest, at) = (others, range.end);
                if self.first {
                    before.fill(0.0);
                    let these = these.chunks_exact_mut(dim);
                    these.zip(&mut sums).for_each(|(grad, sums)| grad.copy_from_slice(sums));
                } else {
                    let these = these.chunks_exact_mut(dim);
                    these
                        .zip(&mut sums)
                        .for_each(|(grad, sums)| vector::add_scaled(grad, sums, 1.0));
                }
            }
            if self.first {
                rest.fill(0.0);
            }
        }
        self.first = false;
    }
}

/// Some lanes of one key head. `grads` gets dk and dv; `query` gives the place of a lane's gradient.
#[expect(clippy::too_many_arguments, reason = "each is a distinct part of the state of a pass")]
fn attend<'a, E: Buffered>(
    heads: Heads,
    key_head: usize,
    Projected { rows, pitch }: Projected<'_>,
    kept: Kept<'_>,
    dout: (&[f32], usize),
    (segments, Stretch { part, lanes }): (&[Segment], &Stretch),
    (rotary, positions): (&Rotary, &[u32]),
    buffers: &mut Buffers<E>,
    (query, grads): (impl Fn((usize, usize)) -> &'a mut [f32], &mut Grads<'_>),
) {
    let (dim, scale, share) = (heads.dim, heads.scale, heads.share());
    let tokens = kept.log_sums.len() / heads.query;
    part.sees(segments, &mut buffers.ranges);
    let (ranges, gathered) = (&buffers.ranges, &mut buffers.gathered);
    let these = gather((rows, pitch), ranges, (heads.key(key_head), dim), gathered);
    buffers.keys.set_rows(these);
    buffers.turned.set_columns(these, &mut buffers.deep);
    let these = gather((rows, pitch), ranges, (heads.value(key_head), dim), gathered);
    buffers.values.set_rows(these);
    let padded = buffers.keys.padded_rows();
    let wide = whole_panels(dim);
    let [scores, dchances] =
        [&mut buffers.scores, &mut buffers.dchances].map(|buffer| buffer.fit(KEYS * BLOCK));
    let [dkeys, dvalues] =
        [&mut buffers.dkeys, &mut buffers.dvalues].map(|buffer| buffer.fit(padded * wide));
    dkeys.fill(0.0);
    dvalues.fill(0.0);
    let result = buffers.result.fit(wide * BLOCK);
    for block in blocks(lanes) {
        let seen = part.seen(block.end, share);
        let (before, first) = (part.before, block.start);
        let sight = Sight { rows: seen, before, first, share, window: heads.window };
        let these = (key_head, part, &block);
        let asked = gather_lanes(heads, (rows, pitch), these, &mut buffers.lanes);
        let grad = gather_lanes(heads, dout, these, &mut buffers.dlanes);
        buffers.queries.set_columns(asked, BLOCK);
        buffers.queries_deep.set_depths(asked);
        buffers.douts.set_columns(grad, BLOCK);
        buffers.douts_deep.set_depths(grad);
        let (mut log_sums, mut through) = ([0.0; BLOCK], [0.0; BLOCK]);
        let sums = log_sums.iter_mut().zip(&mut through);
        for ((lane, grad), (log_sum, through)) in
            block.clone().zip(buffers.dlanes.chunks_exact(dim)).zip(sums)
        {
            let (token, head) = heads.lane(key_head, part, lane);
            let out = |(token, head)| &kept.out[(token * heads.query + head) * dim..][..dim];
            if lane + ahead::ROWS < block.end {
                ahead::near(out(heads.lane(key_head, part, lane + ahead::ROWS)));
            }
            *log_sum = kept.log_sums[head * tokens + token];
            *through = vector::dot(grad, out((token, head)));
        }
        let chances = buffers.chances.space(seen, BLOCK).0;
        let dscores = buffers.dscores.space(seen, BLOCK).0;
        let (deep, stride) = buffers.deep.space(seen, BLOCK);
        // Some keys at a time: their scores never leave the first-level cache.
        for first in (0..seen).step_by(KEYS) {
            let keys = first..(first + KEYS).min(seen);
            multiply::small(&buffers.keys, keys.clone(), &buffers.queries, scores, BLOCK);
            multiply::small(&buffers.values, keys.clone(), &buffers.douts, dchances, BLOCK);
            // Rows of operands up to whole tiles are filled, with zeros: what is left there may not even be a number.
            dchances[keys.len() * BLOCK..whole_panels(keys.len()) * BLOCK].fill(0.0);
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
        // Depths of the next products are the block's lanes.
        let (chances, dscores) = (&buffers.chances, &buffers.dscores);
        multiply::small_add(chances, 0..seen, &buffers.douts_deep, dvalues, wide);
        multiply::small_add(dscores, 0..seen, &buffers.queries_deep, dkeys, wide);
        let turned = &buffers.turned;
        multiply::small(turned, 0..turned.rows(), &buffers.deep, result, BLOCK);
        let laid = lay_by_query(result, &mut buffers.laid);
        for (i, lane) in block.clone().enumerate() {
            if lane + ahead::ROWS < block.end {
                ahead::owned(query(heads.lane(key_head, part, lane + ahead::ROWS)));
            }
            let (token, head) = heads.lane(key_head, part, lane);
            let grad = query((token, head));
            for (grad, from) in of_query(laid, i, grad) {
                grad.copy_from_slice(from);
            }
            rotary.turn(grad, positions[token] as usize, -1.0);
        }
    }
    grads.add(&buffers.ranges, [dkeys, dvalues], dim, wide);
}

/// Sums the gradients of keys and values over pieces, turns those of keys back, and lays them out by token.
fn sum(
    heads: Heads,
    pieces: &[Piece],
    (rotary, positions): (&Rotary, &[u32]),
    scratch: &[f32],
    grads: &mut [f32],
) {
    let (dim, width) = (heads.dim, heads.width());
    let tokens = positions.len();
    // Where the tree of each piece ends.
    let mut ends: Vec<usize> = pieces.iter().map(|piece| piece.tokens.end).collect();
    ends.sort_unstable();
    grads.par_chunks_mut(width).enumerate().with_min_len(16).together(|(token, grads)| {
        let ends = &ends[ends.partition_point(|end| *end <= token)..];
        let count = ends.iter().take_while(|end| **end == ends[0]).count();
        let places = grads[heads.query * dim..].chunks_exact_mut(dim).enumerate();
        for (place, grad) in places {
            let (kind, key_head) = (place / heads.shared, place % heads.shared);
            let part = |piece: usize| {
                &scratch[(heads.slot(key_head, piece, kind) * tokens + token) * dim..][..dim]
            };
            grad.copy_from_slice(part(0));
            for piece in 1..count {
                vector::add_scaled(grad, part(piece), 1.0);
            }
            if kind == 0 {
                rotary.turn(grad, positions[token] as usize, -1.0);
            }
        }
    });
}
