//! Plain text files.

use std::borrow::Cow;

use encoding_rs::{EUC_KR, Encoding, UTF_16BE, UTF_16LE};
use unicode_normalization::UnicodeNormalization;

use super::format::parts;
use super::passage::{Page, PageFlag};

/// Share of the characters outside ASCII that must be Hangul for bytes to pass as Korean text.
const HANGUL: f64 = 0.6;

/// A file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoded {
    pub text: String,
    /// The encoding is a guess: the file does not say, and it is not UTF-8.
    pub guessed: bool,
}

/// Decodes UTF-8 (with or without byte order mark), UTF-16 with a byte order mark, or CP949 (which holds
/// EUC-KR), if what comes out is Korean text. `None` if the bytes are none of these.
pub(super) fn decode(bytes: &[u8]) -> Option<Decoded> {
    decode_as(bytes, None)
}

/// The same for a file that declares an encoding, which counts where there is no byte order mark and the
/// text is not in fact UTF-8.
pub(super) fn decode_as(bytes: &[u8], declared: Option<&'static Encoding>) -> Option<Decoded> {
    let marked = Encoding::for_bom(bytes);
    let strict = |encoding: &'static Encoding, bytes| {
        encoding.decode_without_bom_handling_and_without_replacement(bytes).map(Cow::into_owned)
    };
    let (text, guessed) = if let Some((encoding, mark)) = marked {
        let mut rest = bytes.get(mark..).unwrap_or_default();
        if encoding == UTF_16LE || encoding == UTF_16BE {
            // A file cut off inside a character.
            rest = rest.get(..rest.len() & !1).unwrap_or_default();
        }
        (strict(encoding, rest)?, false)
    } else if let Ok(text) = str::from_utf8(bytes) {
        (text.to_owned(), false)
    } else if let Some(encoding) = declared {
        // Browsers show what they can of a page, and so do we.
        (encoding.decode_without_bom_handling(bytes).0.into_owned(), false)
    } else {
        (strict(EUC_KR, bytes).filter(|text| is_korean(text))?, true)
    };
    // Text files have no control characters but these.
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{C}' | '\u{B}');
    let odd = text.contains(odd) && declared.is_none();
    (!odd).then_some(Decoded { text, guessed })
}

/// Tells whether what is not ASCII is Hangul for the most part.
fn is_korean(text: &str) -> bool {
    let (mut others, mut hangul) = (0_usize, 0_usize);
    for character in text.chars().filter(|c| !c.is_ascii()) {
        others += 1;
        hangul += usize::from(('가'..='힣').contains(&character));
    }
    others > 0 && hangul as f64 >= HANGUL * others as f64
}

/// Pages of a text: one for each form feed and what follows it, and where there are none, parts of a few
/// thousand characters.
pub(super) fn pages(decoded: &Decoded) -> Vec<Page> {
    let text: String = decoded.text.replace("\r\n", "\n").replace('\r', "\n").nfc().collect();
    let pages: Vec<&str> =
        if text.contains('\u{C}') { text.split('\u{C}').collect() } else { parts(&text) };
    pages
        .into_iter()
        .zip(1u32..)
        .map(|(text, number)| Page {
            number,
            text: text.trim_matches('\n').trim_end().to_owned(),
            flags: if decoded.guessed { vec![PageFlag::Guessed] } else { Vec::new() },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_editors_write() {
        let text = |bytes: &[u8]| decode(bytes).map(|decoded| (decoded.text, decoded.guessed));
        let said = |text: &str, guessed| Some((text.to_owned(), guessed));
        let utf16: Vec<u8> = "\u{FEFF}한글".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(&utf16), said("한글", false));
        let utf16: Vec<u8> = "\u{FEFF}한글".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(text(&utf16), said("한글", false));
        assert_eq!(text("\u{FEFF}한글".as_bytes()), said("한글", false));
        assert_eq!(text(b"\xC7\xD1\xB1\xDB 2.5 kN"), said("한글 2.5 kN", true), "EUC-KR");
        assert_eq!(text(b"\x8C\x63\xB9\xE6\xB0\xA2\xC7\xCF"), said("똠방각하", true), "CP949");
        assert_eq!(text(b"caf\xE9 cr\xE8me"), None, "Latin-1");
        assert_eq!(text(b"PK\x03\x04\0\0"), None);
        let latin = encoding_rs::WINDOWS_1252;
        assert_eq!(decode_as(b"caf\xE9", Some(latin)).unwrap().text, "café");
    }

    #[test]
    fn form_feeds_part_pages_and_text_is_composed() {
        let text = "첫 쪽\r\n\u{1112}\u{1161}\u{11AB}\n\u{C}둘째 쪽\n".to_owned();
        let found = pages(&Decoded { text, guessed: true });
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].text, "첫 쪽\n한");
        assert_eq!((found[1].number, found[1].text.as_str()), (2, "둘째 쪽"));
        assert_eq!(found[0].flags, [PageFlag::Guessed]);
    }
}
