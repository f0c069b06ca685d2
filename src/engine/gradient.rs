//! Gradients of an adapter: `dA += v^T x` and `dB += s dy^T u` for the projections of a group.
//!
//! The tokens are the depth of both products. `x` and `dy` are laid out as right operands strip by
//! strip, once for all projections of the group; or, in f32 and where the kernel can, read where they are.

use half::bf16;

use super::base::Precision;
use super::cpu::multiply::{LeftRows, Rows};
use super::cpu::outer;
use super::cpu::panels::Aligned;
use super::cpu::shared::Shared;
use super::cpu::strips::{self, Product, Stripped};
use super::cpu::values::Values;
use super::cpu::{Kernel, kernel, vector};
use super::dropout::Masks;
use super::effective::{self, Part, Place};
use super::phases::{Phase, Phases, Watch};

/// What the gradients of a group are made of.
pub(super) struct Flows<'a> {
    /// The group's input `[tokens, k]`.
    pub(super) x: (Values<'a>, usize),
    /// `s dy B`, `[tokens, c]`.
    pub(super) v: (Values<'a>, usize),
    /// Gradient of the group's output `[tokens, n]`.
    pub(super) dy: (Values<'a>, usize),
    /// `x A^T`, `[tokens, c]`.
    pub(super) u: (Values<'a>, usize),
}

/// Buffers for the gradients, in one precision.
#[derive(Debug)]
pub(super) enum GradientBuffers {
    Full(Buffers<f32>),
    Half(Buffers<bf16>),
}

#[derive(Debug, Default)]
pub(super) struct Buffers<E> {
    /// `v` and `u`, turned.
    v: LeftRows<E>,
    u: LeftRows<E>,
    /// The same, laid out for sums of outer products, which need nothing else.
    laid: Aligned<f32>,
    masks: Option<Masks>,
    /// What a projection reads with dropout.
    masked: Vec<f32>,
}

impl GradientBuffers {
    pub(super) fn new(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::Full(Buffers::default()),
            Precision::Bf16 => Self::Half(Buffers::default()),
        }
    }

    /// Sets what dropout loses from now on.
    pub(super) fn set_masks(&mut self, masks: Option<Masks>) {
        match self {
            Self::Full(buffers) => buffers.masks = masks,
            Self::Half(buffers) => buffers.masks = masks,
        }
    }

    /// Bytes of buffers for `tokens` tokens and at most `columns` adapter columns of a group.
    pub(super) fn bytes(precision: Precision, tokens: usize, columns: usize) -> usize {
        let element = precision.bytes();
        2 * columns.next_multiple_of(32) * tokens.next_multiple_of(32) * element
            + rayon::current_num_threads() * strips::bytes(element, tokens, columns)
    }

    /// Adds the gradients of a group to those of its layer.
    pub(super) fn add(
        &mut self,
        place: Place<'_>,
        tokens: usize,
        flows: &Flows<'_>,
        grads: &mut [f32],
        phases: &mut Phases,
    ) {
        let mut watch = Watch::start();
        match self {
            Self::Full(buffers) => buffers.add(Some(kernel()), place, tokens, flows, grads),
            // Sums of outer products would not round their operands.
            Self::Half(buffers) => buffers.add(None, place, tokens, flows, grads),
        }
        phases.lap(&mut watch, Phase::Adapter);
    }
}

impl<E: Stripped> Buffers<E> {
    /// Takes sums of outer products where that kernel has them.
    fn add(
        &mut self,
        kernel: Option<Kernel>,
        place: Place<'_>,
        tokens: usize,
        flows: &Flows<'_>,
        grads: &mut [f32],
    ) {
        let Some(adapter) = place.adapter else { return };
        let parts = effective::parts(adapter, place.group);
        let Some(first) = parts.first() else { return };
        let (rank, scale) = (adapter.config().rank, adapter.config().scale());
        let (columns, inputs, outputs) = (place.columns(), place.inputs(), place.outputs());
        let grads = Shared::new(grads);
        let add_a = |start: usize, count: usize| {
            move |from: usize, width: usize, sums: &[f32]| {
                for (row, sums) in sums.chunks_exact(strips::PITCH).take(count).enumerate() {
                    // SAFETY: these columns of A belong to this strip.
                    #[expect(unsafe_code, reason = "strips write to places of their own")]
                    let a = unsafe { grads.part(start + row * inputs + from, width) };
                    vector::add_scaled(a, &sums[..width], 1.0);
                }
            }
        };
        let a_is_added = if let Some(masks) = self.masks {
            // Each projection reads an input of its own.
            for part in &parts {
                self.masked.resize(tokens * inputs, 0.0);
                let at = (place.layer, part.slot.target);
                masks.apply_rows(at, flows.x, inputs, &mut self.masked);
                let v = rows((flows.v.0.tail(part.column), flows.v.1), tokens, rank);
                let x = rows((self.masked[..].into(), inputs), tokens, inputs);
                if !outer_a(kernel, x, v, &mut self.laid, (&grads, part.slot.a)) {
                    strips::turn(&mut [(v, &mut self.v)]);
                    let put = &add_a(part.slot.a, rank);
                    strips::multiply(&[Product { left: &self.v, right: x, put }]);
                }
            }
            true
        } else {
            let (x, v) = (rows(flows.x, tokens, inputs), rows(flows.v, tokens, columns));
            outer_a(kernel, x, v, &mut self.laid, (&grads, first.slot.a))
        };
        // For each projection its own part of both; all of them go this way, or none.
        let b_is_added = parts.iter().all(|part| {
            let dy = (flows.dy.0.tail(part.output), flows.dy.1);
            let u = (flows.u.0.tail(part.column), flows.u.1);
            let (dy, u) = (rows(dy, tokens, part.slot.outputs), rows(u, tokens, rank));
            outer_b(kernel, dy, u, &mut self.laid, (&grads, part, scale))
        });
        // `u^T dy` of all projections; only the blocks along the diagonal are gradients.
        let add_b = |from: usize, width: usize, sums: &[f32]| {
            for part in &parts {
                let start = part.output.max(from);
                let end = (part.output + part.slot.outputs).min(from + width);
                for n in start..end {
                    let at = part.slot.b + (n - part.output) * rank;
                    // SAFETY: these rows of B belong to this strip.
                    #[expect(unsafe_code, reason = "strips write to places of their own")]
                    let b = unsafe { grads.part(at, rank) };
                    let column = sums[part.column * strips::PITCH + n - from..].iter();
                    for (b, sum) in b.iter_mut().zip(column.step_by(strips::PITCH)) {
                        *b += scale * sum;
                    }
                }
            }
        };
        // Side by side, so that many threads have enough to do. The As of a group lie side by side, so they are one
        // matrix.
        let (v, u) = (rows(flows.v, tokens, columns), rows(flows.u, tokens, columns));
        let (x, dy) = (rows(flows.x, tokens, inputs), rows(flows.dy, tokens, outputs));
        let add_a = add_a(first.slot.a, columns);
        let of_a = (!a_is_added).then_some(((v, &mut self.v), (x, &add_a as Put<'_>)));
        let of_b = (!b_is_added).then_some(((u, &mut self.u), (dy, &add_b as Put<'_>)));
        let (mut lefts, rights): (Vec<_>, Vec<_>) = of_a.into_iter().chain(of_b).unzip();
        strips::turn(&mut lefts);
        let lefts = lefts.iter().map(|(_, left)| &**left);
        let products = lefts.zip(rights).map(|(left, (right, put))| Product { left, right, put });
        strips::multiply(&products.collect::<Vec<_>>());
    }
}

/// Where strips of sums go.
type Put<'a> = &'a (dyn Fn(usize, usize, &[f32]) + Sync);

/// `dA += v^T x` where outer products are there, to the `A` from `start` on; `false` where not.
fn outer_a(
    kernel: Option<Kernel>,
    x: Rows<'_>,
    v: Rows<'_>,
    laid: &mut Aligned<f32>,
    (grads, start): (&Shared<'_, f32>, usize),
) -> bool {
    let Some(kernel) = kernel else { return false };
    outer::outer(kernel, x, v, laid, |from, column, sums| {
        for r in column..v.columns.min(column + outer::LANES) {
            // SAFETY: these columns of A belong to this call and to others before or after it.
            #[expect(unsafe_code, reason = "calls write to places of their own")]
            let a = unsafe { grads.part(start + r * x.columns + from, sums.len()) };
            for (a, sums) in a.iter_mut().zip(sums) {
                *a += sums[r - column];
            }
        }
    })
}

/// `dB += s dy^T u` of one projection where outer products are there; `false` where not.
fn outer_b(
    kernel: Option<Kernel>,
    dy: Rows<'_>,
    u: Rows<'_>,
    laid: &mut Aligned<f32>,
    (grads, part, scale): (&Shared<'_, f32>, &Part, f32),
) -> bool {
    let Some(kernel) = kernel else { return false };
    let rank = u.columns;
    outer::outer(kernel, dy, u, laid, |from, column, sums| {
        // SAFETY: these rows of B belong to this call and to others before or after it.
        #[expect(unsafe_code, reason = "calls write to places of their own")]
        let b = unsafe { grads.part(part.slot.b + from * rank, sums.len() * rank) };
        for (b, sums) in b.chunks_exact_mut(rank).zip(sums) {
            for (b, sum) in b[column..].iter_mut().zip(sums) {
                *b += scale * sum;
            }
        }
    })
}

fn rows((data, pitch): (Values<'_>, usize), count: usize, columns: usize) -> Rows<'_> {
    Rows { data, count, columns, pitch }
}

#[cfg(test)]
mod tests;
