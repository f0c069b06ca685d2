//! AVX-512: the 16 codes in one register, two rows by up to four tokens at a time.

use std::arch::x86_64::{
    __m512, __mmask16, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm512_add_ps, _mm512_and_si512,
    _mm512_castsi512_ps, _mm512_cvtepu8_epi32, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_permutexvar_ps,
    _mm512_reduce_add_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32,
    _mm512_srli_epi32,
};

use half::bf16;

use super::{LANES, Weights, Work, by_tiles};
use crate::engine::nf4::{BLOCK, CODE};

/// Bytes ahead that codes are fetched: two rows are two streams, which the processor follows less
/// well than one. Measured on AMD Zen 4.
pub(super) const AHEAD: usize = 4096;

/// Both halves of the lanes.
pub(super) type Sums = [__m512; 2];

pub(super) fn run(weights: Weights<'_>, work: Work<'_>) {
    // SAFETY: the kernel was chosen because the machine has AVX-512 F, BW, DQ and VL, and FMA.
    #[expect(unsafe_code, reason = "call of a target-feature function")]
    unsafe {
        match weights {
            Weights::Coded(codes, magnitudes) => coded((codes, magnitudes), work),
            Weights::Half(values) => half(values, work),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
#[expect(unsafe_code, reason = "calls of unchecked kernels")]
fn coded(weights: (&[u8], &[f32]), work: Work<'_>) {
    by_tiles!(work, 2, coded_tile, weights);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
#[expect(unsafe_code, reason = "calls of unchecked kernels")]
fn half(weights: &[bf16], work: Work<'_>) {
    if work.count == 1 {
        // One stream, which the processor fetches ahead by itself.
        by_tiles!(work, 1, half_tile, weights);
    } else {
        by_tiles!(work, 2, half_tile, weights);
    }
}

/// SAFETY of a call: rows `row..row + R` and tokens `token..token + T` are within `work`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
#[expect(unsafe_code, reason = "unchecked loads")]
unsafe fn coded_tile<const R: usize, const T: usize>(
    (codes, magnitudes): (&[u8], &[f32]),
    work: &Work<'_>,
    row: usize,
    token: usize,
) {
    let blocks = work.width / BLOCK;
    let mut sums = [[[_mm512_setzero_ps(); 2]; T]; R];
    // SAFETY: a row has `blocks` magnitudes and 32 bytes of codes for each, a token 64 values for
    // each; prefetching beyond the end is no access.
    unsafe {
        let code = _mm512_loadu_ps(CODE.as_ptr());
        let codes = codes.as_ptr().add(row * work.width / 2);
        let magnitudes = magnitudes.as_ptr().add(row * blocks);
        let x = work.x.as_ptr().add(token * work.width);
        for block in 0..blocks {
            for (r, sums) in sums.iter_mut().enumerate() {
                let magnitude = _mm512_set1_ps(*magnitudes.add(r * blocks + block));
                let table = _mm512_mul_ps(code, magnitude);
                let bytes = codes.add(r * work.width / 2 + block * (BLOCK / 2));
                _mm_prefetch::<_MM_HINT_T0>(bytes.wrapping_add(AHEAD).cast());
                for half in 0..2 {
                    // Only the low four bits of an index count, so the odd value needs no mask.
                    let index = _mm512_cvtepu8_epi32(_mm_loadu_si128(bytes.add(half * 16).cast()));
                    let even = _mm512_permutexvar_ps(_mm512_srli_epi32::<4>(index), table);
                    let odd = _mm512_permutexvar_ps(index, table);
                    for (t, sums) in sums.iter_mut().enumerate() {
                        let x = x.add(t * work.width + block * BLOCK + half * LANES);
                        sums[0] = _mm512_fmadd_ps(even, _mm512_loadu_ps(x), sums[0]);
                        sums[1] = _mm512_fmadd_ps(odd, _mm512_loadu_ps(x.add(16)), sums[1]);
                    }
                }
            }
        }
        finish(sums, work, row, token);
    }
}

/// SAFETY of a call: as for [`coded_tile`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
#[expect(unsafe_code, reason = "unchecked loads")]
unsafe fn half_tile<const R: usize, const T: usize>(
    weights: &[bf16],
    work: &Work<'_>,
    row: usize,
    token: usize,
) {
    let mut sums = [[[_mm512_setzero_ps(); 2]; T]; R];
    let high = _mm512_set1_epi32(0xffff_0000_u32 as i32);
    // SAFETY: rows and tokens have `width` values, a multiple of 32.
    unsafe {
        let weights = weights.as_ptr().add(row * work.width);
        let x = work.x.as_ptr().add(token * work.width);
        for first in (0..work.width).step_by(LANES) {
            for (r, sums) in sums.iter_mut().enumerate() {
                // A pair in each word: the even value low, the odd one high.
                let pairs = _mm512_loadu_si512(weights.add(r * work.width + first).cast());
                let even = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs));
                let odd = _mm512_castsi512_ps(_mm512_and_si512(pairs, high));
                for (t, sums) in sums.iter_mut().enumerate() {
                    let x = x.add(t * work.width + first);
                    sums[0] = _mm512_fmadd_ps(even, _mm512_loadu_ps(x), sums[0]);
                    sums[1] = _mm512_fmadd_ps(odd, _mm512_loadu_ps(x.add(16)), sums[1]);
                }
            }
        }
        finish(sums, work, row, token);
    }
}

/// Adds the adapter's part, adds up the lanes and writes the results.
///
/// SAFETY of a call: as for [`coded_tile`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
#[expect(unsafe_code, reason = "unchecked loads")]
pub(super) unsafe fn finish<const R: usize, const T: usize>(
    mut sums: [[Sums; T]; R],
    work: &Work<'_>,
    row: usize,
    token: usize,
) {
    for (r, sums) in sums.iter_mut().enumerate() {
        for (t, sums) in sums.iter_mut().enumerate() {
            for first in (0..work.rank).step_by(16) {
                let mask = (0xffff_u32 >> (16 - (work.rank - first).min(16))) as __mmask16;
                // SAFETY: a row of `b` has `rank` values, one of `u` is padded to 16.
                let (b, u) = unsafe {
                    let b = work.b.as_ptr().add((row + r) * work.rank + first);
                    let u = work.u.as_ptr().add((token + t) * work.pitch + first);
                    (_mm512_maskz_loadu_ps(mask, b), _mm512_loadu_ps(u))
                };
                sums[0] = _mm512_fmadd_ps(b, u, sums[0]);
            }
            let sum = _mm512_reduce_add_ps(_mm512_add_ps(sums[0], sums[1]));
            work.out.set(row + r, token + t, sum);
        }
    }
}
