//! Figures as text: shares, intervals, differences.

use super::words::Words;
use crate::evaluate::{Difference, NotRun, Proportion, TextLoss, statistics};
use crate::pair::example::Language;

/// `93.3 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// The share of a proportion; a dash if there are no items.
pub fn share(proportion: Proportion) -> String {
    match proportion.n {
        0 => "-".to_owned(),
        n => percent(f64::from(proportion.successes) / f64::from(n)),
    }
}

/// How many cases were left out because programs were not run, and what would run them.
pub fn not_run(left_out: &NotRun, language: Language, words: &Words) -> String {
    let title = match language {
        Language::Korean => &left_out.title.ko,
        Language::English => &left_out.title.en,
    };
    format!("{title}: {} {}", left_out.cases, words.not_run)
}

/// `[88-96]`, in percent.
pub fn interval((low, high): (f64, f64)) -> String {
    format!("[{:.0}-{:.0}]", 100.0 * low, 100.0 * high)
}

/// `p<.001` or `p=.032`.
pub fn p_value(p: f64) -> String {
    if p < 0.001 {
        "p<.001".to_owned()
    } else if p >= 0.9995 {
        "p=1".to_owned()
    } else {
        format!("p={}", format!("{p:.3}").trim_start_matches('0'))
    }
}

/// Points with sign, `+8.3`; nothing gained and nothing lost is `0.0`.
pub fn points(delta: f64) -> String {
    let text = format!("{:+.1}", 100.0 * delta);
    if text == "+0.0" || text == "-0.0" { "0.0".to_owned() } else { text }
}

/// Items that would tell a difference that `n` do not, if more would.
pub fn needed(difference: &Difference, n: u32) -> Option<u32> {
    let count = || statistics::items_needed(difference.improved, difference.regressed, n);
    difference.needed.or_else(count).filter(|needed| *needed > n)
}

/// A paired difference: `better +8.3 [+4.1, +13.0] p=.002`, or in words that it cannot be told.
pub fn difference(difference: &Difference, n: u32, words: &Words) -> String {
    let (low, high) = difference.interval;
    let range = format!("[{}, {}]", points(low), points(high));
    if difference.is_told() {
        let word = if difference.delta > 0.0 { words.better } else { words.worse };
        let (delta, p) = (points(difference.delta), p_value(difference.p));
        return format!("{word} {delta} {range} {p}");
    }
    if difference.is_same() {
        return format!("{} (n={n})", words.same);
    }
    let enough = needed(difference, n).map(|needed| {
        let text = words.items_would_do.replace("{}", &needed.to_string());
        format!("; {text}")
    });
    format!(
        "{} (n={n}{}) {} {range}",
        words.cannot_tell,
        enough.unwrap_or_default(),
        points(difference.delta)
    )
}

/// A paired difference where n stands in a column of its own: `better +8.3 [+4.1, +13.0] p=.002` or
/// `cannot tell +1.4 [-4.2, +7.1]`; without the interval if `wide` is false.
pub fn short_difference(difference: &Difference, wide: bool, words: &Words) -> String {
    let (low, high) = difference.interval;
    let range = if wide { format!(" [{}, {}]", points(low), points(high)) } else { String::new() };
    let word = match (difference.is_told(), difference.delta > 0.0) {
        (false, _) if difference.is_same() => {
            return words.same.to_owned();
        }
        (false, _) => words.cannot_tell,
        (true, true) => words.better,
        (true, false) => words.worse,
    };
    let p =
        if difference.is_told() { format!(" {}", p_value(difference.p)) } else { String::new() };
    format!("{word} {}{range}{p}", points(difference.delta))
}

/// The change of a cross-entropy: `worse +2.1 % [+1.0, +3.2]`, or in words that it cannot be told;
/// without the interval if `wide` is false.
pub fn loss_difference(loss: &TextLoss, wide: bool, words: &Words) -> Option<String> {
    let relative = loss.relative()?;
    let range = loss.interval.filter(|_| wide).map_or_else(String::new, |(low, high)| {
        format!(" [{}, {}]", points(low / loss.base), points(high / loss.base))
    });
    let word = match (loss.is_told(), relative > 0.0) {
        (false, _) => words.cannot_tell,
        (true, true) => words.worse,
        (true, false) => words.better,
    };
    Some(format!("{word} {} %{range}", points(relative)))
}

/// The date and time of Unix seconds in UTC, `2026-11-23 09:05 UTC`. Days to dates: Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub fn time(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::words::ENGLISH;

    fn paired(improved: u32, regressed: u32, n: u32) -> Difference {
        Difference {
            improved,
            regressed,
            delta: (f64::from(improved) - f64::from(regressed)) / f64::from(n),
            interval: statistics::paired_interval(improved, regressed, n),
            p: statistics::mcnemar(improved, regressed),
            needed: statistics::items_needed(improved, regressed, n),
            ..Difference::default()
        }
    }

    #[test]
    fn differences_that_cannot_be_told_are_not_called_better() {
        let cases = [
            (118, 2, 144, "better +80.6 [+72.2, +86.5] p<.001"),
            (0, 9, 60, "worse -15.0 [-26.1, -8.1] p=.004"),
            (4, 2, 18, "cannot tell (n=18; about 111 would do) +11.1 [-17.4, +38.1]"),
            (3, 3, 18, "cannot tell (n=18) 0.0 [-28.2, +28.2]"),
            (0, 0, 18, "no change (n=18)"),
        ];
        for (improved, regressed, n, expected) in cases {
            let text = difference(&paired(improved, regressed, n), n, &ENGLISH);
            assert_eq!(text, expected);
        }
        let short = |wide| short_difference(&paired(4, 2, 18), wide, &ENGLISH);
        assert_eq!(short(true), "cannot tell +11.1 [-17.4, +38.1]");
        assert_eq!(short(false), "cannot tell +11.1");
        let told = short_difference(&paired(0, 9, 60), false, &ENGLISH);
        assert_eq!(told, "worse -15.0 p=.004");
    }

    #[test]
    fn figures() {
        assert_eq!(p_value(0.0004), "p<.001");
        assert_eq!(p_value(0.0321), "p=.032");
        assert_eq!(p_value(1.0), "p=1");
        assert_eq!(share(Proportion { successes: 1, n: 3 }), "33.3 %");
        assert_eq!(share(Proportion { successes: 0, n: 0 }), "-");
        assert_eq!(points(-0.0001), "0.0");
        for (seconds, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_795_424_700, "2026-11-23 09:05 UTC"),
        ] {
            assert_eq!(time(seconds), expected);
        }
    }

    #[test]
    fn cross_entropy_is_told_by_its_interval() {
        let loss = |tuned: f64, interval: (f64, f64)| TextLoss {
            base: 2.0,
            tuned: Some(tuned),
            tokens: 5000,
            interval: Some(interval),
        };
        let show = |loss: &TextLoss| loss_difference(loss, true, &ENGLISH).unwrap();
        assert_eq!(show(&loss(2.05, (0.02, 0.08))), "worse +2.5 % [+1.0, +4.0]");
        assert_eq!(show(&loss(1.9, (-0.2, -0.02))), "better -5.0 % [-10.0, -1.0]");
        assert_eq!(show(&loss(2.01, (-0.02, 0.04))), "cannot tell +0.5 % [-1.0, +2.0]");
    }
}
