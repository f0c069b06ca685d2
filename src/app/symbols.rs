//! The marks on the screens, in Unicode and in ASCII.
//!
//! Some terminals draw ambiguous characters two cells wide; the ASCII set is for them.

use serde::{Deserialize, Serialize};

use crate::pair::ReviewState;

/// Which marks are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SymbolSet {
    /// Box drawing, ticks and triangles.
    #[default]
    Unicode,
    /// Plain ASCII.
    Ascii,
}

impl SymbolSet {
    /// The marks of this set.
    pub fn symbols(self) -> &'static Symbols {
        match self {
            Self::Unicode => &UNICODE,
            Self::Ascii => &ASCII,
        }
    }

    /// The other set.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Unicode => Self::Ascii,
            Self::Ascii => Self::Unicode,
        }
    }
}

/// One mark each; all are one cell wide unless said otherwise.
#[derive(Debug)]
pub struct Symbols {
    /// Marked, to act on several at once.
    pub marked: &'static str,
    /// Right, done, accepted.
    pub yes: &'static str,
    /// Wrong, refused.
    pub no: &'static str,
    /// Waits for a person.
    pub open: &'static str,
    /// Needs attention.
    pub warn: &'static str,
    /// Better than base.
    pub better: &'static str,
    /// Worse than base.
    pub worse: &'static str,
    /// No difference told.
    pub same: &'static str,
    /// Between the stages of the path.
    pub arrow: &'static str,
    /// Before what is selected or focused.
    pub bar: &'static str,
    /// Cut text.
    pub ellipsis: &'static str,
    /// Between small facts.
    pub dot: &'static str,
    /// Horizontal rule.
    pub rule: &'static str,
    /// Vertical rule.
    pub column: &'static str,
    /// Filled part of a bar.
    pub full: &'static str,
    /// Empty part of a bar.
    pub empty: &'static str,
    /// Running.
    pub running: &'static str,
    /// Base on a scale.
    pub base: &'static str,
    /// Tuned on a scale.
    pub tuned: &'static str,
    /// Scroll position.
    pub thumb: &'static str,
    /// Line end in a shortened text.
    pub newline: &'static str,
    /// Heights of small columns, lowest first.
    pub heights: &'static [&'static str],
    /// Corners of a frame: top left, top right, bottom left, bottom right.
    pub corners: [&'static str; 4],
}

impl Symbols {
    /// The mark of a review state.
    pub fn state(&self, state: ReviewState) -> &'static str {
        match state {
            ReviewState::Draft => self.open,
            ReviewState::Accepted => self.yes,
            ReviewState::Rejected => self.no,
        }
    }
}

const UNICODE: Symbols = Symbols {
    marked: "•",
    yes: "✓",
    no: "✗",
    open: "?",
    warn: "!",
    better: "▲",
    worse: "▼",
    same: "=",
    arrow: "▸",
    bar: "▌",
    ellipsis: "…",
    dot: "·",
    rule: "─",
    column: "│",
    full: "█",
    empty: "·",
    running: "▶",
    base: "○",
    tuned: "●",
    thumb: "┃",
    newline: "↵",
    heights: &["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    corners: ["╭", "╮", "╰", "╯"],
};

const ASCII: Symbols = Symbols {
    marked: "*",
    yes: "+",
    no: "x",
    open: "?",
    warn: "!",
    better: "^",
    worse: "v",
    same: "=",
    arrow: ">",
    bar: ">",
    ellipsis: "~",
    dot: "-",
    rule: "-",
    column: "|",
    full: "#",
    empty: ".",
    running: ">",
    base: "o",
    tuned: "*",
    thumb: "#",
    newline: " ",
    heights: &["_", ".", ":", "-", "=", "+", "*", "#"],
    corners: ["+", "+", "+", "+"],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::width;

    #[test]
    fn every_mark_is_one_cell_and_the_ascii_set_is_ascii() {
        for set in [SymbolSet::Unicode, SymbolSet::Ascii] {
            let symbols = set.symbols();
            let marks = [
                symbols.yes,
                symbols.no,
                symbols.open,
                symbols.warn,
                symbols.better,
                symbols.worse,
                symbols.same,
                symbols.arrow,
                symbols.bar,
                symbols.ellipsis,
                symbols.dot,
                symbols.rule,
                symbols.column,
                symbols.full,
                symbols.empty,
                symbols.running,
                symbols.base,
                symbols.tuned,
                symbols.thumb,
                symbols.newline,
            ];
            for mark in marks.iter().chain(symbols.heights).chain(&symbols.corners) {
                assert_eq!(width(mark), 1, "{mark}");
                assert!(set == SymbolSet::Unicode || mark.is_ascii(), "{mark}");
            }
        }
    }
}
