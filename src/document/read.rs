//! Reading a document file.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use super::engine::Engine;
use super::passage::{Page, PageFlag};
use super::pdf::fragment::PageFragments;
use super::pdf::lay_out;
use super::plain;
use super::supervise::{Outcome, supervise};
use super::wire::{PageContent, PageRecord, Refusal};
use crate::failure::{Context, Failure, Result};
use crate::progress::OnProgress;

/// How to read a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Password of an encrypted PDF file.
    pub password: Option<String>,
    /// What decodes PDF files.
    pub engine: Engine,
    /// Seconds that one page may take.
    pub page_seconds: u64,
    /// Memory that reading a PDF file may take, in MiB.
    pub memory_mib: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { password: None, engine: Engine::default(), page_seconds: 60, memory_mib: 4096 }
    }
}

/// A document's text, page by page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentText {
    /// File name without folders, NFC (macOS stores names decomposed).
    pub name: String,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// Every page of the file, in order, also those without text.
    pub pages: Vec<Page>,
}

/// Reads a PDF, plain text or Markdown file. `Ok(None)` if `on` asked to stop.
///
/// Pages that could not be read are there with [`PageFlag::Failed`], scanned ones with
/// [`PageFlag::NeedsOcr`]. Fails where the file is missing, empty, of another kind, or locked.
pub fn read(
    path: &Path,
    options: &ReadOptions,
    on: &mut OnProgress<'_>,
) -> Result<Option<DocumentText>> {
    let shown = path.display();
    let about = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::user(format!("{shown}: there is no such file"))
            .hint("Check the spelling; paths are taken from the folder you are in."),
        _ => Failure::user(format!("{shown}: {error}")),
    })?;
    if about.is_dir() {
        return Err(Failure::user(format!("{shown}: this is a folder, not a file"))
            .hint("Name the document files in it."));
    }
    let bytes = std::fs::read(path).because(shown.to_string())?;
    if bytes.is_empty() {
        return Err(Failure::user(format!("{shown}: the file is empty"))
            .hint("Download or export it again."));
    }
    let pages = if is_pdf(&bytes) {
        match read_pdf(path, options, on)? {
            Some(pages) => pages,
            None => return Ok(None),
        }
    } else {
        plain::pages(&text(path, &bytes)?)
    };
    if pages.is_empty() {
        return Err(Failure::user(format!("{shown}: the file has no pages"))
            .hint("Open it in a viewer and export it again."));
    }
    Ok(Some(DocumentText {
        name: path
            .file_name()
            .map(|name| name.to_string_lossy().nfc().collect())
            .unwrap_or_default(),
        sha256: hexadecimal(&Sha256::digest(&bytes)),
        pages,
    }))
}

/// A PDF file has its mark among the first 1024 bytes (ISO 32000-1, annex H, note 13).
fn is_pdf(bytes: &[u8]) -> bool {
    bytes.windows(5).take(1024).any(|window| window == b"%PDF-")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn read_pdf(
    path: &Path,
    options: &ReadOptions,
    on: &mut OnProgress<'_>,
) -> Result<Option<Vec<Page>>> {
    let shown = path.display();
    match supervise(path, options, on)? {
        Outcome::Pages { pages, recovered } => Ok(Some(assemble(pages, recovered))),
        Outcome::Refused(refusal) => {
            Err(refused(refusal, options.password.is_some()).context(shown))
        }
        Outcome::Crashed { timeout: true } => Err(Failure::user(format!(
            "{shown}: nothing could be read in {} seconds",
            options.page_seconds
        ))
        .hint("Open the file in a viewer and print it to a new PDF file, then add that.")),
        Outcome::Crashed { timeout: false } => Err(Failure::user(format!(
            "{shown}: the {} engine gave up on this file",
            options.engine
        ))
        .hint("Open the file in a viewer and print it to a new PDF file, then add that.")),
        Outcome::Stopped => Ok(None),
    }
}

fn refused(refusal: Refusal, with_password: bool) -> Failure {
    match refusal {
        Refusal::Password if with_password => Failure::user("the password does not open this file")
            .hint("Try it in a PDF viewer; capitals and keyboard language matter."),
        Refusal::Password => Failure::user("the file is locked with a password")
            .hint("Give the password that opens it."),
        Refusal::Encryption => {
            Failure::user("the file is encrypted in a way that cannot be read here")
                .hint("Open it in a PDF viewer and print it to a new PDF file.")
        }
        Refusal::Damaged => Failure::user("the file is damaged: no page can be found in it")
            .hint("Download or export it again."),
        Refusal::File(why) => Failure::user(why),
    }
}

/// Lays out what the workers found.
pub(super) fn assemble(records: Vec<PageRecord>, recovered: bool) -> Vec<Page> {
    let fragments: Vec<PageFragments> = records
        .iter()
        .map(|record| match &record.content {
            PageContent::Fragments(fragments) => fragments.clone(),
            PageContent::Text(_) => PageFragments::default(),
        })
        .collect();
    let texts = lay_out(&fragments);
    records
        .into_iter()
        .zip(texts)
        .map(|(record, laid_out)| {
            let mut flags = record.flags;
            if recovered {
                flags.push(PageFlag::Recovered);
            }
            Page {
                number: record.number,
                text: match record.content {
                    PageContent::Fragments(_) => laid_out,
                    PageContent::Text(text) => text,
                },
                flags,
            }
        })
        .collect()
}

/// The text of a file that is no PDF file, or what to do with the file.
fn text(path: &Path, bytes: &[u8]) -> Result<String> {
    let shown = path.display();
    let named_pdf = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pdf"));
    if named_pdf {
        return Err(Failure::user(format!(
            "{shown}: this is not a PDF file, although it is named like one"
        ))
        .hint("Download or export it again; a web page saved as .pdf is a common reason."));
    }
    plain::decode(bytes).ok_or_else(|| {
        let kind = match bytes {
            [b'P', b'K', 3, 4, ..] => "a Zip file (Word, HWPX and the like are)",
            [0xD0, 0xCF, 0x11, 0xE0, ..] => "an old Word or HWP file",
            [0x89, b'P', b'N', b'G', ..] | [0xFF, 0xD8, 0xFF, ..] => "a picture",
            _ => "neither PDF nor text in UTF-8",
        };
        Failure::user(format!("{shown}: this is {kind}, which cannot be read"))
            .hint("Save it as PDF, or as plain text in UTF-8, and add that.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;
    use std::ops::ControlFlow;

    fn failure(name: &str, content: &[u8]) -> Failure {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mut on = |_: Progress| ControlFlow::Continue(());
        read(&path, &ReadOptions::default(), &mut on).unwrap_err()
    }

    #[test]
    fn each_wrong_file_has_its_message() {
        for (name, content, part) in [
            ("a.pdf", &b""[..], "is empty"),
            ("a.pdf", b"<html>404</html>", "is not a PDF file"),
            ("a.docx", b"PK\x03\x04....", "a Zip file"),
            ("a.hwp", b"\xD0\xCF\x11\xE0....", "an old Word or HWP file"),
            ("a.txt", b"\xC7\xD1\xB1\xDB", "neither PDF nor text"),
        ] {
            let failure = failure(name, content);
            assert!(failure.message.contains(part), "{}", failure.message);
            assert!(!failure.hints.is_empty(), "{part}");
        }
        let mut on = |_: Progress| ControlFlow::Continue(());
        let missing = read(Path::new("no/such.pdf"), &ReadOptions::default(), &mut on).unwrap_err();
        assert!(missing.message.contains("no such file"));
        let folder = tempfile::tempdir().unwrap();
        let failure = read(folder.path(), &ReadOptions::default(), &mut on).unwrap_err();
        assert!(failure.message.contains("is a folder"));
    }

    #[test]
    fn text_files_need_no_worker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("\u{1100}\u{1161}.md");
        std::fs::write(&path, "# 하중\n\n고정하중").unwrap();
        let mut on = |_: Progress| ControlFlow::Continue(());
        let document = read(&path, &ReadOptions::default(), &mut on).unwrap().unwrap();
        assert_eq!(document.name, "가.md");
        assert_eq!(document.sha256.len(), 64);
        assert_eq!(document.pages.len(), 1);
        assert_eq!(document.pages[0].text, "# 하중\n\n고정하중");
    }
}
