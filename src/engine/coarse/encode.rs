//! Rows of the head in NF4: which magnitude each block takes, how far the row is then, and which columns matter.

use crate::engine::cpu::vector::{multiply_add, vectorized};
use crate::engine::nf4::{BLOCK, THRESHOLDS};
use crate::engine::table::Table;

/// Largest magnitude of a block, in units of its row's scale.
const MOST: f32 = 255.0;

/// Smallest scale: numbers that are made of it are normal ones.
const LEAST_SCALE: f32 = 1e-30;

/// A block's magnitude is one of these parts of its largest value: a smaller one cuts that off and is finer.
const PARTS: [f32; 3] = [1.0, 0.92, 0.84];

/// One row in so many is looked at to choose `d`.
const SAMPLED: usize = 64;

/// Lanes of sums.
const LANES: usize = 16;

/// What came of encoding a row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Encoded {
    /// `sum (d (w - q))^2` and `sum (d w)^2`.
    pub(super) squares: [f64; 2],
    pub(super) largest: f32,
}

/// How large tokens after the last norm are, column by column.
#[derive(Debug, Default)]
pub(in crate::engine) struct Profile {
    sums: Vec<f64>,
    tokens: usize,
}

impl Profile {
    /// Tokens that are enough.
    const ENOUGH: usize = 256;

    /// Whether more tokens would change little.
    pub(in crate::engine) fn is_full(&self) -> bool {
        self.tokens >= Self::ENOUGH
    }

    /// Counts a token.
    pub(in crate::engine) fn add(&mut self, x: &[f32]) {
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

/// In what a row's magnitudes are counted.
pub(super) fn scale_of(values: &[f32]) -> f32 {
    let largest = values.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    (largest / MOST).max(LEAST_SCALE)
}

/// `d` of each column: any finite numbers above zero will do.
pub(super) fn columns(table: &Table, profile: &Profile, coded: &[f32; 16]) -> Vec<f32> {
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
    /// Codes and magnitudes of a row: of each block the magnitude of the least error.
    pub(super) fn encode(
        values: &[f32],
        scale: f32,
        coded: &[f32; 16],
        columns: &[f32],
        codes: &mut [u8],
        magnitudes: &mut [u8],
    ) -> Encoded {
        let inverse = 1.0 / scale;
        let (mut errors, mut sizes) = ([0.0f64; LANES], [0.0f64; LANES]);
        let mut largest = [0.0f32; LANES];
        let (mut scaled, mut found) = ([0.0f32; BLOCK], [0.0f32; BLOCK]);
        let blocks = values.as_chunks::<BLOCK>().0.iter().zip(columns.as_chunks::<BLOCK>().0);
        let out = codes.as_chunks_mut::<{ BLOCK / 2 }>().0.iter_mut().zip(magnitudes);
        for ((values, columns), (codes, magnitude)) in blocks.zip(out) {
            let mut most = [0.0f32; LANES];
            for values in values.as_chunks::<LANES>().0 {
                for i in 0..LANES {
                    let value = values[i].abs();
                    most[i] = if value > most[i] { value } else { most[i] };
                }
            }
            for i in 0..LANES {
                largest[i] = if most[i] > largest[i] { most[i] } else { largest[i] };
            }
            let most = most.iter().fold(0.0f32, |a, b| a.max(*b)) * inverse;
            let (mut units, mut least) = (0.0f32, f32::INFINITY);
            for part in PARTS {
                let tried = (most * part).ceil().clamp(0.0, MOST);
                nearest(values, times(inverse, tried), coded, (&mut scaled, &mut found));
                let mut squares = [0.0f32; LANES];
                for first in (0..BLOCK).step_by(LANES) {
                    for i in 0..LANES {
                        let error = (scaled[first + i] - found[first + i]) * columns[first + i];
                        squares[i] = multiply_add::<FUSED>(error, error, squares[i]);
                    }
                }
                let error = squares.iter().sum::<f32>() * tried * tried;
                if error < least {
                    (units, least) = (tried, error);
                }
            }
            *magnitude = units as u8;
            nearest(values, times(inverse, units), coded, (&mut scaled, &mut found));
            let mut which = [0u32; BLOCK];
            for (x, which) in scaled.iter().zip(&mut which) {
                *which = THRESHOLDS.iter().map(|limit| u32::from(x > limit)).sum();
            }
            for (code, pair) in codes.iter_mut().zip(which.chunks_exact(2)) {
                *code = ((pair[0] << 4) | pair[1]) as u8;
            }
            let magnitude = f64::from(units * scale);
            for first in (0..BLOCK).step_by(LANES) {
                for i in 0..LANES {
                    let at = first + i;
                    let (value, column) = (f64::from(values[at]), f64::from(columns[at]));
                    let error = (value - f64::from(found[at]) * magnitude) * column;
                    errors[i] += error * error;
                    sizes[i] += (value * column) * (value * column);
                }
            }
        }
        let largest = largest.iter().fold(0.0f32, |a, b| a.max(*b));
        Encoded { squares: [errors, sizes].map(|lanes| lanes.iter().sum()), largest }
    }
}

/// What values are multiplied with to be in units of a magnitude of so many of a row's scales.
fn times(inverse: f32, units: f32) -> f32 {
    if units > 0.0 { inverse / units } else { 0.0 }
}

/// Values times `inner`, and what the codes nearest to them stand for.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn nearest(
    values: &[f32; BLOCK],
    inner: f32,
    coded: &[f32; 16],
    (scaled, found): (&mut [f32; BLOCK], &mut [f32; BLOCK]),
) {
    for ((value, scaled), found) in values.iter().zip(scaled).zip(found) {
        let x = value * inner;
        let mut code = coded[0];
        for (limit, next) in THRESHOLDS.iter().zip(&coded[1..]) {
            code = if x > *limit { *next } else { code };
        }
        (*scaled, *found) = (x, code);
    }
}
