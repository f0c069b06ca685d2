//! Likeliest tokens from a copy of the head in NF4, which is a quarter of bf16 to read for each token.
//!
//! A row `w` of the head is held as `q`, NF4 in blocks of 64 whose magnitudes are a byte each, in units of a
//! scale of the row. For a token's `x` the logit of the copy differs from the true one by `|sum (w - q) x|`,
//! which is no more than
//!
//! `sqrt(sum (d (w - q))^2) * sqrt(sum (x / d)^2)`
//!
//! for any `d` of a positive number a column (Cauchy and Schwarz). The first root is kept of each row, the second
//! is one number a token. `d` is chosen so that large values of `x` meet small errors: were all tokens and all rows'
//! errors as in the mean, the best `d` would be the root of the one over the other. Some columns of `x` are large
//! whatever is read, so the mean of the first prompt's tokens ([`Profile`]) tells which. Rounding in either sum is
//! added to the row's number.
//!
//! The row that is likeliest by the copy is computed from the head itself, and so is each row whose logit may be
//! as large by this bound, all by the kernel that all logits come from, so that the choice is the same bit for
//! bit. Where the bound leaves too many, all logits are computed.

mod encode;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use super::cpu::few::{self, Kind, Out, Tokens};
use super::cpu::kernel;
use super::cpu::pages::Region;
use super::cpu::shared::Shared;
use super::cpu::team::Together as _;
use super::cpu::vector::{multiply_add, vectorized};
use super::nf4::{BLOCK, CODE};
use super::table::Table;
use encode::{columns, encode, scale_of};

pub(super) use encode::Profile;

/// Rows that a task takes at once hold this many values.
const PANEL: usize = 1 << 17;

/// Lanes of sums.
const LANES: usize = 16;

/// Rounds off a unit in the last place at the most.
const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

/// A head's rows in NF4.
#[derive(Debug)]
pub(super) struct Coarse {
    width: usize,
    /// As the kernels read them: two a byte, the even column in the high half.
    codes: Region,
    /// Of each block, in units of the row's scale.
    magnitudes: Vec<u8>,
    /// Of each row.
    scales: Vec<f32>,
    /// Of each row the most that its logit is from that of the copy, for a token of `sqrt(sum (x / d)^2) = 1`.
    far: Vec<f32>,
    /// `1 / d` of each column.
    inverse: Vec<f32>,
    /// The most of `sqrt(sum (d w)^2)` and of its like of the copy.
    size: f64,
    /// Largest value.
    largest: f64,
    /// Whether tokens and codes are rounded to bf16.
    rounds: bool,
}

/// Buffers of a search.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    tokens: Tokens,
    /// Panels of `[tokens, rows]`: logits by the copy.
    sums: Vec<f32>,
    /// `[panels, tokens]`.
    best: Vec<Best>,
    /// One of each token.
    bounds: Vec<Bound>,
}

/// What is known of a panel's logits of a token.
#[derive(Debug, Clone, Copy, Default)]
struct Best {
    /// The largest of the copy, and its row in the panel.
    likeliest: (f32, usize),
    /// The most that one may be.
    most: f32,
}

/// How far logits of a token may be from those of the copy: `factor` times the row's number, and `more`.
#[derive(Debug, Clone, Copy)]
struct Bound {
    factor: f32,
    more: f32,
}

impl Coarse {
    /// Copies a table for tokens like these; `None` where rows are of a width that products of few tokens cannot
    /// read. With `round` products may be of pairs of bf16.
    pub(super) fn new(table: &Table, profile: &Profile, round: bool) -> Option<Self> {
        let width = table.width();
        if !few::fits(width) {
            return None;
        }
        let (rows, blocks) = (table.rows(), width / BLOCK);
        let rounds = few::rounds(kernel(), round);
        let coded = if rounds { CODE.map(|x| half::bf16::from_f32(x).to_f32()) } else { CODE };
        let columns = columns(table, profile, &coded);
        let mut codes = Region::zeros(rows * width / 2);
        let mut magnitudes = vec![0u8; rows * blocks];
        let (mut scales, mut far) = (vec![0.0f32; rows], vec![0.0f32; rows]);
        let encode_row =
            |values: &mut Vec<f32>, (row, (((codes, magnitudes), scale), far)): Row<'_>| {
                table.part(row, 0, values);
                *scale = scale_of(values);
                let encoded = encode(values, *scale, &coded, &columns, codes, magnitudes);
                let [error, size] = encoded.squares.map(f64::sqrt);
                *far = above(error * (1.0 + 1e-6) + rounding(width) * (2.0 * size + error));
                (size + error, f64::from(encoded.largest))
            };
        let (size, largest) = (codes.bytes_mut().par_chunks_exact_mut(width / 2))
            .zip(magnitudes.par_chunks_exact_mut(blocks))
            .zip(&mut scales)
            .zip(&mut far)
            .enumerate()
            .with_min_len((PANEL / width).max(1))
            .map_init(|| vec![0.0f32; width], encode_row)
            .reduce(|| (0.0, 0.0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        let inverse = columns.iter().map(|d| 1.0 / d).collect();
        Some(Self { width, codes, magnitudes, scales, far, inverse, size, largest, rounds })
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let floats = self.scales.len() + self.far.len() + self.inverse.len();
        self.codes.bytes().len() + self.magnitudes.len() + floats * 4
    }

    /// Whether tokens are to be rounded to bf16 first, as the head's products read them.
    pub(super) fn rounds(&self) -> bool {
        self.rounds
    }

    /// Logits of the tokens `x` by the copy, for [`Coarse::first`] and [`Coarse::rivals`].
    pub(super) fn search(&self, x: &[f32], scratch: &mut Scratch) {
        let (width, rows, count) = (self.width, self.scales.len(), x.len() / self.width);
        let Scratch { tokens, sums, best, bounds } = scratch;
        bounds.clear();
        bounds.extend(x.chunks_exact(width).map(|x| self.bound(x)));
        tokens.set(x, (count, width), (kernel(), Kind::Coded), self.rounds);
        let (panel, blocks) = (self.panel(), width / BLOCK);
        sums.resize(rows * count, 0.0);
        best.resize(rows.div_ceil(panel) * count, Best::default());
        let parts = sums.par_chunks_mut(panel * count).zip(best.par_chunks_mut(count)).enumerate();
        parts.together_init(Vec::new, |decoded, (task, (sums, best))| {
            let rows = task * panel..task * panel + sums.len() / count;
            let blocks = rows.start * blocks..rows.end * blocks;
            decoded.resize(blocks.len(), 0.0);
            decode(&self.magnitudes[blocks], &self.scales[rows.clone()], decoded);
            let codes = &self.codes.bytes()[rows.start * width / 2..rows.end * width / 2];
            let out = Out { values: Shared::new(sums), first: 0, pitch: rows.len() };
            few::multiply(kernel(), few::Weights::Coded(codes, decoded), tokens, None, out);
            let far = &self.far[rows];
            for ((sums, bound), best) in sums.chunks_exact(far.len()).zip(&*bounds).zip(best) {
                let (likeliest, most) = look(sums, far, bound.factor, bound.more);
                let at = sums.iter().position(|sum| *sum == likeliest).unwrap_or_default();
                *best = Best { likeliest: (likeliest, at), most };
            }
        });
    }

    /// The likeliest row of a token by the copy; nothing where the token is not finite or far too large.
    pub(super) fn first(&self, scratch: &Scratch, token: usize) -> Option<usize> {
        let (panel, count) = (self.panel(), scratch.bounds.len());
        let bound = scratch.bounds[token];
        if !(bound.factor.is_finite() && bound.more.is_finite()) {
            return None;
        }
        let panels = scratch.best.iter().skip(token).step_by(count).enumerate();
        let likeliest = panels.max_by(|a, b| a.1.likeliest.0.total_cmp(&b.1.likeliest.0));
        likeliest.map(|(at, best)| at * panel + best.likeliest.1)
    }

    /// Rows whose logits may be `least` or more, ascending; nothing where there are more than `limit`.
    pub(super) fn rivals(
        &self,
        scratch: &Scratch,
        token: usize,
        least: f32,
        limit: usize,
    ) -> Option<Vec<usize>> {
        let (panel, count) = (self.panel(), scratch.bounds.len());
        let Bound { factor, more } = scratch.bounds[token];
        if !least.is_finite() {
            return None;
        }
        let mut all = Vec::new();
        let panels = scratch.best.iter().skip(token).step_by(count).enumerate();
        for (at, _) in panels.filter(|(_, best)| best.most >= least) {
            let first = at * panel;
            let far = &self.far[first..self.far.len().min(first + panel)];
            let sums = &scratch.sums[first * count + token * far.len()..][..far.len()];
            let rows = sums.iter().zip(far).zip(first..);
            all.extend(rows.filter_map(|((sum, far), row)| {
                (multiply_add::<false>(*far, factor, *sum) + more >= least).then_some(row)
            }));
            if all.len() > limit {
                return None;
            }
        }
        Some(all)
    }

    /// Rows of a task.
    fn panel(&self) -> usize {
        (PANEL / self.width).max(1)
    }

    fn bound(&self, x: &[f32]) -> Bound {
        let scaled = x.iter().zip(&self.inverse).map(|(x, d)| f64::from(*x) * f64::from(*d));
        let norm = scaled.map(|x| x * x).sum::<f64>().sqrt();
        let most = x.iter().fold(0.0f64, |most, x| most.max(f64::from(x.abs())));
        // Near infinity sums may overflow on their way.
        if !norm.is_finite() || norm * self.size > 1e36 {
            return Bound { factor: f32::INFINITY, more: 0.0 };
        }
        // The smallest numbers may be flushed to zero: factors, products and sums on their way, which of the copy are
        // multiplied with a magnitude then.
        let flushed = 8.0 * self.width as f64 * f64::from(f32::MIN_POSITIVE);
        let more = above(flushed * (1.0 + most + 2.0 * self.largest));
        // The root was rounded, and so was 1 / d.
        Bound { factor: above(norm * (1.0 + 1e-6)), more }
    }
}

/// What of the copy is made for a row.
type Row<'a> = (usize, (((&'a mut [u8], &'a mut [u8]), &'a mut f32), &'a mut f32));

/// What is lost by rounding of the sums of the head and of the copy, of `sqrt(sum (d w)^2) sqrt(sum (x / d)^2)`, which
/// is no less than `sum |w x|`: both have rounded products and sums, in lanes of a 16th of the width at the most.
/// So are those of the bound and of comparing.
fn rounding(width: usize) -> f64 {
    let steps = 2.0 * (width as f64 / 32.0 + 16.0);
    (2.0 * steps + 16.0) * UNIT * (1.0 + 1e-3)
}

/// A number of no less.
fn above(x: f64) -> f32 {
    (x * (1.0 + 4.0 * UNIT)) as f32 + f32::MIN_POSITIVE
}

vectorized! {
    /// Magnitudes of blocks of rows with these scales.
    fn decode(magnitudes: &[u8], scales: &[f32], out: &mut [f32]) {
        let blocks = out.len() / scales.len();
        let rows = magnitudes.chunks_exact(blocks).zip(out.chunks_exact_mut(blocks));
        for ((magnitudes, out), scale) in rows.zip(scales) {
            for (magnitude, out) in magnitudes.iter().zip(out) {
                *out = f32::from(*magnitude) * scale;
            }
        }
    }
}

vectorized! {
    /// The largest of some rows' sums, and of what their logits may be.
    fn look(sums: &[f32], far: &[f32], factor: f32, more: f32) -> (f32, f32) {
        let (mut largest, mut most) = ([f32::NEG_INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
        let (parts, rest) = sums.as_chunks::<LANES>();
        let (far_parts, far_rest) = far.as_chunks::<LANES>();
        let mut take = |i: usize, sum: f32, far: f32| {
            let high = multiply_add::<false>(far, factor, sum) + more;
            largest[i] = if sum > largest[i] { sum } else { largest[i] };
            most[i] = if high > most[i] { high } else { most[i] };
        };
        for (sums, far) in parts.iter().zip(far_parts) {
            for i in 0..LANES {
                take(i, sums[i], far[i]);
            }
        }
        for (sum, far) in rest.iter().zip(far_rest) {
            take(0, *sum, *far);
        }
        let all = |lanes: [f32; LANES]| lanes.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
        (all(largest), all(most))
    }
}
