//! Weights made ready for products: decoded, with the adapter merged in.
//!
//! For a group `[n, k]` with `c` adapter columns in all, one buffer `[n + c, k + c]` serves both
//! directions. Rows `..n` hold `[W + s B A | s B]`, rows `n..` hold `[A | -]`. So one product with
//! rows `..n + c`, columns `..k` gives `y = x (W + s B A)^T` and beside it `u = x A^T`; one product
//! with rows `..n`, columns `..k + c` gives `dx = dy (W + s B A)` and beside it `v = s dy B`, which
//! is all that the gradients need: `dA = v^T x`, `dB = s dy^T u`.

use rayon::prelude::*;

use super::base::{Base, Group};
use super::lora::{Adapter, Slot};
use super::product::{self, Threads, View, ViewMut};

/// Rows decoded and merged at a time; a panel stays in the second-level cache.
const PANEL: usize = 64;

/// One group's weights, ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operand<'a> {
    data: &'a [f32],
    pitch: usize,
    /// k
    pub(super) inputs: usize,
    /// n
    pub(super) outputs: usize,
    /// c
    pub(super) columns: usize,
}

impl<'a> Operand<'a> {
    /// `[k, n + c]`: multiply x by it.
    pub(super) fn forward(&self) -> View<'a> {
        let rows = self.outputs + self.columns;
        View::new(self.data, rows, self.inputs, self.pitch).transposed()
    }

    /// `[n, k + c]`: multiply dy by it.
    pub(super) fn backward(&self) -> View<'a> {
        let columns = self.inputs + self.columns;
        View::new(self.data, self.outputs, columns, self.pitch)
    }

    /// `[n, c]`: only the adapter's part of [`Self::backward`].
    pub(super) fn backward_adapter(&self) -> View<'a> {
        let data = &self.data[self.inputs..];
        View::new(data, self.outputs, self.columns, self.pitch)
    }
}

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

/// Buffers of ready weights: one a group, or one a group and layer when memory allows.
#[derive(Debug)]
pub(super) struct Weights {
    /// Layers that have buffers of their own; the others share those at the end.
    own: usize,
    buffers: Vec<Buffer>,
}

#[derive(Debug, Default)]
struct Buffer {
    data: Vec<f32>,
    /// The layer whose weights are there.
    layer: Option<usize>,
}

impl Weights {
    /// Buffers where the first `own` layers have their own.
    pub(super) fn new(own: usize) -> Self {
        let mut buffers = Vec::new();
        buffers.resize_with((own + 1) * Group::ALL.len(), Buffer::default);
        Self { own, buffers }
    }

    /// Bytes that the buffers of one layer take.
    pub(super) fn layer_bytes(base: &Base, adapter: Option<&Adapter>) -> usize {
        let values: usize = Group::ALL
            .iter()
            .map(|group| {
                let (inputs, outputs) = group.shape(base.config());
                let columns = columns(adapter, *group);
                (inputs + columns) * (outputs + columns)
            })
            .sum();
        values * 4
    }

    /// Tells that the adapter has changed.
    pub(super) fn forget(&mut self) {
        for buffer in &mut self.buffers {
            buffer.layer = None;
        }
    }

    /// The weights of a group, made ready if they are not.
    pub(super) fn get<'a>(
        &'a mut self,
        base: &'a Base,
        adapter: Option<&Adapter>,
        layer: usize,
        group: Group,
    ) -> Operand<'a> {
        let matrix = base.matrix(layer, group);
        let columns = columns(adapter, group);
        let (inputs, outputs) = (matrix.inputs(), matrix.outputs());
        if columns == 0
            && let Some(cached) = matrix.cached()
        {
            return Operand { data: cached, pitch: inputs, inputs, outputs, columns };
        }
        let index = layer.min(self.own) * Group::ALL.len() + group as usize;
        let buffer = &mut self.buffers[index];
        let pitch = inputs + columns;
        if buffer.layer != Some(layer) {
            buffer.data.resize(pitch * (outputs + columns), 0.0);
            buffer.layer = Some(layer);
            fill(&mut buffer.data, base, adapter, layer, group);
        }
        Operand { data: &buffer.data, pitch, inputs, outputs, columns }
    }
}

fn fill(data: &mut [f32], base: &Base, adapter: Option<&Adapter>, layer: usize, group: Group) {
    let matrix = base.matrix(layer, group);
    let (inputs, outputs) = (matrix.inputs(), matrix.outputs());
    let pitch = inputs + columns(adapter, group);
    let parts = adapter.map_or_else(Vec::new, |adapter| parts(adapter, group));
    let (rows, below) = data.split_at_mut(outputs * pitch);
    rows.par_chunks_mut(PANEL * pitch).enumerate().for_each(|(panel, rows)| {
        let first = panel * PANEL;
        matrix.rows(first, rows, pitch);
        let count = rows.len() / pitch;
        for row in rows.chunks_exact_mut(pitch) {
            row[inputs..].fill(0.0);
        }
        let Some(adapter) = adapter else { return };
        let (rank, scale) = (adapter.config().rank, adapter.config().scale());
        for part in &parts {
            let start = part.output.max(first);
            let end = (part.output + part.slot.outputs).min(first + count);
            if start >= end {
                continue;
            }
            let (a, b) = adapter.pair(layer, part.slot);
            let b = &b[(start - part.output) * rank..(end - part.output) * rank];
            let rows = &mut rows[(start - first) * pitch..(end - first) * pitch];
            for (row, b) in rows.chunks_exact_mut(pitch).zip(b.chunks_exact(rank)) {
                let column = inputs + part.column;
                for (value, b) in row[column..column + rank].iter_mut().zip(b) {
                    *value = scale * b;
                }
            }
            product::multiply(
                ViewMut::new(rows, end - start, inputs, pitch),
                true,
                View::new(b, end - start, rank, rank),
                View::new(a, rank, inputs, inputs),
                scale,
                Threads::One,
            );
        }
    });
    if let Some(adapter) = adapter {
        for part in &parts {
            let (a, _) = adapter.pair(layer, part.slot);
            for (i, a) in a.chunks_exact(inputs).enumerate() {
                below[(part.column + i) * pitch..][..inputs].copy_from_slice(a);
            }
        }
    }
}
