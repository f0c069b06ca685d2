//! Right operands of large products, laid out as the tile kernels read them.
//!
//! A matrix `[depth, columns]` is cut into panels of [`WIDTH`] columns. A panel holds, for each
//! group of depths (one value in f32, a pair in bf16), the group of each column side by side:
//! `[depth / group][WIDTH][group]`. Columns and depth are padded with zeros.

use std::cell::RefCell;

use half::bf16;
use rayon::prelude::*;

use super::shared::Shared;
use super::turn;
use super::values::Values;
use super::vector::vectorized;

/// Columns of a panel.
pub(in crate::engine) const WIDTH: usize = 32;
/// Depths that one task of [`Panels::fill_depths`] lays out.
const DEPTHS: usize = 64;

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
}

/// A number that products are computed in.
pub(in crate::engine) trait Element:
    Copy + Default + Send + Sync + PartialEq + std::fmt::Debug + 'static
{
    /// Neighbours along the depth that lie side by side in a panel.
    const GROUP: usize;
    /// Depths are padded to a multiple of it.
    const STEP: usize;
    /// Depths multiplied before sums are stored and loaded again.
    const CHUNK: usize;

    /// Rounds to nearest.
    fn narrow(from: &[f32], to: &mut [Self]);

    /// Rounds one value to nearest.
    fn one(value: f32) -> Self;

    /// The same value in f32.
    fn widen(self) -> f32;

    /// Takes values as they are, or rounds them.
    fn take(from: Values<'_>, to: &mut [Self]);

    /// Rounds a group of depths (`b` is the second of a pair) and lays their columns side by side.
    fn lay(a: &[f32], b: &[f32], to: &mut [Self]);

    /// [`Self::lay`] for rows of many panels, whose places lie `stride` values apart.
    fn lay_rows(a: Values<'_>, b: Values<'_>, to: &mut [Self], stride: usize);

    /// Lays [`WIDTH`] rows of `pitch` values out as a panel.
    fn turn(rows: &[Self], pitch: usize, panel: &mut [Self]);

    /// The first `depth` depths of a panel as [`WIDTH`] rows of `pitch` values.
    fn turn_back(panel: &[Self], depth: usize, rows: &mut [Self], pitch: usize);
}

impl Element for f32 {
    const GROUP: usize = 1;
    const STEP: usize = 1;
    /// A panel of so many depths stays in the first-level cache beside the rows.
    const CHUNK: usize = 320;

    fn narrow(from: &[f32], to: &mut [Self]) {
        to.copy_from_slice(from);
    }

    #[expect(clippy::inline_always, reason = "takes on the caller's target features")]
    #[inline(always)]
    fn one(value: f32) -> Self {
        value
    }

    #[expect(clippy::inline_always, reason = "takes on the caller's target features")]
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    fn take(from: Values<'_>, to: &mut [Self]) {
        match from {
            Values::Full(from) => to.copy_from_slice(from),
            Values::Half(from) => widen(from, to),
        }
    }

    fn lay(a: &[f32], _: &[f32], to: &mut [Self]) {
        to.copy_from_slice(a);
    }

    fn lay_rows(a: Values<'_>, _: Values<'_>, to: &mut [Self], stride: usize) {
        for (panel, to) in to.chunks_mut(stride).enumerate() {
            let columns = panel * WIDTH..((panel + 1) * WIDTH).min(a.len());
            if columns.is_empty() {
                break;
            }
            Self::take(a.part(columns.clone()), &mut to[..columns.len()]);
        }
    }

    #[expect(unsafe_code, reason = "numbers moved as words")]
    fn turn(rows: &[Self], pitch: usize, panel: &mut [Self]) {
        // SAFETY: f32 and u32 have one size and alignment, and every bit pattern is both.
        let (rows, panel) = unsafe {
            (
                std::slice::from_raw_parts(rows.as_ptr().cast::<u32>(), rows.len()),
                std::slice::from_raw_parts_mut(panel.as_mut_ptr().cast::<u32>(), panel.len()),
            )
        };
        turn::words(rows, pitch, panel);
    }

    #[expect(unsafe_code, reason = "numbers moved as words")]
    fn turn_back(panel: &[Self], depth: usize, rows: &mut [Self], pitch: usize) {
        // SAFETY: as in `turn`.
        let (panel, rows) = unsafe {
            (
                std::slice::from_raw_parts(panel.as_ptr().cast::<u32>(), panel.len()),
                std::slice::from_raw_parts_mut(rows.as_mut_ptr().cast::<u32>(), rows.len()),
            )
        };
        turn::back(panel, depth, rows, pitch);
    }
}

impl Element for bf16 {
    const GROUP: usize = 2;
    const STEP: usize = 32;
    /// Tiles load and store sums slowly, so as few chunks as the second-level cache allows.
    const CHUNK: usize = 1792;

    fn narrow(from: &[f32], to: &mut [Self]) {
        narrow(from, to);
    }

    #[expect(clippy::inline_always, reason = "takes on the caller's target features")]
    #[inline(always)]
    fn one(value: f32) -> Self {
        round(value)
    }

    #[expect(clippy::inline_always, reason = "takes on the caller's target features")]
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    fn take(from: Values<'_>, to: &mut [Self]) {
        match from {
            Values::Full(from) => narrow(from, to),
            Values::Half(from) => to.copy_from_slice(from),
        }
    }

    fn lay(a: &[f32], b: &[f32], to: &mut [Self]) {
        lay_pairs(a, b, words(to));
    }

    fn lay_rows(a: Values<'_>, b: Values<'_>, to: &mut [Self], stride: usize) {
        let (to, stride) = (words(to), stride / 2);
        match (a, b) {
            (Values::Full(a), Values::Full(b)) => lay_full_rows(a, b, to, stride),
            (Values::Half(a), Values::Half(b)) => lay_half_rows(a, b, to, stride),
            _ => unreachable!("rows of one operand are of one kind"),
        }
    }

    #[expect(unsafe_code, reason = "pairs read as words")]
    fn turn(rows: &[Self], pitch: usize, panel: &mut [Self]) {
        // SAFETY: a pair has the size of a word, and every bit pattern is one; the parts before and
        // after aligned words are checked to be empty.
        let (before, rows, after) = unsafe { rows.align_to::<u32>() };
        assert!(before.is_empty() && after.is_empty(), "rows begin at whole words");
        turn::words(rows, pitch / 2, words(panel));
    }

    #[expect(unsafe_code, reason = "pairs read as words")]
    fn turn_back(panel: &[Self], depth: usize, rows: &mut [Self], pitch: usize) {
        // SAFETY: as in `turn`.
        let (before, panel, after) = unsafe { panel.align_to::<u32>() };
        assert!(before.is_empty() && after.is_empty(), "panels hold whole words");
        turn::back(panel, depth / 2, words(rows), pitch / 2);
    }
}

/// Pairs as words.
#[expect(unsafe_code, reason = "pairs written as words")]
pub(in crate::engine) fn words(pairs: &mut [bf16]) -> &mut [u32] {
    // SAFETY: as in `turn`.
    let (before, words, after) = unsafe { pairs.align_to_mut::<u32>() };
    assert!(before.is_empty() && after.is_empty(), "panels hold whole words");
    words
}

vectorized! {
    /// The low half of each word is `a`, the high half `b`, rounded to nearest, ties to even.
    fn lay_pairs(a: &[f32], b: &[f32], to: &mut [u32]) {
        for ((a, b), to) in a.iter().zip(b).zip(to) {
            let (a, b) = (a.to_bits(), b.to_bits());
            let a = a.wrapping_add(0x7fff + ((a >> 16) & 1)) >> 16;
            let b = b.wrapping_add(0x7fff + ((b >> 16) & 1)) & 0xffff_0000;
            *to = a | b;
        }
    }
}

vectorized! {
    /// Pairs of two rows into panels whose words lie `stride` apart.
    fn lay_full_rows(a: &[f32], b: &[f32], to: &mut [u32], stride: usize) {
        for ((a, b), to) in a.chunks(WIDTH).zip(b.chunks(WIDTH)).zip(to.chunks_mut(stride)) {
            for ((a, b), to) in a.iter().zip(b).zip(to) {
                *to = u32::from(round(*a).to_bits()) | u32::from(round(*b).to_bits()) << 16;
            }
        }
    }
}

vectorized! {
    /// As above, of rows that are rounded already.
    fn lay_half_rows(a: &[bf16], b: &[bf16], to: &mut [u32], stride: usize) {
        for ((a, b), to) in a.chunks(WIDTH).zip(b.chunks(WIDTH)).zip(to.chunks_mut(stride)) {
            for ((a, b), to) in a.iter().zip(b).zip(to) {
                *to = u32::from(a.to_bits()) | u32::from(b.to_bits()) << 16;
            }
        }
    }
}

vectorized! {
    /// Rounds to nearest, ties to even.
    fn narrow(from: &[f32], to: &mut [bf16]) {
        for (from, to) in from.iter().zip(to) {
            *to = round(*from);
        }
    }
}

vectorized! {
    /// The same values in f32.
    pub(in crate::engine) fn widen(from: &[bf16], to: &mut [f32]) {
        for (from, to) in from.iter().zip(to) {
            *to = from.widen();
        }
    }
}

/// To nearest, ties to even; a NaN that would round to infinity is not met here, as products of finite
/// values are checked before they are used.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
pub(in crate::engine) fn round(value: f32) -> bf16 {
    let bits = value.to_bits();
    bf16::from_bits((bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16)
}

/// 64 bytes, so that panels and packed rows start at cache lines.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A buffer that starts at a cache line and grows as needed.
#[derive(Debug, Default)]
pub(in crate::engine) struct Aligned<E> {
    lines: Vec<Line>,
    element: std::marker::PhantomData<E>,
}

impl<E: Element> Aligned<E> {
    /// The first `len` values, whatever they are.
    #[expect(unsafe_code, reason = "a view of plain numbers on aligned bytes")]
    pub(in crate::engine) fn fit(&mut self, len: usize) -> &mut [E] {
        let lines = (len * size_of::<E>()).div_ceil(size_of::<Line>());
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; 64]));
        }
        // SAFETY: the lines are initialized, aligned for E, and hold `len` values; every bit
        // pattern is a number.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), len) }
    }

    /// Bytes held.
    #[cfg(test)]
    pub(in crate::engine) fn bytes(&self) -> usize {
        self.lines.len() * size_of::<Line>()
    }

    /// The first `len` values that [`Self::fit`] gave before.
    #[expect(unsafe_code, reason = "a view of plain numbers on aligned bytes")]
    pub(in crate::engine) fn get(&self, len: usize) -> &[E] {
        assert!(len * size_of::<E>() <= self.lines.len() * size_of::<Line>());
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), len) }
    }
}

/// A thread's buffer for packed rows and sums beside them.
#[derive(Debug, Default)]
pub(in crate::engine) struct Scratch {
    lines: Vec<Line>,
}

impl Scratch {
    /// `elements` values and `sums` values, whatever they are, both from cache lines on.
    #[expect(unsafe_code, reason = "views of plain numbers on aligned bytes")]
    pub(in crate::engine) fn views<E: Element>(
        &mut self,
        elements: usize,
        sums: usize,
    ) -> (&mut [E], &mut [f32]) {
        let first = (elements * size_of::<E>()).div_ceil(size_of::<Line>());
        let second = (sums * size_of::<f32>()).div_ceil(size_of::<Line>());
        if self.lines.len() < first + second {
            self.lines.resize(first + second, Line([0; 64]));
        }
        let (elements_at, sums_at) = self.lines.split_at_mut(first);
        // SAFETY: the lines are initialized, aligned for both, and hold as many values; every bit
        // pattern is a number; the two parts do not overlap.
        unsafe {
            (
                std::slice::from_raw_parts_mut(elements_at.as_mut_ptr().cast(), elements),
                std::slice::from_raw_parts_mut(sums_at.as_mut_ptr().cast(), sums),
            )
        }
    }
}

/// A right operand.
#[derive(Debug, Default)]
pub(in crate::engine) struct Panels<E> {
    data: Aligned<E>,
    depth: usize,
    columns: usize,
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

    /// Depth with padding.
    pub(in crate::engine) fn padded_depth(&self) -> usize {
        self.depth.next_multiple_of(E::STEP)
    }

    fn resize(&mut self, depth: usize, columns: usize) -> &mut [E] {
        (self.depth, self.columns) = (depth, columns);
        let size = self.count() * self.padded_depth() * WIDTH;
        self.data.fit(size)
    }

    /// Fills from a matrix whose rows are the columns of this operand: `row(n, out)` writes row
    /// `n`, `depth` values.
    pub(in crate::engine) fn fill_columns(
        &mut self,
        depth: usize,
        columns: usize,
        row: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let pitch = depth.next_multiple_of(E::STEP);
        let data = self.resize(depth, columns);
        data.par_chunks_exact_mut((pitch * WIDTH).max(1)).enumerate().for_each(|(index, panel)| {
            with_scratch(|scratch| {
                let (rows, wide) = scratch.views::<E>(WIDTH * pitch, depth);
                for (n, narrow) in (index * WIDTH..).zip(rows.chunks_exact_mut(pitch)) {
                    let (narrow, rest) = narrow.split_at_mut(depth);
                    rest.fill(E::default());
                    if n < columns {
                        row(n, wide);
                        E::narrow(wide, narrow);
                    } else {
                        narrow.fill(E::default());
                    }
                }
                E::turn(rows, pitch, panel);
            });
        });
    }

    /// Fills from a matrix whose rows are the depths of this operand: `row(k, out)` writes row `k`,
    /// `columns` values.
    pub(in crate::engine) fn fill_depths(
        &mut self,
        depth: usize,
        columns: usize,
        row: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let padded = depth.next_multiple_of(E::STEP);
        let data = Shared::new(self.resize(depth, columns));
        (0..padded.div_ceil(DEPTHS)).into_par_iter().for_each(|task| {
            with_scratch(|scratch| {
                let width = columns.next_multiple_of(WIDTH);
                let (_, wide) = scratch.views::<E>(0, 2 * width);
                let (a, b) = wide.split_at_mut(width);
                for k in (task * DEPTHS..padded.min((task + 1) * DEPTHS)).step_by(E::GROUP) {
                    for (i, wide) in [&mut *a, &mut *b].into_iter().take(E::GROUP).enumerate() {
                        let (inside, rest) = wide.split_at_mut(columns);
                        rest.fill(0.0);
                        if k + i < depth {
                            row(k + i, inside);
                        } else {
                            inside.fill(0.0);
                        }
                    }
                    lay_depths(a, b, k, padded, |at, len| {
                        // SAFETY: depths from k on belong to this task, in every panel.
                        #[expect(unsafe_code, reason = "tasks write to places of their own")]
                        unsafe {
                            data.part(at, len)
                        }
                    });
                }
            });
        });
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

/// Lays a group of depths, from `k` on, into all panels; `place(at, len)` gives a part of them.
fn lay_depths<'a, E: Element>(
    a: &[f32],
    b: &[f32],
    k: usize,
    padded: usize,
    place: impl Fn(usize, usize) -> &'a mut [E],
) {
    for (panel, (a, b)) in a.chunks_exact(WIDTH).zip(b.chunks_exact(WIDTH)).enumerate() {
        E::lay(a, b, place((panel * padded + k) * WIDTH, E::GROUP * WIDTH));
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
    use super::*;

    fn check<E: Element>() {
        let (depth, columns) = (70, 101);
        let value = |k: usize, n: usize| ((k * 131 + n * 17) % 251) as f32;
        let mut by_column = Panels::<E>::default();
        by_column.fill_columns(depth, columns, |n, out| {
            (0..depth).for_each(|k| out[k] = value(k, n));
        });
        let mut by_depth = Panels::<E>::default();
        by_depth.fill_depths(depth, columns, |k, out| {
            for (n, out) in out.iter_mut().enumerate() {
                *out = value(k, n);
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
    fn both_ways_of_filling_agree_with_the_definition() {
        check::<f32>();
        check::<bf16>();
    }

    #[test]
    fn narrowing_rounds_as_the_half_crate_does() {
        let mut bits = 0x0080_0001u32;
        let mut values = Vec::new();
        while bits < 0x7f80_0000 {
            values.extend([f32::from_bits(bits), -f32::from_bits(bits)]);
            bits += 0x0003_1337;
        }
        values.extend([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, 1.5]);
        let mut narrowed = vec![bf16::ZERO; values.len()];
        bf16::narrow(&values, &mut narrowed);
        for (value, narrowed) in values.iter().zip(&narrowed) {
            assert_eq!(narrowed.to_bits(), bf16::from_f32(*value).to_bits(), "{value:e}");
        }
        let mut nan = [bf16::ZERO];
        bf16::narrow(&[f32::NAN], &mut nan);
        assert!(nan[0].is_nan());
    }
}
