//! Encoding, whole blocks at a time: a code is the number of limits that its value is above.

use super::{BLOCK, THRESHOLDS};
use crate::engine::cpu::vector::vectorized;

/// Values that are compared at once.
const LANES: usize = 16;

/// Index of the code nearest to `x`, which is scaled to [-1, 1]. NaN gives 0.
pub fn nearest_code(x: f32) -> u8 {
    THRESHOLDS.iter().map(|limit| u8::from(x > *limit)).sum()
}

/// The largest magnitude of a block; NaN counts for nothing.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn most(block: &[f32]) -> f32 {
    let (lanes, rest) = block.as_chunks::<LANES>();
    let mut most = [0.0f32; LANES];
    for values in lanes.iter().map(<[f32; LANES]>::as_slice).chain([rest]) {
        for (most, x) in most.iter_mut().zip(values) {
            *most = if x.abs() > *most { x.abs() } else { *most };
        }
    }
    most.into_iter().fold(0.0, f32::max)
}

vectorized! {
    /// Codes of values from the first of a block on, two a byte, and the magnitude of each block. The last block may
    /// be short.
    pub(super) fn encode(values: &[f32], codes: &mut [u8], magnitudes: &mut [f32]) {
        let blocks = values.chunks(BLOCK).zip(codes.chunks_mut(BLOCK / 2)).zip(magnitudes);
        for ((block, codes), magnitude) in blocks {
            *magnitude = most(block);
            // The reciprocal is multiplied, not divided by: the last bit decides ties.
            let inverse = 1.0 / magnitude.max(1e-38);
            let (lanes, rest) = block.as_chunks::<LANES>();
            let (bytes, last) = codes.as_chunks_mut::<{ LANES / 2 }>();
            for (values, bytes) in lanes.iter().zip(bytes) {
                let scaled = values.map(|x| x * inverse);
                let mut above = [0u32; LANES];
                for limit in THRESHOLDS {
                    for (above, x) in above.iter_mut().zip(scaled) {
                        *above += u32::from(x > limit);
                    }
                }
                for (byte, pair) in bytes.iter_mut().zip(above.as_chunks::<2>().0) {
                    *byte = (pair[0] << 4 | pair[1]) as u8;
                }
            }
            for (byte, pair) in last.iter_mut().zip(rest.chunks(2)) {
                let code = |at: usize| pair.get(at).map_or(0, |x| nearest_code(x * inverse));
                *byte = code(0) << 4 | code(1);
            }
        }
    }
}
