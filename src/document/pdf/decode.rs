//! hayro draws each page on our [`Collector`], which keeps the glyphs.

use std::ops::ControlFlow;

use hayro_interpret::kurbo::Rect;
use hayro_interpret::{
    Context, InterpreterCache, InterpreterSettings, TransformExt, interpret_page,
};
use hayro_syntax::page::Page;
use hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use super::super::passage::PageFlag;
use super::super::wire::{Message, PageContent, PageRecord, Refusal};
use super::device::Collector;
use super::fragment::PageFragments;

/// Reads a PDF file's pages from `first_page` on and sends each as it is done. Stops early when `send`
/// breaks.
pub(crate) fn decode(
    data: Vec<u8>,
    password: &str,
    first_page: u32,
    send: &mut dyn FnMut(Message) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let recovered = !has_cross_reference(&data);
    let pdf = match Pdf::new_with_password(data, password) {
        Ok(pdf) => pdf,
        Err(error) => return send(Message::Refused(refusal(error))),
    };
    let pages = pdf.pages();
    send(Message::Open { pages: pages.len() as u32, recovered })?;
    let cache = InterpreterCache::new();
    let settings = InterpreterSettings::default();
    for (page, number) in pages.iter().zip(1u32..) {
        if number < first_page {
            continue;
        }
        let (fragments, flags) = read_page(page, &cache, &settings);
        send(Message::Page(PageRecord {
            number,
            content: PageContent::Fragments(fragments),
            flags,
        }))?;
    }
    send(Message::Done)
}

/// Tells whether the file ends as an undamaged file does: the last `startxref` leads to a
/// cross-reference table or stream (ISO 32000-1, 7.5.5).
pub(crate) fn has_cross_reference(data: &[u8]) -> bool {
    let tail = data.get(data.len().saturating_sub(2048)..).unwrap_or(data);
    let Some(at) = tail.windows(9).rposition(|window| window == b"startxref") else {
        return false;
    };
    let digits: String = tail
        .iter()
        .skip(at + 9)
        .map(|byte| char::from(*byte))
        .skip_while(char::is_ascii_whitespace)
        .take_while(char::is_ascii_digit)
        .collect();
    let Ok(offset) = digits.parse::<usize>() else {
        return false;
    };
    // Bytes before the header shift every offset in some files; readers accept that.
    let header = data.windows(5).take(1024).position(|window| window == b"%PDF-").unwrap_or(0);
    [offset, offset + header].into_iter().any(|offset| {
        let mut rest = data
            .get(offset..)
            .unwrap_or_default()
            .iter()
            .skip_while(|byte| byte.is_ascii_whitespace());
        match rest.next() {
            Some(b'x') => rest.take(3).eq(b"ref"),
            Some(first) => {
                first.is_ascii_digit()
                    && rest
                        .take(24)
                        .collect::<Vec<_>>()
                        .windows(3)
                        .any(|w| matches!(w, [b'o', b'b', b'j']))
            }
            None => false,
        }
    })
}

fn refusal(error: LoadPdfError) -> Refusal {
    match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => Refusal::Password,
        LoadPdfError::Decryption(_) => Refusal::Encryption,
        LoadPdfError::Invalid => Refusal::Damaged,
    }
}

fn read_page<'a>(
    page: &Page<'a>,
    cache: &InterpreterCache<'a>,
    settings: &InterpreterSettings,
) -> (PageFragments, Vec<PageFlag>) {
    let (width, height) = page.render_dimensions();
    let (width, height) = (f64::from(width), f64::from(height));
    let mut collector = Collector::new(width, height);
    let mut context = Context::new(
        page.initial_transform(true).to_kurbo(),
        Rect::new(0.0, 0.0, width, height),
        cache,
        page.xref(),
        settings.clone(),
    );
    interpret_page(page, &mut context, &mut collector);
    collector.finish()
}
