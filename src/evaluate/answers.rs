//! Short answers, checked by rule.
//!
//! A reply is right if it states the expected number or any accepted wording.
//!
//! *Number*: if an equals sign is followed by a number, the last such number is the reply's answer
//! and must be the expected one; else the expected number must stand somewhere in the reply as a
//! number of its own (not inside `D32` or `0306.4.1`). Suites refuse questions that already hold
//! the expected number, so repeating the question earns nothing.
//!
//! *Wording*: it must occur in the reply between boundaries, after NFC, case folding, dropping of
//! thousands commas and joining of whitespace. A change between Hangul and other script is a
//! boundary; after a Hangul wording a particle or ending may follow (`서울` in `서울입니다`).
//!
//! Limits: a reply that lists every possible answer, or denies the right one, counts as right.

use unicode_normalization::UnicodeNormalization as _;

use super::case::ShortAnswer;
use crate::text::number::{is_hangul, numbers};

/// Tells whether a reply gives the short answer.
pub fn is_right(expected: &ShortAnswer, reply: &str) -> bool {
    let number =
        (expected.number).is_some_and(|number| states_number(reply, number, expected.tolerance));
    number || {
        let reply = normalize(reply);
        expected.accept.iter().any(|wording| occurs(&reply, &normalize(wording)))
    }
}

/// Particles and endings that may follow a Hangul noun within its word.
const ENDINGS: &[&str] = &[
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "의",
    "에",
    "에서",
    "에게",
    "께",
    "와",
    "과",
    "랑",
    "이랑",
    "로",
    "으로",
    "도",
    "만",
    "까지",
    "부터",
    "보다",
    "처럼",
    "입니다",
    "이다",
    "이에요",
    "예요",
    "이예요",
    "에요",
    "이요",
    "요",
    "야",
    "이야",
    "다",
    "라고",
    "이라고",
    "라는",
    "이라는",
    "라",
    "이라",
    "이며",
    "며",
    "이고",
    "고",
    "인",
    "이었습니다",
    "였습니다",
    "이었다",
    "였다",
    "죠",
    "이죠",
    "지요",
    "이지요",
    "네요",
    "이네요",
    "란",
    "이란",
    "에는",
    "에서는",
    "으로는",
    "로는",
];

fn states_number(reply: &str, expected: f64, tolerance: f64) -> bool {
    let reply: String = reply.nfkc().collect();
    let found = numbers(&reply);
    let after_equals = found.iter().rfind(|number| {
        let before = reply.get(..number.start).unwrap_or_default();
        before.trim_end_matches([' ', '$', '₩', '*', '\\', '(']).ends_with('=')
    });
    match after_equals {
        Some(number) => number.is(expected, tolerance),
        None => found.iter().any(|number| number.is_plain() && number.is(expected, tolerance)),
    }
}

/// NFC, lower case, no thousands commas, single spaces.
fn normalize(text: &str) -> String {
    let mut text: String = text.nfc().collect::<String>().to_lowercase();
    for number in numbers(&text).iter().rev() {
        let digits = text.get(number.start..number.end).unwrap_or_default().replace(',', "");
        text.replace_range(number.start..number.end, &digits);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tells whether `wording` stands in `text` between boundaries; both are normalized.
fn occurs(text: &str, wording: &str) -> bool {
    !wording.is_empty()
        && text.match_indices(wording).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default();
            let after = text.get(at + wording.len()..).unwrap_or_default();
            is_start(before, wording) && is_end(wording, after)
        })
}

fn is_start(before: &str, wording: &str) -> bool {
    let mut back = before.chars().rev();
    let (Some(first), Some(last)) = (wording.chars().next(), back.next()) else {
        return true;
    };
    if first.is_ascii_digit() && matches!(last, '.' | ',' | '-' | '\u{2212}') {
        // Inside a decimal or list of digits, or negative.
        let earlier = back.next();
        return match last {
            '.' | ',' => !earlier.is_some_and(|earlier| earlier.is_ascii_digit()),
            _ => earlier.is_some_and(char::is_alphanumeric),
        };
    }
    is_boundary(last, first)
}

fn is_end(wording: &str, after: &str) -> bool {
    let mut ahead = after.chars();
    let (Some(last), Some(first)) = (wording.chars().next_back(), ahead.next()) else {
        return true;
    };
    if last.is_ascii_digit() && matches!(first, '.' | ',') {
        return !ahead.next().is_some_and(|next| next.is_ascii_digit());
    }
    if is_hangul(last) && is_hangul(first) {
        let ending: String = after.chars().take_while(|next| is_hangul(*next)).collect();
        return ENDINGS.contains(&ending.as_str());
    }
    is_boundary(last, first)
}

/// Tells whether a word can end between two neighbours.
fn is_boundary(left: char, right: char) -> bool {
    !left.is_alphanumeric() || !right.is_alphanumeric() || is_hangul(left) != is_hangul(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(accept: &[&str], number: Option<f64>) -> ShortAnswer {
        ShortAnswer {
            accept: accept.iter().map(|&text| text.to_owned()).collect(),
            number,
            tolerance: 0.0,
        }
    }

    #[test]
    fn wordings_are_found_between_boundaries() {
        let cases = [
            ("서울", "대한민국의 수도는 서울입니다.", true),
            ("서울", "서울", true),
            ("서울", "**서울**이에요", true),
            ("서울", "서울역입니다", false),
            ("서울", "대서울", false),
            ("금", "금요일", false),
            (
                "서울",
                "\u{1109}\u{1165}\u{110b}\u{116e}\u{11af}\u{110b}\u{1175}\u{11b8}\u{1102}\u{1175}\u{1103}\u{1161}",
                true,
            ),
            ("Paris", "the capital is PARIS.", true),
            ("Paris", "Parisian", false),
            ("list", "답은 list입니다", true),
            ("len", "length", false),
            ("[1, 2]", "It prints `[1, 2]`.", true),
            ("5", "3.5", false),
            ("5", "5.2", false),
            ("5", "-5", false),
            ("5", "답은 5.", true),
            ("5", "5개", true),
            ("12000", "12,000원", true),
            ("new york", "New\n York", true),
            ("없음", "", false),
        ];
        for (wording, reply, right) in cases {
            assert_eq!(is_right(&short(&[wording], None), reply), right, "{wording} in {reply}");
        }
    }

    #[test]
    fn numbers_are_read_from_the_reply() {
        let cases = [
            (42.0, "42", true),
            (42.0, "17 + 25 = 42입니다.", true),
            (42.0, "17 + 25 = 43. Is it 42?", false),
            (42.0, "답은 42개입니다. 17과 25를 더하면 됩니다.", true),
            (42.0, "142", false),
            (42.0, "42.5", false),
            (42.0, "-42", false),
            (42.0, "D42", false),
            (42.0, "x = $42$", true),
            (42.0, "x = **42**", true),
            (42.0, "４２", true),
            (12000.0, "12,000원", true),
            (0.5, "= 0.50", true),
            (-3.0, "10 - 13 = -3", true),
            (8.0, "eight", false),
        ];
        for (number, reply, right) in cases {
            assert_eq!(is_right(&short(&[], Some(number)), reply), right, "{number} in {reply}");
        }
        assert!(is_right(&short(&["eight"], Some(8.0)), "The answer is eight."));
        let near = ShortAnswer { tolerance: 0.01, ..short(&[], Some(2.67)) };
        assert!(is_right(&near, "약 2.667"));
        assert!(!is_right(&near, "약 2.7"));
    }
}
