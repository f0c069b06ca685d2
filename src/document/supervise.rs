//! Runs workers until every page was read or given up.

use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::passage::PageFlag;
use super::read::ReadOptions;
use super::wire::{Message, PageContent, PageRecord, Refusal};
use super::worker::MEMORY;
use crate::failure::{Context, Failure, Result};
use crate::progress::{OnProgress, Progress};

/// Environment variable that names the program to run as worker, for tests.
const WORKER: &str = "HONE_WORKER";
/// How often the caller is asked whether to stop.
const TICK: Duration = Duration::from_millis(200);
/// Pages in a row that may fail before the rest is given up.
const FAILURES: u32 = 5;

/// What the workers found.
pub(super) enum Outcome {
    /// Every page, read or failed.
    Pages {
        /// In order, one for each page of the file.
        pages: Vec<PageRecord>,
        /// The file was damaged.
        recovered: bool,
    },
    /// The file cannot be read.
    Refused(Refusal),
    /// The worker ended before it could open the file.
    Crashed {
        /// It was stopped because it took too long.
        timeout: bool,
    },
    /// The caller asked to stop.
    Stopped,
}

/// Reads a PDF file in worker processes.
pub(super) fn supervise(
    file: &Path,
    options: &ReadOptions,
    on: &mut OnProgress<'_>,
) -> Result<Outcome> {
    let program = match std::env::var_os(WORKER) {
        Some(program) => PathBuf::from(program),
        None => std::env::current_exe().because("this program's own file cannot be found")?,
    };
    let mut pages: Vec<PageRecord> = Vec::new();
    let mut total = None;
    let mut recovered = false;
    let mut failures = 0;
    loop {
        let first = pages.len() as u32 + 1;
        let mut worker = Worker::start(&program, file, options, first)?;
        let before = pages.len();
        let end = worker.follow(options, on, &mut |message| match message {
            Message::Open { pages, recovered: damaged } => {
                total = Some(pages);
                recovered = damaged;
                (0, Some(pages))
            }
            Message::Page(page) => {
                pages.push(page);
                (pages.len() as u64, total)
            }
            Message::Done | Message::Refused(_) => (pages.len() as u64, total),
        });
        let timeout = match end {
            End::Done => return Ok(Outcome::Pages { pages, recovered }),
            End::Refused(refusal) => return Ok(Outcome::Refused(refusal)),
            End::Stopped => return Ok(Outcome::Stopped),
            End::Crashed => false,
            End::TimedOut => true,
        };
        let Some(total) = total else {
            return Ok(Outcome::Crashed { timeout });
        };
        // The page after the last one that came is the one that brought the worker down.
        failures = if pages.len() > before { 1 } else { failures + 1 };
        let given_up = if failures >= FAILURES { total } else { pages.len() as u32 + 1 };
        for number in pages.len() as u32 + 1..=given_up.min(total) {
            pages.push(failed(number));
        }
        if pages.len() as u32 >= total {
            return Ok(Outcome::Pages { pages, recovered });
        }
    }
}

fn failed(number: u32) -> PageRecord {
    PageRecord { number, content: PageContent::Text(String::new()), flags: vec![PageFlag::Failed] }
}

/// How one worker ended.
enum End {
    Done,
    Refused(Refusal),
    Crashed,
    TimedOut,
    Stopped,
}

/// A running worker; killed when dropped.
struct Worker {
    child: Child,
    lines: Receiver<String>,
}

impl Worker {
    fn start(program: &Path, file: &Path, options: &ReadOptions, first_page: u32) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("document-worker")
            .arg(file)
            .args(["--engine", options.engine.name()])
            .args(["--first-page", &first_page.to_string()])
            .env(MEMORY, options.memory_mib.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .because(format!("cannot start {} to read a PDF file", program.display()))?;
        if let Some(mut input) = child.stdin.take() {
            // A worker that died already is noticed when its output ends.
            drop(input.write_all(options.password.as_deref().unwrap_or_default().as_bytes()));
        }
        let output =
            child.stdout.take().ok_or_else(|| Failure::defect("the worker has no output"))?;
        let (sender, lines) = crossbeam_channel::bounded(16);
        std::thread::Builder::new()
            .name("document-worker".into())
            .spawn(move || {
                for line in BufReader::new(output).lines() {
                    let Ok(line) = line else { break };
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            })
            .because("cannot start a thread")?;
        Ok(Self { child, lines })
    }

    /// Hands on messages until the worker ends. `note` answers pages done and in all.
    fn follow(
        &mut self,
        options: &ReadOptions,
        on: &mut OnProgress<'_>,
        note: &mut dyn FnMut(Message) -> (u64, Option<u32>),
    ) -> End {
        let limit = Duration::from_secs(options.page_seconds.max(1));
        let mut since = Instant::now();
        let mut progress = (0, None);
        loop {
            match self.lines.recv_timeout(TICK) {
                Ok(line) => {
                    since = Instant::now();
                    match serde_json::from_str(&line) {
                        Ok(Message::Done) => return End::Done,
                        Ok(Message::Refused(refusal)) => return End::Refused(refusal),
                        Ok(message) => progress = note(message),
                        // The worker writes nothing else; a library that prints is no reason to fail.
                        Err(_) => continue,
                    }
                }
                Err(RecvTimeoutError::Timeout) if since.elapsed() > limit => return End::TimedOut,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return End::Crashed,
            }
            let (done, total) = progress;
            let report = Progress::new("document", done, total.map(u64::from), "pages");
            if let ControlFlow::Break(()) = on(report) {
                return End::Stopped;
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
