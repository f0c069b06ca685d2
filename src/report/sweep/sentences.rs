//! What a sweep tells, in sentences, and what it cannot.

use std::fmt::Write as _;

use super::analysis::{Behind, behind, best, kept, measured, target};
use super::labels::{clock, fill, number, points, range, setting, shares};
use super::measure::Forgetting;
use super::words::SweepWords;
use super::{Run, Sweep};
use crate::pair::Language;
use crate::report::figures::percent;
use crate::report::words::Words;

/// `9 of 12 runs measured, 1 failed, 2 left (about 20 min more)`.
pub fn standing(sweep: &Sweep, language: Language) -> String {
    let words = SweepWords::of(language);
    let total = sweep.runs.len();
    let done = measured(sweep).count();
    let failed = sweep.runs.iter().filter(|run| run.measure.is_none() && run.failed.is_some());
    let failed = failed.count();
    let left = total - done - failed;
    let mut text = fill(words.runs_of, &[&done.to_string(), &total.to_string()]);
    for (count, part) in [(failed, words.failed_count), (left, words.left_count)] {
        if count > 0 {
            let _ = write!(text, ", {}", fill(part, &[&count.to_string()]));
        }
    }
    if let Some(seconds) = sweep.seconds_left.filter(|_| left > 0) {
        let _ = write!(text, " ({})", fill(words.time_left, &[&clock(seconds, words)]));
    }
    text
}

/// What is aimed at: the suite's title and the metric.
pub(super) fn target_name(sweep: &Sweep, language: Language) -> String {
    let words = SweepWords::of(language);
    let first = measured(sweep).next().map(|(_, measure)| &measure.target);
    first.map_or_else(
        || words.target.to_owned(),
        |target| {
            let title = match language {
                Language::Korean => &target.title.ko,
                Language::English => &target.title.en,
            };
            format!("{title}: {}", Words::of(language).metric(target.metric))
        },
    )
}

/// The findings, one sentence each, without a full stop.
pub fn findings(sweep: &Sweep, language: Language) -> Vec<String> {
    let words = SweepWords::of(language);
    let Some(first) = best(sweep) else {
        return vec![words.nothing_yet.trim_end_matches('.').to_owned()];
    };
    let run = &sweep.runs[first];
    let Some(measure) = &run.measure else { return Vec::new() };
    let (of, n) = (|run: &Run| (number(run), setting(sweep, run)), measure.target.tuned.n);
    let (name, settings) = of(run);
    let base = measure.target.base;
    let base = percent(f64::from(base.successes) / f64::from(base.n.max(1)));
    let mut found = vec![format!(
        "{}; {} {base}",
        fill(
            words.highest,
            &[&name, &settings, &percent(target(measure)), &shares(measure.target.interval)]
        ),
        words.base
    )];
    found.push(told_apart(sweep, words, n));
    let mut forgot: Vec<(usize, &Forgetting)> = measured(sweep)
        .filter_map(|(at, measure)| Some((at, measure.forgetting.as_ref()?)))
        .collect();
    forgot.sort_by(|a, b| b.1.mean.delta.total_cmp(&a.1.mean.delta));
    let Some((least, forgetting)) = forgot.first() else {
        found.push(words.no_forgetting.to_owned());
        return found;
    };
    let (change, interval) = (points(forgetting.mean.delta), range(forgetting.mean.interval));
    let same = kept(measure) == Some(forgetting.mean.delta);
    found.push(if same {
        fill(words.same_run, &[&change, &interval])
    } else {
        let (name, settings) = of(&sweep.runs[*least]);
        fill(words.kept_most, &[&name, &settings, &change, &interval])
    });
    let fell = forgot.iter().filter(|(_, forgetting)| forgetting.mean.interval.1 < 0.0).count();
    let (fell, all) = (fell.to_string(), forgot.len().to_string());
    found.push(match fell.as_str() {
        "0" => fill(words.forgot_open, &[&all, &forgetting.cases.to_string()]),
        _ => fill(words.forgot_told, &[&fell, &all]),
    });
    found
}

fn told_apart(sweep: &Sweep, words: &SweepWords, n: u32) -> String {
    let others = behind(sweep);
    let open: Vec<&Behind> = others.iter().filter(|each| !each.is_told()).collect();
    // Where runs were asked fewer cases in common, the fewest say what could be told.
    let n = others.iter().map(|each| each.n).min().unwrap_or(n).to_string();
    match (others.len(), open.len()) {
        (0, _) => words.only_one.to_owned(),
        (_, 0) => fill(words.all_told, &[&n]),
        (all, some) if all == some => fill(words.none_told, &[&n]),
        (all, some) => {
            let names: Vec<String> =
                open.iter().map(|each| number(&sweep.runs[each.run])).collect();
            let names = names.join(", ");
            fill(words.some_open, &[&some.to_string(), &all.to_string(), &n, &names])
        }
    }
}

/// How a run stands to the best: `cannot tell -3.7` or `behind -24.4 p<.001`.
pub(super) fn beside(others: &[Behind], at: usize, is_best: bool, words: &SweepWords) -> String {
    if is_best {
        return words.best.to_owned();
    }
    let Some(behind) = others.iter().find(|each| each.run == at) else { return String::new() };
    let delta = points(behind.delta);
    if behind.is_told() {
        format!("{} {delta} {}", words.behind, crate::report::figures::p_value(behind.p))
    } else {
        format!("{} {delta}", words.cannot_tell)
    }
}
