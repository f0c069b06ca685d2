//! Buffers that start at cache lines: a register or a tile's row of 64 bytes that lies across two lines takes twice as
//! long to load or store.

use std::ops::{Deref, DerefMut};

use super::element::Element;

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
    pub(in crate::engine) fn get(&self, len: usize) -> &[E] {
        assert!(len * size_of::<E>() <= self.lines.len() * size_of::<Line>());
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), len) }
    }
}

impl<E: Element> Deref for Aligned<E> {
    type Target = [E];

    /// All values held, at least as many as were asked for last.
    fn deref(&self) -> &[E] {
        self.get(self.lines.len() * size_of::<Line>() / size_of::<E>())
    }
}

impl<E: Element> DerefMut for Aligned<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        self.fit(self.lines.len() * size_of::<Line>() / size_of::<E>())
    }
}

/// A buffer for packed rows and sums beside them.
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

    /// The first `count` elements that [`Self::views`] gave before.
    #[expect(unsafe_code, reason = "a view of plain numbers on aligned bytes")]
    pub(in crate::engine) fn elements<E: Element>(&self, count: usize) -> &[E] {
        assert!(count * size_of::<E>() <= self.lines.len() * size_of::<Line>());
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), count) }
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    #[test]
    fn buffers_start_at_lines_and_keep_what_they_hold_as_they_grow() {
        let mut buffer = Aligned::<bf16>::default();
        assert!(buffer.is_empty());
        for len in [1, 33, 5, 4_000] {
            let held = buffer.to_vec();
            let values = buffer.fit(len);
            assert_eq!((values.len(), values.as_ptr().addr() % 64), (len, 0));
            values[len - 1] = bf16::from_f32(len as f32);
            assert!(buffer.len() >= len && buffer.len() >= held.len());
            let kept = buffer.iter().zip(&held).enumerate();
            assert!(kept.filter(|(at, _)| *at != len - 1).all(|(_, (now, before))| now == before));
            assert_eq!(buffer.get(len)[len - 1], bf16::from_f32(len as f32));
        }
        let mut scratch = Scratch::default();
        let (elements, sums) = scratch.views::<bf16>(33, 7);
        assert_eq!((elements.len(), sums.len()), (33, 7));
        assert_eq!((elements.as_ptr().addr() % 64, sums.as_ptr().addr() % 64), (0, 0));
    }
}
