//! Right operands of large products, laid out as the tile kernels read them.
//!
//! A matrix `[depth, columns]` is cut into panels of [`WIDTH`] columns. A panel holds, for each
//! group of depths (one value in f32, a pair in bf16), the group of each column side by side:
//! `[depth / group][WIDTH][group]`. Columns and depth are padded with zeros.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::ahead;
use super::aligned::{Aligned, Scratch};
pub(in crate::engine) use super::element::{Element, widen, words};
use super::shared::Shared;
use super::team::Together as _;
use super::tile::HALF;
use super::values::Values;

/// Columns of a panel.
pub(in crate::engine) const WIDTH: usize = 32;
/// Depths that one task of [`Panels::fill_depths`] lays out, at most and at least.
const DEPTHS: (usize, usize) = (64, 16);
/// Depths of a panel that one task of [`Panels::fill_columns`] lays out are a multiple of it: blocks of codes are whole.
const PART: usize = 64;

/// Rows of values `pitch` apart.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Rows<'a> {
    pub(in crate::engine) data: Values<'a>,
    pub(in crate::engine) count: usize,
    pub(in crate::engine) columns: usize,
    pub(in crate::engine) pitch: usize,
}

impl<'a> Rows<'a> {
    /// One row.
    pub(in crate::engine) fn row(&self, index: usize) -> Values<'a> {
        let first = index * self.pitch;
        self.data.part(first..first + self.columns)
    }

    /// Asks for the row that comes some rows after one that is about to be read: where rows lie apart, nothing else
    /// reads ahead from one to the next.
    pub(in crate::engine) fn ask_after(&self, index: usize) {
        if self.pitch > self.columns && index + ahead::ROWS < self.count {
            self.row(index + ahead::ROWS).ask();
        }
    }
}

/// A right operand.
#[derive(Debug, Default)]
pub(in crate::engine) struct Panels<E> {
    data: Aligned<E>,
    depth: usize,
    columns: usize,
    /// See [`Self::set_inside`].
    inside: Vec<Range<usize>>,
}

impl<E: Element> Panels<E> {
    /// Depth without padding.
    pub(in crate::engine) fn depth(&self) -> usize {
        self.depth
    }

    /// Columns without padding.
    pub(in crate::engine) fn columns(&self) -> usize {
        self.columns
    }

    /// Panels of [`WIDTH`] columns; the last may be partly padding.
    pub(in crate::engine) fn count(&self) -> usize {
        self.columns.div_ceil(WIDTH)
    }

    /// One panel.
    pub(in crate::engine) fn panel(&self, index: usize) -> &[E] {
        let size = self.padded_depth() * WIDTH;
        &self.data.get(self.count() * size)[index * size..][..size]
    }

    /// Tells of each `width` columns that they are zero outside of a range of depths, until panels are filled anew.
    /// A product may then leave those out.
    pub(in crate::engine) fn set_inside(&mut self, width: usize, inside: &[Range<usize>]) {
        assert!(inside.len() * width == self.columns, "ranges of columns");
        assert!(inside.iter().all(|depths| depths.end <= self.depth), "ranges of depths");
        // Kept for each half of a panel.
        self.inside = (0..self.columns)
            .step_by(HALF)
            .map(|first| {
                let last = self.columns.min(first + HALF) - 1;
                let ranges = &inside[first / width..=last / width];
                let start = ranges.iter().map(|depths| depths.start).min();
                let end = ranges.iter().map(|depths| depths.end).max();
                start.unwrap_or(0)..end.unwrap_or(self.depth)
            })
            .collect();
    }

    /// Depths, padded, outside of which [`HALF`] columns from `half * HALF` on are known to be zero.
    pub(in crate::engine) fn inside(&self, half: usize) -> Range<usize> {
        let padded = self.padded_depth();
        self.inside.get(half).map_or(0..padded, |depths| {
            depths.start / E::STEP * E::STEP..depths.end.next_multiple_of(E::STEP).min(padded)
        })
    }

    /// Depth with padding.
    pub(in crate::engine) fn padded_depth(&self) -> usize {
        self.depth.next_multiple_of(E::STEP)
    }

    fn resize(&mut self, depth: usize, columns: usize) -> &mut [E] {
        (self.depth, self.columns) = (depth, columns);
        self.inside.clear();
        let size = self.count() * self.padded_depth() * WIDTH;
        self.data.fit(size)
    }

    /// Fills from a matrix whose rows are the columns of this operand: `part(n, k, out)` writes values of row `n` from
    /// depth `k` on, rounded.
    pub(in crate::engine) fn fill_columns(
        &mut self,
        depth: usize,
        columns: usize,
        part: impl Fn(usize, usize, &mut [E]) + Sync,
    ) {
        let padded = depth.next_multiple_of(E::STEP);
        let data = Shared::new(self.resize(depth, columns));
        // Where there are few panels for many threads, parts of them, so that threads end together.
        let panels = columns.div_ceil(WIDTH);
        let parts = (4 * rayon::current_num_threads()).div_ceil(panels.max(1));
        let each = padded.div_ceil(parts).next_multiple_of(PART).clamp(1, padded.max(1));
        let parts = padded.div_ceil(each);
        (0..panels * parts).into_par_iter().together(|task| {
            let (panel, first) = (task / parts, task % parts * each);
            let depths = first..padded.min(first + each);
            let at = (panel * padded + first) * WIDTH;
            // SAFETY: these depths of this panel belong to this task.
            #[expect(unsafe_code, reason = "tasks write to places of their own")]
            let to = unsafe { data.part(at, depths.len() * WIDTH) };
            Self::lay_columns((depth, columns), (panel..panel + 1, depths), &part, to);
        });
    }

    /// Some depths of some panels of what [`Self::fill_columns`] fills, one panel after the other, on this thread.
    /// `part(n, k, out)` writes values of row `n` from depth `k` on.
    pub(super) fn lay_columns(
        (depth, columns): (usize, usize),
        (panels, depths): (Range<usize>, Range<usize>),
        part: impl Fn(usize, usize, &mut [E]),
        to: &mut [E],
    ) {
        let pitch = depths.len().next_multiple_of(E::STEP);
        let inside = depth.min(depths.end) - depths.start;
        with_scratch(|scratch| {
            let (rows, _) = scratch.views::<E>(WIDTH * pitch, 0);
            for (index, panel) in panels.zip(to.chunks_exact_mut((pitch * WIDTH).max(1))) {
                for (n, to) in (index * WIDTH..).zip(rows.chunks_exact_mut(pitch)) {
                    let (inside, rest) = to.split_at_mut(inside);
                    rest.fill(E::default());
                    if n < columns {
                        part(n, depths.start, inside);
                    } else {
                        inside.fill(E::default());
                    }
                }
                E::turn(rows, pitch, panel);
            }
        });
    }

    /// Fills from a matrix whose rows are the depths of this operand: `row(k, out)` writes row `k`,
    /// `columns` values, rounded.
    pub(in crate::engine) fn fill_depths(
        &mut self,
        depth: usize,
        columns: usize,
        row: impl Fn(usize, &mut [E]) + Sync,
    ) {
        let padded = depth.next_multiple_of(E::STEP);
        let data = Shared::new(self.resize(depth, columns));
        let (most, least) = DEPTHS;
        let each = padded.div_ceil(4 * rayon::current_num_threads());
        let each = each.next_multiple_of(least).min(most);
        (0..padded.div_ceil(each.max(1))).into_par_iter().together(|task| {
            with_scratch(|scratch| {
                let width = columns.next_multiple_of(WIDTH);
                let (rows, _) = scratch.views::<E>(2 * width, 0);
                let (a, b) = rows.split_at_mut(width);
                let end = padded.min((task + 1) * each);
                for k in (task * each..end).step_by(E::GROUP) {
                    Self::group(k, (depth, columns), &row, [&mut *a, &mut *b]);
                    for (panel, first) in (0..width).step_by(WIDTH).enumerate() {
                        let at = (panel * padded + k) * WIDTH;
                        // SAFETY: depths from k on belong to this task, in every panel.
                        #[expect(unsafe_code, reason = "tasks write to places of their own")]
                        let these = unsafe { data.part(at, (end - k) * WIDTH) };
                        let (to, rest) = these.split_at_mut(E::GROUP * WIDTH);
                        let next = to.len().min(rest.len());
                        ahead::owned(&mut rest[..next]);
                        E::lay(&a[first..][..WIDTH], &b[first..][..WIDTH], to);
                    }
                }
            });
        });
    }

    /// Some depths of some panels of what [`Self::fill_depths`] fills, one panel after the other, on this thread.
    /// `part(k, n, out)` writes values of row `k` from column `n` on.
    pub(super) fn lay_depths(
        (depth, columns): (usize, usize),
        (panels, depths): (Range<usize>, Range<usize>),
        part: impl Fn(usize, usize, &mut [E]),
        to: &mut [E],
    ) {
        let pitch = depths.len().next_multiple_of(E::STEP);
        let (first, width) = (panels.start * WIDTH, panels.len() * WIDTH);
        let inside = width.min(columns - first);
        with_scratch(|scratch| {
            let (rows, _) = scratch.views::<E>(2 * width, 0);
            let (a, b) = rows.split_at_mut(width);
            for at in (0..pitch).step_by(E::GROUP) {
                let row = |k: usize, out: &mut [E]| part(k, first, out);
                Self::group(depths.start + at, (depth, inside), row, [&mut *a, &mut *b]);
                let rows = a.chunks_exact(WIDTH).zip(b.chunks_exact(WIDTH));
                for ((a, b), to) in rows.zip(to.chunks_exact_mut(pitch * WIDTH)) {
                    E::lay(a, b, &mut to[at * WIDTH..][..E::GROUP * WIDTH]);
                }
            }
        });
    }

    /// The rows of the group of depths from `k` on: `row(k, out)` writes what lies inside the matrix, the rest is zero.
    fn group(
        k: usize,
        (depth, columns): (usize, usize),
        row: impl Fn(usize, &mut [E]),
        to: [&mut [E]; 2],
    ) {
        for (k, to) in (k..).zip(to).take(E::GROUP) {
            let (inside, rest) = to.split_at_mut(columns);
            rest.fill(E::default());
            if k < depth {
                row(k, inside);
            } else {
                inside.fill(E::default());
            }
        }
    }

    /// Room for `depth` depths of `columns` columns, in panels a stride apart, to be filled whole.
    pub(in crate::engine) fn space(&mut self, depth: usize, columns: usize) -> (&mut [E], usize) {
        let stride = depth.next_multiple_of(E::STEP) * WIDTH;
        (self.resize(depth, columns), stride)
    }

    /// Takes the columns of this operand from rows, on this thread; at least `columns` columns,
    /// zeros beyond the rows.
    pub(in crate::engine) fn set_columns(&mut self, from: Rows<'_>, columns: usize) {
        let depth = from.columns;
        let pitch = depth.next_multiple_of(E::STEP);
        let data = self.resize(depth, columns.max(from.count));
        for (index, panel) in data.chunks_exact_mut((pitch * WIDTH).max(1)).enumerate() {
            with_scratch(|scratch| {
                let (rows, _) = scratch.views::<E>(WIDTH * pitch, 0);
                for (n, narrow) in (index * WIDTH..).zip(rows.chunks_exact_mut(pitch)) {
                    let (narrow, rest) = narrow.split_at_mut(depth);
                    rest.fill(E::default());
                    if n < from.count {
                        E::take(from.row(n), narrow);
                    } else {
                        narrow.fill(E::default());
                    }
                }
                E::turn(rows, pitch, panel);
            });
        }
    }

    /// Takes the depths of this operand from rows, on this thread.
    pub(in crate::engine) fn set_depths(&mut self, from: Rows<'_>) {
        let (depth, columns) = (from.count, from.columns);
        let padded = depth.next_multiple_of(E::STEP);
        let data = self.resize(depth, columns);
        let whole = depth / E::GROUP * E::GROUP;
        for panel in data.chunks_exact_mut((padded * WIDTH).max(1)) {
            panel[whole * WIDTH..].fill(E::default());
        }
        if !columns.is_multiple_of(WIDTH) {
            let last = columns / WIDTH * padded * WIDTH;
            data[last..].fill(E::default());
        }
        let stride = (padded * WIDTH).max(1);
        for k in (0..whole).step_by(E::GROUP) {
            (k..k + E::GROUP).for_each(|k| from.ask_after(k));
            E::lay_rows(from.row(k), from.row(k + E::GROUP - 1), &mut data[k * WIDTH..], stride);
        }
        if whole < depth {
            let last = from.row(whole);
            for n in 0..columns {
                let mut value = [E::default()];
                E::take(last.part(n..n + 1), &mut value);
                data[n / WIDTH * stride + (whole / E::GROUP * WIDTH + n % WIDTH) * E::GROUP] =
                    value[0];
            }
        }
    }
}

/// Lends this thread's buffer for laying out.
fn with_scratch(run: impl FnOnce(&mut Scratch)) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
    }
    SCRATCH.with_borrow_mut(run);
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    fn check<E: Element>() {
        let (depth, columns) = (70, 101);
        let value = |k: usize, n: usize| ((k * 131 + n * 17) % 251) as f32;
        let mut by_column = Panels::<E>::default();
        by_column.fill_columns(depth, columns, |n, first, out| {
            out.iter_mut().zip(first..).for_each(|(out, k)| *out = E::one(value(k, n)));
        });
        let mut by_depth = Panels::<E>::default();
        by_depth.fill_depths(depth, columns, |k, out| {
            for (n, out) in out.iter_mut().enumerate() {
                *out = E::one(value(k, n));
            }
        });
        let deep: Vec<f32> =
            (0..depth * columns).map(|i| value(i / columns, i % columns)).collect();
        let mut alone = Panels::<E>::default();
        alone.set_depths(Rows { data: deep[..].into(), count: depth, columns, pitch: columns });
        let wide: Vec<f32> = (0..depth * columns).map(|i| value(i % depth, i / depth)).collect();
        let mut turned = Panels::<E>::default();
        turned.set_columns(
            Rows { data: wide[..].into(), count: columns, columns: depth, pitch: depth },
            1,
        );
        for panel in 0..by_column.count() {
            for other in [&by_depth, &alone, &turned] {
                assert_eq!(by_column.panel(panel), other.panel(panel), "{panel}");
            }
            for k in 0..by_column.padded_depth() {
                for n in 0..WIDTH {
                    let column = panel * WIDTH + n;
                    let inside = k < depth && column < columns;
                    let mut want = [E::default()];
                    E::narrow(&[if inside { value(k, column) } else { 0.0 }], &mut want);
                    let at = (k / E::GROUP * WIDTH + n) * E::GROUP + k % E::GROUP;
                    assert_eq!(by_depth.panel(panel)[at], want[0], "{k} {n}");
                }
            }
        }
    }

    #[test]
    fn halves_know_the_depths_of_their_columns_until_filled_anew() {
        let mut panels = Panels::<bf16>::default();
        panels.fill_depths(101, 44, |_, out| out.fill(bf16::ONE));
        assert_eq!(panels.inside(1), 0..panels.padded_depth());
        panels.set_inside(11, &[5..40, 0..5, 77..101, 40..77]);
        let step = bf16::STEP;
        let whole = |start: usize, end: usize| start / step * step..end.next_multiple_of(step);
        assert_eq!(
            [0, 1, 2].map(|half| panels.inside(half)),
            [whole(0, 40), whole(0, 101), whole(40, 101)]
        );
        panels.fill_depths(101, 44, |_, out| out.fill(bf16::ONE));
        assert_eq!(panels.inside(1), 0..panels.padded_depth());
    }

    #[test]
    fn all_ways_of_filling_agree_with_the_definition_on_few_threads_and_on_many() {
        for threads in [1, 16] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(check::<f32>);
            pool.install(check::<bf16>);
        }
    }
}
