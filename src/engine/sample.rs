//! Choosing the next token from logits.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::cpu::vector;

/// Chooses tokens of one sequence. Its choices depend on the seed and its stream, not
/// on what is decoded beside it.
#[derive(Debug)]
pub(super) struct Sampler {
    temperature: f32,
    top_p: f32,
    random: ChaCha8Rng,
}

impl Sampler {
    pub(super) fn new(temperature: f32, top_p: f32, seed: u64, stream: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Self { temperature, top_p, random }
    }

    /// The next token. With temperature 0 the likeliest, the first of equals. Otherwise a draw
    /// from the smallest set of likeliest tokens whose probabilities reach `top_p`.
    pub(super) fn choose(&mut self, logits: &mut [f32]) -> u32 {
        if is_greedy(self.temperature) {
            return likeliest(logits) as u32;
        }
        let most = vector::largest(logits);
        vector::scale(logits, 1.0 / self.temperature);
        let sum = vector::exp_shifted(logits, most / self.temperature);
        let top_p = if self.top_p > 0.0 { self.top_p.min(1.0) } else { 1.0 };
        // Tokens below this have less than 1 - top_p in all, so none is in the set.
        let least = sum * (1.0 - top_p) / logits.len() as f32;
        let mut likely: Vec<(f32, u32)> = logits
            .iter()
            .zip(0..)
            .filter(|(weight, _)| **weight >= least)
            .map(|(weight, id)| (*weight, id))
            .collect();
        likely.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut reach = 0.0;
        let enough = likely
            .iter()
            .position(|(weight, _)| {
                reach += weight;
                reach >= top_p * sum
            })
            .map_or(likely.len(), |at| at + 1);
        likely.truncate(enough);
        let total: f32 = likely.iter().map(|(weight, _)| weight).sum();
        let mut draw = self.random.random::<f32>() * total;
        for (weight, id) in &likely {
            draw -= weight;
            if draw < 0.0 {
                return *id;
            }
        }
        likely.last().map_or(0, |(_, id)| *id)
    }
}

/// Buffers of a choice among some tokens.
#[derive(Debug, Default)]
pub(super) struct Among {
    ids: Vec<u32>,
    logits: Vec<f32>,
}

impl Sampler {
    /// [`Sampler::choose`] among the tokens whose bits in `mask` are set, as if there were no others; none
    /// where there are none.
    pub(super) fn choose_among(
        &mut self,
        logits: &[f32],
        mask: &[u64],
        buffers: &mut Among,
    ) -> Option<u32> {
        let Among { ids, logits: some } = buffers;
        ids.clear();
        ids.extend(allowed_ids(mask).take_while(|id| (*id as usize) < logits.len()));
        some.clear();
        some.extend(ids.iter().map(|id| logits[*id as usize]));
        if ids.is_empty() {
            return None;
        }
        ids.get(self.choose(some) as usize).copied()
    }
}

/// Whether a mask has the token's bit.
pub(super) fn is_allowed(mask: &[u64], id: u32) -> bool {
    mask.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
}

/// The tokens of a mask, ascending.
fn allowed_ids(mask: &[u64]) -> impl Iterator<Item = u32> {
    mask.iter().zip(0..).filter(|(word, _)| **word != 0).flat_map(|(word, at): (&u64, u32)| {
        (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
    })
}

/// Whether this temperature takes the likeliest token. So does one that is not a number.
pub(super) fn is_greedy(temperature: f32) -> bool {
    temperature.is_nan() || temperature <= 0.0
}

/// The place of the largest logit, the first of equals.
pub(super) fn likeliest(logits: &[f32]) -> usize {
    let most = vector::largest(logits);
    logits.iter().position(|x| *x == most).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_first_of_equals() {
        let mut sampler = Sampler::new(0.0, 1.0, 1, 0);
        assert_eq!(sampler.choose(&mut [0.0, 3.0, -1.0, 3.0]), 1);
    }

    #[test]
    fn draws_follow_the_probabilities_within_the_nucleus() {
        // Probabilities 0.6, 0.3, 0.1; top_p 0.8 leaves 2/3 and 1/3.
        let logits = [0.1f32.ln(), 0.6f32.ln(), 0.3f32.ln()];
        for (temperature, top_p, want) in [
            (1.0, 0.8, [0.0f64, 0.667, 0.333]),
            (1.0, 1.0, [0.1, 0.6, 0.3]),
            (1.0, 0.5, [0.0, 1.0, 0.0]),
            (0.5, 1.0, [0.0217, 0.783, 0.196]),
        ] {
            let mut sampler = Sampler::new(temperature, top_p, 9, 4);
            let mut counts = [0.0f64; 3];
            for _ in 0..20_000 {
                counts[sampler.choose(&mut logits.clone()) as usize] += 1.0 / 20_000.0;
            }
            for (count, want) in counts.iter().zip(want) {
                assert!((count - want).abs() < 0.015, "{counts:?} for {top_p}");
            }
        }
    }

    #[test]
    fn among_some_the_others_have_no_part() {
        let buffers = &mut Among::default();
        let mut logits = vec![5.0f32; 130];
        (logits[3], logits[129], logits[70]) = (1.0, 2.0, 2.0);
        let mask = |ids: &[usize]| {
            let mut mask = [0u64; 3];
            for id in ids {
                mask[id / 64] |= 1 << (id % 64);
            }
            mask
        };
        let mut greedy = Sampler::new(0.0, 1.0, 1, 0);
        assert_eq!(greedy.choose_among(&logits, &mask(&[3, 70, 129]), buffers), Some(70));
        assert_eq!(greedy.choose_among(&logits, &mask(&[3]), buffers), Some(3));
        // Beyond the logits there is nothing to choose.
        assert_eq!(greedy.choose_among(&logits, &mask(&[150]), buffers), None);
        assert_eq!(greedy.choose_among(&logits, &[], buffers), None);
        let mut sampler = Sampler::new(1.0, 1.0, 3, 0);
        let mut counts = [0.0f64; 130];
        for _ in 0..10_000 {
            let id = sampler.choose_among(&logits, &mask(&[3, 129]), buffers).unwrap();
            counts[id as usize] += 1e-4;
        }
        let expected = 1.0 / (1.0 + 1f64.exp());
        assert!((counts[3] - expected).abs() < 0.02, "{}", counts[3]);
        assert!((counts[3] + counts[129] - 1.0).abs() < 1e-9);
        assert!(is_allowed(&mask(&[70]), 70) && !is_allowed(&mask(&[70]), 71));
        assert!(!is_allowed(&mask(&[70]), 1000));
    }

    #[test]
    fn draws_repeat_with_the_seed_and_differ_by_sequence() {
        let draw = |seed, sequence| {
            let mut sampler = Sampler::new(1.0, 1.0, seed, sequence);
            (0..40).map(|_| sampler.choose(&mut [0.0; 7])).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(2, 2), draw(1, 2));
    }
}
