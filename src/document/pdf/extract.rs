//! The pdf-extract engine: its own layout, page by page.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_extract::{Document, LoadOptions, PlainTextOutput, output_doc_page};
use unicode_normalization::UnicodeNormalization;

use super::super::passage::PageFlag;
use super::super::wire::{Message, PageContent, PageRecord, Refusal};
use super::decode::has_cross_reference;

/// Reads a PDF file's pages from `first_page` on and sends each as it is done. Stops early when `send`
/// breaks.
pub(crate) fn extract(
    data: &[u8],
    password: &str,
    first_page: u32,
    send: &mut dyn FnMut(Message) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let opened = catch_unwind(|| {
        Document::load_mem_with_options(data, LoadOptions::with_password(password))
    });
    let mut document = match opened {
        Ok(Ok(document)) => document,
        Ok(Err(error)) => return send(Message::Refused(refusal(&error))),
        Err(_) => return send(Message::Refused(Refusal::Damaged)),
    };
    if document.is_encrypted() {
        let decrypted = catch_unwind(AssertUnwindSafe(|| document.decrypt(password)));
        if !matches!(decrypted, Ok(Ok(()))) {
            return send(Message::Refused(Refusal::Password));
        }
    }
    let pages = document.get_pages().len() as u32;
    send(Message::Open { pages, recovered: !has_cross_reference(data) })?;
    for number in first_page..=pages {
        // The library panics on encodings that it does not know.
        let page = catch_unwind(AssertUnwindSafe(|| {
            let mut text = String::new();
            let mut output = PlainTextOutput::new(&mut text);
            output_doc_page(&document, &mut output, number).map(|()| text)
        }));
        let (text, flags) = match page {
            Ok(Ok(text)) => (text, Vec::new()),
            Ok(Err(_)) | Err(_) => (String::new(), vec![PageFlag::Failed]),
        };
        let text = tidy(&text);
        let flags =
            if flags.is_empty() && text.is_empty() { vec![PageFlag::NeedsOcr] } else { flags };
        send(Message::Page(PageRecord { number, content: PageContent::Text(text), flags }))?;
    }
    send(Message::Done)
}

fn refusal(error: &pdf_extract::Error) -> Refusal {
    match error {
        pdf_extract::Error::Decryption(_) | pdf_extract::Error::InvalidPassword => {
            Refusal::Password
        }
        pdf_extract::Error::UnsupportedSecurityHandler(_) => Refusal::Encryption,
        _ => Refusal::Damaged,
    }
}

/// NFC, no blanks at line ends, no more than one blank line in a row.
fn tidy(text: &str) -> String {
    let mut tidy = String::new();
    for line in text.nfc().collect::<String>().lines() {
        let line = line.trim();
        if line.is_empty() && (tidy.is_empty() || tidy.ends_with("\n\n")) {
            continue;
        }
        tidy.push_str(line);
        tidy.push('\n');
    }
    tidy.trim_end().to_owned()
}
