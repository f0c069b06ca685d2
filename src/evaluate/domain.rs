//! Whether an answer about a document says what the expected answer says.
//!
//! Right when both hold:
//! * every number of the expected answer, except clause numbers, occurs in the reply with the same
//!   unit. Clause numbers are dotted ones (`0306.4.1`), those after the name of a code (`KDS 41 17
//!   00`) or a word such as `section` or `표`, those before `조`, `항` and the like, and list
//!   marks such as `(2)`;
//! * the token F1 of reply and expected answer is at least [`F1_MIN`]. Tokens are lower-case words
//!   and numbers; a run of Hangul counts as its pairs of syllables, so that particles cost little.
//!
//! This is a rule, not a reader: a reply that negates the right sentence passes, and a right answer
//! in quite other words fails. It says how much of the expected answer is there.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;

use super::result::Reason;
use crate::text::number::{Number, is_hangul, numbers};

/// Least token F1 of a right answer.
pub const F1_MIN: f64 = 0.5;

/// Judges a reply; the error says what is missing.
pub fn judge(reference: &str, reply: &str) -> Result<(), Reason> {
    let missing = missing(reference, reply);
    if !missing.is_empty() {
        let missing: Vec<String> = missing.iter().map(Fact::to_string).collect();
        return Err(Reason::MissingNumbers(missing.join(", ")));
    }
    let f1 = token_f1(reference, reply);
    if f1 < F1_MIN {
        return Err(Reason::LittleInCommon(format!("{f1:.2}")));
    }
    Ok(())
}

/// Numbers of the expected answer that the reply has not.
fn missing(reference: &str, reply: &str) -> Vec<Fact> {
    let given = facts(reply);
    let mut expected = facts(reference);
    expected.retain(|fact| !given.iter().any(|given| given.agrees_with(fact)));
    expected
}

/// Tokens up to which an expected answer is short: a name, a figure.
const SHORT: usize = 6;

/// Whether a reply gives the expected answer, however much it says beside it: as [`judge`], but where the
/// expected answer is short, it is enough that all of it stands in the reply.
pub fn gives(reference: &str, reply: &str) -> bool {
    if judge(reference, reply).is_ok() {
        return true;
    }
    let (wanted, mut given) = (tokens(reference), tokens(reply));
    let mut take = |token: &String| {
        let at = given.iter().position(|other| other == token);
        at.map(|at| given.swap_remove(at)).is_some()
    };
    (1..=SHORT).contains(&wanted.len())
        && missing(reference, reply).is_empty()
        && wanted.iter().all(&mut take)
}

/// Harmonic mean of the shares of tokens that expected answer and reply have in common, 0 to 1.
pub fn token_f1(reference: &str, reply: &str) -> f64 {
    let (reference, reply) = (tokens(reference), tokens(reply));
    if reference.is_empty() || reply.is_empty() {
        return 0.0;
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for token in &reference {
        *left.entry(token).or_default() += 1;
    }
    let common = reply
        .iter()
        .filter(|token| match left.get_mut(token.as_str()) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        })
        .count();
    2.0 * common as f64 / (reference.len() + reply.len()) as f64
}

/// A number with its unit, if the unit is known.
#[derive(Debug, Clone, PartialEq)]
struct Fact {
    value: f64,
    unit: String,
}

impl Fact {
    fn agrees_with(&self, expected: &Self) -> bool {
        let slack = 1e-9 * expected.value.abs();
        (self.value - expected.value).abs() <= slack && self.unit == expected.unit
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.value, self.unit)
    }
}

/// Names of codes whose following numbers name a clause or edition.
const CODES: &[&str] = &[
    "kds", "kcs", "ks", "kbc", "aci", "asce", "astm", "aisc", "aashto", "iso", "en", "ec", "ibc",
    "bs", "din", "jis",
];

/// Words whose following number is a reference.
const REFERENCE_WORDS: &[&str] = &[
    "section", "clause", "article", "chapter", "table", "figure", "fig", "equation", "eq", "annex",
    "appendix", "page", "표", "식", "그림", "제", "부록", "쪽", "§",
];

/// Hangul after a number that makes it a reference.
const REFERENCE_ENDINGS: &[&str] = &["조", "항", "절", "호", "장", "편", "쪽", "페이지"];

/// Units told apart, in lower case; those with a slash are taken as they are.
const UNITS: &[&str] = &[
    "%", "°", "°c", "°f", "mm", "cm", "m", "km", "mm2", "cm2", "m2", "mm3", "cm3", "m3", "mm4",
    "n", "kn", "mn", "pa", "kpa", "mpa", "gpa", "g", "kg", "t", "ton", "tonf", "kgf", "hz", "s",
    "sec", "min", "h", "l", "ml", "w", "kw", "v", "bar", "psi", "psf", "ksi", "ft", "in", "lb",
    "kip", "kips",
];

/// Words for units, and the unit.
const UNIT_WORDS: &[(&str, &str)] = &[
    ("퍼센트", "%"),
    ("프로", "%"),
    ("percent", "%"),
    ("밀리미터", "mm"),
    ("센티미터", "cm"),
    ("킬로미터", "km"),
    ("미터", "m"),
    ("meters", "m"),
    ("metres", "m"),
    ("meter", "m"),
    ("metre", "m"),
    ("도", "°"),
    ("degrees", "°"),
    ("degree", "°"),
];

fn facts(text: &str) -> Vec<Fact> {
    let text: String = text.nfkc().collect::<String>().to_lowercase();
    let found = numbers(&text);
    let mut facts = Vec::new();
    let mut reference_end = None;
    for number in &found {
        let before = text.get(..number.start).unwrap_or_default();
        let after = text.get(number.end..).unwrap_or_default();
        // "41 17 00" and "318-19" go on with the reference that the first number began.
        let goes_on = reference_end.is_some_and(|end| {
            let between = text.get(end..number.start).unwrap_or("?");
            matches!(between, " " | "-" | ":" | ": " | "")
        });
        let reference =
            number.dotted || goes_on && is_code_tail(after) || is_reference(before, after);
        if reference {
            reference_end = Some(number.end);
        } else if number.is_plain() {
            reference_end = None;
            facts.push(Fact { value: number.value, unit: unit(after) });
        }
    }
    facts
}

/// Tells whether what follows a number lets it belong to a code's name: no unit.
fn is_code_tail(after: &str) -> bool {
    unit(after).is_empty()
}

fn is_reference(before: &str, after: &str) -> bool {
    let last_word = before
        .trim_end_matches([' ', '.', '('])
        .rsplit(|character: char| !character.is_alphanumeric() && character != '§')
        .next()
        .unwrap_or_default();
    let list_mark = before.ends_with('(') && after.starts_with(')');
    let ending: String = after.trim_start().chars().take_while(|next| is_hangul(*next)).collect();
    let counted = REFERENCE_ENDINGS.iter().any(|mark| {
        // "4층" is four storeys; "제4조에" and "4항" are references.
        ending.strip_prefix(mark).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(['의', '에', '은', '는', '을', '와', '과', '제'])
        })
    });
    list_mark || counted || CODES.contains(&last_word) || REFERENCE_WORDS.contains(&last_word)
}

/// The unit at the start of what follows a number; empty if there is none that is known.
fn unit(after: &str) -> String {
    let after = after.strip_prefix(' ').unwrap_or(after);
    let word: String = after
        .chars()
        .take_while(|next| {
            next.is_ascii_alphanumeric() || matches!(next, '%' | '°' | '/' | '^' | 'μ' | '·')
        })
        .filter(|next| !matches!(next, '^' | '·'))
        .collect();
    let ratio = word.contains('/') && word.chars().next().is_some_and(char::is_alphabetic);
    if ratio || UNITS.contains(&word.as_str()) {
        return word;
    }
    if word.starts_with('%') {
        return "%".to_owned();
    }
    let named = UNIT_WORDS.iter().find(|(name, _)| after.starts_with(name));
    named.map_or_else(String::new, |(_, unit)| (*unit).to_owned())
}

/// Lower-case words and numbers; runs of Hangul as overlapping pairs of syllables.
fn tokens(text: &str) -> Vec<String> {
    let text: String = text.nfkc().collect::<String>().to_lowercase();
    let found = numbers(&text);
    let mut tokens = Vec::new();
    let mut from = 0;
    for Number { start, end, value, .. } in found.into_iter().filter(Number::is_plain) {
        words(text.get(from..start).unwrap_or_default(), &mut tokens);
        tokens.push(value.to_string());
        from = end;
    }
    words(text.get(from..).unwrap_or_default(), &mut tokens);
    tokens
}

fn words(text: &str, tokens: &mut Vec<String>) {
    for word in text.split(|character: char| !character.is_alphanumeric()) {
        let characters: Vec<char> = word.chars().collect();
        for run in characters.chunk_by(|a, b| is_hangul(*a) == is_hangul(*b)) {
            match run {
                [first, _, ..] if is_hangul(*first) => {
                    tokens.extend(run.windows(2).map(|pair| pair.iter().collect::<String>()));
                }
                _ => tokens.push(run.iter().collect()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_answer_is_given_by_a_long_reply() {
        for (reference, reply, expected) in [
            ("Paris", "The capital of France is Paris.", true),
            ("Paris", "The capital of France is Lyon.", false),
            ("50 mm", "최소 피복두께는 여러 조건에 따라 다르나 대체로 50 mm로 한다.", true),
            ("50 mm", "최소 피복두께는 여러 조건에 따라 다르나 대체로 50 cm로 한다.", false),
            ("", "nothing", false),
            ("활하중은 창고에서 최소 25 %를 포함하고 그 밖에는 포함하지 아니한다.", "25 %", false),
        ] {
            assert_eq!(gives(reference, reply), expected, "{reference} / {reply}");
        }
    }

    #[test]
    fn facts_leave_out_clause_numbers_and_keep_units() {
        let cases = [
            ("KDS 41 17 00 0306.4.1에 따라 활하중의 최소 25 %를 포함합니다.", "25 %"),
            ("제3조 2항에 따라 6.0 kN/m²입니다.", "6 kn/m2"),
            ("ACI 318-19 section 22.4 requires 40 mm of cover.", "40 mm"),
            ("(1) 창고는 5.0 kN/㎡, (2) 사무실은 2.5 kN/m2", "5 kn/m2; 2.5 kn/m2"),
            ("표 4에서 D32 철근 7개를 쓴다", "7 "),
            ("기울기 30도, 높이 4층, 12미터 이하", "30 °; 4 ; 12 m"),
            ("경사 60도와 −3 ℃", "60 °; -3 °c"),
            ("없다", ""),
        ];
        for (text, expected) in cases {
            let found: Vec<String> = facts(text).iter().map(ToString::to_string).collect();
            assert_eq!(found.join("; "), expected, "{text}");
        }
    }

    #[test]
    fn answers_are_judged_by_numbers_and_words() {
        let reference = "KDS 41 17 00 0306.4.1에 따라 창고로 쓰이는 공간에서는 활하중의 최소 25 %를 포함합니다.";
        let cases = [
            (reference, ""),
            ("창고로 쓰이는 공간은 활하중의 최소 25퍼센트를 포함합니다.", ""),
            ("창고로 쓰이는 공간은 활하중의 최소 20 %를 포함합니다.", "missing number: 25 %"),
            ("25 mm", "missing number"),
            ("25 %", "little in common"),
            ("", "missing number"),
        ];
        for (reply, expected) in cases {
            match (judge(reference, reply), expected) {
                (Ok(()), "") => {}
                (Err(reason), expected) if !expected.is_empty() => {
                    assert!(reason.to_string().starts_with(expected), "{reply}: {reason}");
                }
                (outcome, _) => panic!("{reply}: {outcome:?}"),
            }
        }
        let english = "The live load of an office is at least 2.5 kN/m2.";
        assert_eq!(judge(english, "For an office, the live load is at least 2.5 kN/m²."), Ok(()));
        assert!(judge(english, "I do not know.").is_err());
    }

    #[test]
    fn token_f1_counts_each_token_once() {
        assert_eq!(token_f1("a b c", "a b c"), 1.0);
        assert_eq!(token_f1("a b", "a a a a"), 2.0 / 6.0);
        assert_eq!(token_f1("활하중", "활하중은"), 2.0 * 2.0 / 5.0);
        assert_eq!(token_f1("", "x"), 0.0);
    }
}
