//! Keys and values of a sequence that is being decoded, and attention over them.

use half::bf16;

use super::base::{Base, Precision};
use super::cpu::panels::Element;
use super::cpu::vector::{exp, largest, multiply_add, sum, vectorized};

/// Bytes that keys and values of a sequence with room for `tokens` tokens take.
pub fn cache_bytes(base: &Base, tokens: usize) -> usize {
    2 * base.config().layers * base.config().kv_size() * tokens * base.precision().bytes()
}

/// Keys and values of one sequence. Where products are in bf16 they are rounded to it, as attention over
/// a prompt rounds them.
#[derive(Debug)]
pub(super) struct Cache {
    layers: Layers,
    capacity: usize,
    length: usize,
}

#[derive(Debug)]
enum Layers {
    Full(Vec<LayerCache<f32>>),
    Half(Vec<LayerCache<bf16>>),
}

#[derive(Debug)]
struct LayerCache<E> {
    /// `[kv_size, capacity]`: scores of all positions are then sums of whole rows.
    keys: Vec<E>,
    /// `[length, kv_size]`
    values: Vec<E>,
}

impl<E: Element> LayerCache<E> {
    fn new(kv_size: usize, capacity: usize) -> Self {
        Self {
            keys: vec![E::default(); capacity * kv_size],
            values: Vec::with_capacity(capacity * kv_size),
        }
    }

    /// Appends keys and values out of rows whose keys begin at `first`; gives the new length.
    fn append(&mut self, rows: (&[f32], usize), first: usize, kv: usize, capacity: usize) -> usize {
        let (rows, pitch) = rows;
        let known = self.values.len() / kv;
        for (position, row) in (known..capacity).zip(rows.chunks(pitch)) {
            let places = self.keys[position..].iter_mut().step_by(capacity);
            for (place, key) in places.zip(&row[first..first + kv]) {
                *place = E::one(*key);
            }
            self.values.extend(row[first + kv..first + 2 * kv].iter().map(|value| E::one(*value)));
        }
        self.values.len() / kv
    }
}

impl Cache {
    /// An empty cache with room for `capacity` tokens.
    pub(super) fn new(base: &Base, capacity: usize) -> Self {
        let (count, kv) = (base.config().layers, base.config().kv_size());
        let layers = match base.precision() {
            Precision::F32 => {
                Layers::Full((0..count).map(|_| LayerCache::new(kv, capacity)).collect())
            }
            Precision::Bf16 => {
                Layers::Half((0..count).map(|_| LayerCache::new(kv, capacity)).collect())
            }
        };
        Self { layers, capacity, length: 0 }
    }

    /// Tokens that are in it.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Appends keys and values out of rows `[q | k | v | ..]` of one layer, `pitch` apart.
    ///
    /// All layers get the same rows, the last layer last.
    pub(super) fn append(&mut self, base: &Base, layer: usize, rows: &[f32], pitch: usize) {
        let (query, kv) = (base.config().query_size(), base.config().kv_size());
        let (rows, capacity) = ((rows, pitch), self.capacity);
        self.length = match &mut self.layers {
            Layers::Full(layers) => layers[layer].append(rows, query, kv, capacity),
            Layers::Half(layers) => layers[layer].append(rows, query, kv, capacity),
        };
    }

    /// What query head `head` makes of all positions of a layer, into `out`; `scores` is a buffer.
    pub(super) fn attend(
        &self,
        base: &Base,
        (layer, head): (usize, usize),
        query: &[f32],
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let config = base.config();
        let (kv, dim, capacity) = (config.kv_size(), config.head_dim, self.capacity);
        let first = head / (config.heads / config.kv_heads) * dim;
        let keys = first * capacity..(first + dim) * capacity;
        let (scale, window) = (config.score_scale(), config.window(layer));
        // The first position that is seen.
        let from = |known: usize| window.map_or(0, |window| known.saturating_sub(window));
        match &self.layers {
            Layers::Full(layers) => {
                let LayerCache { keys: all, values } = &layers[layer];
                let from = from(values.len() / kv);
                scores.resize(values.len() / kv - from, 0.0);
                let keys = (&all[keys], capacity, from);
                attend_full(query, keys, (&values[from * kv + first..], kv), scale, scores, out);
            }
            Layers::Half(layers) => {
                let LayerCache { keys: all, values } = &layers[layer];
                let from = from(values.len() / kv);
                scores.resize(values.len() / kv - from, 0.0);
                let keys = (&all[keys], capacity, from);
                attend_half(query, keys, (&values[from * kv + first..], kv), scale, scores, out);
            }
        }
    }
}

vectorized! {
    fn attend_full(
        query: &[f32],
        keys: (&[f32], usize, usize),
        values: (&[f32], usize),
        scale: f32,
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        attend::<FUSED, f32>(query, keys, values, scale, scores, out);
    }
}

vectorized! {
    fn attend_half(
        query: &[f32],
        keys: (&[bf16], usize, usize),
        values: (&[bf16], usize),
        scale: f32,
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        attend::<FUSED, bf16>(query, keys, values, scale, scores, out);
    }
}

/// `out = softmax(scale query keys) values` over as many positions as there are scores. Keys are
/// `[dim, capacity]`, read from a first position on; values lie a stride apart.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn attend<const FUSED: bool, E: Element>(
    query: &[f32],
    (keys, capacity, first): (&[E], usize, usize),
    (values, stride): (&[E], usize),
    scale: f32,
    scores: &mut [f32],
    out: &mut [f32],
) {
    scores.fill(0.0);
    // Head widths are even.
    for (query, keys) in query.chunks_exact(2).zip(keys.chunks_exact(2 * capacity)) {
        let (a, b) = keys.split_at(capacity);
        let (a, b) = (&a[first..], &b[first..]);
        for ((score, a), b) in scores.iter_mut().zip(a).zip(b) {
            *score = multiply_add::<FUSED>(query[0], a.widen(), *score);
            *score = multiply_add::<FUSED>(query[1], b.widen(), *score);
        }
    }
    let most = scale * largest(scores);
    for score in &mut *scores {
        *score = exp::<FUSED>(multiply_add::<FUSED>(*score, scale, -most));
    }
    let sum = sum(scores);
    out.fill(0.0);
    let width = out.len();
    let mut rest = values;
    for chances in scores.chunks(2) {
        let a = &rest[..width];
        // A last single position is paired with itself at no weight.
        let b = if chances.len() == 2 { &rest[stride..][..width] } else { a };
        let (p, q) = (chances[0] / sum, chances.get(1).map_or(0.0, |q| q / sum));
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = multiply_add::<FUSED>(p, a.widen(), *out);
            *out = multiply_add::<FUSED>(q, b.widen(), *out);
        }
        rest = &rest[(2 * stride).min(rest.len())..];
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
                cache.append(&base, layer, &rows[..5 * pitch], pitch);
                cache.append(&base, layer, &rows[5 * pitch..], pitch);
            }
            assert_eq!(cache.length(), length);
            let mut scores = Vec::new();
            for head in 0..config.heads {
                let asked = &rows[head * dim..][..dim];
                let mut out = vec![1.0; dim];
                cache.attend(&base, (1, head), asked, &mut scores, &mut out);
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
