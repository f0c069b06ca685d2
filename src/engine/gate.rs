//! The gated activation of the feed-forward layer (SwiGLU and GeGLU, Shazeer 2020, arXiv 2002.05202):
//! `h = silu(e) g` or `h = gelu(e) g`.
//!
//! Both are `e sigmoid(t) g`: `t = e` for silu, and `t = 2 sqrt(2 / pi) (e + 0.044715 e^3)` for gelu by
//! its tanh formula, since `(1 + tanh(t / 2)) / 2` is the sigmoid of `t`.

use rayon::prelude::*;

use super::cpu::vector::{exp, vectorized};
use crate::model::Activation;

/// Rows that one task takes.
const ROWS: usize = 8;

/// `2 sqrt(2 / pi)`.
const SLOPE: f32 = 1.595_769;
/// Of the cube in gelu's tanh formula.
const CUBE: f32 = 0.044_715;

/// `h = silu(e) g` (or gelu) for rows `[e | g | ..]` that lie `pitch` apart; `h` has `width` columns.
pub(super) fn forward(
    activation: Activation,
    (rows, pitch): (&[f32], usize),
    hidden: &mut [f32],
    width: usize,
) {
    hidden.par_chunks_mut(ROWS * width).zip(rows.par_chunks(ROWS * pitch)).for_each(
        |(hidden, rows)| {
            for (hidden, row) in hidden.chunks_exact_mut(width).zip(rows.chunks_exact(pitch)) {
                let (e, g) = row[..2 * width].split_at(width);
                apply(activation, hidden, e, g);
            }
        },
    );
}

/// `hidden = silu(e) g`, or gelu.
pub(super) fn apply(activation: Activation, hidden: &mut [f32], e: &[f32], g: &[f32]) {
    match activation {
        Activation::Silu => silu(hidden, e, g),
        Activation::Gelu => gelu(hidden, e, g),
    }
}

/// In place: rows `[e | g | ..]` become `[de | dg | ..]`, and rows `[dh | ..]` become `[h | ..]`.
pub(super) fn backward(
    activation: Activation,
    (rows, pitch): (&mut [f32], usize),
    (hidden, hidden_pitch): (&mut [f32], usize),
    width: usize,
) {
    hidden.par_chunks_mut(ROWS * hidden_pitch).zip(rows.par_chunks_mut(ROWS * pitch)).for_each(
        |(hidden, rows)| {
            let rows = rows.chunks_exact_mut(pitch);
            for (hidden, row) in hidden.chunks_exact_mut(hidden_pitch).zip(rows) {
                let (e, g) = row[..2 * width].split_at_mut(width);
                match activation {
                    Activation::Silu => silu_backward(&mut hidden[..width], e, g),
                    Activation::Gelu => gelu_backward(&mut hidden[..width], e, g),
                }
            }
        },
    );
}

vectorized! {
    /// `hidden = silu(e) g`.
    fn silu(hidden: &mut [f32], e: &[f32], g: &[f32]) {
        for ((hidden, e), g) in hidden.iter_mut().zip(e).zip(g) {
            *hidden = e / (1.0 + exp::<FUSED>(-e)) * g;
        }
    }
}

vectorized! {
    /// `(dh, e, g)` become `(h, de, dg)`.
    fn silu_backward(hidden: &mut [f32], e: &mut [f32], g: &mut [f32]) {
        for ((hidden, e), g) in hidden.iter_mut().zip(e).zip(g) {
            let dh = *hidden;
            let sigmoid = 1.0 / (1.0 + exp::<FUSED>(-*e));
            let silu = *e * sigmoid;
            *hidden = silu * *g;
            let de = dh * *g * sigmoid * (1.0 + *e * (1.0 - sigmoid));
            *g = dh * silu;
            *e = de;
        }
    }
}

vectorized! {
    /// `hidden = gelu(e) g`.
    fn gelu(hidden: &mut [f32], e: &[f32], g: &[f32]) {
        for ((hidden, e), g) in hidden.iter_mut().zip(e).zip(g) {
            let t = SLOPE * e * (1.0 + CUBE * e * e);
            *hidden = e / (1.0 + exp::<FUSED>(-t)) * g;
        }
    }
}

vectorized! {
    /// `(dh, e, g)` become `(h, de, dg)`.
    fn gelu_backward(hidden: &mut [f32], e: &mut [f32], g: &mut [f32]) {
        for ((hidden, e), g) in hidden.iter_mut().zip(e).zip(g) {
            let dh = *hidden;
            let square = *e * *e;
            let sigmoid = 1.0 / (1.0 + exp::<FUSED>(-SLOPE * *e * (1.0 + CUBE * square)));
            let gelu = *e * sigmoid;
            let slope = SLOPE * (1.0 + 3.0 * CUBE * square);
            *hidden = gelu * *g;
            let de = dh * *g * sigmoid * (1.0 + *e * (1.0 - sigmoid) * slope);
            *g = dh * gelu;
            *e = de;
        }
    }
}
