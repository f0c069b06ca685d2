//! Of which format a file is, by what is in it.

use std::path::Path;

use super::archive::Archive;
use crate::failure::{Failure, Result};

/// A format that is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Html,
    Docx,
    Hwpx,
}

/// Tells whether a file is for this module: a Zip file, an old office file, or a web page.
pub(in super::super) fn is_other(path: &Path, bytes: &[u8]) -> bool {
    is_zip(bytes) || is_compound(bytes) || is_html(path, bytes)
}

/// Tells whether a file is named as Markdown; its content does not show it.
pub(in super::super) fn is_markdown(path: &Path) -> bool {
    named(path, &["md", "markdown", "mdown", "mkd"])
}

/// The format of a file, and its parts where it has any. Fails with what to do where it is one that cannot
/// be read.
pub(super) fn format(data: &[u8]) -> Result<(Format, Option<Archive<'_>>)> {
    if is_compound(data) {
        return Err(compound(data));
    }
    if !is_zip(data) {
        return Ok((Format::Html, None));
    }
    let mut archive = Archive::open(data)?;
    let kind = archive.peek("mimetype").unwrap_or_default();
    let kind = kind.trim();
    if kind == "application/hwp+zip" || archive.has("Contents/content.hpf") {
        return Ok((Format::Hwpx, Some(archive)));
    }
    if archive.has_folder("word/") || archive.has("word/document.xml") {
        return Ok((Format::Docx, Some(archive)));
    }
    let (what, hint) = if archive.has_folder("xl/") {
        ("an Excel workbook", "Save the sheets as PDF, or the text as DOCX, and add that.")
    } else if archive.has_folder("ppt/") {
        ("a PowerPoint presentation", "Save it as PDF and add that.")
    } else if kind.starts_with("application/vnd.oasis.opendocument") {
        ("an OpenDocument file", "Save it as DOCX or PDF and add that.")
    } else if kind == "application/epub+zip" {
        ("an EPUB book", "Save it as PDF or HTML and add that.")
    } else if archive.has("_rels/.rels") {
        // A Word file may name its parts as it likes.
        return Ok((Format::Docx, Some(archive)));
    } else {
        ("a Zip file without a document", "Unpack it and add the documents in it.")
    };
    Err(Failure::user(format!("this is {what}, which cannot be read")).hint(hint))
}

fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// Compound files: old office formats, and new ones that are encrypted ([MS-CFB] 2.2).
fn is_compound(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0])
}

fn is_html(path: &Path, bytes: &[u8]) -> bool {
    if named(path, &["html", "htm", "xhtml"]) {
        return true;
    }
    let head = bytes.get(..512).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head)
        .trim_start_matches(['\u{FEFF}', ' ', '\n', '\r', '\t'])
        .to_lowercase();
    !named(path, &["pdf", "txt", "md", "markdown"])
        && (head.starts_with("<!doctype html") || head.starts_with("<html"))
}

fn named(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|extension| {
        extensions.iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// What a compound file is, by the names in its directory, which are UTF-16.
fn compound(data: &[u8]) -> Failure {
    let names = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        data.windows(wide.len()).any(|window| window == wide)
    };
    if names("EncryptedPackage") {
        return Failure::user("the file is locked with a password")
            .hint("Open it in Word, take the password away, and save it again.");
    }
    if names("HwpSummaryInformation") || names("BodyText") {
        return Failure::user("this is an HWP file of the old kind (.hwp), which cannot be read").hint(
            "Open it in Hancom Office, choose Save As (다른 이름으로 저장하기), file type HWPX (한글 표준 문서, *.hwpx), and add that.",
        ).hint("Hancom's free viewer can save it as PDF, which can be added too.");
    }
    let (what, save) = if names("WordDocument") {
        (
            "an old Word file (.doc)",
            "Open it in Word or LibreOffice, save it as DOCX, and add that.",
        )
    } else {
        ("an old office file", "Open it in its program, save it as PDF, and add that.")
    };
    Failure::user(format!("this is {what}, which cannot be read")).hint(save)
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::zip;
    use super::*;

    fn told(data: &[u8]) -> Failure {
        format(data).err().unwrap()
    }

    #[test]
    fn formats_are_told_by_content() {
        let of = |parts: &[(&str, &str)]| format(&zip(parts)).map(|found| found.0);
        assert_eq!(of(&[("word/document.xml", "")]).unwrap(), Format::Docx);
        assert_eq!(of(&[("mimetype", "application/hwp+zip")]).unwrap(), Format::Hwpx);
        for (part, what) in
            [("xl/workbook.xml", "Excel"), ("ppt/a.xml", "PowerPoint"), ("a.txt", "Zip")]
        {
            let failure = of(&[(part, "")]).unwrap_err();
            assert!(failure.message.contains(what), "{failure}");
            assert!(!failure.hints.is_empty());
        }
        let odt = of(&[("mimetype", "application/vnd.oasis.opendocument.text")]).unwrap_err();
        assert!(odt.message.contains("OpenDocument"), "{odt}");
        assert!(is_other(Path::new("a.htm"), b"x"));
        assert!(is_other(Path::new("a"), b"\n<!DOCTYPE HTML>"));
        assert!(!is_other(Path::new("a.txt"), b"<html>"));
        assert!(is_markdown(Path::new("A.MD")));
    }

    #[test]
    fn old_files_say_how_to_save_them() {
        let compound = |name: &str| {
            let mut data = vec![0xD0, 0xCF, 0x11, 0xE0];
            data.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
            data
        };
        let hwp = told(&compound("HwpSummaryInformation"));
        assert!(hwp.message.contains(".hwp") && hwp.hints[0].contains("HWPX"), "{hwp:?}");
        assert!(told(&compound("WordDocument")).hints[0].contains("DOCX"));
        assert!(told(&compound("EncryptedPackage")).message.contains("password"));
        assert!(told(&compound("Workbook")).hints[0].contains("PDF"));
    }
}
