//! Encoding, whole blocks at a time: a code is the number of limits that its value is above.

use super::{BLOCK, THRESHOLDS};
use crate::engine::cpu::vector::vectorized;

/// Values that are compared at once.
const LANES: usize = 16;

/// Index of the code nearest to `x`, which is scaled to [-1, 1]. NaN gives 0.
pub fn nearest_code(x: f32) -> u8 {
    THRESHOLDS.iter().map(|limit| u8::from(x > *limit)).sum()
}

vectorized! {
    /// Codes of values from the first of a block on, two a byte, and the magnitude of each block: the largest there
    /// is, NaN counting for nothing. The last block may be short.
    pub(super) fn encode(values: &[f32], codes: &mut [u8], magnitudes: &mut [f32]) {
        let (blocks, rest) = values.as_chunks::<BLOCK>();
        let (whole, last) = codes.as_chunks_mut::<{ BLOCK / 2 }>();
        for ((block, codes), magnitude) in blocks.iter().zip(whole).zip(&mut *magnitudes) {
            let mut most = [0.0f32; LANES];
            for values in block.as_chunks::<LANES>().0 {
                for (most, x) in most.iter_mut().zip(values) {
                    *most = if x.abs() > *most { x.abs() } else { *most };
                }
            }
            *magnitude = most.into_iter().fold(0.0, f32::max);
            let inverse = inverse(*magnitude);
            let mut above = [0u32; BLOCK];
            for (above, x) in above.iter_mut().zip(block) {
                let x = x * inverse;
                *above = THRESHOLDS.iter().map(|limit| u32::from(x > *limit)).sum();
            }
            for (byte, pair) in codes.iter_mut().zip(above.as_chunks::<2>().0) {
                *byte = (pair[0] << 4 | pair[1]) as u8;
            }
        }
        if let Some(magnitude) = magnitudes.get_mut(blocks.len()) {
            *magnitude = rest.iter().fold(0.0, |most, x| f32::max(most, x.abs()));
            let inverse = inverse(*magnitude);
            for (byte, pair) in last.iter_mut().zip(rest.chunks(2)) {
                let code = |at: usize| pair.get(at).map_or(0, |x| nearest_code(x * inverse));
                *byte = code(0) << 4 | code(1);
            }
        }
    }
}

/// What a block is scaled by. The reciprocal is multiplied, not divided by: the last bit decides ties.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn inverse(magnitude: f32) -> f32 {
    1.0 / magnitude.max(1e-38)
}
