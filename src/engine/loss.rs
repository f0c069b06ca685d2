//! The output head and its cross entropy, on the rows that predict a label only.

use half::bf16;
use rayon::prelude::*;

use super::base::{Base, Precision};
use super::block::fit;
use super::cpu::multiply::{self, Multiplied, Rows};
use super::cpu::panels::Panels;
use super::cpu::vector;
use super::norm;
use super::pack::Packed;
use crate::model::DecoderConfig;

/// Values of the logits that are there at a time (64 MiB), but for models of huge vocabularies.
const CHUNK_VALUES: usize = 16 << 20;

/// Tokens of the vocabulary whose weights are laid out at a time.
const SLICE: usize = 2048;

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

    /// `out = dy E` for rows of `vocab_size` values.
    fn backward(&mut self, base: &Base, dy: Rows<'_>, out: &mut [f32]) {
        match self {
            Self::Full(panels) => backward(panels, base, dy, out),
            Self::Half(panels) => backward(panels, base, dy, out),
        }
    }
}

fn forward<E: Multiplied>(panels: &mut Panels<E>, base: &Base, x: Rows<'_>, out: &mut [f32]) {
    let vocab = base.config().vocab_size;
    for first in (0..vocab).step_by(SLICE) {
        let count = SLICE.min(vocab - first);
        panels.fill_columns(x.columns, count, |n, row| base.head().part(first + n, 0, row));
        multiply::multiply(x, None, panels, (&mut out[first..], vocab), false);
    }
}

fn backward<E: Multiplied>(panels: &mut Panels<E>, base: &Base, dy: Rows<'_>, out: &mut [f32]) {
    let (vocab, hidden) = (base.config().vocab_size, base.config().hidden_size);
    for first in (0..vocab).step_by(SLICE) {
        let count = SLICE.min(vocab - first);
        panels.fill_depths(count, hidden, |k, row| base.head().part(first + k, 0, row));
        let dy = Rows { data: &dy.data[first..], columns: count, ..dy };
        multiply::multiply(dy, None, panels, (&mut *out, hidden), first > 0);
    }
}

/// Bytes that the head takes at most.
pub(super) fn bytes(config: &DecoderConfig) -> usize {
    chunk(config) * (config.vocab_size + 4 * config.hidden_size) * 4
        + SLICE * config.hidden_size.next_multiple_of(32) * 4
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
    let gathered = fit(&mut scratch.rows, count * hidden);
    for (row, gathered) in rows.iter().zip(gathered.chunks_exact_mut(hidden)) {
        gathered.copy_from_slice(&x[row * hidden..][..hidden]);
    }
    let normed = fit(&mut scratch.normed, count * hidden);
    let inverse = fit(&mut scratch.inverse, count);
    norm::forward(gathered, base.final_norm(), config.norm_eps, normed, inverse);
    let logits = fit(&mut scratch.logits, count * vocab);
    let weights = scratch.weights.get_or_insert_with(|| HeadWeights::new(base.precision()));
    let normed = Rows { data: normed, count, columns: hidden, pitch: hidden };
    weights.forward(base, normed, logits);
    logits
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
    // Even chunks: a short last one would read the whole head for a few rows.
    let chunks = packed.label_rows.len().div_ceil(chunk(config)).max(1);
    let chunk = packed.label_rows.len().div_ceil(chunks).max(1);
    let mut nats = vec![0.0; packed.label_rows.len()];
    if let Some((dx, _)) = &mut back {
        dx.fill(0.0);
    }
    let labels = packed.label_rows.chunks(chunk).zip(packed.label_ids.chunks(chunk));
    for ((rows, ids), nats) in labels.zip(nats.chunks_mut(chunk)) {
        let count = rows.len();
        let weight = back.as_ref().map(|(_, weight)| *weight);
        logits(base, x, rows, scratch)
            .par_chunks_exact_mut(vocab)
            .zip(ids)
            .zip(nats)
            .for_each(|((logits, id), nats)| *nats = softmax(logits, *id as usize, weight));
        let Some((dx, _)) = &mut back else { continue };
        let grads = fit(&mut scratch.grads, count * hidden);
        let weights = scratch.weights.get_or_insert_with(|| HeadWeights::new(base.precision()));
        let dy = Rows { data: &scratch.logits, count, columns: vocab, pitch: vocab };
        weights.backward(base, dy, grads);
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
