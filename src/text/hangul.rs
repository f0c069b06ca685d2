//! Hangul: what keys a syllable was typed with, and search by initial consonants.
//!
//! With a Korean input method on, a terminal sends `ㅂ` or `하` where the user pressed `q` or `g`,
//! `k`. The two-set (dubeolsik) layout is undone here so that shortcuts work in both modes.

const SYLLABLE_FIRST: u32 = 0xac00;
const SYLLABLE_LAST: u32 = 0xd7a3;
const FINALS: u32 = 28;
const MEDIALS: u32 = 21;

/// Initial consonants in syllable order (Unicode 3.12, Hangul syllable composition).
const INITIAL: [char; 19] = [
    'ㄱ', 'ㄲ', 'ㄴ', 'ㄷ', 'ㄸ', 'ㄹ', 'ㅁ', 'ㅂ', 'ㅃ', 'ㅅ', 'ㅆ', 'ㅇ', 'ㅈ', 'ㅉ', 'ㅊ', 'ㅋ',
    'ㅌ', 'ㅍ', 'ㅎ',
];
const MEDIAL_KEYS: [&str; 21] = [
    "k", "o", "i", "O", "j", "p", "u", "P", "h", "hk", "ho", "hl", "y", "n", "nj", "np", "nl", "b",
    "m", "ml", "l",
];
const FINAL_KEYS: [&str; 28] = [
    "", "r", "R", "rt", "s", "sw", "sg", "e", "f", "fr", "fa", "fq", "ft", "fx", "fv", "fg", "a",
    "q", "qt", "t", "T", "d", "w", "c", "z", "x", "v", "g",
];
/// Keys of the compatibility jamo U+3131 (ㄱ) to U+3163 (ㅣ).
const JAMO_KEYS: [&str; 51] = [
    "r", "R", "rt", "s", "sw", "sg", "e", "E", "f", "fr", "fa", "fq", "ft", "fx", "fv", "fg", "a",
    "q", "Q", "qt", "t", "T", "d", "w", "W", "c", "z", "x", "v", "g", "k", "o", "i", "O", "j", "p",
    "u", "P", "h", "hk", "ho", "hl", "y", "n", "nj", "np", "nl", "b", "m", "ml", "l",
];

/// Returns the QWERTY keys that type `character` in the two-set layout: `ㅓ` gives `j`, `하` gives
/// `gk`. None for anything that is not Hangul.
pub fn keys(character: char) -> Option<String> {
    let code = u32::from(character);
    if let Some(jamo) = code.checked_sub(0x3131)
        && let Some(keys) = JAMO_KEYS.get(jamo as usize)
    {
        return Some((*keys).to_owned());
    }
    let (initial, medial, last) = parts(character)?;
    let initial = jamo_keys(INITIAL[initial]);
    Some(format!("{initial}{}{}", MEDIAL_KEYS[medial], FINAL_KEYS[last]))
}

/// Returns the initial consonant of a syllable, or a consonant itself.
pub fn initial(character: char) -> Option<char> {
    match parts(character) {
        Some((initial, _, _)) => Some(INITIAL[initial]),
        None => INITIAL.contains(&character).then_some(character),
    }
}

/// The first and last syllable that begin with a consonant standing alone (`ㄴ`: `나` to `닣`).
pub fn syllables_of(consonant: char) -> Option<(char, char)> {
    let initial = INITIAL.iter().position(|&known| known == consonant)? as u32;
    let first = SYLLABLE_FIRST + initial * MEDIALS * FINALS;
    Some((char::from_u32(first)?, char::from_u32(first + MEDIALS * FINALS - 1)?))
}

/// Tells whether `needle` occurs in `text`, ignoring case. A consonant of `needle` standing alone
/// (`ㄴㅈ`) matches any syllable that begins with it (`내진`). An empty needle matches.
pub fn contains(text: &str, needle: &str) -> bool {
    find(text, needle).is_some()
}

/// Byte position where `needle` first occurs in `text` by the rule of [`contains`].
pub fn find(text: &str, needle: &str) -> Option<usize> {
    let needle: Vec<char> = needle.chars().flat_map(char::to_lowercase).collect();
    if needle.is_empty() {
        return Some(0);
    }
    let matches_at = |start: usize| {
        let mut rest = text[start..].chars().flat_map(char::to_lowercase);
        needle.iter().all(|&wanted| rest.next().is_some_and(|given| matches(given, wanted)))
    };
    text.char_indices().map(|(index, _)| index).find(|&index| matches_at(index))
}

fn matches(given: char, wanted: char) -> bool {
    given == wanted || (INITIAL.contains(&wanted) && initial(given) == Some(wanted))
}

fn jamo_keys(jamo: char) -> &'static str {
    let index = u32::from(jamo).wrapping_sub(0x3131) as usize;
    JAMO_KEYS.get(index).copied().unwrap_or_default()
}

/// Indices of initial, medial and final of a precomposed syllable.
fn parts(character: char) -> Option<(usize, usize, usize)> {
    let code = u32::from(character);
    if !(SYLLABLE_FIRST..=SYLLABLE_LAST).contains(&code) {
        return None;
    }
    let index = code - SYLLABLE_FIRST;
    let initial = index / (MEDIALS * FINALS);
    let medial = index / FINALS % MEDIALS;
    Some((initial as usize, medial as usize, (index % FINALS) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jamo_and_syllables_give_the_keys_they_were_typed_with() {
        for (character, expected) in [
            ('ㅓ', Some("j")),
            ('ㅏ', Some("k")),
            ('ㅂ', Some("q")),
            ('ㅊ', Some("c")),
            ('ㅁ', Some("a")),
            ('ㄱ', Some("r")),
            ('ㅣ', Some("l")),
            ('ㅃ', Some("Q")),
            ('하', Some("gk")),
            ('ㅘ', Some("hk")),
            ('꽉', Some("Rhkr")),
            ('닭', Some("ekfr")),
            ('힣', Some("glg")),
            ('가', Some("rk")),
            ('a', None),
            ('。', None),
            ('漢', None),
        ] {
            assert_eq!(keys(character).as_deref(), expected, "{character}");
        }
    }

    #[test]
    fn every_letter_key_of_the_layout_is_reached() {
        let typed: String = ('ㄱ'..='ㅣ').filter_map(keys).collect();
        for letter in 'a'..='z' {
            assert!(typed.contains(letter), "{letter}");
        }
    }

    #[test]
    fn consonants_name_their_syllables() {
        assert_eq!(syllables_of('ㄴ'), Some(('나', '닣')));
        assert_eq!(syllables_of('ㅎ'), Some(('하', '힣')));
        assert_eq!((syllables_of('ㅏ'), syllables_of('나')), (None, None));
    }

    #[test]
    fn searches_by_initial_consonants() {
        for (text, needle, found) in [
            ("내진설계 기준", "ㄴㅈ", Some(0)),
            ("건물의 내진설계", "ㄴㅈㅅㄱ", Some("건물의 ".len())),
            ("건물의 내진설계", "내ㅈ", Some("건물의 ".len())),
            ("건물의 내진설계", "ㅎ", None),
            ("Seismic LOAD", "load", Some(8)),
            ("적설하중", "", Some(0)),
            ("적설하중", "하중", Some(6)),
            ("ㄴㅈ", "내", None),
        ] {
            assert_eq!(find(text, needle), found, "{needle} in {text}");
            assert_eq!(contains(text, needle), found.is_some());
        }
    }
}
