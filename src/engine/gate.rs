//! The gated activation of the feed-forward layer (SwiGLU, Shazeer 2020, arXiv 2002.05202):
//! `h = silu(e) g`.

use half::bf16;
use rayon::prelude::*;

use super::cpu::panels::{round, wide};
use super::cpu::values::{Values, ValuesMut};
use super::cpu::vector::{exp, vectorized};

/// Rows that one task takes.
const ROWS: usize = 8;

/// `h = silu(e) g` for rows `[e | g | ..]` that lie `pitch` apart; `h` has `width` columns.
pub(super) fn forward((rows, pitch): (Values<'_>, usize), hidden: ValuesMut<'_>, width: usize) {
    match (rows, hidden) {
        (Values::Full(rows), ValuesMut::Full(hidden)) => {
            by_rows((rows, pitch), hidden, width, apply);
        }
        (Values::Half(rows), ValuesMut::Half(hidden)) => {
            by_rows((rows, pitch), hidden, width, apply_half);
        }
        _ => unreachable!("activations of a model are of one kind"),
    }
}

fn by_rows<T: Send + Sync>(
    (rows, pitch): (&[T], usize),
    hidden: &mut [T],
    width: usize,
    apply: impl Fn(&mut [T], &[T], &[T]) + Sync,
) {
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
    (rows, pitch): (ValuesMut<'_>, usize),
    (hidden, hidden_pitch): (ValuesMut<'_>, usize),
    width: usize,
) {
    match (rows, hidden) {
        (ValuesMut::Full(rows), ValuesMut::Full(hidden)) => {
            by_rows_back((rows, pitch), (hidden, hidden_pitch), width, apply_backward);
        }
        (ValuesMut::Half(rows), ValuesMut::Half(hidden)) => {
            by_rows_back((rows, pitch), (hidden, hidden_pitch), width, apply_backward_half);
        }
        _ => unreachable!("activations of a model are of one kind"),
    }
}

fn by_rows_back<T: Send>(
    (rows, pitch): (&mut [T], usize),
    (hidden, hidden_pitch): (&mut [T], usize),
    width: usize,
    apply: impl Fn(&mut [T], &mut [T], &mut [T]) + Sync,
) {
    hidden.par_chunks_mut(ROWS * hidden_pitch).zip(rows.par_chunks_mut(ROWS * pitch)).for_each(
        |(hidden, rows)| {
            let rows = rows.chunks_exact_mut(pitch);
            for (hidden, row) in hidden.chunks_exact_mut(hidden_pitch).zip(rows) {
                let (e, g) = row[..2 * width].split_at_mut(width);
                apply(&mut hidden[..width], e, g);
            }
        },
    );
}

/// `silu(e) g`.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn gated<const FUSED: bool>(e: f32, g: f32) -> f32 {
    e / (1.0 + exp::<FUSED>(-e)) * g
}

/// `(h, de, dg)` for the gradient `dh`.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn gated_backward<const FUSED: bool>(dh: f32, e: f32, g: f32) -> (f32, f32, f32) {
    let sigmoid = 1.0 / (1.0 + exp::<FUSED>(-e));
    let silu = e * sigmoid;
    (silu * g, dh * g * sigmoid * (1.0 + e * (1.0 - sigmoid)), dh * silu)
}

vectorized! {
    /// `hidden = silu(e) g`.
    pub(super) fn apply(hidden: &mut [f32], e: &[f32], g: &[f32]) {
        for ((hidden, e), g) in hidden.iter_mut().zip(e).zip(g) {
            *hidden = gated::<FUSED>(*e, *g);
        }
    }
}

vectorized! {
    /// `hidden = silu(e) g`.
    fn apply_half(hidden: &mut [bf16], e: &[bf16], g: &[bf16]) {
        for ((hidden, e), g) in hidden.iter_mut().zip(e).zip(g) {
            *hidden = round(gated::<FUSED>(wide(*e), wide(*g)));
        }
    }
}

vectorized! {
    /// `(dh, e, g)` become `(h, de, dg)`.
    fn apply_backward(hidden: &mut [f32], e: &mut [f32], g: &mut [f32]) {
        for ((hidden, e), g) in hidden.iter_mut().zip(e).zip(g) {
            (*hidden, *e, *g) = gated_backward::<FUSED>(*hidden, *e, *g);
        }
    }
}

vectorized! {
    /// `(dh, e, g)` become `(h, de, dg)`.
    fn apply_backward_half(hidden: &mut [bf16], e: &mut [bf16], g: &mut [bf16]) {
        for ((hidden, e), g) in hidden.iter_mut().zip(e).zip(g) {
            let (h, de, dg) = gated_backward::<FUSED>(wide(*hidden), wide(*e), wide(*g));
            (*hidden, *e, *g) = (round(h), round(de), round(dg));
        }
    }
}
