//! One token further for several sequences at once, with their keys and values kept.

use rayon::prelude::*;

use super::base::{Base, Group};
use super::block::fit;
use super::cpu::vector::{self, exp, multiply_add, vectorized};
use super::few::Few;
use super::gate;
use super::heads::HeadNorms;
use super::lora::Adapter;
use super::norm;
use super::rope::Rotaries;

/// Keys and values of one sequence.
#[derive(Debug)]
pub(super) struct Cache {
    layers: Vec<LayerCache>,
    capacity: usize,
    length: usize,
}

#[derive(Debug)]
struct LayerCache {
    /// `[kv_size, capacity]`: scores of all positions are then sums of whole rows.
    keys: Vec<f32>,
    /// `[length, kv_size]`
    values: Vec<f32>,
}

impl Cache {
    /// An empty cache with room for `capacity` tokens.
    pub(super) fn new(layers: usize, kv_size: usize, capacity: usize) -> Self {
        let layer = || LayerCache {
            keys: vec![0.0; capacity * kv_size],
            values: Vec::with_capacity(capacity * kv_size),
        };
        Self { layers: (0..layers).map(|_| layer()).collect(), capacity, length: 0 }
    }

    /// Appends keys and values out of rows `[q | k | v | ..]` of one layer, `pitch` apart.
    ///
    /// All layers get the same rows, the last layer last.
    pub(super) fn append(&mut self, base: &Base, layer: usize, rows: &[f32], pitch: usize) {
        let (query, kv) = (base.config().query_size(), base.config().kv_size());
        let LayerCache { keys, values } = &mut self.layers[layer];
        let first = values.len() / kv;
        for (position, row) in (first..self.capacity).zip(rows.chunks(pitch)) {
            let places = keys[position..].iter_mut().step_by(self.capacity);
            for (place, key) in places.zip(&row[query..query + kv]) {
                *place = *key;
            }
            values.extend(&row[query + kv..query + 2 * kv]);
        }
        self.length = values.len() / kv;
    }
}

/// Buffers of decoding.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    few: Few,
    rotary: Rotaries,
    x: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
    turned: Vec<f32>,
    mixed: Vec<f32>,
    hidden: Vec<f32>,
}

impl Decoder {
    /// Reads one more token of each sequence; writes the logits after them, row by row.
    pub(super) fn step(
        &mut self,
        base: &Base,
        adapter: Option<&Adapter>,
        ids: &[u32],
        caches: &mut [&mut Cache],
        logits: &mut Vec<f32>,
    ) {
        let config = base.config();
        let (count, hidden, ffn) = (ids.len(), config.hidden_size, config.ffn_size);
        let (query, kv, dim) = (config.query_size(), config.kv_size(), config.head_dim);
        let positions: Vec<usize> = caches.iter().map(|cache| cache.length).collect();
        let reach = positions.iter().max().map_or(0, |position| position + 1);
        self.rotary.reach(config, reach);
        let x = fit(&mut self.x, count * hidden);
        let normed = fit(&mut self.normed, count * hidden);
        let mixed = fit(&mut self.mixed, count * query);
        let inner = fit(&mut self.hidden, count * ffn);
        base.embed(ids, x);
        let norm_rows = |x: &[f32], weight: &[f32], normed: &mut [f32]| {
            let rows = normed.chunks_exact_mut(hidden).zip(x.chunks_exact(hidden));
            rows.for_each(|(normed, x)| norm::row(normed, x, weight, config.norm_eps));
        };
        for layer in 0..config.layers {
            let parameters = base.layer(layer);
            norm_rows(x, &parameters.attention_norm, normed);
            let qkv = fit(&mut self.wide, count * (query + 2 * kv));
            let few = &mut self.few;
            few.group(base, adapter, (layer, Group::Attention), normed, count, qkv);
            let rotary = self.rotary.layer(config, layer);
            let norms = parameters.head_norms.as_ref().map(|norms| HeadNorms::new(config, norms));
            let rows = qkv.chunks_exact_mut(query + 2 * kv);
            for ((row, position), cache) in rows.zip(&positions).zip(&mut *caches) {
                if let Some(bias) = &parameters.bias {
                    vector::add_scaled(row, bias, 1.0);
                }
                if let Some(norms) = norms {
                    let out = fit(&mut self.turned, query + 2 * kv);
                    norms.row(row, rotary, *position, out);
                    row.copy_from_slice(out);
                } else {
                    for head in row[..query + kv].chunks_exact_mut(dim) {
                        rotary.turn(head, *position, 1.0);
                    }
                }
                cache.append(base, layer, row, query + 2 * kv);
            }
            let (scale, window) = (config.score_scale(), config.window(layer));
            let share = query / kv * dim;
            let (qkv, shared) = (&*qkv, &*caches);
            mixed.par_chunks_mut(share).enumerate().for_each_init(
                Vec::new,
                |scores, (task, out)| {
                    let (row, head) = (task / config.kv_heads, task % config.kv_heads);
                    let LayerCache { keys, values } = &shared[row].layers[layer];
                    let queries = &qkv[row * (query + 2 * kv) + head * share..][..share];
                    let capacity = shared[row].capacity;
                    // The first position that is seen.
                    let seen = positions[row] + 1;
                    let first = window.map_or(0, |window| seen.saturating_sub(window));
                    let keys = &keys[head * dim * capacity..][..dim * capacity];
                    let values = &values[first * kv + head * dim..];
                    scores.resize(seen - first, 0.0);
                    let keys = (keys, capacity, first);
                    for (query, out) in queries.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
                        attend(query, keys, (values, kv), scale, scores, out);
                    }
                },
            );
            let out = fit(&mut self.wide, count * hidden);
            few.group(base, adapter, (layer, Group::Output), mixed, count, out);
            if let Some([norm, _]) = &parameters.post_norms {
                norm::in_place((&mut *out, hidden), norm, config.norm_eps);
            }
            vector::add_scaled(x, out, 1.0);
            norm_rows(x, &parameters.ffn_norm, normed);
            let both = fit(&mut self.wide, count * 2 * ffn);
            few.group(base, adapter, (layer, Group::Ffn), normed, count, both);
            for (inner, both) in inner.chunks_exact_mut(ffn).zip(both.chunks_exact(2 * ffn)) {
                let (e, g) = both.split_at(ffn);
                gate::apply(config.architecture.activation(), inner, e, g);
            }
            let out = fit(&mut self.wide, count * hidden);
            few.group(base, adapter, (layer, Group::Down), inner, count, out);
            if let Some([_, norm]) = &parameters.post_norms {
                norm::in_place((&mut *out, hidden), norm, config.norm_eps);
            }
            vector::add_scaled(x, out, 1.0);
        }
        norm_rows(x, base.final_norm(), normed);
        let logits = fit(logits, count * config.vocab_size);
        self.few.table(normed, count, base.head(), logits);
    }
}

vectorized! {
    /// `out = softmax(scale query keys) values` over as many positions as there are scores. Keys are
    /// `[dim, capacity]`, read from a first position on; values lie a stride apart.
    fn attend(
        query: &[f32],
        keys: (&[f32], usize, usize),
        values: (&[f32], usize),
        scale: f32,
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        let (keys, capacity, first) = keys;
        let (values, stride) = values;
        scores.fill(0.0);
        // Head widths are even.
        for (query, keys) in query.chunks_exact(2).zip(keys.chunks_exact(2 * capacity)) {
            let (a, b) = keys.split_at(capacity);
            let (a, b) = (&a[first..], &b[first..]);
            for ((score, a), b) in scores.iter_mut().zip(a).zip(b) {
                *score = multiply_add::<FUSED>(query[0], *a, *score);
                *score = multiply_add::<FUSED>(query[1], *b, *score);
            }
        }
        let mut most = f32::NEG_INFINITY;
        for score in &mut *scores {
            *score *= scale;
            most = if *score > most { *score } else { most };
        }
        let mut sum = 0.0;
        for score in &mut *scores {
            *score = exp::<FUSED>(*score - most);
            sum += *score;
        }
        out.fill(0.0);
        let width = out.len();
        let mut rest = values;
        for chances in scores.chunks(2) {
            let a = &rest[..width];
            // A last single position is paired with itself at no weight.
            let b = if chances.len() == 2 { &rest[stride..][..width] } else { a };
            let (p, q) = (chances[0] / sum, chances.get(1).map_or(0.0, |q| q / sum));
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                *out = multiply_add::<FUSED>(p, *a, *out);
                *out = multiply_add::<FUSED>(q, *b, *out);
            }
            rest = &rest[(2 * stride).min(rest.len())..];
        }
    }
}
