//! What a written number is for, from what stands around it.

use super::{Folded, Role, Unit, is_hangul};

/// Words before a number that make it a reference.
const REFERENCE_WORDS: [&str; 19] = [
    "section", "clause", "article", "chapter", "table", "figure", "fig", "equation", "eq", "annex",
    "appendix", "page", "part", "표", "식", "그림", "제", "부록", "별표",
];

/// Hangul behind a number that makes it one.
const REFERENCE_ENDINGS: [&str; 9] = ["조", "항", "호", "장", "절", "편", "쪽", "페이지", "목"];

/// Names of codes, whose numbers name a clause or an edition.
const CODES: [&str; 18] = [
    "kds", "kcs", "ks", "kbc", "aci", "asce", "astm", "aisc", "iso", "en", "ec", "ibc", "bs",
    "din", "jis", "rfc", "no", "ver",
];

/// What the number from `start` to `end` is for.
pub(super) fn role(
    text: &[Folded],
    start: usize,
    end: usize,
    unit: Option<&Unit>,
    name_end: Option<usize>,
) -> Role {
    let before = |back: usize| start.checked_sub(back).map(|at| text[at].0);
    let after = |ahead: usize| text.get(end + ahead).map(|(c, _)| *c);
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    // "D32", "m2"; "41 17 00"; "2024-01-15", "10:2024".
    let glued =
        before(1).is_some_and(|c| (c.is_alphabetic() && !is_hangul(c)) || c == '_' || c == '^');
    let goes_on = name_end.is_some_and(|name| {
        start - name <= 1 && matches!(text[name].0, ' ' | '-' | ':' | '/') && unit.is_none()
    });
    let joined = |c: Option<char>, next: Option<char>| {
        matches!(c, Some('-' | ':' | '/')) && is_digit(next) && unit.is_none()
    };
    let range = matches!(after(0), Some('-')) && name_end.is_none() && !is_long_name(text, end);
    if glued || goes_on || (joined(after(0), after(1)) && !range) {
        return Role::Name;
    }
    let word: String = {
        let mut at = start;
        while at > 0 && matches!(text[at - 1].0, ' ' | '.' | '(' | '[' | '-') && start - at < 2 {
            at -= 1;
        }
        let letters = text[..at].iter().rev().map(|(c, _)| *c);
        let letters = letters.take_while(|c| c.is_alphanumeric()).take(12).collect::<Vec<_>>();
        letters.into_iter().rev().flat_map(char::to_lowercase).collect()
    };
    if CODES.contains(&word.as_str()) {
        return Role::Name;
    }
    let hangul: String =
        (0..).map_while(after).skip_while(|c| *c == ' ').take_while(|c| is_hangul(*c)).collect();
    let article = REFERENCE_ENDINGS.iter().any(|mark| {
        hangul.strip_prefix(mark).is_some_and(|rest| {
            rest.is_empty()
                || rest.starts_with(['의', '에', '은', '는', '을', '와', '과', '제', '부'])
        })
    });
    let bracketed = matches!(before(1), Some('(' | '[')) && matches!(after(0), Some(')' | ']'));
    let line_start = text[..start]
        .iter()
        .rev()
        .map(|(c, _)| *c)
        .take_while(|c| *c != '\n')
        .all(char::is_whitespace);
    let item = line_start && matches!(after(0), Some('.' | ')')) && !is_digit(after(1));
    if REFERENCE_WORDS.contains(&word.as_str()) || article || bracketed || item {
        return Role::Mark;
    }
    Role::Amount
}

/// Tells whether digits and dashes go on for more than one more part: a date or number of a thing.
fn is_long_name(text: &[Folded], end: usize) -> bool {
    let rest = text[end..].iter().take_while(|(c, _)| c.is_ascii_digit() || *c == '-');
    rest.filter(|(c, _)| *c == '-').count() > 1
}
