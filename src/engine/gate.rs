//! The gated activation of the feed-forward layer (SwiGLU, Shazeer 2020, arXiv 2002.05202):
//! `h = silu(e) g`.

use rayon::prelude::*;

use super::cpu::vector::{exp, vectorized};

/// Rows that one task takes.
const ROWS: usize = 8;

/// `h = silu(e) g` for rows `[e | g | ..]` that lie `pitch` apart; `h` has `width` columns.
pub(super) fn forward((rows, pitch): (&[f32], usize), hidden: &mut [f32], width: usize) {
    hidden.par_chunks_mut(ROWS * width).zip(rows.par_chunks(ROWS * pitch)).for_each(
        |(hidden, rows)| {
            for (hidden, row) in hidden.chunks_exact_mut(width).zip(rows.chunks_exact(pitch)) {
                let (e, g) = row[..2 * width].split_at(width);
                apply(hidden, e, g);
            }
        },
    );
}

/// In place: rows `[e | g | ..]` become `[de | dg | ..]`, and rows `[dh | ..]` become `[h | ..]`.
pub(super) fn backward(
    (rows, pitch): (&mut [f32], usize),
    (hidden, hidden_pitch): (&mut [f32], usize),
    width: usize,
) {
    hidden.par_chunks_mut(ROWS * hidden_pitch).zip(rows.par_chunks_mut(ROWS * pitch)).for_each(
        |(hidden, rows)| {
            let rows = rows.chunks_exact_mut(pitch);
            for (hidden, row) in hidden.chunks_exact_mut(hidden_pitch).zip(rows) {
                let (e, g) = row[..2 * width].split_at_mut(width);
                apply_backward(&mut hidden[..width], e, g);
            }
        },
    );
}

vectorized! {
    /// `hidden = silu(e) g`.
    pub(super) fn apply(hidden: &mut [f32], e: &[f32], g: &[f32]) {
        for ((hidden, e), g) in hidden.iter_mut().zip(e).zip(g) {
            *hidden = e / (1.0 + exp::<FUSED>(-e)) * g;
        }
    }
}

vectorized! {
    /// `(dh, e, g)` become `(h, de, dg)`.
    fn apply_backward(hidden: &mut [f32], e: &mut [f32], g: &mut [f32]) {
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
