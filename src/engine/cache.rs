//! Keys and values of a sequence that is being decoded, and attention over them.

use std::ops::Range;

use half::bf16;

use super::base::{Base, Precision};
use super::cpu::panels::Element;
use super::cpu::vector::{exp, largest, multiply_add, sum, vectorized};

/// Bytes that keys and values of a sequence with room for `tokens` tokens take.
pub fn cache_bytes(base: &Base, tokens: usize) -> usize {
    let tokens = tokens.next_multiple_of(BLOCK);
    2 * base.config().layers * base.config().kv_size() * tokens * base.precision().bytes()
}

/// Keys and values of one sequence. Where products are in bf16 they are rounded to it, as attention over
/// a prompt rounds them.
#[derive(Debug)]
pub(super) struct Cache {
    layers: Layers,
    sizes: Sizes,
    /// Positions that all layers have.
    length: usize,
}

#[derive(Debug)]
enum Layers {
    Full(Vec<LayerCache<f32>>),
    Half(Vec<LayerCache<bf16>>),
}

/// Positions whose keys lie side by side.
const BLOCK: usize = 32;

/// Lanes of a sum, and how many such sums are worked on at the same time: of positions in scores, of a head's
/// values in what it makes of them.
const LANES: usize = 16;
const PARTS: usize = BLOCK / LANES;

/// Query heads whose sums run at the same time, at most: each key and value is widened once for all of them.
const HEADS: usize = 4;

/// Sizes of one layer's keys and values.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    kv_heads: usize,
    dim: usize,
    /// Positions that there is room for, in whole blocks.
    capacity: usize,
}

#[derive(Debug)]
struct LayerCache<E> {
    /// `[kv_heads, capacity / BLOCK, dim, BLOCK]`: the scores of a block are sums that stay in registers.
    keys: Vec<E>,
    /// `[kv_heads, capacity, dim]`
    values: Vec<E>,
}

impl<E: Element> LayerCache<E> {
    fn new(sizes: Sizes) -> Self {
        let len = sizes.kv_heads * sizes.capacity * sizes.dim;
        Self { keys: vec![E::default(); len], values: vec![E::default(); len] }
    }

    /// Writes the key and value of each head, `[k | v]`, at a position.
    fn set(&mut self, sizes: Sizes, position: usize, (keys, values): (&[f32], &[f32])) {
        let Sizes { dim, capacity, .. } = sizes;
        let (block, lane) = (position / BLOCK, position % BLOCK);
        let heads = self.keys.chunks_exact_mut(capacity * dim);
        for (all, keys) in heads.zip(keys.chunks_exact(dim)) {
            let places = all[block * dim * BLOCK + lane..].iter_mut().step_by(BLOCK);
            for (place, key) in places.zip(keys) {
                *place = E::one(*key);
            }
        }
        let heads = self.values.chunks_exact_mut(capacity * dim);
        for (all, values) in heads.zip(values.chunks_exact(dim)) {
            E::narrow(values, &mut all[position * dim..][..dim]);
        }
    }

    /// Keys of a head from the block of position `from` on, and its values from `from` on.
    fn of_head(&self, sizes: Sizes, head: usize, seen: &Range<usize>) -> (&[E], &[E]) {
        let Sizes { dim, capacity, .. } = sizes;
        let all = head * capacity * dim..(head + 1) * capacity * dim;
        let (first, last) = (seen.start / BLOCK, seen.end.div_ceil(BLOCK));
        let keys = &self.keys[all.clone()][first * dim * BLOCK..last * dim * BLOCK];
        (keys, &self.values[all][seen.start * dim..seen.end * dim])
    }
}

impl Cache {
    /// An empty cache with room for `capacity` tokens.
    pub(super) fn new(base: &Base, capacity: usize) -> Self {
        let config = base.config();
        let capacity = capacity.next_multiple_of(BLOCK);
        let sizes = Sizes { kv_heads: config.kv_heads, dim: config.head_dim, capacity };
        let layers = match base.precision() {
            Precision::F32 => {
                Layers::Full((0..config.layers).map(|_| LayerCache::new(sizes)).collect())
            }
            Precision::Bf16 => {
                Layers::Half((0..config.layers).map(|_| LayerCache::new(sizes)).collect())
            }
        };
        Self { layers, sizes, length: 0 }
    }

    /// Tokens that are in it.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Forgets what is beyond `length` tokens.
    pub(super) fn keep(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Writes keys and values out of rows `[q | k | v | ..]` of one layer, `pitch` apart, from position
    /// `first` on, which is where the layer ends.
    ///
    /// All layers get the same rows, the last layer last.
    pub(super) fn append(
        &mut self,
        base: &Base,
        (layer, first): (usize, usize),
        rows: &[f32],
        pitch: usize,
    ) {
        let (query, kv) = (base.config().query_size(), base.config().kv_size());
        let mut next = first;
        for (position, row) in (first..self.sizes.capacity).zip(rows.chunks(pitch)) {
            let row = row[query..query + 2 * kv].split_at(kv);
            match &mut self.layers {
                Layers::Full(layers) => layers[layer].set(self.sizes, position, row),
                Layers::Half(layers) => layers[layer].set(self.sizes, position, row),
            }
            next = position + 1;
        }
        if layer + 1 == base.config().layers {
            self.length = next;
        }
    }

    /// What some query heads that share keys, from `head` on, make of all positions of a layer up to
    /// `length`, into `out`; `scores` is a buffer.
    pub(super) fn attend(
        &self,
        base: &Base,
        (layer, head, length): (usize, usize, usize),
        queries: &[f32],
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let config = base.config();
        let kv_head = head / (config.heads / config.kv_heads);
        // The first position that is seen.
        let first = config.window(layer).map_or(0, |window| length.saturating_sub(window));
        let (seen, scale) = (first..length, config.score_scale());
        match &self.layers {
            Layers::Full(layers) => {
                let (keys, values) = layers[layer].of_head(self.sizes, kv_head, &seen);
                attend_full(queries, (keys, values), seen, scale, scores, out);
            }
            Layers::Half(layers) => {
                let (keys, values) = layers[layer].of_head(self.sizes, kv_head, &seen);
                attend_half(queries, (keys, values), seen, scale, scores, out);
            }
        }
    }
}

vectorized! {
    fn attend_full(
        queries: &[f32],
        cached: (&[f32], &[f32]),
        seen: Range<usize>,
        scale: f32,
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        attend::<FUSED, f32>(queries, cached, &seen, scale, scores, out);
    }
}

vectorized! {
    fn attend_half(
        queries: &[f32],
        cached: (&[bf16], &[bf16]),
        seen: Range<usize>,
        scale: f32,
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        attend::<FUSED, bf16>(queries, cached, &seen, scale, scores, out);
    }
}

/// `out = softmax(scale query keys) values` of each head over the positions seen. A head's result does
/// not depend on the heads beside it.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn attend<const FUSED: bool, E: Element>(
    queries: &[f32],
    (keys, values): (&[E], &[E]),
    seen: &Range<usize>,
    scale: f32,
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let dim = values.len() / seen.len();
    let count = queries.len() / dim;
    // Evenly: three and three rather than four and two.
    let heads = count.div_ceil(count.div_ceil(HEADS).max(1)).max(1);
    for (queries, out) in queries.chunks(heads * dim).zip(out.chunks_mut(heads * dim)) {
        let cached = (keys, values);
        match queries.len() / dim {
            1 => attend_some::<FUSED, E, 1>(queries, cached, seen, scale, scores, out),
            2 => attend_some::<FUSED, E, 2>(queries, cached, seen, scale, scores, out),
            3 => attend_some::<FUSED, E, 3>(queries, cached, seen, scale, scores, out),
            _ => attend_some::<FUSED, E, HEADS>(queries, cached, seen, scale, scores, out),
        }
    }
}

/// [`attend`] of so many heads.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn attend_some<const FUSED: bool, E: Element, const H: usize>(
    queries: &[f32],
    (keys, values): (&[E], &[E]),
    seen: &Range<usize>,
    scale: f32,
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let dim = queries.len() / H;
    let (skipped, pitch) = (seen.start % BLOCK, keys.len() / dim);
    scores.resize(H * pitch, 0.0);
    score::<FUSED, E, H>(queries, keys, scores, pitch);
    let mut sums = [0.0; H];
    for (head, sum_of) in sums.iter_mut().enumerate() {
        let scores = &mut scores[head * pitch..][skipped..skipped + seen.len()];
        let most = scale * largest(scores);
        for score in &mut *scores {
            *score = exp::<FUSED>(multiply_add::<FUSED>(*score, scale, -most));
        }
        *sum_of = sum(scores);
    }
    mix::<FUSED, E, H>((&scores[skipped..], pitch, sums), values, dim, out);
}

#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn widened<E: Element>(values: &[E; BLOCK]) -> [[f32; LANES]; PARTS] {
    let mut wide = [[0.0; LANES]; PARTS];
    for (part, wide) in wide.iter_mut().enumerate() {
        for lane in 0..LANES {
            wide[lane] = values[part * LANES + lane].widen();
        }
    }
    wide
}

#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn add_scaled<const FUSED: bool>(
    sums: &mut [[f32; LANES]; PARTS],
    factor: f32,
    values: &[[f32; LANES]; PARTS],
) {
    for (sums, values) in sums.iter_mut().zip(values) {
        for lane in 0..LANES {
            sums[lane] = multiply_add::<FUSED>(factor, values[lane], sums[lane]);
        }
    }
}

/// `scores[head, position] = queries[head] . keys[position]` of whole blocks, rows of scores `pitch` apart.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn score<const FUSED: bool, E: Element, const H: usize>(
    queries: &[f32],
    keys: &[E],
    scores: &mut [f32],
    pitch: usize,
) {
    let dim = queries.len() / H;
    let queries: [&[f32]; H] = std::array::from_fn(|head| &queries[head * dim..][..dim]);
    for (block, keys) in keys.chunks_exact(dim * BLOCK).enumerate() {
        let mut sums = [[[0.0f32; LANES]; PARTS]; H];
        for (d, keys) in keys.as_chunks::<BLOCK>().0.iter().take(dim).enumerate() {
            let keys = widened(keys);
            for (sums, queries) in sums.iter_mut().zip(&queries) {
                add_scaled::<FUSED>(sums, queries[d], &keys);
            }
        }
        // A copy, so that the sums above stay in registers.
        let finished = sums;
        for (head, sums) in finished.iter().enumerate() {
            let out = &mut scores[head * pitch + block * BLOCK..][..BLOCK];
            out.copy_from_slice(sums.as_flattened());
        }
    }
}

/// `out[head] = sum of chances[head, position] values[position]`, over the sums of the chances, whose rows lie
/// `pitch` apart.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn mix<const FUSED: bool, E: Element, const H: usize>(
    (chances, pitch, sums): (&[f32], usize, [f32; H]),
    values: &[E],
    dim: usize,
    out: &mut [f32],
) {
    let whole = dim / BLOCK * BLOCK;
    for first in (0..whole).step_by(BLOCK) {
        let mut mixed = [[[0.0f32; LANES]; PARTS]; H];
        for (position, values) in values.chunks_exact(dim).enumerate() {
            let Some(values) = values[first..].first_chunk::<BLOCK>() else { break };
            let values = widened(values);
            for (head, mixed) in mixed.iter_mut().enumerate() {
                add_scaled::<FUSED>(mixed, chances[head * pitch + position], &values);
            }
        }
        let finished = mixed;
        for (head, mixed) in finished.iter().enumerate() {
            for (out, mixed) in out[head * dim + first..].iter_mut().zip(mixed.as_flattened()) {
                *out = mixed / sums[head];
            }
        }
    }
    for d in whole..dim {
        for head in 0..H {
            let chances = &chances[head * pitch..];
            let mixed = chances
                .iter()
                .zip(values[d..].iter().step_by(dim))
                .fold(0.0, |mixed, (chance, value)| {
                    multiply_add::<FUSED>(*chance, value.widen(), mixed)
                });
            out[head * dim + d] = mixed / sums[head];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::toy;

    #[test]
    fn attention_over_the_cache_matches_f64_in_both_precisions() {
        for (precision, near) in [(Precision::F32, 1e-5), (Precision::Bf16, 2e-2)] {
            let config = toy::llama();
            let base = toy::load_in(&config, 3, precision);
            let (query, kv, dim) = (config.query_size(), config.kv_size(), config.head_dim);
            let pitch = query + 2 * kv + 3;
            let length = 9;
            let rows: Vec<f32> = (0..length * pitch).map(|i| (i as f32 * 0.77).sin()).collect();
            let mut cache = Cache::new(&base, length + 4);
            for layer in 0..config.layers {
                cache.append(&base, (layer, 0), &rows[..5 * pitch], pitch);
                cache.append(&base, (layer, 5), &rows[5 * pitch..], pitch);
            }
            assert_eq!(cache.length(), length);
            let mut scores = Vec::new();
            for head in 0..config.heads {
                let asked = &rows[head * dim..][..dim];
                let mut out = vec![1.0; dim];
                cache.attend(&base, (1, head, length), asked, &mut scores, &mut out);
                let first = query + head / (config.heads / config.kv_heads) * dim;
                let weights: Vec<f64> = (0..length)
                    .map(|at| {
                        let key = &rows[at * pitch + first..][..dim];
                        let dot: f64 =
                            key.iter().zip(asked).map(|(k, q)| f64::from(*k) * f64::from(*q)).sum();
                        (dot / (dim as f64).sqrt()).exp()
                    })
                    .collect();
                let sum: f64 = weights.iter().sum();
                for (d, got) in out.iter().enumerate() {
                    let value = |at: usize| f64::from(rows[at * pitch + first + kv + d]);
                    let want: f64 = (0..length).map(|at| weights[at] / sum * value(at)).sum();
                    assert!((f64::from(*got) - want).abs() < near, "{got} {want}");
                }
            }
        }
    }
}
