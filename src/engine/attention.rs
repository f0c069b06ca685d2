//! Causal attention over packed segments that cannot see each other, with grouped heads.
//!
//! Works in blocks of query rows and keeps only the log of each row's sum of exponentials; the
//! backward pass computes the probabilities again (Dao 2023, arXiv 2307.08691).

use std::ops::Range;

use rayon::prelude::*;

use super::cpu::product::{self, Threads, View, ViewMut};
use super::cpu::vector::{self, vectorized};
use super::rope::Rotary;
use crate::model::DecoderConfig;

/// Query rows of a block. Scores of a block over 1024 keys take 256 KiB a head.
const BLOCK: usize = 64;

/// Sizes of attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    /// Query heads.
    query: usize,
    /// Key and value heads.
    shared: usize,
    dim: usize,
}

impl Heads {
    pub(super) fn new(config: &DecoderConfig) -> Self {
        Self { query: config.heads, shared: config.kv_heads, dim: config.head_dim }
    }

    /// Query heads that share a key head.
    fn share(self) -> usize {
        self.query / self.shared
    }

    fn scale(self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    /// First column of key head `head` in a row of query, key and value.
    fn key(self, head: usize) -> usize {
        (self.query + head) * self.dim
    }

    fn value(self, head: usize) -> usize {
        (self.query + self.shared + head) * self.dim
    }

    /// Values that [`backward`] needs for `tokens` tokens.
    pub(super) fn scratch(self, tokens: usize) -> usize {
        tokens * self.query * 3 * self.dim
    }
}

/// Attention outputs of rows `[q | k | v | ..]` (rotated) that lie `pitch` apart, into `out`
/// `[tokens, heads * dim]`; `log_sums` `[tokens, heads]` is kept for [`backward`].
///
/// `segments` cover all tokens in order.
pub(super) fn forward(
    heads: Heads,
    (rows, pitch): (&[f32], usize),
    segments: &[Range<usize>],
    mut out: &mut [f32],
    mut log_sums: &mut [f32],
) {
    let mut tasks = Vec::new();
    for segment in segments {
        let mut first = segment.start;
        while first < segment.end {
            let last = (first + BLOCK).min(segment.end);
            let (block_out, rest) = out.split_at_mut((last - first) * heads.query * heads.dim);
            out = rest;
            let (block_sums, rest) = log_sums.split_at_mut((last - first) * heads.query);
            log_sums = rest;
            tasks.push((segment.start, first..last, block_out, block_sums));
            first = last;
        }
    }
    tasks.into_par_iter().with_max_len(1).for_each(|(start, block, out, log_sums)| {
        forward_block(heads, (rows, pitch), start, block, out, log_sums);
    });
}

fn forward_block(
    heads: Heads,
    (rows, pitch): (&[f32], usize),
    start: usize,
    block: Range<usize>,
    out: &mut [f32],
    log_sums: &mut [f32],
) {
    let (dim, share, scale) = (heads.dim, heads.share(), heads.scale());
    let (count, keys) = (block.len(), block.end - start);
    let mut queries = vec![0.0; share * count * dim];
    let mut scores = vec![0.0; share * count * keys];
    let mut mixed = vec![0.0; share * count * dim];
    for kv in 0..heads.shared {
        // All heads that share these keys in one product: rows (head, query).
        for (i, query) in queries.chunks_exact_mut(dim).enumerate() {
            let (head, row) = (kv * share + i / count, block.start + i % count);
            query.copy_from_slice(&rows[row * pitch + head * dim..][..dim]);
        }
        product::multiply(
            ViewMut::new(&mut scores, share * count, keys, keys),
            false,
            View::new(&queries, share * count, dim, dim),
            View::new(&rows[start * pitch + heads.key(kv)..], keys, dim, pitch).transposed(),
            scale,
            Threads::One,
        );
        for (i, scores) in scores.chunks_exact_mut(keys).enumerate() {
            let (head, row) = (kv * share + i / count, i % count);
            let (seen, unseen) = scores.split_at_mut(block.start + row + 1 - start);
            let most = vector::largest(seen);
            let sum = vector::exp_shifted(seen, most);
            vector::scale(seen, 1.0 / sum);
            unseen.fill(0.0);
            log_sums[row * heads.query + head] = most + sum.ln();
        }
        product::multiply(
            ViewMut::new(&mut mixed, share * count, dim, dim),
            false,
            View::new(&scores, share * count, keys, keys),
            View::new(&rows[start * pitch + heads.value(kv)..], keys, dim, pitch),
            1.0,
            Threads::One,
        );
        for (i, mixed) in mixed.chunks_exact(dim).enumerate() {
            let (head, row) = (kv * share + i / count, i % count);
            out[(row * heads.query + head) * dim..][..dim].copy_from_slice(mixed);
        }
    }
}

/// What [`forward`] left for [`backward`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'a> {
    /// Rows of rotated query, key and value, `pitch` apart.
    pub(super) rows: &'a [f32],
    pub(super) pitch: usize,
    pub(super) out: &'a [f32],
    pub(super) log_sums: &'a [f32],
}

/// Gradients of query, key and value (before rotation and bias) into `grads`
/// `[tokens, (heads + 2 kv_heads) * dim]`. Rows of `dout` lie `dout_pitch` apart.
/// `scratch` has [`Heads::scratch`] values.
pub(super) fn backward(
    heads: Heads,
    kept: Kept<'_>,
    (dout, dout_pitch): (&[f32], usize),
    segments: &[Range<usize>],
    (rotary, positions): (&Rotary, &[u32]),
    scratch: &mut [f32],
    grads: &mut [f32],
) {
    let dim = heads.dim;
    // A task is a segment and a query head; its dq, dk, dv `[tokens, dim]` lie side by side.
    let mut tasks = Vec::new();
    let mut rest = &mut *scratch;
    for segment in segments {
        for head in 0..heads.query {
            let (mine, others) = rest.split_at_mut(segment.len() * 3 * dim);
            rest = others;
            tasks.push((segment.clone(), head, mine));
        }
    }
    tasks.into_par_iter().with_max_len(1).for_each(|(segment, head, mine)| {
        backward_head(heads, kept, (dout, dout_pitch), segment, head, mine);
    });

    // Sum over the heads that share keys, turn back, and lay out by token.
    let width = (heads.query + 2 * heads.shared) * dim;
    let scratch = &*scratch;
    let mut tokens = Vec::with_capacity(positions.len());
    for segment in segments {
        tokens.extend(segment.clone().map(|token| (segment, token)));
    }
    grads.par_chunks_mut(width).zip(&tokens).with_min_len(16).for_each(
        |(grads, (segment, token))| {
            let part = |head: usize, kind: usize| {
                let task = (segment.start * heads.query + head * segment.len()) * 3 * dim;
                let row = (kind * segment.len() + token - segment.start) * dim;
                &scratch[task + row..][..dim]
            };
            let position = positions[*token] as usize;
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
        },
    );
}

fn backward_head(
    heads: Heads,
    kept: Kept<'_>,
    (dout, dout_pitch): (&[f32], usize),
    segment: Range<usize>,
    head: usize,
    grads: &mut [f32],
) {
    let (dim, scale, pitch) = (heads.dim, heads.scale(), kept.pitch);
    let (length, start) = (segment.len(), segment.start);
    let (dq, rest) = grads.split_at_mut(length * dim);
    let (dk, dv) = rest.split_at_mut(length * dim);
    let kv = head / heads.share();
    let queries = &kept.rows[start * pitch + head * dim..];
    let keys = &kept.rows[start * pitch + heads.key(kv)..];
    let values = &kept.rows[start * pitch + heads.value(kv)..];
    let mut chances = vec![0.0; BLOCK.min(length) * length];
    let mut dscores = vec![0.0; BLOCK.min(length) * length];
    // Last block first: it reaches all keys, so it sets dk and dv and the others add to them.
    for block in (0..length.div_ceil(BLOCK)).rev() {
        let first = block * BLOCK;
        let last = (first + BLOCK).min(length);
        let count = last - first;
        let add = last < length;
        let chances = &mut chances[..count * last];
        let dscores = &mut dscores[..count * last];
        let query = View::new(&queries[first * pitch..], count, dim, pitch);
        let key = View::new(keys, last, dim, pitch);
        let value = View::new(values, last, dim, pitch);
        let dmixed_at = (start + first) * dout_pitch + head * dim;
        let dmixed = View::new(&dout[dmixed_at..], count, dim, dout_pitch);
        product::multiply(
            ViewMut::new(chances, count, last, last),
            false,
            query,
            key.transposed(),
            scale,
            Threads::One,
        );
        product::multiply(
            ViewMut::new(dscores, count, last, last),
            false,
            dmixed,
            value.transposed(),
            1.0,
            Threads::One,
        );
        let rows = chances.chunks_exact_mut(last).zip(dscores.chunks_exact_mut(last));
        for (i, (chances, dscores)) in rows.enumerate() {
            let token = start + first + i;
            let row = token * heads.query + head;
            let mixed = &kept.out[row * dim..][..dim];
            let through = vector::dot(&dout[token * dout_pitch + head * dim..][..dim], mixed);
            let (chances, unseen) = chances.split_at_mut(first + i + 1);
            vector::exp_shifted(chances, kept.log_sums[row]);
            unseen.fill(0.0);
            let (dscores, unseen) = dscores.split_at_mut(first + i + 1);
            softmax_backward(dscores, chances, through, scale);
            unseen.fill(0.0);
        }
        let chances = View::new(chances, count, last, last);
        let dscores = View::new(dscores, count, last, last);
        for (destination, accumulate, left, right, rows) in [
            (&mut *dv, add, chances.transposed(), dmixed, 0..last),
            (&mut *dk, add, dscores.transposed(), query, 0..last),
            (&mut *dq, false, dscores, key, first..last),
        ] {
            let destination = &mut destination[rows.start * dim..rows.end * dim];
            product::multiply(
                ViewMut::new(destination, rows.len(), dim, dim),
                accumulate,
                left,
                right,
                1.0,
                Threads::One,
            );
        }
    }
}

vectorized! {
    /// `dscores = chances (dscores - through) scale`.
    fn softmax_backward(dscores: &mut [f32], chances: &[f32], through: f32, scale: f32) {
        for (dscore, chance) in dscores.iter_mut().zip(chances) {
            *dscore = chance * (*dscore - through) * scale;
        }
    }
}
