//! The process that reads one PDF file. PDF files come from anywhere and may crash, hang or exhaust what
//! reads them; in a process of its own that costs one page.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use super::engine::Engine;
use super::format;
use super::ocr;
use super::pdf::{decode, extract};
use super::wire::{Message, Refusal, Wanted};

/// Environment variable that gives the worker its memory limit, in MiB.
pub(super) const MEMORY: &str = "HONE_WORKER_MEMORY_MIB";

/// Reads the pages `first..=last` of `file`, except those in `skip`, with `engine` and writes one JSON value a
/// line to the standard output, each page as it is done. The password, if any, comes on the standard input.
/// Meant to be run by [`read`](super::read()) as `hone document-worker FILE --engine ENGINE --first-page N
/// --last-page N --skip N`.
pub fn worker(file: &Path, engine: Engine, first: u32, last: u32, skip: Vec<u32>) -> ExitCode {
    limit_memory();
    // What panics is reported with the page that it cost.
    std::panic::set_hook(Box::new(|_| {}));
    let mut password = String::new();
    if io::stdin().read_to_string(&mut password).is_err() {
        return ExitCode::FAILURE;
    }
    let mut output = io::stdout().lock();
    let mut send = |message: Message| -> ControlFlow<()> {
        let sent = serde_json::to_writer(&mut output, &message)
            .map_err(io::Error::from)
            .and_then(|()| output.write_all(b"\n"))
            .and_then(|()| output.flush());
        match sent {
            Ok(()) => ControlFlow::Continue(()),
            // Whoever asked is gone.
            Err(_) => ControlFlow::Break(()),
        }
    };
    let wanted = Wanted { pages: first..=last, skip };
    let done = match std::fs::read(file) {
        Err(error) => send(Message::Refused(Refusal::File(error.to_string()))),
        Ok(data) if format::is_other(file, &data) => format::extract(&data, &wanted, &mut send),
        Ok(data) => match engine {
            Engine::Hayro => decode::decode(data, &password, &wanted, &mut send),
            Engine::PdfExtract => extract::extract(&data, &password, &wanted, &mut send),
            Engine::Ocr => {
                let drawn = ocr::picture::write(data, &password, first, &mut io::stdout().lock());
                if drawn.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            }
        },
    };
    match done {
        ControlFlow::Continue(()) => ExitCode::SUCCESS,
        ControlFlow::Break(()) => ExitCode::FAILURE,
    }
}

/// Limits the address space to what the parent says, so that a file made to exhaust memory ends this
/// process only.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_memory() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let limit = std::env::var(MEMORY)
        .ok()
        .and_then(|mebibytes| mebibytes.parse::<u64>().ok())
        .map(|mebibytes| mebibytes.saturating_mul(1 << 20));
    if let Some(bytes) = limit {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        // Where the system refuses, the time limit is still there.
        let _ = setrlimit(Resource::As, limit);
    }
}

/// Other systems do not enforce an address space limit.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn limit_memory() {}
