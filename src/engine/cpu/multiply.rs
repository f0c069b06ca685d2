//! The large product: rows of activations times [`Panels`], with a low-rank side product folded in.
//!
//! With a side operand `L` of `c` columns, `u = x L` is computed first, rounded, and laid beside
//! `x`, so that one product with a right operand of `depth + c` depths gives `x W + u M`: an
//! adapter costs no pass of its own over the output. `u` is left in the output's last columns.

use std::cell::RefCell;

use half::bf16;
use rayon::prelude::*;

use super::cache;
use super::kernel::{Kernel, kernel};
use super::panels::Element as _;
pub(in crate::engine) use super::panels::Rows;
use super::panels::{Panels, Scratch, WIDTH};
use super::rounding;
pub(in crate::engine) use super::small::{LeftRows, small, small_add};
pub(in crate::engine) use super::tile::Multiplied;
use super::tile::{HALF, STEP, Tile, Work};
use super::values::ValuesMut;
use super::vector::vectorized;

/// Columns that one task takes at least, in panels.
const PANELS: usize = 4;

/// Columns of the right operand for each row, from which on rows are few.
const FEW: usize = 4;

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
    multiply_with(kernel(), left, side, right, (out, pitch), add);
}

fn multiply_with<E: Multiplied>(
    kernel: Kernel,
    left: Rows<'_>,
    side: Option<&Panels<E>>,
    right: &Panels<E>,
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
    let out = match out {
        ValuesMut::Full(out) => Out::Full(out.as_mut_ptr()),
        ValuesMut::Half(out) => Out::Half(out.as_mut_ptr()),
    };
    assert!(!add || matches!(out, Out::Full(_)), "sums are kept in f32");
    let tile = E::tile(kernel);
    // Sums in f32 can be stored and taken up again; rounded ones take all depths at once.
    let chunk = match out {
        Out::Full(_) => right.padded_depth().min(tile.chunk),
        Out::Half(_) => right.padded_depth(),
    };
    let job = Job { left, side, right, tile, out, pitch, add, chunk };
    let threads = rayon::current_num_threads();
    // Packed rows stay in the second-level cache, beside panels that stream through it: the more rows
    // a task has, the fewer times the panels are read.
    let bytes = cache::second_level() / 8 * 3;
    let fits = (bytes / (chunk * size_of::<E>())).max(job.tile.rows);
    // Few rows: threads take columns, so that each panel is read by one of them; rows packed by each are
    // little beside that. A side product would be computed by each.
    let columns_first = side.is_none()
        && left.count * FEW <= right.columns()
        && fits >= left.count.next_multiple_of(job.tile.rows);
    // Blocks of one size, as many for each thread.
    let rounds = left.count.div_ceil(threads * fits);
    let block = left.count.div_ceil(threads * rounds).next_multiple_of(job.tile.rows);
    let block = if columns_first { left.count } else { block };
    let blocks = left.count.div_ceil(block);
    // Fewer blocks than threads: threads take columns too.
    let parts = threads.div_ceil(blocks).min(right.count().div_ceil(PANELS)).max(1);
    let panels = right.count().div_ceil(parts);
    (0..blocks * parts).into_par_iter().with_max_len(1).for_each(|task| {
        let (first, panel) = (task / parts * block, task % parts * panels);
        let rows = first..(first + block).min(left.count);
        let panels = panel..(panel + panels).min(right.count());
        if panels.start < panels.end {
            job.run(rows, panels, task % parts == 0);
        }
    });
}

/// Where the output begins; tasks write to different rows and columns of it.
#[derive(Debug, Clone, Copy)]
enum Out {
    Full(*mut f32),
    Half(*mut bf16),
}

impl Out {
    /// The place `count` values on.
    // SAFETY of a call: it lies within the output.
    #[expect(unsafe_code, reason = "a place in the shared output")]
    unsafe fn at(self, count: usize) -> Self {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Self::Full(out) => Self::Full(out.add(count)),
                Self::Half(out) => Self::Half(out.add(count)),
            }
        }
    }

    /// Writes values from here on.
    // SAFETY of a call: as many values as there are in `from` are this task's.
    #[expect(unsafe_code, reason = "a place in the shared output")]
    unsafe fn write(self, from: &[f32]) {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Self::Full(out) => std::ptr::copy_nonoverlapping(from.as_ptr(), out, from.len()),
                Self::Half(out) => {
                    bf16::narrow(from, std::slice::from_raw_parts_mut(out, from.len()));
                }
            }
        }
    }
}

// SAFETY: tasks write to disjoint rows and columns.
#[expect(unsafe_code, reason = "tasks share the output")]
unsafe impl Send for Out {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "tasks share the output")]
unsafe impl Sync for Out {}

/// A tile of sums, at a cache line.
#[repr(C, align(64))]
struct Buffer([f32; 32 * WIDTH]);

vectorized! {
    /// Rounds `rows` rows of `width` values of a tile into rows `pitch` apart, which are the caller's
    /// alone and lie within the output.
    rounding fn narrow_tile(tile: &[f32], rows: usize, width: usize, to: *mut bf16, pitch: usize) {
        for (r, row) in tile.as_chunks::<WIDTH>().0.iter().enumerate().take(rows) {
            // SAFETY: the caller's promise.
            #[expect(unsafe_code, reason = "a place in the shared output")]
            let to = unsafe { std::slice::from_raw_parts_mut(to.add(r * pitch), width) };
            if let Some(to) = to.first_chunk_mut::<WIDTH>() {
                rounding::line::<ROUNDS>(row, to);
            } else {
                for (to, value) in to.iter_mut().zip(row) {
                    *to = rounding::round(*value);
                }
            }
        }
    }
}

struct Job<'a, E> {
    left: Rows<'a>,
    side: Option<&'a Panels<E>>,
    right: &'a Panels<E>,
    tile: Tile<E>,
    out: Out,
    pitch: usize,
    add: bool,
    /// Depths that are packed at a time.
    chunk: usize,
}

impl<E: Multiplied> Job<'_, E> {
    /// Computes some rows of some panels. Tasks that share rows each compute the side product;
    /// one of them writes it.
    fn run(&self, rows: std::ops::Range<usize>, panels: std::ops::Range<usize>, writes: bool) {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
        }
        let side_columns = self.side.map_or(0, Panels::columns);
        let (depth, padded) = (self.left.columns, self.right.padded_depth());
        let chunks = padded.div_ceil(self.chunk.max(1)).max(1);
        let chunk = padded.div_ceil(chunks).next_multiple_of(E::STEP);
        let count = rows.len().next_multiple_of(self.tile.rows);
        // A side product of its own, for tasks other than the one that writes it.
        let own = side_columns.next_multiple_of(WIDTH);
        SCRATCH.with_borrow_mut(|scratch| {
            let (packed, own_side) = scratch.views::<E>(count * chunk, count * own);
            (self.tile.begin)();
            for start in (0..padded).step_by(chunk) {
                let end = (start + chunk).min(padded);
                let own_rows = self.own_rows(rows.start, start..end);
                if own_rows.is_none() {
                    let depths = start.min(depth)..end.min(depth);
                    self.pack(rows.clone(), depths, end - start, packed);
                }
                if let Some((side, half)) = self.side.zip(self.tile.half) {
                    let left = own_rows.unwrap_or((packed, end - start));
                    self.halves(half, left, (side, start..end), rows.len(), (own_side, own));
                    self.lay_side(rows.len(), start..end, (own_side, own), packed);
                } else if let Some(side) = self.side {
                    // The side operand's own padding may end before this chunk does.
                    let last = end.min(side.padded_depth());
                    if start < last {
                        for panel in 0..side.count() {
                            self.tiles(
                                (packed, end - start),
                                (side, panel, start..last),
                                rows.len(),
                                (Out::Full(own_side.as_mut_ptr()), own, panel * WIDTH, own),
                                start > 0,
                            );
                        }
                    }
                    self.lay_side(rows.len(), start..end, (own_side, own), packed);
                }
                for panel in panels.clone() {
                    // SAFETY: the first row of this task lies within the output.
                    #[expect(unsafe_code, reason = "a place in the shared output")]
                    let out = unsafe { self.out.at(rows.start * self.pitch) };
                    self.tiles(
                        own_rows.unwrap_or((packed, end - start)),
                        (self.right, panel, start..end),
                        rows.len(),
                        (out, self.pitch, panel * WIDTH, self.right.columns()),
                        self.add || start > 0,
                    );
                }
            }
            (self.tile.end)();
            if writes && side_columns > 0 {
                for (i, row) in rows.enumerate() {
                    let from = &own_side[i * own..][..side_columns];
                    // SAFETY: the last columns of this task's rows; only this task writes them.
                    #[expect(unsafe_code, reason = "a place in the shared output")]
                    unsafe {
                        self.out.at(row * self.pitch + self.right.columns()).write(from);
                    }
                }
            }
        });
    }

    /// Rows from `first` on as they are in memory, and their pitch, if the kernel can read those depths there.
    fn own_rows(&self, first: usize, depths: std::ops::Range<usize>) -> Option<(&[E], usize)> {
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
        (side, chunk): (&Panels<E>, std::ops::Range<usize>),
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
    fn pack(
        &self,
        rows: std::ops::Range<usize>,
        depths: std::ops::Range<usize>,
        pitch: usize,
        packed: &mut [E],
    ) {
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
        chunk: std::ops::Range<usize>,
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

    /// All rows of one panel over the depths of a chunk.
    fn tiles(
        &self,
        (packed, a_pitch): (&[E], usize),
        (right, panel, depths): (&Panels<E>, usize, std::ops::Range<usize>),
        count: usize,
        (out, c_pitch, column, columns): (Out, usize, usize, usize),
        add: bool,
    ) {
        let b = &right.panel(panel)[depths.start * WIDTH..depths.end * WIDTH];
        let width = WIDTH.min(columns - column);
        let mut buffer = Buffer([0.0; 32 * WIDTH]);
        for first in (0..count).step_by(self.tile.rows) {
            let rows = self.tile.rows.min(count - first);
            let (a_row, a_step) =
                if self.tile.blocked { (STEP, STEP * self.tile.rows) } else { (a_pitch, STEP) };
            let mut work = Work {
                a: packed[first * a_pitch..].as_ptr(),
                a_pitch: a_row,
                a_step,
                rows,
                b: b.as_ptr(),
                depth: depths.len(),
                c: std::ptr::null_mut(),
                c_pitch,
                add,
            };
            #[expect(unsafe_code, reason = "kernels write to this task's part of the output")]
            // SAFETY: rows `first..first + rows` and columns `column..column + width` are this
            // task's; whole tiles go there directly, others through a buffer of a whole tile. Rows are
            // packed and padded for kernels that read whole tiles, and depths are padded.
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
