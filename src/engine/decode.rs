//! One token further for several sequences at once, with their keys and values kept.

use rayon::prelude::*;

use super::base::{Base, Group};
use super::block::fit;
use super::few::Few;
use super::gate;
use super::lora::Adapter;
use super::norm;
use super::rope::Rotary;
use super::vector::{self, exp, multiply_add, vectorized};

/// Keys and values of one sequence.
#[derive(Debug)]
pub(super) struct Cache {
    /// For each layer, keys and values `[length, kv_size]`.
    layers: Vec<(Vec<f32>, Vec<f32>)>,
    length: usize,
}

impl Cache {
    /// An empty cache with room for `capacity` tokens.
    pub(super) fn new(layers: usize, kv_size: usize, capacity: usize) -> Self {
        let room = || Vec::with_capacity(capacity * kv_size);
        Self { layers: (0..layers).map(|_| (room(), room())).collect(), length: 0 }
    }

    /// Appends keys and values out of rows `[q | k | v | ..]` of one layer, `pitch` apart.
    pub(super) fn append(&mut self, base: &Base, layer: usize, rows: &[f32], pitch: usize) {
        let (query, kv) = (base.config().query_size(), base.config().kv_size());
        let (keys, values) = &mut self.layers[layer];
        for row in rows.chunks(pitch) {
            keys.extend(&row[query..query + kv]);
            values.extend(&row[query + kv..query + 2 * kv]);
        }
        self.length = keys.len() / kv;
    }
}

/// Buffers of decoding.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    few: Few,
    rotary: Rotary,
    x: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
    mixed: Vec<f32>,
    hidden: Vec<f32>,
    logits: Vec<f32>,
}

impl Decoder {
    /// Reads one more token of each sequence; gives the logits after them, row by row.
    pub(super) fn step(
        &mut self,
        base: &Base,
        adapter: Option<&Adapter>,
        ids: &[u32],
        caches: &mut [&mut Cache],
    ) -> &mut [f32] {
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
            let rows = qkv.chunks_exact_mut(query + 2 * kv);
            for ((row, position), cache) in rows.zip(&positions).zip(&mut *caches) {
                if let Some(bias) = &parameters.bias {
                    vector::add_scaled(row, bias, 1.0);
                }
                for head in row[..query + kv].chunks_exact_mut(dim) {
                    self.rotary.turn(head, *position, 1.0);
                }
                cache.append(base, layer, row, query + 2 * kv);
            }
            let share = query / kv * dim;
            let (qkv, shared) = (&*qkv, &*caches);
            mixed.par_chunks_mut(share).enumerate().for_each_init(
                Vec::new,
                |scores, (task, out)| {
                    let (row, head) = (task / config.kv_heads, task % config.kv_heads);
                    let (keys, values) = &shared[row].layers[layer];
                    let queries = &qkv[row * (query + 2 * kv) + head * share..][..share];
                    let (keys, values) = (&keys[head * dim..], &values[head * dim..]);
                    for (query, out) in queries.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
                        attend(query, keys, values, kv, scores, out);
                    }
                },
            );
            let out = fit(&mut self.wide, count * hidden);
            few.group(base, adapter, (layer, Group::Output), mixed, count, out);
            vector::add_scaled(x, out, 1.0);
            norm_rows(x, &parameters.ffn_norm, normed);
            let both = fit(&mut self.wide, count * 2 * ffn);
            few.group(base, adapter, (layer, Group::Ffn), normed, count, both);
            for (inner, both) in inner.chunks_exact_mut(ffn).zip(both.chunks_exact(2 * ffn)) {
                gate::apply(inner, &both[..ffn], &both[ffn..]);
            }
            let out = fit(&mut self.wide, count * hidden);
            few.group(base, adapter, (layer, Group::Down), inner, count, out);
            vector::add_scaled(x, out, 1.0);
        }
        norm_rows(x, base.final_norm(), normed);
        let logits = fit(&mut self.logits, count * config.vocab_size);
        self.few.plain(normed, count, base.head(), logits);
        logits
    }
}

vectorized! {
    /// `out = softmax(query keys^T / sqrt(dim)) values`; keys and values lie `stride` apart.
    fn attend(
        query: &[f32],
        keys: &[f32],
        values: &[f32],
        stride: usize,
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        const LANES: usize = 16;
        let scale = 1.0 / (query.len() as f32).sqrt();
        let mut most = f32::NEG_INFINITY;
        scores.clear();
        for key in keys.chunks(stride) {
            let mut lanes = [0.0f32; LANES];
            for (query, key) in query.chunks(LANES).zip(key.chunks(LANES)) {
                for ((lane, query), key) in lanes.iter_mut().zip(query).zip(key) {
                    *lane = multiply_add::<FUSED>(*query, *key, *lane);
                }
            }
            let score = lanes.iter().sum::<f32>() * scale;
            most = if score > most { score } else { most };
            scores.push(score);
        }
        let mut sum = 0.0;
        for score in scores.iter_mut() {
            *score = exp::<FUSED>(*score - most);
            sum += *score;
        }
        out.fill(0.0);
        for (score, value) in scores.iter().zip(values.chunks(stride)) {
            let chance = score / sum;
            for (out, value) in out.iter_mut().zip(value) {
                *out = multiply_add::<FUSED>(chance, *value, *out);
            }
        }
    }
}
