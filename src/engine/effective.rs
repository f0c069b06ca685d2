//! Weights made ready for products, with the adapter folded in beside them.
//!
//! A group of projections `[n, k]` with `c` adapter columns in all takes part in two products.
//! Forward, the right operand is `[W | s B]^T` of `k + c` depths, with the side operand `A^T`: the
//! product of `x` gives `u = x A^T` and `y = x W^T + s u B^T`. Backward it is `[W ; A]` of `n + c`
//! depths, with the side operand `s B`: the product of `dy` gives `v = s dy B` and
//! `dx = dy W + v A`. `u` and `v` are all that the gradients need: `dA = v^T x`, `dB = s dy^T u`.
//!
//! The weights are decoded from NF4 for each product; W and B stay apart, so that rounding to bf16
//! does not swallow the small update.

use half::bf16;

use super::base::{Base, Group, Precision};
use super::cpu::multiply::{self, Multiplied, Rows};
use super::cpu::panels::Panels;
use super::cpu::values::{Values, ValuesMut};
use super::lora::{Adapter, Slot};
use super::phases::{Phase, Phases, Watch};

/// An adapted projection within its group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) slot: Slot,
    /// First output within the group.
    pub(super) output: usize,
    /// First adapter column within the group.
    pub(super) column: usize,
}

/// The adapted projections of a group.
pub(super) fn parts(adapter: &Adapter, group: Group) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut output = 0;
    for target in group.targets() {
        if let Some(slot) = adapter.slot(*target) {
            let column = parts.len() * adapter.config().rank;
            parts.push(Part { slot, output, column });
        }
        output += target.shape(adapter.decoder()).1;
    }
    parts
}

/// Adapter columns of a group.
pub(super) fn columns(adapter: Option<&Adapter>, group: Group) -> usize {
    adapter.map_or(0, |adapter| {
        let adapted = group.targets().iter().filter(|t| adapter.slot(**t).is_some());
        adapted.count() * adapter.config().rank
    })
}

/// Which group's weights, and whose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) base: &'a Base,
    pub(super) adapter: Option<&'a Adapter>,
    pub(super) layer: usize,
    pub(super) group: Group,
}

impl Place<'_> {
    /// Inputs k.
    pub(super) fn inputs(&self) -> usize {
        self.group.shape(self.base.config()).0
    }

    /// Outputs n.
    pub(super) fn outputs(&self) -> usize {
        self.group.shape(self.base.config()).1
    }

    /// Adapter columns c.
    pub(super) fn columns(&self) -> usize {
        columns(self.adapter, self.group)
    }
}

/// Buffers for the operands of one product.
#[derive(Debug)]
pub(super) enum Weights {
    Full(Operands<f32>),
    Half(Operands<bf16>),
}

#[derive(Debug, Default)]
pub(super) struct Operands<E> {
    right: Panels<E>,
    side: Panels<E>,
    phases: Phases,
}

impl Weights {
    pub(super) fn new(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::Full(Operands::default()),
            Precision::Bf16 => Self::Half(Operands::default()),
        }
    }

    /// Bytes that the buffers take at most for this base and adapter.
    pub(super) fn bytes(base: &Base, adapter: Option<&Adapter>) -> usize {
        let padded = |x: usize| x.next_multiple_of(32);
        let most = Group::ALL
            .iter()
            .map(|group| {
                let (inputs, outputs) = group.shape(base.config());
                let side = columns(adapter, *group);
                let forward = padded(inputs + side) * padded(outputs);
                let backward = padded(outputs + side) * padded(inputs);
                forward.max(backward) + padded(inputs.max(outputs)) * padded(side)
            })
            .max();
        most.unwrap_or(0) * base.precision().bytes()
    }

    /// Takes the times since it was last asked.
    pub(super) fn take_phases(&mut self) -> Phases {
        match self {
            Self::Full(operands) => operands.phases.take(),
            Self::Half(operands) => operands.phases.take(),
        }
    }

    /// `[y | u]` for the rows `x`, into rows of `n + c` values.
    pub(super) fn project(
        &mut self,
        place: Place<'_>,
        x: Values<'_>,
        tokens: usize,
        out: ValuesMut<'_>,
    ) {
        match self {
            Self::Full(operands) => operands.project(place, x, tokens, out),
            Self::Half(operands) => operands.project(place, x, tokens, out),
        }
    }

    /// `[dx | v]` for rows of `dy` that lie `pitch` apart, into rows of `k + c` values.
    pub(super) fn project_back(
        &mut self,
        place: Place<'_>,
        (dy, pitch): (Values<'_>, usize),
        tokens: usize,
        out: ValuesMut<'_>,
    ) {
        match self {
            Self::Full(operands) => operands.project_back(place, (dy, pitch), tokens, out),
            Self::Half(operands) => operands.project_back(place, (dy, pitch), tokens, out),
        }
    }

    /// Only `v` of [`Self::project_back`], into the last columns of rows of `k + c` values.
    pub(super) fn side_back(
        &mut self,
        place: Place<'_>,
        (dy, pitch): (Values<'_>, usize),
        tokens: usize,
        out: &mut [f32],
    ) {
        match self {
            Self::Full(operands) => operands.side_back(place, (dy, pitch), tokens, out),
            Self::Half(operands) => operands.side_back(place, (dy, pitch), tokens, out),
        }
    }
}

impl<E: Multiplied> Operands<E> {
    fn project(&mut self, place: Place<'_>, x: Values<'_>, tokens: usize, out: ValuesMut<'_>) {
        let mut watch = Watch::start();
        let Place { base, adapter, layer, group } = place;
        let matrix = base.matrix(layer, group);
        let (inputs, outputs, side) = (place.inputs(), place.outputs(), place.columns());
        let parts = adapter.map_or_else(Vec::new, |adapter| parts(adapter, group));
        self.right.fill_columns(inputs + side, outputs, |n, row| {
            let (weights, update) = row.split_at_mut(inputs);
            matrix.row(n, weights);
            update.fill(0.0);
            let Some(adapter) = adapter else { return };
            let (rank, scale) = (adapter.config().rank, adapter.config().scale());
            let part = parts
                .iter()
                .find(|part| (part.output..part.output + part.slot.outputs).contains(&n));
            if let Some(part) = part {
                let (_, b) = adapter.pair(layer, part.slot);
                let b = &b[(n - part.output) * rank..][..rank];
                for (value, b) in update[part.column..].iter_mut().zip(b) {
                    *value = scale * b;
                }
            }
        });
        if let Some((adapter, first)) = adapter.zip(parts.first()) {
            // The As of a group lie side by side.
            let start = layer * adapter.layer_len() + first.slot.a;
            let a = &adapter.values()[start..][..side * inputs];
            self.side.fill_columns(inputs, side, |i, row| {
                row.copy_from_slice(&a[i * inputs..][..inputs]);
            });
        }
        self.phases.lap(&mut watch, Phase::Decode);
        let rows = Rows { data: x, count: tokens, columns: inputs, pitch: inputs };
        let side_panels = (side > 0).then_some(&self.side);
        multiply::multiply(rows, side_panels, &self.right, (out, outputs + side), false);
        self.phases.lap(&mut watch, Phase::Product);
    }

    fn project_back(
        &mut self,
        place: Place<'_>,
        (dy, pitch): (Values<'_>, usize),
        tokens: usize,
        out: ValuesMut<'_>,
    ) {
        let mut watch = Watch::start();
        let Place { base, adapter, layer, group } = place;
        let matrix = base.matrix(layer, group);
        let (inputs, outputs, side) = (place.inputs(), place.outputs(), place.columns());
        self.fill_side_back(place);
        let first = adapter.and_then(|adapter| {
            parts(adapter, group).first().map(|part| layer * adapter.layer_len() + part.slot.a)
        });
        self.right.fill_depths(outputs + side, inputs, |k, row| {
            if k < outputs {
                matrix.row(k, row);
            } else if let Some((adapter, first)) = adapter.zip(first) {
                row.copy_from_slice(&adapter.values()[first + (k - outputs) * inputs..][..inputs]);
            }
        });
        self.phases.lap(&mut watch, Phase::Decode);
        let rows = Rows { data: dy, count: tokens, columns: outputs, pitch };
        let side_panels = (side > 0).then_some(&self.side);
        multiply::multiply(rows, side_panels, &self.right, (out, inputs + side), false);
        self.phases.lap(&mut watch, Phase::Product);
    }

    fn side_back(
        &mut self,
        place: Place<'_>,
        (dy, pitch): (Values<'_>, usize),
        tokens: usize,
        out: &mut [f32],
    ) {
        let (inputs, outputs, side) = (place.inputs(), place.outputs(), place.columns());
        self.fill_side_back(place);
        let rows = Rows { data: dy, count: tokens, columns: outputs, pitch };
        let out = &mut out[inputs..];
        multiply::multiply(rows, None, &self.side, (out.into(), inputs + side), false);
    }

    /// `s B` of a group, block after block along the diagonal: `[n, c]`.
    fn fill_side_back(&mut self, place: Place<'_>) {
        let Some(adapter) = place.adapter else { return };
        let (rank, scale) = (adapter.config().rank, adapter.config().scale());
        let parts = parts(adapter, place.group);
        self.side.fill_depths(place.outputs(), place.columns(), |n, out| {
            out.fill(0.0);
            let part = parts
                .iter()
                .find(|part| (part.output..part.output + part.slot.outputs).contains(&n));
            let Some(part) = part else { return };
            let (_, b) = adapter.pair(place.layer, part.slot);
            let b = &b[(n - part.output) * rank..][..rank];
            for (out, b) in out[part.column..].iter_mut().zip(b) {
                *out = scale * b;
            }
        });
    }
}
