//! The output head and its cross entropy, on the rows that predict a label only.

use half::bf16;
use rayon::prelude::*;

use super::base::{Base, Precision};
use super::cpu::aligned::Aligned;
use super::cpu::lay::ByColumn;
use super::cpu::multiply::{self, Multiplied, Right, Rows};
use super::cpu::panels::Panels;
use super::cpu::team::Together as _;
use super::cpu::vector;
use super::norm;
use super::pack::Packed;
use crate::model::DecoderConfig;

/// Tokens of the vocabulary whose weights are laid out at a time.
const SLICE: usize = 2048;

/// Label rows that go through the head at a time.
const ROWS: usize = 2048;

/// Buffers of the head.
#[derive(Debug, Default)]
pub(super) struct HeadScratch {
    rows: Aligned<f32>,
    normed: Aligned<f32>,
    inverse: Aligned<f32>,
    logits: Aligned<f32>,
    grads: Aligned<f32>,
    row_grads: Aligned<f32>,
    weights: Option<HeadWeights>,
}

/// A part of the head as a right operand.
#[derive(Debug)]
enum HeadWeights {
    Full(Panels<f32>),
    Half(Panels<bf16>),
}

impl HeadWeights {
    fn new(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::Full(Panels::default()),
            Precision::Bf16 => Self::Half(Panels::default()),
        }
    }

    /// `out = x E^T`, rows of `vocab_size` values.
    fn forward(&mut self, base: &Base, x: Rows<'_>, out: &mut [f32]) {
        match self {
            Self::Full(panels) => forward(panels, base, x, out),
            Self::Half(panels) => forward(panels, base, x, out),
        }
    }

    /// Logits of `count` tokens of the vocabulary from `first` on, into rows of `count` values.
    fn slice(&mut self, base: &Base, x: Rows<'_>, (first, count): (usize, usize), out: &mut [f32]) {
        match self {
            Self::Full(panels) => slice(panels, base, x, (first, count), (out, count)),
            Self::Half(panels) => slice(panels, base, x, (first, count), (out, count)),
        }
    }

    /// Adds `dy E` for the same tokens, `dy` in rows of `count` values; the first slice sets it.
    fn slice_back(
        &mut self,
        base: &Base,
        dy: Rows<'_>,
        (first, count): (usize, usize),
        out: &mut [f32],
    ) {
        match self {
            Self::Full(panels) => slice_back(panels, base, dy, (first, count), out),
            Self::Half(panels) => slice_back(panels, base, dy, (first, count), out),
        }
    }
}

/// Slices of the vocabulary: first token and count.
fn slices(vocab: usize, slice: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..vocab).step_by(slice).map(move |first| (first, slice.min(vocab - first)))
}

fn slice<E: Multiplied>(
    panels: &mut Panels<E>,
    base: &Base,
    x: Rows<'_>,
    (first, count): (usize, usize),
    (out, pitch): (&mut [f32], usize),
) {
    let part = |n: usize, k: usize, row: &mut [E]| base.head().part(first + n, k, row);
    let weights = ByColumn { depth: x.columns, columns: count, part };
    let right = Right::of((x.count, false), &weights, panels);
    multiply::multiply_right(x, None, right, (out.into(), pitch));
}

fn slice_back<E: Multiplied>(
    panels: &mut Panels<E>,
    base: &Base,
    dy: Rows<'_>,
    (first, count): (usize, usize),
    out: &mut [f32],
) {
    let hidden = base.config().hidden_size;
    panels.fill_depths(count, hidden, |k, row| base.head().part(first + k, 0, row));
    multiply::multiply(dy, None, panels, (out.into(), hidden), first > 0);
}

fn forward<E: Multiplied>(panels: &mut Panels<E>, base: &Base, x: Rows<'_>, out: &mut [f32]) {
    let vocab = base.config().vocab_size;
    for (first, count) in slices(vocab, SLICE) {
        slice(panels, base, x, (first, count), (&mut out[first..], vocab));
    }
}

/// The whole head, laid out once for the decoding of many sequences.
#[derive(Debug, Default)]
pub(super) struct KeptHead(Option<HeadWeights>);

impl KeptHead {
    /// Bytes that it takes.
    pub(super) fn bytes(base: &Base) -> usize {
        let padded = |x: usize| x.next_multiple_of(32);
        let config = base.config();
        padded(config.vocab_size) * padded(config.hidden_size) * base.precision().bytes()
    }

    /// Logits of `count` rows after the last norm, into rows of `vocab_size` values.
    pub(super) fn logits(&mut self, base: &Base, normed: &[f32], count: usize, out: &mut [f32]) {
        let hidden = base.config().hidden_size;
        let x = Rows { data: normed.into(), count, columns: hidden, pitch: hidden };
        match self.0.get_or_insert_with(|| HeadWeights::new(base.precision())) {
            HeadWeights::Full(panels) => whole(panels, base, x, out),
            HeadWeights::Half(panels) => whole(panels, base, x, out),
        }
    }
}

fn whole<E: Multiplied>(panels: &mut Panels<E>, base: &Base, x: Rows<'_>, out: &mut [f32]) {
    let vocab = base.config().vocab_size;
    if panels.columns() == 0 {
        panels.fill_columns(x.columns, vocab, |n, k, row| base.head().part(n, k, row));
    }
    multiply::multiply(x, None, panels, (out.into(), vocab), false);
}

/// Bytes that the head takes at most, for micro-batches of `tokens` tokens.
pub(super) fn bytes(config: &DecoderConfig, precision: Precision, tokens: usize) -> usize {
    ROWS.min(tokens) * (SLICE.min(config.vocab_size) + 4 * config.hidden_size) * 4
        + SLICE * config.hidden_size.next_multiple_of(32) * precision.bytes()
}

/// Logits `[rows.len(), vocab_size]` after the given rows of `x` `[tokens, hidden]`.
pub(super) fn logits<'a>(
    base: &Base,
    x: &[f32],
    rows: &[usize],
    scratch: &'a mut HeadScratch,
) -> &'a mut [f32] {
    let config = base.config();
    let (hidden, vocab, count) = (config.hidden_size, config.vocab_size, rows.len());
    gather(base, x, rows, scratch);
    let logits = scratch.logits.fit(count * vocab);
    let weights = scratch.weights.get_or_insert_with(|| HeadWeights::new(base.precision()));
    let normed = Rows { data: scratch.normed[..].into(), count, columns: hidden, pitch: hidden };
    weights.forward(base, normed, logits);
    logits
}

/// The given rows of `x`, and after the last norm.
fn gather(base: &Base, x: &[f32], rows: &[usize], scratch: &mut HeadScratch) {
    let (config, count) = (base.config(), rows.len());
    let hidden = config.hidden_size;
    let gathered = scratch.rows.fit(count * hidden);
    for (row, gathered) in rows.iter().zip(gathered.chunks_exact_mut(hidden)) {
        gathered.copy_from_slice(&x[row * hidden..][..hidden]);
    }
    let normed = scratch.normed.fit(count * hidden);
    let inverse = scratch.inverse.fit(count);
    norm::forward(gathered, base.final_norm(), config.norm_eps, normed, inverse);
}

/// Negative log-likelihood in nats of each label of `packed`, given the last block's output `x`.
///
/// With `back` = (dx, weight), `dx` is set to the gradient of `weight * sum of nats`.
pub(super) fn cross_entropy(
    base: &Base,
    x: &[f32],
    packed: &Packed,
    mut back: Option<(&mut [f32], f32)>,
    scratch: &mut HeadScratch,
) -> Vec<f32> {
    let config = base.config();
    let hidden = config.hidden_size;
    // Even chunks: a short last one would read the whole head for a few rows.
    let chunks = packed.label_rows.len().div_ceil(ROWS).max(1);
    let chunk = packed.label_rows.len().div_ceil(chunks).max(1);
    let mut nats = vec![0.0; packed.label_rows.len()];
    if let Some((dx, _)) = &mut back {
        dx.fill(0.0);
    }
    let labels = packed.label_rows.chunks(chunk).zip(packed.label_ids.chunks(chunk));
    for ((rows, ids), nats) in labels.zip(nats.chunks_mut(chunk)) {
        let count = rows.len();
        let weight = back.as_ref().map(|(_, weight)| *weight);
        gather(base, x, rows, scratch);
        by_slices(base, ids, weight, scratch, nats, SLICE);
        let Some((dx, _)) = &mut back else { continue };
        let grads = &scratch.grads[..count * hidden];
        let row_grads = scratch.row_grads.fit(count * hidden);
        row_grads.fill(0.0);
        norm::backward(
            (&scratch.rows[..count * hidden], &scratch.inverse[..count]),
            base.final_norm(),
            (grads, hidden),
            row_grads,
            &mut scratch.normed[..count * hidden],
        );
        for (row, grad) in rows.iter().zip(row_grads.chunks_exact(hidden)) {
            dx[row * hidden..][..hidden].copy_from_slice(grad);
        }
    }
    nats
}

/// What is known of a row's logits so far.
#[derive(Debug, Clone, Copy)]
struct Seen {
    most: f32,
    /// Sum of `exp(logit - most)`.
    sum: f32,
    /// The label's logit.
    given: f32,
}

/// Losses of gathered rows, slice by slice of the vocabulary, and with `weight` their gradients into
/// `scratch.grads`, in one pass: logits never leave the cache.
///
/// `sum_j exp(l_j - m) E_j` is gathered with the largest logit `m` seen so far, and scaled down where a
/// later slice has a larger one, as attention does it (Milakov and Gimelshein 2018, arXiv 1805.02867);
/// divided by the sum of exponentials and less the label's row it is the gradient. `size` tokens of the
/// vocabulary are a slice.
fn by_slices(
    base: &Base,
    ids: &[u32],
    weight: Option<f32>,
    scratch: &mut HeadScratch,
    nats: &mut [f32],
    size: usize,
) {
    let (hidden, vocab) = (base.config().hidden_size, base.config().vocab_size);
    let count = ids.len();
    let normed = Rows { data: scratch.normed[..].into(), count, columns: hidden, pitch: hidden };
    let weights = scratch.weights.get_or_insert_with(|| HeadWeights::new(base.precision()));
    let logits = scratch.logits.fit(count * size.min(vocab));
    let grads = scratch.grads.fit(if weight.is_some() { count * hidden } else { 0 });
    let mut seen = vec![Seen { most: f32::NEG_INFINITY, sum: 0.0, given: 0.0 }; count];
    for (first, width) in slices(vocab, size) {
        weights.slice(base, normed, (first, width), logits);
        let rows = logits.par_chunks_exact_mut(width).zip(&mut seen).zip(ids);
        let look = |row: &mut [f32], seen: &mut Seen, id: u32| {
            let most = vector::largest(row).max(seen.most);
            if let Some(given) = (id as usize).checked_sub(first).and_then(|at| row.get(at)) {
                seen.given = *given;
            }
            let factor = (seen.most - most).exp();
            let sum = match weight {
                Some(_) => vector::exp_shifted(row, most),
                None => vector::exp_sum(row, most),
            };
            *seen = Seen { most, sum: seen.sum * factor + sum, ..*seen };
            factor
        };
        if weight.is_none() {
            rows.together(|((row, seen), id)| {
                look(row, seen, *id);
            });
            continue;
        }
        rows.zip(grads.par_chunks_exact_mut(hidden)).together(|(((row, seen), id), grad)| {
            let factor = look(row, seen, *id);
            // The first slice sets the gradients.
            if first > 0 && factor < 1.0 {
                vector::scale(grad, factor);
            }
        });
        let chances = Rows { data: (&*logits).into(), count, columns: width, pitch: width };
        weights.slice_back(base, chances, (first, width), grads);
    }
    for (nats, seen) in nats.iter_mut().zip(&seen) {
        *nats = seen.sum.ln() + (seen.most - seen.given);
    }
    let Some(weight) = weight else { return };
    grads.par_chunks_exact_mut(hidden).zip(&seen).zip(ids).together_init(
        || vec![0.0; hidden],
        |label, ((grad, seen), id)| {
            base.head().part(*id as usize, 0, label);
            vector::scale(grad, weight / seen.sum);
            vector::add_scaled(grad, label, -weight);
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::toy;

    #[test]
    fn losses_and_gradients_match_f64_however_the_vocabulary_is_sliced() {
        let config = toy::llama();
        let base = toy::load(&config, 5);
        let (hidden, vocab) = (config.hidden_size, config.vocab_size);
        let count = 7;
        let table: Vec<f32> = (0..vocab)
            .flat_map(|id| {
                let mut row = vec![0.0; hidden];
                base.head().part(id, 0, &mut row);
                row
            })
            .collect();
        // Wide apart, so that the largest logit changes from slice to slice.
        let x: Vec<f32> = (0..count * hidden).map(|i| (i as f32 * 0.7).sin() * 40.0).collect();
        let ids: Vec<u32> = (0..count).map(|i| (i * 11 % vocab) as u32).collect();
        let weight = 0.25;
        for size in [5, 16, vocab] {
            let mut scratch = HeadScratch::default();
            scratch.normed.fit(x.len()).copy_from_slice(&x);
            let mut nats = vec![0.0; count];
            by_slices(&base, &ids, Some(weight), &mut scratch, &mut nats, size);
            let mut alone = vec![0.0; count];
            let mut other = HeadScratch::default();
            other.normed.fit(x.len()).copy_from_slice(&x);
            by_slices(&base, &ids, None, &mut other, &mut alone, size);
            assert_eq!(nats, alone, "with and without gradients");
            for (i, id) in ids.iter().enumerate() {
                let logits: Vec<f64> = table
                    .chunks(hidden)
                    .map(|row| {
                        let x = &x[i * hidden..][..hidden];
                        row.iter().zip(x).map(|(e, x)| f64::from(*e) * f64::from(*x)).sum()
                    })
                    .collect();
                let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = logits.iter().map(|l| (l - most).exp()).sum();
                let want = sum.ln() + most - logits[*id as usize];
                assert!((f64::from(nats[i]) - want).abs() < 1e-4 * (1.0 + want), "{want}");
                for h in 0..hidden {
                    let mixed: f64 = (0..vocab)
                        .map(|j| (logits[j] - most).exp() * f64::from(table[j * hidden + h]))
                        .sum();
                    let label = f64::from(table[*id as usize * hidden + h]);
                    let want = f64::from(weight) * (mixed / sum - label);
                    let got = f64::from(scratch.grads[i * hidden + h]);
                    assert!((got - want).abs() < 1e-5, "{size} {i} {h}: {got} {want}");
                }
            }
        }
    }
}
