//! Ranges of characters.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Half-open range of characters (Unicode scalar values, not bytes) in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// First character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
}

impl Span {
    /// Number of characters covered.
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Tells whether nothing is covered.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The covered part of `text`; shorter, or empty, where `text` ends before the span does.
    pub fn of(self, text: &str) -> &str {
        &text[self.bytes(text)]
    }

    /// The covered part of `text` as bytes; shorter, or empty, where `text` ends before the span does.
    pub fn bytes(self, text: &str) -> Range<usize> {
        let byte = |characters: usize| {
            text.char_indices().nth(characters).map_or(text.len(), |(index, _)| index)
        };
        let start = byte(self.start);
        start..byte(self.end).max(start)
    }
}
