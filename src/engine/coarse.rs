//! Likeliest tokens from a copy of the head in 8 bits, which is half of bf16 to read for each token.
//!
//! A row `w` of the head is held as `s q`, `q` integers from -127 to 127. For a token's `x` the logit of the
//! copy differs from the true one by `|sum (w - s q) x|`, which is no more than
//!
//! * `max |w - s q| * sum |x|` (Hölder), and than
//! * `sqrt(sum (w - s q)^2) * sqrt(sum x^2)` (Cauchy and Schwarz),
//!
//! and so than the first over any of the columns plus the second over the others. With both errors of the
//! worst row in units of its `s` this is `s K`, `K` one number a token; rounding in either sum is added to it.
//! Rows whose logit may be the largest by this bound are then computed from the head itself, by the kernel
//! that all logits come from, so that the choice is the same bit for bit. Where the bound leaves too many,
//! all logits are computed.

use rayon::prelude::*;

use super::cpu::few;
use super::cpu::vector::{multiply_add, vectorized};
use super::table::Table;

/// Rows that a task takes at once hold this many codes.
const PANEL: usize = 1 << 17;

/// Largest code.
const MOST: f32 = 127.0;

/// Smallest scale: a row's values far below it are zeros, and what products flush to zero is far below it.
const LEAST_SCALE: f32 = 1e-20;

/// Lanes of a sum.
const LANES: usize = 64;

/// Tokens multiplied with a row at once.
const TOKENS: usize = 4;

/// Rounds off a unit in the last place at the most.
const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

/// A head's rows in 8 bits.
#[derive(Debug)]
pub(super) struct Coarse {
    width: usize,
    codes: Vec<i8>,
    /// Of each row.
    scales: Vec<f32>,
    /// Largest `max |w - s q| / s` of all rows.
    worst: f64,
    /// Largest `sqrt(sum (w - s q)^2) / s` of all rows.
    far: f64,
    largest_scale: f64,
}

/// Buffers of a search.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// `[rows, tokens]`: logits by the copy, in units of a row's scale.
    sums: Vec<f32>,
    /// `[panels, tokens]`: the largest that a logit of these rows is at least, and may be.
    ranges: Vec<[f32; 2]>,
    /// One of each token.
    bounds: Vec<f32>,
    sorted: Vec<f32>,
}

impl Coarse {
    /// Copies a table; `None` where rows are of a width that products of few tokens cannot read.
    pub(super) fn new(table: &Table, width: usize) -> Option<Self> {
        if !few::fits(width) {
            return None;
        }
        let rows = table.rows();
        let mut codes = vec![0i8; rows * width];
        let mut scales = vec![0.0f32; rows];
        let step = (PANEL / width).max(1);
        let errors = codes
            .par_chunks_mut(step * width)
            .zip(scales.par_chunks_mut(step))
            .enumerate()
            .map_init(
                || vec![0.0f32; width],
                |values, (task, (codes, scales))| {
                    let mut errors = (0.0f64, 0.0f64);
                    let rows = codes.chunks_exact_mut(width).zip(scales);
                    for (i, (codes, scale)) in rows.enumerate() {
                        table.part(task * step + i, 0, values);
                        let largest = values.iter().fold(0.0f32, |most, w| most.max(w.abs()));
                        *scale = (largest / MOST).max(LEAST_SCALE);
                        let (worst, squares) = round(values, *scale, codes);
                        let scale = f64::from(*scale);
                        errors.0 = errors.0.max(f64::from(worst) / scale);
                        errors.1 = errors.1.max(f64::from(squares).sqrt() / scale);
                    }
                    errors
                },
            )
            .reduce(|| (0.0, 0.0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        // The errors were rounded, which are differences of numbers no more than 128 s, and their sums.
        let (slack, each) = (1.0 + 2.0 * (width as f64 + 8.0) * UNIT, 4.0 * 128.0 * UNIT);
        let worst = errors.0 * slack + each;
        let far = errors.1 * slack + each * (width as f64).sqrt();
        let largest_scale = f64::from(scales.iter().fold(0.0f32, |most, scale| most.max(*scale)));
        Some(Self { width, codes, scales, worst, far, largest_scale })
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.codes.len() + self.scales.len() * 4
    }

    /// Rows whose logits may be the largest, ascending, for each of the tokens `x`, as the head's products
    /// read them; nothing for a token of which there are more than `limit`, or that is not finite.
    pub(super) fn candidates(
        &self,
        x: &[f32],
        limit: usize,
        scratch: &mut Scratch,
    ) -> Vec<Option<Vec<usize>>> {
        let (width, rows, count) = (self.width, self.scales.len(), x.len() / self.width);
        let Scratch { sums, ranges, bounds, sorted } = scratch;
        bounds.clear();
        bounds.extend(x.chunks_exact(width).map(|x| self.bound(x, sorted)));
        let panel = (PANEL / width).max(1);
        sums.resize(rows * count, 0.0);
        ranges.resize(rows.div_ceil(panel) * count, [0.0; 2]);
        sums.par_chunks_mut(panel * count)
            .zip(ranges.par_chunks_mut(count))
            .zip(self.codes.par_chunks(panel * width).zip(self.scales.par_chunks(panel)))
            .for_each(|((sums, ranges), (codes, scales))| {
                multiply(codes, x, width, sums);
                range(sums, scales, bounds, ranges);
            });
        let likely = |token: usize, bound: f32| {
            let ranges = || ranges.iter().skip(token).step_by(count);
            let least = ranges().fold(f32::NEG_INFINITY, |most, range| most.max(range[0]));
            if !(bound.is_finite() && least.is_finite()) {
                return None;
            }
            let mut all = Vec::new();
            for (at, _) in ranges().enumerate().filter(|(_, range)| range[1] >= least) {
                let first = at * panel;
                let scales = self.scales[first..].iter().take(panel).zip(first..);
                all.extend(scales.filter_map(|(scale, row)| {
                    let most = *scale * (sums[row * count + token] + bound);
                    (most >= least).then_some(row)
                }));
                if all.len() > limit {
                    return None;
                }
            }
            Some(all)
        };
        bounds.iter().enumerate().map(|(token, bound)| likely(token, *bound)).collect()
    }

    /// `K`: how far the logit of a row may be from that of its copy, in units of the row's scale.
    fn bound(&self, x: &[f32], sorted: &mut Vec<f32>) -> f32 {
        sorted.clear();
        sorted.extend(x.iter().map(|x| x.abs()));
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let absolute: f64 = sorted.iter().map(|x| f64::from(*x)).sum();
        // Near infinity sums may overflow on their way.
        if 128.0 * self.largest_scale * absolute > 1e36 {
            return f32::INFINITY;
        }
        let mut rest: f64 = sorted.iter().map(|x| f64::from(*x).powi(2)).sum();
        let mut first = 0.0;
        let mut least = self.far * rest.sqrt();
        for x in &*sorted {
            let x = f64::from(*x);
            first += x;
            rest = (rest - x * x).max(0.0);
            least = least.min(self.worst * first + self.far * rest.sqrt());
        }
        // Both sums have rounded products and sums, in lanes of a 32nd of the width at the most; each rounding is
        // of a number that is no more than 128 s sum |x|. So are those of scaling and comparing, and the
        // smallest numbers may be flushed to zero.
        let steps = 2.0 * (self.width as f64 / 32.0 + 16.0);
        let rounding = (2.0 * steps + 16.0) * UNIT * 128.0 * absolute;
        let flushed = 4.0 * self.width as f64 * f64::from(f32::MIN_POSITIVE / LEAST_SCALE);
        // The sums of this function were rounded too.
        ((least + rounding + flushed) * (1.0 + 1e-6) + 1e-12 * absolute) as f32
    }
}

vectorized! {
    /// Codes of a row; its largest error and the sum of their squares.
    fn round(values: &[f32], scale: f32, codes: &mut [i8]) -> (f32, f32) {
        let inverse = 1.0 / scale;
        let mut worst = [0.0f32; 16];
        let mut squares = [0.0f32; 16];
        let (values, _) = values.as_chunks::<16>();
        let (codes, _) = codes.as_chunks_mut::<16>();
        for (values, codes) in values.iter().zip(codes) {
            for i in 0..16 {
                let code = (values[i] * inverse).round_ties_even().clamp(-MOST, MOST);
                codes[i] = code as i8;
                let error = multiply_add::<FUSED>(-code, scale, values[i]).abs();
                worst[i] = if error > worst[i] { error } else { worst[i] };
                squares[i] = multiply_add::<FUSED>(error, error, squares[i]);
            }
        }
        (worst.iter().fold(0.0f32, |a, b| a.max(*b)), squares.iter().sum())
    }
}

vectorized! {
    /// `out[row, token] = codes[row] . x[token]`.
    fn multiply(codes: &[i8], x: &[f32], width: usize, out: &mut [f32]) {
        let count = x.len() / width;
        for (codes, out) in codes.chunks_exact(width).zip(out.chunks_exact_mut(count)) {
            let mut token = 0;
            while token < count {
                if token + TOKENS <= count {
                    dots::<FUSED, TOKENS>(codes, &x[token * width..], &mut out[token..]);
                    token += TOKENS;
                } else {
                    dots::<FUSED, 1>(codes, &x[token * width..], &mut out[token..]);
                    token += 1;
                }
            }
        }
    }
}

/// A row by `T` tokens.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn dots<const FUSED: bool, const T: usize>(codes: &[i8], x: &[f32], out: &mut [f32]) {
    let width = codes.len();
    let (codes, _) = codes.as_chunks::<LANES>();
    let x: [&[[f32; LANES]]; T] = std::array::from_fn(|t| {
        &x[t * width..(t + 1) * width].as_chunks::<LANES>().0[..codes.len()]
    });
    let mut sums = [[0.0f32; LANES]; T];
    for (at, codes) in codes.iter().enumerate() {
        for (sums, x) in sums.iter_mut().zip(&x) {
            for lane in 0..LANES {
                sums[lane] = multiply_add::<FUSED>(f32::from(codes[lane]), x[at][lane], sums[lane]);
            }
        }
    }
    // A copy, so that the sums above stay in registers.
    let finished = sums;
    for (out, mut sums) in out.iter_mut().zip(finished) {
        let mut half = LANES / 2;
        while half > 0 {
            for i in 0..half {
                sums[i] += sums[i + half];
            }
            half /= 2;
        }
        *out = sums[0];
    }
}

vectorized! {
    /// Of each token the largest `scale * (sum - bound)` and `scale * (sum + bound)` of rows.
    fn range(sums: &[f32], scales: &[f32], bounds: &[f32], ranges: &mut [[f32; 2]]) {
        ranges.fill([f32::NEG_INFINITY; 2]);
        for (sums, scale) in sums.chunks_exact(bounds.len()).zip(scales) {
            for ((sum, bound), range) in sums.iter().zip(bounds).zip(&mut *ranges) {
                let (low, high) = (*scale * (*sum - *bound), *scale * (*sum + *bound));
                range[0] = if low > range[0] { low } else { range[0] };
                range[1] = if high > range[1] { high } else { range[1] };
            }
        }
    }
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

    fn exact(values: &[f32], x: &[f32]) -> Vec<f64> {
        let dot = |row: &[f32]| row.iter().zip(x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        values.chunks_exact(WIDTH).map(dot).collect()
    }

    #[test]
    fn no_logit_is_farther_from_its_copy_than_the_bound() {
        let rows = 300;
        let (values, table) = table(rows);
        let coarse = Coarse::new(&table, WIDTH).unwrap();
        assert_eq!(coarse.bytes(), rows * (WIDTH + 4));
        // Even, with outliers, of few columns, and one that follows the errors of a row as they are.
        let mut against = vec![0.0; WIDTH];
        for (k, x) in against.iter_mut().enumerate() {
            let at = 10 * WIDTH + k;
            *x = (values[at] - coarse.scales[10] * f32::from(coarse.codes[at])).signum();
        }
        let mut all: Vec<Vec<f32>> = vec![
            (0..WIDTH).map(|k| wave(3 * k + 1)).collect(),
            (0..WIDTH).map(|k| wave(k) * if k % 31 == 0 { 40.0 } else { 0.5 }).collect(),
            (0..WIDTH).map(|k| if k == 3 { -2.0 } else { 0.0 }).collect(),
            against,
        ];
        all.push(vec![0.0; WIDTH]);
        let mut scratch = Scratch::default();
        let x = all.concat();
        let found = coarse.candidates(&x, rows, &mut scratch);
        let mut nearest = 0.0f64;
        for (token, x) in all.iter().enumerate() {
            let bound = f64::from(coarse.bound(x, &mut Vec::new()));
            let exact = exact(&values, x);
            for (row, exact) in exact.iter().enumerate() {
                let copy = f64::from(coarse.scales[row] * scratch.sums[row * all.len() + token]);
                let (error, bound) = ((copy - exact).abs(), f64::from(coarse.scales[row]) * bound);
                assert!(error <= bound, "row {row}, token {token}: {error} {bound}");
                nearest = nearest.max(error / bound.max(1e-30));
            }
            let most = exact.iter().copied().fold(f64::MIN, f64::max);
            let found = found[token].as_ref().unwrap();
            assert!(found.is_sorted());
            for (row, exact) in exact.iter().enumerate() {
                assert!(*exact < most || found.contains(&row), "row {row}, token {token}");
            }
        }
        // A bound that were ten times too wide would exclude little.
        assert!(nearest > 0.3, "{nearest}");
        assert!(found[0].as_ref().unwrap().len() < rows / 8);
        // Each token alone finds the same.
        for (x, found) in all.iter().zip(&found) {
            assert_eq!(coarse.candidates(x, rows, &mut scratch)[0], *found);
        }
    }

    #[test]
    fn too_many_and_numbers_that_are_none_are_left_to_the_head() {
        let (_, table) = table(300);
        let coarse = Coarse::new(&table, WIDTH).unwrap();
        let mut scratch = Scratch::default();
        // All logits are equal.
        assert_eq!(coarse.candidates(&[0.0; WIDTH], 299, &mut scratch), [None]);
        assert_eq!(
            coarse.candidates(&[0.0; WIDTH], 300, &mut scratch)[0].as_ref().unwrap().len(),
            300
        );
        for strange in [f32::NAN, f32::INFINITY, 1e38] {
            let mut x = [1.0; WIDTH];
            x[17] = strange;
            assert_eq!(coarse.candidates(&x, 300, &mut scratch), [None], "{strange}");
        }
        assert!(Coarse::new(&table, 40).is_none());
    }
}
