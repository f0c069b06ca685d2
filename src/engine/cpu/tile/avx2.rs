//! Tiles of 6 rows by two registers of 8 columns, for AVX2 with FMA; a panel is four registers wide.

use std::arch::x86_64::{
    _mm256_add_ps, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps,
    _mm256_storeu_ps,
};

use super::Work;

/// Rows of a tile: 12 registers of sums, two of the panel, one of the left operand.
pub(super) const ROWS: usize = 6;

/// See [`super::Tile::run`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
pub(super) unsafe fn f32(work: Work<f32>) {
    // SAFETY: the caller saw AVX2 and FMA; sizes as the caller promised.
    unsafe {
        match work.rows {
            1 => full::<1>(work),
            2 => full::<2>(work),
            3 => full::<3>(work),
            4 => full::<4>(work),
            5 => full::<5>(work),
            _ => full::<6>(work),
        }
    }
}

// SAFETY of a call: as for `Tile::run`, with the features named here.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn full<const R: usize>(work: Work<f32>) {
    for side in 0..2 {
        let mut sums = [[_mm256_setzero_ps(); 2]; R];
        for k in 0..work.depth {
            // SAFETY: the panel has 32 values for each depth, each row `depth` values.
            unsafe {
                let b = work.b.add(k * 32 + side * 16);
                let (b0, b1) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = _mm256_broadcast_ss(&*work.a.add(r * work.a_pitch + k));
                    sums[0] = _mm256_fmadd_ps(a, b0, sums[0]);
                    sums[1] = _mm256_fmadd_ps(a, b1, sums[1]);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (half, sum) in sums.into_iter().enumerate() {
                // SAFETY: 8 values at multiples of 8 of 32 of each row.
                unsafe {
                    let c = work.c.add(r * work.c_pitch + side * 16 + half * 8);
                    let sum = if work.add { _mm256_add_ps(_mm256_loadu_ps(c), sum) } else { sum };
                    _mm256_storeu_ps(c, sum);
                }
            }
        }
    }
}
