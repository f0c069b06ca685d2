//! The output head and its cross entropy, on the rows that predict a label only.

use half::bf16;
use rayon::prelude::*;

use super::base::{Base, Precision};
use super::block::fit;
use super::cpu::multiply::{self, Multiplied, Rows};
use super::cpu::panels::Panels;
use super::cpu::vector;
use super::cpu::{Kernel, kernel};
use super::norm;
use super::pack::Packed;
use crate::model::DecoderConfig;

/// Values of the logits that are there at a time (64 MiB), but for models of huge vocabularies.
const CHUNK_VALUES: usize = 16 << 20;

/// Tokens of the vocabulary whose weights are laid out at a time.
const SLICE: usize = 2048;

/// Label rows that go through the head at a time where logits are computed twice.
const TWICE_ROWS: usize = 2048;

/// Buffers of the head.
#[derive(Debug, Default)]
pub(super) struct HeadScratch {
    rows: Vec<f32>,
    normed: Vec<f32>,
    inverse: Vec<f32>,
    logits: Vec<f32>,
    grads: Vec<f32>,
    row_grads: Vec<f32>,
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

    /// `out = dy E` for rows of `vocab_size` values.
    fn backward(&mut self, base: &Base, dy: Rows<'_>, out: &mut [f32]) {
        match self {
            Self::Full(panels) => backward(panels, base, dy, out),
            Self::Half(panels) => backward(panels, base, dy, out),
        }
    }
}

/// Slices of the vocabulary: first token and count.
fn slices(vocab: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..vocab).step_by(SLICE).map(move |first| (first, SLICE.min(vocab - first)))
}

fn slice<E: Multiplied>(
    panels: &mut Panels<E>,
    base: &Base,
    x: Rows<'_>,
    (first, count): (usize, usize),
    (out, pitch): (&mut [f32], usize),
) {
    panels.fill_columns(x.columns, count, |n, row| base.head().part(first + n, 0, row));
    multiply::multiply(x, None, panels, (out, pitch), false);
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
    multiply::multiply(dy, None, panels, (out, hidden), first > 0);
}

fn forward<E: Multiplied>(panels: &mut Panels<E>, base: &Base, x: Rows<'_>, out: &mut [f32]) {
    let vocab = base.config().vocab_size;
    for (first, count) in slices(vocab) {
        slice(panels, base, x, (first, count), (&mut out[first..], vocab));
    }
}

fn backward<E: Multiplied>(panels: &mut Panels<E>, base: &Base, dy: Rows<'_>, out: &mut [f32]) {
    for (first, count) in slices(base.config().vocab_size) {
        let dy = Rows { data: &dy.data[first..], columns: count, ..dy };
        slice_back(panels, base, dy, (first, count), out);
    }
}

/// Bytes that the head takes at most, for micro-batches of `tokens` tokens.
pub(super) fn bytes(config: &DecoderConfig, precision: Precision, tokens: usize) -> usize {
    let (rows, width) = if is_computed_twice(config, precision) {
        (TWICE_ROWS, SLICE.min(config.vocab_size))
    } else {
        (chunk(config), config.vocab_size)
    };
    rows.min(tokens) * (width + 4 * config.hidden_size) * 4
        + SLICE * config.hidden_size.next_multiple_of(32) * precision.bytes()
}

/// Whether logits are computed twice, slice by slice, instead of being stored: where products are
/// quicker than memory, or so few rows fit that the head would be laid out again and again.
fn is_computed_twice(config: &DecoderConfig, precision: Precision) -> bool {
    precision == Precision::Bf16 && (kernel() == Kernel::Amx || chunk(config) < 256)
}

/// Label rows that go through the head at a time.
fn chunk(config: &DecoderConfig) -> usize {
    (CHUNK_VALUES / config.vocab_size).clamp(16, 512)
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
    let logits = fit(&mut scratch.logits, count * vocab);
    let weights = scratch.weights.get_or_insert_with(|| HeadWeights::new(base.precision()));
    let normed = Rows { data: &scratch.normed, count, columns: hidden, pitch: hidden };
    weights.forward(base, normed, logits);
    logits
}

/// The given rows of `x`, and after the last norm.
fn gather(base: &Base, x: &[f32], rows: &[usize], scratch: &mut HeadScratch) {
    let (config, count) = (base.config(), rows.len());
    let hidden = config.hidden_size;
    let gathered = fit(&mut scratch.rows, count * hidden);
    for (row, gathered) in rows.iter().zip(gathered.chunks_exact_mut(hidden)) {
        gathered.copy_from_slice(&x[row * hidden..][..hidden]);
    }
    let normed = fit(&mut scratch.normed, count * hidden);
    let inverse = fit(&mut scratch.inverse, count);
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
    let (hidden, vocab) = (config.hidden_size, config.vocab_size);
    let twice = is_computed_twice(config, base.precision());
    let most = if twice { TWICE_ROWS } else { chunk(config) };
    // Even chunks: a short last one would read the whole head for a few rows.
    let chunks = packed.label_rows.len().div_ceil(most).max(1);
    let chunk = packed.label_rows.len().div_ceil(chunks).max(1);
    let mut nats = vec![0.0; packed.label_rows.len()];
    if let Some((dx, _)) = &mut back {
        dx.fill(0.0);
    }
    let labels = packed.label_rows.chunks(chunk).zip(packed.label_ids.chunks(chunk));
    for ((rows, ids), nats) in labels.zip(nats.chunks_mut(chunk)) {
        let count = rows.len();
        let weight = back.as_ref().map(|(_, weight)| *weight);
        if twice {
            gather(base, x, rows, scratch);
            by_slices(base, ids, weight, scratch, nats);
        } else {
            logits(base, x, rows, scratch)
                .par_chunks_exact_mut(vocab)
                .zip(ids)
                .zip(nats)
                .for_each(|((logits, id), nats)| *nats = softmax(logits, *id as usize, weight));
        }
        let Some((dx, _)) = &mut back else { continue };
        let grads = fit(&mut scratch.grads, count * hidden);
        if !twice {
            let weights = scratch.weights.get_or_insert_with(|| HeadWeights::new(base.precision()));
            let dy = Rows { data: &scratch.logits, count, columns: vocab, pitch: vocab };
            weights.backward(base, dy, grads);
        }
        let row_grads = fit(&mut scratch.row_grads, count * hidden);
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
/// `scratch.grads`. Logits are computed twice, so that they never leave the cache: where products are
/// quick, memory is what takes the time.
fn by_slices(
    base: &Base,
    ids: &[u32],
    weight: Option<f32>,
    scratch: &mut HeadScratch,
    nats: &mut [f32],
) {
    let (hidden, vocab) = (base.config().hidden_size, base.config().vocab_size);
    let count = ids.len();
    let normed = Rows { data: &scratch.normed, count, columns: hidden, pitch: hidden };
    let weights = scratch.weights.get_or_insert_with(|| HeadWeights::new(base.precision()));
    let logits = fit(&mut scratch.logits, count * SLICE.min(vocab));
    let mut seen = vec![Seen { most: f32::NEG_INFINITY, sum: 0.0, given: 0.0 }; count];
    for (first, width) in slices(vocab) {
        weights.slice(base, normed, (first, width), logits);
        logits.par_chunks_exact_mut(width).zip(&mut seen).zip(ids).for_each(|((row, seen), id)| {
            let most = vector::largest(row).max(seen.most);
            if let Some(given) = (*id as usize).checked_sub(first).and_then(|at| row.get(at)) {
                seen.given = *given;
            }
            seen.sum = seen.sum * (seen.most - most).exp() + vector::exp_sum(row, most);
            seen.most = most;
        });
    }
    for (nats, seen) in nats.iter_mut().zip(&seen) {
        *nats = seen.sum.ln() + (seen.most - seen.given);
    }
    let Some(weight) = weight else { return };
    let grads = fit(&mut scratch.grads, count * hidden);
    for (first, width) in slices(vocab) {
        weights.slice(base, normed, (first, width), logits);
        logits.par_chunks_exact_mut(width).zip(&seen).zip(ids).for_each(|((row, seen), id)| {
            vector::exp_shifted(row, seen.most);
            vector::scale(row, weight / seen.sum);
            if let Some(given) = (*id as usize).checked_sub(first).and_then(|at| row.get_mut(at)) {
                *given -= weight;
            }
        });
        let dy = Rows { data: logits, count, columns: width, pitch: width };
        weights.slice_back(base, dy, (first, width), grads);
    }
}

/// `-ln softmax(logits)[id]`; with `weight`, replaces the logits by `weight` times its gradient.
fn softmax(logits: &mut [f32], id: usize, weight: Option<f32>) -> f32 {
    let most = vector::largest(logits);
    let given = logits[id];
    let Some(weight) = weight else {
        return vector::exp_sum(logits, most).ln() + (most - given);
    };
    let sum = vector::exp_shifted(logits, most);
    vector::scale(logits, weight / sum);
    logits[id] -= weight;
    sum.ln() + (most - given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_gives_loss_and_gradient() {
        let logits = [0.5f32, -1.0, 2.0, 0.0];
        let sum: f64 = logits.iter().map(|x| f64::from(*x).exp()).sum();
        let want = sum.ln() - f64::from(logits[1]);
        let mut grads = logits;
        let loss = softmax(&mut grads, 1, Some(0.25));
        assert!((f64::from(loss) - want).abs() < 1e-6);
        assert!((loss - softmax(&mut logits.clone(), 1, None)).abs() < 1e-7);
        for (i, grad) in grads.iter().enumerate() {
            let chance = f64::from(logits[i]).exp() / sum;
            let want = 0.25 * (chance - f64::from(u8::from(i == 1)));
            assert!((f64::from(*grad) - want).abs() < 1e-7);
        }
    }
}
