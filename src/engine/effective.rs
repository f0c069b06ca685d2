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

#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;

use half::bf16;
use rayon::prelude::*;

use super::base::{Base, Group, Precision};
use super::cpu::lay::{ByColumn, ByDepth, Lay};
use super::cpu::multiply::{self, Multiplied, Right, Rows};
use super::cpu::panels::{Element as _, Panels};
use super::cpu::team::{self, Together as _};
use super::cpu::values::{Values, ValuesMut};
use super::dropout::Masks;
use super::lora::{Adapter, Slot};
use super::nf4::Decoded;
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
    masks: Option<Masks>,
    /// Rows that dropout works on, and adapter columns of one projection.
    masked: Vec<f32>,
    columns: Vec<f32>,
    /// An output in f32.
    wide: Vec<f32>,
    /// Operands that stay decoded, by layer and group; empty ones are not there yet.
    kept: Vec<Forward<E>>,
}

/// `[W | s B]^T` and `A^T`.
#[derive(Debug, Default)]
struct Forward<E> {
    right: Panels<E>,
    side: Panels<E>,
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

    /// Bytes of all operands forward of a base and adapter that stay decoded.
    pub(super) fn kept_bytes(base: &Base, adapter: Option<&Adapter>) -> usize {
        let padded = |x: usize| x.next_multiple_of(32);
        let of_layer = Group::ALL.iter().map(|group| {
            let (inputs, outputs) = group.shape(base.config());
            let side = columns(adapter, *group);
            padded(inputs + side) * padded(outputs) + padded(inputs) * padded(side)
        });
        of_layer.sum::<usize>() * base.config().layers * base.precision().bytes()
    }

    /// Sets what dropout loses from now on.
    pub(super) fn set_masks(&mut self, masks: Option<Masks>) {
        match self {
            Self::Full(operands) => operands.masks = masks,
            Self::Half(operands) => operands.masks = masks,
        }
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

    /// `y` for the rows `x`, with the adapter for those it is on for, into rows of `n` values. With
    /// `keep` the weights stay decoded for the next time.
    pub(super) fn project_some(
        &mut self,
        place: Place<'_>,
        x: &[f32],
        (on, keep): (Option<&[bool]>, bool),
        out: &mut [f32],
    ) {
        match self {
            Self::Full(operands) => operands.project_some(place, x, (on, keep), out),
            Self::Half(operands) => operands.project_some(place, x, (on, keep), out),
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

/// `[W | s B]^T`, to be laid out.
fn forward<E: Multiplied + Decoded>(place: Place<'_>) -> impl Lay<E> {
    let Place { base, adapter, layer, group } = place;
    let matrix = base.matrix(layer, group);
    let inputs = place.inputs();
    let parts = adapter.map_or_else(Vec::new, |adapter| parts(adapter, group));
    let part = move |n: usize, first: usize, row: &mut [E]| {
        let (weights, update) = row.split_at_mut(inputs.saturating_sub(first).min(row.len()));
        if !weights.is_empty() {
            matrix.part(n, first, weights);
        }
        update.fill(E::default());
        let Some(adapter) = adapter.filter(|_| !update.is_empty()) else { return };
        let (rank, scale) = (adapter.config().rank, adapter.config().scale());
        let part =
            parts.iter().find(|part| (part.output..part.output + part.slot.outputs).contains(&n));
        if let Some(part) = part {
            let (_, b) = adapter.pair(layer, part.slot);
            let b = &b[(n - part.output) * rank..][..rank];
            // Of the adapter's columns, those that these depths begin with and the projection's own.
            let begin = first.saturating_sub(inputs);
            let (column, b) = match part.column.checked_sub(begin) {
                Some(column) => (column, b),
                None => (0, b.get(begin - part.column..).unwrap_or_default()),
            };
            for (value, b) in update.iter_mut().skip(column).zip(b) {
                *value = E::one(scale * b);
            }
        }
    };
    ByColumn { depth: inputs + place.columns(), columns: place.outputs(), part }
}

/// `A^T`, of a group's projections side by side.
fn fill_side<E: Multiplied>(place: Place<'_>, side: &mut Panels<E>) {
    let Place { adapter, layer, group, .. } = place;
    let Some(adapter) = adapter else { return };
    let Some(first) = parts(adapter, group).first().copied() else { return };
    let (inputs, columns) = (place.inputs(), place.columns());
    // The As of a group lie side by side.
    let start = layer * adapter.layer_len() + first.slot.a;
    let a = &adapter.values()[start..][..columns * inputs];
    side.fill_columns(inputs, columns, |i, k, row| {
        E::narrow(&a[i * inputs + k..][..row.len()], row);
    });
}

/// `[W; A]`, to be laid out.
fn backward<E: Multiplied + Decoded>(place: Place<'_>) -> impl Lay<E> {
    let Place { base, adapter, layer, group } = place;
    let matrix = base.matrix(layer, group);
    let (inputs, outputs) = (place.inputs(), place.outputs());
    let first = adapter.and_then(|adapter| {
        parts(adapter, group).first().map(|part| layer * adapter.layer_len() + part.slot.a)
    });
    let part = move |k: usize, n: usize, row: &mut [E]| {
        if k < outputs {
            matrix.part(k, n, row);
        } else if let Some((adapter, first)) = adapter.zip(first) {
            let a = &adapter.values()[first + (k - outputs) * inputs + n..][..row.len()];
            E::narrow(a, row);
        }
    };
    ByDepth { depth: outputs + place.columns(), columns: inputs, part }
}

/// `s B` of a group, block after block along the diagonal: `[n, c]`.
fn fill_side_back<E: Multiplied>(place: Place<'_>, side: &mut Panels<E>) {
    let Some(adapter) = place.adapter else { return };
    let (rank, scale) = (adapter.config().rank, adapter.config().scale());
    let parts = parts(adapter, place.group);
    side.fill_depths(place.outputs(), place.columns(), |n, out| {
        out.fill(E::default());
        let part =
            parts.iter().find(|part| (part.output..part.output + part.slot.outputs).contains(&n));
        let Some(part) = part else { return };
        let (_, b) = adapter.pair(place.layer, part.slot);
        let b = &b[(n - part.output) * rank..][..rank];
        for (out, b) in out[part.column..].iter_mut().zip(b) {
            *out = E::one(scale * b);
        }
    });
    let inside = parts.iter().map(|part| part.output..part.output + part.slot.outputs);
    let inside: Vec<_> = inside.collect();
    side.set_inside(rank, &inside);
}

impl<E: Multiplied + Decoded> Operands<E> {
    fn project(&mut self, place: Place<'_>, x: Values<'_>, tokens: usize, out: ValuesMut<'_>) {
        let pitch = place.outputs() + place.columns();
        let Some(masks) = self.masks.filter(|_| place.columns() > 0) else {
            return self.product(place, x, tokens, (out, pitch));
        };
        self.in_full(tokens * pitch, out, |operands, out| {
            let plain = Place { adapter: None, ..place };
            operands.product(plain, x, tokens, ((&mut *out).into(), pitch));
            let mut watch = Watch::start();
            operands.add_masked(place, masks, x, tokens, out);
            operands.phases.lap(&mut watch, Phase::Product);
        });
    }

    /// Runs on an output in f32, and rounds what comes of it where the output is in bf16.
    fn in_full(&mut self, len: usize, out: ValuesMut<'_>, run: impl FnOnce(&mut Self, &mut [f32])) {
        match out {
            ValuesMut::Full(out) => run(self, out),
            ValuesMut::Half(out) => {
                let mut wide = std::mem::take(&mut self.wide);
                wide.resize(len, 0.0);
                run(self, &mut wide);
                bf16::narrow(&wide, &mut out[..len]);
                self.wide = wide;
            }
        }
    }

    /// The product with what `place` says is folded in, rows of `out` lying `pitch` apart.
    fn product(
        &mut self,
        place: Place<'_>,
        x: Values<'_>,
        tokens: usize,
        (out, pitch): (ValuesMut<'_>, usize),
    ) {
        let mut watch = Watch::start();
        let (inputs, side, weights) = (place.inputs(), place.columns(), forward(place));
        let ((), right) = team::both(
            || fill_side(place, &mut self.side),
            || Right::of((tokens, out.is_half()), &weights, &mut self.right),
        );
        self.phases.lap(&mut watch, Phase::Decode);
        let rows = Rows { data: x, count: tokens, columns: inputs, pitch: inputs };
        let side = (side > 0).then_some(&self.side);
        multiply::multiply_right(rows, side, right, (out, pitch));
        self.phases.lap(&mut watch, Phase::Product);
    }

    /// `[x | u]` with `u = x A^T` for all rows and nothing for those the adapter is not on for, and its product
    /// with `[W | s B]^T`.
    fn project_some(
        &mut self,
        place: Place<'_>,
        x: &[f32],
        (on, keep): (Option<&[bool]>, bool),
        out: &mut [f32],
    ) {
        let at = if keep { place.layer * Group::ALL.len() + place.group as usize } else { 0 };
        if self.kept.len() <= at {
            self.kept.resize_with(at + 1, Forward::default);
        }
        let mut kept = std::mem::take(&mut self.kept[at]);
        let (inputs, outputs, side) = (place.inputs(), place.outputs(), place.columns());
        let tokens = x.len() / inputs;
        let mut watch = Watch::start();
        if !keep || kept.right.columns() == 0 {
            forward(place).fill(&mut kept.right);
            fill_side(place, &mut kept.side);
        }
        self.phases.lap(&mut watch, Phase::Decode);
        let rows = Rows { data: x.into(), count: tokens, columns: inputs, pitch: inputs };
        if let Some(on) = on.filter(|_| side > 0) {
            self.columns.resize(tokens * side, 0.0);
            let u = (&mut self.columns[..]).into();
            multiply::multiply(rows, None, &kept.side, (u, side), false);
            self.masked.resize(tokens * (inputs + side), 0.0);
            let rows = self.masked.chunks_exact_mut(inputs + side).zip(x.chunks_exact(inputs));
            for ((row, x), (u, on)) in rows.zip(self.columns.chunks_exact(side).zip(on)) {
                row[..inputs].copy_from_slice(x);
                if *on {
                    row[inputs..].copy_from_slice(u);
                } else {
                    row[inputs..].fill(0.0);
                }
            }
            let (data, pitch) = (self.masked[..].into(), inputs + side);
            let rows = Rows { data, count: tokens, columns: pitch, pitch };
            multiply::multiply(rows, None, &kept.right, (out.into(), outputs), false);
        } else {
            multiply::multiply(rows, None, &kept.right, (out.into(), outputs), false);
        }
        self.kept[at] = kept;
        self.phases.lap(&mut watch, Phase::Product);
    }

    /// With dropout each projection reads an input of its own: `u = (mask x) A^T` and
    /// `y += s u B^T`, one projection after the other.
    fn add_masked(
        &mut self,
        place: Place<'_>,
        masks: Masks,
        x: Values<'_>,
        tokens: usize,
        out: &mut [f32],
    ) {
        let Some(adapter) = place.adapter else { return };
        let (rank, scale) = (adapter.config().rank, adapter.config().scale());
        let (inputs, outputs) = (place.inputs(), place.outputs());
        let pitch = outputs + place.columns();
        for part in parts(adapter, place.group) {
            let (a, b) = adapter.pair(place.layer, part.slot);
            let at = (place.layer, part.slot.target);
            self.masked.resize(tokens * inputs, 0.0);
            masks.apply_rows(at, (x, inputs), inputs, &mut self.masked);
            self.side.fill_columns(inputs, rank, |i, k, row| {
                E::narrow(&a[i * inputs + k..][..row.len()], row);
            });
            let data = self.masked[..].into();
            let rows = Rows { data, count: tokens, columns: inputs, pitch: inputs };
            let u = &mut out[outputs + part.column..];
            multiply::multiply(rows, None, &self.side, (u.into(), pitch), false);

            let first = outputs + part.column;
            take(out, (first, pitch), (tokens, rank), &mut self.columns);
            self.side.fill_columns(rank, part.slot.outputs, |n, k, row| {
                for (value, b) in row.iter_mut().zip(&b[n * rank + k..]) {
                    *value = E::one(scale * b);
                }
            });
            let data = self.columns[..].into();
            let rows = Rows { data, count: tokens, columns: rank, pitch: rank };
            let out = &mut out[part.output..];
            multiply::multiply(rows, None, &self.side, (out.into(), pitch), true);
        }
    }

    fn project_back(
        &mut self,
        place: Place<'_>,
        (dy, pitch): (Values<'_>, usize),
        tokens: usize,
        out: ValuesMut<'_>,
    ) {
        let width = place.inputs() + place.columns();
        let masks = self.masks.filter(|_| place.columns() > 0);
        let Some(masks) = masks else {
            return self.product_back(place, (dy, pitch), tokens, (out, width));
        };
        self.in_full(tokens * width, out, |operands, out| {
            let plain = Place { adapter: None, ..place };
            operands.product_back(plain, (dy, pitch), tokens, ((&mut *out).into(), width));
            let mut watch = Watch::start();
            operands.side_back(place, (dy, pitch), tokens, out);
            operands.add_masked_back(place, masks, tokens, out);
            operands.phases.lap(&mut watch, Phase::Product);
        });
    }

    /// With dropout: `dx += mask (v A)`, one projection after the other.
    fn add_masked_back(&mut self, place: Place<'_>, masks: Masks, tokens: usize, out: &mut [f32]) {
        let Some(adapter) = place.adapter else { return };
        let (rank, inputs) = (adapter.config().rank, place.inputs());
        let width = inputs + place.columns();
        for part in parts(adapter, place.group) {
            let (a, _) = adapter.pair(place.layer, part.slot);
            let at = (place.layer, part.slot.target);
            take(out, (inputs + part.column, width), (tokens, rank), &mut self.columns);
            self.side.fill_depths(rank, inputs, |k, row| {
                E::narrow(&a[k * inputs..][..inputs], row);
            });
            self.masked.resize(tokens * inputs, 0.0);
            let data = self.columns[..].into();
            let rows = Rows { data, count: tokens, columns: rank, pitch: rank };
            let masked = &mut self.masked[..];
            multiply::multiply(rows, None, &self.side, (masked.into(), inputs), false);
            out.par_chunks_mut(width)
                .zip(self.masked.par_chunks_exact(inputs))
                .enumerate()
                .together(|(token, (out, x))| masks.add(at, token, x, &mut out[..inputs]));
        }
    }

    fn product_back(
        &mut self,
        place: Place<'_>,
        (dy, pitch): (Values<'_>, usize),
        tokens: usize,
        (out, width): (ValuesMut<'_>, usize),
    ) {
        let mut watch = Watch::start();
        let (outputs, side, weights) = (place.outputs(), place.columns(), backward(place));
        let ((), right) = team::both(
            || fill_side_back(place, &mut self.side),
            || Right::of((tokens, out.is_half()), &weights, &mut self.right),
        );
        self.phases.lap(&mut watch, Phase::Decode);
        let rows = Rows { data: dy, count: tokens, columns: outputs, pitch };
        let side = (side > 0).then_some(&self.side);
        multiply::multiply_right(rows, side, right, (out, width));
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
        fill_side_back(place, &mut self.side);
        let rows = Rows { data: dy, count: tokens, columns: outputs, pitch };
        let out = &mut out[inputs..];
        multiply::multiply(rows, None, &self.side, (out.into(), inputs + side), false);
    }
}

/// Some columns of rows that lie `pitch` apart, as rows of their own.
fn take(
    rows: &[f32],
    (first, pitch): (usize, usize),
    (count, columns): (usize, usize),
    out: &mut Vec<f32>,
) {
    out.clear();
    out.extend(rows.chunks(pitch).take(count).flat_map(|row| &row[first..first + columns]));
}
