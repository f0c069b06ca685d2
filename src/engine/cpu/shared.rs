//! A slice that several tasks write to, each at places of its own.

/// Values that tasks share.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: it only hands out parts by `part`, whose callers promise that they do not overlap.
#[expect(unsafe_code, reason = "tasks write to disjoint parts")]
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "tasks write to disjoint parts")]
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(in crate::engine) fn new(values: &'a mut [T]) -> Self {
        Self { start: values.as_mut_ptr(), len: values.len(), lifetime: std::marker::PhantomData }
    }

    /// `len` values from `at` on.
    ///
    /// # Safety
    /// No other part that is in use overlaps this one.
    #[expect(unsafe_code, reason = "tasks write to disjoint parts")]
    pub(in crate::engine) unsafe fn part(&self, at: usize, len: usize) -> &'a mut [T] {
        assert!(at + len <= self.len, "beyond the shared values");
        // SAFETY: within the slice, and nobody else uses it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }
}
