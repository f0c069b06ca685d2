//! A sweep as its job tells it: which run it is at, how long it may take, what it warned of.

use std::time::Duration;

use crate::job::sweep::SweepEvent;
use crate::job::sweep::plan::Shortage;

/// Where a sweep's job is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveSweep {
    /// Number of the sweep; none before its plan is known.
    pub number: Option<u32>,
    /// Runs asked for.
    pub runs: usize,
    /// Which of them it is at, from 1; 0 before the first.
    pub place: usize,
    /// Number of the run it is at.
    pub run: Option<u32>,
    /// What that run is trained with, for example `mix 10, rank 8`.
    pub setting: String,
    /// Shares of general conversation that the pools are too small for.
    pub short: Vec<Shortage>,
    /// Seconds that were left, and when that was said.
    left: Option<(f64, Duration)>,
}

impl LiveSweep {
    /// Takes in what the job tells at `now`.
    pub fn hear(&mut self, event: &SweepEvent, now: Duration) {
        match event {
            SweepEvent::Sweep { sweep, runs, seconds_left, .. } => {
                (self.number, self.runs) = (Some(*sweep), *runs);
                self.left = seconds_left.map(|seconds| (seconds, now));
            }
            SweepEvent::Short(shortage) => self.short.push(shortage.clone()),
            SweepEvent::Run { place, runs, run, setting, seconds_left } => {
                (self.place, self.runs, self.run) = (*place, *runs, Some(*run));
                self.setting.clone_from(setting);
                self.left = seconds_left.map(|seconds| (seconds, now));
            }
            SweepEvent::Measured { .. } | SweepEvent::RunFailed { .. } => self.run = None,
            SweepEvent::Chart { .. } => {}
        }
    }

    /// Time left as it was last told, less what has passed since.
    pub fn time_left(&self, now: Duration) -> Option<Duration> {
        let (seconds, told) = self.left?;
        let left = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
        Some(left.saturating_sub(now.saturating_sub(told)))
    }

    /// Share of the runs that are done, with `share` of the one it is at.
    pub fn fraction(&self, share: f64) -> Option<f64> {
        let before = self.place.saturating_sub(1) as f64;
        (self.runs > 0).then(|| ((before + share) / self.runs as f64).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_down_between_what_is_told_and_a_run_counts_as_far_as_it_is() {
        let mut live = LiveSweep::default();
        let at = Duration::from_secs;
        assert_eq!((live.time_left(at(0)), live.fraction(0.5)), (None, None));
        live.hear(&SweepEvent::Sweep { sweep: 2, runs: 4, left: 4, seconds_left: None }, at(1));
        assert_eq!(live.time_left(at(2)), None);
        let setting = "rank 8".to_owned();
        let run = SweepEvent::Run { place: 3, runs: 4, run: 9, setting, seconds_left: Some(100.0) };
        live.hear(&run, at(10));
        assert_eq!(live.time_left(at(40)), Some(at(70)));
        assert_eq!(live.time_left(at(400)), Some(at(0)));
        assert_eq!(live.fraction(0.5), Some(0.625));
        assert_eq!((live.run, live.number), (Some(9), Some(2)));
    }
}
