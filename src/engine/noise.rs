//! Noise on the embeddings of training rows (NEFTune, Jain et al. 2023, arXiv 2310.05914).

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::pack::Packed;

/// How much noise, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Noise {
    /// Noise is uniform in ±alpha / sqrt(tokens of the row * width); 0 is none.
    pub(super) alpha: f32,
    pub(super) seed: u64,
}

impl Noise {
    /// Adds noise to `x` `[tokens, width]`. The draws of a token depend on the seed, the step and its
    /// number within the step only. Tokens that rows share have the noise of the longest row.
    pub(super) fn add(self, packed: &Packed, step: u64, first_token: usize, x: &mut [f32]) {
        if self.alpha <= 0.0 || x.is_empty() {
            return;
        }
        let width = x.len() / packed.tokens();
        let mut limits = vec![0.0; packed.tokens()];
        // A segment's tokens have the noise of the longest row that leads through it.
        let mut longest = vec![0; packed.segments.len()];
        for (index, segment) in packed.segments.iter().enumerate().rev() {
            let last = packed.positions[segment.own.clone()].last();
            let length = last.map_or(0, |last| *last as usize + 1).max(longest[index]);
            limits[segment.own.clone()].fill(self.alpha / ((length * width) as f32).sqrt());
            if let Some(parent) = segment.parent {
                longest[parent] = longest[parent].max(length);
            }
        }
        x.par_chunks_exact_mut(width).zip(limits).enumerate().for_each(|(token, (row, limit))| {
            let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ step.rotate_left(32));
            random.set_stream((first_token + token) as u64);
            for value in row {
                *value += random.random_range(-limit..=limit);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_bounded_and_repeats_with_step_and_seed() {
        let mut packed = Packed::default();
        packed.push(&[1, 2, 3, 4]);
        packed.push(&[5, 6]);
        let draw = |alpha: f32, seed: u64, step: u64, first: usize| {
            let mut x = vec![0.0f32; 6 * 16];
            Noise { alpha, seed }.add(&packed, step, first, &mut x);
            x
        };
        let x = draw(5.0, 1, 3, 0);
        for (token, row) in x.chunks(16).enumerate() {
            let length = if token < 4 { 4.0 } else { 2.0 };
            let limit = 5.0 / (length * 16.0f32).sqrt();
            let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            assert!(most <= limit && most > 0.5 * limit, "{token}: {most} {limit}");
        }
        assert_eq!(x, draw(5.0, 1, 3, 0));
        assert_ne!(x, draw(5.0, 1, 4, 0));
        assert_ne!(x, draw(5.0, 2, 3, 0));
        assert_eq!(x[16..32], draw(5.0, 1, 3, 1)[..16], "a token's number in the step decides");
        assert!(draw(0.0, 1, 3, 0).iter().all(|x| *x == 0.0));
    }
}
