//! Right operands of large products, laid out as the tile kernels read them.
//!
//! A matrix `[depth, columns]` is cut into panels of [`WIDTH`] columns. A panel holds, for each
//! group of depths (one value in f32, a pair in bf16), the group of each column side by side:
//! `[depth / group][WIDTH][group]`. Columns and depth are padded with zeros.

use half::bf16;
use rayon::prelude::*;

use super::vector::vectorized;

/// Columns of a panel.
pub(in crate::engine) const WIDTH: usize = 32;
/// Columns that [`Panels::fill_depths`] asks for at a time: whole panels and whole NF4 blocks.
const SPAN: usize = 64;
/// Depths that are laid out at a time, so that the reading side stays in the first-level cache.
const STRIP: usize = 64;

/// A number that products are computed in.
pub(in crate::engine) trait Element:
    Copy + Default + Send + Sync + PartialEq + std::fmt::Debug + 'static
{
    /// Neighbours along the depth that lie side by side in a panel.
    const GROUP: usize;
    /// Depths are padded to a multiple of it.
    const STEP: usize;

    /// Rounds to nearest.
    fn narrow(from: &[f32], to: &mut [Self]);
}

impl Element for f32 {
    const GROUP: usize = 1;
    const STEP: usize = 1;

    fn narrow(from: &[f32], to: &mut [Self]) {
        to.copy_from_slice(from);
    }
}

impl Element for bf16 {
    const GROUP: usize = 2;
    const STEP: usize = 32;

    fn narrow(from: &[f32], to: &mut [Self]) {
        narrow(from, to);
    }
}

vectorized! {
    /// Rounds to nearest, ties to even.
    fn narrow(from: &[f32], to: &mut [bf16]) {
        for (from, to) in from.iter().zip(to) {
            let bits = from.to_bits();
            let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
            *to = bf16::from_bits((rounded >> 16) as u16);
        }
    }
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

    /// The first `len` values that [`Self::fit`] gave before.
    #[expect(unsafe_code, reason = "a view of plain numbers on aligned bytes")]
    fn get(&self, len: usize) -> &[E] {
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

    /// Fills from a matrix whose rows are the columns of this operand: `row(n, out)` writes row
    /// `n`, `depth` values.
    pub(in crate::engine) fn fill_columns(
        &mut self,
        depth: usize,
        columns: usize,
        row: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        (self.depth, self.columns) = (depth, columns);
        let size = self.padded_depth() * WIDTH;
        let count = self.count();
        self.data.fit(count * size).par_chunks_exact_mut(size).enumerate().for_each_init(
            || (vec![0.0f32; depth], vec![E::default(); WIDTH * depth.next_multiple_of(E::STEP)]),
            |(wide, rows), (index, panel)| {
                let pitch = panel.len() / WIDTH;
                let first = index * WIDTH;
                for (i, narrow) in rows.chunks_exact_mut(pitch).enumerate() {
                    if first + i < columns {
                        row(first + i, wide);
                        E::narrow(wide, &mut narrow[..depth]);
                        narrow[depth..].fill(E::default());
                    } else {
                        narrow.fill(E::default());
                    }
                }
                turn(rows, pitch, panel);
            },
        );
    }

    /// Fills from a matrix whose rows are the depths of this operand: `part(k, first, out)` writes
    /// the values of row `k` from column `first` on.
    pub(in crate::engine) fn fill_depths(
        &mut self,
        depth: usize,
        columns: usize,
        part: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        (self.depth, self.columns) = (depth, columns);
        let size = self.padded_depth() * WIDTH;
        let panels = SPAN / WIDTH;
        let count = self.count();
        self.data.fit(count * size).par_chunks_mut(size * panels).enumerate().for_each(
            |(index, data)| {
                let first = index * SPAN;
                let width = SPAN.min(columns - first);
                let mut wide = [0.0f32; SPAN];
                let mut group = [[E::default(); SPAN]; 2];
                for at in (0..data.len() / (data.len() / size) / WIDTH).step_by(E::GROUP) {
                    for (i, narrow) in group[..E::GROUP].iter_mut().enumerate() {
                        if at + i < depth {
                            part(at + i, first, &mut wide[..width]);
                            E::narrow(&wide, narrow);
                        } else {
                            narrow.fill(E::default());
                        }
                    }
                    for (panel, data) in data.chunks_exact_mut(size).enumerate() {
                        let out = &mut data[at * WIDTH..][..E::GROUP * WIDTH];
                        let from = panel * WIDTH..(panel + 1) * WIDTH;
                        if E::GROUP == 1 {
                            out.copy_from_slice(&group[0][from]);
                        } else {
                            let pairs = group[0][from.clone()].iter().zip(&group[1][from]);
                            for (out, (a, b)) in out.chunks_exact_mut(2).zip(pairs) {
                                out[0] = *a;
                                out[1] = *b;
                            }
                        }
                    }
                }
            },
        );
    }
}

/// Lays [`WIDTH`] rows of `pitch` values out as a panel.
fn turn<E: Element>(rows: &[E], pitch: usize, panel: &mut [E]) {
    for strip in (0..pitch).step_by(STRIP) {
        let end = (strip + STRIP).min(pitch);
        for (n, row) in rows.chunks_exact(pitch).enumerate() {
            let groups = row[strip..end].chunks_exact(E::GROUP);
            let places = panel[strip * WIDTH..].chunks_exact_mut(WIDTH * E::GROUP);
            for (group, place) in groups.zip(places) {
                place[n * E::GROUP..(n + 1) * E::GROUP].copy_from_slice(group);
            }
        }
    }
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
        by_depth.fill_depths(depth, columns, |k, first, out| {
            for (i, out) in out.iter_mut().enumerate() {
                *out = value(k, first + i);
            }
        });
        for panel in 0..by_column.count() {
            assert_eq!(by_column.panel(panel), by_depth.panel(panel), "{panel}");
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
