//! A sweep for tests: 3 shares, 2 ranks, 2 numbers of epochs; one run failed, one is left.

use super::measure::{Change, Forgetting, Measure, Target};
use super::{Axis, Run, Sweep};
use crate::evaluate::{Metric, Proportion, Title, statistics};

pub(crate) fn sample() -> Sweep {
    let axis = |key: &str, values: &[&str]| Axis {
        key: key.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let axes = vec![
        axis("mix", &["0", "10", "20"]),
        axis("rank", &["8", "16"]),
        axis("epochs", &["1", "3"]),
    ];
    let mut runs = Vec::new();
    for (m, mix) in axes[0].values.iter().enumerate() {
        for (r, rank) in axes[1].values.iter().enumerate() {
            for (e, epochs) in axes[2].values.iter().enumerate() {
                let at = runs.len();
                let right = 20 + 24 * e + 5 * r - 3 * m + at % 3;
                let lost = 0.02 + 0.05 * e as f64 + 0.015 * r as f64 - 0.022 * m as f64;
                let left = at == 11;
                let failed = (at == 4).then(|| "the disk is full: <runs/0005>".to_owned());
                let done = !left && failed.is_none();
                runs.push(Run {
                    number: (!left).then_some(at as u32 + 3),
                    values: vec![mix.clone(), rank.clone(), epochs.clone()],
                    measure: done.then(|| measure(right as u32, -lost)),
                    failed,
                    seconds: if done { 300.0 + 410.0 * e as f64 } else { 0.0 },
                });
            }
        }
    }
    Sweep {
        number: 2,
        model: "smollm2-135m".to_owned(),
        axes,
        runs,
        seconds_left: Some(1310.0),
        command: "hone train --model smollm2-135m --sweep mix=0,10,20 rank=8,16 epochs=1,3"
            .to_owned(),
        created: 1_795_424_700,
    }
}

fn measure(right: u32, delta: f64) -> Measure {
    let ids = |range: std::ops::Range<u32>| range.map(|id| format!("t{id}")).collect();
    let interval = (delta - 0.06, delta + 0.05);
    Measure {
        target: Target {
            suite: "tools".to_owned(),
            title: Title { ko: "도구 호출".to_owned(), en: "Tool calls".to_owned() },
            metric: Metric::Parameters,
            base: Proportion { successes: 3, n: 82 },
            tuned: Proportion { successes: right, n: 82 },
            interval: statistics::wilson(right, 82),
            told: true,
            right: ids(0..right),
            wrong: ids(right..82),
        },
        forgetting: Some(Forgetting {
            mean: Change { delta, interval: (delta - 0.03, delta + 0.027) },
            cases: 400,
            suites: ["code", "knowledge", "conversation", "mathematics"]
                .map(|name| (format!("forgetting/{name}"), Change { delta, interval }))
                .to_vec(),
        }),
        text: Some(Change { delta: -delta / 3.0, interval: (-delta / 3.0 - 0.01, 0.04) }),
    }
}
