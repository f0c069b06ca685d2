//! Canonical composition at every entrance.
//!
//! PDF text and macOS file names can be decomposed (ㅎ + ㅏ as two characters), which breaks search
//! and makes Backspace remove one jamo.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// Returns `text` in Unicode normalization form C; copies only when something changes.
pub fn nfc(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composes_decomposed_hangul_and_leaves_composed_text_alone() {
        for (given, expected) in [
            ("\u{1112}\u{1161}\u{11ab}글", "한글"),
            ("e\u{301}", "é"),
            ("내진설계 25 %", "내진설계 25 %"),
            ("", ""),
        ] {
            assert_eq!(nfc(given), expected);
        }
        assert!(matches!(nfc("내진설계"), Cow::Borrowed(_)));
    }
}
