//! Where the time of a step goes.

use std::time::{Duration, Instant};

/// Kinds of work in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Weights and adapter laid out as operands.
    Decode,
    /// Products of activations and weights.
    Product,
    /// Attention.
    Attention,
    /// Gradients of the adapter.
    Adapter,
    /// Norms, gates, rotations, sums.
    Elementwise,
    /// Output head and loss.
    Head,
    /// Clipping and the optimizer.
    Optimizer,
}

/// Seconds by kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Phases {
    seconds: [f64; 7],
}

impl Phases {
    const NAMES: [&'static str; 7] =
        ["decode", "product", "attention", "adapter", "elementwise", "head", "optimizer"];

    /// Names and seconds.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        Self::NAMES.into_iter().zip(self.seconds)
    }

    /// Adds another's times.
    pub fn add(&mut self, other: &Self) {
        for (sum, other) in self.seconds.iter_mut().zip(other.seconds) {
            *sum += other;
        }
    }

    /// Takes what there is, leaving nothing.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Counts for `phase` what is left of `whole`.
    pub(super) fn rest(&mut self, whole: Duration, phase: Phase) {
        let known: f64 = self.seconds.iter().sum();
        self.seconds[phase as usize] += (whole.as_secs_f64() - known).max(0.0);
    }

    /// Counts some seconds for `phase`.
    pub(super) fn count(&mut self, seconds: f64, phase: Phase) {
        self.seconds[phase as usize] += seconds;
    }

    /// Counts the time since `watch` started for `phase`, and starts it anew.
    pub(super) fn lap(&mut self, watch: &mut Watch, phase: Phase) {
        let now = Instant::now();
        self.seconds[phase as usize] += (now - watch.0).as_secs_f64();
        watch.0 = now;
    }
}

/// A running clock.
#[derive(Debug)]
pub(super) struct Watch(Instant);

impl Watch {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_add_up_by_kind() {
        let (mut phases, mut watch) = (Phases::default(), Watch::start());
        std::thread::sleep(Duration::from_millis(2));
        phases.lap(&mut watch, Phase::Head);
        let mut sum = phases.take();
        sum.add(&sum.clone());
        let head = sum.iter().find(|(name, _)| *name == "head").unwrap().1;
        assert!(head >= 0.004);
        assert_eq!(phases, Phases::default());
    }
}
