//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864) in Hugging Face's order: the pair
//! of element `i` of a head is element `i + head_dim / 2`.

use rayon::prelude::*;

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

impl Rotary {
    /// Makes sure that positions `0..count` are there.
    pub(super) fn reach(&mut self, config: &DecoderConfig, count: usize) {
        self.half = config.head_dim / 2;
        let known = self.table.len() / config.head_dim;
        if count <= known {
            return;
        }
        // In powers of two, so that generation does not grow it at each token.
        let count = count.next_power_of_two();
        let frequencies: Vec<f32> = (0..self.half)
            .map(|i| {
                let exponent = (2 * i) as f32 / config.head_dim as f32;
                let factor = config.rope_factors.as_ref().map_or(1.0, |all| all[i]);
                1.0 / (config.rope_base.powf(exponent) * factor)
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
        rows.par_chunks_mut(ROWS * pitch).zip(positions.par_chunks(ROWS)).for_each(
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
