//! Exact duplicates: the same question with the same answer, after NFC and whitespace folding.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

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

/// A hash of [`key`], half of its SHA-256: what stands for an example where all of them cannot be held
/// in memory. Two different keys with the same hash are not to be expected among 2^64 of them.
pub type Fingerprint = u128;

/// The fingerprint of an example.
pub fn fingerprint(example: &Example) -> Fingerprint {
    let digest = Sha256::digest(key(example).as_bytes());
    digest.iter().take(16).fold(0, |hash, byte| hash << 8 | Fingerprint::from(*byte))
}

/// The examples met so far, by fingerprint.
#[derive(Debug, Default)]
pub struct Seen(HashMap<Fingerprint, Original>);

impl Seen {
    /// Notes a stored example.
    pub fn stored(&mut self, id: i64, fingerprint: Fingerprint) {
        self.0.entry(fingerprint).or_insert(Original::Stored(id));
    }

    /// What the row at `line` repeats; none, and it is noted, when it is the first of its kind.
    pub fn first(&mut self, fingerprint: Fingerprint, line: usize) -> Option<Original> {
        match self.0.entry(fingerprint) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(place) => {
                place.insert(Original::Line(line));
                None
            }
        }
    }
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
    let fold = |text: &str| {
        let mut folded = String::with_capacity(text.len());
        for word in text.split_whitespace() {
            if !folded.is_empty() {
                folded.push(' ');
            }
            folded.push_str(word);
        }
        folded
    };
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => fold(text),
        _ => fold(&text.nfc().collect::<String>()),
    }
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
        let mut seen = Seen::default();
        seen.stored(9, fingerprint(&pair("a", "b")));
        seen.stored(10, fingerprint(&pair("a", " b")));
        let rows = [("a", "b "), ("c", "d"), ("c", " d"), ("c", "e")];
        let found: Vec<_> = (1..)
            .zip(rows)
            .map(|(line, (question, answer))| {
                seen.first(fingerprint(&pair(question, answer)), line)
            })
            .collect();
        let (stored, line) = (Original::Stored(9), Original::Line(2));
        assert_eq!(found, [Some(stored), None, Some(line), None]);
    }
}
