//! Matrix products; the only caller of the `gemm` crate.
//!
//! Every product sums in an order that depends on its sizes only, never on threads.

use gemm::Parallelism;

/// A matrix inside a slice: element (i, j) lies at `i * row_stride + j * column_stride`.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

/// A matrix to write into, row-major with a pitch.
#[derive(Debug)]
pub(in crate::engine) struct ViewMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    pitch: usize,
}

/// Where a product runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Threads {
    /// On the calling thread: the caller already runs beside others.
    One,
    /// On all threads of the current pool.
    All,
}

impl<'a> View<'a> {
    /// A row-major matrix whose rows start `pitch` elements apart.
    pub(in crate::engine) fn new(
        data: &'a [f32],
        rows: usize,
        columns: usize,
        pitch: usize,
    ) -> Self {
        assert!(columns <= pitch && (rows == 0 || (rows - 1) * pitch + columns <= data.len()));
        Self { data, rows, columns, row_stride: pitch, column_stride: 1 }
    }

    /// The transpose.
    pub(in crate::engine) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

impl<'a> ViewMut<'a> {
    /// A row-major matrix whose rows start `pitch` elements apart.
    pub(in crate::engine) fn new(
        data: &'a mut [f32],
        rows: usize,
        columns: usize,
        pitch: usize,
    ) -> Self {
        assert!(columns <= pitch && (rows == 0 || (rows - 1) * pitch + columns <= data.len()));
        Self { data, rows, columns, pitch }
    }
}

/// `destination = scale * left * right`, or `destination += ...` when `accumulate`.
#[expect(clippy::needless_pass_by_value, reason = "a mutable view is made for one product")]
pub(in crate::engine) fn multiply(
    destination: ViewMut<'_>,
    accumulate: bool,
    left: View<'_>,
    right: View<'_>,
    scale: f32,
    threads: Threads,
) {
    assert_eq!(left.columns, right.rows, "inner sizes");
    assert_eq!(left.rows, destination.rows, "rows");
    assert_eq!(right.columns, destination.columns, "columns");
    if destination.rows == 0 || destination.columns == 0 {
        return;
    }
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(0),
    };
    // SAFETY: the views checked on making that all their elements lie in their slices, the
    // destination is borrowed mutably so it overlaps neither operand, and sizes agree.
    #[expect(unsafe_code, reason = "interface of the gemm crate")]
    unsafe {
        gemm::gemm(
            destination.rows,
            destination.columns,
            left.columns,
            destination.data.as_mut_ptr(),
            1,
            destination.pitch as isize,
            accumulate,
            left.data.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0f32,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_views_match_the_definition() {
        let (m, k, n) = (5, 7, 3);
        let left: Vec<f32> = (0..m * 9).map(|i| (i as f32 * 0.3).sin()).collect();
        let right: Vec<f32> = (0..n * 8).map(|i| (i as f32 * 0.7).cos()).collect();
        for accumulate in [false, true] {
            for threads in [Threads::One, Threads::All] {
                let mut out = vec![2.0; m * 4];
                multiply(
                    ViewMut::new(&mut out, m, n, 4),
                    accumulate,
                    View::new(&left, m, k, 9),
                    View::new(&right, n, k, 8).transposed(),
                    0.5,
                    threads,
                );
                for i in 0..m {
                    for j in 0..n {
                        let sum: f32 = (0..k).map(|l| left[i * 9 + l] * right[j * 8 + l]).sum();
                        let want = if accumulate { 2.0 } else { 0.0 } + 0.5 * sum;
                        assert!((out[i * 4 + j] - want).abs() < 1e-5);
                    }
                    assert_eq!(out[i * 4 + 3], 2.0, "columns outside stay");
                }
            }
        }
    }
}
