//! AVX2 with FMA: the 16 codes in two registers, one row by up to two tokens at a time.

use std::arch::x86_64::{
    __m256, __m256i, _mm_loadl_epi64, _mm256_add_ps, _mm256_and_si256, _mm256_blendv_ps,
    _mm256_castsi256_ps, _mm256_cvtepu8_epi32, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_mul_ps, _mm256_permutevar8x32_ps, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_ps,
};

use half::bf16;

use super::{LANES, Weights, Work};
use crate::engine::nf4::{BLOCK, CODE};

/// Lanes in registers of eight: even places, then odd ones.
type Sums = [__m256; 4];

pub(super) fn run(weights: Weights<'_>, work: Work<'_>) {
    // SAFETY: the kernel was chosen because the machine has AVX2 and FMA.
    #[expect(unsafe_code, reason = "call of a target-feature function")]
    unsafe {
        match weights {
            Weights::Coded(codes, magnitudes) => coded((codes, magnitudes), work),
            Weights::Half(values) => half(values, work),
        }
    }
}

#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "calls of unchecked kernels")]
fn coded(weights: (&[u8], &[f32]), work: Work<'_>) {
    for token in (0..work.count).step_by(2) {
        for row in 0..work.rows {
            // SAFETY: `multiply` checked the sizes; this row and these tokens are within them.
            unsafe {
                if token + 1 < work.count {
                    coded_tile::<2>(weights, &work, row, token);
                } else {
                    coded_tile::<1>(weights, &work, row, token);
                }
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "calls of unchecked kernels")]
fn half(weights: &[bf16], work: Work<'_>) {
    for token in (0..work.count).step_by(2) {
        for row in 0..work.rows {
            // SAFETY: as above.
            unsafe {
                if token + 1 < work.count {
                    half_tile::<2>(weights, &work, row, token);
                } else {
                    half_tile::<1>(weights, &work, row, token);
                }
            }
        }
    }
}

/// Values of eight codes.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn look_up(lower: __m256, upper: __m256, index: __m256i) -> __m256 {
    // Bit 3 of the index, as the sign, chooses the half of the table.
    _mm256_blendv_ps(
        _mm256_permutevar8x32_ps(lower, index),
        _mm256_permutevar8x32_ps(upper, index),
        _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index)),
    )
}

/// SAFETY of a call: row `row` and tokens `token..token + T` are within `work`.
#[inline]
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "unchecked loads")]
unsafe fn coded_tile<const T: usize>(
    (codes, magnitudes): (&[u8], &[f32]),
    work: &Work<'_>,
    row: usize,
    token: usize,
) {
    let blocks = work.width / BLOCK;
    let mut sums = [[_mm256_setzero_ps(); 4]; T];
    // SAFETY: a row has `blocks` magnitudes and 32 bytes of codes for each, a token 64 values for
    // each.
    unsafe {
        let code = [_mm256_loadu_ps(CODE.as_ptr()), _mm256_loadu_ps(CODE.as_ptr().add(8))];
        let codes = codes.as_ptr().add(row * work.width / 2);
        let magnitudes = magnitudes.as_ptr().add(row * blocks);
        let x = work.x.as_ptr().add(token * work.width);
        for block in 0..blocks {
            let magnitude = _mm256_set1_ps(*magnitudes.add(block));
            let [lower, upper] = code.map(|code| _mm256_mul_ps(code, magnitude));
            for eighth in 0..4 {
                let bytes = codes.add(block * (BLOCK / 2) + eighth * 8);
                let index = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes.cast()));
                let even = look_up(lower, upper, _mm256_srli_epi32::<4>(index));
                let odd = look_up(lower, upper, index);
                // The first 16 bytes of a block are the first 32 values.
                let (group, lane) = (eighth / 2, eighth % 2);
                for (t, sums) in sums.iter_mut().enumerate() {
                    let x = x.add(t * work.width + block * BLOCK + group * LANES + lane * 8);
                    sums[lane] = _mm256_fmadd_ps(even, _mm256_loadu_ps(x), sums[lane]);
                    sums[2 + lane] =
                        _mm256_fmadd_ps(odd, _mm256_loadu_ps(x.add(16)), sums[2 + lane]);
                }
            }
        }
    }
    finish(sums, work, row, token);
}

/// SAFETY of a call: as for [`coded_tile`].
#[inline]
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "unchecked loads")]
unsafe fn half_tile<const T: usize>(weights: &[bf16], work: &Work<'_>, row: usize, token: usize) {
    let mut sums = [[_mm256_setzero_ps(); 4]; T];
    let high = _mm256_set1_epi32(0xffff_0000_u32 as i32);
    // SAFETY: rows and tokens have `width` values, a multiple of 32.
    unsafe {
        let weights = weights.as_ptr().add(row * work.width);
        let x = work.x.as_ptr().add(token * work.width);
        for first in (0..work.width).step_by(LANES) {
            for lane in 0..2 {
                // A pair in each word: the even value low, the odd one high.
                let pairs = _mm256_loadu_si256(weights.add(first + lane * 16).cast());
                let even = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs));
                let odd = _mm256_castsi256_ps(_mm256_and_si256(pairs, high));
                for (t, sums) in sums.iter_mut().enumerate() {
                    let x = x.add(t * work.width + first + lane * 8);
                    sums[lane] = _mm256_fmadd_ps(even, _mm256_loadu_ps(x), sums[lane]);
                    sums[2 + lane] =
                        _mm256_fmadd_ps(odd, _mm256_loadu_ps(x.add(16)), sums[2 + lane]);
                }
            }
        }
    }
    finish(sums, work, row, token);
}

/// Adds the adapter's part, adds up the lanes and writes the results.
#[inline]
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "vector stores")]
fn finish<const T: usize>(sums: [Sums; T], work: &Work<'_>, row: usize, token: usize) {
    for (t, sums) in sums.into_iter().enumerate() {
        let eight = _mm256_add_ps(_mm256_add_ps(sums[0], sums[2]), _mm256_add_ps(sums[1], sums[3]));
        let mut lanes = [0.0f32; 8];
        // SAFETY: room for eight values.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), eight) };
        let b = &work.b[(row) * work.rank..][..work.rank];
        let u = &work.u[(token + t) * work.pitch..][..work.rank];
        for (b, u) in b.chunks(8).zip(u.chunks(8)) {
            for ((lane, b), u) in lanes.iter_mut().zip(b).zip(u) {
                *lane = b.mul_add(*u, *lane);
            }
        }
        let four: [f32; 4] = std::array::from_fn(|i| lanes[i] + lanes[i + 4]);
        work.out.set(row, token + t, (four[0] + four[2]) + (four[1] + four[3]));
    }
}
