//! What can be said of a sweep's runs: the front, who is behind the best, the mean by value.

use std::collections::{BTreeMap, BTreeSet};

use super::Sweep;
use super::measure::Measure;
use crate::evaluate::statistics;

/// Family-wise error that the comparisons with the best run keep to.
const ALPHA: f64 = 0.05;

/// A run's measure by its place among the sweep's runs.
pub(super) fn measured(sweep: &Sweep) -> impl Iterator<Item = (usize, &Measure)> {
    sweep.runs.iter().enumerate().filter_map(|(at, run)| Some((at, run.measure.as_ref()?)))
}

/// The share of the target; 0 without cases.
pub fn target(measure: &Measure) -> f64 {
    let tuned = measure.target.tuned;
    f64::from(tuned.successes) / f64::from(tuned.n.max(1))
}

/// The mean change over forgetting suites.
pub fn kept(measure: &Measure) -> Option<f64> {
    measure.forgetting.as_ref().map(|forgetting| forgetting.mean.delta)
}

/// Runs that no other run is at least as good as in both and better in one (the Pareto front), by
/// the figures as measured; from the most kept to the highest target.
pub fn front(sweep: &Sweep) -> Vec<usize> {
    let points: Vec<(usize, f64, f64)> = measured(sweep)
        .filter_map(|(at, measure)| Some((at, kept(measure)?, target(measure))))
        .collect();
    let mut front: Vec<(usize, f64, f64)> = Vec::new();
    for point in &points {
        let beaten = points.iter().any(|other| {
            other.1 >= point.1 && other.2 >= point.2 && (other.1 > point.1 || other.2 > point.2)
        });
        if !beaten {
            front.push(*point);
        }
    }
    front.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.2.total_cmp(&b.2)));
    front.into_iter().map(|(at, ..)| at).collect()
}

/// The run with the highest target; of equals the one that kept most.
pub fn best(sweep: &Sweep) -> Option<usize> {
    let order = |measure: &Measure| (target(measure), kept(measure).unwrap_or(f64::MIN));
    let best = measured(sweep).max_by(|(_, a), (_, b)| {
        let (a, b) = (order(a), order(b));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    best.map(|(at, _)| at)
}

/// How a run's target stands to that of the best run, over the cases that both were asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Behind {
    /// Place of the run.
    pub run: usize,
    /// Cases in common.
    pub n: u32,
    /// Share of the run minus share of the best.
    pub delta: f64,
    /// p of the paired test (McNemar, exact), adjusted over the runs (Holm).
    pub p: f64,
}

impl Behind {
    /// Whether the run can be told to be behind the best.
    pub(super) fn is_told(&self) -> bool {
        self.p < ALPHA
    }
}

/// Every other run beside the best.
pub(super) fn behind(sweep: &Sweep) -> Vec<Behind> {
    let Some(best) = best(sweep) else { return Vec::new() };
    let Some(first) = sweep.runs[best].measure.as_ref() else { return Vec::new() };
    let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<String>>();
    let (right, wrong) = (set(&first.target.right), set(&first.target.wrong));
    let mut found: Vec<Behind> = measured(sweep)
        .filter(|(at, _)| *at != best)
        .map(|(run, measure)| {
            let target = &measure.target;
            let count = |ids: &[String], of: &BTreeSet<String>| {
                ids.iter().filter(|id| of.contains(*id)).count() as u32
            };
            let (improved, regressed) =
                (count(&target.right, &wrong), count(&target.wrong, &right));
            let n =
                improved + regressed + count(&target.right, &right) + count(&target.wrong, &wrong);
            let delta = (f64::from(improved) - f64::from(regressed)) / f64::from(n.max(1));
            Behind { run, n, delta, p: statistics::mcnemar(improved, regressed) }
        })
        .collect();
    let p: Vec<f64> = found.iter().map(|each| each.p).collect();
    for (each, adjusted) in found.iter_mut().zip(statistics::holm(&p)) {
        each.p = adjusted;
    }
    found
}

/// The runs by the value of an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ByValue {
    /// Places of the runs of each value, one a group of otherwise equal settings.
    pub runs: Vec<Vec<usize>>,
    /// Settings of the other axes for which every value was measured.
    pub groups: usize,
    /// Settings of the other axes for which a value is still lacking.
    pub lacking: usize,
}

/// The runs by the values of an axis, only from groups of otherwise equal settings that have every
/// value: a mean over other settings for one value than for the next would tell of those.
pub(super) fn by_value(sweep: &Sweep, axis: usize) -> ByValue {
    let count = sweep.axes[axis].values.len();
    let mut groups: BTreeMap<Vec<&str>, Vec<Option<usize>>> = BTreeMap::new();
    for (at, run) in sweep.runs.iter().enumerate() {
        let others = run.values.iter().enumerate().filter(|(place, _)| *place != axis);
        let others: Vec<&str> = others.map(|(_, value)| value.as_str()).collect();
        let group = groups.entry(others).or_insert_with(|| vec![None; count]);
        let value = run.values.get(axis);
        let place = sweep.axes[axis].values.iter().position(|known| Some(known) == value);
        if let Some(slot) = place.and_then(|place| group.get_mut(place)) {
            *slot = run.measure.is_some().then_some(at);
        }
    }
    let whole = |group: &&Vec<Option<usize>>| group.iter().all(Option::is_some);
    let full: Vec<&Vec<Option<usize>>> = groups.values().filter(whole).collect();
    ByValue {
        runs: (0..count)
            .map(|value| full.iter().filter_map(|group| group[value]).collect())
            .collect(),
        groups: full.len(),
        lacking: groups.len() - full.len(),
    }
}

/// The mean; none of nothing.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) =
        values.into_iter().fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sweep::sample::sample;

    #[test]
    fn the_front_holds_what_no_other_run_beats() {
        let sweep = sample();
        let front = front(&sweep);
        let point = |at: &usize| {
            let measure = sweep.runs[*at].measure.as_ref().unwrap();
            (kept(measure).unwrap(), target(measure))
        };
        assert!(front.len() > 1 && front.len() < measured(&sweep).count());
        assert!(front.is_sorted_by(|a, b| point(a).0 >= point(b).0 && point(a).1 <= point(b).1));
        assert_eq!(front.last().copied(), best(&sweep));
        for (at, _) in measured(&sweep).filter(|(at, _)| !front.contains(at)) {
            let (kept, target) = point(&at);
            assert!(front.iter().map(point).any(|other| other.0 >= kept && other.1 >= target));
        }
    }

    #[test]
    fn a_run_close_to_the_best_cannot_be_told_from_it() {
        let sweep = sample();
        let behind = behind(&sweep);
        assert_eq!(behind.len(), measured(&sweep).count() - 1);
        assert!(behind.iter().any(Behind::is_told) && !behind.iter().all(Behind::is_told));
        assert!(behind.iter().all(|each| each.delta <= 0.0 && each.n == 82), "{behind:?}");
    }

    #[test]
    fn means_are_over_settings_that_have_every_value() {
        let sweep = sample();
        let ranks = by_value(&sweep, 1);
        assert_eq!(ranks.runs.len(), 2);
        assert_eq!(ranks.runs[0].len(), ranks.runs[1].len());
        // One run of the sample failed and one is left to do.
        assert_eq!((ranks.groups, ranks.lacking), (4, 2));
    }
}
