//! Text that is searched for: words, initial consonants, or a regular expression.

use std::fmt::Write as _;

use regex::Regex;

use crate::text::hangul;

/// Size that a compiled expression may have, in bytes; what a user types must not exhaust memory.
const COMPILED_MAX: usize = 1 << 20;

/// Text that is searched for. Case does not matter; a consonant standing alone (`ㄴㅈ`) stands for
/// any syllable that begins with it (`내진`).
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
    /// Whether a match never spans rows that lie one after another.
    one_line: bool,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, self.one_line) == (&other.source, other.one_line)
    }
}

impl Pattern {
    /// A word or phrase. None when there is nothing to search for.
    pub fn words(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let mut source = String::new();
        for letter in text.chars() {
            match hangul::syllables_of(letter) {
                // Writing to a string cannot fail.
                Some((first, last)) => {
                    let _ = write!(source, "[{letter}{first}-{last}]");
                }
                None => source.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
            }
        }
        Self::compile(source, true).ok()
    }

    /// A regular expression.
    ///
    /// # Errors
    /// What is wrong with it, on one line.
    pub fn expression(text: &str) -> Result<Self, String> {
        Self::compile(text.to_owned(), false)
    }

    fn compile(source: String, one_line: bool) -> Result<Self, String> {
        let regex = regex::RegexBuilder::new(&source)
            .case_insensitive(true)
            .size_limit(COMPILED_MAX)
            .build()
            .map_err(|error| {
                let text = error.to_string();
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            })?;
        Ok(Self { source, regex, one_line })
    }

    /// Tells whether it occurs in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Byte ranges of `text` where it occurs.
    pub fn ranges(&self, text: &str) -> Vec<std::ops::Range<usize>> {
        self.regex.find_iter(text).map(|found| found.range()).collect()
    }

    /// Where it first occurs in `text` at or after a byte, if it can be searched for across rows.
    pub(super) fn next(&self, text: &str, from: usize) -> Option<usize> {
        self.regex.find_at(text, from).map(|found| found.start())
    }

    /// Whether [`Self::next`] may run over many rows at once.
    pub(super) fn spans_rows(&self) -> bool {
        self.one_line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_initial_consonants_are_found_as_by_hangul() {
        for (text, needle) in [
            ("내진설계 기준", "ㄴㅈ"),
            ("건물의 내진설계", "내ㅈ"),
            ("건물의 내진설계", "ㅎ"),
            ("Seismic LOAD (kN/m²)", "load (k"),
            ("적설하중 .* 20 %", ".* 20"),
            ("적설하중", ".중"),
            ("ㄴㅈ", "내"),
            ("ㄴㅈ", "ㄴ"),
            ("꽉 찬", "ㄲ"),
        ] {
            let pattern = Pattern::words(needle).unwrap();
            assert_eq!(pattern.is_in(text), hangul::contains(text, needle), "{needle} in {text}");
        }
        assert!(Pattern::words("").is_none());
    }

    #[test]
    fn expressions_work_and_bad_ones_say_why() {
        let pattern = Pattern::expression(r"\d+ ?kN/m²").unwrap();
        assert_eq!(pattern.ranges("0.5 kN/m²와 25kN/m²"), [2..10, 14..22]);
        let error = Pattern::expression("(하중").unwrap_err();
        assert!(error.contains("unclosed group"), "{error}");
        assert!(Pattern::expression(r"(\w{500}){500}").is_err());
    }
}
