//! How many steps a run has, which rows each step takes, and its learning rate.

use std::ops::Range;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::Recipe;

/// Steps, row order and learning rate of a run. A pure function of recipe and row count, so that
/// a resumed run takes the same rows as one that ran through.
#[derive(Debug, Clone)]
pub struct Schedule {
    rows: usize,
    batch_rows: usize,
    steps: u64,
    warmup_steps: u64,
    learning_rate: f32,
    final_share: f32,
    seed: u64,
}

impl Schedule {
    /// Plans a run over `rows` training rows.
    pub fn new(recipe: &Recipe, rows: usize) -> Self {
        let batch_rows = recipe.batch_rows.max(1);
        let per_epoch = rows.div_ceil(batch_rows) as u64;
        let steps = ((recipe.epochs * per_epoch as f64).ceil() as u64).max(u64::from(rows > 0));
        Self {
            rows,
            batch_rows,
            steps,
            warmup_steps: (steps as f64 * f64::from(recipe.warmup_share)).round() as u64,
            learning_rate: recipe.learning_rate,
            final_share: recipe.final_share,
            seed: recipe.seed,
        }
    }

    /// Optimizer steps in all.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Steps in one pass over the rows.
    pub fn steps_per_epoch(&self) -> u64 {
        self.rows.div_ceil(self.batch_rows) as u64
    }

    /// Position in epochs after `step` steps.
    pub fn epoch(&self, step: u64) -> f64 {
        step as f64 / self.steps_per_epoch().max(1) as f64
    }

    /// The epoch, from 0, of the step that follows `done` finished ones.
    pub fn epoch_of(&self, done: u64) -> u64 {
        done / self.steps_per_epoch().max(1)
    }

    /// Learning rate of the step that follows `done` finished ones: linear warm-up, then a cosine
    /// down to the final share (Loshchilov and Hutter 2016, without restarts).
    pub fn learning_rate(&self, done: u64) -> f32 {
        if done < self.warmup_steps {
            return self.learning_rate * (done + 1) as f32 / self.warmup_steps as f32;
        }
        let span = self.steps.saturating_sub(self.warmup_steps).max(1);
        let position = (done - self.warmup_steps) as f64 / span as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * position.min(1.0)).cos());
        let floor = f64::from(self.final_share);
        self.learning_rate * (floor + (1.0 - floor) * cosine) as f32
    }

    /// Places of the rows, in the order of the epoch, of the step that follows `done` finished ones.
    pub fn places(&self, done: u64) -> Range<usize> {
        let position = (done % self.steps_per_epoch().max(1)) as usize;
        let start = position * self.batch_rows;
        start.min(self.rows)..(start + self.batch_rows).min(self.rows)
    }

    /// Indices of the rows of the step that follows `done` finished ones.
    pub fn batch(&self, done: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rows).collect();
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(self.epoch_of(done));
        order.shuffle(&mut random);
        order[self.places(done)].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rows: usize, epochs: f64) -> Schedule {
        let recipe = Recipe {
            epochs,
            batch_rows: 4,
            warmup_share: 0.1,
            final_share: 0.1,
            ..Recipe::default()
        };
        Schedule::new(&recipe, rows)
    }

    #[test]
    fn every_epoch_takes_every_row_once_in_another_order() {
        let schedule = schedule(10, 3.0);
        assert_eq!(schedule.steps(), 9);
        let epoch =
            |e: u64| -> Vec<usize> { (0..3).flat_map(|i| schedule.batch(e * 3 + i)).collect() };
        for e in 0..3 {
            let mut rows = epoch(e);
            rows.sort_unstable();
            assert_eq!(rows, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(epoch(0), epoch(1));
        assert_eq!(epoch(2), epoch(2));
    }

    #[test]
    fn the_learning_rate_rises_then_falls_to_the_final_share() {
        let schedule = schedule(400, 1.0);
        assert_eq!(schedule.steps(), 100);
        let rates: Vec<f32> = (0..100).map(|i| schedule.learning_rate(i)).collect();
        let top = Recipe::default().learning_rate;
        assert!((rates[0] - top / 10.0).abs() < 1e-9);
        assert!((rates[9] - top).abs() < 1e-9);
        assert!(rates[10..].windows(2).all(|pair| pair[1] <= pair[0]));
        assert!((rates[99] - top * 0.1).abs() < top * 0.01);
    }

    #[test]
    fn part_of_an_epoch_and_no_rows_are_planned() {
        assert_eq!(schedule(10, 0.5).steps(), 2);
        assert_eq!(schedule(0, 3.0).steps(), 0);
        assert_eq!(schedule(1, 0.01).steps(), 1);
    }
}
