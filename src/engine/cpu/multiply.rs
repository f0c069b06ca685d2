//! The large product: rows of activations times [`Panels`], with a low-rank side product folded in.
//!
//! With a side operand `L` of `c` columns, `u = x L` is computed first, and its columns follow those of
//! `x`, so that one product with a right operand of `depth + c` depths gives `x W + u M`: an
//! adapter costs no pass of its own over the output. `u` is left in the output's last columns.
//!
//! Kernels in bf16 get rows rounded and packed, `u` beside them; those in f32 read both where they are.

mod cells;
mod left;
mod lend;
mod out;
mod right;
mod way;

use std::ops::Range;

use rayon::prelude::*;

use cells::Cells;
use left::{Left, Own, Piece};
use lend::Lent;
use out::{Buffer, Out, narrow_tile};
pub(in crate::engine) use right::Right;
use way::Way;

use super::ahead;
use super::kernel::{Kernel, kernel};
pub(in crate::engine) use super::panels::Rows;
use super::panels::{Panels, WIDTH};
pub(in crate::engine) use super::small::{LeftRows, small, small_add};
use super::team::Together as _;
pub(in crate::engine) use super::tile::Multiplied;
use super::tile::{STEP, Tile, Work};
use super::values::{Values, ValuesMut};

/// Values of rows that a task makes ready.
const PACKED: usize = 1 << 15;

/// `out[.., ..n] = left right`, and with `side` the output's next columns are `left side`.
///
/// `right` has `left.columns` depths, and below them one for each column of `side`. Rows of `out`
/// lie `pitch` apart; with `add`, the product is added to what is there (`left side` is not; only in
/// f32). Values of an output in bf16 are rounded once.
/// Runs on the current rayon pool; a result depends on sizes and kernel only.
pub(in crate::engine) fn multiply<E: Multiplied>(
    left: Rows<'_>,
    side: Option<&Panels<E>>,
    right: &Panels<E>,
    (out, pitch): (ValuesMut<'_>, usize),
    add: bool,
) {
    run(kernel(), left, side, Right::Ready(right), (out, pitch), add);
}

/// [`multiply`] with an operand that may still lie apart, to the same bits.
pub(in crate::engine) fn multiply_right<E: Multiplied>(
    left: Rows<'_>,
    side: Option<&Panels<E>>,
    right: Right<'_, E>,
    (out, pitch): (ValuesMut<'_>, usize),
) {
    run(kernel(), left, side, right, (out, pitch), false);
}

fn run<E: Multiplied>(
    kernel: Kernel,
    left: Rows<'_>,
    side: Option<&Panels<E>>,
    right: Right<'_, E>,
    (out, pitch): (ValuesMut<'_>, usize),
    add: bool,
) {
    let side_columns = side.map_or(0, Panels::columns);
    assert_eq!(left.columns + side_columns, right.depth(), "depth");
    assert!(side.is_none_or(|side| side.depth() == left.columns), "depth of the side operand");
    assert!(right.columns() + side_columns <= pitch, "columns");
    if left.count == 0 || right.columns() == 0 {
        return;
    }
    assert!((left.count - 1) * left.pitch + left.columns <= left.data.len(), "left rows");
    assert!((left.count - 1) * pitch + right.columns() + side_columns <= out.len(), "out rows");
    let tile = E::tile(kernel);
    let way = right.way(kernel, left.count, out.is_half());
    let out = match out {
        ValuesMut::Full(out) => Out::Full(out.as_mut_ptr()),
        ValuesMut::Half(out) => Out::Half(out.as_mut_ptr()),
    };
    assert!(!add || matches!(out, Out::Full(_)), "sums are kept in f32");
    let own = tile.half.and_then(|half| Some((E::own(left.data)?, half)));
    let job = Job { left, own, side, right, tile, out, pitch, add, way };
    for first in (0..left.count).step_by(way.round) {
        job.round(first..(first + way.round).min(left.count));
    }
}

/// A product.
struct Job<'a, E> {
    left: Rows<'a>,
    /// Where rows need not be made ready.
    own: Option<Own<'a, E>>,
    side: Option<&'a Panels<E>>,
    right: Right<'a, E>,
    tile: Tile<E>,
    out: Out,
    pitch: usize,
    add: bool,
    way: Way,
}

impl<E: Multiplied> Job<'_, E> {
    /// Columns of the side product's sums.
    fn side_pitch(&self) -> usize {
        self.side.map_or(0, |side| side.columns().next_multiple_of(WIDTH)).max(1)
    }

    /// Computes some rows: those made ready, blocks of them are multiplied with a few panels at a time. A thread
    /// that is done with its own goes on with another's, since cores are not always equally fast.
    fn round(&self, rows: Range<usize>) {
        let (padded, pitch, most) = (self.right.padded_depth(), self.side_pitch(), self.way.chunk);
        let count = rows.len().next_multiple_of(self.tile.rows);
        let mut buffer = Lent::rows();
        let packed = if self.own.is_some() { 0 } else { count * most };
        let (packed, sums) = buffer.views::<E>(packed, count * pitch);
        let slices =
            |columns: usize| (PACKED / columns.max(1)).max(1).next_multiple_of(self.tile.rows);
        if let (Some(own), Some(side)) = (self.own, self.side) {
            let slice = slices(self.left.columns);
            sums.par_chunks_mut(slice * pitch).enumerate().together(|(index, sums)| {
                let first = rows.start + index * slice;
                self.beside(first..(first + slice).min(rows.end), own, side, sums);
            });
        }
        for start in (0..padded).step_by(most) {
            let chunk = start..(start + most).min(padded);
            if let Some((own, _)) = self.own {
                let side = E::own(Values::Full(sums)).unwrap_or_default();
                self.panels(rows.clone(), chunk, Left::Own(own, side));
                continue;
            }
            let packed = &mut packed[..count * chunk.len()];
            let slice = slices(chunk.len());
            let slices = packed.par_chunks_mut(slice * chunk.len());
            let slices = slices.zip(sums.par_chunks_mut(slice * pitch)).enumerate();
            slices.together(|(index, (packed, sums))| {
                let first = rows.start + index * slice;
                self.ready(first..(first + slice).min(rows.end), chunk.clone(), packed, sums);
            });
            self.panels(rows.clone(), chunk, Left::Packed(packed));
        }
    }

    /// Multiplies depths `chunk` of some rows, which are ready, with all panels.
    fn panels(&self, rows: Range<usize>, chunk: Range<usize>, left: Left<'_, E>) {
        let Way { block, group, .. } = self.way;
        let panels = self.right.columns().div_ceil(WIDTH);
        let (blocks, groups) = (rows.len().div_ceil(block), panels.div_ceil(group));
        let multiply = |block: usize, (index, panel): (usize, &[E]), next: &[E]| {
            self.block(rows.clone(), block, chunk.clone(), left, (index, panel, next));
        };
        match &self.right {
            Right::Ready(right) => {
                let part = |index| &right.panel(index)[chunk.start * WIDTH..chunk.end * WIDTH];
                // Threads stay at their rows.
                (0..blocks * groups).into_par_iter().with_max_len(1).together(|task| {
                    let (block, first) = (task / groups, task % groups * group);
                    let end = panels.min(first + group);
                    (self.tile.begin)();
                    for index in first..end {
                        let next = if index + 1 < end { part(index + 1) } else { &[] };
                        multiply(block, (index, part(index)), next);
                    }
                    (self.tile.end)();
                });
            }
            Right::Apart(right) => {
                let cells = Cells::new(*right, chunk.clone(), &self.way, blocks);
                // Threads stay at their panels.
                (0..cells.tasks()).into_par_iter().with_max_len(1).together(|task| {
                    cells.with(task, |block, these, laid| {
                        (self.tile.begin)();
                        for (index, panel) in these.zip(laid.chunks_exact(chunk.len() * WIDTH)) {
                            multiply(block, (index, panel), &[]);
                        }
                        (self.tile.end)();
                    });
                });
            }
        }
    }

    /// A block of rows times one panel over the depths of a chunk.
    fn block(
        &self,
        rows: Range<usize>,
        block: usize,
        chunk: Range<usize>,
        left: Left<'_, E>,
        (index, panel, next): (usize, &[E], &[E]),
    ) {
        let first = rows.start + block * self.way.block;
        let count = self.way.block.min(rows.end - first);
        // SAFETY: the first row of the block lies within the output.
        #[expect(unsafe_code, reason = "a place in the shared output")]
        let out = unsafe { self.out.at(first * self.pitch) };
        self.tiles(
            self.pieces(left, (rows.start, first), chunk.clone()),
            (panel, next),
            count,
            (out, self.pitch, index * WIDTH, self.right.columns()),
            self.add || chunk.start > 0,
        );
    }

    /// All rows of one panel over the depths of a chunk, those of one piece after the other's. The `next` one is in
    /// memory, from where it would come too slowly: each tile asks for its part of it.
    fn tiles(
        &self,
        [left, then]: [Piece<'_, E>; 2],
        (panel, next): (&[E], &[E]),
        count: usize,
        (out, c_pitch, column, columns): (Out, usize, usize, usize),
        add: bool,
    ) {
        debug_assert_eq!(panel.len(), (left.depth + then.depth) * WIDTH, "depth");
        let width = WIDTH.min(columns - column);
        let mut buffer = Buffer([0.0; 32 * WIDTH]);
        let mut parts = next.chunks(next.len().div_ceil(count.div_ceil(self.tile.rows)).max(1));
        for first in (0..count).step_by(self.tile.rows) {
            let rows = self.tile.rows.min(count - first);
            let asked = parts.next().unwrap_or(panel);
            if !self.tile.blocked && !next.is_empty() {
                ahead::far(asked);
            }
            let (a_pitch, a_step) =
                if self.tile.blocked { (STEP, STEP * self.tile.rows) } else { (left.pitch, STEP) };
            let mut work = Work {
                a: left.rows[first * left.pitch..].as_ptr(),
                a_pitch,
                a_step,
                rows,
                b: panel.as_ptr(),
                depth: left.depth,
                then: then.at(first),
                c: std::ptr::null_mut(),
                c_pitch,
                add,
                ahead: asked.as_ptr(),
            };
            #[expect(unsafe_code, reason = "kernels write to this task's part of the output")]
            // SAFETY: rows `first..first + rows` and columns `column..column + width` are this
            // task's; whole tiles go there directly, others through a buffer of a whole tile. Packed rows are padded for
            // kernels that read whole tiles, and depths are padded; rows as they are go to kernels that read no others.
            unsafe {
                let place = out.at(first * c_pitch + column);
                if let Out::Full(c) = place {
                    if width == WIDTH && (rows == self.tile.rows || !self.tile.blocked) {
                        work.c = c;
                        (self.tile.run)(work);
                        continue;
                    }
                    if add {
                        for (r, row) in buffer.0.chunks_exact_mut(WIDTH).enumerate().take(rows) {
                            let from = c.add(r * c_pitch);
                            std::ptr::copy_nonoverlapping(from, row.as_mut_ptr(), width);
                        }
                    }
                }
                work.c = buffer.0.as_mut_ptr();
                work.c_pitch = WIDTH;
                (self.tile.run)(work);
                match place {
                    Out::Full(c) => {
                        for (r, row) in buffer.0.chunks_exact(WIDTH).enumerate().take(rows) {
                            let to = c.add(r * c_pitch);
                            std::ptr::copy_nonoverlapping(row.as_ptr(), to, width);
                        }
                    }
                    Out::Half(c) => narrow_tile(&buffer.0, rows, width, c, c_pitch),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
