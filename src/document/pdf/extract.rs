//! The pdf-extract engine: its own layout, page by page.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_extract::{Document, LoadOptions, PlainTextOutput, output_doc_page};
use unicode_normalization::UnicodeNormalization;

use super::super::passage::{Page, PageFlag};
use super::super::wire::{Message, Refusal, Wanted};
use super::decode::has_cross_reference;

/// Reads a PDF file's wanted pages and sends each as it is done. Stops early when `send` breaks.
pub(crate) fn extract(
    data: &[u8],
    password: &str,
    wanted: &Wanted,
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
    let recovered = !has_cross_reference(data);
    send(Message::Open { pages })?;
    for number in *wanted.pages.start()..=pages.min(*wanted.pages.end()) {
        let mut flags = Vec::new();
        let mut text = String::new();
        if wanted.skip.contains(&number) {
            flags.push(PageFlag::Failed);
        } else {
            send(Message::At(number))?;
            // The library panics on encodings that it does not know.
            let page = catch_unwind(AssertUnwindSafe(|| {
                let mut text = String::new();
                let mut output = PlainTextOutput::new(&mut text);
                output_doc_page(&document, &mut output, number).map(|()| text)
            }));
            match page {
                Ok(Ok(found)) => text = tidy(&found),
                Ok(Err(_)) | Err(_) => flags.push(PageFlag::Failed),
            }
            if flags.is_empty() && text.is_empty() {
                flags.push(PageFlag::NeedsOcr);
            }
        }
        if recovered {
            flags.push(PageFlag::Recovered);
        }
        send(Message::Page(Page { number, text, flags }))?;
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
