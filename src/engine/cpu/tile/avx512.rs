//! Tiles of 12 rows by two registers of 16 columns, for AVX-512 in f32 and in pairs of bf16.

use std::arch::x86_64::{
    __m512bh, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_storeu_ps,
};

use half::bf16 as Half;

use super::Work;

/// Rows of a tile: 24 registers of sums, two of the panel, one of the left operand.
pub(super) const ROWS: usize = 12;

/// Calls `$function::<R, N>` with R = `$work.rows` and N = 1 for half a panel, or 2.
// SAFETY of each arm: the caller's.
macro_rules! by_rows {
    ($function:ident, $work:expr, $($rows:literal),*) => {
        match ($work.rows, $work.half) {
            $(($rows, false) => unsafe { $function::<$rows, 2>($work) },)*
            $(($rows, true) => unsafe { $function::<$rows, 1>($work) },)*
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

// SAFETY of a call: as for `Tile::run`, with the features named here. `N` registers of 16 columns.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn full<const R: usize, const N: usize>(work: Work<f32>) {
    // SAFETY: no address of a hint can do harm.
    unsafe { ask::<R, N>(work.c, work.c_pitch) };
    let mut sums = [[_mm512_setzero_ps(); N]; R];
    for k in 0..work.depth {
        // SAFETY: the panel has 32 values for each depth, each row `depth` values.
        unsafe {
            let b = work.b.add(k * 32);
            let mut right = [_mm512_setzero_ps(); N];
            for (at, right) in right.iter_mut().enumerate() {
                *right = _mm512_loadu_ps(b.add(at * 16));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = _mm512_set1_ps(*work.a.add(r * work.a_pitch + k));
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = _mm512_fmadd_ps(a, right, *sum);
                }
            }
        }
    }
    // SAFETY: `c` has R rows of 16 N values.
    unsafe { store(sums, work.c, work.c_pitch, work.add) };
}

// SAFETY of a call: as for `Tile::run`, with the features named here. `N` registers of 16 columns.
#[target_feature(enable = "avx512f,avx512bf16")]
#[expect(unsafe_code, reason = "vector loads and stores")]
#[expect(clippy::cast_ptr_alignment, reason = "pairs are read unaligned")]
unsafe fn pairs<const R: usize, const N: usize>(work: Work<Half>) {
    // SAFETY: no address of a hint can do harm.
    unsafe { ask::<R, N>(work.c, work.c_pitch) };
    let mut sums = [[_mm512_setzero_ps(); N]; R];
    let (a, b, pitch) = (work.a.cast::<i32>(), work.b.cast::<i32>(), work.a_pitch / 2);
    for k in 0..work.depth / 2 {
        // SAFETY: the panel has 32 pairs for each pair of depths, each row `depth / 2` pairs; pitches
        // are even and buffers start at cache lines.
        unsafe {
            let b = b.add(k * 32);
            let mut right = [_mm512_setzero_si512(); N];
            for (at, right) in right.iter_mut().enumerate() {
                *right = _mm512_loadu_si512(b.add(at * 16).cast());
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let a: __m512bh = std::mem::transmute::<__m512i, _>(_mm512_set1_epi32(
                    a.add(r * pitch + k).read_unaligned(),
                ));
                for (sum, right) in sums.iter_mut().zip(right) {
                    let right: __m512bh = std::mem::transmute::<__m512i, _>(right);
                    *sum = _mm512_dpbf16_ps(*sum, a, right);
                }
            }
        }
    }
    // SAFETY: `c` has R rows of 16 N values.
    unsafe { store(sums, work.c, work.c_pitch, work.add) };
}

/// Asks for the places of the sums. They lie rows apart, where nothing reads ahead: asked for before the
/// products, they are there after.
// SAFETY of a call: none is needed but that the places exist.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "hints by address")]
unsafe fn ask<const R: usize, const N: usize>(c: *const f32, pitch: usize) {
    for r in 0..R {
        for part in 0..N {
            // SAFETY: the caller's.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(c.add(r * pitch + part * 16).cast()) };
        }
    }
}

// SAFETY of a call: as for `Tile::run`, with the features named here.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn store<const R: usize, const N: usize>(
    sums: [[std::arch::x86_64::__m512; N]; R],
    c: *mut f32,
    pitch: usize,
    add: bool,
) {
    for (r, sums) in sums.into_iter().enumerate() {
        for (part, sum) in sums.into_iter().enumerate() {
            // SAFETY: 16 values at each of N places of each row.
            unsafe {
                let c = c.add(r * pitch + part * 16);
                let sum = if add { _mm512_add_ps(_mm512_loadu_ps(c), sum) } else { sum };
                _mm512_storeu_ps(c, sum);
            }
        }
    }
}
