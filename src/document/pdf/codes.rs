//! What the codes of a font say together, where a single one is damaged.
//!
//! Ghostscript's pdfwrite up to at least version 10.00 writes some entries of `ToUnicode` maps with the two
//! bytes of the character run into one: U+B2E4 (다) becomes U+00F6, since 0xB2 | 0xE4 = 0xF6; the next
//! character of such a range gets one more. In most fonts codes grow with the characters, so the codes
//! around a damaged one tell where its character lies, and the damaged value checks the answer.

use std::collections::BTreeMap;

/// Least number of known characters that show how a font is ordered.
const LEAST: usize = 8;
/// Share of neighbouring codes whose characters must grow with them.
const ORDERED: f64 = 0.95;
/// How far into a damaged range a character may be.
const RANGE: u32 = 3;

/// The characters of one font, by code.
#[derive(Debug, Default)]
pub(super) struct Codes {
    /// Characters beyond U+00FF, which cannot be damaged in this way.
    known: BTreeMap<u32, u32>,
    /// How often ASCII characters lie at this distance below their code.
    ascii: BTreeMap<u32, u32>,
    damaged: bool,
}

/// What becomes of a doubtful character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stands.
    Stands,
    /// It was this one.
    Was(char),
    /// It is damaged, and what it was cannot be told.
    Lost,
}

/// Tells whether a code's character may be damaged.
pub(super) fn is_doubtful(code: u32, character: char) -> bool {
    code > 0xFF && ('!'..='\u{FF}').contains(&character)
}

impl Codes {
    /// Takes note of a character.
    pub(super) fn note(&mut self, code: u32, character: char) {
        if character > '\u{FF}' {
            self.known.insert(code, u32::from(character));
        } else if character.is_ascii_graphic() && code <= 0xFF {
            *self.ascii.entry(u32::from(character).wrapping_sub(code)).or_default() += 1;
        }
    }

    /// What became of a doubtful character, judged by all those noted.
    pub(super) fn judge(&mut self, code: u32, character: char) -> Verdict {
        if !self.is_ordered() {
            return Verdict::Stands;
        }
        let before = self.known.range(..code).next_back();
        let after = self.known.range(code..).next();
        let found = match (before, after) {
            (Some((c0, u0)), Some((c1, u1))) if u1.wrapping_sub(*u0) == c1 - c0 => {
                // Every character between the two has its code.
                let wanted = u0 + (code - c0);
                damaged_by(wanted, character).then_some(wanted)
            }
            (Some((_, u0)), Some((_, u1))) => only(u0 + 1..*u1, character),
            (None, Some((c1, u1))) => {
                u1.checked_sub(c1 - code).filter(|wanted| damaged_by(*wanted, character))
            }
            (Some((c0, u0)), None) => {
                Some(u0 + (code - c0)).filter(|wanted| damaged_by(*wanted, character))
            }
            (None, None) => None,
        };
        if let Some(found) = found.and_then(char::from_u32) {
            self.damaged = true;
            return Verdict::Was(found);
        }
        let among = matches!((before, after), (Some((c0, u0)), Some((c1, u1)))
            if c1 - c0 <= 64 && is_hangul(*u0) && is_hangul(*u1));
        let usual = self.ascii.iter().max_by_key(|(_, count)| **count);
        let elsewhere = character.is_ascii()
            && usual
                .is_some_and(|(distance, _)| u32::from(character).wrapping_sub(code) != *distance);
        if self.damaged && (among || elsewhere) { Verdict::Lost } else { Verdict::Stands }
    }

    fn is_ordered(&self) -> bool {
        let characters: Vec<u32> = self.known.values().copied().collect();
        let growing = characters.windows(2).filter(|pair| matches!(pair, [a, b] if a < b)).count();
        characters.len() >= LEAST && growing as f64 >= ORDERED * (characters.len() - 1) as f64
    }
}

/// Tells whether a character may have been damaged into the other.
fn damaged_by(wanted: u32, damaged: char) -> bool {
    wanted > 0xFF
        && (0..=RANGE).any(|place| {
            let first = wanted.wrapping_sub(place);
            first <= 0xFFFF && ((first >> 8) | (first & 0xFF)) + place == u32::from(damaged)
        })
}

/// The only character of a range that can have been damaged so, if there is just one.
fn only(range: std::ops::Range<u32>, damaged: char) -> Option<u32> {
    if range.end.saturating_sub(range.start) > 256 {
        return None;
    }
    let mut found = range.filter(|wanted| damaged_by(*wanted, damaged));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn is_hangul(character: u32) -> bool {
    (0xAC00..=0xD7A3).contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A font whose codes follow the characters, as far as a page uses them.
    fn linear() -> Codes {
        let mut codes = Codes::default();
        for character in "간강개건것게경계고공과관광구귀기나내넘는능단답".chars()
        {
            codes.note(u32::from(character) - 0xAC00 + 0x16AB, character);
        }
        for character in "beam25".chars() {
            codes.note(u32::from(character) - 0x1D, character);
        }
        codes
    }

    #[test]
    fn damaged_syllables_are_read_by_their_neighbours() {
        let mut codes = linear();
        // 각 is the second of a range that begins with 가.
        assert_eq!(codes.judge(0x16AC, '\u{AD}'), Verdict::Was('각'));
        let code = u32::from('다') - 0xAC00 + 0x16AB;
        assert_eq!(codes.judge(code, '\u{F6}'), Verdict::Was('다'));
        // A quotation mark whose place says nothing: known to be damaged, not what it was.
        assert_eq!(codes.judge(0x11B, '8'), Verdict::Lost);
    }

    #[test]
    fn what_does_not_fit_stands() {
        // Without any proof of damage an odd code is just an odd code.
        assert_eq!(linear().judge(0x11B, '8'), Verdict::Stands);
        assert_eq!(linear().judge(0x2000, 'é'), Verdict::Stands);
        // Codes in the order of use say nothing.
        let mut codes = Codes::default();
        for (code, character) in (0x100..).zip("하중은다음과같이나누어계산하여야한다".chars())
        {
            codes.note(code, character);
        }
        assert_eq!(codes.judge(0x104, '\u{F6}'), Verdict::Stands);
    }
}
