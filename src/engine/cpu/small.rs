//! Small products on one thread, as attention has them, from rows that were rounded before.

use std::ops::Range;

use super::aligned::Aligned;
use super::kernel::kernel;
use super::panels::{Element, Panels, Rows, WIDTH};
use super::tile::{Multiplied, STEP, Then, Work};

/// Rows are padded to a multiple of it, for kernels that read whole tiles.
const ROWS: usize = WIDTH;

/// A left operand: rounded rows, padded with zeros in both directions.
#[derive(Debug, Default)]
pub(in crate::engine) struct LeftRows<E> {
    data: Aligned<E>,
    rows: usize,
    depth: usize,
}

impl<E: Element> LeftRows<E> {
    /// Rows without padding.
    pub(in crate::engine) fn rows(&self) -> usize {
        self.rows
    }

    /// Rows with padding.
    pub(in crate::engine) fn padded_rows(&self) -> usize {
        self.rows.next_multiple_of(ROWS)
    }

    /// All values, with padding.
    pub(super) fn values(&self) -> &[E] {
        self.data.get(self.padded_rows() * self.pitch())
    }

    fn pitch(&self) -> usize {
        self.depth.next_multiple_of(E::STEP)
    }

    fn resize(&mut self, rows: usize, depth: usize) -> (&mut [E], usize) {
        (self.rows, self.depth) = (rows, depth);
        let pitch = self.pitch();
        (self.data.fit(self.padded_rows() * pitch), pitch)
    }

    /// Takes rows as they are.
    pub(in crate::engine) fn set_rows(&mut self, from: Rows<'_>) {
        let (data, pitch) = self.resize(from.count, from.columns);
        for (i, to) in data.chunks_exact_mut(pitch).enumerate() {
            if i < from.count {
                from.ask_after(i);
                let (to, rest) = to.split_at_mut(from.columns);
                E::take(from.row(i), to);
                rest.fill(E::default());
            } else {
                to.fill(E::default());
            }
        }
    }

    /// Takes columns as rows, by way of `panels`.
    pub(in crate::engine) fn set_columns(&mut self, from: Rows<'_>, panels: &mut Panels<E>) {
        panels.set_depths(from);
        let (data, pitch) = self.resize(from.columns, from.count);
        for (index, rows) in data.chunks_exact_mut((ROWS * pitch).max(1)).enumerate() {
            E::turn_back(panels.panel(index), pitch, rows, pitch);
        }
    }

    /// Room for `rows` rows of `depth` values, with padding and all, to be filled whole, and the pitch of rows.
    pub(in crate::engine) fn space(&mut self, rows: usize, depth: usize) -> (&mut [E], usize) {
        self.resize(rows, depth)
    }
}

/// `out = left right` for some rows, from a multiple of 32 on, the first of which is the first of `out`;
/// writes whole tiles and whole panels, so `out` has room for rows up to a multiple of 32, `pitch` apart,
/// and `pitch` for whole panels. Depths of `left` beyond those of `right` are left out.
pub(in crate::engine) fn small<E: Multiplied>(
    left: &LeftRows<E>,
    rows: Range<usize>,
    right: &Panels<E>,
    out: &mut [f32],
    pitch: usize,
) {
    run(left, rows, right, (out, pitch), false);
}

/// [`small`], added to what is there.
pub(in crate::engine) fn small_add<E: Multiplied>(
    left: &LeftRows<E>,
    rows: Range<usize>,
    right: &Panels<E>,
    out: &mut [f32],
    pitch: usize,
) {
    run(left, rows, right, (out, pitch), true);
}

fn run<E: Multiplied>(
    left: &LeftRows<E>,
    rows: Range<usize>,
    right: &Panels<E>,
    (out, c_pitch): (&mut [f32], usize),
    add: bool,
) {
    let (tile, depth, pitch) = (E::tile(kernel()), right.padded_depth(), left.pitch());
    assert!(rows.end <= left.rows && depth <= pitch, "left operand");
    assert!(rows.start.is_multiple_of(ROWS), "whole tiles");
    assert!(right.count() * WIDTH <= c_pitch, "columns of the output");
    assert!(rows.len().next_multiple_of(tile.step()) * c_pitch <= out.len(), "rows of the output");
    let data = left.values();
    (tile.begin)();
    for panel in 0..right.count() {
        let b = right.panel(panel);
        for first in (0..rows.len()).step_by(tile.rows) {
            let work = Work {
                a: data[(rows.start + first) * pitch..].as_ptr(),
                a_pitch: pitch,
                a_step: STEP,
                rows: tile.rows.min(rows.len() - first),
                b: b.as_ptr(),
                depth,
                then: Then::NONE,
                c: out[first * c_pitch + panel * WIDTH..].as_mut_ptr(),
                c_pitch,
                add,
                ahead: b.as_ptr(),
            };
            // SAFETY: sizes as asserted; `left` is padded to whole tiles and steps.
            #[expect(unsafe_code, reason = "call of a kernel")]
            unsafe {
                (tile.run)(work);
            }
        }
    }
    (tile.end)();
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    fn check<E: Multiplied>() {
        let (rows, depth, columns) = (45, 70, 40);
        let wave = |i: usize| ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3;
        let a: Vec<f32> = (0..rows * depth).map(wave).collect();
        let b: Vec<f32> = (3..3 + depth * columns).map(wave).collect();
        let turned: Vec<f32> = (0..rows * depth).map(|i| a[i % rows * depth + i / rows]).collect();
        let a_rows = Rows { data: a[..].into(), count: rows, columns: depth, pitch: depth };
        let (mut by_rows, mut by_columns) = (LeftRows::<E>::default(), LeftRows::<E>::default());
        by_rows.set_rows(a_rows);
        let mut panels = Panels::<E>::default();
        let columns_of = Rows { data: turned[..].into(), count: depth, columns: rows, pitch: rows };
        by_columns.set_columns(columns_of, &mut panels);
        panels.set_depths(Rows { data: b[..].into(), count: depth, columns, pitch: columns });
        let mut out = vec![1.0; 64 * 64];
        small(&by_rows, 0..rows, &panels, &mut out, 64);
        let mut again = vec![0.0; 64 * 64];
        small_add(&by_columns, 0..rows, &panels, &mut again, 64);
        for i in 0..rows {
            for n in 0..columns {
                let want: f32 = (0..depth).map(|k| a[i * depth + k] * b[k * columns + n]).sum();
                assert!((out[i * 64 + n] - want).abs() < 0.02, "{} {want}", out[i * 64 + n]);
                assert_eq!(out[i * 64 + n], again[i * 64 + n]);
            }
        }
    }

    #[test]
    fn rows_and_columns_give_the_same_product() {
        check::<f32>();
        check::<bf16>();
    }
}
