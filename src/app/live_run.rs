//! A run rebuilt from its events, whether they come from a job or from the run's file.

use crate::train::{RunOutcome, TrainEvent};

/// Curve and latest figures of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveRun {
    /// Steps in all; 0 before the plan is known.
    pub steps: u64,
    /// Training rows.
    pub rows: u64,
    /// Trainable parameters.
    pub trainable: u64,
    /// Training loss by step.
    pub losses: Vec<(f64, f64)>,
    /// Validation loss by step.
    pub validations: Vec<(f64, f64)>,
    /// Best validation: step and loss.
    pub best: Option<(u64, f32)>,
    /// Latest step.
    pub last: Option<StepFigures>,
    /// Step of the latest checkpoint.
    pub checkpoint: Option<u64>,
    /// Held-out answers: step, question, answer.
    pub samples: Vec<(u64, String, String)>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
}

/// Figures of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFigures {
    /// Steps done.
    pub step: u64,
    /// Position in epochs.
    pub epoch: f64,
    /// Loss, nats.
    pub loss: f32,
    /// Learning rate.
    pub learning_rate: f32,
    /// Tokens a second.
    pub tokens_per_second: f32,
    /// Seconds until the last step.
    pub seconds_left: f64,
}

impl LiveRun {
    /// Rebuilds a run from stored events.
    pub fn from_events(events: &[TrainEvent]) -> Self {
        let mut run = Self::default();
        for event in events {
            run.hear(event);
        }
        run
    }

    /// Takes in the next event. After a resume, steps that are done again replace the old ones.
    pub fn hear(&mut self, event: &TrainEvent) {
        match *event {
            TrainEvent::Planned { steps, first_step, rows, trainable, .. } => {
                (self.steps, self.rows, self.trainable) = (steps, rows, trainable);
                self.outcome = None;
                self.losses.retain(|point| point.0 <= first_step as f64);
                self.validations.retain(|point| point.0 <= first_step as f64);
            }
            TrainEvent::Step {
                step,
                epoch,
                loss,
                learning_rate,
                tokens_per_second,
                seconds_left,
                ..
            } => {
                self.last = Some(StepFigures {
                    step,
                    epoch,
                    loss,
                    learning_rate,
                    tokens_per_second,
                    seconds_left,
                });
                if loss.is_finite() {
                    self.losses.push((step as f64, f64::from(loss)));
                }
            }
            TrainEvent::Validation { step, loss, .. } => {
                if loss.is_finite() {
                    self.validations.push((step as f64, f64::from(loss)));
                    if self.best.is_none_or(|(_, best)| loss < best) {
                        self.best = Some((step, loss));
                    }
                }
            }
            TrainEvent::Sample { step, ref prompt, ref answer } => {
                self.samples.push((step, prompt.clone(), answer.clone()));
            }
            TrainEvent::Checkpoint { step } => self.checkpoint = Some(step),
            TrainEvent::Warning { .. } => {}
            TrainEvent::Ended { ref outcome } => self.outcome = Some(outcome.clone()),
        }
    }

    /// The training curve as at most `points` means of equal stretches of steps.
    pub fn thinned(&self, points: usize) -> Vec<(f64, f64)> {
        let size = self.losses.len().div_ceil(points.max(1)).max(1);
        let mean = |chunk: &[(f64, f64)]| {
            let n = chunk.len() as f64;
            let (x, y) = chunk.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
            (x / n, y / n)
        };
        self.losses.chunks(size).map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64, loss: f32) -> TrainEvent {
        TrainEvent::Step {
            step,
            epoch: 0.1,
            loss,
            learning_rate: 1e-4,
            gradient_norm: 1.0,
            tokens_per_second: 100.0,
            seconds: 1.0,
            seconds_left: 9.0,
        }
    }

    fn planned(first_step: u64) -> TrainEvent {
        TrainEvent::Planned {
            steps: 100,
            first_step,
            rows: 10,
            tokens: 10,
            label_tokens: 5,
            trainable: 1,
            memory_bytes: 1 << 30,
            kept_layers: 30,
            partly_kept_layers: 0,
            hosted_inputs: 0,
            hosted_bytes: 0,
            layers: 30,
            micro_tokens: 640,
        }
    }

    #[test]
    fn a_resumed_run_replaces_the_steps_done_again() {
        let mut events = vec![planned(0)];
        events.extend((1..=10).map(|n| step(n, 2.0)));
        events.push(TrainEvent::Validation { step: 10, loss: 1.5, best: 1.5 });
        events.push(planned(8));
        events.extend((9..=12).map(|n| step(n, 1.0)));
        let run = LiveRun::from_events(&events);
        assert_eq!(run.losses.len(), 12);
        assert!(run.losses.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(run.last.map(|last| last.step), Some(12));
    }

    #[test]
    fn thinning_keeps_the_mean_and_survives_odd_values() {
        let mut run = LiveRun::default();
        (1..=1000).for_each(|n| run.hear(&step(n, 3.0)));
        run.hear(&step(1001, f32::NAN));
        let thin = run.thinned(40);
        assert!(thin.len() <= 40);
        assert!(thin.iter().all(|point| (point.1 - 3.0).abs() < 1e-9));
        assert!(LiveRun::default().thinned(0).is_empty());
    }
}
