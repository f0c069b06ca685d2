//! Magnitudes of blocks, looked up in the dynamic map.

/// `out = map[index] * factor + offset`, rounded after the product and after the sum.
pub(super) fn decode(
    map: &[f32; 256],
    indices: &[u8],
    (factor, offset): (f32, f32),
    out: &mut [f32],
) {
    #[cfg(target_arch = "x86_64")]
    if indices.len() >= FEWEST && crate::engine::cpu::vector::level().is_wide() {
        let (groups, rest) = indices.as_chunks::<LANES>();
        let (places, out_rest) = out.as_chunks_mut::<LANES>();
        // SAFETY: the machine has AVX-512.
        #[expect(unsafe_code, reason = "call of a target-feature function")]
        unsafe {
            wide(map, groups, (factor, offset), places);
        }
        return plain(map, rest, (factor, offset), out_rest);
    }
    plain(map, indices, (factor, offset), out);
}

fn plain(map: &[f32; 256], indices: &[u8], (factor, offset): (f32, f32), out: &mut [f32]) {
    for (out, index) in out.iter_mut().zip(indices) {
        *out = map[usize::from(*index)] * factor + offset;
    }
}

#[cfg(target_arch = "x86_64")]
const LANES: usize = 16;

/// Magnitudes that are worth loading the map for.
#[cfg(target_arch = "x86_64")]
const FEWEST: usize = 4 * LANES;

/// The map in 16 registers: each pair of them is asked, and three bits of an index tell whose answer counts.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
#[expect(unsafe_code, reason = "vector loads and stores")]
fn wide(
    map: &[f32; 256],
    indices: &[[u8; LANES]],
    (factor, offset): (f32, f32),
    out: &mut [[f32; LANES]],
) {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm512_add_ps, _mm512_cvtepu8_epi32, _mm512_loadu_ps,
        _mm512_mask_blend_ps, _mm512_mul_ps, _mm512_permutex2var_ps, _mm512_set1_epi32,
        _mm512_set1_ps, _mm512_storeu_ps, _mm512_test_epi32_mask,
    };
    let (parts, _) = map.as_chunks::<LANES>();
    let table: [_; 16] = std::array::from_fn(|i| {
        // SAFETY: 16 values.
        unsafe { _mm512_loadu_ps(parts[i].as_ptr()) }
    });
    let (factor, offset) = (_mm512_set1_ps(factor), _mm512_set1_ps(offset));
    for (indices, out) in indices.iter().zip(out) {
        // SAFETY: 16 bytes.
        let index = _mm512_cvtepu8_epi32(unsafe { _mm_loadu_si128(indices.as_ptr().cast()) });
        // Of an index, the five lowest bits count here.
        let asked: [_; 8] =
            std::array::from_fn(|i| _mm512_permutex2var_ps(table[2 * i], index, table[2 * i + 1]));
        let bit = |bit: i32| _mm512_test_epi32_mask(index, _mm512_set1_epi32(bit));
        let (fifth, sixth, seventh) = (bit(32), bit(64), bit(128));
        let asked: [_; 4] =
            std::array::from_fn(|i| _mm512_mask_blend_ps(fifth, asked[2 * i], asked[2 * i + 1]));
        let low = _mm512_mask_blend_ps(sixth, asked[0], asked[1]);
        let high = _mm512_mask_blend_ps(sixth, asked[2], asked[3]);
        let found = _mm512_mask_blend_ps(seventh, low, high);
        // SAFETY: 16 places.
        unsafe {
            _mm512_storeu_ps(out.as_mut_ptr(), _mm512_add_ps(_mm512_mul_ps(found, factor), offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_found_at_every_place() {
        let map: [f32; 256] = std::array::from_fn(|i| ((i * 37 % 256) as f32 - 100.0) * 0.003_7);
        for shift in 0..17 {
            let indices: Vec<u8> = (0..300 + shift).map(|i| (i + shift) as u8).collect();
            let mut out = vec![0.0; indices.len()];
            decode(&map, &indices, (0.37, 0.011), &mut out);
            for (out, index) in out.iter().zip(&indices) {
                assert_eq!(*out, map[usize::from(*index)] * 0.37 + 0.011);
            }
        }
    }
}
