//! Plain text and Markdown files.

use unicode_normalization::UnicodeNormalization;

use super::passage::Page;

/// Decodes UTF-8 (with or without byte order mark) or UTF-16 with a byte order mark. `None` if the bytes
/// are neither.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let units = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(unit));
        char::decode_utf16(units).collect::<Result<String, _>>().ok()
    };
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => units(rest, u16::from_le_bytes)?,
        [0xFE, 0xFF, rest @ ..] => units(rest, u16::from_be_bytes)?,
        [0xEF, 0xBB, 0xBF, rest @ ..] => str::from_utf8(rest).ok()?.to_owned(),
        _ => str::from_utf8(bytes).ok()?.to_owned(),
    };
    // Text files have no control characters but these.
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{C}' | '\u{B}');
    (!text.contains(odd)).then_some(text)
}

/// Pages of a text: one, or one for each form feed and what follows it.
pub(super) fn pages(text: &str) -> Vec<Page> {
    let text: String = text.replace("\r\n", "\n").replace('\r', "\n").nfc().collect();
    text.split('\u{C}')
        .zip(1u32..)
        .map(|(text, number)| Page {
            number,
            text: text.trim_matches('\n').trim_end().to_owned(),
            flags: Vec::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_editors_write() {
        let utf16: Vec<u8> = "\u{FEFF}한글".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&utf16).as_deref(), Some("한글"));
        assert_eq!(decode("\u{FEFF}한글".as_bytes()).as_deref(), Some("한글"));
        assert_eq!(decode(b"\xC7\xD1\xB1\xDB"), None, "CP949");
        assert_eq!(decode(b"PK\x03\x04\0\0"), None);
    }

    #[test]
    fn form_feeds_part_pages_and_text_is_composed() {
        let found = pages("첫 쪽\r\n\u{1112}\u{1161}\u{11AB}\n\u{C}둘째 쪽\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].text, "첫 쪽\n한");
        assert_eq!((found[1].number, found[1].text.as_str()), (2, "둘째 쪽"));
    }
}
