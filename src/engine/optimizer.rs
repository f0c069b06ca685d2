//! AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) as PyTorch computes it.

use rayon::prelude::*;

use super::cpu::vector::vectorized;
use super::eight_bit::EightBit;
use super::lora::Adapter;
use crate::failure::{Failure, Result};

/// Values that one task takes.
const CHUNK: usize = 1 << 14;

/// Settings of the optimizer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimizerConfig {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Gradients are scaled down to this norm when above it; 0 turns clipping off.
    pub clip_norm: f32,
    /// Moments are kept in 8 bits.
    pub eight_bit: bool,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip_norm: 1.0,
            eight_bit: false,
        }
    }
}

/// All that an optimizer remembers. Values are in the adapter's order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OptimizerState {
    /// Steps done.
    pub step: u64,
    /// First moments held in f32.
    pub first: Vec<f32>,
    /// Second moments held in f32.
    pub second: Vec<f32>,
    /// The moments held in 8 bits; none but for the 8-bit optimizer, where `first` and `second`
    /// are those of the tensors that are too small for it.
    pub eight_bit: Option<EightBit>,
}

impl OptimizerState {
    /// The state before the first step, in f32.
    pub fn new(parameters: usize) -> Self {
        let zeros = vec![0.0; parameters];
        Self { step: 0, first: zeros.clone(), second: zeros, eight_bit: None }
    }

    /// The state before the first step for an adapter.
    pub fn of(adapter: &Adapter, eight_bit: bool) -> Self {
        if !eight_bit {
            return Self::new(adapter.parameter_count());
        }
        let eight_bit = EightBit::new(adapter.lengths());
        Self { eight_bit: Some(eight_bit.clone()), ..Self::new(eight_bit.small()) }
    }

    /// Fails unless it is of the right length and finite.
    pub(super) fn check(&self, adapter: &Adapter, eight_bit: bool) -> Result<()> {
        if self.eight_bit.is_some() != eight_bit {
            return Err(Failure::user("the optimizer state is that of another optimizer"));
        }
        let small = match &self.eight_bit {
            None => adapter.parameter_count(),
            Some(eight_bit) => {
                eight_bit.check(&adapter.lengths())?;
                eight_bit.small()
            }
        };
        if self.first.len() != small || self.second.len() != small {
            return Err(Failure::user(format!(
                "the optimizer state has {} and {} values, but the adapter has {small}",
                self.first.len(),
                self.second.len()
            )));
        }
        if !self.first.iter().chain(&self.second).all(|x| x.is_finite()) {
            return Err(Failure::user("the optimizer state has values that are not finite"));
        }
        Ok(())
    }

    /// Counts a step; gives its numbers as [`apply`] takes them.
    pub(super) fn begin(
        &mut self,
        config: &OptimizerConfig,
        learning_rate: f32,
        factor: f32,
    ) -> [f32; 4] {
        self.step += 1;
        let steps = self.step.min(i32::MAX as u64) as i32;
        let correction1 = 1.0 - f64::from(config.beta1).powi(steps);
        let correction2 = 1.0 - f64::from(config.beta2).powi(steps);
        let size = (f64::from(learning_rate) / correction1) as f32;
        let root = (1.0 / correction2.sqrt()) as f32;
        let keep = (1.0 - f64::from(learning_rate) * f64::from(config.weight_decay)) as f32;
        [factor, size, root, keep]
    }

    /// Updates `values` by one step. Gradients are first multiplied by `factor` (clipping).
    pub(super) fn update(
        &mut self,
        config: &OptimizerConfig,
        learning_rate: f32,
        values: &mut [f32],
        grads: &[f32],
        factor: f32,
    ) {
        let numbers = self.begin(config, learning_rate, factor);
        let config = *config;
        if let Some(eight_bit) = &mut self.eight_bit {
            let moments = (&mut self.first[..], &mut self.second[..]);
            eight_bit.update(values, grads, moments, config, numbers);
            return;
        }
        values
            .par_chunks_mut(CHUNK)
            .zip(grads.par_chunks(CHUNK))
            .zip(self.first.par_chunks_mut(CHUNK))
            .zip(self.second.par_chunks_mut(CHUNK))
            .for_each(|(((values, grads), first), second)| {
                apply(values, grads, first, second, config, numbers);
            });
    }
}

/// Bytes of an adapter's state.
pub(super) fn bytes(adapter: &Adapter, eight_bit: bool) -> usize {
    if eight_bit {
        let state = EightBit::new(adapter.lengths());
        state.bytes() + state.small() * 8
    } else {
        adapter.parameter_count() * 8
    }
}

/// Norm of all gradients: sums of squares in f64 over fixed chunks, added in order.
pub(super) fn norm(grads: &[f32]) -> f64 {
    let sums: Vec<f64> = grads
        .par_chunks(CHUNK)
        .map(|chunk| chunk.iter().map(|x| f64::from(*x) * f64::from(*x)).sum())
        .collect();
    sums.iter().sum::<f64>().sqrt()
}

/// The factor that brings gradients of norm `norm` down to `clip_norm` (as PyTorch's
/// `clip_grad_norm_`: never above 1, with 1e-6 added to the norm).
pub(super) fn clip_factor(norm: f64, clip_norm: f32) -> f32 {
    if clip_norm > 0.0 { (f64::from(clip_norm) / (norm + 1e-6)).min(1.0) as f32 } else { 1.0 }
}

vectorized! {
    /// One step over a chunk; `numbers` are gradient factor, step size, 1 / sqrt(correction), and
    /// what weight decay keeps.
    pub(super) fn apply(
        values: &mut [f32],
        grads: &[f32],
        first: &mut [f32],
        second: &mut [f32],
        config: OptimizerConfig,
        numbers: [f32; 4],
    ) {
        let [factor, size, root, keep] = numbers;
        let moments = first.iter_mut().zip(second);
        for ((value, grad), (first, second)) in values.iter_mut().zip(grads).zip(moments) {
            let grad = grad * factor;
            *first = config.beta1 * *first + (1.0 - config.beta1) * grad;
            *second = config.beta2 * *second + (1.0 - config.beta2) * grad * grad;
            *value = *value * keep - size * *first / (second.sqrt() * root + config.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_match_numbers_worked_by_hand() {
        // torch.optim.AdamW([0.5, -1], lr=0.1, betas=(0.9, 0.99), eps=1e-3, weight_decay=0.2) with
        // gradients (1, -0.2) and then (-0.5, 0.4), worked out in f64 from the definition.
        let config = OptimizerConfig {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-3,
            weight_decay: 0.2,
            clip_norm: 0.0,
            eight_bit: false,
        };
        let mut values = [0.5f32, -1.0];
        let mut state = OptimizerState::new(2);
        state.update(&config, 0.1, &mut values, &[1.0, -0.2], 1.0);
        // 0.5 * 0.98 - 0.1 * 1 / 1.001, and -0.98 + 0.1 * 0.2 / 0.201
        assert!((values[0] - 0.390_099_9).abs() < 1e-6, "{values:?}");
        assert!((values[1] + 0.880_497_5).abs() < 1e-6, "{values:?}");
        // Gradients doubled and halved again by the clipping factor.
        state.update(&config, 0.1, &mut values, &[-1.0, 0.8], 0.5);
        let mut want = [0.390_099_9f64, -0.880_497_5];
        for (value, (first, second)) in want.iter_mut().zip([
            (0.9 * 0.1 - 0.1 * 0.5, 0.99 * 0.01 + 0.01 * 0.25),
            (0.9 * -0.02 + 0.1 * 0.4, 0.99 * 0.0004 + 0.01 * 0.16f64),
        ]) {
            let root = (second / (1.0f64 - 0.9801)).sqrt();
            *value = *value * 0.98 - 0.1 * (first / 0.19) / (root + 1e-3);
        }
        assert!((f64::from(values[0]) - want[0]).abs() < 1e-6, "{values:?} {want:?}");
        assert!((f64::from(values[1]) - want[1]).abs() < 1e-6, "{values:?} {want:?}");
        assert_eq!(state.step, 2);
    }

    #[test]
    fn clipping_is_by_the_norm_of_all() {
        assert!((norm(&[3.0, 0.0, -4.0]) - 5.0).abs() < 1e-12);
        assert!((clip_factor(5.0, 1.0) - 0.2).abs() < 1e-6);
        assert_eq!(clip_factor(0.5, 1.0), 1.0);
        assert_eq!(clip_factor(5.0, 0.0), 1.0);
    }
}
