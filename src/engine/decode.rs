//! One token further, or a few, for several sequences at once, with their keys and values kept.

use std::ops::Range;

use rayon::prelude::*;

use super::base::{Base, Group};
use super::cache::Cache;
use super::coarse::Profile;
use super::cpu::aligned::Aligned;
use super::cpu::team::Together as _;
use super::cpu::vector;
use super::effective::{Place, Weights};
use super::few::{Adapted, Few};
use super::gate;
use super::heads::HeadNorms;
use super::lora::Adapter;
use super::loss::KeptHead;
use super::norm;
use super::rope::Rotaries;

/// Buffers of decoding.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    products: Products,
    rotary: Rotaries,
    x: Aligned<f32>,
    normed: Aligned<f32>,
    wide: Aligned<f32>,
    mixed: Aligned<f32>,
    hidden: Aligned<f32>,
    /// Tokens of the last step.
    count: usize,
    head: KeptHead,
}

/// Tokens of a step up to which the likeliest after each is found by a coarse copy of the head. More multiply so long
/// with each row that reading it no longer counts.
const COARSE_MAX: usize = 8;

/// Sequences from which on weights are better decoded once for all than in the registers of each few.
const MANY: usize = 24;

/// The same where they are decoded already.
const MANY_KEPT: usize = 14;

/// Rows that a task takes at least where rows are worked on one by one.
const ROWS: usize = 8;

/// Products with weights as they are stored, or decoded first.
#[derive(Debug, Default)]
struct Products {
    few: Few,
    many: Option<Weights>,
    /// Whether weights that were decoded for many stay decoded.
    keep: bool,
}

impl Products {
    /// Sequences from which on decoded weights are used.
    fn many(&self) -> usize {
        if self.keep { MANY_KEPT } else { MANY }
    }

    /// `out = x (W + s B A)^T` for `count` rows of `x`, with the adapter for those it is on for.
    fn group(
        &mut self,
        base: &Base,
        adapter: Option<Adapted<'_>>,
        (layer, group): (usize, Group),
        x: &[f32],
        count: usize,
        out: &mut [f32],
    ) {
        if count < self.many() {
            return self.few.group(base, adapter, (layer, group), x, count, out);
        }
        // Operands that stay are those of the adapter whatever it is on for.
        let adapted = adapter.filter(|adapted| self.keep || adapted.on.contains(&true));
        let place = Place { base, adapter: adapted.map(|adapted| adapted.adapter), layer, group };
        let many = self.many.get_or_insert_with(|| Weights::new(base.precision()));
        many.project_some(place, x, (adapted.map(|adapted| adapted.on), self.keep), out);
    }
}

impl Decoder {
    /// A decoder of at most `batch` sequences, which keeps decoded weights where that pays and they take
    /// no more than `keep_bytes`.
    pub(super) fn new(
        base: &Base,
        adapter: Option<&Adapter>,
        batch: usize,
        keep_bytes: usize,
    ) -> Self {
        let bytes = Weights::kept_bytes(base, adapter) + KeptHead::bytes(base);
        let keep = batch >= MANY && bytes <= keep_bytes;
        Self { products: Products { keep, ..Products::default() }, ..Self::default() }
    }

    /// Reads the next tokens of each sequence, which lie at its range of `ids`; what comes after each is then asked for.
    ///
    /// To be called on a thread of the pool: there a product over threads costs a few microseconds
    /// less.
    pub(super) fn step(
        &mut self,
        base: &Base,
        adapter: Option<Adapted<'_>>,
        (ids, ranges): (&[u32], &[Range<usize>]),
        caches: &mut [&mut Cache],
    ) {
        let config = base.config();
        let (count, hidden, ffn) = (ids.len(), config.hidden_size, config.ffn_size);
        let (query, kv, dim) = (config.query_size(), config.kv_size(), config.head_dim);
        // Of each token its sequence and its place there.
        let places: Vec<(usize, usize)> = (caches.iter().zip(ranges).enumerate())
            .flat_map(|(i, (cache, range))| {
                (cache.length()..).zip(range.clone()).map(move |(at, _)| (i, at))
            })
            .collect();
        let reach = places.iter().map(|(_, position)| position + 1).max().unwrap_or_default();
        self.rotary.reach(config, reach);
        let products = &mut self.products;
        let x = self.x.fit(count * hidden);
        let normed = self.normed.fit(count * hidden);
        let mixed = self.mixed.fit(count * query);
        let inner = self.hidden.fit(count * ffn);
        base.embed(ids, x);
        let norm_rows = |x: &[f32], weight: &[f32], normed: &mut [f32]| {
            let rows = normed.par_chunks_exact_mut(hidden).zip(x.par_chunks_exact(hidden));
            rows.with_min_len(ROWS)
                .together(|(normed, x)| norm::row(normed, x, weight, config.norm_eps));
        };
        // As many heads as share keys, where that leaves work for all threads.
        let shared = config.heads / config.kv_heads;
        let together =
            if count * config.kv_heads < 4 * rayon::current_num_threads() { 1 } else { shared };
        for layer in 0..config.layers {
            let parameters = base.layer(layer);
            norm_rows(x, &parameters.attention_norm, normed);
            let qkv = self.wide.fit(count * (query + 2 * kv));
            products.group(base, adapter, (layer, Group::Attention), normed, count, qkv);
            let rotary = self.rotary.layer(config, layer);
            let norms = parameters.head_norms.as_ref().map(|norms| HeadNorms::new(config, norms));
            let width = query + 2 * kv;
            let rows = qkv.par_chunks_exact_mut(width).zip(&places).with_min_len(ROWS);
            rows.together_init(Aligned::default, |turned, (row, (_, position))| {
                if let Some(bias) = &parameters.bias {
                    vector::add_scaled(row, bias, 1.0);
                }
                if let Some(norms) = norms {
                    let out = turned.fit(query + 2 * kv);
                    norms.row(row, rotary, *position, out);
                    row.copy_from_slice(out);
                } else {
                    for head in row[..query + kv].chunks_exact_mut(dim) {
                        rotary.turn(head, *position, 1.0);
                    }
                }
            });
            let qkv = &*qkv;
            let each = caches.par_iter_mut().zip(ranges).with_min_len(ROWS);
            each.together(|(cache, range)| {
                let rows = &qkv[range.start * width..range.end * width];
                cache.append(base, (layer, cache.length()), rows, width);
            });
            let caches = &*caches;
            let tasks = mixed.par_chunks_mut(together * dim).enumerate();
            tasks.together_init(Vec::new, |scores, (task, out)| {
                let first = task * together;
                let (row, head) = (first / config.heads, first % config.heads);
                let asked = &qkv[row * width + head * dim..][..together * dim];
                let (sequence, position) = places[row];
                let place = (layer, head, position + 1);
                caches[sequence].attend(base, place, asked, scores, out);
            });
            let out = self.wide.fit(count * hidden);
            products.group(base, adapter, (layer, Group::Output), mixed, count, out);
            if let Some([norm, _]) = &parameters.post_norms {
                norm::in_place((&mut *out, hidden), norm, config.norm_eps);
            }
            vector::add_scaled(x, out, 1.0);
            norm_rows(x, &parameters.ffn_norm, normed);
            let both = self.wide.fit(count * 2 * ffn);
            products.group(base, adapter, (layer, Group::Ffn), normed, count, both);
            let rows = inner.par_chunks_exact_mut(ffn).zip(both.par_chunks_exact(2 * ffn));
            rows.with_min_len(ROWS).together(|(inner, both)| {
                let (e, g) = both.split_at(ffn);
                gate::apply(config.architecture.activation(), inner, e, g);
            });
            let out = self.wide.fit(count * hidden);
            products.group(base, adapter, (layer, Group::Down), inner, count, out);
            if let Some([_, norm]) = &parameters.post_norms {
                norm::in_place((&mut *out, hidden), norm, config.norm_eps);
            }
            vector::add_scaled(x, out, 1.0);
        }
        norm_rows(x, base.final_norm(), normed);
        self.count = count;
    }

    /// The logits after the tokens of the last step, row by row.
    pub(super) fn logits(&mut self, base: &Base, logits: &mut Aligned<f32>) {
        let (count, config) = (self.count, base.config());
        let logits = logits.fit(count * config.vocab_size);
        let normed = &self.normed[..count * config.hidden_size];
        if self.products.keep && count >= self.products.many() {
            self.head.logits(base, normed, count, logits);
        } else {
            self.products.few.head(base, normed, count, logits);
        }
    }

    /// The logits after one token of the last step, as [`Decoder::logits`] has them.
    pub(super) fn logits_of(&mut self, base: &Base, row: usize, logits: &mut Aligned<f32>) {
        let (hidden, vocabulary) = (base.config().hidden_size, base.config().vocab_size);
        let logits = logits.fit(vocabulary);
        self.products.few.head(base, &self.normed[row * hidden..(row + 1) * hidden], 1, logits);
    }

    /// The likeliest tokens after those of the last step, the first of equals of [`Decoder::logits`], by a
    /// coarse copy of a head of `coarse_from` bytes or more, made for tokens of a profile; `false` where that would be
    /// no quicker.
    pub(super) fn likeliest(
        &mut self,
        base: &Base,
        (coarse_from, profile): (usize, &Profile),
        chosen: &mut Vec<u32>,
    ) -> bool {
        let count = self.count;
        if count > COARSE_MAX || base.head().bytes() < coarse_from {
            return false;
        }
        let Some(coarse) = base.coarse_head(profile) else {
            return false;
        };
        let normed = &self.normed[..count * base.config().hidden_size];
        self.products.few.likeliest(base, coarse, (normed, count), chosen);
        true
    }
}
