//! Transposing pairs of bf16 as 32-bit words, for panels whose columns are rows of a matrix.

use super::panels::WIDTH;

/// Writes word `k` of row `n` to `panel[k * WIDTH + n]`, for [`WIDTH`] rows `pitch` words apart.
pub(super) fn words(rows: &[u32], pitch: usize, panel: &mut [u32]) {
    assert!(rows.len() >= WIDTH * pitch && panel.len() >= WIDTH * pitch);
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if super::vector::level().is_wide() {
        done = pitch / 16 * 16;
        for first in (0..done).step_by(16) {
            for half in 0..WIDTH / 16 {
                // SAFETY: `level` saw AVX-512 F; 16 rows of 16 words lie within `rows`, 16 lines of 16
                // words within `panel`.
                #[expect(unsafe_code, reason = "call of a target-feature function")]
                unsafe {
                    let from = rows.as_ptr().add(half * 16 * pitch + first);
                    square((from, pitch), panel.as_mut_ptr().add(first * WIDTH + half * 16), WIDTH);
                }
            }
        }
    }
    for (n, row) in rows.chunks_exact(pitch.max(1)).take(WIDTH).enumerate() {
        for (k, word) in row.iter().enumerate().skip(done) {
            panel[k * WIDTH + n] = *word;
        }
    }
}

/// Writes word `panel[k * WIDTH + n]` to word `k` of row `n`, for `count` lines of the panel and
/// [`WIDTH`] rows `pitch` words apart.
pub(super) fn back(panel: &[u32], count: usize, rows: &mut [u32], pitch: usize) {
    assert!(count <= pitch && rows.len() >= WIDTH * pitch && panel.len() >= WIDTH * count);
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if super::vector::level().is_wide() {
        done = count / 16 * 16;
        for first in (0..done).step_by(16) {
            for half in 0..WIDTH / 16 {
                // SAFETY: as above; 16 lines of 16 words lie within `panel`, 16 rows of 16 words within
                // `rows`.
                #[expect(unsafe_code, reason = "call of a target-feature function")]
                unsafe {
                    let from = panel.as_ptr().add(first * WIDTH + half * 16);
                    let to = rows.as_mut_ptr().add(half * 16 * pitch + first);
                    square((from, WIDTH), to, pitch);
                }
            }
        }
    }
    for (n, row) in rows.chunks_exact_mut(pitch.max(1)).take(WIDTH).enumerate() {
        for (k, word) in row[..count].iter_mut().enumerate().skip(done) {
            *word = panel[k * WIDTH + n];
        }
    }
}

/// Transposes 16 by 16 words, in four rounds that each swap halves of a size.
// SAFETY of a call: AVX-512 F, 16 rows of 16 words at `from`, 16 lines `stride` apart at `to`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn square((from, pitch): (*const u32, usize), to: *mut u32, stride: usize) {
    use std::arch::x86_64::{
        __m512i, _mm512_loadu_si512, _mm512_setzero_si512, _mm512_shuffle_i32x4,
        _mm512_storeu_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
        _mm512_unpacklo_epi64,
    };
    let mut rows: [__m512i; 16] = [_mm512_setzero_si512(); 16];
    for (i, row) in rows.iter_mut().enumerate() {
        // SAFETY: the caller's.
        *row = unsafe { _mm512_loadu_si512(from.add(i * pitch).cast()) };
    }
    // Within each 128-bit lane: words of four neighbouring rows side by side.
    let mut quads: [__m512i; 16] = [_mm512_setzero_si512(); 16];
    for i in 0..4 {
        let [a, b, c, d] = [rows[i * 4], rows[i * 4 + 1], rows[i * 4 + 2], rows[i * 4 + 3]];
        let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        quads[i * 4] = _mm512_unpacklo_epi64(ab_low, cd_low);
        quads[i * 4 + 1] = _mm512_unpackhi_epi64(ab_low, cd_low);
        quads[i * 4 + 2] = _mm512_unpacklo_epi64(ab_high, cd_high);
        quads[i * 4 + 3] = _mm512_unpackhi_epi64(ab_high, cd_high);
    }
    // quads[4 i + j], lane l: word 4 l + j of rows 4 i .. 4 i + 4. Now lanes of the four i together.
    for j in 0..4 {
        let [a, b, c, d] = [quads[j], quads[4 + j], quads[8 + j], quads[12 + j]];
        let even_ab = _mm512_shuffle_i32x4::<0b10_00_10_00>(a, b);
        let odd_ab = _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b);
        let even_cd = _mm512_shuffle_i32x4::<0b10_00_10_00>(c, d);
        let odd_cd = _mm512_shuffle_i32x4::<0b11_01_11_01>(c, d);
        let lines = [
            (j, _mm512_shuffle_i32x4::<0b10_00_10_00>(even_ab, even_cd)),
            (8 + j, _mm512_shuffle_i32x4::<0b11_01_11_01>(even_ab, even_cd)),
            (4 + j, _mm512_shuffle_i32x4::<0b10_00_10_00>(odd_ab, odd_cd)),
            (12 + j, _mm512_shuffle_i32x4::<0b11_01_11_01>(odd_ab, odd_cd)),
        ];
        for (line, words) in lines {
            // SAFETY: the caller's.
            unsafe { _mm512_storeu_si512(to.add(line * stride).cast(), words) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_transposed_at_every_width() {
        for pitch in [1, 15, 16, 17, 48, 50] {
            let rows: Vec<u32> = (0..(WIDTH * pitch) as u32).collect();
            let mut panel = vec![0; WIDTH * pitch];
            words(&rows, pitch, &mut panel);
            for n in 0..WIDTH {
                for k in 0..pitch {
                    assert_eq!(panel[k * WIDTH + n], (n * pitch + k) as u32, "{pitch} {n} {k}");
                }
            }
            let mut again = vec![0; WIDTH * pitch];
            back(&panel, pitch, &mut again, pitch);
            assert_eq!(again, rows);
        }
    }
}
