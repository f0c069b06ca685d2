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

use rayon::prelude::*;

use super::cpu::few::{self, Kind, Out, Tokens};
use super::cpu::kernel;
use super::cpu::pages::Region;
use super::cpu::shared::Shared;
use super::cpu::vector::{multiply_add, vectorized};
use super::nf4::{BLOCK, CODE, THRESHOLDS};
use super::table::Table;

/// Rows that a task takes at once hold this many values.
const PANEL: usize = 1 << 17;

/// Largest magnitude of a block, in units of its row's scale.
const MOST: f32 = 255.0;

/// Smallest scale: numbers that are made of it are normal ones.
const LEAST_SCALE: f32 = 1e-30;

/// A block's magnitude is one of these parts of its largest value: a smaller one cuts that off and is finer.
const PARTS: [f32; 4] = [1.0, 0.93, 0.86, 0.79];

/// One row in so many is looked at to choose `d`.
const SAMPLED: usize = 64;

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

/// How large tokens after the last norm are, column by column.
#[derive(Debug, Default)]
pub(super) struct Profile {
    sums: Vec<f64>,
    tokens: usize,
}

impl Profile {
    /// Tokens that are enough.
    const ENOUGH: usize = 256;

    /// Whether more tokens would change little.
    pub(super) fn is_full(&self) -> bool {
        self.tokens >= Self::ENOUGH
    }

    /// Counts a token.
    pub(super) fn add(&mut self, x: &[f32]) {
        self.sums.resize(x.len(), 0.0);
        for (sum, x) in self.sums.iter_mut().zip(x).filter(|(_, x)| x.is_finite()) {
            *sum += f64::from(x.abs());
        }
        self.tokens += 1;
    }

    /// The mean of a column in units of all columns' mean, 1 where nothing is known; a column of few tokens is not
    /// taken for smaller than it may be.
    fn of(&self, column: usize) -> f64 {
        let all = self.sums.iter().sum::<f64>() / self.sums.len().max(1) as f64;
        let own = self.sums.get(column).copied().unwrap_or(0.0);
        if all > 0.0 { own / all + 1.0 / (self.tokens as f64 + 4.0) } else { 1.0 }
    }
}

/// What came of encoding a row.
#[derive(Debug, Clone, Copy, Default)]
struct Encoded {
    /// `sum (d (w - q))^2` and `sum (d w)^2`.
    squares: [f64; 2],
    largest: f32,
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
        parts.for_each_init(Vec::new, |decoded, (task, (sums, best))| {
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

/// In what a row's magnitudes are counted.
fn scale_of(values: &[f32]) -> f32 {
    let largest = values.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    (largest / MOST).max(LEAST_SCALE)
}

/// `d` of each column: any finite numbers above zero will do.
fn columns(table: &Table, profile: &Profile, coded: &[f32; 16]) -> Vec<f32> {
    let width = table.width();
    let even = vec![1.0f32; width];
    let (mut values, mut squares) = (vec![0.0f32; width], vec![0.0f64; width]);
    let (mut codes, mut magnitudes) = (vec![0u8; width / 2], vec![0u8; width / BLOCK]);
    for row in (0..table.rows()).step_by(SAMPLED) {
        table.part(row, 0, &mut values);
        let scale = scale_of(&values);
        encode(&values, scale, coded, &even, &mut codes, &mut magnitudes);
        for (k, square) in squares.iter_mut().enumerate() {
            let code = if k % 2 == 0 { codes[k / 2] >> 4 } else { codes[k / 2] & 15 };
            let copy = coded[usize::from(code)] * (f32::from(magnitudes[k / BLOCK]) * scale);
            *square += f64::from(values[k] - copy).powi(2);
        }
    }
    let mean = squares.iter().sum::<f64>() / width as f64;
    let ratio = |(column, square): (usize, &f64)| {
        // No column is far below the others, whose errors are then next to nothing.
        let error = square.max(mean * 1e-3).sqrt();
        if error > 0.0 { (profile.of(column) / error).sqrt() } else { 1.0 }
    };
    let all: Vec<f64> = squares.iter().enumerate().map(ratio).collect();
    let most = all.iter().copied().fold(0.0, f64::max);
    all.into_iter().map(|d| (d / most).max(1e-4) as f32).collect()
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
        const LANES: usize = 16;
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

vectorized! {
    /// Codes and magnitudes of a row: of each block the magnitude of the least error.
    fn encode(
        values: &[f32],
        scale: f32,
        coded: &[f32; 16],
        columns: &[f32],
        codes: &mut [u8],
        magnitudes: &mut [u8],
    ) -> Encoded {
        let inverse = 1.0 / scale;
        let mut sums = [[0.0f64; 8]; 2];
        let mut largest = 0.0f32;
        let blocks = values.as_chunks::<BLOCK>().0.iter().zip(columns.as_chunks::<BLOCK>().0);
        let out = codes.as_chunks_mut::<{ BLOCK / 2 }>().0.iter_mut().zip(magnitudes);
        for ((values, columns), (codes, magnitude)) in blocks.zip(out) {
            let most = values.iter().fold(0.0f32, |most, w| most.max(w.abs()));
            largest = largest.max(most);
            let mut best: Option<(f32, Nearest)> = None;
            for part in PARTS {
                let units = (most * part * inverse).ceil().clamp(0.0, MOST);
                let nearest = nearest(values, units, scale, coded);
                let mut squares = [0.0f32; 16];
                for i in 0..BLOCK {
                    let error = (values[i] - nearest.copy[i]) * inverse * columns[i];
                    squares[i % 16] = multiply_add::<FUSED>(error, error, squares[i % 16]);
                }
                let error = squares.iter().sum::<f32>();
                if best.as_ref().is_none_or(|(least, _)| error < *least) {
                    best = Some((error, nearest));
                }
            }
            let Some((_, nearest)) = best else { continue };
            *magnitude = nearest.units as u8;
            for (code, pair) in codes.iter_mut().zip(nearest.codes.chunks_exact(2)) {
                *code = ((pair[0] << 4) | pair[1]) as u8;
            }
            let magnitude = f64::from(nearest.units * scale);
            for i in 0..BLOCK {
                let (value, column) = (f64::from(values[i]), f64::from(columns[i]));
                let error = (value - f64::from(nearest.values[i]) * magnitude) * column;
                sums[0][i % 8] += error * error;
                sums[1][i % 8] += (value * column) * (value * column);
            }
        }
        Encoded { squares: sums.map(|lanes| lanes.iter().sum()), largest }
    }
}

/// A block in codes.
struct Nearest {
    units: f32,
    codes: [u32; BLOCK],
    /// Of each code, and what it stands for with the block's magnitude.
    values: [f32; BLOCK],
    copy: [f32; BLOCK],
}

#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn nearest(values: &[f32; BLOCK], units: f32, scale: f32, coded: &[f32; 16]) -> Nearest {
    let magnitude = units * scale;
    let inverse = if magnitude > 0.0 { 1.0 / magnitude } else { 0.0 };
    let (mut codes, mut found) = ([0u32; BLOCK], [coded[0]; BLOCK]);
    for (limit, code) in THRESHOLDS.iter().zip(&coded[1..]) {
        for i in 0..BLOCK {
            let beyond = values[i] * inverse > *limit;
            codes[i] += u32::from(beyond);
            found[i] = if beyond { *code } else { found[i] };
        }
    }
    let copy = found.map(|value| value * magnitude);
    Nearest { units, codes, values: found, copy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::base::Precision;

    const WIDTH: usize = 128;

    fn wave(i: usize) -> f32 {
        ((i * 7919 % 1009) as f32 - 504.0) / 504.0
    }

    /// Rows of several sizes: one of zeros, one tiny, one with a value far above the others.
    fn table(rows: usize) -> (Vec<f32>, Table) {
        let mut values: Vec<f32> = (0..rows * WIDTH)
            .map(|i| wave(i) * [1.0, 0.02, 3.0][i / WIDTH % 3])
            .map(|x| half::bf16::from_f32(x).to_f32())
            .collect();
        values[5 * WIDTH..6 * WIDTH].fill(0.0);
        values[6 * WIDTH..7 * WIDTH].iter_mut().for_each(|x| *x *= 2.0f32.powi(-120));
        values[7 * WIDTH + 3] = 64.0;
        let mut table = Table::begin(rows, WIDTH);
        table.push(&values, Precision::Bf16);
        (values, table)
    }

    /// Some columns large, one of nothing.
    fn profile() -> Profile {
        let mut profile = Profile::default();
        let large = |k: usize| [1.0, 0.0, -8.0, 0.0][usize::from(k.is_multiple_of(31)) * 2 + k / 127];
        profile.add(&(0..WIDTH).map(large).collect::<Vec<_>>());
        profile.add(&[f32::NAN; WIDTH]);
        profile
    }

    fn exact(values: &[f32], x: &[f32]) -> Vec<f64> {
        let dot = |row: &[f32]| row.iter().zip(x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        values.chunks_exact(WIDTH).map(dot).collect()
    }

    /// The copy's value.
    fn copied(coarse: &Coarse, row: usize, k: usize) -> f32 {
        let at = row * WIDTH + k;
        let byte = coarse.codes.bytes()[at / 2];
        let code = if k.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
        let code = CODE[usize::from(code)];
        let code = if coarse.rounds { half::bf16::from_f32(code).to_f32() } else { code };
        code * (f32::from(coarse.magnitudes[at / BLOCK]) * coarse.scales[row])
    }

    /// Logits by the copy of a token of several.
    fn sums(coarse: &Coarse, scratch: &Scratch, token: usize, count: usize) -> Vec<f32> {
        let panels = scratch.sums.chunks(coarse.panel() * count);
        panels
            .flat_map(|sums| sums.chunks_exact(sums.len() / count).nth(token).unwrap().to_vec())
            .collect()
    }

    /// Rows that may be the likeliest, by the largest logit of all.
    fn rivals(coarse: &Coarse, scratch: &Scratch, token: usize, least: f64) -> Vec<usize> {
        coarse.rivals(scratch, token, least as f32, usize::MAX).unwrap()
    }

    #[test]
    fn no_logit_is_farther_from_its_copy_than_the_bound() {
        let rows = 2500;
        let (values, table) = table(rows);
        for round in [false, true] {
            let coarse = Coarse::new(&table, &profile(), round).unwrap();
            assert_eq!(coarse.bytes(), rows * (WIDTH / 2 + WIDTH / BLOCK + 8) + WIDTH * 4);
            assert!(rows > coarse.panel());
            // Even, with outliers, of few columns, and one that follows the errors of a row as they are.
            let against = |k: usize| {
                let error = values[10 * WIDTH + k] - copied(&coarse, 10, k);
                error / (coarse.inverse[k] * coarse.inverse[k])
            };
            let mut all: Vec<Vec<f32>> = vec![
                (0..WIDTH).map(|k| wave(3 * k + 1)).collect(),
                (0..WIDTH).map(|k| wave(k) * if k % 31 == 0 { 40.0 } else { 0.5 }).collect(),
                (0..WIDTH).map(|k| if k == 3 { -2.0 } else { 0.0 }).collect(),
                (0..WIDTH).map(|k| 1e3 * against(k)).collect(),
            ];
            all.push(vec![0.0; WIDTH]);
            let x: Vec<f32> =
                all.concat().iter().map(|x| half::bf16::from_f32(*x).to_f32()).collect();
            let mut scratch = Scratch::default();
            coarse.search(&x, &mut scratch);
            let mut nearest = 0.0f64;
            for (token, x) in x.chunks_exact(WIDTH).enumerate() {
                let Bound { factor, more } = scratch.bounds[token];
                let exact = exact(&values, x);
                let sums = sums(&coarse, &scratch, token, all.len());
                for (row, (exact, copy)) in exact.iter().zip(&sums).enumerate() {
                    let bound = f64::from(factor) * f64::from(coarse.far[row]) + f64::from(more);
                    let error = (f64::from(*copy) - exact).abs();
                    assert!(error <= bound, "row {row}, token {token}: {error} {bound}");
                    nearest = nearest.max(error / bound.max(1e-30));
                }
                let most = exact.iter().copied().fold(f64::MIN, f64::max);
                let likeliest = sums.iter().copied().fold(f32::MIN, f32::max);
                assert_eq!(sums[coarse.first(&scratch, token).unwrap()], likeliest);
                let found = rivals(&coarse, &scratch, token, most);
                assert!(found.is_sorted());
                for (row, exact) in exact.iter().enumerate() {
                    assert!(*exact < most || found.contains(&row), "row {row}, token {token}");
                }
            }
            // A bound that were much too wide would exclude little.
            assert!(nearest > 0.9, "{nearest}");
            let most = exact(&values, &x[..WIDTH]).into_iter().fold(f64::MIN, f64::max);
            let found = rivals(&coarse, &scratch, 0, most);
            assert!(found.len() < rows / 8, "{}", found.len());
            // Each token alone finds the same.
            let mut alone = Scratch::default();
            coarse.search(&x[..WIDTH], &mut alone);
            assert_eq!(rivals(&coarse, &alone, 0, most), found);
            assert_eq!(coarse.first(&alone, 0), coarse.first(&scratch, 0));
        }
    }

    #[test]
    fn too_many_and_numbers_that_are_none_are_left_to_the_head() {
        let (_, table) = table(300);
        let coarse = Coarse::new(&table, &profile(), false).unwrap();
        let mut scratch = Scratch::default();
        // All logits are equal.
        coarse.search(&[0.0; WIDTH], &mut scratch);
        assert_eq!(coarse.rivals(&scratch, 0, 0.0, 299), None);
        assert_eq!(coarse.rivals(&scratch, 0, 0.0, 300).unwrap().len(), 300);
        assert_eq!(coarse.rivals(&scratch, 0, f32::NAN, 300), None);
        for strange in [f32::NAN, f32::INFINITY, 1e38] {
            let mut x = [1.0; WIDTH];
            x[17] = strange;
            coarse.search(&x, &mut scratch);
            assert_eq!(coarse.first(&scratch, 0), None, "{strange}");
        }
        let mut narrow = Table::begin(1, 40);
        narrow.push(&[1.0; 40], Precision::Bf16);
        assert!(Coarse::new(&narrow, &profile(), false).is_none());
    }
}
