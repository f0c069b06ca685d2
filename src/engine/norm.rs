//! Root-mean-square norm (Zhang and Sennrich 2019, arXiv 1910.07467): `n = w x / rms(x)`.

use rayon::prelude::*;

use super::cpu::team::Together as _;
use super::cpu::vector::{self, multiply_add, vectorized};

/// Rows that one task takes.
const ROWS: usize = 16;

/// Normalizes the rows of `x`; `inverse` gets 1/rms of each row.
pub(super) fn forward(
    x: &[f32],
    weight: &[f32],
    epsilon: f32,
    normed: &mut [f32],
    inverse: &mut [f32],
) {
    let width = weight.len();
    normed
        .par_chunks_mut(ROWS * width)
        .zip(x.par_chunks(ROWS * width))
        .zip(inverse.par_chunks_mut(ROWS))
        .together(|((normed, x), inverse)| {
            let rows = normed.chunks_exact_mut(width).zip(x.chunks_exact(width));
            for ((normed, x), inverse) in rows.zip(inverse) {
                *inverse = inverse_rms(x, epsilon);
                apply(normed, x, weight, *inverse);
            }
        });
}

/// `sum = x + y`, then normalizes the sum. Rows of `y` lie `pitch` apart.
pub(super) fn add_forward(
    x: &[f32],
    (y, pitch): (&[f32], usize),
    weight: &[f32],
    epsilon: f32,
    sum: &mut [f32],
    normed: &mut [f32],
    inverse: &mut [f32],
) {
    let width = weight.len();
    sum.par_chunks_mut(ROWS * width)
        .zip(x.par_chunks(ROWS * width))
        .zip(y.par_chunks(ROWS * pitch))
        .zip(normed.par_chunks_mut(ROWS * width))
        .zip(inverse.par_chunks_mut(ROWS))
        .together(|((((sum, x), y), normed), inverse)| {
            let rows = sum.chunks_exact_mut(width).zip(x.chunks_exact(width));
            let rows = rows.zip(y.chunks_exact(pitch));
            let rows = rows.zip(normed.chunks_exact_mut(width)).zip(inverse);
            for ((((sum, x), y), normed), inverse) in rows {
                vector::add(sum, x, &y[..width]);
                *inverse = inverse_rms(sum, epsilon);
                apply(normed, sum, weight, *inverse);
            }
        });
}

/// `sum = x + y` by rows. Rows of `y` lie `pitch` apart.
pub(super) fn add(x: &[f32], (y, pitch): (&[f32], usize), width: usize, sum: &mut [f32]) {
    sum.par_chunks_mut(ROWS * width)
        .zip(x.par_chunks(ROWS * width))
        .zip(y.par_chunks(ROWS * pitch))
        .together(|((sum, x), y)| {
            let rows = sum.chunks_exact_mut(width).zip(x.chunks_exact(width));
            for ((sum, x), y) in rows.zip(y.chunks_exact(pitch)) {
                vector::add(sum, x, &y[..width]);
            }
        });
}

/// Adds to `dx` the gradient through the norm, and writes the normalized rows again (the adapters'
/// gradients need them). Rows of `dn` lie `pitch` apart.
pub(super) fn backward(
    (x, inverse): (&[f32], &[f32]),
    weight: &[f32],
    (dn, pitch): (&[f32], usize),
    dx: &mut [f32],
    normed: &mut [f32],
) {
    let width = weight.len();
    dx.par_chunks_mut(ROWS * width)
        .zip(x.par_chunks(ROWS * width))
        .zip(inverse.par_chunks(ROWS))
        .zip(dn.par_chunks(ROWS * pitch))
        .zip(normed.par_chunks_mut(ROWS * width))
        .together(|((((dx, x), inverse), dn), normed)| {
            let rows = dx.chunks_exact_mut(width).zip(x.chunks_exact(width));
            let rows = rows.zip(inverse).zip(dn.chunks_exact(pitch));
            for ((((dx, x), inverse), dn), normed) in rows.zip(normed.chunks_exact_mut(width)) {
                apply(normed, x, weight, *inverse);
                apply_backward(dx, x, weight, &dn[..width], *inverse);
            }
        });
}

/// Normalizes rows in place. Rows lie `pitch` apart; what follows their `weight.len()` values stays.
pub(super) fn in_place((rows, pitch): (&mut [f32], usize), weight: &[f32], epsilon: f32) {
    rows.par_chunks_mut(ROWS * pitch).together(|rows| {
        for row in rows.chunks_exact_mut(pitch) {
            let row = &mut row[..weight.len()];
            let inverse = inverse_rms(row, epsilon);
            apply_in_place(row, weight, inverse);
        }
    });
}

/// The gradient through a norm whose output nothing else adds to. Rows of its input `x` lie `pitch`
/// apart; those of `dn` and of the result do not.
pub(super) fn backward_alone(
    (x, pitch): (&[f32], usize),
    weight: &[f32],
    epsilon: f32,
    dn: &[f32],
    dx: &mut [f32],
) {
    let width = weight.len();
    dx.par_chunks_mut(ROWS * width)
        .zip(x.par_chunks(ROWS * pitch))
        .zip(dn.par_chunks(ROWS * width))
        .together(|((dx, x), dn)| {
            let rows = dx.chunks_exact_mut(width).zip(x.chunks_exact(pitch));
            for ((dx, x), dn) in rows.zip(dn.chunks_exact(width)) {
                dx.fill(0.0);
                row_backward(dx, &x[..width], weight, dn, epsilon);
            }
        });
}

/// Adds to `dx` the gradient through the norm of one row.
pub(super) fn row_backward(dx: &mut [f32], x: &[f32], weight: &[f32], dn: &[f32], epsilon: f32) {
    apply_backward(dx, x, weight, dn, inverse_rms(x, epsilon));
}

/// Normalizes rows whose 1/rms is known.
pub(super) fn again((x, inverse): (&[f32], &[f32]), weight: &[f32], normed: &mut [f32]) {
    let width = weight.len();
    normed
        .par_chunks_mut(ROWS * width)
        .zip(x.par_chunks(ROWS * width))
        .zip(inverse.par_chunks(ROWS))
        .together(|((normed, x), inverse)| {
            let rows = normed.chunks_exact_mut(width).zip(x.chunks_exact(width));
            for ((normed, x), inverse) in rows.zip(inverse) {
                apply(normed, x, weight, *inverse);
            }
        });
}

/// Normalizes one row.
pub(super) fn row(normed: &mut [f32], x: &[f32], weight: &[f32], epsilon: f32) {
    apply(normed, x, weight, inverse_rms(x, epsilon));
}

fn inverse_rms(x: &[f32], epsilon: f32) -> f32 {
    1.0 / (vector::dot(x, x) / x.len() as f32 + epsilon).sqrt()
}

vectorized! {
    /// `normed = x * inverse * weight`.
    fn apply(normed: &mut [f32], x: &[f32], weight: &[f32], inverse: f32) {
        for ((normed, x), weight) in normed.iter_mut().zip(x).zip(weight) {
            *normed = x * inverse * weight;
        }
    }
}

vectorized! {
    /// `row = row * inverse * weight`.
    fn apply_in_place(row: &mut [f32], weight: &[f32], inverse: f32) {
        for (value, weight) in row.iter_mut().zip(weight) {
            *value = *value * inverse * weight;
        }
    }
}

vectorized! {
    /// `dx_j += r w_j dn_j - x_j r^3 / N sum_i(w_i dn_i x_i)` with `r = inverse`.
    fn apply_backward(dx: &mut [f32], x: &[f32], weight: &[f32], dn: &[f32], inverse: f32) {
        const LANES: usize = 32;
        let mut lanes = [0.0f32; LANES];
        let chunks = dn.chunks(LANES).zip(weight.chunks(LANES)).zip(x.chunks(LANES));
        for ((dn, weight), x) in chunks {
            for (((lane, dn), weight), x) in lanes.iter_mut().zip(dn).zip(weight).zip(x) {
                *lane = multiply_add::<FUSED>(dn * weight, *x, *lane);
            }
        }
        let sum: f32 = lanes.iter().sum();
        let back = inverse * inverse * inverse * sum / x.len() as f32;
        for (((dx, x), weight), dn) in dx.iter_mut().zip(x).zip(weight).zip(dn) {
            *dx += inverse * weight * dn - x * back;
        }
    }
}
