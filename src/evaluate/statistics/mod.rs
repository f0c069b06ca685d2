//! Intervals and tests for proportions, without large-sample shortcuts where n is small.

mod bootstrap;
mod family;

pub use bootstrap::mean_interval;
pub use family::holm;

/// Standard normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// 95 % Wilson score interval of `successes` of `n`, as shares (Wilson, JASA 22, 1927).
/// Without items it is the whole range.
pub fn wilson(successes: u32, n: u32) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let n = f64::from(n);
    let share = f64::from(successes) / n;
    let z2 = Z * Z;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// Two-sided p value of McNemar's exact test: twice the binomial tail of the smaller count of
/// discordant pairs, at most 1 (McNemar, Psychometrika 12, 1947).
pub fn mcnemar(improved: u32, regressed: u32) -> f64 {
    let n = improved + regressed;
    let smaller = improved.min(regressed);
    // Terms of the binomial (n, 1/2), each from the one before; the first may underflow for n in
    // the thousands, so logarithms.
    let mut term = -f64::from(n) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for k in 0..=smaller {
        tail += term.exp();
        term += (f64::from(n - k) / f64::from(k + 1)).ln();
    }
    (2.0 * tail).min(1.0)
}

/// 95 % score interval of a paired difference of proportions, tuned minus base, from the counts of
/// discordant pairs among `n` (Tango, Statistics in Medicine 17, 1998, 891-908). It is the set of
/// differences that the score test does not refuse.
pub fn paired_interval(improved: u32, regressed: u32, n: u32) -> (f64, f64) {
    if n == 0 {
        return (-1.0, 1.0);
    }
    let (b, c, n) = (f64::from(improved), f64::from(regressed), f64::from(n));
    let score = |delta: f64| {
        // Maximum-likelihood share of regressed pairs, given the difference.
        let linear = -b - c + (2.0 * n - b + c) * delta;
        let constant = -c * delta * (1.0 - delta);
        let root = (linear * linear - 8.0 * n * constant).max(0.0).sqrt();
        let regressed = (root - linear) / (4.0 * n);
        let variance = n * (2.0 * regressed + delta * (1.0 - delta));
        (b - c - n * delta) / variance.max(f64::MIN_POSITIVE).sqrt()
    };
    // The score falls as the difference grows.
    let solve = |target: f64| {
        let (mut low, mut high) = (-1.0_f64, 1.0_f64);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if score(middle) > target {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    };
    (solve(Z), solve(-Z))
}

/// Items that would tell the difference from nothing (McNemar's p below .05) if discordant pairs
/// stayed as frequent as among `n`; none if there are fewer than three of them, if they show no
/// direction or if it would take over a hundred times as many items.
pub fn items_needed(improved: u32, regressed: u32, n: u32) -> Option<u32> {
    if improved == regressed || improved + regressed < 3 || n == 0 {
        return None;
    }
    let scaled = |count: u32, items: u32| {
        (f64::from(count) * f64::from(items) / f64::from(n)).round() as u32
    };
    let told = |items: &u32| mcnemar(scaled(improved, *items), scaled(regressed, *items)) < 0.05;
    let step = (n / 10).max(1) as usize;
    (n..=n.saturating_mul(100)).step_by(step).find(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Made by `tests/fixtures/statistics.py` with scipy and statsmodels.
    const FIXTURE: &str = include_str!("../../../tests/fixtures/statistics.json");

    fn close(ours: f64, theirs: &Value, tolerance: f64, what: &str) {
        let theirs = theirs.as_f64().unwrap();
        assert!((ours - theirs).abs() <= tolerance, "{what}: {ours} for {theirs}");
    }

    #[test]
    fn agree_with_scipy_and_statsmodels() {
        let fixture: Value = serde_json::from_str(FIXTURE).unwrap();
        let rows = |name: &str| fixture[name].as_array().unwrap().clone();
        let count = |value: &Value| value.as_u64().unwrap() as u32;
        for row in rows("wilson") {
            let (low, high) = wilson(count(&row["successes"]), count(&row["n"]));
            close(low, &row["low"], 1e-9, &row.to_string());
            close(high, &row["high"], 1e-9, &row.to_string());
        }
        for row in rows("mcnemar") {
            let p = mcnemar(count(&row["improved"]), count(&row["regressed"]));
            let theirs = row["p"].as_f64().unwrap();
            assert!(
                (p - theirs).abs() <= 1e-9 * theirs.max(1e-300) + 1e-300
                    || (p / theirs - 1.0).abs() < 1e-7,
                "{row}: {p}"
            );
        }
        for row in rows("tango") {
            let (low, high) = paired_interval(
                count(&row["improved"]),
                count(&row["regressed"]),
                count(&row["n"]),
            );
            close(low, &row["low"], 1e-9, &row.to_string());
            close(high, &row["high"], 1e-9, &row.to_string());
        }
        let numbers = |value: &Value| -> Vec<f64> {
            value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
        };
        for row in rows("holm") {
            let adjusted = holm(&numbers(&row["p"]));
            for (ours, theirs) in adjusted.iter().zip(row["adjusted"].as_array().unwrap()) {
                close(*ours, theirs, 1e-9, &row.to_string());
            }
        }
        for row in rows("bootstrap") {
            let items: Vec<(f64, usize)> = (row["items"].as_array().unwrap().iter())
                .map(|item| (item[0].as_f64().unwrap(), item[1].as_u64().unwrap() as usize))
                .collect();
            let mut means: Vec<f64> = (row["picks"].as_array().unwrap().iter())
                .map(|picks| {
                    let picks = numbers(picks).into_iter().map(|pick| pick as usize);
                    bootstrap::mean_of(&items, picks).unwrap()
                })
                .collect();
            let (low, high) = bootstrap::percentiles(&mut means);
            close(low, &row["low"], 1e-9, "bootstrap");
            close(high, &row["high"], 1e-9, "bootstrap");
        }
        assert!(
            rows("wilson").len() > 20 && rows("mcnemar").len() > 20 && rows("tango").len() > 20
        );
    }

    #[test]
    fn edges() {
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(mcnemar(0, 0), 1.0);
        assert_eq!(paired_interval(0, 0, 0), (-1.0, 1.0));
        let (low, high) = paired_interval(0, 0, 50);
        let edge = Z * Z / (50.0 + Z * Z);
        assert!((high - edge).abs() < 1e-9 && (low + edge).abs() < 1e-9, "{low} {high}");
        assert!(mcnemar(3000, 0) < 1e-300);
    }

    #[test]
    fn more_items_are_asked_for_only_where_they_would_help() {
        assert_eq!(items_needed(2, 2, 18), None);
        assert_eq!(items_needed(0, 0, 18), None);
        assert_eq!(items_needed(2, 0, 18), None);
        let needed = items_needed(4, 2, 18).unwrap();
        assert!((60..400).contains(&needed), "{needed}");
        assert_eq!(items_needed(10, 0, 18), Some(18));
    }

    #[test]
    fn the_bootstrap_holds_the_mean_and_shrinks_with_more_items() {
        let items = |n: usize| -> Vec<(f64, usize)> {
            (0..n).map(|i| (100.0 * (0.05 + 0.02 * (i % 5) as f64), 100)).collect()
        };
        let (low, high) = mean_interval(&items(40));
        assert!(low < 0.09 && 0.09 < high, "{low} {high}");
        let (lower, higher) = mean_interval(&items(400));
        assert!(higher - lower < (high - low) / 2.0);
        assert_eq!(mean_interval(&items(40)), (low, high));
        assert_eq!(mean_interval(&[]), (0.0, 0.0));
    }
}
