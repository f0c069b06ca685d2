//! Reading a document file.

use std::fs::File;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use super::engine::Engine;
use super::format;
use super::ocr::{self, OcrUse};
use super::passage::{Page, PageFlag};
use super::plain::{self, Decoded};
use super::supervise::{Outcome, supervise};
use super::wire::Refusal;
use crate::digest::hexadecimal;
use crate::failure::{Context, Failure, Result};
use crate::progress::OnProgress;

/// How to read a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Password of an encrypted PDF file.
    pub password: Option<String>,
    /// What decodes PDF files.
    pub engine: Engine,
    /// When pages are read by character recognition.
    pub ocr: OcrUse,
    /// Languages of character recognition, as tesseract names them: "kor+eng".
    pub ocr_languages: String,
    /// Seconds that one page may take.
    pub page_seconds: u64,
    /// Memory that reading a PDF file may take, in MiB.
    pub memory_mib: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            password: None,
            engine: Engine::default(),
            ocr: OcrUse::default(),
            ocr_languages: "kor+eng".to_owned(),
            page_seconds: 60,
            memory_mib: 4096,
        }
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
    /// What the user should know about how it was read, a sentence each.
    pub notes: Vec<String>,
}

/// How reading a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Every page was handed on.
    Finished,
    /// The caller asked to stop.
    Stopped,
    /// The file is locked with a password, and none was given.
    Locked,
}

/// Reads a PDF, Word (DOCX), HWPX, HTML, Markdown or plain text file. `Ok(None)` if `on` asked to stop.
///
/// Pages that could not be read are there with [`PageFlag::Failed`](super::PageFlag::Failed), scanned ones with
/// [`PageFlag::NeedsOcr`](super::PageFlag::NeedsOcr). Fails where the file is missing, empty, of another kind, or
/// locked.
pub fn read(
    path: &Path,
    options: &ReadOptions,
    on: &mut OnProgress<'_>,
) -> Result<Option<DocumentText>> {
    let (mut pages, mut notes) = (Vec::new(), Vec::new());
    let end = read_pages(path, options, &mut notes, on, &mut |page| {
        pages.push(page);
        Ok(())
    })?;
    match end {
        Reading::Finished => {}
        Reading::Stopped => return Ok(None),
        Reading::Locked => return Err(locked(path)),
    }
    Ok(Some(DocumentText {
        name: path
            .file_name()
            .map(|name| name.to_string_lossy().nfc().collect())
            .unwrap_or_default(),
        sha256: digest(path)?,
        pages,
        notes,
    }))
}

/// Does as [`read`] does, but hands each page on as soon as it is known, in order, so that a long file takes no
/// more memory than a short one. Fails also as `each` does.
pub fn read_pages(
    path: &Path,
    options: &ReadOptions,
    notes: &mut Vec<String>,
    on: &mut OnProgress<'_>,
    each: &mut dyn FnMut(Page) -> Result<()>,
) -> Result<Reading> {
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
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(1024 + 4).read_to_end(&mut head))
        .because(shown.to_string())?;
    if head.is_empty() {
        return Err(Failure::user(format!("{shown}: the file is empty"))
            .hint("Download or export it again."));
    }
    let mut count = 0;
    let mut guessed = false;
    let mut each = |page: Page| {
        count += 1;
        guessed |= page.flags.contains(&PageFlag::Guessed);
        each(page)
    };
    let is_pdf = is_pdf(&head);
    let end = if is_pdf {
        read_pdf(path, options, notes, on, &mut each)?
    } else {
        let bytes = std::fs::read(path).because(shown.to_string())?;
        if format::is_other(path, &bytes) && !is_named_pdf(path) {
            format::read(path, options, on, &mut each)?
        } else {
            let decoded = text(path, &bytes)?;
            let pages = if format::is_markdown(path) {
                format::markdown(&decoded.text)?
            } else {
                plain::pages(&decoded)
            };
            pages.into_iter().try_for_each(&mut each)?;
            Reading::Finished
        }
    };
    if guessed && !is_pdf {
        notes.push(
            "the file does not say how its letters are encoded; it was read as CP949 (Korean Windows), which is a guess".to_owned(),
        );
    }
    if count == 0 && end == Reading::Finished {
        return Err(Failure::user(format!("{shown}: the file has no pages"))
            .hint("Open it in a viewer and export it again."));
    }
    Ok(end)
}

/// Tells whether a file is locked with a password, without reading further than needed for that.
pub fn is_locked(path: &Path) -> Result<bool> {
    let mut stop = |progress: crate::progress::Progress| match progress.total {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    };
    let options = ReadOptions { ocr: OcrUse::Never, ..ReadOptions::default() };
    let end = read_pages(path, &options, &mut Vec::new(), &mut stop, &mut |_| Ok(()))?;
    Ok(end == Reading::Locked)
}

/// The failure of reading a locked file without a password.
pub fn locked(path: &Path) -> Failure {
    Failure::user(format!("{}: the file is locked with a password", path.display()))
        .hint("Give the password that opens it.")
}

/// SHA-256 of a file, in lower-case hexadecimal.
fn digest(path: &Path) -> Result<String> {
    let mut file = File::open(path).because(path.display())?;
    let mut digest = Sha256::new();
    let mut part = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut part).because(path.display())?;
        match part.get(..read) {
            None | Some([]) => return Ok(hexadecimal(&digest.finalize())),
            Some(bytes) => digest.update(bytes),
        }
    }
}

/// A PDF file has its mark among the first 1024 bytes (ISO 32000-1, annex H, note 13).
fn is_pdf(bytes: &[u8]) -> bool {
    bytes.windows(5).take(1024).any(|window| window == b"%PDF-")
}

fn read_pdf(
    path: &Path,
    options: &ReadOptions,
    notes: &mut Vec<String>,
    on: &mut OnProgress<'_>,
    each: &mut dyn FnMut(Page) -> Result<()>,
) -> Result<Reading> {
    let shown = path.display();
    let again = "Open the file in a viewer and print it to a new PDF file, then add that.";
    let options = &ocr::plan(options);
    // Pages are handed on as they come, up to the first that waits for character recognition; those are
    // recognized together, at the end.
    let mut held: Vec<Page> = Vec::new();
    let mut first = |page: Page| {
        let waits = match options.ocr {
            OcrUse::Never => false,
            OcrUse::Always => true,
            OcrUse::Automatic => page.flags.contains(&PageFlag::NeedsOcr),
        };
        if waits || !held.is_empty() {
            held.push(page);
            return Ok(());
        }
        each(page)
    };
    let outcome = supervise(path, options, on, &mut first)?;
    let outcome = match outcome {
        Outcome::Done if !held.is_empty() => match ocr::complete(path, options, held, on)? {
            ocr::Ended::Pages(pages, said) => {
                notes.extend(said);
                pages.into_iter().try_for_each(each)?;
                Outcome::Done
            }
            ocr::Ended::Stopped => Outcome::Stopped,
        },
        other => other,
    };
    match outcome {
        Outcome::Done => Ok(Reading::Finished),
        Outcome::Stopped => Ok(Reading::Stopped),
        Outcome::Refused(Refusal::Password) if options.password.is_none() => Ok(Reading::Locked),
        Outcome::Refused(refusal) => Err(refused(refusal).context(shown)),
        Outcome::Crashed { timeout: true } => Err(Failure::user(format!(
            "{shown}: nothing could be read in {} seconds",
            options.page_seconds
        ))
        .hint(again)),
        Outcome::Crashed { timeout: false } => Err(Failure::user(format!(
            "{shown}: the {} engine gave up on this file",
            options.engine
        ))
        .hint(again)),
    }
}

fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Password => Failure::user("the password does not open this file")
            .hint("Try it in a PDF viewer; capitals and keyboard language matter."),
        Refusal::Encryption => {
            Failure::user("the file is encrypted in a way that cannot be read here")
                .hint("Open it in a PDF viewer and print it to a new PDF file.")
        }
        Refusal::Damaged => Failure::user("the file is damaged: no page can be found in it")
            .hint("Download or export it again."),
        Refusal::File(why) => Failure::user(why),
        Refusal::Said { message, hints } => Failure { hints, ..Failure::user(message) },
    }
}

fn is_named_pdf(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pdf"))
}

/// The text of a file that is no PDF file, or what to do with the file.
fn text(path: &Path, bytes: &[u8]) -> Result<Decoded> {
    let shown = path.display();
    if is_named_pdf(path) {
        return Err(Failure::user(format!(
            "{shown}: this is not a PDF file, although it is named like one"
        ))
        .hint("Download or export it again; a web page saved as .pdf is a common reason."));
    }
    plain::decode(bytes).ok_or_else(|| {
        let kind = match bytes {
            [0x89, b'P', b'N', b'G', ..] | [0xFF, 0xD8, 0xFF, ..] => "a picture",
            _ => "neither PDF, Word, HWPX nor text in UTF-8, UTF-16 or CP949",
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
            ("a.pdf", b"PK\x03\x04....", "is not a PDF file"),
            ("a.png", b"\x89PNG\r\n\x1A\n\0\0", "a picture"),
            ("a.txt", b"\xFF\xFF\0\0", "neither PDF"),
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
