//! From verdicts to metrics: proportions, intervals, paired differences, subsets.

use super::result::{
    Answer, Difference, Form, ItemResult, Metric, MetricResult, Proportion, SuiteResult, TextLoss,
};
use super::run::Outcome;
use super::statistics;
use super::suite::Suite;

/// Metrics in the order they are shown.
const METRICS: [Metric; 6] = [
    Metric::JsonValidity,
    Metric::ToolName,
    Metric::Parameters,
    Metric::ExactMatch,
    Metric::NoCall,
    Metric::Accuracy,
];

/// Puts the outcomes of one suite together. Denominators are all items to which a metric applies,
/// whatever could be read from the replies.
pub(super) fn compare(
    suite: &Suite,
    base: Vec<Outcome>,
    tuned: Option<Vec<Outcome>>,
) -> SuiteResult {
    let text_loss = text_loss(&base, tuned.as_deref());
    let with_tuned = tuned.is_some();
    let mut tuned = tuned.into_iter().flatten().map(|outcome| outcome.answer);
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
            source: case.source.clone(),
            ..ItemResult::default()
        })
        .collect();
    let mut metrics = metrics(&items, None, with_tuned);
    for subset in &suite.subsets {
        let part: Vec<&ItemResult> =
            items.iter().filter(|item| item.tags.contains(subset)).collect();
        if part.len() < items.len() {
            metrics.extend(metrics_of(&part, Some(subset), with_tuned));
        }
    }
    SuiteResult {
        name: suite.name.clone(),
        title: suite.title.clone(),
        kind: suite.kind,
        forgetting: suite.forgetting,
        metrics,
        text_loss,
        arguments: None,
        items,
        excluded: Vec::new(),
    }
}

fn metrics(items: &[ItemResult], subset: Option<&String>, tuned: bool) -> Vec<MetricResult> {
    let all: Vec<&ItemResult> = items.iter().collect();
    metrics_of(&all, subset, tuned)
}

fn metrics_of(items: &[&ItemResult], subset: Option<&String>, tuned: bool) -> Vec<MetricResult> {
    let mut results = Vec::new();
    for metric in METRICS {
        for form in [Form::Strict, Form::Lenient] {
            let pairs: Vec<(bool, Option<bool>)> = items
                .iter()
                .filter_map(|item| {
                    let base = verdict(&item.base, metric, form)?;
                    let tuned = item.tuned.as_ref();
                    Some((base, tuned.and_then(|answer| verdict(answer, metric, form))))
                })
                .collect();
            if !pairs.is_empty() {
                results.push(metric_result(metric, form, subset, &pairs, tuned));
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

fn metric_result(
    metric: Metric,
    form: Form,
    subset: Option<&String>,
    pairs: &[(bool, Option<bool>)],
    tuned: bool,
) -> MetricResult {
    let n = pairs.len() as u32;
    let both = |base: bool, tuned: bool| {
        let alike = pairs.iter().filter(|pair| **pair == (base, Some(tuned)));
        alike.count() as u32
    };
    let (improved, regressed) = (both(false, true), both(true, false));
    let base = Proportion { successes: pairs.iter().filter(|(base, _)| *base).count() as u32, n };
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
            needed: statistics::items_needed(improved, regressed, n),
            ..Difference::default()
        }),
        others: Vec::new(),
    }
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
