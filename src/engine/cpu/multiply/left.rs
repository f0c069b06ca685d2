//! Rows made ready for a product: rounded, in the order that the kernel reads, with the side product beside them.

use std::ops::Range;

use super::super::panels::{Panels, Rows, WIDTH};
use super::super::tile::{HALF, Multiplied, STEP, Work};
use super::{Job, Out};

impl<E: Multiplied> Job<'_, E> {
    /// Readies depths `chunk` of some rows, which go to `packed` if the kernel cannot read them where they are.
    ///
    /// The side product is added up in `sums` from chunk to chunk, laid beside the rows where its depths come,
    /// and written with the last chunk.
    pub(super) fn ready(
        &self,
        rows: Range<usize>,
        chunk: Range<usize>,
        packed: &mut [E],
        sums: &mut [f32],
    ) {
        let depth = self.left.columns;
        let own_rows = self.own_rows(rows.start, chunk.clone());
        if own_rows.is_none() {
            let depths = chunk.start.min(depth)..chunk.end.min(depth);
            self.pack(rows.clone(), depths, chunk.len(), packed);
        }
        let Some(side) = self.side else { return };
        let pitch = self.side_pitch();
        if let Some(half) = self.tile.half {
            let left = own_rows.unwrap_or((packed, chunk.len()));
            self.halves(half, left, (side, chunk.clone()), rows.len(), (sums, pitch));
        } else {
            // The side operand's own padding may end before this chunk does.
            let last = chunk.end.min(side.padded_depth());
            if chunk.start < last {
                (self.tile.begin)();
                for panel in 0..side.count() {
                    self.tiles(
                        (packed, chunk.len()),
                        (&side.panel(panel)[chunk.start * WIDTH..last * WIDTH], &[]),
                        rows.len(),
                        (Out::Full(sums.as_mut_ptr()), pitch, panel * WIDTH, pitch),
                        chunk.start > 0,
                    );
                }
                (self.tile.end)();
            }
        }
        self.lay_side(rows.len(), chunk.clone(), (sums, pitch), packed);
        if chunk.end == self.right.padded_depth() {
            for (row, sums) in rows.zip(sums.chunks_exact(pitch)) {
                // SAFETY: the last columns of these rows; only this task writes them.
                #[expect(unsafe_code, reason = "a place in the shared output")]
                unsafe {
                    let out = self.out.at(row * self.pitch + self.right.columns());
                    out.write(&sums[..side.columns()]);
                }
            }
        }
    }

    /// Rows from `first` on as they are in memory, and their pitch, if the kernel can read those depths there.
    pub(super) fn own_rows(&self, first: usize, depths: Range<usize>) -> Option<(&[E], usize)> {
        let Rows { data, columns, pitch, .. } = self.left;
        if self.tile.half.is_none() || depths.end > columns {
            return None;
        }
        let data = E::own(data)?;
        Some((&data[first * pitch + depths.start..], pitch))
    }

    /// All rows times the side operand, half a panel at a time, over those depths of a chunk where it is not
    /// zero; `sums` are added up from chunk to chunk.
    fn halves(
        &self,
        run: unsafe fn(Work<E>),
        (rows, a_pitch): (&[E], usize),
        (side, chunk): (&Panels<E>, Range<usize>),
        count: usize,
        (sums, c_pitch): (&mut [f32], usize),
    ) {
        if chunk.start == 0 {
            sums.fill(0.0);
        }
        for half in 0..side.columns().div_ceil(HALF) {
            let inside = side.inside(half);
            let depths = inside.start.max(chunk.start)..inside.end.min(chunk.end);
            if depths.is_empty() {
                continue;
            }
            let column = half * HALF;
            let panel = side.panel(column / WIDTH);
            let b = &panel[depths.start * WIDTH + column % WIDTH * E::GROUP..depths.end * WIDTH];
            for first in (0..count).step_by(self.tile.rows) {
                let rows_of = self.tile.rows.min(count - first);
                let work = Work {
                    a: rows[first * a_pitch + depths.start - chunk.start..].as_ptr(),
                    a_pitch,
                    a_step: STEP,
                    rows: rows_of,
                    b: b.as_ptr(),
                    depth: depths.len(),
                    c: sums[first * c_pitch + column..].as_mut_ptr(),
                    c_pitch,
                    add: true,
                    ahead: b.as_ptr(),
                };
                // SAFETY: `sums` has whole panels of columns for each row, and is this task's alone; rows and
                // the panel have these depths, the panel half of its columns from `b` on; kernels with halves
                // read no rows but those they are told of.
                #[expect(unsafe_code, reason = "call of a kernel")]
                unsafe {
                    run(work);
                }
            }
        }
    }

    /// Rounds depths `depths` of some rows into `packed`, `pitch` values a row with zeros beyond them:
    /// row by row, or in blocks of as many rows as the kernel takes.
    fn pack(&self, rows: Range<usize>, depths: Range<usize>, pitch: usize, packed: &mut [E]) {
        if !self.tile.blocked {
            for (row, packed) in rows.zip(packed.chunks_exact_mut(pitch)) {
                let from = self.left.row(row).part(depths.clone());
                let (to, rest) = packed.split_at_mut(from.len());
                E::take(from, to);
                rest.fill(E::default());
            }
            return;
        }
        let padded = rows.len().next_multiple_of(self.tile.rows);
        for (index, block) in packed[..padded * pitch].chunks_exact_mut(STEP * pitch).enumerate() {
            debug_assert_eq!(self.tile.rows, STEP, "blocks are square");
            for r in 0..STEP {
                let row = rows.start + index * STEP + r;
                let inside = if row < rows.end { depths.clone() } else { 0..0 };
                let from = self.left.row(row.min(rows.end - 1)).part(inside);
                E::take_apart(from, block, r * STEP);
            }
        }
    }

    /// Lays the side product beside the rows, where its depths lie in this chunk.
    fn lay_side(
        &self,
        count: usize,
        chunk: Range<usize>,
        (side, side_pitch): (&[f32], usize),
        packed: &mut [E],
    ) {
        let first = self.left.columns;
        let depths = first.max(chunk.start)..self.right.depth().min(chunk.end);
        if depths.start >= depths.end {
            return;
        }
        let pitch = chunk.len();
        for (row, side) in side.chunks_exact(side_pitch).take(count).enumerate() {
            let from = &side[depths.start - first..depths.end - first];
            let at = depths.start - chunk.start;
            if !self.tile.blocked {
                E::narrow(from, &mut packed[row * pitch + at..][..from.len()]);
                continue;
            }
            let block = &mut packed[row / STEP * STEP * pitch..];
            for (k, value) in (at..).zip(from) {
                block[(k / STEP * STEP + row % STEP) * STEP + k % STEP] = E::one(*value);
            }
        }
    }
}
