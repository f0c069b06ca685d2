//! The gated activation of the feed-forward layer (SwiGLU and GeGLU, Shazeer 2020, arXiv 2002.05202):
//! `h = silu(e) g` or `h = gelu(e) g`.
//!
//! Both are `e sigmoid(t) g`: `t = e` for silu, and `t = 2 sqrt(2 / pi) (e + 0.044715 e^3)` for gelu by
//! its tanh formula, since `(1 + tanh(t / 2)) / 2` is the sigmoid of `t`.

use half::bf16;
use rayon::prelude::*;

use super::cpu::panels::{Element, WIDTH};
use super::cpu::team::Together as _;
use super::cpu::values::{Values, ValuesMut};
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
    (rows, pitch): (Values<'_>, usize),
    hidden: ValuesMut<'_>,
    width: usize,
) {
    match (rows, hidden) {
        (Values::Full(rows), ValuesMut::Full(hidden)) => {
            by_rows((rows, pitch), hidden, width, |h, e, g| apply(activation, h, e, g));
        }
        (Values::Half(rows), ValuesMut::Half(hidden)) => {
            by_rows((rows, pitch), hidden, width, |h, e, g| apply_half(activation, h, e, g));
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
    hidden.par_chunks_mut(ROWS * width).zip(rows.par_chunks(ROWS * pitch)).together(
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
    activation: Activation,
    (rows, pitch): (ValuesMut<'_>, usize),
    (hidden, hidden_pitch): (ValuesMut<'_>, usize),
    width: usize,
) {
    match (rows, hidden) {
        (ValuesMut::Full(rows), ValuesMut::Full(hidden)) => {
            by_rows_back((rows, pitch), (hidden, hidden_pitch), width, |h, e, g| {
                apply_backward(activation, h, e, g);
            });
        }
        (ValuesMut::Half(rows), ValuesMut::Half(hidden)) => {
            by_rows_back((rows, pitch), (hidden, hidden_pitch), width, |h, e, g| {
                apply_backward_half(activation, h, e, g);
            });
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
    hidden.par_chunks_mut(ROWS * hidden_pitch).zip(rows.par_chunks_mut(ROWS * pitch)).together(
        |(hidden, rows)| {
            let rows = rows.chunks_exact_mut(pitch);
            for (hidden, row) in hidden.chunks_exact_mut(hidden_pitch).zip(rows) {
                let (e, g) = row[..2 * width].split_at_mut(width);
                apply(&mut hidden[..width], e, g);
            }
        },
    );
}

/// `e sigmoid(t) g`, with `t` and its slope by `e` as the activation has them.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn gated<const FUSED: bool, const GELU: bool>(e: f32, g: f32) -> f32 {
    let t = if GELU { SLOPE * e * (1.0 + CUBE * e * e) } else { e };
    e / (1.0 + exp::<FUSED>(-t)) * g
}

/// `(h, de, dg)` for the gradient `dh`.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn gated_backward<const FUSED: bool, const GELU: bool>(dh: f32, e: f32, g: f32) -> (f32, f32, f32) {
    let square = e * e;
    let (t, slope) = if GELU {
        (SLOPE * e * (1.0 + CUBE * square), SLOPE * (1.0 + 3.0 * CUBE * square))
    } else {
        (e, 1.0)
    };
    let sigmoid = 1.0 / (1.0 + exp::<FUSED>(-t));
    let active = e * sigmoid;
    (active * g, dh * g * sigmoid * (1.0 + e * (1.0 - sigmoid) * slope), dh * active)
}

/// `hidden = silu(e) g`, or gelu.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn each<const FUSED: bool, const ROUNDS: bool, const GELU: bool, E: Element>(
    hidden: &mut [E],
    e: &[E],
    g: &[E],
) {
    let ((e, e_rest), (g, g_rest)) = (e.as_chunks::<WIDTH>(), g.as_chunks::<WIDTH>());
    let (hidden, hidden_rest) = hidden.as_chunks_mut::<WIDTH>();
    for ((hidden, e), g) in hidden.iter_mut().zip(e).zip(g) {
        let mut line = [0.0; WIDTH];
        for i in 0..WIDTH {
            line[i] = gated::<FUSED, GELU>(e[i].widen(), g[i].widen());
        }
        E::line::<ROUNDS>(&line, hidden);
    }
    for ((hidden, e), g) in hidden_rest.iter_mut().zip(e_rest).zip(g_rest) {
        *hidden = E::one(gated::<FUSED, GELU>(e.widen(), g.widen()));
    }
}

/// `(dh, e, g)` become `(h, de, dg)`.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn each_back<const FUSED: bool, const ROUNDS: bool, const GELU: bool, E: Element>(
    hidden: &mut [E],
    e: &mut [E],
    g: &mut [E],
) {
    let (hidden, hidden_rest) = hidden.as_chunks_mut::<WIDTH>();
    let ((e, e_rest), (g, g_rest)) = (e.as_chunks_mut::<WIDTH>(), g.as_chunks_mut::<WIDTH>());
    for ((hidden, e), g) in hidden.iter_mut().zip(e).zip(g) {
        let mut lines = [[0.0; WIDTH]; 3];
        for i in 0..WIDTH {
            let (h, de, dg) =
                gated_backward::<FUSED, GELU>(hidden[i].widen(), e[i].widen(), g[i].widen());
            (lines[0][i], lines[1][i], lines[2][i]) = (h, de, dg);
        }
        for (line, to) in lines.iter().zip([hidden, e, g]) {
            E::line::<ROUNDS>(line, to);
        }
    }
    for ((hidden, e), g) in hidden_rest.iter_mut().zip(e_rest).zip(g_rest) {
        let (h, de, dg) = gated_backward::<FUSED, GELU>(hidden.widen(), e.widen(), g.widen());
        (*hidden, *e, *g) = (E::one(h), E::one(de), E::one(dg));
    }
}

vectorized! {
    /// `hidden = silu(e) g`, or gelu.
    pub(super) fn apply(activation: Activation, hidden: &mut [f32], e: &[f32], g: &[f32]) {
        match activation {
            Activation::Silu => each::<FUSED, false, false, f32>(hidden, e, g),
            Activation::Gelu => each::<FUSED, false, true, f32>(hidden, e, g),
        }
    }
}

vectorized! {
    rounding fn apply_half(activation: Activation, hidden: &mut [bf16], e: &[bf16], g: &[bf16]) {
        match activation {
            Activation::Silu => each::<FUSED, ROUNDS, false, bf16>(hidden, e, g),
            Activation::Gelu => each::<FUSED, ROUNDS, true, bf16>(hidden, e, g),
        }
    }
}

vectorized! {
    fn apply_backward(activation: Activation, hidden: &mut [f32], e: &mut [f32], g: &mut [f32]) {
        match activation {
            Activation::Silu => each_back::<FUSED, false, false, f32>(hidden, e, g),
            Activation::Gelu => each_back::<FUSED, false, true, f32>(hidden, e, g),
        }
    }
}

vectorized! {
    rounding fn apply_backward_half(
        activation: Activation,
        hidden: &mut [bf16],
        e: &mut [bf16],
        g: &mut [bf16],
    ) {
        match activation {
            Activation::Silu => each_back::<FUSED, ROUNDS, false, bf16>(hidden, e, g),
            Activation::Gelu => each_back::<FUSED, ROUNDS, true, bf16>(hidden, e, g),
        }
    }
}
