//! hayro draws each page on our [`Collector`], which keeps the glyphs.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hayro_interpret::kurbo::Rect;
use hayro_interpret::{
    Context, InterpreterCache, InterpreterSettings, TransformExt, interpret_page,
};
use hayro_syntax::page::Page;
use hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use super::super::passage::PageFlag;
use super::super::wire::{Message, Refusal, Wanted};
use super::device::Collector;
use super::fragment::PageFragments;
use super::layout::Layout;

/// Pages after which the file is opened anew: what hayro keeps of each page and font it has seen is only
/// let go with the file.
const REOPEN: usize = 64;

/// Reads a PDF file's wanted pages and sends each as it is done. Stops early when `send` breaks.
pub(crate) fn decode(
    data: Vec<u8>,
    password: &str,
    wanted: &Wanted,
    send: &mut dyn FnMut(Message) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let recovered = !has_cross_reference(&data);
    let data: Arc<Vec<u8>> = Arc::new(data);
    let mut pages = 0;
    let mut next = *wanted.pages.start();
    let mut layout = Layout::default();
    let mut collector = Collector::default();
    loop {
        let pdf = match Pdf::new_with_password(data.clone(), password) {
            Ok(pdf) => pdf,
            Err(error) => return send(Message::Refused(refusal(error))),
        };
        if pages == 0 {
            pages = pdf.pages().len() as u32;
            send(Message::Open { pages })?;
        }
        let last = pages.min(*wanted.pages.end());
        let cache = InterpreterCache::new();
        let settings = InterpreterSettings::default();
        let first = next.saturating_sub(1) as usize;
        for page in pdf.pages().iter().skip(first).take(REOPEN) {
            if next > last {
                break;
            }
            let (fragments, mut flags) = if wanted.skip.contains(&next) {
                (PageFragments::default(), vec![PageFlag::Failed])
            } else {
                send(Message::At(next))?;
                // A panic costs the page; what else brings the process down is the parent's to notice.
                catch_unwind(AssertUnwindSafe(|| {
                    read_page(page, &cache, &settings, &mut collector)
                }))
                .unwrap_or_else(|_| (PageFragments::default(), vec![PageFlag::Failed]))
            };
            if recovered {
                flags.push(PageFlag::Recovered);
            }
            layout.add(next, &fragments, flags);
            lay_out(&mut layout, false, wanted, send)?;
            next += 1;
        }
        if next > last || pdf.pages().len() <= first {
            break;
        }
    }
    lay_out(&mut layout, true, wanted, send)?;
    send(Message::Done)
}

/// Sends the pages that are due.
fn lay_out(
    layout: &mut Layout,
    ended: bool,
    wanted: &Wanted,
    send: &mut dyn FnMut(Message) -> ControlFlow<()>,
) -> ControlFlow<()> {
    while let Some(number) = layout.due(ended) {
        if !wanted.skip.contains(&number) {
            send(Message::At(number))?;
        }
        if let Some(page) = layout.take() {
            send(Message::Page(page))?;
        }
    }
    ControlFlow::Continue(())
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
    collector: &mut Collector,
) -> (PageFragments, Vec<PageFlag>) {
    let (width, height) = page.render_dimensions();
    let (width, height) = (f64::from(width), f64::from(height));
    collector.begin(width, height);
    let mut context = Context::new(
        page.initial_transform(true).to_kurbo(),
        Rect::new(0.0, 0.0, width, height),
        cache,
        page.xref(),
        settings.clone(),
    );
    interpret_page(page, &mut context, collector);
    collector.finish()
}
