//! Attention outputs.

use std::ops::Range;

use rayon::prelude::*;

use super::operands::{Buffered, Buffers, blocks, gather, grow, part, whole_panels};
use super::{BLOCK, Heads, Projected, hide_beyond, parts};
use crate::engine::cpu::multiply;
use crate::engine::cpu::panels::Rows;
use crate::engine::cpu::shared::Shared;
use crate::engine::cpu::vector::{exp, multiply_add, vectorized};
use crate::engine::pack::Group;

pub(super) fn run<E: Buffered>(
    heads: Heads,
    rows: Projected<'_>,
    groups: &[Group],
    out: &mut [f32],
    log_sums: &mut [f32],
) {
    let tokens = log_sums.len() / heads.query;
    let (out, log_sums) = (Shared::new(out), Shared::new(log_sums));
    let mut tasks: Vec<_> = groups.iter().flat_map(|group| parts(group, heads.window)).collect();
    // The longest first, so that threads end together.
    tasks
        .sort_by_key(|(before, own)| std::cmp::Reverse(own.len() * (2 * before.len() + own.len())));
    (0..tasks.len() * heads.query).into_par_iter().with_max_len(1).for_each(|index| {
        let ((before, own), head) = (&tasks[index / heads.query], index % heads.query);
        E::with_buffers(|buffers| {
            attend(heads, head, rows, (before, own), buffers, |query, mixed, log_sum| {
                let dim = heads.dim;
                // SAFETY: each token and head belongs to one task.
                #[expect(unsafe_code, reason = "tasks write to places of their own")]
                let (out, log_sums) = unsafe {
                    (
                        out.part((query * heads.query + head) * dim, dim),
                        log_sums.part(head * tokens + query, 1),
                    )
                };
                for (out, mixed) in out.iter_mut().zip(mixed) {
                    *out = mixed;
                }
                log_sums[0] = log_sum;
            });
        });
    });
}

/// One head of one part; `put` gets each query's output and log of sums.
fn attend<E: Buffered>(
    heads: Heads,
    head: usize,
    Projected { rows, pitch }: Projected<'_>,
    (before, own): (&Range<usize>, &Range<usize>),
    buffers: &mut Buffers<E>,
    put: impl Fn(usize, &mut dyn Iterator<Item = f32>, f32),
) {
    let dim = heads.dim;
    let Buffers { keys, turned, queries, deep, scores, result, gathered, .. } = buffers;
    keys.set_rows(gather((rows, pitch), [before, own], (heads.key(head), dim), gathered));
    turned.set_columns(gather((rows, pitch), [before, own], (heads.value(head), dim), gathered));
    grow(scores, keys.padded_rows() * BLOCK);
    grow(result, turned.padded_rows() * BLOCK);
    for block in blocks(own) {
        let seen = before.len() + block.end - own.start;
        let first_hidden = before.len() + block.start - own.start;
        queries.set_columns(part((rows, pitch), &block, (head * dim, dim)), BLOCK);
        multiply::small(keys, seen, queries, scores, BLOCK);
        let scores = &mut scores[..seen * BLOCK];
        let (mut most, mut sums) = ([0.0; BLOCK], [0.0; BLOCK]);
        let window = (heads.window, first_hidden, block.len());
        softmax(scores, first_hidden, window, heads.scale, &mut most, &mut sums);
        deep.set_depths(Rows { data: scores, count: seen, columns: BLOCK, pitch: BLOCK });
        multiply::small(turned, whole_panels(dim).min(turned.rows()), deep, result, BLOCK);
        for (lane, query) in block.enumerate() {
            let inverse = 1.0 / sums[lane];
            let mut mixed = (0..dim).map(|d| result[d * BLOCK + lane] * inverse);
            put(query, &mut mixed, most[lane] + sums[lane].ln());
        }
    }
}

vectorized! {
    /// Scores `[keys, BLOCK]` become exponentials of `scale` times them less the largest of their
    /// column, which go to `most` and `sums`. From row `hidden` on, row `hidden + i` is seen by
    /// columns from `i` on only; those beyond the window are not seen ([`hide_beyond`]).
    fn softmax(
        scores: &mut [f32],
        hidden: usize,
        window: (usize, usize, usize),
        scale: f32,
        most: &mut [f32; BLOCK],
        sums: &mut [f32; BLOCK],
    ) {
        let (rows, _) = scores.as_chunks_mut::<BLOCK>();
        for (i, row) in rows[hidden..].iter_mut().enumerate() {
            row[..i].fill(f32::NEG_INFINITY);
        }
        hide_beyond(rows, window, f32::NEG_INFINITY);
        *most = [f32::NEG_INFINITY; BLOCK];
        for row in rows.iter() {
            for (most, score) in most.iter_mut().zip(row) {
                *most = if *score > *most { *score } else { *most };
            }
        }
        for most in most.iter_mut() {
            *most *= scale;
        }
        let shift = *most;
        let mut total = [0.0f32; BLOCK];
        for row in rows.iter_mut() {
            for lane in 0..BLOCK {
                let chance = exp::<FUSED>(multiply_add::<FUSED>(row[lane], scale, -shift[lane]));
                row[lane] = chance;
                total[lane] += chance;
            }
        }
        // Held at e^-87 by `exp`, not at zero.
        for (i, row) in rows[hidden..].iter_mut().enumerate() {
            row[..i].fill(0.0);
        }
        hide_beyond(rows, window, 0.0);
        *sums = total;
    }
}
