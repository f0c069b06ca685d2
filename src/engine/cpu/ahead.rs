//! Hints to the processor to fetch what is read soon: nothing but time depends on them.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};

#[cfg(not(target_arch = "x86_64"))]
const _MM_HINT_T0: i32 = 0;
#[cfg(not(target_arch = "x86_64"))]
const _MM_HINT_T1: i32 = 1;

/// Rows from one that is read to the one that is asked for, where rows lie apart.
pub(in crate::engine) const ROWS: usize = 8;

/// Into the first-level cache.
pub(in crate::engine) fn near<T>(values: &[T]) {
    fetch::<_MM_HINT_T0>(values.as_ptr().cast(), size_of_val(values));
}

/// Into the second-level cache.
pub(in crate::engine) fn far<T>(values: &[T]) {
    fetch::<_MM_HINT_T1>(values.as_ptr().cast(), size_of_val(values));
}

/// Into the first-level cache, to be written: other processors give up what they have of it, which a store would
/// otherwise wait for.
pub(in crate::engine) fn owned<T>(values: &mut [T]) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..size_of_val(values)).step_by(64) {
        let line = values.as_ptr().cast::<u8>().wrapping_add(at);
        // SAFETY: no access; a processor that does not know it takes it for nothing.
        #[expect(unsafe_code, reason = "a hint to the processor")]
        unsafe {
            std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Every line of so many bytes that begin at a line.
fn fetch<const HINT: i32>(first: *const i8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..bytes).step_by(64) {
        // SAFETY: no access.
        #[expect(unsafe_code, reason = "a hint to the processor")]
        unsafe {
            _mm_prefetch::<HINT>(first.wrapping_add(at));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (first, bytes);
}
