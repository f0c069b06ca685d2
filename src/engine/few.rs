//! Products for a few tokens at a time, as in decoding: bound by reading the weights once.
//!
//! Sixteen tokens lie side by side in a vector register while weights stream by; packed weights
//! are decoded panel by panel in the cache. Each output is one sum over the inputs in order, so a
//! token's result does not depend on the tokens beside it.

use rayon::prelude::*;

use super::base::{Base, Group, Matrix};
use super::effective;
use super::lora::Adapter;
use super::vector::{multiply_add, vectorized};

/// Tokens side by side.
const LANES: usize = 16;

/// Weight rows that share a load of the tokens.
const ROWS: usize = 8;

/// Weight values decoded at a time (256 KiB).
const PANEL_VALUES: usize = 1 << 16;

/// Buffers of products.
#[derive(Debug, Default)]
pub(super) struct Few {
    /// `[tokens / 16, inputs, 16]`
    tokens: Vec<f32>,
    /// `[tokens / 16, columns, 16]`
    adapted: Vec<f32>,
    /// `[outputs, tokens / 16, 16]`
    outputs: Vec<f32>,
}

/// Rows of weights.
#[derive(Clone, Copy)]
enum Source<'a> {
    Matrix(&'a Matrix),
    Values(&'a [f32]),
}

/// What an adapter adds to a group's outputs.
struct Update<'a> {
    adapter: &'a Adapter,
    layer: usize,
    parts: Vec<effective::Part>,
    /// `[tokens / 16, columns, 16]`
    u: &'a [f32],
}

impl Few {
    /// `out = x (W + s B A)^T` for `count` rows of `x`.
    pub(super) fn group(
        &mut self,
        base: &Base,
        adapter: Option<&Adapter>,
        (layer, group): (usize, Group),
        x: &[f32],
        count: usize,
        out: &mut [f32],
    ) {
        let matrix = base.matrix(layer, group);
        let (inputs, outputs) = (matrix.inputs(), matrix.outputs());
        self.transpose(x, count, inputs);
        let mut update = None;
        if let Some(adapter) = adapter {
            let parts = effective::parts(adapter, group);
            self.adapted.clear();
            if let Some(first) = parts.first() {
                // The As of a group lie side by side.
                let rows = parts.len() * adapter.config().rank;
                let start = layer * adapter.layer_len() + first.slot.a;
                let a = &adapter.values()[start..start + rows * inputs];
                for tokens in self.tokens.chunks_exact(inputs * LANES) {
                    let at = self.adapted.len();
                    self.adapted.resize(at + rows * LANES, 0.0);
                    multiply(tokens, a, inputs, &mut self.adapted[at..], LANES);
                }
                update = Some(Update { adapter, layer, parts, u: &self.adapted });
            }
        }
        let source = matrix.cached().map_or(Source::Matrix(matrix), Source::Values);
        let transposed = &mut self.outputs;
        rows_times(&self.tokens, inputs, source, outputs, update.as_ref(), transposed);
        untranspose(transposed, count, outputs, out);
    }

    /// `out = x W^T` for `count` rows of `x` and plain weights `[outputs, inputs]`.
    pub(super) fn plain(&mut self, x: &[f32], count: usize, weights: &[f32], out: &mut [f32]) {
        let inputs = x.len() / count;
        let outputs = weights.len() / inputs;
        self.transpose(x, count, inputs);
        let source = Source::Values(weights);
        rows_times(&self.tokens, inputs, source, outputs, None, &mut self.outputs);
        untranspose(&self.outputs, count, outputs, out);
    }

    fn transpose(&mut self, x: &[f32], count: usize, inputs: usize) {
        self.tokens.clear();
        self.tokens.resize(count.div_ceil(LANES) * LANES * inputs, 0.0);
        for (token, x) in x.chunks_exact(inputs).enumerate() {
            let start = token / LANES * LANES * inputs + token % LANES;
            for (value, x) in self.tokens[start..].iter_mut().step_by(LANES).zip(x) {
                *value = *x;
            }
        }
    }
}

fn untranspose(transposed: &[f32], count: usize, outputs: usize, out: &mut [f32]) {
    let width = count.div_ceil(LANES) * LANES;
    out.par_chunks_mut(outputs).enumerate().for_each(|(token, out)| {
        for (value, lanes) in out.iter_mut().zip(transposed.chunks_exact(width)) {
            *value = lanes[token];
        }
    });
}

fn rows_times(
    tokens: &[f32],
    inputs: usize,
    source: Source<'_>,
    outputs: usize,
    update: Option<&Update<'_>>,
    out: &mut Vec<f32>,
) {
    let width = tokens.len() / inputs;
    out.resize(outputs * width, 0.0);
    let panel = (PANEL_VALUES / inputs / ROWS * ROWS).clamp(ROWS, 256);
    out.par_chunks_mut(panel * width).enumerate().for_each_init(
        Vec::new,
        |decoded, (index, out)| {
            let (first, count) = (index * panel, out.len() / width);
            let rows = match source {
                Source::Values(values) => &values[first * inputs..(first + count) * inputs],
                Source::Matrix(matrix) => {
                    decoded.resize(panel * inputs, 0.0);
                    matrix.rows(first, &mut decoded[..count * inputs], inputs);
                    &decoded[..count * inputs]
                }
            };
            for (block, tokens) in tokens.chunks_exact(inputs * LANES).enumerate() {
                multiply(tokens, rows, inputs, &mut out[block * LANES..], width);
            }
            let Some(update) = update else { return };
            let (rank, scale) = {
                let config = update.adapter.config();
                (config.rank, config.scale())
            };
            for part in &update.parts {
                let start = part.output.max(first);
                let end = (part.output + part.slot.outputs).min(first + count);
                let (_, b) = update.adapter.pair(update.layer, part.slot);
                let columns = update.u.len() / width;
                for (block, u) in update.u.chunks_exact(columns * LANES).enumerate() {
                    let u = &u[part.column * LANES..(part.column + rank) * LANES];
                    for row in start..end {
                        let b = &b[(row - part.output) * rank..][..rank];
                        let at = (row - first) * width + block * LANES;
                        add_combination(&mut out[at..at + LANES], u, b, scale);
                    }
                }
            }
        },
    );
}

vectorized! {
    /// Sixteen tokens `[inputs, 16]` by rows of weights; output rows lie `pitch` apart.
    fn multiply(tokens: &[f32], rows: &[f32], inputs: usize, out: &mut [f32], pitch: usize) {
        let (tokens, _) = tokens.as_chunks::<LANES>();
        let count = rows.len() / inputs;
        let mut row = 0;
        while row + ROWS <= count {
            let mut weights = rows[row * inputs..].chunks_exact(inputs);
            let mut next = || weights.next().unwrap_or_default().iter();
            let [a, b, c, d] = [next(), next(), next(), next()];
            let [e, f, g, h] = [next(), next(), next(), next()];
            // Zipped slices need no bounds checks.
            let weights = a.zip(b).zip(c.zip(d)).zip(e.zip(f).zip(g.zip(h)));
            let mut sums = [[0.0f32; LANES]; ROWS];
            for (tokens, (((a, b), (c, d)), ((e, f), (g, h)))) in tokens.iter().zip(weights) {
                for (sums, weight) in sums.iter_mut().zip([a, b, c, d, e, f, g, h]) {
                    for (sum, token) in sums.iter_mut().zip(tokens) {
                        *sum = multiply_add::<FUSED>(*weight, *token, *sum);
                    }
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                out[(row + i) * pitch..][..LANES].copy_from_slice(sums);
            }
            row += ROWS;
        }
        while row < count {
            let mut sums = [0.0f32; LANES];
            for (weight, tokens) in rows[row * inputs..][..inputs].iter().zip(tokens) {
                for (sum, token) in sums.iter_mut().zip(tokens) {
                    *sum = multiply_add::<FUSED>(*weight, *token, *sum);
                }
            }
            out[row * pitch..][..LANES].copy_from_slice(&sums);
            row += 1;
        }
    }
}

vectorized! {
    /// `out += scale * sum_j b[j] u[j]` for sixteen tokens.
    fn add_combination(out: &mut [f32], u: &[f32], b: &[f32], scale: f32) {
        let mut sums = [0.0f32; LANES];
        let (u, _) = u.as_chunks::<LANES>();
        for (u, b) in u.iter().zip(b) {
            for (sum, u) in sums.iter_mut().zip(u) {
                *sum = multiply_add::<FUSED>(*b, *u, *sum);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out += scale * sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::base::Residency;
    use crate::engine::effective::Weights;
    use crate::engine::lora::{LoraConfig, Target};
    use crate::engine::product::{self, Threads, View, ViewMut};
    use crate::engine::toy;

    #[test]
    fn few_and_many_tokens_agree_and_neighbours_do_not_matter() {
        let config = toy::qwen2();
        let lora = LoraConfig {
            rank: 3,
            alpha: 6.0,
            targets: vec![Target::Query, Target::Value, Target::Down],
            seed: 1,
        };
        let mut adapter = Adapter::new(&config, &lora);
        for (i, value) in adapter.values_mut().iter_mut().enumerate() {
            *value = (i as f32 * 0.37).sin() * 0.1;
        }
        for residency in [Residency::Packed, Residency::Cached] {
            let base = toy::load(&config, 3, residency);
            for adapter in [None, Some(&adapter)] {
                for group in Group::ALL {
                    let (inputs, outputs) = group.shape(&config);
                    let count = 19;
                    let x: Vec<f32> = (0..count * inputs).map(|i| (i as f32).cos()).collect();
                    let mut got = vec![0.0; count * outputs];
                    let mut few = Few::default();
                    few.group(&base, adapter, (1, group), &x, count, &mut got);
                    let mut weights = Weights::new(0);
                    let operand = weights.get(&base, adapter, 1, group);
                    let width = outputs + operand.columns;
                    let mut want = vec![0.0; count * width];
                    product::multiply(
                        ViewMut::new(&mut want, count, width, width),
                        false,
                        View::new(&x, count, inputs, inputs),
                        operand.forward(),
                        1.0,
                        Threads::One,
                    );
                    for (got, want) in got.chunks(outputs).zip(want.chunks(width)) {
                        for (got, want) in got.iter().zip(want) {
                            assert!((got - want).abs() < 1e-4, "{got} {want}");
                        }
                    }
                    let mut one = vec![0.0; outputs];
                    few.group(
                        &base,
                        adapter,
                        (1, group),
                        &x[17 * inputs..18 * inputs],
                        1,
                        &mut one,
                    );
                    assert_eq!(one, got[17 * outputs..18 * outputs]);
                }
            }
        }
    }
}
