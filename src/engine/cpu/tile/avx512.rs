//! Tiles of 12 rows by two registers of 16 columns, for AVX-512 in f32 and in pairs of bf16.

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use half::bf16 as Half;

use super::Work;

/// Rows of a tile: 24 registers of sums, two of the panel, one of the left operand.
pub(super) const ROWS: usize = 12;

/// Calls `$function::<R>` with R = `$work.rows`.
// SAFETY of each arm: the caller's.
macro_rules! by_rows {
    ($function:ident, $work:expr, $($rows:literal),*) => {
        match $work.rows {
            $($rows => unsafe { $function::<$rows>($work) },)*
            _ => {}
        }
    };
}

/// See [`super::Tile::run`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
pub(super) unsafe fn f32(work: Work<f32>) {
    // SAFETY: the caller saw AVX-512; sizes as the caller promised.
    by_rows!(full, work, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
}

/// See [`super::Tile::run`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
pub(super) unsafe fn bf16(work: Work<Half>) {
    // SAFETY: the caller saw AVX-512 with BF16; sizes as the caller promised.
    by_rows!(pairs, work, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
}

// SAFETY of a call: as for `Tile::run`, with the features named here.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn full<const R: usize>(work: Work<f32>) {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for k in 0..work.depth {
        // SAFETY: the panel has 32 values for each depth, each row `depth` values.
        unsafe {
            let b = work.b.add(k * 32);
            let (b0, b1) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = _mm512_set1_ps(*work.a.add(r * work.a_pitch + k));
                sums[0] = _mm512_fmadd_ps(a, b0, sums[0]);
                sums[1] = _mm512_fmadd_ps(a, b1, sums[1]);
            }
        }
    }
    // SAFETY: `c` has R rows of 32 values.
    unsafe { store(sums, work.c, work.c_pitch, work.add) };
}

// SAFETY of a call: as for `Tile::run`, with the features named here.
#[target_feature(enable = "avx512f,avx512bf16")]
#[expect(unsafe_code, reason = "vector loads and stores")]
#[expect(clippy::cast_ptr_alignment, reason = "pairs are read unaligned")]
unsafe fn pairs<const R: usize>(work: Work<Half>) {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    let (a, b, pitch) = (work.a.cast::<i32>(), work.b.cast::<i32>(), work.a_pitch / 2);
    for k in 0..work.depth / 2 {
        // SAFETY: the panel has 32 pairs for each pair of depths, each row `depth / 2` pairs; pitches
        // are even and buffers start at cache lines.
        unsafe {
            let b = b.add(k * 32);
            let b0: __m512bh = std::mem::transmute::<__m512i, _>(_mm512_loadu_si512(b.cast()));
            let b1: __m512bh =
                std::mem::transmute::<__m512i, _>(_mm512_loadu_si512(b.add(16).cast()));
            for (r, sums) in sums.iter_mut().enumerate() {
                let a: __m512bh = std::mem::transmute::<__m512i, _>(_mm512_set1_epi32(
                    a.add(r * pitch + k).read_unaligned(),
                ));
                sums[0] = _mm512_dpbf16_ps(sums[0], a, b0);
                sums[1] = _mm512_dpbf16_ps(sums[1], a, b1);
            }
        }
    }
    // SAFETY: `c` has R rows of 32 values.
    unsafe { store(sums, work.c, work.c_pitch, work.add) };
}

// SAFETY of a call: as for `Tile::run`, with the features named here.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn store<const R: usize>(
    sums: [[std::arch::x86_64::__m512; 2]; R],
    c: *mut f32,
    pitch: usize,
    add: bool,
) {
    for (r, sums) in sums.into_iter().enumerate() {
        for (half, sum) in sums.into_iter().enumerate() {
            // SAFETY: 16 values at 0 and 16 of 32 of each row.
            unsafe {
                let c = c.add(r * pitch + half * 16);
                let sum = if add { _mm512_add_ps(_mm512_loadu_ps(c), sum) } else { sum };
                _mm512_storeu_ps(c, sum);
            }
        }
    }
}
