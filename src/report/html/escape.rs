//! Text from outside made harmless, and hashes for the content security policy.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Text as it may stand between tags and in quoted attributes. Control characters, which HTML does
/// not know, are shown as a mark.
pub(in crate::report) fn escape(text: &str) -> String {
    escaped(text, true)
}

/// Text as it may stand between tags only: shorter than [`escape`], for where there is much of it.
pub(super) fn escape_between_tags(text: &str) -> String {
    escaped(text, false)
}

fn escaped(text: &str, quotes: bool) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if quotes => out.push_str("&quot;"),
            '\'' if quotes => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            '\r' => {}
            _ if character.is_control() => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

/// Signed figures with a minus sign as wide as the plus.
pub(super) fn signed(text: &str) -> String {
    escape(text).replace('-', "\u{2212}")
}

/// A string of a style sheet.
pub(super) fn css_string(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\' | '<' | '\n') {
            let _ = write!(out, "\\{:x} ", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out.push('"');
    out
}

/// The source expression that permits exactly this text: `sha256-` and the hash in base64.
pub(super) fn hash_source(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::from("sha256-");
    for chunk in Sha256::digest(text.as_bytes()).chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = bits >> (18 - 6 * place) & 63;
            let filled = place <= chunk.len();
            let digit = DIGITS.get(digit as usize).filter(|_| filled);
            out.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_ends_a_tag_or_an_attribute() {
        assert_eq!(
            escape("<b a=\"1\" c='2'>&\0\u{1b}[0m\r\n"),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;\u{fffd}\u{fffd}[0m\n"
        );
        assert_eq!(escape_between_tags("<a b=\"c\">&quot;'"), "&lt;a b=\"c\"&gt;&amp;quot;'");
        assert_eq!(signed("-1.5"), "\u{2212}1.5");
        assert_eq!(css_string("a\"</style>"), "\"a\\22 \\3c /style>\"");
    }

    #[test]
    fn hashes_are_those_a_browser_computes() {
        // printf '' | openssl dgst -sha256 -binary | base64
        assert_eq!(hash_source(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(hash_source("abc"), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }
}
