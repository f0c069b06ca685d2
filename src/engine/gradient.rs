//! Gradients of an adapter: `dA += v^T x` and `dB += s dy^T u` for the projections of a group.
//!
//! The tokens are the depth of both products, so `x` and `dy` are laid out as right operands once
//! for all projections of the group.

use half::bf16;
use rayon::prelude::*;

use super::base::Precision;
use super::cpu::multiply::{self, Multiplied, Rows};
use super::cpu::panels::Panels;
use super::dropout::Masks;
use super::effective::{self, Place};
use super::phases::{Phase, Phases, Watch};

/// What the gradients of a group are made of.
pub(super) struct Flows<'a> {
    /// The group's input `[tokens, k]`.
    pub(super) x: (&'a [f32], usize),
    /// `s dy B`, `[tokens, c]`.
    pub(super) v: (&'a [f32], usize),
    /// Gradient of the group's output `[tokens, n]`.
    pub(super) dy: (&'a [f32], usize),
    /// `x A^T`, `[tokens, c]`.
    pub(super) u: (&'a [f32], usize),
}

/// Buffers for the gradients, in one precision.
#[derive(Debug)]
pub(super) enum GradientBuffers {
    Full(Buffers<f32>),
    Half(Buffers<bf16>),
}

#[derive(Debug, Default)]
pub(super) struct Buffers<E> {
    right: Panels<E>,
    turned: Vec<f32>,
    sums: Vec<f32>,
    masks: Option<Masks>,
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

    /// Bytes of buffers a token, for the widest of `widths` and `columns` adapter columns.
    pub(super) fn bytes(precision: Precision, width: usize, columns: usize) -> usize {
        width.next_multiple_of(32) * precision.bytes() + columns * 4
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
            Self::Full(buffers) => buffers.add(place, tokens, flows, grads),
            Self::Half(buffers) => buffers.add(place, tokens, flows, grads),
        }
        phases.lap(&mut watch, Phase::Adapter);
    }
}

impl<E: Multiplied> Buffers<E> {
    fn add(&mut self, place: Place<'_>, tokens: usize, flows: &Flows<'_>, grads: &mut [f32]) {
        let Some(adapter) = place.adapter else { return };
        let parts = effective::parts(adapter, place.group);
        let Some(first) = parts.first() else { return };
        let (rank, scale) = (adapter.config().rank, adapter.config().scale());
        let (columns, inputs, outputs) = (place.columns(), place.inputs(), place.outputs());
        let x = |k: usize| &flows.x.0[k * flows.x.1..][..inputs];
        turn(flows.v, tokens, columns, &mut self.turned);
        if let Some(masks) = self.masks {
            // Each projection reads an input of its own.
            for part in &parts {
                let place = (place.layer, part.slot.target);
                self.right.fill_depths(tokens, inputs, |k, row| masks.apply(place, k, x(k), row));
                let data = &self.turned[part.column * tokens..];
                let left = Rows { data, count: rank, columns: tokens, pitch: tokens };
                let a = &mut grads[part.slot.a..][..rank * inputs];
                multiply::multiply(left, None, &self.right, (a, inputs), true);
            }
        } else {
            // The As of a group lie side by side, so they are one matrix.
            self.right.fill_depths(tokens, inputs, |k, row| row.copy_from_slice(x(k)));
            let left = Rows { data: &self.turned, count: columns, columns: tokens, pitch: tokens };
            let a = &mut grads[first.slot.a..][..columns * inputs];
            multiply::multiply(left, None, &self.right, (a, inputs), true);
        }

        self.right.fill_depths(tokens, outputs, |k, row| {
            row.copy_from_slice(&flows.dy.0[k * flows.dy.1..][..outputs]);
        });
        turn(flows.u, tokens, columns, &mut self.turned);
        let left = Rows { data: &self.turned, count: columns, columns: tokens, pitch: tokens };
        // `u^T dy` of all projections; only the blocks along the diagonal are gradients.
        self.sums.resize(columns * outputs, 0.0);
        multiply::multiply(left, None, &self.right, (&mut self.sums, outputs), false);
        for part in &parts {
            let b = &mut grads[part.slot.b..][..part.slot.outputs * rank];
            for (n, b) in b.chunks_exact_mut(rank).enumerate() {
                for (r, b) in b.iter_mut().enumerate() {
                    *b += scale * self.sums[(part.column + r) * outputs + part.output + n];
                }
            }
        }
    }
}

/// Columns of rows that lie `pitch` apart, as rows.
fn turn((rows, pitch): (&[f32], usize), tokens: usize, columns: usize, turned: &mut Vec<f32>) {
    turned.resize(columns * tokens, 0.0);
    turned.par_chunks_mut(tokens).enumerate().for_each(|(column, turned)| {
        for (turned, row) in turned.iter_mut().zip(rows.chunks(pitch)) {
            *turned = row[column];
        }
    });
}
