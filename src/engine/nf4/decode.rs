//! Decoding, whole blocks at a time: a table of the 16 values of a block, looked up by code.

use half::bf16;

use super::{BLOCK, CODE, Quantized};
use crate::engine::cpu::panels::Element;
#[cfg(target_arch = "x86_64")]
use crate::engine::cpu::vector::{self, Level};

/// Blocks whose magnitudes are decoded at a time.
const GROUP: usize = 16;

/// The codes of a block.
type Codes = [u8; BLOCK / 2];

/// Numbers that are decoded to.
pub(in crate::engine) trait Decoded: Element {
    /// Decodes whole blocks from `first` on.
    fn blocks(from: &Quantized, first: usize, out: &mut [[Self; BLOCK]]);
}

/// Decodes the values from `start` on into `out`, rounded where `E` is narrower than f32.
pub(in crate::engine) fn values<E: Decoded>(from: &Quantized, start: usize, out: &mut [E]) {
    assert!(start + out.len() <= from.len, "beyond the quantized tensor");
    // Values before the first whole block, whole blocks, values after them.
    let before = (start.next_multiple_of(BLOCK) - start).min(out.len());
    let (head, rest) = out.split_at_mut(before);
    one_by_one(from, start, head);
    let (blocks, tail) = rest.as_chunks_mut::<BLOCK>();
    let first = (start + before) / BLOCK;
    E::blocks(from, first, blocks);
    one_by_one(from, (first + blocks.len()) * BLOCK, tail);
}

fn one_by_one<E: Element>(from: &Quantized, start: usize, out: &mut [E]) {
    for (at, value) in (start..).zip(out) {
        let byte = from.codes[at / 2];
        let index = if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
        *value = E::one(CODE[usize::from(index)] * from.magnitude(at / BLOCK));
    }
}

/// Hands the codes, magnitudes and places of whole blocks from `first` on to `run`, some at a time.
fn in_groups<E>(
    from: &Quantized,
    first: usize,
    out: &mut [[E; BLOCK]],
    run: impl Fn(&[Codes], &[f32], &mut [[E; BLOCK]]),
) {
    let codes = &from.codes.as_chunks().0[first..first + out.len()];
    let mut magnitudes = [0.0; GROUP];
    for (group, (codes, out)) in codes.chunks(GROUP).zip(out.chunks_mut(GROUP)).enumerate() {
        let magnitudes = &mut magnitudes[..out.len()];
        from.decode_magnitudes(first + group * GROUP, magnitudes);
        run(codes, magnitudes, out);
    }
}

/// The 16 values of a block are the same products, rounded once, that each value by itself would be.
fn plain<E: Element>(codes: &[Codes], magnitudes: &[f32], out: &mut [[E; BLOCK]]) {
    for ((codes, magnitude), out) in codes.iter().zip(magnitudes).zip(out) {
        let table = CODE.map(|code| E::one(code * magnitude));
        for (pair, byte) in out.chunks_exact_mut(2).zip(codes) {
            pair[0] = table[usize::from(byte >> 4)];
            pair[1] = table[usize::from(byte & 15)];
        }
    }
}

impl Decoded for f32 {
    fn blocks(from: &Quantized, first: usize, out: &mut [[Self; BLOCK]]) {
        #[cfg(target_arch = "x86_64")]
        match vector::level() {
            Level::Rounding | Level::Wide => {
                return in_groups(from, first, out, |codes, magnitudes, out| {
                    // SAFETY: `level` saw AVX-512 F, BW and VL.
                    #[expect(unsafe_code, reason = "call of a target-feature function")]
                    unsafe {
                        wide(codes, magnitudes, out);
                    }
                });
            }
            Level::Middle => {
                return in_groups(from, first, out, |codes, magnitudes, out| {
                    // SAFETY: `level` saw AVX2.
                    #[expect(unsafe_code, reason = "call of a target-feature function")]
                    unsafe {
                        middle(codes, magnitudes, out);
                    }
                });
            }
            Level::Baseline => {}
        }
        in_groups(from, first, out, plain);
    }
}

impl Decoded for bf16 {
    fn blocks(from: &Quantized, first: usize, out: &mut [[Self; BLOCK]]) {
        #[cfg(target_arch = "x86_64")]
        if vector::level().is_wide() {
            return in_groups(from, first, out, |codes, magnitudes, out| {
                // SAFETY: `level` saw AVX-512 F, BW and VL.
                #[expect(unsafe_code, reason = "call of a target-feature function")]
                unsafe {
                    wide_half(codes, magnitudes, out);
                }
            });
        }
        in_groups(from, first, out, plain);
    }
}

/// With the table in one register.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[expect(unsafe_code, reason = "vector loads and stores")]
fn wide(codes: &[Codes], magnitudes: &[f32], out: &mut [[f32; BLOCK]]) {
    use std::arch::x86_64::{
        _mm_and_si128, _mm_loadu_si128, _mm_set1_epi8, _mm_srli_epi16, _mm_unpackhi_epi8,
        _mm_unpacklo_epi8, _mm512_cvtepu8_epi32, _mm512_loadu_ps, _mm512_mul_ps,
        _mm512_permutexvar_ps, _mm512_set1_ps, _mm512_storeu_ps,
    };
    let low_bits = _mm_set1_epi8(15);
    // SAFETY: 16 values.
    let values = unsafe { _mm512_loadu_ps(CODE.as_ptr()) };
    for ((codes, magnitude), out) in codes.iter().zip(magnitudes).zip(out) {
        let table = _mm512_mul_ps(values, _mm512_set1_ps(*magnitude));
        for half in 0..2 {
            // SAFETY: 16 bytes at 0 and at 16 of 32.
            let bytes = unsafe { _mm_loadu_si128(codes.as_ptr().add(half * 16).cast()) };
            let high = _mm_and_si128(_mm_srli_epi16::<4>(bytes), low_bits);
            let low = _mm_and_si128(bytes, low_bits);
            let quarters = [_mm_unpacklo_epi8(high, low), _mm_unpackhi_epi8(high, low)];
            for (quarter, indices) in quarters.into_iter().enumerate() {
                let values = _mm512_permutexvar_ps(_mm512_cvtepu8_epi32(indices), table);
                // SAFETY: 16 values at 0, 16, 32 and 48 of 64.
                unsafe {
                    _mm512_storeu_ps(out.as_mut_ptr().add(half * 32 + quarter * 16), values);
                }
            }
        }
    }
}

/// With the rounded table in the halves of one register, and codes as 16-bit indices into it.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[expect(unsafe_code, reason = "vector loads and stores")]
fn wide_half(codes: &[Codes], magnitudes: &[f32], out: &mut [[bf16; BLOCK]]) {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm512_add_epi32, _mm512_and_si512, _mm512_broadcast_i64x4,
        _mm512_castps_si512, _mm512_cvtepi32_epi16, _mm512_cvtepu8_epi32, _mm512_loadu_ps,
        _mm512_mul_ps, _mm512_or_si512, _mm512_permutexvar_epi16, _mm512_set1_epi32,
        _mm512_set1_ps, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_si512,
    };
    let (half, one) = (_mm512_set1_epi32(0x7fff), _mm512_set1_epi32(1));
    // SAFETY: 16 values.
    let values = unsafe { _mm512_loadu_ps(CODE.as_ptr()) };
    for ((codes, magnitude), out) in codes.iter().zip(magnitudes).zip(out) {
        let table = _mm512_castps_si512(_mm512_mul_ps(values, _mm512_set1_ps(*magnitude)));
        // As `rounding::round` does.
        let even = _mm512_and_si512(_mm512_srli_epi32::<16>(table), one);
        let table = _mm512_srli_epi32::<16>(_mm512_add_epi32(_mm512_add_epi32(table, half), even));
        let table = _mm512_broadcast_i64x4(_mm512_cvtepi32_epi16(table));
        for half in 0..2 {
            // SAFETY: 16 bytes at 0 and at 16 of 32.
            let bytes = unsafe { _mm_loadu_si128(codes.as_ptr().add(half * 16).cast()) };
            let bytes = _mm512_cvtepu8_epi32(bytes);
            // The high code in the low half of a word, the whole byte in the high half: of an index
            // five bits count, and the table repeats after four.
            let indices =
                _mm512_or_si512(_mm512_srli_epi32::<4>(bytes), _mm512_slli_epi32::<16>(bytes));
            let values = _mm512_permutexvar_epi16(indices, table);
            // SAFETY: 32 values at 0 and at 32 of 64.
            unsafe {
                _mm512_storeu_si512(out.as_mut_ptr().add(half * 32).cast(), values);
            }
        }
    }
}

/// With the table in two registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "vector loads and stores")]
fn middle(codes: &[Codes], magnitudes: &[f32], out: &mut [[f32; BLOCK]]) {
    use std::arch::x86_64::{
        _mm_and_si128, _mm_loadu_si128, _mm_set1_epi8, _mm_srli_epi16, _mm_srli_si128,
        _mm_unpackhi_epi8, _mm_unpacklo_epi8, _mm256_blendv_ps, _mm256_castsi256_ps,
        _mm256_cvtepu8_epi32, _mm256_loadu_ps, _mm256_mul_ps, _mm256_permutevar8x32_ps,
        _mm256_set1_ps, _mm256_slli_epi32, _mm256_storeu_ps,
    };
    let low_bits = _mm_set1_epi8(15);
    // SAFETY: 8 values at 0 and at 8 of 16.
    let (lower, upper) =
        unsafe { (_mm256_loadu_ps(CODE.as_ptr()), _mm256_loadu_ps(CODE.as_ptr().add(8))) };
    for ((codes, magnitude), out) in codes.iter().zip(magnitudes).zip(out) {
        let magnitude = _mm256_set1_ps(*magnitude);
        let (lower, upper) = (_mm256_mul_ps(lower, magnitude), _mm256_mul_ps(upper, magnitude));
        for half in 0..2 {
            // SAFETY: 16 bytes at 0 and at 16 of 32.
            let bytes = unsafe { _mm_loadu_si128(codes.as_ptr().add(half * 16).cast()) };
            let high = _mm_and_si128(_mm_srli_epi16::<4>(bytes), low_bits);
            let low = _mm_and_si128(bytes, low_bits);
            let (front, back) = (_mm_unpacklo_epi8(high, low), _mm_unpackhi_epi8(high, low));
            let eighths = [front, _mm_srli_si128::<8>(front), back, _mm_srli_si128::<8>(back)];
            for (eighth, indices) in eighths.into_iter().enumerate() {
                let indices = _mm256_cvtepu8_epi32(indices);
                // Bit 3 of the index, as the sign, chooses the half of the table.
                let values = _mm256_blendv_ps(
                    _mm256_permutevar8x32_ps(lower, indices),
                    _mm256_permutevar8x32_ps(upper, indices),
                    _mm256_castsi256_ps(_mm256_slli_epi32::<28>(indices)),
                );
                // SAFETY: 8 values at multiples of 8 below 64.
                unsafe {
                    _mm256_storeu_ps(out.as_mut_ptr().add(half * 32 + eighth * 8), values);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::quantize;
    use super::*;

    #[test]
    fn all_instruction_sets_decode_alike() {
        let values: Vec<f32> =
            (0..BLOCK * 300).map(|i| ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3).collect();
        let quantized = quantize(&values);
        let mut want = vec![[0.0f32; BLOCK]; 290];
        in_groups(&quantized, 7, &mut want, plain);
        let mut out = want.clone();
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            out.fill([0.0; BLOCK]);
            in_groups(&quantized, 7, &mut out, |codes, magnitudes, out| {
                // SAFETY: just detected.
                #[expect(unsafe_code, reason = "call of a target-feature function")]
                unsafe {
                    middle(codes, magnitudes, out);
                }
            });
            assert_eq!(out, want);
        }
        out.fill([0.0; BLOCK]);
        f32::blocks(&quantized, 7, &mut out);
        assert_eq!(out, want);
        let mut half = vec![[bf16::ONE; BLOCK]; 290];
        let mut want = vec![[bf16::ZERO; BLOCK]; 290];
        in_groups(&quantized, 7, &mut want, plain);
        bf16::blocks(&quantized, 7, &mut half);
        assert_eq!(half, want);
    }
}
