//! Short answers, checked by rule.
//!
//! A reply is right if it states the expected number or any accepted wording.
//!
//! *Number*: if an equals sign is followed by a number, the last such number is the reply's answer
//! and must be the expected one; else the expected number must stand somewhere in the reply as a
//! number of its own (not inside `D32` or `0306.4.1`). Where a case says `last`, the reply's last number
//! of its own is its answer, whatever stands before. Other suites refuse questions that already hold
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
use crate::text::quantity;

/// Tells whether a reply gives the short answer.
pub fn is_right(expected: &ShortAnswer, reply: &str) -> bool {
    let number = expected.number.is_some_and(|number| match &expected.unit {
        Some(unit) => states_amount(reply, number, unit, expected.tolerance),
        None if expected.last => ends_with_number(reply, number, expected.tolerance),
        None => states_number(reply, number, expected.tolerance),
    });
    number || tells_any(&expected.accept, reply)
}

/// Tells whether any of the wordings occurs in a reply, between boundaries.
pub fn tells_any(wordings: &[String], reply: &str) -> bool {
    let reply = normalize(reply);
    wordings.iter().any(|wording| occurs(&reply, &normalize(wording)))
}

/// The facts, by their index, that a reply does not tell: in none of their wordings, nor, where a
/// wording is an amount with a unit, as the same amount in another unit.
pub fn facts_missing(facts: &[Vec<String>], reply: &str) -> Vec<usize> {
    let amounts = quantity::quantities(reply);
    let told = |wordings: &[String]| {
        tells_any(wordings, reply)
            || wordings.iter().any(|wording| match quantity::quantities(wording).as_slice() {
                [wanted] if wanted.unit.is_some() && wanted.span.start == 0 => {
                    wanted.span.end == wording.chars().count()
                        && amounts.iter().any(|amount| amount.equals(wanted))
                }
                _ => false,
            })
    };
    (facts.iter().enumerate())
        .filter(|(_, wordings)| !told(wordings))
        .map(|(index, _)| index)
        .collect()
}

/// The label that a reply tells; none if it tells none or several. A label inside a longer one that
/// is told (`safe` in `not safe`) does not count.
pub fn label_told(labels: &[String], reply: &str) -> Option<usize> {
    let mut left = normalize(reply);
    let mut order: Vec<usize> = (0..labels.len()).collect();
    let length = |index: &usize| labels.get(*index).map_or(0, String::len);
    order.sort_by_key(|index| std::cmp::Reverse(length(index)));
    let mut told = Vec::new();
    for index in order {
        let label = normalize(labels.get(index).map_or("", String::as_str));
        if occurs(&left, &label) {
            told.push(index);
            left = left.replace(&label, "\u{0}");
        }
    }
    match told.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

/// Tells whether a reply states an amount in its unit or another of the same kind. The tolerance is
/// in the unit asked for.
fn states_amount(reply: &str, number: f64, unit: &str, tolerance: f64) -> bool {
    let wanted = quantity::quantities(&format!("{number} {unit}"));
    let Some(wanted) = wanted.iter().find_map(|wanted| wanted.unit.as_ref()) else {
        // A unit that is not known is looked for as it is written, right after the number.
        let reply = reply.nfkc().collect::<String>().to_lowercase();
        let unit = unit.nfkc().collect::<String>().to_lowercase();
        return numbers(&reply).iter().any(|found| {
            let after = reply.get(found.end..).unwrap_or_default().trim_start();
            found.is_plain() && found.is(number, tolerance) && after.starts_with(&unit)
        });
    };
    quantity::quantities(reply).iter().any(|found| {
        found.unit.as_ref().is_some_and(|unit| {
            let value = found.value * unit.scale / wanted.scale;
            let slack = tolerance.max(1e-9 * number.abs());
            unit.dimension == wanted.dimension && (value - number).abs() <= slack
        })
    })
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

/// Tells whether the reply's last number of its own is the expected one.
fn ends_with_number(reply: &str, expected: f64, tolerance: f64) -> bool {
    let reply: String = reply.nfkc().collect();
    let found = numbers(&reply);
    let last = found.iter().rfind(|number| number.is_plain());
    last.is_some_and(|number| number.is(expected, tolerance))
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
            ..ShortAnswer::default()
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
        let last = ShortAnswer { last: true, ..short(&[], Some(72.0)) };
        assert!(is_right(&last, "48 / 2 = 24, and 48 + 24 is 72.\n#### 72"));
        assert!(!is_right(&last, "72 clips, no, wait: it is 96"));
        assert!(!is_right(&last, "seventy-two"));
        let near = ShortAnswer { tolerance: 0.01, ..short(&[], Some(2.67)) };
        assert!(is_right(&near, "약 2.667"));
        assert!(!is_right(&near, "약 2.7"));
    }
    #[test]
    fn amounts_are_compared_in_their_units() {
        let wanted = |number: f64, unit: &str, tolerance: f64| ShortAnswer {
            unit: Some(unit.to_owned()),
            tolerance,
            ..short(&[], Some(number))
        };
        for (number, unit, tolerance, reply, right) in [
            (2.5, "kN/m2", 0.0, "활하중은 2.5 kN/m²이다.", true),
            (2.5, "kN/m2", 0.0, "활하중은 2500 N/m²이다.", true),
            (2.5, "kN/m2", 0.0, "활하중은 2.5 kN이다.", false),
            (2.5, "kN/m2", 0.0, "2.5", false),
            (40.0, "mm", 1.0, "about 4.05 cm", true),
            (40.0, "mm", 0.1, "about 4.05 cm", false),
            (3.0, "widgets", 0.0, "It needs 3 widgets.", true),
            (3.0, "widgets", 0.0, "It needs 3 gadgets.", false),
        ] {
            assert_eq!(is_right(&wanted(number, unit, tolerance), reply), right, "{reply}");
        }
    }

    #[test]
    fn facts_and_labels_are_told_or_not() {
        let facts =
            vec![vec!["2.5 kN/m2".to_owned()], vec!["사무실".to_owned(), "office".to_owned()]];
        for (reply, missing) in [
            ("사무실은 2.5kN/㎡입니다.", vec![]),
            ("An office takes 2500 N/m2.", vec![]),
            ("사무실은 3.5 kN/m²입니다.", vec![0]),
            ("", vec![0, 1]),
        ] {
            assert_eq!(facts_missing(&facts, reply), missing, "{reply}");
        }
        let labels: Vec<String> =
            ["safe", "not safe", "unknown"].iter().map(|&label| label.to_owned()).collect();
        for (reply, told) in [
            ("It is safe.", Some(0)),
            ("It is not safe.", Some(1)),
            ("Safe or not safe?", None),
            ("Label: UNKNOWN", Some(2)),
            ("yes", None),
        ] {
            assert_eq!(label_told(&labels, reply), told, "{reply}");
        }
    }
}
