//! The softmax of a block's scores `[keys, BLOCK]`, forward and backward, laid out as the next
//! products read it, in one pass.

use std::ops::Range;

use half::bf16;

use super::BLOCK;
use crate::engine::cpu::panels::{WIDTH, words};
use crate::engine::cpu::rounding::{self, PAIRS};
use crate::engine::cpu::vector::{exp, multiply_add, vectorized};

/// A value for each lane of a block.
pub(super) type Lanes = [f32; BLOCK];

/// Which lanes of a block see which keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// Keys that some lane sees: rows from here on are seen by none.
    pub(super) rows: usize,
    /// Keys before that of the part's first token.
    pub(super) before: usize,
    /// The block's first lane in its part.
    pub(super) first: usize,
    /// Lanes of a token.
    pub(super) share: usize,
    /// Keys that a query sees, the last of which is its own.
    pub(super) window: usize,
}

/// The lanes of a key that all of a block see, as most keys are.
const ALL: (i32, i32) = (0, BLOCK as i32);

impl Sight {
    /// The first lane that sees a key, and the one after the last.
    #[expect(clippy::inline_always, reason = "takes on the caller's target features")]
    #[inline(always)]
    fn lanes(self, row: usize) -> (i32, i32) {
        // Of the part's lanes, those of the token whose key it is are the first that see it.
        let lane = |token: usize| {
            let lane = token.saturating_sub(self.before).saturating_mul(self.share);
            lane.saturating_sub(self.first).min(BLOCK) as i32
        };
        let end = if row < self.rows { lane(row.saturating_add(self.window)) } else { 0 };
        (lane(row), end)
    }
}

/// Elements that probabilities are rounded to.
pub(super) trait Softened: Sized {
    /// `exp(scale score - shift)` as the depths of a right operand of two panels, `stride` values
    /// apart; zero where a lane does not see a key. `sums` gets their sums by lane, before rounding.
    fn forward(
        scores: &[f32],
        sight: Sight,
        scale: f32,
        shift: &Lanes,
        sums: &mut Lanes,
        deep: (&mut [Self], usize),
    );

    /// Probabilities `p = exp(scale score - log_sum)` and gradients of the scores,
    /// `p (dp - through) scale`, as rows of a left operand; the gradients also as depths of a right one.
    /// For `keys`, from an even one on, whose scores and gradients of probabilities come first in
    /// `scores`.
    fn backward(
        keys: Range<usize>,
        scores: (&[f32], &[f32]),
        sight: Sight,
        scale: f32,
        sums: (&Lanes, &Lanes),
        rows: (&mut [Self], &mut [Self]),
        deep: (&mut [Self], usize),
    );
}

/// Largest of `scale` times the scores of each lane that it sees.
pub(super) fn most(scores: &[f32], sight: Sight, scale: f32) -> Lanes {
    let mut most = [f32::NEG_INFINITY; BLOCK];
    look(scores, sight, &mut most);
    most.map(|most| most * scale)
}

vectorized! {
    fn look(scores: &[f32], sight: Sight, most: &mut Lanes) {
        let (rows, _) = scores.as_chunks::<BLOCK>();
        for (i, row) in rows[..sight.rows].iter().enumerate() {
            let (first, end) = sight.lanes(i);
            if (first, end) == ALL {
                for lane in 0..BLOCK {
                    most[lane] = if row[lane] > most[lane] { row[lane] } else { most[lane] };
                }
                continue;
            }
            for lane in 0..BLOCK {
                let sees = lane as i32 >= first && (lane as i32) < end;
                most[lane] = if sees && row[lane] > most[lane] { row[lane] } else { most[lane] };
            }
        }
    }
}

vectorized! {
    /// Divides each lane of rows `[_, BLOCK]` by its sum.
    pub(super) fn divide(rows: &mut [f32], sums: &Lanes) {
        let inverse = sums.map(|sum| 1.0 / sum);
        for row in rows.as_chunks_mut::<BLOCK>().0 {
            for lane in 0..BLOCK {
                row[lane] *= inverse[lane];
            }
        }
    }
}

#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn chances<const FUSED: bool>(
    row: &Lanes,
    (first, end): (i32, i32),
    scale: f32,
    shift: &Lanes,
) -> Lanes {
    let mut chances = [0.0; BLOCK];
    if (first, end) == ALL {
        for lane in 0..BLOCK {
            chances[lane] = exp::<FUSED>(multiply_add::<FUSED>(row[lane], scale, -shift[lane]));
        }
        return chances;
    }
    for lane in 0..BLOCK {
        let chance = exp::<FUSED>(multiply_add::<FUSED>(row[lane], scale, -shift[lane]));
        // Chosen, not multiplied: what is not seen may be infinite.
        let sees = lane as i32 >= first && (lane as i32) < end;
        chances[lane] = if sees { chance } else { 0.0 };
    }
    chances
}

#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn gradients(chances: &Lanes, dchances: &Lanes, through: &Lanes, scale: f32) -> Lanes {
    let mut gradients = [0.0; BLOCK];
    for lane in 0..BLOCK {
        gradients[lane] = chances[lane] * (dchances[lane] - through[lane]) * scale;
    }
    gradients
}

#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn pairs<const ROUNDS: bool>(
    a: &Lanes,
    b: &Lanes,
    line: usize,
    first: &mut [u32],
    second: &mut [u32],
) {
    let ((a, _), (b, _)) = (a.as_chunks::<PAIRS>(), b.as_chunks::<PAIRS>());
    let places = [first, second].map(|to| &mut to[line * WIDTH..][..WIDTH]);
    let places = places.into_iter().flat_map(|to| to.as_chunks_mut::<PAIRS>().0);
    for ((a, b), to) in a.iter().zip(b).zip(places) {
        rounding::pairs::<ROUNDS>(a, b, to);
    }
}

#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn rounded<const ROUNDS: bool>(from: &Lanes, to: &mut [bf16; BLOCK]) {
    for (from, to) in from.as_chunks::<WIDTH>().0.iter().zip(to.as_chunks_mut::<WIDTH>().0) {
        rounding::line::<ROUNDS>(from, to);
    }
}

vectorized! {
    fn forward_full(
        scores: &[f32],
        sight: Sight,
        scale: f32,
        shift: &Lanes,
        sums: &mut Lanes,
        deep: &mut [f32],
        stride: usize,
    ) {
        let (rows, _) = scores.as_chunks::<BLOCK>();
        let (low, high) = deep.split_at_mut(stride);
        for (i, row) in rows[..sight.rows].iter().enumerate() {
            let chances = chances::<FUSED>(row, sight.lanes(i), scale, shift);
            for lane in 0..BLOCK {
                sums[lane] += chances[lane];
            }
            low[i * WIDTH..][..WIDTH].copy_from_slice(&chances[..WIDTH]);
            high[i * WIDTH..][..WIDTH].copy_from_slice(&chances[WIDTH..]);
        }
    }
}

vectorized! {
    rounding fn forward_half(
        scores: &[f32],
        sight: Sight,
        scale: f32,
        shift: &Lanes,
        sums: &mut Lanes,
        deep: &mut [u32],
        stride: usize,
    ) {
        let (rows, _) = scores.as_chunks::<BLOCK>();
        let (low, high) = deep.split_at_mut(stride);
        for line in 0..stride / WIDTH {
            let a = chances::<FUSED>(&rows[2 * line], sight.lanes(2 * line), scale, shift);
            let b = chances::<FUSED>(&rows[2 * line + 1], sight.lanes(2 * line + 1), scale, shift);
            for lane in 0..BLOCK {
                sums[lane] += a[lane] + b[lane];
            }
            pairs::<ROUNDS>(&a, &b, line, low, high);
        }
    }
}

vectorized! {
    fn backward_full(
        keys: Range<usize>,
        scores: (&[f32], &[f32]),
        sight: Sight,
        scale: f32,
        sums: (&Lanes, &Lanes),
        rows: (&mut [f32], &mut [f32]),
        deep: (&mut [f32], usize),
    ) {
        let ((scores, dchances), (log_sums, through)) = (scores, sums);
        let ((chance_rows, gradient_rows), (deep, stride)) = (rows, deep);
        let (rows, _) = scores.as_chunks::<BLOCK>();
        let (drows, _) = dchances.as_chunks::<BLOCK>();
        let (chance_rows, _) = chance_rows.as_chunks_mut::<BLOCK>();
        let (gradient_rows, _) = gradient_rows.as_chunks_mut::<BLOCK>();
        let (low, high) = deep.split_at_mut(stride);
        for (i, (row, drow)) in keys.zip(rows.iter().zip(drows)) {
            chance_rows[i] = chances::<FUSED>(row, sight.lanes(i), scale, log_sums);
            gradient_rows[i] = gradients(&chance_rows[i], drow, through, scale);
            if i < sight.rows {
                low[i * WIDTH..][..WIDTH].copy_from_slice(&gradient_rows[i][..WIDTH]);
                high[i * WIDTH..][..WIDTH].copy_from_slice(&gradient_rows[i][WIDTH..]);
            }
        }
    }
}

vectorized! {
    rounding fn backward_half(
        keys: Range<usize>,
        scores: (&[f32], &[f32]),
        sight: Sight,
        scale: f32,
        sums: (&Lanes, &Lanes),
        rows: (&mut [bf16], &mut [bf16]),
        deep: (&mut [u32], usize),
    ) {
        let ((scores, dchances), (log_sums, through)) = (scores, sums);
        let ((chance_rows, gradient_rows), (deep, stride)) = (rows, deep);
        let (rows, _) = scores.as_chunks::<BLOCK>();
        let (drows, _) = dchances.as_chunks::<BLOCK>();
        let (chance_rows, _) = chance_rows.as_chunks_mut::<BLOCK>();
        let (gradient_rows, _) = gradient_rows.as_chunks_mut::<BLOCK>();
        let (low, high) = deep.split_at_mut(stride);
        let both = rows.chunks_exact(2).zip(drows.chunks_exact(2));
        for (i, (rows, drows)) in keys.step_by(2).zip(both) {
            let (j, line) = (i + 1, i / 2);
            let p = chances::<FUSED>(&rows[0], sight.lanes(i), scale, log_sums);
            let q = chances::<FUSED>(&rows[1], sight.lanes(j), scale, log_sums);
            rounded::<ROUNDS>(&p, &mut chance_rows[i]);
            rounded::<ROUNDS>(&q, &mut chance_rows[j]);
            let p = gradients(&p, &drows[0], through, scale);
            let q = gradients(&q, &drows[1], through, scale);
            rounded::<ROUNDS>(&p, &mut gradient_rows[i]);
            rounded::<ROUNDS>(&q, &mut gradient_rows[j]);
            pairs::<ROUNDS>(&p, &q, line, low, high);
        }
    }
}

impl Softened for f32 {
    fn forward(
        scores: &[f32],
        sight: Sight,
        scale: f32,
        shift: &Lanes,
        sums: &mut Lanes,
        (deep, stride): (&mut [Self], usize),
    ) {
        forward_full(scores, sight, scale, shift, sums, deep, stride);
    }

    fn backward(
        keys: Range<usize>,
        scores: (&[f32], &[f32]),
        sight: Sight,
        scale: f32,
        sums: (&Lanes, &Lanes),
        rows: (&mut [Self], &mut [Self]),
        deep: (&mut [Self], usize),
    ) {
        backward_full(keys, scores, sight, scale, sums, rows, deep);
    }
}

impl Softened for bf16 {
    fn forward(
        scores: &[f32],
        sight: Sight,
        scale: f32,
        shift: &Lanes,
        sums: &mut Lanes,
        (deep, stride): (&mut [Self], usize),
    ) {
        forward_half(scores, sight, scale, shift, sums, words(deep), stride / 2);
    }

    fn backward(
        keys: Range<usize>,
        scores: (&[f32], &[f32]),
        sight: Sight,
        scale: f32,
        sums: (&Lanes, &Lanes),
        rows: (&mut [Self], &mut [Self]),
        (deep, stride): (&mut [Self], usize),
    ) {
        backward_half(keys, scores, sight, scale, sums, rows, (words(deep), stride / 2));
    }
}
