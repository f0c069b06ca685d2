//! Memory of weights: laid down once, read for every token.
//!
//! It begins on a cache line, so that no load of a kernel takes two, and lies on large pages where the system has
//! them: a stream of small ones is looked up in page tables all the time, and the processor fetches ahead
//! within a page only.

use rayon::prelude::*;

/// Bytes from a cache line on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Region {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl Region {
    /// Nothing yet, with room for `bytes` bytes: more only costs time.
    pub(in crate::engine) fn with_room(bytes: usize) -> Self {
        let mut lines: Vec<Line> = Vec::new();
        // A model's file may say anything of its sizes; what is there is asked for as it comes.
        if lines.try_reserve_exact(bytes.div_ceil(size_of::<Line>())).is_ok() {
            prefer_large(&mut lines);
        }
        Self { lines }
    }

    /// `bytes` zeros.
    pub(in crate::engine) fn zeros(bytes: usize) -> Self {
        let mut region = Self::with_room(bytes);
        region.grow(bytes);
        region
    }

    /// Adds zeros from the next cache line on; gives where. All threads write them: the system clears a page when
    /// it is first touched, which takes longer than all else that is done to it while a model is loaded.
    pub(in crate::engine) fn grow(&mut self, bytes: usize) -> std::ops::Range<usize> {
        let start = self.lines.len() * size_of::<Line>();
        let zeros = rayon::iter::repeat_n(Line([0; 64]), bytes.div_ceil(size_of::<Line>()));
        self.lines.par_extend(zeros.with_min_len(1 << 12));
        start..start + bytes
    }

    /// All bytes, zeros up to the end of a line among them.
    #[expect(unsafe_code, reason = "a view of plain bytes")]
    pub(in crate::engine) fn bytes(&self) -> &[u8] {
        let len = self.lines.len() * size_of::<Line>();
        // SAFETY: the lines are so many initialized bytes without gaps.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), len) }
    }

    /// All bytes, to be written.
    #[expect(unsafe_code, reason = "a view of plain bytes")]
    pub(in crate::engine) fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.lines.len() * size_of::<Line>();
        // SAFETY: as above, and every value is a byte.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), len) }
    }
}

/// Asks the system for large pages under a vector's room. To be called before it is filled: what is filled stays
/// where it is. Without them all works the same.
#[cfg(target_os = "linux")]
pub(in crate::engine) fn prefer_large<T>(values: &mut Vec<T>) {
    /// Below this there is nothing to gain.
    const LEAST: usize = 1 << 20;
    const PAGE: usize = 1 << 12;
    let (start, len) = (values.as_mut_ptr().addr(), values.capacity() * size_of::<T>());
    if len < LEAST {
        return;
    }
    // Whole pages only.
    let first = start.next_multiple_of(PAGE);
    let last = (start + len) / PAGE * PAGE;
    let at = values.as_mut_ptr().cast::<u8>().wrapping_add(first - start);
    // SAFETY: the pages are the vector's own, and the advice changes nothing that can be read. Where it is not
    // taken, nothing is lost.
    #[expect(unsafe_code, reason = "a system call")]
    unsafe {
        madvise(at.cast(), last - first, HUGE);
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a function of the C library that the standard library links")]
unsafe extern "C" {
    /// Says how memory will be used.
    fn madvise(
        start: *mut std::ffi::c_void,
        len: usize,
        advice: std::ffi::c_int,
    ) -> std::ffi::c_int;
}

/// `MADV_HUGEPAGE`.
#[cfg(target_os = "linux")]
const HUGE: std::ffi::c_int = 14;

/// Asks the system for large pages under a vector's room, where there is a way to.
#[cfg(not(target_os = "linux"))]
pub(in crate::engine) fn prefer_large<T>(_: &mut Vec<T>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_lines_of_their_own() {
        let mut region = Region::with_room(3 << 20);
        let parts = [vec![1u8; 64], vec![2; 130], Vec::new(), vec![3; 2 << 20]];
        let places = parts.each_ref().map(|part| {
            let place = region.grow(part.len());
            region.bytes_mut()[place.clone()].copy_from_slice(part);
            place
        });
        for (part, place) in parts.iter().zip(places) {
            assert_eq!(part[..], region.bytes()[place.clone()]);
            assert_eq!(region.bytes()[place.start..].as_ptr().addr() % 64, 0);
        }
        assert_eq!(region.grow(70), (2 << 20) + 256..(2 << 20) + 326);
        assert_eq!(region.bytes()[(2 << 20) + 256..], [0; 128]);
        let mut zeros = Region::zeros(65);
        assert_eq!(zeros.bytes(), [0; 128]);
        zeros.bytes_mut()[64] = 7;
        assert_eq!(zeros.bytes()[64], 7);
    }
}
