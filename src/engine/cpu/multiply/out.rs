//! Where products go: an output in f32 or bf16 that tasks share.

use half::bf16;

use super::super::panels::{Element as _, WIDTH};
use super::super::rounding;
use super::super::vector::vectorized;

/// Where the output begins; tasks write to different rows and columns of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Out {
    Full(*mut f32),
    Half(*mut bf16),
}

impl Out {
    /// The place `count` values on.
    // SAFETY of a call: it lies within the output.
    #[expect(unsafe_code, reason = "a place in the shared output")]
    pub(super) unsafe fn at(self, count: usize) -> Self {
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
    pub(super) unsafe fn write(self, from: &[f32]) {
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
pub(super) struct Buffer(pub(super) [f32; 32 * WIDTH]);

vectorized! {
    /// Rounds `rows` rows of `width` values of a tile into rows `pitch` apart, which are the caller's
    /// alone and lie within the output.
    pub(super) rounding fn narrow_tile(
        tile: &[f32], rows: usize, width: usize, to: *mut bf16, pitch: usize,
    ) {
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
