//! Exact duplicates: the same question with the same answer, after NFC and whitespace folding.

use std::collections::HashMap;
use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization as _;

use super::{Example, Role};

/// A row that says what an earlier one already says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// Line of the row in the file, from 1.
    pub line: usize,
    /// What it repeats.
    pub of: Original,
}

/// The row that a duplicate repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// An example of the store, by key.
    Stored(i64),
    /// An earlier line of the same file, from 1.
    Line(usize),
}

/// Parts `rows` (line and example) into those that are new and those that repeat a stored example
/// or an earlier line.
pub fn part<'a>(
    stored: impl IntoIterator<Item = (i64, &'a Example)>,
    rows: Vec<(usize, Example)>,
) -> (Vec<(usize, Example)>, Vec<Duplicate>) {
    let mut seen: HashMap<String, Original> = HashMap::new();
    for (id, example) in stored {
        seen.entry(key(example)).or_insert(Original::Stored(id));
    }
    let (mut fresh, mut duplicates) = (Vec::new(), Vec::new());
    for (line, example) in rows {
        let key = key(&example);
        if let Some(&of) = seen.get(&key) {
            duplicates.push(Duplicate { line, of });
        } else {
            seen.insert(key, Original::Line(line));
            fresh.push((line, example));
        }
    }
    (fresh, duplicates)
}

/// What two duplicates have in common: all turns but the system's, calls, and the names of the
/// tools offered (a row that offers other tools asks for another decision).
pub fn key(example: &Example) -> String {
    let mut key = String::new();
    for message in example.messages.iter().filter(|message| message.role != Role::System) {
        let _ = write!(key, "{}\u{1}{}\u{1}", message.role.as_str(), folded(&message.content));
        for call in &message.tool_calls {
            let mut arguments: Vec<_> = call.function.arguments.iter().collect();
            arguments.sort_by_key(|(name, _)| *name);
            let _ = write!(key, "{}{arguments:?}\u{1}", call.function.name);
        }
    }
    let mut tools: Vec<&str> = example.tools.iter().map(|tool| &*tool.function.name).collect();
    tools.sort_unstable();
    key.push_str(&tools.join("\u{1}"));
    key
}

/// NFC with every run of whitespace folded to one space and none at the ends.
pub fn folded(text: &str) -> String {
    let composed: String = text.nfc().collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::Message;

    fn pair(question: &str, answer: &str) -> Example {
        Example {
            messages: vec![
                Message::text(Role::User, question),
                Message::text(Role::Assistant, answer),
            ],
            ..Example::default()
        }
    }

    #[test]
    fn same_text_in_other_spacing_or_form_is_one() {
        let decomposed: String = "최소 피복 두께는?".nfd().collect();
        let same = [
            pair("최소 피복 두께는?", "40 mm"),
            pair(" 최소  피복\n두께는? ", "40\u{a0}mm"),
            pair(&decomposed, "40 mm"),
        ];
        assert!(same.iter().all(|example| key(example) == key(&same[0])));
        let mut system = same[0].clone();
        system.messages.insert(0, Message::text(Role::System, "짧게 답하라."));
        assert_eq!(key(&system), key(&same[0]));
        for other in [pair("최소 피복 두께는?", "50 mm"), pair("최대 피복 두께는?", "40 mm")]
        {
            assert_ne!(key(&other), key(&same[0]));
        }
    }

    #[test]
    fn repeats_of_the_store_and_of_the_file_are_told_apart() {
        let stored = pair("a", "b");
        let rows = vec![
            (1, pair("a", "b ")),
            (2, pair("c", "d")),
            (4, pair("c", " d")),
            (5, pair("c", "e")),
        ];
        let (fresh, duplicates) = part([(9, &stored)], rows);
        assert_eq!(fresh.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 5]);
        assert_eq!(
            duplicates,
            [
                Duplicate { line: 1, of: Original::Stored(9) },
                Duplicate { line: 4, of: Original::Line(2) },
            ]
        );
    }
}
