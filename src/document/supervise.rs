//! Runs workers until every page was read or given up.

use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::passage::{Page, PageFlag};
use super::read::ReadOptions;
use super::wire::{Message, Refusal, Wanted};
use super::worker::MEMORY;
use crate::failure::{Context, Failure, Result};
use crate::progress::{OnProgress, Progress};

/// Environment variable that names the program to run as worker, for tests.
pub(super) const WORKER: &str = "HONE_WORKER";
/// How often the caller is asked whether to stop.
const TICK: Duration = Duration::from_millis(200);
/// Pages in a row that may bring a worker down before the rest is given up.
const FAILURES: usize = 5;

/// What became of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every page was handed on, read or failed.
    Done,
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

/// Reads a PDF file in worker processes and hands on its pages in order. Fails where a worker cannot be
/// started, or as `each` does.
pub(super) fn supervise(
    file: &Path,
    options: &ReadOptions,
    on: &mut OnProgress<'_>,
    each: &mut dyn FnMut(Page) -> Result<()>,
) -> Result<Outcome> {
    let program = match std::env::var_os(WORKER) {
        Some(program) => PathBuf::from(program),
        None => std::env::current_exe().because("this program's own file cannot be found")?,
    };
    let mut reading = Reading { total: None, next: 1, at: 1, wanted: Wanted::default(), each };
    loop {
        let mut worker = Worker::start(&program, file, options, &reading.wanted)?;
        let timeout = match worker.follow(options, on, &mut reading)? {
            End::Done => break,
            End::Refused(refusal) => return Ok(Outcome::Refused(refusal)),
            End::Stopped => return Ok(Outcome::Stopped),
            End::Crashed => false,
            End::TimedOut => true,
        };
        drop(worker);
        let Some(total) = reading.total else {
            return Ok(Outcome::Crashed { timeout });
        };
        if !reading.step_over(total) {
            break;
        }
    }
    // What a worker did not send, it was not to touch.
    for number in reading.next..=reading.total.unwrap_or(0) {
        (reading.each)(failed(number))?;
    }
    Ok(Outcome::Done)
}

/// How far the file has been read.
struct Reading<'a> {
    /// Pages in the file, once it is open.
    total: Option<u32>,
    /// The next page to hand on.
    next: u32,
    /// The page that the worker is at.
    at: u32,
    /// What the next worker is to read.
    wanted: Wanted,
    each: &'a mut dyn FnMut(Page) -> Result<()>,
}

impl Reading<'_> {
    fn note(&mut self, message: Message) -> Result<()> {
        match message {
            Message::Open { pages } => self.total = Some(pages),
            Message::At(page) => self.at = page,
            Message::Page(page) if page.number >= self.next => {
                self.next = page.number + 1;
                (self.each)(page)?;
            }
            Message::Page(_) | Message::Done | Message::Refused(_) => {}
        }
        Ok(())
    }

    /// Plans to go on without the page that brought the worker down. False if nothing is left to read.
    fn step_over(&mut self, total: u32) -> bool {
        let culprit = self.at.clamp(self.next, total.max(self.next));
        let again = self.wanted.skip.contains(&culprit);
        self.wanted.skip.push(culprit);
        let in_a_row =
            (1..=culprit).rev().take_while(|page| self.wanted.skip.contains(page)).count();
        // A page that was to be skipped and fails again is no page's fault.
        if in_a_row >= FAILURES || again {
            let last = *self.wanted.pages.end();
            self.wanted.pages = self.next..=last.min(culprit.saturating_sub(1));
        } else {
            self.wanted.pages = self.next..=*self.wanted.pages.end();
        }
        self.at = self.next;
        !self.wanted.pages.is_empty() && self.next <= total
    }
}

fn failed(number: u32) -> Page {
    Page { number, text: String::new(), flags: vec![PageFlag::Failed] }
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
    fn start(program: &Path, file: &Path, options: &ReadOptions, wanted: &Wanted) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .arg("document-worker")
            .arg(file)
            .args(["--engine", options.engine.name()])
            .args(["--first-page", &wanted.pages.start().to_string()])
            .args(["--last-page", &wanted.pages.end().to_string()]);
        for page in &wanted.skip {
            command.args(["--skip", &page.to_string()]);
        }
        let mut child = command
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

    /// Hands on messages until the worker ends.
    fn follow(
        &mut self,
        options: &ReadOptions,
        on: &mut OnProgress<'_>,
        reading: &mut Reading<'_>,
    ) -> Result<End> {
        let limit = Duration::from_secs(options.page_seconds.max(1));
        let mut since = Instant::now();
        loop {
            match self.lines.recv_timeout(TICK) {
                Ok(line) => {
                    since = Instant::now();
                    match serde_json::from_str(&line) {
                        Ok(Message::Done) => return Ok(End::Done),
                        Ok(Message::Refused(refusal)) => return Ok(End::Refused(refusal)),
                        Ok(message) => reading.note(message)?,
                        // The worker writes nothing else; a library that prints is no reason to fail.
                        Err(_) => continue,
                    }
                }
                Err(RecvTimeoutError::Timeout) if since.elapsed() > limit => {
                    return Ok(End::TimedOut);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(End::Crashed),
            }
            let done = u64::from(reading.next - 1);
            let report = Progress::new("document", done, reading.total.map(u64::from), "pages");
            if let ControlFlow::Break(()) = on(report) {
                return Ok(End::Stopped);
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
