//! What tells who a person is or how to reach them: Korean resident registration numbers, telephone
//! numbers of Korea, mail addresses.

use super::{Detail, Field, Finding, Kind, Severity};
use crate::pair::Example;
use crate::text::Span;

pub(super) fn findings(example: &Example) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, message) in example.messages.iter().enumerate() {
        let text: Vec<char> = message.content.chars().collect();
        for span in numbers(&text).into_iter().chain(addresses(&text)) {
            let what = text[span.start..span.end].iter().collect();
            let finding = Finding::new(Kind::PersonalData, Severity::Warning, Detail::Text(what));
            found.push(finding.at(Field::Message(at), Some(span)));
        }
    }
    found
}

/// Resident registration numbers and telephone numbers.
fn numbers(text: &[char]) -> Vec<Span> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let starts = text[at].is_ascii_digit() || text[at] == '+';
        let joined =
            at > 0 && (text[at - 1].is_ascii_alphanumeric() || matches!(text[at - 1], '-' | '.'));
        if !starts || joined {
            at += 1;
            continue;
        }
        let (groups, ends) = groups(text, at);
        let end = ends.last().copied().unwrap_or(at + 1);
        let dashed = text[at..end].iter().all(|c| *c != ' ');
        if dashed && groups.len() == 2 && is_resident(&groups)
            || is_telephone(&groups, text[at] == '+')
        {
            found.push(Span { start: at, end });
            at = end;
        } else {
            at = ends.first().copied().unwrap_or(at + 1).max(at + 1);
        }
    }
    found
}

/// Groups of digits joined by one dash, point or space, at most four, and where each ends.
fn groups(text: &[char], start: usize) -> (Vec<String>, Vec<usize>) {
    let mut at = start + usize::from(text[start] == '+');
    let (mut groups, mut ends) = (Vec::new(), Vec::new());
    while groups.len() < 5 {
        let digits: String = text[at..].iter().take_while(|c| c.is_ascii_digit()).collect();
        if digits.is_empty() {
            break;
        }
        at += digits.len();
        groups.push(digits);
        ends.push(at);
        if !text.get(at).is_some_and(|c| matches!(c, '-' | '.' | ' ')) {
            break;
        }
        at += 1;
    }
    if ends.last().and_then(|end| text.get(*end)).is_some_and(char::is_ascii_alphabetic) {
        groups.clear();
    }
    (groups, ends)
}

/// Date of birth, sex digit and check digit of a resident registration number. Numbers given out since
/// October 2020 have no check digit; those cannot be told from other numbers and are left alone.
fn is_resident(groups: &[String]) -> bool {
    let digits: Vec<u32> = groups.concat().chars().filter_map(|c| c.to_digit(10)).collect();
    if groups[0].len() != 6 || groups[1].len() != 7 {
        return false;
    }
    let pair = |at: usize| digits[at] * 10 + digits[at + 1];
    let born = (1..=12).contains(&pair(2)) && (1..=31).contains(&pair(4));
    let weights = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5];
    let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
    born && (1..=8).contains(&digits[6]) && (11 - sum % 11) % 10 == digits[12]
}

/// First parts of telephone numbers.
const AREAS: [&str; 25] = [
    "010", "011", "016", "017", "018", "019", "02", "031", "032", "033", "041", "042", "043",
    "044", "051", "052", "053", "054", "055", "061", "062", "063", "064", "070", "050",
];

/// Mobile and area numbers as they are written in Korea and from abroad.
fn is_telephone(groups: &[String], from_abroad: bool) -> bool {
    let mut groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let area = match (from_abroad, groups.first()) {
        (true, Some(&"82")) => {
            groups.remove(0);
            groups.first().map(|area| format!("0{}", area.trim_start_matches('0')))
        }
        (false, Some(area)) => Some((*area).to_owned()),
        _ => None,
    };
    let known = area.is_some_and(|area| AREAS.contains(&area.as_str()));
    known && groups.len() == 3 && (3..=4).contains(&groups[1].len()) && groups[2].len() == 4
}

/// Mail addresses but those reserved for examples (RFC 2606).
fn addresses(text: &[char]) -> Vec<Span> {
    let local = |c: &char| c.is_ascii_alphanumeric() || "._%+-".contains(*c);
    let host = |c: &char| c.is_ascii_alphanumeric() || ".-".contains(*c);
    let ats = text.iter().enumerate().filter(|(_, c)| **c == '@').map(|(at, _)| at);
    ats.filter_map(|at| {
        let start = at - text[..at].iter().rev().take_while(|c| local(c)).count();
        let mut end = at + 1 + text[at + 1..].iter().take_while(|c| host(c)).count();
        while end > at + 1 && matches!(text[end - 1], '.' | '-') {
            end -= 1;
        }
        let name: String = text[at + 1..end].iter().collect::<String>().to_lowercase();
        let labels: Vec<&str> = name.split('.').collect();
        let top = labels
            .last()
            .filter(|top| top.len() >= 2 && top.chars().all(|c| c.is_ascii_alphabetic()))?;
        let second = labels.get(labels.len().checked_sub(2)?)?;
        let reserved =
            matches!(*top, "example" | "test" | "invalid" | "localhost") || *second == "example";
        (start < at && !second.is_empty() && !reserved).then_some(Span { start, end })
    })
    .collect()
}
