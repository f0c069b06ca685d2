//! Transposing pairs of bf16 as 32-bit words, for panels whose columns are rows of a matrix.

use super::panels::WIDTH;

/// Writes word `k` of row `n` to `panel[k * WIDTH + n]`, for [`WIDTH`] rows `pitch` words apart.
pub(super) fn words(rows: &[u32], pitch: usize, panel: &mut [u32]) {
    assert!(rows.len() >= WIDTH * pitch && panel.len() >= WIDTH * pitch);
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if let Some((side, square)) = squares() {
        done = pitch / side * side;
        for first in (0..done).step_by(side) {
            for row in (0..WIDTH).step_by(side) {
                // SAFETY: `squares` saw what the function needs; `side` rows of `side` words lie within
                // `rows`, as many lines of as many words within `panel`.
                #[expect(unsafe_code, reason = "call of a target-feature function")]
                unsafe {
                    let from = rows.as_ptr().add(row * pitch + first);
                    square((from, pitch), panel.as_mut_ptr().add(first * WIDTH + row), WIDTH);
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
    if let Some((side, square)) = squares() {
        done = count / side * side;
        for first in (0..done).step_by(side) {
            for row in (0..WIDTH).step_by(side) {
                // SAFETY: as above; `side` lines of `side` words lie within `panel`, as many rows of as many
                // words within `rows`.
                #[expect(unsafe_code, reason = "call of a target-feature function")]
                unsafe {
                    let from = panel.as_ptr().add(first * WIDTH + row);
                    square((from, WIDTH), rows.as_mut_ptr().add(row * pitch + first), pitch);
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

/// Transposes a square of words from rows so many words apart to lines so many words apart.
#[cfg(target_arch = "x86_64")]
type Square = unsafe fn((*const u32, usize), *mut u32, usize);

/// The side of the square that this machine transposes at a time, a divisor of [`WIDTH`], and how.
#[cfg(target_arch = "x86_64")]
fn squares() -> Option<(usize, Square)> {
    match super::vector::level() {
        super::vector::Level::Wide => Some((16, square)),
        super::vector::Level::Middle => Some((8, small_square)),
        super::vector::Level::Baseline => None,
    }
}

/// Transposes 8 by 8 words, in three rounds that each swap halves of a size.
// SAFETY of a call: AVX2, 8 rows of 8 words at `from`, 8 lines `stride` apart at `to`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn small_square((from, pitch): (*const u32, usize), to: *mut u32, stride: usize) {
    use std::arch::x86_64::{
        __m256i, _mm256_loadu_si256, _mm256_permute2x128_si256, _mm256_setzero_si256,
        _mm256_storeu_si256, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32,
        _mm256_unpacklo_epi64,
    };
    let mut rows: [__m256i; 8] = [_mm256_setzero_si256(); 8];
    for (i, row) in rows.iter_mut().enumerate() {
        // SAFETY: the caller's.
        *row = unsafe { _mm256_loadu_si256(from.add(i * pitch).cast()) };
    }
    // Within each 128-bit lane: words of four neighbouring rows side by side.
    let mut quads: [__m256i; 8] = [_mm256_setzero_si256(); 8];
    for i in 0..2 {
        let [a, b, c, d] = [rows[i * 4], rows[i * 4 + 1], rows[i * 4 + 2], rows[i * 4 + 3]];
        let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        quads[i * 4] = _mm256_unpacklo_epi64(ab_low, cd_low);
        quads[i * 4 + 1] = _mm256_unpackhi_epi64(ab_low, cd_low);
        quads[i * 4 + 2] = _mm256_unpacklo_epi64(ab_high, cd_high);
        quads[i * 4 + 3] = _mm256_unpackhi_epi64(ab_high, cd_high);
    }
    // quads[4 i + j], lane l: word 4 l + j of rows 4 i .. 4 i + 4. Now lanes of both i together.
    for j in 0..4 {
        let (a, b) = (quads[j], quads[4 + j]);
        // SAFETY: the caller's.
        unsafe {
            let low = _mm256_permute2x128_si256::<0x20>(a, b);
            _mm256_storeu_si256(to.add(j * stride).cast(), low);
            let high = _mm256_permute2x128_si256::<0x31>(a, b);
            _mm256_storeu_si256(to.add((4 + j) * stride).cast(), high);
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

    /// Those of other instruction sets too, which [`squares`] does not choose here.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn squares_of_every_instruction_set_are_transposed() {
        let mut all: Vec<(usize, Square)> = Vec::new();
        if is_x86_feature_detected!("avx2") {
            all.push((8, small_square));
        }
        if is_x86_feature_detected!("avx512f") {
            all.push((16, square));
        }
        for (side, square) in all {
            let (pitch, stride) = (side + 3, side + 5);
            let from: Vec<u32> = (0..(side * pitch) as u32).collect();
            let mut to = vec![u32::MAX; side * stride];
            // SAFETY: just detected; rows and lines as above.
            #[expect(unsafe_code, reason = "call of a target-feature function")]
            unsafe {
                square((from.as_ptr(), pitch), to.as_mut_ptr(), stride);
            }
            for (i, word) in to.iter().enumerate() {
                let (line, at) = (i / stride, i % stride);
                let want = if at < side { from[at * pitch + line] } else { u32::MAX };
                assert_eq!(*word, want, "{side} {line} {at}");
            }
        }
    }

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
