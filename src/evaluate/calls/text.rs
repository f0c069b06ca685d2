//! How texts are compared.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use super::Rules;

/// Whether BFCL drops a character before it compares.
fn is_dropped(character: char) -> bool {
    matches!(character, ' ' | ',' | '.' | '/' | '-' | '_' | '*' | '^')
}

/// BFCL's string rule: space and `, . / - _ * ^` are dropped, case is ignored, `'` equals `"`. By
/// the rules of this program NFC comes first. Other white space, full-width forms and other marks
/// count.
pub fn standardized(text: &str, rules: Rules) -> String {
    let text = composed(text, rules);
    let kept: String = text.chars().filter(|character| !is_dropped(*character)).collect();
    // Lower case of the whole, since the last sigma of a Greek word has a form of its own.
    kept.to_lowercase().replace('\'', "\"")
}

/// Whether two texts are the same by BFCL's string rule.
pub(super) fn alike(a: &str, b: &str, rules: Rules) -> bool {
    if a == b {
        return true;
    }
    if a.is_ascii() && b.is_ascii() {
        let plain = |text: &'_ str| {
            let bytes = text.as_bytes().to_vec();
            bytes
                .into_iter()
                .filter(|byte| !is_dropped(char::from(*byte)))
                .map(|byte| if byte == b'\'' { b'"' } else { byte.to_ascii_lowercase() })
        };
        return plain(a).eq(plain(b));
    }
    standardized(a, rules) == standardized(b, rules)
}

/// Whether two texts are the same to the letter.
pub(super) fn same(a: &str, b: &str, rules: Rules) -> bool {
    a == b || rules == Rules::Hone && composed(a, rules) == composed(b, rules)
}

fn composed(text: &str, rules: Rules) -> Cow<'_, str> {
    if rules == Rules::Bfcl || text.is_ascii() || is_nfc(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}
