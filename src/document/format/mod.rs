//! Formats other than PDF and plain text. Their files come from anywhere too, so they are read in the
//! worker process, with limits on what is unpacked, how deep it lies and how much text it makes.

mod archive;
mod docx;
mod flow;
mod html;
mod hwpx;
mod markdown;
mod numbering;
mod part;
mod sniff;
mod xml;

use std::ops::ControlFlow;
use std::path::Path;

pub(super) use self::markdown::pages as markdown;
pub(super) use self::part::parts;
use self::sniff::Format;
pub(super) use self::sniff::{is_markdown, is_other};
use super::passage::{Page, PageFlag};
use super::plain;
use super::read::{ReadOptions, Reading};
use super::supervise::{Outcome, supervise};
use super::wire::{Message, Refusal, Wanted};
use crate::failure::{Failure, Result};
use crate::progress::OnProgress;

/// Reads a file of another format in a worker process and hands on its pages in order.
pub(super) fn read(
    path: &Path,
    options: &ReadOptions,
    on: &mut OnProgress<'_>,
    each: &mut dyn FnMut(Page) -> Result<()>,
) -> Result<Reading> {
    let shown = path.display();
    match supervise(path, options, on, each)? {
        Outcome::Done => Ok(Reading::Finished),
        Outcome::Refused(Refusal::Said { message, hints }) => {
            let mut failure = Failure::user(message).context(shown);
            failure.hints = hints;
            Err(failure)
        }
        Outcome::Refused(other) => Err(Failure::user(format!("{shown}: {other:?}"))),
        Outcome::Crashed { timeout } => {
            let why = if timeout {
                format!("reading it took more than {} seconds", options.page_seconds)
            } else {
                format!("reading it took more than {} MiB of memory, or failed", options.memory_mib)
            };
            Err(Failure::user(format!("{shown}: {why}"))
                .hint("Open it in its program and save it as PDF, then add that."))
        }
        Outcome::Stopped => Ok(Reading::Stopped),
    }
}

/// Reads a file's pages and sends them, as the worker does for PDF files.
pub(super) fn extract(
    data: &[u8],
    wanted: &Wanted,
    send: &mut dyn FnMut(Message) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match pages(data) {
        Err(failure) => {
            send(Message::Refused(Refusal::Said { message: failure.message, hints: failure.hints }))
        }
        Ok((pages, flags)) => {
            send(Message::Open { pages: pages.len() as u32 })?;
            let asked = |page: &Page| {
                wanted.pages.contains(&page.number) && !wanted.skip.contains(&page.number)
            };
            for page in pages.into_iter().filter(asked) {
                send(Message::Page(Page { flags: flags.clone(), ..page }))?;
            }
            send(Message::Done)
        }
    }
}

/// The pages, and what to know about each of them.
fn pages(data: &[u8]) -> Result<(Vec<Page>, Vec<PageFlag>)> {
    let (format, archive) = sniff::format(data)?;
    let (pages, flags) = match (format, archive) {
        (Format::Docx, Some(mut archive)) => (docx::pages(&mut archive)?, Vec::new()),
        (Format::Hwpx, Some(mut archive)) => (hwpx::pages(&mut archive)?, Vec::new()),
        _ => {
            let decoded =
                plain::decode_as(data, html::declared_encoding(data)).ok_or_else(|| {
                    Failure::user("the file is named like a web page, but is no text")
                        .hint("Save it again from the browser, as a web page.")
                })?;
            let flags = if decoded.guessed { vec![PageFlag::Guessed] } else { Vec::new() };
            (html::read_into(flow::Flow::new(), &decoded.text)?.finish(), flags)
        }
    };
    if pages.iter().all(|page| page.text.is_empty()) {
        return Err(Failure::user("there is no text in the file")
            .hint("If its pages are pictures, save it as PDF and add that: their text is then read by character recognition."));
    }
    Ok((pages, flags))
}
