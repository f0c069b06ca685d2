//! Attention outputs.

use rayon::prelude::*;

use super::operands::{Buffered, Buffers, gather, gather_lanes, lay_by_query, of_query};
use super::pieces::{Stretch, blocks, pieces};
use super::softmax::{self, Sight};
use super::{BLOCK, Heads, Projected};
use crate::engine::cpu::multiply;
use crate::engine::cpu::shared::Shared;
use crate::engine::cpu::team::Together as _;
use crate::engine::pack::Segment;

/// Tasks of each thread, if there are queries enough: all threads end about together. What a query gets does not depend
/// on them.
const TASKS: usize = 6;

pub(super) fn run<E: Buffered>(
    heads: Heads,
    rows: Projected<'_>,
    segments: &[Segment],
    out: &mut [f32],
    log_sums: &mut [f32],
) {
    let tokens = log_sums.len() / heads.query;
    let (out, log_sums) = (Shared::new(out), Shared::new(log_sums));
    let tasks = TASKS * rayon::current_num_threads();
    let pieces = pieces(heads, segments, (tasks, usize::MAX));
    (0..pieces.len() * heads.shared).into_par_iter().with_max_len(1).together(|index| {
        let (piece, key_head) = (&pieces[index / heads.shared], index % heads.shared);
        let place = |(token, head): (usize, usize), log_sum| {
            let dim = heads.dim;
            // SAFETY: each token and head belongs to one task.
            #[expect(unsafe_code, reason = "tasks write to places of their own")]
            let (out, log_sums) = unsafe {
                (
                    out.part((token * heads.query + head) * dim, dim),
                    log_sums.part(head * tokens + token, 1),
                )
            };
            log_sums[0] = log_sum;
            out
        };
        E::with_buffers(|buffers| {
            for stretch in &piece.stretches {
                attend(heads, key_head, rows, (segments, stretch), buffers, place);
            }
        });
    });
}

/// Some lanes of one key head; `place` takes each one's log of sums and gives the place of its output.
fn attend<'a, E: Buffered>(
    heads: Heads,
    key_head: usize,
    Projected { rows, pitch }: Projected<'_>,
    (segments, Stretch { part, lanes }): (&[Segment], &Stretch),
    buffers: &mut Buffers<E>,
    place: impl Fn((usize, usize), f32) -> &'a mut [f32],
) {
    let (dim, scale, share) = (heads.dim, heads.scale, heads.share());
    let Buffers { keys, turned, queries, deep, scores, result, laid, gathered, ranges, .. } =
        buffers;
    part.sees(segments, ranges);
    keys.set_rows(gather((rows, pitch), ranges, (heads.key(key_head), dim), gathered));
    let values = gather((rows, pitch), ranges, (heads.value(key_head), dim), gathered);
    turned.set_columns(values, deep);
    let scores = scores.fit(keys.padded_rows() * BLOCK);
    let result = result.fit(turned.padded_rows() * BLOCK);
    for block in blocks(lanes) {
        let seen = part.seen(block.end, share);
        let (before, first) = (part.before, block.start);
        let sight = Sight { rows: seen, before, first, share, window: heads.window };
        let asked = gather_lanes(heads, (rows, pitch), (key_head, part, &block), gathered);
        queries.set_columns(asked, BLOCK);
        multiply::small(keys, 0..seen, queries, scores, BLOCK);
        let (most, mut sums) = (softmax::most(scores, sight, scale), [0.0; BLOCK]);
        E::forward(scores, sight, scale, &most, &mut sums, deep.space(seen, BLOCK));
        multiply::small(turned, 0..turned.rows(), deep, result, BLOCK);
        softmax::divide(result, &sums);
        let laid = lay_by_query(result, laid);
        for (i, lane) in block.enumerate() {
            let out = place(heads.lane(key_head, part, lane), most[i] + sums[i].ln());
            for (out, from) in of_query(laid, i, out) {
                out.copy_from_slice(from);
            }
        }
    }
}
