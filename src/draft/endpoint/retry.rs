//! How long to wait before a request is repeated.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::Rng;

use crate::draft::cancelled;
use crate::failure::Result;
use crate::progress::Cancel;

use super::EndpointConfig;

/// The wait before repetition number `repeated` (from 0): what the server asks for, else twice as
/// long each time and up to half of it left to chance, so that many clients do not return at once.
pub(super) fn wait(config: &EndpointConfig, repeated: u32, asked: Option<Duration>) -> Duration {
    let wait = asked.unwrap_or_else(|| {
        let doubled = config.backoff.saturating_mul(2_u32.saturating_pow(repeated));
        doubled.min(config.longest_wait).mul_f64(rand::rng().random_range(0.5..=1.0))
    });
    wait.min(config.longest_wait)
}

/// Sleeps, but not past a cancellation.
pub(super) fn sleep(wait: Duration, cancel: &Cancel) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(20);
    let end = Instant::now() + wait;
    loop {
        if cancel.is_cancelled() {
            return Err(cancelled());
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(LOOK));
    }
}

/// Reads `Retry-After`: seconds or an HTTP date (RFC 9110, section 10.2.3).
pub(super) fn asked(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let then = UNIX_EPOCH + Duration::from_secs(unix_seconds(value)?);
    Some(then.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7;
/// its obsolete forms are not read).
fn unix_seconds(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = date.split_once(", ")?;
    let mut parts = rest.split(' ');
    let day: u64 = parts.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year: u64 = parts.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = parts.next()?.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    if parts.next() != Some("GMT") || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1 March of year 0, as the leap day then ends the year.
    let (shifted_year, shifted_month) =
        if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * shifted_year + shifted_year / 4 - shifted_year / 100
        + shifted_year / 400
        + (153 * shifted_month + 2) / 5
        + day
        - 1;
    let before_1970 = 719_468;
    Some((days.checked_sub(before_1970)?) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        for (date, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
            ("Sat, 01 Mar 2025 00:00:00 GMT", Some(1_740_787_200)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 KST", None),
            ("soon", None),
        ] {
            assert_eq!(unix_seconds(date), seconds, "{date}");
        }
    }

    #[test]
    fn waits_are_read_and_capped() {
        let mut config = EndpointConfig::new("http://127.0.0.1", "m", None);
        config.backoff = Duration::from_secs(1);
        config.longest_wait = Duration::from_secs(10);
        assert_eq!(asked("2"), Some(Duration::from_secs(2)));
        assert_eq!(asked(" 0.5 "), Some(Duration::from_millis(500)));
        assert_eq!(asked("-1"), None);
        assert_eq!(asked("inf"), None);
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(wait(&config, 0, asked("3600")), Duration::from_secs(10));
        assert_eq!(wait(&config, 0, asked("3")), Duration::from_secs(3));
        for (repeated, most) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 10), (60, 10)] {
            let wait = wait(&config, repeated, None).as_secs_f64();
            assert!(wait <= f64::from(most) && wait >= f64::from(most) / 2.0, "{repeated}: {wait}");
        }
    }

    #[test]
    fn sleep_ends_when_cancelled() {
        let cancel = Cancel::default();
        cancel.cancel();
        let started = Instant::now();
        assert!(sleep(Duration::from_mins(1), &cancel).is_err());
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
