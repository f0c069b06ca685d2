//! AVX-512 with BF16: tokens rounded to bf16, 64 weights in two products of pairs. The 16 codes, rounded
//! to bf16 too, are one constant table; a block's magnitude multiplies its sum.

use std::arch::x86_64::{
    __m512bh, __m512i, _MM_HINT_T0, _MM_HINT_T1, _mm_prefetch, _mm256_loadu_si256,
    _mm512_cvtepu8_epi16, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_si512,
    _mm512_permutexvar_epi16, _mm512_set1_ps, _mm512_setzero_ps, _mm512_srli_epi16,
};

use half::bf16;

use super::avx512::{AHEAD, Sums, finish};
use super::{LANES, Weights, Work, by_tiles};
use crate::engine::nf4::{BLOCK, CODE};

pub(super) fn run(weights: Weights<'_>, work: Work<'_>) {
    // SAFETY: the kernel was chosen because the machine has AVX-512 F, BW, DQ, VL and BF16, and FMA.
    #[expect(unsafe_code, reason = "call of a target-feature function")]
    unsafe {
        match weights {
            Weights::Coded(codes, magnitudes) => coded((codes, magnitudes), work),
            Weights::Half(values) => half(values, work),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
#[expect(unsafe_code, reason = "calls of unchecked kernels")]
fn coded((codes, magnitudes): (&[u8], &[f32]), work: Work<'_>) {
    // Twice, for an index of 16 bits has five that count and the fifth is the next code's.
    let table: [bf16; 32] = std::array::from_fn(|i| bf16::from_f32(CODE[i % 16]));
    let weights = (codes, magnitudes, &table);
    if work.count == 1 {
        // One stream, which the processor follows better than two.
        by_tiles!(work, 1, coded_tile, weights);
    } else {
        by_tiles!(work, 2, coded_tile, weights);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
#[expect(unsafe_code, reason = "calls of unchecked kernels")]
fn half(weights: &[bf16], work: Work<'_>) {
    if work.count == 1 {
        by_tiles!(work, 1, half_tile, weights);
    } else {
        by_tiles!(work, 2, half_tile, weights);
    }
}

/// Bytes ahead that the codes of one row are fetched into the second-level cache: what goes to the first at once waits for
/// memory in the few places that it has for lines on their way, and leaves no room for more. Measured on AMD Zen 4.
const FAR_AHEAD: usize = 16384;

/// 32 numbers from anywhere.
///
/// SAFETY of a call: there are 32 numbers.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
#[expect(unsafe_code, reason = "an unchecked load")]
unsafe fn load(from: *const bf16) -> __m512bh {
    // SAFETY: the caller's; both types are 64 plain bytes.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(from.cast())) }
}

/// SAFETY of a call: rows `row..row + R` and tokens `token..token + T` are within `work`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
#[expect(unsafe_code, reason = "unchecked loads")]
unsafe fn coded_tile<const R: usize, const T: usize>(
    (codes, magnitudes, table): (&[u8], &[f32], &[bf16; 32]),
    work: &Work<'_>,
    row: usize,
    token: usize,
) {
    let blocks = work.width / BLOCK;
    let mut sums = [[[_mm512_setzero_ps(); 2]; T]; R];
    // SAFETY: a row has `blocks` magnitudes and 32 bytes of codes for each, a token 64 values for
    // each.
    unsafe {
        let table = _mm512_loadu_si512(table.as_ptr().cast());
        let codes = codes.as_ptr().add(row * work.width / 2);
        let magnitudes = magnitudes.as_ptr().add(row * blocks);
        let x = work.halves.as_ptr().add(token * work.width);
        let at = |r: usize, block: usize| {
            let bytes = codes.add(r * work.width / 2 + block * (BLOCK / 2));
            (bytes, magnitudes.add(r * blocks + block), x.add(block * BLOCK))
        };
        // Two sums in turn: a row's blocks then need not wait for each other.
        for block in (1..blocks).step_by(2) {
            for (r, sums) in sums.iter_mut().enumerate() {
                add_block::<R, T, 0>(at(r, block - 1), table, work.width, sums);
                add_block::<R, T, 1>(at(r, block), table, work.width, sums);
            }
        }
        if !blocks.is_multiple_of(2) {
            for (r, sums) in sums.iter_mut().enumerate() {
                add_block::<R, T, 0>(at(r, blocks - 1), table, work.width, sums);
            }
        }
        finish(sums, work, row, token);
    }
}

/// Adds a block's products to `sums[..][TURN]`.
///
/// SAFETY of a call: there are 32 bytes of codes, a magnitude, and T times 64 values `width` apart.
/// Prefetching beyond the end is no access.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
#[expect(unsafe_code, reason = "unchecked loads")]
unsafe fn add_block<const R: usize, const T: usize, const TURN: usize>(
    (bytes, magnitude, x): (*const u8, *const f32, *const bf16),
    table: __m512i,
    width: usize,
    sums: &mut [Sums; T],
) {
    // SAFETY: the caller's.
    unsafe {
        if R == 1 && T == 1 {
            _mm_prefetch::<_MM_HINT_T1>(bytes.wrapping_add(FAR_AHEAD).cast());
        } else {
            _mm_prefetch::<_MM_HINT_T0>(bytes.wrapping_add(AHEAD).cast());
        }
        let index = _mm512_cvtepu8_epi16(_mm256_loadu_si256(bytes.cast()));
        let even = _mm512_permutexvar_epi16(_mm512_srli_epi16::<4>(index), table);
        let odd = _mm512_permutexvar_epi16(index, table);
        let (even, odd) = (
            std::mem::transmute::<__m512i, __m512bh>(even),
            std::mem::transmute::<__m512i, __m512bh>(odd),
        );
        let magnitude = _mm512_set1_ps(*magnitude);
        for (t, sums) in sums.iter_mut().enumerate() {
            let x = x.add(t * width);
            let sum = _mm512_dpbf16_ps(_mm512_setzero_ps(), even, load(x));
            let sum = _mm512_dpbf16_ps(sum, odd, load(x.add(BLOCK / 2)));
            sums[TURN] = _mm512_fmadd_ps(magnitude, sum, sums[TURN]);
        }
    }
}

/// SAFETY of a call: as for [`coded_tile`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
#[expect(unsafe_code, reason = "unchecked loads")]
unsafe fn half_tile<const R: usize, const T: usize>(
    weights: &[bf16],
    work: &Work<'_>,
    row: usize,
    token: usize,
) {
    let mut sums = [[[_mm512_setzero_ps(); 2]; T]; R];
    // SAFETY: rows and tokens have `width` values, a multiple of 64.
    unsafe {
        let weights = weights.as_ptr().add(row * work.width);
        let x = work.halves.as_ptr().add(token * work.width);
        for first in (0..work.width).step_by(2 * LANES) {
            for (r, sums) in sums.iter_mut().enumerate() {
                let weights = weights.add(r * work.width + first);
                let (a, b) = (load(weights), load(weights.add(LANES)));
                for (t, sums) in sums.iter_mut().enumerate() {
                    let x = x.add(t * work.width + first);
                    sums[0] = _mm512_dpbf16_ps(sums[0], a, load(x));
                    sums[1] = _mm512_dpbf16_ps(sums[1], b, load(x.add(LANES)));
                }
            }
        }
        finish(sums, work, row, token);
    }
}
