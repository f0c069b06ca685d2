//! Products for a few tokens at a time, as in decoding: bound by reading the weights once.
//!
//! Packed weights are decoded panel by panel in the cache. Each output is one sum over the inputs
//! in a fixed order, so a token's result does not depend on how many tokens are beside it.

use rayon::prelude::*;

use super::base::{Base, Group, Matrix};
use super::cpu::vector::{multiply_add, vectorized};
use super::effective;
use super::lora::Adapter;
use super::table::Table;

/// Lanes of a sum.
const LANES: usize = 16;

/// Weight rows and tokens whose sums run at the same time.
const BLOCK: usize = 4;

/// Weight values that one task takes.
const PANEL_VALUES: usize = 1 << 16;

/// Buffers of products.
#[derive(Debug, Default)]
pub(super) struct Few {
    /// `[columns, tokens, up to whole lanes]`: x A^T, transposed.
    adapted: Vec<f32>,
    /// `[outputs, tokens]`
    outputs: Vec<f32>,
}

/// Rows of weights.
#[derive(Clone, Copy)]
enum Source<'a> {
    Matrix(&'a Matrix),
    Table(&'a Table),
}

/// What an adapter adds to a group's outputs.
struct Update<'a> {
    adapter: &'a Adapter,
    layer: usize,
    parts: Vec<effective::Part>,
    /// `[columns, tokens, up to whole lanes]`
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
        let mut update = None;
        if let Some(adapter) = adapter {
            let parts = effective::parts(adapter, group);
            if let Some(first) = parts.first() {
                // The As of a group lie side by side.
                let rows = parts.len() * adapter.config().rank;
                let start = layer * adapter.layer_len() + first.slot.a;
                let a = &adapter.values()[start..start + rows * inputs];
                self.outputs.resize(rows * count, 0.0);
                multiply(x, a, inputs, &mut self.outputs);
                let width = count.next_multiple_of(LANES);
                self.adapted.resize(rows * width, 0.0);
                let padded = self.adapted.chunks_exact_mut(width);
                for (padded, u) in padded.zip(self.outputs.chunks_exact(count)) {
                    padded[..count].copy_from_slice(u);
                }
                update = Some(Update { adapter, layer, parts, u: &self.adapted });
            }
        }
        self.outputs.resize(outputs * count, 0.0);
        rows_times((x, inputs), Source::Matrix(matrix), update.as_ref(), &mut self.outputs);
        transpose(&self.outputs, count, outputs, out);
    }

    /// `out = x W^T` for `count` rows of `x` and a table of weights.
    pub(super) fn table(&mut self, x: &[f32], count: usize, weights: &Table, out: &mut [f32]) {
        let (inputs, outputs) = (x.len() / count, weights.rows());
        self.outputs.resize(outputs * count, 0.0);
        rows_times((x, inputs), Source::Table(weights), None, &mut self.outputs);
        transpose(&self.outputs, count, outputs, out);
    }
}

fn transpose(transposed: &[f32], count: usize, outputs: usize, out: &mut [f32]) {
    out.par_chunks_mut(outputs).enumerate().for_each(|(token, out)| {
        for (value, tokens) in out.iter_mut().zip(transposed.chunks_exact(count)) {
            *value = tokens[token];
        }
    });
}

/// `out = W x^T`, with the update.
fn rows_times(
    (x, inputs): (&[f32], usize),
    source: Source<'_>,
    update: Option<&Update<'_>>,
    out: &mut [f32],
) {
    let count = x.len() / inputs;
    let panel = (PANEL_VALUES / inputs / BLOCK * BLOCK).clamp(BLOCK, 256);
    out.par_chunks_mut(panel * count).enumerate().for_each_init(
        Vec::new,
        |decoded, (index, out)| {
            let (first, rows) = (index * panel, out.len() / count);
            // A few rows at a time stay in the first-level cache.
            decoded.resize(BLOCK * inputs, 0.0);
            for (block, out) in out.chunks_mut(BLOCK * count).enumerate() {
                let decoded = &mut decoded[..out.len() / count * inputs];
                match source {
                    Source::Matrix(matrix) => matrix.rows(first + block * BLOCK, decoded),
                    Source::Table(table) => table.read(first + block * BLOCK, decoded),
                }
                multiply(x, decoded, inputs, out);
            }
            let Some(update) = update else { return };
            let config = update.adapter.config();
            let (rank, scale) = (config.rank, config.scale());
            for part in &update.parts {
                let start = part.output.max(first);
                let end = (part.output + part.slot.outputs).min(first + rows);
                let (_, b) = update.adapter.pair(update.layer, part.slot);
                let width = count.next_multiple_of(LANES);
                let u = &update.u[part.column * width..(part.column + rank) * width];
                for row in start..end {
                    let b = &b[(row - part.output) * rank..][..rank];
                    add_combination(&mut out[(row - first) * count..][..count], u, b, scale);
                }
            }
        },
    );
}

vectorized! {
    /// `out[row, token] = weights[row] . x[token]`, all rows `inputs` long.
    fn multiply(x: &[f32], weights: &[f32], inputs: usize, out: &mut [f32]) {
        let count = x.len() / inputs;
        let rows = weights.len() / inputs;
        let mut row = 0;
        while row < rows {
            let height = if row + BLOCK <= rows { BLOCK } else { 1 };
            let weights = &weights[row * inputs..(row + height) * inputs];
            let out = &mut out[row * count..(row + height) * count];
            let mut token = 0;
            while token < count {
                let width = if token + BLOCK <= count { BLOCK } else { 1 };
                let x = &x[token * inputs..(token + width) * inputs];
                let out = &mut out[token..];
                match (height, width) {
                    (BLOCK, BLOCK) => dots::<FUSED, BLOCK, BLOCK>(x, weights, inputs, out, count),
                    (BLOCK, _) => dots::<FUSED, BLOCK, 1>(x, weights, inputs, out, count),
                    (_, BLOCK) => dots::<FUSED, 1, BLOCK>(x, weights, inputs, out, count),
                    _ => dots::<FUSED, 1, 1>(x, weights, inputs, out, count),
                }
                token += width;
            }
            row += height;
        }
    }
}

/// `R` rows by `C` tokens at once; output rows lie `pitch` apart.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn dots<const FUSED: bool, const R: usize, const C: usize>(
    x: &[f32],
    weights: &[f32],
    inputs: usize,
    out: &mut [f32],
    pitch: usize,
) {
    let chunks = inputs / LANES;
    let weights: [&[f32]; R] = std::array::from_fn(|i| &weights[i * inputs..][..inputs]);
    let tokens: [&[f32]; C] = std::array::from_fn(|i| &x[i * inputs..][..inputs]);
    let weight_chunks = weights.map(|row| &row.as_chunks::<LANES>().0[..chunks]);
    let token_chunks = tokens.map(|row| &row.as_chunks::<LANES>().0[..chunks]);
    let mut sums = [[[0.0f32; LANES]; C]; R];
    for at in 0..chunks {
        for (sums, weights) in sums.iter_mut().zip(&weight_chunks) {
            for (sums, tokens) in sums.iter_mut().zip(&token_chunks) {
                for lane in 0..LANES {
                    sums[lane] =
                        multiply_add::<FUSED>(weights[at][lane], tokens[at][lane], sums[lane]);
                }
            }
        }
    }
    // A copy, so that the sums above stay in registers.
    let finished = sums;
    for (i, sums) in finished.iter().enumerate() {
        for (j, sums) in sums.iter().enumerate() {
            let rest = (&weights[i][chunks * LANES..], &tokens[j][chunks * LANES..]);
            out[i * pitch + j] = total::<FUSED>(*sums, rest);
        }
    }
}

/// Adds up lanes and the products of what is left over.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn total<const FUSED: bool>(lanes: [f32; LANES], rest: (&[f32], &[f32])) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    let mut sum = (four[0] + four[2]) + (four[1] + four[3]);
    for (a, b) in rest.0.iter().zip(rest.1) {
        sum = multiply_add::<FUSED>(*a, *b, sum);
    }
    sum
}

vectorized! {
    /// `out[token] += scale * sum_j b[j] u[j, token]`; rows of `u` are padded to whole lanes.
    fn add_combination(out: &mut [f32], u: &[f32], b: &[f32], scale: f32) {
        let (u, _) = u.as_chunks::<LANES>();
        let width = out.len().div_ceil(LANES);
        for (block, out) in out.chunks_mut(LANES).enumerate() {
            let mut sums = [0.0f32; LANES];
            for (u, b) in u[block..].iter().step_by(width).zip(b) {
                for (sum, u) in sums.iter_mut().zip(u) {
                    *sum = multiply_add::<FUSED>(*b, *u, *sum);
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = multiply_add::<FUSED>(scale, sum, *out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::base::Precision;
    use crate::engine::effective::{Place, Weights};
    use crate::engine::lora::{LoraConfig, Target};
    use crate::engine::toy;

    #[test]
    fn few_and_many_tokens_agree_and_neighbours_do_not_matter() {
        let config = toy::qwen2();
        let lora = LoraConfig {
            rank: 3,
            alpha: 6.0,
            rank_stabilized: false,
            targets: vec![Target::Query, Target::Value, Target::Down],
            seed: 1,
        };
        let mut adapter = Adapter::new(&config, &lora);
        for (i, value) in adapter.values_mut().iter_mut().enumerate() {
            *value = (i as f32 * 0.37).sin() * 0.1;
        }
        let base = toy::load(&config, 3);
        {
            for adapter in [None, Some(&adapter)] {
                for group in Group::ALL {
                    let (inputs, outputs) = group.shape(&config);
                    let count = 19;
                    let x: Vec<f32> = (0..count * inputs).map(|i| (i as f32).cos()).collect();
                    let mut got = vec![0.0; count * outputs];
                    let mut few = Few::default();
                    few.group(&base, adapter, (1, group), &x, count, &mut got);
                    let mut weights = Weights::new(Precision::F32);
                    let place = Place { base: &base, adapter, layer: 1, group };
                    let width = outputs + place.columns();
                    let mut want = vec![0.0; count * width];
                    weights.project(place, x[..].into(), count, (&mut want[..]).into());
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
