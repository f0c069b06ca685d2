//! Figures as people read them.

use std::time::Duration;

use super::strings::common;
use crate::evaluate::Proportion;
use crate::pair::Language;

/// `1204` as `1,204`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `182304` as `182k`, below a thousand as it is.
pub fn short(value: u64) -> String {
    match value {
        0..1_000 => value.to_string(),
        1_000..10_000 => format!("{:.1}k", value as f64 / 1e3),
        10_000..1_000_000 => format!("{}k", value / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1}M", value as f64 / 1e6),
        _ => format!("{:.1}G", value as f64 / 1e9),
    }
}

/// Bytes with a decimal unit.
pub fn bytes(value: u64) -> String {
    match value {
        0..1_000_000 => format!("{} kB", value.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", value / 1_000_000),
        _ => format!("{:.1} GB", value as f64 / 1e9),
    }
}

/// A length of time, rounded to what matters.
pub fn duration(time: Duration, language: Language) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..90 => common::SECONDS.fill(language, &[&seconds]),
        90..5_400 => common::MINUTES.fill(language, &[&((seconds + 30) / 60)]),
        _ => common::HOURS.fill(language, &[&(seconds / 3600), &(seconds % 3600 / 60)]),
    }
}

/// A share as percent with one decimal: `93.3 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A share as whole percent: `15 %`.
pub fn whole_percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Successes of n as percent; a dash when n is 0.
pub fn proportion(proportion: Proportion) -> String {
    if proportion.n == 0 {
        return "-".to_owned();
    }
    percent(f64::from(proportion.successes) / f64::from(proportion.n))
}

/// A 95 % interval of shares: `[88-96]`.
pub fn interval((low, high): (f64, f64)) -> String {
    format!("[{:.0}-{:.0}]", low * 100.0, high * 100.0)
}

/// A date (UTC) from Unix seconds: `2026-11-23`.
pub fn day(unix: i64) -> String {
    date(unix).split(' ').next().unwrap_or_default().to_owned()
}

/// A date and time (UTC) from Unix seconds: `2026-11-23 14:05`.
///
/// The civil date is computed as in Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub fn date(unix: i64) -> String {
    let days = unix.div_euclid(86_400);
    let seconds = unix.rem_euclid(86_400);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}",
        seconds / 3600,
        seconds % 3600 / 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_204), "1,204");
        assert_eq!(count(1_234_567), "1,234,567");
        for (value, text) in [
            (999, "999"),
            (1_204, "1.2k"),
            (182_304, "182k"),
            (2_900_000, "2.9M"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!(bytes(986_000_000), "986 MB");
        assert_eq!(bytes(2_900_000_000), "2.9 GB");
        assert_eq!(
            proportion(Proportion {
                successes: 140,
                n: 150
            }),
            "93.3 %"
        );
        assert_eq!(proportion(Proportion { successes: 0, n: 0 }), "-");
        assert_eq!(interval((0.881, 0.964)), "[88-96]");
    }

    #[test]
    fn times_and_dates_read_well() {
        for (seconds, ko, en) in [
            (8, "8초", "8 s"),
            (89, "89초", "89 s"),
            (1020, "17분", "17 min"),
            (7_500, "2시간 5분", "2 h 5 min"),
        ] {
            let time = Duration::from_secs(seconds);
            assert_eq!(duration(time, Language::Korean), ko);
            assert_eq!(duration(time, Language::English), en);
        }
        for (unix, text) in [
            (0, "1970-01-01 00:00"),
            (951_782_400, "2000-02-29 00:00"),
            (1_795_442_700, "2026-11-23 14:05"),
            (-1, "1969-12-31 23:59"),
        ] {
            assert_eq!(date(unix), text);
        }
    }
}
