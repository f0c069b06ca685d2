//! Gradients of an adapter: `dA += v^T x` and `dB += s dy^T u` for the projections of a group.
//!
//! The tokens are the depths of both products.

use super::base::Precision;
use super::cpu::multiply::Rows;
use super::cpu::outer::full;
use super::cpu::outer::strips::{self, Lefts};
use super::cpu::outer::{Product, Sums};
use super::cpu::shared::Shared;
use super::cpu::values::Values;
use super::cpu::vector;
use super::dropout::Masks;
use super::effective::{self, Place};
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

/// Buffers for the gradients.
#[derive(Debug)]
pub(super) struct GradientBuffers {
    way: Way,
    masks: Option<Masks>,
    /// What a projection reads with dropout.
    masked: Vec<f32>,
}

/// How the products are computed.
#[derive(Debug)]
enum Way {
    Full,
    Half(Lefts),
}

impl GradientBuffers {
    pub(super) fn new(precision: Precision) -> Self {
        let way = match precision {
            Precision::F32 => Way::Full,
            Precision::Bf16 => Way::Half(Lefts::new()),
        };
        Self { way, masks: None, masked: Vec::new() }
    }

    /// Sets what dropout loses from now on.
    pub(super) fn set_masks(&mut self, masks: Option<Masks>) {
        self.masks = masks;
    }

    /// Bytes of buffers for `tokens` tokens and at most `columns` adapter columns of a group, of `rank` each.
    pub(super) fn bytes(
        precision: Precision,
        tokens: usize,
        (columns, rank): (usize, usize),
    ) -> usize {
        match precision {
            Precision::F32 => rayon::current_num_threads() * full::bytes(columns),
            Precision::Bf16 => {
                let of_b = std::iter::repeat_n(rank, columns.div_ceil(rank.max(1)));
                let lefts: Vec<usize> = std::iter::once(columns).chain(of_b).collect();
                strips::bytes(tokens, &lefts)
            }
        }
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
        self.add_group(place, tokens, flows, grads);
        phases.lap(&mut watch, Phase::Adapter);
    }

    fn add_group(&mut self, place: Place<'_>, tokens: usize, flows: &Flows<'_>, grads: &mut [f32]) {
        let Some(adapter) = place.adapter else { return };
        let parts = effective::parts(adapter, place.group);
        let Some(first) = parts.first() else { return };
        let (rank, scale) = (adapter.config().rank, adapter.config().scale());
        let inputs = place.inputs();
        let mut sums = Vec::with_capacity(1 + parts.len());
        if let Some(masks) = self.masks {
            // Each projection reads an input of its own.
            for part in &parts {
                self.masked.resize(tokens * inputs, 0.0);
                let at = (place.layer, part.slot.target);
                masks.apply_rows(at, flows.x, inputs, &mut self.masked);
                let left = rows((flows.v.0.tail(part.column), flows.v.1), tokens, rank);
                let right = rows((self.masked[..].into(), inputs), tokens, inputs);
                let of = Of::A { start: part.slot.a, inputs };
                self.way.add(&[(Product { left, right }, of)], grads);
            }
        } else {
            // The As of a group lie side by side, so they are one matrix.
            let (left, right) =
                (rows(flows.v, tokens, place.columns()), rows(flows.x, tokens, inputs));
            sums.push((Product { left, right }, Of::A { start: first.slot.a, inputs }));
        }
        for part in &parts {
            let left = rows((flows.u.0.tail(part.column), flows.u.1), tokens, rank);
            let right = rows((flows.dy.0.tail(part.output), flows.dy.1), tokens, part.slot.outputs);
            sums.push((Product { left, right }, Of::B { start: part.slot.b, rank, scale }));
        }
        self.way.add(&sums, grads);
    }
}

impl Way {
    /// Products beside each other, each added where it belongs.
    fn add(&mut self, sums: &[(Product<'_>, Of)], grads: &mut [f32]) {
        let (products, of): (Vec<_>, Vec<_>) = sums.iter().copied().unzip();
        let grads = Shared::new(grads);
        let put = |index: usize, first: usize, sums: Sums<'_>| of[index].put(grads, first, sums);
        match self {
            Self::Full => full::multiply(&products, put),
            Self::Half(lefts) => strips::multiply(&products, lefts, put),
        }
    }
}

/// Whose gradient sums are.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// `[rank, inputs]` from `start` on.
    A { start: usize, inputs: usize },
    /// `[outputs, rank]` from `start` on, scaled.
    B { start: usize, rank: usize, scale: f32 },
}

impl Of {
    /// Adds the sums of inputs or outputs from `first` on, which are those of one task.
    fn put(self, grads: Shared<'_, f32>, first: usize, sums: Sums<'_>) {
        match self {
            Self::A { start, inputs } => {
                for (r, sums) in sums.rows().enumerate() {
                    // SAFETY: these inputs of A belong to this task.
                    #[expect(unsafe_code, reason = "tasks write to places of their own")]
                    let a = unsafe { grads.part(start + r * inputs + first, sums.len()) };
                    vector::add_scaled(a, sums, 1.0);
                }
            }
            Self::B { start, rank, scale } => {
                // SAFETY: these outputs of B belong to this task.
                #[expect(unsafe_code, reason = "tasks write to places of their own")]
                let b = unsafe { grads.part(start + first * rank, sums.columns() * rank) };
                for (n, b) in b.chunks_exact_mut(rank).enumerate() {
                    for (b, sums) in b.iter_mut().zip(sums.rows()) {
                        *b += scale * sums[n];
                    }
                }
            }
        }
    }
}

fn rows((data, pitch): (Values<'_>, usize), count: usize, columns: usize) -> Rows<'_> {
    Rows { data, count, columns, pitch }
}

#[cfg(test)]
mod tests;
