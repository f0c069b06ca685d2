//! Optical character recognition of PDF pages that have no usable text, by tesseract where it is installed.
//!
//! Each page is drawn by a worker process ([`picture`], PDF files are not to be trusted), whose output is the
//! input of tesseract ([`page`]); words and their places ([`words`]) go through the same layout as text that
//! is in the file. Several pages are read at a time.

mod page;
pub(super) mod picture;
mod tesseract;
mod words;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::tesseract::OcrUse;
use self::tesseract::Tesseract;
use super::engine::Engine;
use super::passage::{Page, PageFlag};
use super::pdf::fragment::PageFragments;
use super::pdf::layout::Layout;
use super::read::ReadOptions;
use crate::failure::{Context, Failure, Result};
use crate::progress::{Cancel, OnProgress, Progress};

/// How often the caller is asked whether to stop.
const TICK: Duration = Duration::from_millis(200);
/// Pages read at the same time, at most; each takes some hundred MiB.
const AT_ONCE: usize = 8;
/// Drawing and reading a page may take this many times as long as decoding one.
const PATIENCE: u32 = 3;

/// What became of the pages that needed recognition.
pub(super) enum Ended {
    /// The pages, with the text of those that could be read, and what to tell the user.
    Pages(Vec<Page>, Vec<String>),
    /// The caller asked to stop.
    Stopped,
}

/// What is to be done where recognition was chosen as the engine: the file's own text is read first, which
/// tells the pages, and stands where a page cannot be recognized.
pub(super) fn plan(options: &ReadOptions) -> Cow<'_, ReadOptions> {
    match options.engine {
        Engine::Ocr => Cow::Owned(ReadOptions {
            engine: Engine::default(),
            ocr: OcrUse::Always,
            ..options.clone()
        }),
        Engine::Hayro | Engine::PdfExtract => Cow::Borrowed(options),
    }
}

/// Reads the pages that need recognition, or all of them where that was asked for.
///
/// Fails only where recognition was asked for and cannot be had; otherwise such pages stay flagged and a
/// note says what to install.
pub(super) fn complete(
    file: &Path,
    options: &ReadOptions,
    mut pages: Vec<Page>,
    on: &mut OnProgress<'_>,
) -> Result<Ended> {
    let always = options.ocr == OcrUse::Always;
    let wanted: Vec<u32> = pages
        .iter()
        .filter(|page| always || page.flags.contains(&PageFlag::NeedsOcr))
        .map(|page| page.number)
        .collect();
    if wanted.is_empty() || options.ocr == OcrUse::Never {
        return Ok(Ended::Pages(pages, Vec::new()));
    }
    let tesseract = match Tesseract::find(&options.ocr_languages) {
        Ok(tesseract) => tesseract,
        Err(failure) if always => return Err(failure),
        Err(failure) => {
            let note = format!(
                "page {} has no usable text, and {}; {}",
                page_numbers(&wanted),
                failure.message,
                failure.hints.join(" ")
            );
            return Ok(Ended::Pages(pages, vec![note]));
        }
    };
    let Some(mut read) = recognize(file, options, &tesseract, &wanted, on)? else {
        return Ok(Ended::Stopped);
    };
    let mut failed = Vec::new();
    let mut layout = Layout::default();
    for page in pages.iter().filter(|page| wanted.contains(&page.number)) {
        match read.remove(&page.number) {
            Some(Ok(fragments)) => {
                let mut flags = page.flags.clone();
                flags.retain(|flag| {
                    !matches!(flag, PageFlag::NeedsOcr | PageFlag::Guessed | PageFlag::Failed)
                });
                flags.push(PageFlag::Ocr);
                layout.add(page.number, &fragments, flags);
            }
            Some(Err(why)) => failed.push((page.number, why)),
            None => failed.push((page.number, "it was not reached".to_owned())),
        }
    }
    while layout.due(true).is_some() {
        let Some(read) = layout.take() else { break };
        if let Some(page) = pages.iter_mut().find(|page| page.number == read.number) {
            *page = read;
        }
    }
    let notes = failed
        .into_iter()
        .map(|(number, why)| format!("page {number}: character recognition failed: {why}"))
        .collect();
    Ok(Ended::Pages(pages, notes))
}

/// Page numbers for people: "1-3, 7".
pub fn page_numbers(pages: &[u32]) -> String {
    let sorted: Vec<u32> = pages.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let runs = sorted.chunk_by(|a, b| a + 1 == *b);
    let texts: Vec<String> = runs
        .filter_map(|run| match (run.first()?, run.last()?) {
            (first, last) if first == last => Some(first.to_string()),
            (first, last) => Some(format!("{first}-{last}")),
        })
        .collect();
    texts.join(", ")
}

type Read = BTreeMap<u32, std::result::Result<PageFragments, String>>;

/// Reads these pages, several at a time; none if `on` asked to stop.
fn recognize(
    file: &Path,
    options: &ReadOptions,
    tesseract: &Tesseract,
    wanted: &[u32],
    on: &mut OnProgress<'_>,
) -> Result<Option<Read>> {
    let worker = match std::env::var_os(super::supervise::WORKER) {
        Some(program) => PathBuf::from(program),
        None => std::env::current_exe().because("this program's own file cannot be found")?,
    };
    let task = page::Task {
        worker: &worker,
        file,
        tesseract,
        password: options.password.as_deref().unwrap_or_default(),
        memory_mib: options.memory_mib,
        limit: Duration::from_secs(options.page_seconds.max(1)) * PATIENCE,
    };
    let cancel = Cancel::default();
    let (ask, asked) = crossbeam_channel::unbounded();
    for number in wanted {
        ask.send(*number).map_err(|_| Failure::defect("no page can be asked for"))?;
    }
    drop(ask);
    let (answer, answers) = crossbeam_channel::unbounded();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let total = wanted.len();
    let mut read = Read::new();
    let stopped = std::thread::scope(|scope| {
        for _ in 0..cores.min(AT_ONCE).min(total) {
            let (asked, answer) = (asked.clone(), answer.clone());
            let (task, cancel) = (&task, &cancel);
            scope.spawn(move || {
                for number in asked {
                    if cancel.is_cancelled()
                        || answer.send((number, task.read(number, cancel))).is_err()
                    {
                        break;
                    }
                }
            });
        }
        drop(answer);
        loop {
            let report = Progress::new("ocr", read.len() as u64, Some(total as u64), "pages");
            if let ControlFlow::Break(()) = on(report) {
                cancel.cancel();
                return true;
            }
            match answers.recv_timeout(TICK) {
                Ok((number, page)) => drop(read.insert(number, page)),
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
                Err(crossbeam_channel::RecvTimeoutError::Disconnected) => return false,
            }
        }
    });
    Ok((!stopped).then_some(read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_numbers_are_put_together() {
        assert_eq!(page_numbers(&[3, 1, 2, 7]), "1-3, 7");
        assert_eq!(page_numbers(&[]), "");
    }
}
