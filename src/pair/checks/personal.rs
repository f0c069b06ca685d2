//! What tells who a person is or how to reach them: Korean resident registration numbers, telephone
//! numbers of Korea, payment cards, mail addresses. Numbers and addresses of a desk ("대표전화", `info@`)
//! reach no person and are let pass.

use super::{Detail, Field, Finding, Kind, Severity};
use crate::pair::Example;
use crate::text::Span;

pub(super) fn findings(example: &Example) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, message) in example.messages.iter().enumerate() {
        let text: Vec<char> = message.content.chars().collect();
        // A question may say whose number the answer gives.
        let before = at.checked_sub(1).map_or("", |before| &*example.messages[before].content);
        let numbers = numbers(&text).into_iter().filter(|span| {
            let fixed = text[span.start..span.end].iter().collect::<String>();
            !is_fixed_line(&fixed) || !is_of_desk(before, &text[..span.start])
        });
        for span in numbers.chain(addresses(&text)) {
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
        let abroad = text[at] == '+';
        // "010-2345-6789 12월" goes on after the number.
        let whole = (1..=groups.len()).rev().find(|count| {
            let groups = &groups[..*count];
            let dashed = text[at..ends[count - 1]].iter().all(|c| *c != ' ');
            dashed && is_resident(groups) || is_telephone(groups, abroad) || is_card(groups)
        });
        if let Some(count) = whole {
            let end = ends[count - 1];
            found.push(Span { start: at, end });
            at = end;
        } else {
            at = ends.first().copied().unwrap_or(at + 1).max(at + 1);
        }
    }
    found
}

/// Groups of digits joined by one dash, point or space, at most five, and where each ends.
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
        // An area may stand in brackets: (02) 345-6789.
        at += usize::from(groups.len() == 1 && text.get(at) == Some(&')'));
        if text.get(at).is_some_and(|c| matches!(c, '-' | '.' | ' ' | '\u{2013}' | '\u{2011}')) {
            at += 1;
        } else if text.get(at - 1) != Some(&')') {
            break;
        }
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
    let parts: Vec<usize> = groups.iter().map(String::len).collect();
    if !matches!(*parts, [6, 7] | [13]) {
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
        || is_mobile(&groups.concat(), from_abroad) && groups.len() <= 2
}

/// Mobile numbers in one piece, as they are typed.
fn is_mobile(digits: &str, from_abroad: bool) -> bool {
    let rest = if from_abroad {
        digits.strip_prefix("82").unwrap_or(digits).trim_start_matches('0').strip_prefix('1')
    } else {
        digits.strip_prefix("01")
    };
    rest.is_some_and(|rest| match rest.chars().next() {
        Some('0') => rest.len() == 9,
        Some('1' | '6'..='9') => matches!(rest.len(), 8 | 9),
        _ => false,
    })
}

/// Numbers of payment cards: grouped as they are printed or in one piece, of a known issuer (ISO/IEC
/// 7812) and with a right check digit.
fn is_card(groups: &[String]) -> bool {
    let digits: Vec<u32> = groups.concat().chars().filter_map(|c| c.to_digit(10)).collect();
    let parts: Vec<usize> = groups.iter().map(String::len).collect();
    if !matches!(*parts, [4, 4, 4, 4] | [4, 6, 5] | [15 | 16]) {
        return false;
    }
    let first = |count: usize| digits[..count].iter().fold(0, |sum, digit| sum * 10 + digit);
    let issuer = match digits.len() {
        15 => matches!(first(2), 34 | 37),
        // Cards of Korea alone begin with 9; in one piece that would be any number.
        _ => {
            digits[0] == 4
                || matches!(first(2), 51..=55 | 62 | 65)
                || matches!(first(4), 2221..=2720 | 3528..=3589 | 6011)
                || digits[0] == 9 && parts.len() > 1
        }
    };
    // Luhn's formula: every second digit from the last but one is doubled.
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    issuer && sum.is_multiple_of(10)
}

/// Whether a telephone number is of a place, not a mobile one.
fn is_fixed_line(number: &str) -> bool {
    let number = number.trim_start_matches("+82").trim_start_matches(['-', ' ', '.', '0']);
    !number.starts_with('1')
        && (number.len() <= 12 && number.starts_with(['2', '3', '4', '5', '6', '7']))
}

/// Words of a number that anybody may call. An office of people at work is not among them.
const DESKS: [&str; 22] = [
    "대표전화",
    "대표번호",
    "대표 전화",
    "대표 번호",
    "고객센터",
    "고객 센터",
    "콜센터",
    "상담센터",
    "상담전화",
    "상담 전화",
    "안내전화",
    "민원실",
    "민원전화",
    "팩스",
    "help line",
    "helpline",
    "hotline",
    "switchboard",
    "customer service",
    "help desk",
    "fax",
    "main line",
];

/// Whether the words before a number, or the question that it answers, say that it is of a desk.
fn is_of_desk(question: &str, before: &[char]) -> bool {
    let near = before[before.len().saturating_sub(24)..].iter().collect::<String>().to_lowercase();
    let question = question.to_lowercase();
    DESKS.iter().any(|desk| near.contains(desk) || question.contains(desk))
}

/// Local parts of addresses that a role has, not a person (RFC 2142 and custom), and that of Git over SSH.
const ROLES: [&str; 22] = [
    "info",
    "support",
    "help",
    "helpdesk",
    "contact",
    "sales",
    "admin",
    "webmaster",
    "postmaster",
    "abuse",
    "noreply",
    "no-reply",
    "office",
    "service",
    "cs",
    "hr",
    "press",
    "privacy",
    "security",
    "hello",
    "feedback",
    "git",
];

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
        let role: String = text[start..at].iter().collect::<String>().to_lowercase();
        let person = !reserved && !ROLES.contains(&role.as_str());
        (start < at && !second.is_empty() && person).then_some(Span { start, end })
    })
    .collect()
}
