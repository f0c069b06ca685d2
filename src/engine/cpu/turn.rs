//! Transposing pairs of bf16 as 32-bit words, for panels whose columns are rows of a matrix.

use super::ahead;
use super::panels::WIDTH;

/// Writes word `k` of row `n` to `panel[k * WIDTH + n]`, for [`WIDTH`] rows `pitch` words apart.
pub(super) fn words(rows: &[u32], pitch: usize, panel: &mut [u32]) {
    assert!(rows.len() >= WIDTH * pitch && panel.len() >= WIDTH * pitch);
    let square = Square::fastest();
    let side = square.side();
    let done = pitch / side * side;
    for first in (0..done).step_by(side) {
        if first + 3 * side <= done {
            ahead::owned(&mut panel[(first + 2 * side) * WIDTH..][..side * WIDTH]);
        }
        for n in (0..WIDTH).step_by(side) {
            // SAFETY: `side` rows of `side` words lie within `rows`, as many lines of the panel within `panel`; the machine
            // has what the square takes.
            #[expect(unsafe_code, reason = "unchecked loads and stores")]
            unsafe {
                let from = rows.as_ptr().add(n * pitch + first);
                square.turn((from, pitch), (panel.as_mut_ptr().add(first * WIDTH + n), WIDTH));
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
    let square = Square::fastest();
    let side = square.side();
    let done = count / side * side;
    for first in (0..done).step_by(side) {
        for n in (0..WIDTH).step_by(side) {
            // SAFETY: as above, the other way round.
            #[expect(unsafe_code, reason = "unchecked loads and stores")]
            unsafe {
                let from = panel.as_ptr().add(first * WIDTH + n);
                square.turn((from, WIDTH), (rows.as_mut_ptr().add(n * pitch + first), pitch));
            }
        }
    }
    for (n, row) in rows.chunks_exact_mut(pitch.max(1)).take(WIDTH).enumerate() {
        for (k, word) in row[..count].iter_mut().enumerate().skip(done) {
            *word = panel[k * WIDTH + n];
        }
    }
}

/// A square of words that is transposed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Square {
    /// 16 by 16, by AVX-512.
    #[cfg(target_arch = "x86_64")]
    Wide,
    /// 8 by 8, by AVX.
    #[cfg(target_arch = "x86_64")]
    Middle,
    /// A word.
    Word,
}

impl Square {
    fn fastest() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            use super::vector::{Level, level};
            match level() {
                Level::Rounding | Level::Wide => return Self::Wide,
                Level::Middle => return Self::Middle,
                Level::Baseline => {}
            }
        }
        Self::Word
    }

    fn side(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Wide => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Middle => 8,
            Self::Word => 1,
        }
    }

    /// Line `k` of the result has word `k` of each row. Rows and lines lie so many words apart.
    // SAFETY of a call: what the square takes is there, and so are `side` rows and lines of `side` words.
    #[expect(unsafe_code, reason = "calls of target-feature functions")]
    unsafe fn turn(self, from: (*const u32, usize), to: (*mut u32, usize)) {
        // SAFETY: the caller's.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Wide => sixteen(from, to),
                #[cfg(target_arch = "x86_64")]
                Self::Middle => eight(from, to),
                Self::Word => *to.0 = *from.0,
            }
        }
    }
}

/// Transposes 8 by 8 words, in three rounds that each swap halves of a size.
// SAFETY of a call: AVX, 8 rows of 8 words at `from`, 8 lines at `to`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn eight((from, pitch): (*const u32, usize), (to, stride): (*mut u32, usize)) {
    use std::arch::x86_64::{
        _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
        _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };
    // Moves only: what the words stand for does not matter.
    let rows: [_; 8] = std::array::from_fn(|i| {
        // SAFETY: the caller's.
        unsafe { _mm256_loadu_ps(from.add(i * pitch).cast()) }
    });
    // Within each 128-bit lane: words of four neighbouring rows side by side.
    let quads = |i: usize| {
        let [a, b, c, d] = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]];
        let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        [
            _mm256_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low),
            _mm256_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low),
            _mm256_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high),
            _mm256_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high),
        ]
    };
    for (line, (upper, lower)) in quads(0).into_iter().zip(quads(4)).enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let low = _mm256_permute2f128_ps::<0x20>(upper, lower);
            _mm256_storeu_ps(to.add(line * stride).cast(), low);
            let high = _mm256_permute2f128_ps::<0x31>(upper, lower);
            _mm256_storeu_ps(to.add((4 + line) * stride).cast(), high);
        }
    }
}

/// Transposes 16 by 16 words, in four rounds that each swap halves of a size.
// SAFETY of a call: AVX-512 F, 16 rows of 16 words at `from`, 16 lines at `to`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn sixteen((from, pitch): (*const u32, usize), (to, stride): (*mut u32, usize)) {
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
    /// Every square that this machine can turn, in rows and lines of other widths than its own.
    #[test]
    fn squares_are_transposed_wherever_they_lie() {
        let mut squares = vec![Square::Word];
        #[cfg(target_arch = "x86_64")]
        for (square, is_there) in [
            (Square::Middle, is_x86_feature_detected!("avx")),
            (Square::Wide, is_x86_feature_detected!("avx512f")),
        ] {
            if is_there {
                squares.push(square);
            } else {
                eprintln!("skipped: this machine cannot turn {square:?}");
            }
        }
        let (pitch, stride) = (21, 19);
        let rows: Vec<u32> = (0..16 * pitch as u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
        for square in squares {
            let side = square.side();
            let mut lines = vec![7; 16 * stride];
            // SAFETY: the square is there; 16 rows of 21 words and 16 lines of 19 are room for it from word 2 and 1 on.
            #[expect(unsafe_code, reason = "call of a target-feature function")]
            unsafe {
                square.turn((rows.as_ptr().add(2), pitch), (lines.as_mut_ptr().add(1), stride));
            }
            for (i, word) in lines.iter().enumerate() {
                let (k, n) = (i / stride, (i % stride).wrapping_sub(1));
                let want = if k < side && n < side { rows[n * pitch + 2 + k] } else { 7 };
                assert_eq!(*word, want, "{square:?} {k} {n}");
            }
        }
    }
}
