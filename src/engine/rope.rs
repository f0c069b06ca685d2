//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864) in Hugging Face's order: the pair
//! of element `i` of a head is element `i + head_dim / 2`.

use rayon::prelude::*;

use super::cpu::team::Together as _;
use super::cpu::vector::vectorized;
use crate::model::DecoderConfig;

/// Rows that one task takes.
const ROWS: usize = 16;

/// Cosines and sines of all positions in use.
#[derive(Debug, Default)]
pub(super) struct Rotary {
    half: usize,
    /// `[positions, 2, half]`: cosines, then sines.
    table: Vec<f32>,
}

/// The rotations of all layers: one for all, or another one for those that see a window only.
#[derive(Debug, Default)]
pub(super) struct Rotaries {
    whole: Rotary,
    windowed: Option<Rotary>,
}

impl Rotaries {
    /// Makes sure that positions `0..count` are there.
    pub(super) fn reach(&mut self, config: &DecoderConfig, count: usize) {
        let factors = config.rope_factors.as_deref();
        self.whole.reach(config.head_dim, config.rope_base, factors, count);
        if let Some(base) = config.windows.as_ref().and_then(|windows| windows.rope_base) {
            let windowed = self.windowed.get_or_insert_default();
            windowed.reach(config.head_dim, base, None, count);
        }
    }

    /// The tables of cosines and sines, `[positions, 2, half]`: that of whole layers, and that of those
    /// with a window where it is another.
    pub(super) fn tables(&self) -> [Option<&[f32]>; 2] {
        [Some(&self.whole.table[..]), self.windowed.as_ref().map(|rotary| &rotary.table[..])]
    }

    /// That of one layer.
    pub(super) fn layer(&self, config: &DecoderConfig, layer: usize) -> &Rotary {
        let windowed = self.windowed.as_ref().filter(|_| config.window(layer).is_some());
        windowed.unwrap_or(&self.whole)
    }
}

impl Rotary {
    /// Makes sure that positions `0..count` are there.
    fn reach(&mut self, dim: usize, base: f32, factors: Option<&[f32]>, count: usize) {
        self.half = dim / 2;
        let known = self.table.len() / dim;
        if count <= known {
            return;
        }
        // In powers of two, so that generation does not grow it at each token.
        let count = count.next_power_of_two();
        let frequencies: Vec<f32> = (0..self.half)
            .map(|i| {
                let exponent = (2 * i) as f32 / dim as f32;
                1.0 / (base.powf(exponent) * factors.map_or(1.0, |all| all[i]))
            })
            .collect();
        for position in known..count {
            let angles = frequencies.iter().map(|f| position as f32 * f);
            self.table.extend(angles.clone().map(f32::cos));
            self.table.extend(angles.map(f32::sin));
        }
    }

    /// Rotates one head at `position`; `sign` -1 turns it back.
    pub(super) fn turn(&self, head: &mut [f32], position: usize, sign: f32) {
        let at = &self.table[position * 2 * self.half..][..2 * self.half];
        let (cosines, sines) = at.split_at(self.half);
        let (low, high) = head.split_at_mut(self.half);
        turn(low, high, cosines, sines, sign);
    }

    /// Adds the bias (if any) to rows of query, key and value, and rotates the first `heads` heads
    /// of each row, which are the queries and keys. Rows lie `pitch` apart.
    pub(super) fn forward(
        &self,
        (rows, pitch): (&mut [f32], usize),
        bias: Option<&[f32]>,
        heads: usize,
        positions: &[u32],
    ) {
        let dim = 2 * self.half;
        rows.par_chunks_mut(ROWS * pitch).zip(positions.par_chunks(ROWS)).together(
            |(rows, positions)| {
                for (row, position) in rows.chunks_exact_mut(pitch).zip(positions) {
                    if let Some(bias) = bias {
                        for (value, bias) in row.iter_mut().zip(bias) {
                            *value += bias;
                        }
                    }
                    for head in row[..heads * dim].chunks_exact_mut(dim) {
                        self.turn(head, *position as usize, 1.0);
                    }
                }
            },
        );
    }
}

vectorized! {
    /// `(low, high) = (low c - high s, high c + low s)`.
    fn turn(low: &mut [f32], high: &mut [f32], cosines: &[f32], sines: &[f32], sign: f32) {
        let pairs = low.iter_mut().zip(high);
        for (((low, high), cosine), sine) in pairs.zip(cosines).zip(sines) {
            let sine = sign * sine;
            let (a, b) = (*low, *high);
            *low = a * cosine - b * sine;
            *high = b * cosine + a * sine;
        }
    }
}
