//! One glyph on a page and what its codes mean.

use compact_str::CompactString;

/// A glyph in its line's frame: `x` runs along the line and `y` across it, downwards.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Glyph {
    /// Characters it stands for; several for a ligature, U+FFFD where unknown.
    pub text: CompactString,
    /// Where its advance begins, in points.
    pub x: f64,
    /// Baseline, in points.
    pub y: f64,
    /// Font size, in points.
    pub size: f64,
    /// Advance along the line, in points.
    pub advance: f64,
    /// Direction of the line on the page, in degrees clockwise from left-to-right.
    pub angle: i16,
    /// Drawn invisibly, as the text layer of a scan is.
    pub invisible: bool,
    /// How the text was got.
    pub origin: Origin,
}

/// How a glyph's text was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file says so.
    Mapped,
    /// The file does not say; the character code happens to be printable ASCII.
    Guessed,
    /// Unknown.
    Unmapped,
}

/// Text for a glyph that stands for nothing known.
pub(super) const UNKNOWN: &str = "\u{FFFD}";

/// What a glyph's Unicode value means in running text: ligatures unfolded, exotic spaces as spaces,
/// invisible characters dropped. `None` where nothing usable is left.
pub(super) fn clean(raw: impl Iterator<Item = char>) -> Option<CompactString> {
    let mut text = CompactString::default();
    let mut meant_nothing = false;
    for character in raw {
        match character {
            '\u{FB00}' => text.push_str("ff"),
            '\u{FB01}' => text.push_str("fi"),
            '\u{FB02}' => text.push_str("fl"),
            '\u{FB03}' => text.push_str("ffi"),
            '\u{FB04}' => text.push_str("ffl"),
            '\u{FB05}' | '\u{FB06}' => text.push_str("st"),
            // Symbol fonts put their bullets in the private area.
            '\u{F0B7}' | '\u{F06C}' | '\u{F09F}' => text.push('•'),
            '\u{F0A7}' | '\u{F06E}' => text.push('▪'),
            '\t' | '\n' | '\r' | '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{3000}' => {
                text.push(' ');
            }
            // A soft hyphen is only drawn where a word is broken at the end of a line.
            '\u{AD}' => text.push('\u{2010}'),
            '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' => meant_nothing = true,
            '\u{FFFD}' | '\u{E000}'..='\u{F8FF}' | '\u{F0000}'.. => return None,
            _ if character.is_control() => return None,
            _ => text.push(character),
        }
    }
    (!text.is_empty() || meant_nothing).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ligatures_spaces_and_private_characters() {
        for (raw, wanted) in [
            ("ﬁ", Some("fi")),
            ("한", Some("한")),
            ("\u{A0}", Some(" ")),
            ("\u{200B}", Some("")),
            ("\u{F0B7}", Some("•")),
            ("\u{E123}", None),
            ("\u{0}", None),
            ("", None),
        ] {
            assert_eq!(clean(raw.chars()).as_deref(), wanted, "{raw:?}");
        }
    }
}
