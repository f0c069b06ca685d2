//! Texts as Python reads them (CPython 3.11): `int()`, `float()`, `str.strip()` and what `\s`, `\d`
//! and `\w` of `re` stand for. The converters of source text rest on these.

use regex::Regex;

use super::literal::Literal;

/// Digits of a whole number that Python converts (`sys.int_info.default_max_str_digits`).
pub(super) const DIGITS_MAX: usize = 4300;

/// `\s`: white space of Unicode and the four separators of ASCII.
pub(super) const SPACE: &str = r"[\s\x1c-\x1f]";

/// `\w`: letters, numbers of any kind and the low line.
pub(super) const WORD: &str = r"[\p{L}\p{N}_]";

/// A pattern that is a constant.
#[expect(clippy::unwrap_used, reason = "the patterns are constants; tests compile all of them")]
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(&text.replace(r"\s", SPACE).replace(r"\w", WORD)).unwrap()
}

/// Names patterns that are constants; each is made when it is first needed.
macro_rules! patterns {
    ($($name:ident = $text:expr;)*) => {
        $(static $name: std::sync::LazyLock<regex::Regex> =
            std::sync::LazyLock::new(|| $crate::evaluate::calls::python::pattern($text));)*
    };
}
pub(super) use patterns;

/// `str.isspace()` of one character.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// `str.strip()`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `text[1:-1]`.
pub(super) fn inner(text: &str) -> String {
    let mut characters = text.chars();
    characters.next();
    characters.next_back();
    characters.collect()
}

patterns! {
    DECIMAL = r"^\p{Nd}$";
}

/// The value of a decimal digit of any script.
fn digit(character: char) -> Option<u32> {
    let is_decimal = |character: char| {
        character.is_numeric() && DECIMAL.is_match(character.encode_utf8(&mut [0; 4]))
    };
    if character.is_ascii() || !is_decimal(character) {
        return character.to_digit(10);
    }
    // Unicode lists the digits of a script in runs of ten that begin with zero.
    let before = (1..=60).take_while(|back| {
        let code = u32::from(character) - back;
        char::from_u32(code).is_some_and(is_decimal)
    });
    u32::try_from(before.count() % 10).ok()
}

/// The text with decimal digits in ASCII and low lines between two digits left out; none where a
/// low line stands elsewhere.
fn plain(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut after_digit = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '_' {
            let between =
                after_digit && characters.peek().is_some_and(|next| digit(*next).is_some());
            if !between {
                return None;
            }
            after_digit = false;
            continue;
        }
        let value = digit(character).and_then(|value| char::from_digit(value, 10));
        after_digit = value.is_some();
        out.push(value.unwrap_or(character));
    }
    Some(out)
}

/// `int(text)`; none where Python raises `ValueError`.
pub(super) fn int(text: &str) -> Option<Literal> {
    let text = plain(strip(text))?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let fits = (1..=DIGITS_MAX).contains(&digits.len());
    if !fits || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(Literal::Int(0));
    }
    let text = format!("{sign}{digits}");
    Some(text.parse().map_or(Literal::Large(text), Literal::Int))
}

/// `float(text)`; none where Python raises `ValueError`. Too large a number is infinite.
pub(super) fn float(text: &str) -> Option<Literal> {
    // Both languages read the same forms otherwise: `1.`, `.5`, `1e5`, `inf`, `-Infinity`, `nan`.
    plain(strip(text))?.parse().ok().map(Literal::Float)
}

/// `int(text)`, else `float(text)`, else the text: what both converters do with a value whose type
/// they do not know.
pub(super) fn number_or_text(text: &str) -> Literal {
    int(text).or_else(|| float(text)).unwrap_or_else(|| Literal::Text(text.to_owned()))
}

/// Puts a value under a key as Python's `dict` does: one that stands twice keeps the first place.
pub(super) fn put(entries: &mut Vec<(String, Literal)>, key: &str, value: Literal) {
    match entries.iter_mut().find(|(known, _)| known == key) {
        Some((_, known)) => *known = value,
        None => entries.push((key.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        let shown = |value: Option<Literal>| {
            value.map_or("-".to_owned(), |value| serde_json::Value::from(&value).to_string())
        };
        // Right sides by CPython 3.11: `int(text)`, `float(text)`.
        for (text, whole, fraction) in [
            ("1_000", "1000", "1000.0"),
            ("_1", "-", "-"),
            ("1__0", "-", "-"),
            ("1_", "-", "-"),
            ("+5", "5", "5.0"),
            ("+ 5", "-", "-"),
            ("٥", "5", "5.0"),
            ("1٥", "15", "15.0"),
            ("\u{a0}5\u{3000}", "5", "5.0"),
            ("0_7", "7", "7.0"),
            ("-0_0", "0", "-0.0"),
            ("1_0.5", "-", "10.5"),
            ("1_.5", "-", "-"),
            ("1e1_0", "-", "10000000000.0"),
            ("._5", "-", "-"),
            ("-Infinity", "-", "\"-inf\""),
            ("+nan", "-", "\"NaN\""),
            ("infin", "-", "-"),
            ("1.", "-", "1.0"),
            ("-.5", "-", "-0.5"),
            (".e5", "-", "-"),
            ("0x10", "-", "-"),
            ("１.５e２", "-", "150.0"),
            ("١_٢", "12", "12.0"),
            ("\u{1d7d8}\u{1d7ff}", "9", "9.0"),
            ("²", "-", "-"),
            ("1e999", "-", "\"inf\""),
        ] {
            assert_eq!(
                (shown(int(text)), shown(float(text))),
                (whole.into(), fraction.into()),
                "{text}"
            );
        }
        assert!(int(&"0".repeat(4300)).is_some() && int(&"0".repeat(4301)).is_none());
    }
}
