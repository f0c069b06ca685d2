//! Dropout on what the adapter reads, as PEFT has it: before A, each projection's input loses a
//! share of its values and the others grow by `1 / (1 - share)`; the base reads them all.
//!
//! Which values are lost is computed, not drawn in turn: from the seed, the step, the layer, the
//! projection, the token's number in the step and the column. So a resumed run loses the same ones,
//! and so does a layer that is computed again.

use rayon::prelude::*;

use super::cpu::panels::Element as _;
use super::cpu::team::Together as _;
use super::cpu::values::Values;
use super::lora::Target;

/// What of 65536 draws is compared with.
const DRAWS: f32 = 65536.0;
/// Draws in one number.
const LANES: usize = 4;

/// How much is lost, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Dropout {
    /// Share of values lost; 0 is none.
    pub(super) share: f32,
    pub(super) seed: u64,
}

/// What is lost in one micro-batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Masks {
    key: u64,
    first_token: usize,
    /// Draws below this are lost.
    limit: u16,
    scale: f32,
}

impl Dropout {
    /// The masks of a micro-batch whose tokens are those of the step from `first_token` on.
    pub(super) fn masks(self, step: u64, first_token: usize) -> Option<Masks> {
        (self.share > 0.0).then(|| Masks {
            key: mix(mix(self.seed ^ 0x6472_6f70) ^ step),
            first_token,
            limit: (self.share * DRAWS) as u16,
            scale: 1.0 / (1.0 - self.share),
        })
    }
}

impl Masks {
    /// What a device draws the same masks from: the key in two halves, and the number of the first token.
    pub(super) fn draw(self) -> [u32; 3] {
        [self.key as u32, (self.key >> 32) as u32, self.first_token as u32]
    }

    /// Draws of 16 bits below the first are lost, the others grow by the second.
    pub(super) fn bounds(self) -> (u32, f32) {
        (u32::from(self.limit), self.scale)
    }

    /// `out = mask * x` for the rows of `x`, one a token, `pitch` apart.
    pub(super) fn apply_rows(
        self,
        place: (usize, Target),
        (x, pitch): (Values<'_>, usize),
        width: usize,
        out: &mut [f32],
    ) {
        out.par_chunks_exact_mut(width).enumerate().together(|(token, out)| {
            f32::take(x.part(token * pitch..token * pitch + width), out);
            self.apply(place, token, out);
        });
    }

    /// `x = mask * x` for the row of one token.
    fn apply(self, place: (usize, Target), token: usize, x: &mut [f32]) {
        self.each(place, token, x.len(), |at, factor| x[at] *= factor);
    }

    /// `out += mask * x`.
    pub(super) fn add(self, place: (usize, Target), token: usize, x: &[f32], out: &mut [f32]) {
        self.each(place, token, x.len(), |at, factor| out[at] += x[at] * factor);
    }

    /// Gives the factor of each of `len` values.
    fn each(
        self,
        (layer, target): (usize, Target),
        token: usize,
        len: usize,
        mut set: impl FnMut(usize, f32),
    ) {
        let place = number(layer, target);
        let row = mix(mix(self.key ^ u64::from(place)) ^ (self.first_token + token) as u64);
        let factors = [self.scale, 0.0];
        for first in (0..len).step_by(LANES) {
            let mut draws = mix(row.wrapping_add((first / LANES) as u64));
            for at in first..(first + LANES).min(len) {
                let lost = (draws as u16) < self.limit;
                set(at, factors[usize::from(lost)]);
                draws >>= 16;
            }
        }
    }
}

/// A projection among those of all layers.
pub(super) fn number(layer: usize, target: Target) -> u32 {
    (layer * Target::ALL.len() + target as usize) as u32
}

/// The step of SplitMix64 (Steele, Lea and Flood 2014): every bit of the result depends on all bits.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(dropout: Dropout, step: u64, first: usize, place: (usize, Target)) -> Vec<f32> {
        let mut out = vec![1.0; 10_001];
        dropout.masks(step, first).unwrap().apply(place, 3, &mut out);
        out
    }

    #[test]
    fn the_share_is_lost_and_the_rest_grows() {
        assert_eq!(Dropout { share: 0.0, seed: 1 }.masks(0, 0), None);
        for share in [0.05f32, 0.5] {
            let out = row(Dropout { share, seed: 1 }, 0, 0, (0, Target::Up));
            let lost = out.iter().filter(|x| **x == 0.0).count() as f32 / out.len() as f32;
            assert!((lost - share).abs() < 0.015, "{share} {lost}");
            assert!(out.iter().all(|x| *x == 0.0 || *x == 1.0 / (1.0 - share)));
            let mean = out.iter().sum::<f32>() / out.len() as f32;
            assert!((mean - 1.0).abs() < 0.03, "{mean}");
        }
    }

    #[test]
    fn masks_depend_on_all_that_tells_a_value_apart_and_on_nothing_else() {
        let dropout = Dropout { share: 0.3, seed: 1 };
        let one = row(dropout, 5, 7, (2, Target::Key));
        assert_eq!(one, row(dropout, 5, 7, (2, Target::Key)));
        let other = Dropout { seed: 2, ..dropout };
        for others in [
            row(other, 5, 7, (2, Target::Key)),
            row(dropout, 6, 7, (2, Target::Key)),
            row(dropout, 5, 8, (2, Target::Key)),
            row(dropout, 5, 7, (3, Target::Key)),
            row(dropout, 5, 7, (2, Target::Value)),
        ] {
            // As far apart as two draws are: 2 * 0.3 * 0.7 of the values differ.
            let apart = one.iter().zip(&others).filter(|(a, b)| a != b).count();
            assert!((3800..4600).contains(&apart), "{apart}");
        }
        let mut added = vec![2.0; 10_001];
        let ones = vec![1.0; added.len()];
        dropout.masks(5, 7).unwrap().add((2, Target::Key), 3, &ones, &mut added);
        assert!(added.iter().zip(&one).all(|(added, one)| *added == 2.0 + one));
    }
}
