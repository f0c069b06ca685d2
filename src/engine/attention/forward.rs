//! Attention outputs.

use rayon::prelude::*;

use super::operands::{Buffered, Buffers, blocks, gather, grow, lay_by_query, of_query, part};
use super::softmax::{self, Sight};
use super::{BLOCK, Heads, Part, Projected, parts};
use crate::engine::cpu::multiply;
use crate::engine::cpu::shared::Shared;
use crate::engine::cpu::vector;
use crate::engine::pack::Segment;

pub(super) fn run<E: Buffered>(
    heads: Heads,
    rows: Projected<'_>,
    segments: &[Segment],
    out: &mut [f32],
    log_sums: &mut [f32],
) {
    let tokens = log_sums.len() / heads.query;
    let (out, log_sums) = (Shared::new(out), Shared::new(log_sums));
    let each = (0..segments.len()).flat_map(|index| parts(segments, index, heads.window));
    let mut tasks: Vec<Part> = each.collect();
    // The longest first, so that threads end together.
    tasks.sort_by_key(|part| std::cmp::Reverse(part.work()));
    (0..tasks.len() * heads.query).into_par_iter().with_max_len(1).for_each(|index| {
        let (part, head) = (&tasks[index / heads.query], index % heads.query);
        E::with_buffers(|buffers| {
            attend(heads, head, rows, (segments, part), buffers, |query, log_sum| {
                let dim = heads.dim;
                // SAFETY: each token and head belongs to one task.
                #[expect(unsafe_code, reason = "tasks write to places of their own")]
                let (out, log_sums) = unsafe {
                    (
                        out.part((query * heads.query + head) * dim, dim),
                        log_sums.part(head * tokens + query, 1),
                    )
                };
                log_sums[0] = log_sum;
                out
            });
        });
    });
}

/// One head of one part; `place` takes each query's log of sums and gives the place of its output.
fn attend<'a, E: Buffered>(
    heads: Heads,
    head: usize,
    Projected { rows, pitch }: Projected<'_>,
    (segments, task): (&[Segment], &Part),
    buffers: &mut Buffers<E>,
    place: impl Fn(usize, f32) -> &'a mut [f32],
) {
    let (dim, scale) = (heads.dim, heads.scale);
    let Buffers { keys, turned, queries, deep, scores, result, laid, gathered, ranges, .. } =
        buffers;
    task.sees(segments, ranges);
    let (before, own) = (task.before, &task.own);
    keys.set_rows(gather((rows, pitch), ranges, (heads.key(head), dim), gathered));
    let values = gather((rows, pitch), ranges, (heads.value(head), dim), gathered);
    turned.set_columns(values, deep);
    grow(scores, keys.padded_rows() * BLOCK);
    grow(result, turned.padded_rows() * BLOCK);
    for block in blocks(own) {
        let seen = before + block.end - own.start;
        let own_row = before + block.start - own.start;
        let sight = Sight { rows: seen, own: own_row, window: heads.window };
        queries.set_columns(part((rows, pitch), &block, (head * dim, dim)), BLOCK);
        multiply::small(keys, 0..seen, queries, scores, BLOCK);
        let (most, mut sums) = (softmax::most(scores, sight, scale), [0.0; BLOCK]);
        E::forward(scores, sight, scale, &most, &mut sums, deep.space(seen, BLOCK));
        multiply::small(turned, 0..turned.rows(), deep, result, BLOCK);
        lay_by_query(&result[..turned.padded_rows() * BLOCK], dim, laid);
        for (lane, query) in block.enumerate() {
            let inverse = 1.0 / sums[lane];
            let out = place(query, most[lane] + sums[lane].ln());
            for (out, from) in of_query(laid, lane, out) {
                out.copy_from_slice(from);
                vector::scale(out, inverse);
            }
        }
    }
}
