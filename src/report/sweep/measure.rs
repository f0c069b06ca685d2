//! What an evaluation says of a run in a sweep: its target, and what was forgotten.

use serde::{Deserialize, Serialize};

use crate::evaluate::{
    Answer, Evaluation, Form, Metric, MetricResult, Proportion, SuiteResult, TextLoss, Title,
};
use crate::failure::{Failure, Result};
use crate::report::leading::{leading, tasks_and_guards};

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What the run was to learn.
    pub target: Target,
    /// What it forgot; none where no case of a forgetting suite was asked.
    pub forgetting: Option<Forgetting>,
    /// Change of the cross-entropy of general text as a share of the base's, with its interval.
    pub text: Option<Change>,
}

/// The target's figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Suite by name.
    pub suite: String,
    /// The suite's title.
    pub title: Title,
    /// What is counted.
    pub metric: Metric,
    /// The base's share.
    pub base: Proportion,
    /// The tuned model's share.
    pub tuned: Proportion,
    /// The tuned model's 95 % interval (Wilson).
    pub interval: (f64, f64),
    /// Whether the difference to the base can be told.
    pub told: bool,
    /// Identifiers of the cases that the tuned model got right.
    pub right: Vec<String>,
    /// Identifiers of those it got wrong.
    pub wrong: Vec<String>,
}

/// A difference to the base with its 95 % interval, both as shares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Tuned minus base.
    pub delta: f64,
    /// 95 % interval.
    pub interval: (f64, f64),
}

/// The mean difference over the forgetting suites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forgetting {
    /// The mean; every suite counts the same.
    pub mean: Change,
    /// Cases in all.
    pub cases: u32,
    /// Names of the suites, with their own differences.
    pub suites: Vec<(String, Change)>,
}

impl Measure {
    /// The figures of `evaluation`: the target is the suite named, else whole tool calls, else the
    /// first suite of the task.
    ///
    /// # Errors
    /// When there is no such suite, or only the base was asked.
    pub fn of(evaluation: &Evaluation, target: Option<&str>) -> Result<Self> {
        let (tasks, guards) = tasks_and_guards(evaluation);
        let suite = match target {
            Some(name) => evaluation.suites.iter().find(|suite| suite.name == name),
            None => usual_target(&tasks),
        };
        let suite = suite.ok_or_else(|| {
            let asked = evaluation.suites.iter().map(|suite| suite.name.as_str());
            let asked: Vec<&str> = asked.collect();
            Failure::user(format!(
                "there is no suite {} among those asked",
                target.map_or_else(|| "of the task".to_owned(), |name| format!("`{name}`"))
            ))
            .hint(format!("those with cases left are {}", asked.join(", ")))
        })?;
        let mut text = evaluation.suites.iter().filter_map(|suite| suite.text_loss.as_ref());
        Ok(Self {
            target: Target::of(suite)?,
            forgetting: forgetting(&guards),
            text: text.find_map(text_change),
        })
    }
}

/// The shipped suite of tool calls, else any other with whole calls, else the first.
fn usual_target<'a>(tasks: &[&'a SuiteResult]) -> Option<&'a SuiteResult> {
    let calls = |suite: &&&SuiteResult| {
        leading(suite).is_some_and(|result| result.metric == Metric::Parameters)
    };
    let shipped = tasks.iter().find(|suite| suite.name == "tools" && calls(suite));
    let found = shipped.or_else(|| tasks.iter().find(calls));
    found.or_else(|| tasks.iter().find(|suite| leading(suite).is_some())).copied()
}

impl Target {
    fn of(suite: &SuiteResult) -> Result<Self> {
        let of_tuned = |result: &MetricResult| result.tuned.zip(result.tuned_interval);
        let result = leading(suite);
        let (result, (tuned, interval)) = result
            .and_then(|result| Some((result, of_tuned(result)?)))
            .ok_or_else(|| Failure::user(format!("suite {}: no case was counted", suite.name)))?;
        let of = |right: bool| -> Vec<String> {
            let items = suite.items.iter().filter(|item| {
                let answer = item.tuned.as_ref();
                answer.and_then(|answer| verdict(answer, result.metric, result.form)) == Some(right)
            });
            items.map(|item| item.id.clone()).collect()
        };
        Ok(Self {
            suite: suite.name.clone(),
            title: suite.title.clone(),
            metric: result.metric,
            base: result.base,
            tuned,
            interval,
            told: result.difference.is_some_and(|difference| difference.is_told()),
            right: of(true),
            wrong: of(false),
        })
    }
}

fn verdict(answer: &Answer, metric: Metric, form: Form) -> Option<bool> {
    let mut verdicts = answer.verdicts.iter();
    verdicts.find(|each| (each.metric, each.form) == (metric, form)).map(|each| each.right)
}

/// The mean over suites. Its interval is put together from theirs (MOVER: Zou and Donner 2008,
/// Statistics in Medicine 27:1693), which also holds where a suite did not change at all.
fn forgetting(guards: &[&SuiteResult]) -> Option<Forgetting> {
    let mut suites = Vec::new();
    let mut cases = 0;
    for suite in guards {
        let Some(result) = leading(suite) else { continue };
        let Some(difference) = &result.difference else { continue };
        let interval = difference.clustered.map_or(difference.interval, |each| each.interval);
        suites.push((suite.name.clone(), Change { delta: difference.delta, interval }));
        cases += result.base.n;
    }
    let count = suites.len() as f64;
    if suites.is_empty() {
        return None;
    }
    let delta = suites.iter().map(|(_, change)| change.delta).sum::<f64>() / count;
    let reach = |end: fn(&Change) -> f64| {
        let squares = suites.iter().map(|(_, change)| (end(change) - change.delta).powi(2));
        squares.sum::<f64>().sqrt() / count
    };
    let interval =
        (delta - reach(|change| change.interval.0), delta + reach(|change| change.interval.1));
    Some(Forgetting { mean: Change { delta, interval }, cases, suites })
}

fn text_change(loss: &TextLoss) -> Option<Change> {
    let (low, high) = loss.interval?;
    Some(Change { delta: loss.relative()?, interval: (low / loss.base, high / loss.base) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample_full;

    #[test]
    fn the_target_is_whole_calls_unless_a_suite_is_named() {
        let evaluation = sample_full();
        let measure = Measure::of(&evaluation, None).unwrap();
        assert_eq!(
            (measure.target.suite.as_str(), measure.target.metric),
            ("tools", Metric::Parameters)
        );
        let target = &measure.target;
        assert_eq!(target.right.len() as u32, target.tuned.successes);
        assert_eq!((target.right.len() + target.wrong.len()) as u32, target.tuned.n);
        let forgetting = measure.forgetting.unwrap();
        assert_eq!(forgetting.suites.len(), 4);
        let named = &forgetting.suites[0].0;
        assert_eq!(Measure::of(&evaluation, Some(named)).unwrap().target.suite, *named);
        let refused = Measure::of(&evaluation, Some("nothing")).unwrap_err();
        assert!(refused.message.contains("`nothing`"), "{}", refused.message);
        assert!(refused.hints[0].contains("tools"));
        assert!(Measure::of(&Evaluation::default(), None).is_err());
    }

    #[test]
    fn the_mean_of_forgetting_is_narrower_than_its_parts_and_holds_their_mean() {
        let forgetting = Measure::of(&sample_full(), None).unwrap().forgetting.unwrap();
        let Change { delta, interval: (low, high) } = forgetting.mean;
        let sum: f64 = forgetting.suites.iter().map(|(_, change)| change.delta).sum();
        assert!((delta - sum / 4.0).abs() < 1e-12);
        assert!(low < delta && delta < high);
        let widest = forgetting.suites.iter().map(|(_, change)| change.interval);
        let widest = widest.map(|(low, high)| high - low).fold(0.0, f64::max);
        assert!(high - low < widest);
    }

    #[test]
    fn four_equal_suites_halve_the_interval() {
        let mut evaluation = sample_full();
        let guard = evaluation.suites.iter().find(|suite| suite.name.starts_with("forgetting/"));
        let guard = guard.unwrap().clone();
        evaluation.suites.retain(|suite| !suite.forgetting);
        evaluation.suites.extend(vec![guard; 4]);
        let forgetting = Measure::of(&evaluation, None).unwrap().forgetting.unwrap();
        let one = forgetting.suites[0].1;
        assert!((forgetting.mean.delta - one.delta).abs() < 1e-12);
        let half = (one.delta - one.interval.0) / 2.0;
        assert!((forgetting.mean.delta - forgetting.mean.interval.0 - half).abs() < 1e-12);
    }
}
