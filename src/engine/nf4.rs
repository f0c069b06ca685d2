//! The NF4 number format of QLoRA (Dettmers et al. 2023, arXiv 2305.14314), as bitsandbytes has it.
//!
//! A matrix is flattened row-major and cut into blocks of 64. A block keeps its largest magnitude
//! and, for each value, the index of the nearest of 16 codes. The magnitudes are quantized in turn
//! ("double quantization"): less their mean, in blocks of 256, to an 8-bit dynamic map. In all
//! 4 + 8/64 + 32/(64 * 256) = 4.127 bits a weight.

mod decode;
mod encode;
mod magnitudes;

use std::ops::{Deref, Range};
use std::sync::{Arc, LazyLock};

use rayon::prelude::*;

use super::cpu::pages::Region;

pub(super) use decode::{Decoded, values as decode};
pub use encode::nearest_code;

/// Values that share one magnitude.
pub const BLOCK: usize = 64;

/// Magnitudes that share one second-level magnitude.
pub const NESTED_BLOCK: usize = 256;

/// The 16 codes: quantiles of a normal distribution, scaled to [-1, 1], with an exact zero.
pub const CODE: [f32; 16] = [
    f32::from_bits(0xbf80_0000),
    f32::from_bits(0xbf32_39b1),
    f32::from_bits(0xbf06_6b30),
    f32::from_bits(0xbeca_32a0),
    f32::from_bits(0xbe91_a24d),
    f32::from_bits(0xbe3d_353f),
    f32::from_bits(0xbdba_7871),
    f32::from_bits(0x0000_0000),
    f32::from_bits(0x3da2_faff),
    f32::from_bits(0x3e24_cae3),
    f32::from_bits(0x3e7c_04dd),
    f32::from_bits(0x3ead_033a),
    f32::from_bits(0x3ee1_a4b8),
    f32::from_bits(0x3f10_07ab),
    f32::from_bits(0x3f39_13b3),
    f32::from_bits(0x3f80_0000),
];

/// Limits between neighbouring codes: the midpoints in f32. A value on a limit takes the lower code.
pub const THRESHOLDS: [f32; 15] = {
    let mut limits = [0.0; 15];
    let mut i = 0;
    while i < 15 {
        limits[i] = f32::midpoint(CODE[i], CODE[i + 1]);
        i += 1;
    }
    limits
};

/// The signed 8-bit dynamic map (bitsandbytes `create_dynamic_map(signed=True)`), ascending.
pub static DYNAMIC_MAP: LazyLock<[f32; 256]> = LazyLock::new(|| dynamic_map(true));

/// The unsigned 8-bit dynamic map (`signed=False`), ascending.
pub static UNSIGNED_MAP: LazyLock<[f32; 256]> = LazyLock::new(|| dynamic_map(false));

/// A quantized tensor of `len` values, flattened.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// Number of values.
    pub len: usize,
    /// Two indices into [`CODE`] a byte, the even value in the high nibble.
    pub codes: Bytes,
    /// For each block of [`BLOCK`] values, an index into [`DYNAMIC_MAP`].
    pub magnitudes: Vec<u8>,
    /// For each [`NESTED_BLOCK`] magnitudes, the factor of the map's entries.
    pub nested: Vec<f32>,
    /// Mean magnitude, added to every decoded one.
    pub offset: f32,
}

/// Bytes of a region, which several may share.
#[derive(Clone)]
pub struct Bytes {
    region: Arc<Region>,
    place: Range<usize>,
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.region.bytes()[self.place.clone()]
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let (mut region, place) = (Region::zeros(bytes.len()), 0..bytes.len());
        region.bytes_mut()[place.clone()].copy_from_slice(&bytes);
        Self { region: Arc::new(region), place }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.place.len())
    }
}

/// Quantizes a tensor.
///
/// An all-zero block is encoded as zeros (index 7), as bitsandbytes does on the CPU.
pub fn quantize(values: &[f32]) -> Quantized {
    let mut region = Region::with_room(values.len().div_ceil(2));
    let mut quantized = quantize_to(&mut region, values);
    quantized.settle(&Arc::new(region));
    quantized
}

/// Quantizes a tensor, the codes to the end of a region: they can be read once [`Quantized::settle`] is told it.
pub(super) fn quantize_to(region: &mut Region, values: &[f32]) -> Quantized {
    // Values that a thread goes through twice while they are in its cache.
    const AT_ONCE: usize = 256 * BLOCK;
    let place = region.grow(values.len().div_ceil(2));
    let codes = &mut region.bytes_mut()[place.clone()];
    let mut magnitudes = vec![0.0f32; values.len().div_ceil(BLOCK)];
    let parts = codes.par_chunks_mut(AT_ONCE / 2).zip(magnitudes.par_chunks_mut(AT_ONCE / BLOCK));
    parts
        .zip(values.par_chunks(AT_ONCE))
        .for_each(|((codes, magnitudes), values)| encode::encode(values, codes, magnitudes));
    // The mean in f64 in sequence: one order on every machine.
    let sum: f64 = magnitudes.iter().map(|x| f64::from(*x)).sum();
    let offset = (sum / magnitudes.len().max(1) as f64) as f32;
    let mut nested = vec![0.0; magnitudes.len().div_ceil(NESTED_BLOCK)];
    let mut indices = vec![0u8; magnitudes.len()];
    let blocks = indices.par_chunks_mut(NESTED_BLOCK).zip(magnitudes.par_chunks(NESTED_BLOCK));
    blocks.zip(&mut nested).for_each(|((indices, block), nested)| {
        *nested = block.iter().fold(0.0f32, |most, x| most.max((x - offset).abs()));
        let inverse = 1.0 / nested.max(1e-38);
        for (index, x) in indices.iter_mut().zip(block) {
            *index = nearest_in_map((x - offset) * inverse);
        }
    });
    let codes = Bytes { region: Arc::default(), place };
    Quantized { len: values.len(), codes, magnitudes: indices, nested, offset }
}

/// Bytes of a region that the codes of a tensor of `count` values take.
pub(super) fn region_bytes(count: usize) -> usize {
    count.div_ceil(2).next_multiple_of(BLOCK)
}

impl Quantized {
    /// Tells that the codes are in this region.
    pub(super) fn settle(&mut self, region: &Arc<Region>) {
        self.codes.region = Arc::clone(region);
    }

    /// The magnitude of block `block`, decoded: `map[q] * nested + offset`, each step rounded.
    #[inline]
    pub fn magnitude(&self, block: usize) -> f32 {
        DYNAMIC_MAP[usize::from(self.magnitudes[block])] * self.nested[block / NESTED_BLOCK]
            + self.offset
    }

    /// Decodes the magnitudes of blocks from `first` on.
    pub(super) fn decode_magnitudes(&self, first: usize, out: &mut [f32]) {
        let map: &[f32; 256] = &DYNAMIC_MAP;
        let indices = &self.magnitudes[first..first + out.len()];
        let mut done = 0;
        while done < out.len() {
            // Up to the next second-level magnitude.
            let nested = (first + done) / NESTED_BLOCK;
            let end = ((nested + 1) * NESTED_BLOCK - first).min(out.len());
            let (factor, offset) = (self.nested[nested], self.offset);
            magnitudes::decode(map, &indices[done..end], (factor, offset), &mut out[done..end]);
            done = end;
        }
    }

    /// Decodes the values from `start` on into `out`.
    ///
    /// # Panics
    /// If `start + out.len()` is beyond the tensor.
    pub fn dequantize(&self, start: usize, out: &mut [f32]) {
        decode::values(self, start, out);
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.codes.len() + self.magnitudes.len() + self.nested.len() * 4
    }
}

/// Bytes that a quantized tensor of `count` values takes.
pub fn bytes(count: usize) -> usize {
    let magnitudes = count.div_ceil(BLOCK);
    count.div_ceil(2) + magnitudes + magnitudes.div_ceil(NESTED_BLOCK) * 4
}

/// Index of the map entry nearest to `x`; the lower one on an exact midpoint.
pub(super) fn nearest_in_map(x: f32) -> u8 {
    static LIMITS: LazyLock<Vec<f32>> = LazyLock::new(|| {
        DYNAMIC_MAP.windows(2).map(|pair| f32::midpoint(pair[0], pair[1])).collect()
    });
    LIMITS.partition_point(|limit| x > *limit) as u8
}

/// Builds the map: for exponent i of 7, means of neighbours among even steps from 0.1 to 1, times
/// 10^(i - 6); then 0 and 1. Signed, there are 2^i means with both signs, unsigned twice as many.
fn dynamic_map(signed: bool) -> [f32; 256] {
    let mut map = Vec::with_capacity(256);
    for exponent in 0..7i32 {
        let steps = 1usize << (exponent + i32::from(!signed));
        let limits = even_steps(steps + 1);
        let factor = 10f64.powi(exponent - 6) as f32;
        for pair in limits.windows(2) {
            let mean = factor * f32::midpoint(pair[0], pair[1]);
            map.push(mean);
            if signed {
                map.push(-mean);
            }
        }
    }
    map.push(0.0);
    map.push(1.0);
    map.sort_by(f32::total_cmp);
    let mut fixed = [0.0; 256];
    fixed.copy_from_slice(&map);
    fixed
}

/// `torch.linspace(0.1, 1, count)` in f32: counted from the nearer end, each value rounded once
/// (torch's loop is compiled to fused multiply-adds, and the map bitsandbytes stores shows it).
fn even_steps(count: usize) -> Vec<f32> {
    let (start, end) = (0.1f32, 1.0f32);
    let step = (end - start) / (count - 1) as f32;
    (0..count)
        .map(|i| {
            if i < count / 2 {
                step.mul_add(i as f32, start)
            } else {
                (-step).mul_add((count - 1 - i) as f32, end)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
