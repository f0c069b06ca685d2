//! From verdicts to metrics: proportions, intervals, paired differences, subsets.

use std::collections::HashMap;

use super::result::{
    Answer, ArgumentCounts, ArgumentScores, Clustered, Difference, Form, ItemResult, Metric,
    MetricResult, Proportion, SuiteResult, TextLoss,
};
use super::run::Outcome;
use super::statistics;
use super::suite::Suite;

/// Puts the outcomes of one suite together. Denominators are all items to which a metric applies,
/// whatever could be read from the replies.
pub(super) fn compare(
    suite: &Suite,
    base: Vec<Outcome>,
    tuned: Option<Vec<Outcome>>,
    others: Vec<Vec<Outcome>>,
) -> SuiteResult {
    let text_loss = text_loss(&base, tuned.as_deref());
    let with_tuned = tuned.is_some();
    let mut tuned = tuned.into_iter().flatten().map(|outcome| outcome.answer);
    let mut others: Vec<_> =
        others.into_iter().map(|column| column.into_iter().map(|outcome| outcome.answer)).collect();
    let items: Vec<ItemResult> = suite
        .cases
        .iter()
        .zip(base)
        .map(|(case, base)| ItemResult {
            id: case.id.clone(),
            question: case.question(),
            expected: case.expected(),
            tags: case.tags.clone(),
            base: base.answer,
            tuned: tuned.next(),
            others: others.iter_mut().filter_map(Iterator::next).collect(),
            source: case.source.clone(),
        })
        .collect();
    SuiteResult {
        name: suite.name.clone(),
        title: suite.title.clone(),
        kind: suite.kind,
        forgetting: suite.forgetting,
        metrics: all_metrics(&items, &suite.subsets, with_tuned),
        text_loss,
        arguments: arguments(&items),
        items,
        excluded: Vec::new(),
    }
}

/// Counts a suite's verdicts again, after further ones were added to its items.
pub(super) fn count_again(result: &mut SuiteResult, subsets: &[String]) {
    let with_tuned = result.items.iter().any(|item| item.tuned.is_some());
    result.metrics = all_metrics(&result.items, subsets, with_tuned);
}

/// Metrics over all items, and over each subset that is not all of them.
fn all_metrics(items: &[ItemResult], subsets: &[String], tuned: bool) -> Vec<MetricResult> {
    let all: Vec<&ItemResult> = items.iter().collect();
    let mut metrics = metrics_of(&all, None, tuned);
    for subset in subsets {
        let part: Vec<&ItemResult> =
            items.iter().filter(|item| item.tags.contains(subset)).collect();
        if part.len() < items.len() {
            metrics.extend(metrics_of(&part, Some(subset), tuned));
        }
    }
    metrics
}

fn metrics_of(items: &[&ItemResult], subset: Option<&String>, tuned: bool) -> Vec<MetricResult> {
    let mut results = Vec::new();
    for metric in Metric::ALL {
        for form in [Form::Strict, Form::Lenient] {
            let pairs: Vec<Pair<'_>> = items
                .iter()
                .filter_map(|item| {
                    let base = verdict(&item.base, metric, form)?;
                    let tuned = item.tuned.as_ref();
                    let tuned = tuned.and_then(|answer| verdict(answer, metric, form));
                    Some(Pair { base, tuned, source: item.source.as_deref() })
                })
                .collect();
            if !pairs.is_empty() {
                let mut result = metric_result(metric, form, subset, &pairs, tuned);
                result.others = columns(items, metric, form);
                results.push(result);
            }
        }
    }
    results
}

fn verdict(answer: &Answer, metric: Metric, form: Form) -> Option<bool> {
    let mut verdicts = answer.verdicts.iter();
    verdicts
        .find(|verdict| verdict.metric == metric && verdict.form == form)
        .map(|verdict| verdict.right)
}

/// What further columns got of the same items; items that one has no verdict on are left out of
/// its count.
fn columns(items: &[&ItemResult], metric: Metric, form: Form) -> Vec<Proportion> {
    let columns = items.iter().map(|item| item.others.len()).max().unwrap_or(0);
    let column = |column: usize| {
        let verdicts = items.iter().filter_map(|item| {
            let answer = item.others.get(column)?;
            verdict(answer, metric, form)
        });
        verdicts.fold(Proportion { successes: 0, n: 0 }, |sum, right| Proportion {
            successes: sum.successes + u32::from(right),
            n: sum.n + 1,
        })
    };
    (0..columns).map(column).collect()
}

/// Both verdicts on an item.
struct Pair<'a> {
    base: bool,
    tuned: Option<bool>,
    source: Option<&'a str>,
}

fn metric_result(
    metric: Metric,
    form: Form,
    subset: Option<&String>,
    pairs: &[Pair<'_>],
    tuned: bool,
) -> MetricResult {
    let n = pairs.len() as u32;
    let both = |base: bool, tuned: bool| {
        let alike = pairs.iter().filter(|pair| (pair.base, pair.tuned) == (base, Some(tuned)));
        alike.count() as u32
    };
    let (improved, regressed) = (both(false, true), both(true, false));
    let base = Proportion { successes: pairs.iter().filter(|pair| pair.base).count() as u32, n };
    let tuned = tuned.then(|| Proportion { successes: both(true, true) + improved, n });
    MetricResult {
        metric,
        form,
        subset: subset.cloned(),
        base,
        base_interval: statistics::wilson(base.successes, n),
        tuned,
        tuned_interval: tuned.map(|tuned| statistics::wilson(tuned.successes, n)),
        difference: tuned.map(|_| Difference {
            improved,
            regressed,
            delta: (f64::from(improved) - f64::from(regressed)) / f64::from(n),
            interval: statistics::paired_interval(improved, regressed, n),
            p: statistics::mcnemar(improved, regressed),
            holm: None,
            clustered: clustered(pairs),
            needed: statistics::items_needed(improved, regressed, n),
        }),
        others: Vec::new(),
    }
}

/// The interval over sources, where several items share one. An item without a source is one of its
/// own.
fn clustered(pairs: &[Pair<'_>]) -> Option<Clustered> {
    let mut sources: Vec<(f64, usize)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for pair in pairs {
        let change = f64::from(u8::from(pair.tuned?)) - f64::from(u8::from(pair.base));
        let place = match pair.source {
            Some(source) => *places.entry(source).or_insert(sources.len()),
            None => sources.len(),
        };
        match sources.get_mut(place) {
            Some((sum, count)) => {
                *sum += change;
                *count += 1;
            }
            None => sources.push((change, 1)),
        }
    }
    // Fewer than two sources cannot be drawn anew.
    let shared = sources.len() < pairs.len() && sources.len() > 1;
    shared.then(|| Clustered {
        sources: sources.len() as u32,
        interval: statistics::mean_interval(&sources),
    })
}

/// Adjusts the p values of an evaluation's family of tests: of every suite the metrics by which it is
/// judged, read strictly where they can be, over all its items.
pub(super) fn adjust(suites: &mut [SuiteResult]) {
    let mut family: Vec<&mut Difference> = suites
        .iter_mut()
        .flat_map(|suite| &mut suite.metrics)
        .filter(|result| {
            let form = if result.metric == Metric::Accuracy { Form::Lenient } else { Form::Strict };
            let judged = !matches!(result.metric, Metric::ExactMatch | Metric::Judged);
            result.subset.is_none() && result.form == form && judged
        })
        .filter_map(|result| result.difference.as_mut())
        .collect();
    let p: Vec<f64> = family.iter().map(|difference| difference.p).collect();
    for (difference, adjusted) in family.iter_mut().zip(statistics::holm(&p)) {
        difference.holm = Some(adjusted);
    }
}

/// Arguments of a suite's calls, by model.
fn arguments(items: &[ItemResult]) -> Option<ArgumentScores> {
    let sum = |answer: &dyn Fn(&ItemResult) -> Option<&Answer>| {
        let mut counts = items.iter().filter_map(|item| answer(item)?.counts).peekable();
        counts.peek()?;
        let mut total = ArgumentCounts::default();
        counts.for_each(|counts| total.add(&counts));
        Some(total)
    };
    let columns = items.iter().map(|item| item.others.len()).max().unwrap_or(0);
    Some(ArgumentScores {
        base: sum(&|item| Some(&item.base))?,
        tuned: sum(&|item| item.tuned.as_ref()),
        others: (0..columns)
            .filter_map(|column| sum(&|item: &ItemResult| item.others.get(column)))
            .collect(),
    })
}

fn text_loss(base: &[Outcome], tuned: Option<&[Outcome]>) -> Option<TextLoss> {
    let base: Vec<(f64, usize)> = base.iter().filter_map(|outcome| outcome.loss).collect();
    let tokens: usize = base.iter().map(|(_, tokens)| tokens).sum();
    if tokens == 0 {
        return None;
    }
    let each =
        |losses: &[(f64, usize)]| losses.iter().map(|(nats, _)| nats).sum::<f64>() / tokens as f64;
    let tuned: Option<Vec<(f64, usize)>> =
        tuned.map(|tuned| tuned.iter().filter_map(|outcome| outcome.loss).collect());
    let change: Option<Vec<(f64, usize)>> = tuned.as_ref().map(|tuned| {
        let pairs = base.iter().zip(tuned);
        pairs.map(|((base, tokens), (tuned, _))| (tuned - base, *tokens)).collect()
    });
    Some(TextLoss {
        base: each(&base),
        tuned: tuned.as_deref().map(each),
        tokens: tokens as u64,
        interval: change.map(|change| statistics::mean_interval(&change)),
    })
}
