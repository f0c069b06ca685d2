//! The left rows of a product: made ready (rounded, in the order that the kernel reads, with the side product beside them),
//! or read where they are.

use std::ops::Range;

use super::super::panels::{Panels, Rows, WIDTH};
use super::super::tile::{HALF, Multiplied, STEP, Then, Work};
use super::{Job, Out};

/// A left operand's values that need not be made ready, and the kernel for half a panel.
pub(super) type Own<'a, E> = (&'a [E], unsafe fn(Work<E>));

/// The left operand's rows of a round, as tasks find them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Left<'a, E> {
    /// Depths of a chunk, made ready, the side product's among them.
    Packed(&'a [E]),
    /// All rows where they are, and the side product of those of the round.
    Own(&'a [E], &'a [E]),
}

/// Rows from one on, `pitch` values apart: so many depths of each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a, E> {
    pub(super) rows: &'a [E],
    pub(super) pitch: usize,
    pub(super) depth: usize,
}

impl<E> Piece<'_, E> {
    /// No depths.
    fn none() -> Self {
        Self { rows: &[], pitch: 0, depth: 0 }
    }

    /// From a row on, as a kernel has it.
    pub(super) fn at(&self, row: usize) -> Then<E> {
        let (a, a_pitch, depth) = (self.rows[row * self.pitch..].as_ptr(), self.pitch, self.depth);
        Then { a, a_pitch, depth }
    }
}

impl<E: Multiplied> Job<'_, E> {
    /// Depths `chunk` of the rows from `first` on of a round that begins at row `start`: the operand's, and those of the
    /// side product where they lie elsewhere.
    pub(super) fn pieces<'a>(
        &self,
        left: Left<'a, E>,
        (start, first): (usize, usize),
        chunk: Range<usize>,
    ) -> [Piece<'a, E>; 2] {
        let (own, side) = match left {
            Left::Packed(packed) => {
                let pitch = chunk.len();
                let rows = &packed[(first - start) * pitch..];
                return [Piece { rows, pitch, depth: pitch }, Piece::none()];
            }
            Left::Own(own, side) => (own, side),
        };
        let Rows { columns, pitch, .. } = self.left;
        let depths = chunk.start.min(columns)..chunk.end.min(columns);
        let beside = chunk.start.max(columns) - columns..chunk.end.max(columns) - columns;
        let piece = |rows: &'a [E], pitch: usize, depths: Range<usize>| match depths.len() {
            0 => Piece::none(),
            depth => Piece { rows: &rows[depths.start..], pitch, depth },
        };
        let side_pitch = self.side_pitch();
        [
            piece(&own[first * pitch..], pitch, depths),
            piece(&side[(first - start) * side_pitch..], side_pitch, beside),
        ]
    }

    /// Readies depths `chunk` of some rows, which the kernel cannot read where they are.
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
        let depths = chunk.start.min(depth)..chunk.end.min(depth);
        self.pack(rows.clone(), depths, chunk.len(), packed);
        let Some(side) = self.side else { return };
        let pitch = self.side_pitch();
        // The side operand's own padding may end before this chunk does.
        let last = chunk.end.min(side.padded_depth());
        if chunk.start < last {
            let piece = Piece { rows: &*packed, pitch: chunk.len(), depth: last - chunk.start };
            (self.tile.begin)();
            for panel in 0..side.count() {
                self.tiles(
                    [piece, Piece::none()],
                    (&side.panel(panel)[chunk.start * WIDTH..last * WIDTH], &[]),
                    rows.len(),
                    (Out::Full(sums.as_mut_ptr()), pitch, panel * WIDTH, pitch),
                    chunk.start > 0,
                );
            }
            (self.tile.end)();
        }
        self.lay_side(rows.len(), chunk.clone(), (sums, pitch), packed);
        if chunk.end == self.right.padded_depth() {
            self.write_side(rows, sums);
        }
    }

    /// The side product of some rows where they are, all their depths: half a panel at a time, over those depths where
    /// it is not zero.
    pub(super) fn beside(
        &self,
        rows: Range<usize>,
        (own, half): Own<'_, E>,
        side: &Panels<E>,
        sums: &mut [f32],
    ) {
        let (a_pitch, c_pitch) = (self.left.pitch, self.side_pitch());
        sums.fill(0.0);
        for index in 0..side.columns().div_ceil(HALF) {
            let depths = side.inside(index);
            if depths.is_empty() {
                continue;
            }
            let column = index * HALF;
            let b = &side.panel(column / WIDTH)[depths.start * WIDTH..depths.end * WIDTH];
            let b = &b[column % WIDTH..];
            for first in (0..rows.len()).step_by(self.tile.rows) {
                let work = Work {
                    a: own[(rows.start + first) * a_pitch + depths.start..].as_ptr(),
                    a_pitch,
                    a_step: STEP,
                    rows: self.tile.rows.min(rows.len() - first),
                    b: b.as_ptr(),
                    depth: depths.len(),
                    then: Then::NONE,
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
                    half(work);
                }
            }
        }
        self.write_side(rows, sums);
    }

    /// Writes the side product of some rows to the output's last columns.
    fn write_side(&self, rows: Range<usize>, sums: &[f32]) {
        let columns = self.right.depth() - self.left.columns;
        for (row, sums) in rows.zip(sums.chunks_exact(self.side_pitch())) {
            // SAFETY: the last columns of these rows; only this task writes them.
            #[expect(unsafe_code, reason = "a place in the shared output")]
            unsafe {
                self.out.at(row * self.pitch + self.right.columns()).write(&sums[..columns]);
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
