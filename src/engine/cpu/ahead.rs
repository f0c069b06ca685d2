//! Hints to the processor to fetch what is read soon: nothing but time depends on them.

/// Into the first-level cache.
pub(in crate::engine) fn near<T>(values: &[T]) {
    lines(values, |line| {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: no access.
        #[expect(unsafe_code, reason = "a hint to the processor")]
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    });
}

/// Into the second-level cache.
pub(in crate::engine) fn far<T>(values: &[T]) {
    lines(values, |line| {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: no access.
        #[expect(unsafe_code, reason = "a hint to the processor")]
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T1>(line);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    });
}

/// One address of each line that the values lie in, if they begin at a line.
fn lines<T>(values: &[T], each: impl Fn(*const i8)) {
    let first = values.as_ptr().cast::<i8>();
    for at in (0..size_of_val(values)).step_by(64) {
        each(first.wrapping_add(at));
    }
}
