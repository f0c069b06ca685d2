//! Tiles of 3 rows by four registers of 8 columns, a whole panel, for AVX2 with FMA; of half a panel 6 rows by
//! two registers.
//!
//! Three rows by four registers read seven times for twelve multiplications, one less than six rows by two, and
//! a panel is read from end to end, line after line, once for all its columns.

use std::arch::x86_64::{
    __m256, _MM_HINT_T0, _mm_prefetch, _mm256_add_ps, _mm256_broadcast_ss, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};

use super::Work;

/// Rows of a tile: two times three of whole panels, six of halves; 12 registers of sums either way.
pub(super) const ROWS: usize = 6;

/// Depths at a time: the rows of a task stay in the second-level cache, and sums are seldom stored and loaded
/// again. The panel comes from there too, fast enough for tiles that read each line of it once.
pub(super) const CHUNK: usize = 640;

/// See [`super::Tile::run`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
pub(super) unsafe fn f32(work: Work<f32>) {
    // Two rows and two rather than three and one, whose sums would wait for each other.
    let first = if work.rows == 4 { 2 } else { work.rows.min(3) };
    // SAFETY: the caller saw AVX2 and FMA; sizes as the caller promised, and parts of the rows are rows.
    unsafe {
        by_rows(Work { rows: first, ..work });
        if work.rows > first {
            let (a, c) = (work.a.add(first * work.a_pitch), work.c.add(first * work.c_pitch));
            by_rows(Work { a, c, rows: work.rows - first, ..work });
        }
    }
}

/// See [`super::Tile::half`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
pub(super) unsafe fn half(work: Work<f32>) {
    // SAFETY: the caller saw AVX2 and FMA; sizes as the caller promised.
    unsafe {
        match work.rows {
            1 => tile::<1, 2>(work),
            2 => tile::<2, 2>(work),
            3 => tile::<3, 2>(work),
            4 => tile::<4, 2>(work),
            5 => tile::<5, 2>(work),
            _ => tile::<6, 2>(work),
        }
    }
}

// SAFETY of a call: as for `Tile::run`, at most 3 rows.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
unsafe fn by_rows(work: Work<f32>) {
    // SAFETY: the caller's.
    unsafe {
        match work.rows {
            1 => tile::<1, 4>(work),
            2 => tile::<2, 4>(work),
            _ => tile::<3, 4>(work),
        }
    }
}

// SAFETY of a call: as for `Tile::run`, with the features named here, but for 8 N columns only.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn tile<const R: usize, const N: usize>(work: Work<f32>) {
    for r in 0..R {
        // Sums lie rows apart, where nothing reads ahead: asked for before the products, they are there after.
        for line in (0..N).step_by(2) {
            // SAFETY: `c` has R rows of 8 N values.
            unsafe {
                let c = work.c.add(r * work.c_pitch + line * 8);
                _mm_prefetch::<_MM_HINT_T0>(c.cast());
            }
        }
    }
    let mut sums = [[_mm256_setzero_ps(); N]; R];
    for k in 0..work.depth {
        // SAFETY: depths of the panel lie 32 values apart, 8 N of each are read; each row has `depth` values.
        unsafe {
            let b = work.b.add(k * 32);
            // The fewer of both stay in registers, the others come and go.
            if R < N {
                let mut a = [_mm256_setzero_ps(); R];
                for (r, a) in a.iter_mut().enumerate() {
                    *a = _mm256_broadcast_ss(&*work.a.add(r * work.a_pitch + k));
                }
                for part in 0..N {
                    let b = _mm256_loadu_ps(b.add(part * 8));
                    for (sums, a) in sums.iter_mut().zip(a) {
                        sums[part] = _mm256_fmadd_ps(a, b, sums[part]);
                    }
                }
            } else {
                let mut right = [_mm256_setzero_ps(); N];
                for (part, right) in right.iter_mut().enumerate() {
                    *right = _mm256_loadu_ps(b.add(part * 8));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = _mm256_broadcast_ss(&*work.a.add(r * work.a_pitch + k));
                    for (sum, b) in sums.iter_mut().zip(right) {
                        *sum = _mm256_fmadd_ps(a, b, *sum);
                    }
                }
            }
        }
    }
    // SAFETY: `c` has R rows of 8 N values.
    unsafe { store(sums, work) };
}

// SAFETY of a call: as for `Tile::run`, with the features named here, rows of 8 N values.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn store<const R: usize, const N: usize>(sums: [[__m256; N]; R], work: Work<f32>) {
    for (r, sums) in sums.into_iter().enumerate() {
        for (part, sum) in sums.into_iter().enumerate() {
            // SAFETY: 8 values at each of N places of each row.
            unsafe {
                let c = work.c.add(r * work.c_pitch + part * 8);
                let sum = if work.add { _mm256_add_ps(_mm256_loadu_ps(c), sum) } else { sum };
                _mm256_storeu_ps(c, sum);
            }
        }
    }
}
