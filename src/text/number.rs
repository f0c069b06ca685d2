//! Numbers in running text.

/// A number as it stands in a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// Its value; of a dotted number (`0306.4.1`) the part before the second dot.
    pub value: f64,
    /// First byte, the sign included.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Whether a Latin letter stands directly before it, as in `D32` or `m2`.
    pub glued: bool,
    /// Whether it has two or more dots, as clause numbers do.
    pub dotted: bool,
}

impl Number {
    /// Tells whether this is a number of its own: neither part of a name nor a clause number.
    pub fn is_plain(&self) -> bool {
        !self.glued && !self.dotted
    }

    /// Tells whether the value is `expected`, give or take `tolerance` and rounding of the last bit.
    pub fn is(&self, expected: f64, tolerance: f64) -> bool {
        let slack = tolerance.max(1e-9 * expected.abs());
        (self.value - expected).abs() <= slack
    }
}

/// Finds the numbers of a text, in order. ASCII digits, with thousands commas and a decimal point;
/// a minus counts as a sign unless a letter, digit or closing bracket stands before it.
pub fn numbers(text: &str) -> Vec<Number> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !digit(at) {
            at += 1;
            continue;
        }
        let first = at;
        let mut digits = String::new();
        let mut dots = 0;
        loop {
            match bytes.get(at) {
                Some(byte) if byte.is_ascii_digit() => {
                    if dots < 2 {
                        digits.push(char::from(*byte));
                    }
                }
                Some(b'.') if digit(at + 1) => {
                    dots += 1;
                    if dots == 1 {
                        digits.push('.');
                    }
                }
                Some(b',') if dots == 0 && is_thousands(bytes, first, at) => {}
                _ => break,
            }
            at += 1;
        }
        let before = text.get(..first).unwrap_or_default();
        let (start, sign) = sign(before);
        let glued = before.ends_with(|last: char| last.is_alphabetic() && !is_hangul(last));
        found.push(Number {
            value: sign * digits.parse::<f64>().unwrap_or(f64::NAN),
            start,
            end: at,
            glued,
            dotted: dots > 1,
        });
    }
    found
}

/// Tells whether a character is a Hangul syllable or letter.
pub fn is_hangul(character: char) -> bool {
    matches!(character, '가'..='힣' | 'ㄱ'..='ㆎ' | '\u{1100}'..='\u{11ff}')
}

/// Tells whether the comma at `at` separates thousands: three digits follow, and no more than
/// three stand before it since the number or the last comma.
fn is_thousands(bytes: &[u8], first: usize, at: usize) -> bool {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let before = bytes
        .get(first..at)
        .unwrap_or_default()
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    before <= 3 && digit(at + 1) && digit(at + 2) && digit(at + 3) && !digit(at + 4)
}

/// Start of a number that begins at the end of `before`, and its sign.
fn sign(before: &str) -> (usize, f64) {
    let mut characters = before.chars();
    let Some(minus @ ('-' | '\u{2212}')) = characters.next_back() else {
        return (before.len(), 1.0);
    };
    let joins = characters
        .next_back()
        .is_some_and(|last| last.is_alphanumeric() || matches!(last, ')' | ']' | '-'));
    if joins { (before.len(), 1.0) } else { (before.len() - minus.len_utf8(), -1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_with_sign_separators_and_neighbours() {
        // "g" marks glued, "d" dotted numbers.
        let cases: [(&str, &[&str]); 12] = [
            ("1,234.5원과 10,000", &["1234.5", "10000"]),
            ("1,2,3", &["1", "2", "3"]),
            ("12,34 and 1234,567", &["12", "34", "1234", "567"]),
            ("-3도, 10-5, (2)-7", &["-3", "10", "5", "2", "7"]),
            ("\u{2212}0.5", &["-0.5"]),
            ("D32 철근 7개, 6.0 kN/m2", &["32g", "7", "6", "2g"]),
            ("0306.4.1에 따라", &["306.4d"]),
            ("합계는 42.", &["42"]),
            ("10:30", &["10", "30"]),
            ("답은3입니다", &["3"]),
            ("1,000,000", &["1000000"]),
            ("없음", &[]),
        ];
        for (text, expected) in cases {
            let found: Vec<String> = numbers(text)
                .iter()
                .map(|number| {
                    let mark = match (number.glued, number.dotted) {
                        (true, _) => "g",
                        (false, true) => "d",
                        (false, false) => "",
                    };
                    format!("{}{mark}", number.value)
                })
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
