//! Rounding f32 to bf16, to nearest, ties to even.
//!
//! Inside of [`vectorized`](super::vector::vectorized) functions that round, `ROUNDS` chooses the machine's own
//! instruction, which takes the smallest numbers (below 2^-126) for zero.

use half::bf16;

use super::panels::WIDTH;

/// Values that [`pairs`] takes of each operand.
pub(in crate::engine) const PAIRS: usize = WIDTH / 2;

/// A NaN that would round to infinity is not met here, as products of finite values are checked before
/// they are used.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
pub(in crate::engine) fn round(value: f32) -> bf16 {
    let bits = value.to_bits();
    bf16::from_bits((bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16)
}

/// Rounds a line of values.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
pub(in crate::engine) fn line<const ROUNDS: bool>(from: &[f32; WIDTH], to: &mut [bf16; WIDTH]) {
    #[cfg(target_arch = "x86_64")]
    if ROUNDS {
        use std::arch::x86_64::{
            __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_storeu_si512,
        };
        // SAFETY: `ROUNDS` is set where the caller was compiled for, and chosen on, a machine with AVX-512 BF16; 16 values
        // at 0 and at 16 of 32; both types of a register are 64 plain bytes.
        #[expect(unsafe_code, reason = "vector loads and stores")]
        unsafe {
            let (low, high) =
                (_mm512_loadu_ps(from.as_ptr()), _mm512_loadu_ps(from.as_ptr().add(16)));
            let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
            _mm512_storeu_si512(to.as_mut_ptr().cast(), both);
        }
        return;
    }
    *to = from.map(round);
}

/// Rounds two values into a word, the first into its low half.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
pub(in crate::engine) fn pair(a: f32, b: f32) -> u32 {
    u32::from(round(a).to_bits()) | u32::from(round(b).to_bits()) << 16
}

/// Rounds values of two rows into words: those of `a` are the low halves, those of `b` the high ones.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
pub(in crate::engine) fn pairs<const ROUNDS: bool>(
    a: &[f32; PAIRS],
    b: &[f32; PAIRS],
    to: &mut [u32; PAIRS],
) {
    #[cfg(target_arch = "x86_64")]
    if ROUNDS {
        use std::arch::x86_64::{
            __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_loadu_si512,
            _mm512_permutexvar_epi16, _mm512_storeu_si512,
        };
        /// All of the first operand come first.
        const TURNED: [u16; WIDTH] = {
            let mut places = [0; WIDTH];
            let mut i = 0;
            while i < WIDTH {
                places[i] = (i / 2 + i % 2 * PAIRS) as u16;
                i += 1;
            }
            places
        };
        // SAFETY: as above; 16 values each, 32 places of 16 bits.
        #[expect(unsafe_code, reason = "vector loads and stores")]
        unsafe {
            let (a, b) = (_mm512_loadu_ps(a.as_ptr()), _mm512_loadu_ps(b.as_ptr()));
            let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a));
            let places = _mm512_loadu_si512(TURNED.as_ptr().cast());
            _mm512_storeu_si512(to.as_mut_ptr().cast(), _mm512_permutexvar_epi16(places, both));
        }
        return;
    }
    for ((a, b), to) in a.iter().zip(b).zip(to) {
        *to = pair(*a, *b);
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector::vectorized;
    use super::*;

    vectorized! {
        rounding fn by_machine(a: &[f32], b: &[f32], lines: &mut [bf16], words: &mut [u32]) {
            for (a, to) in a.as_chunks().0.iter().zip(lines.as_chunks_mut().0) {
                line::<ROUNDS>(a, to);
            }
            let rows = a.as_chunks().0.iter().zip(b.as_chunks().0);
            for ((a, b), words) in rows.zip(words.as_chunks_mut().0) {
                pairs::<ROUNDS>(a, b, words);
            }
        }
    }

    /// The machine's instruction, where it has one, and our own code round as the half crate does.
    #[test]
    fn lines_and_pairs_are_rounded_to_nearest_ties_to_even() {
        let ties = [0x3f80_8000, 0x3f81_8000, 0xbf80_8001, 0x7f7f_ffff, 0x0080_0000, 0x8000_0000];
        let mut a: Vec<f32> = ties.map(f32::from_bits).to_vec();
        a.extend(
            (0..4 * WIDTH - ties.len())
                .map(|i| (i as f32 * 0.71).sin() * 10f32.powi(i as i32 % 60 - 30)),
        );
        let b: Vec<f32> = a.iter().rev().map(|x| -x).collect();
        let (mut lines, mut words) = (vec![bf16::ONE; a.len()], vec![7; a.len()]);
        by_machine(&a, &b, &mut lines, &mut words);
        for i in 0..a.len() {
            let [low, high] = [a[i], b[i]].map(bf16::from_f32);
            assert_eq!(lines[i].to_bits(), low.to_bits(), "{:e}", a[i]);
            let word = u32::from(low.to_bits()) | u32::from(high.to_bits()) << 16;
            assert_eq!(words[i], word, "{:e} {:e}", a[i], b[i]);
            assert_eq!(round(a[i]).to_bits(), low.to_bits());
        }
    }
}
