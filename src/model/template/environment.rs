//! The Jinja environment `transformers` renders chat templates in.

mod json;
mod nesting;

pub(super) use json::one_line;

use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

/// An environment with the options, filters, functions and Python methods templates rely on.
pub(super) fn python_like() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    // A template comes with the model and is not trusted to end; real ones take thousands. Text that
    // is built counts too, 64 bytes as one: no template holds more than 64 MB.
    environment.set_fuel(Some(1_000_000));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", to_json);
    environment.add_filter("string", string);
    environment.add_filter(nesting::NAMED, nesting::named);
    environment.add_filter(nesting::INSIDE, nesting::inside);
    environment.add_test("iterable", is_iterable);
    environment.set_formatter(|out, state, value| match python_real(value) {
        Some(text) => out.write_str(&text).map_err(Error::from),
        None => minijinja::escape_formatter(out, state, value),
    });
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", |format: String| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format_time(&format, now.as_secs())
    });
    environment
}

/// A template's source as it is compiled here: without marks that only `transformers` knows, and with a bound on what
/// it keeps.
pub(super) fn prepared(source: &str) -> String {
    nesting::guarded(&without_generation_marks(source))
}

/// Removes `{% generation %}` marks, which only `transformers` knows. They become conditions that
/// always hold, so that white space is trimmed as before.
fn without_generation_marks(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest.get(start..).and_then(|tail| tail.find("%}")) else {
            break;
        };
        let (before, tag) = rest.split_at(start);
        let (tag, after) = tag.split_at(length + 2);
        result.push_str(before);
        let word: String = tag.chars().filter(char::is_ascii_alphabetic).collect();
        match word.as_str() {
            "generation" => result.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => result.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => result.push_str(tag),
        }
        rest = after;
    }
    result.push_str(rest);
    result
}

/// `tojson` as `transformers` defines it: Python's `json.dumps` with `ensure_ascii=False`, neither
/// the HTML escapes of Jinja nor the compact form of minijinja.
#[expect(clippy::needless_pass_by_value, reason = "the form minijinja takes filters in")]
fn to_json(value: Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let sorted: Option<bool> = options.get("sort_keys")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    let separators: Option<(String, String)> = options
        .get::<Option<Vec<String>>>("separators")?
        .and_then(|pair| <[String; 2]>::try_from(pair).ok())
        .map(Into::into);
    options.assert_all_used()?;
    let value = serde_json::to_value(&value).map_err(|error| {
        Error::new(ErrorKind::BadSerialization, format!("no JSON form: {error}"))
    })?;
    let style = json::Style::new(indent, separators, sorted.unwrap_or(false));
    let text = json::write(&value, &style);
    Ok(Value::from_safe_string(if ascii == Some(true) { json::in_ascii(&text) } else { text }))
}

/// A real number as Python's `str` writes it where minijinja writes no exponent.
fn python_real(value: &Value) -> Option<String> {
    if value.kind() != ValueKind::Number || value.is_integer() {
        return None;
    }
    serde_json::Number::from_f64(f64::try_from(value.clone()).ok()?)
        .map(|number| json::number_text(&number))
}

/// `string`, with reals as Python's `str` writes them.
fn string(value: Value) -> Value {
    if value.kind() == ValueKind::String {
        return value;
    }
    Value::from(python_real(&value).unwrap_or_else(|| value.to_string()))
}

/// What Python can iterate over; not `None`, which minijinja takes for an empty list. Templates ask
/// this about tools that are not there, and then for their number.
#[expect(clippy::needless_pass_by_value, reason = "the form minijinja takes tests in")]
fn is_iterable(value: Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// The parts of `strftime` templates use; the time is UTC.
fn format_time(format: &str, seconds: u64) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] =
        ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let month_name = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
    let day_name = DAYS.get((days % 7) as usize).copied().unwrap_or_default();
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('Y') => text.push_str(&year.to_string()),
            Some('m') => two_digits(&mut text, month),
            Some('d') => two_digits(&mut text, day),
            Some('B') => text.push_str(month_name),
            Some('b') => text.extend(month_name.chars().take(3)),
            Some('A') => text.push_str(day_name),
            Some('a') => text.extend(day_name.chars().take(3)),
            Some('H') => two_digits(&mut text, seconds / 3600 % 24),
            Some('M') => two_digits(&mut text, seconds / 60 % 60),
            Some('S') => two_digits(&mut text, seconds % 60),
            Some(other) => text.push(other),
            None => text.push('%'),
        }
    }
    text
}

fn two_digits(text: &mut String, number: u64) {
    if number < 10 {
        text.push('0');
    }
    text.push_str(&number.to_string());
}

/// Year, month and day of a count of days since 1970-01-01, in the Gregorian calendar; a year
/// starts in March so that the leap day is its last.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_formatted_as_strftime_does() {
        let cases = [
            (0, "%d %b %Y", "01 Jan 1970"),
            (951_782_400, "%Y-%m-%d %A", "2000-02-29 Tuesday"),
            (1_795_392_000, "%d %B %Y", "23 November 2026"),
            (1_795_392_000 + 3_661, "%H:%M:%S 100%%", "01:01:01 100%"),
        ];
        for (seconds, format, expected) in cases {
            assert_eq!(format_time(format, seconds), expected);
        }
    }

    #[test]
    fn generation_marks_vanish() {
        let source = "a{%- generation -%} b {% endgeneration %}{% if x %}c{% endif %}";
        let result = without_generation_marks(source);
        assert_eq!(result, "a{%- if true -%} b {% endif %}{% if x %}c{% endif %}");
    }
}
