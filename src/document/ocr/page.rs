//! Reads one page: a worker that draws it, tesseract that reads what was drawn, both with a time limit.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::pdf::fragment::PageFragments;
use super::super::worker::MEMORY;
use super::picture::DOTS;
use super::tesseract::Tesseract;
use super::words;
use crate::progress::Cancel;

/// How often the processes are looked at.
const TICK: Duration = Duration::from_millis(30);
/// Bytes of tesseract's answer, at most; a dense page has some hundred thousand.
const ANSWER: u64 = 16 << 20;

/// What is the same for every page.
pub(super) struct Task<'a> {
    pub worker: &'a Path,
    pub file: &'a Path,
    pub tesseract: &'a Tesseract,
    pub password: &'a str,
    pub memory_mib: u64,
    pub limit: Duration,
}

/// A process that ends when it is no longer wanted.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Task<'_> {
    /// The words on a page, or why there are none.
    pub(super) fn read(&self, number: u32, cancel: &Cancel) -> Result<PageFragments, String> {
        let mut worker = Command::new(self.worker)
            .arg("document-worker")
            .arg(self.file)
            .args(["--engine", "ocr", "--first-page", &number.to_string()])
            .env(MEMORY, self.memory_mib.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map(Running)
            .map_err(|error| format!("{}: {error}", self.worker.display()))?;
        if let Some(mut input) = worker.0.stdin.take() {
            // A worker that died already is noticed by its exit status.
            drop(input.write_all(self.password.as_bytes()));
        }
        let picture = worker.0.stdout.take().ok_or("the worker has no output")?;
        let mut reader = Command::new(&self.tesseract.program)
            .args(["stdin", "stdout", "-l", &self.tesseract.languages])
            // One column of lines of any size: with its own search for columns tesseract tears table
            // rows and justified Korean lines apart.
            .args(["--psm", "4", "--dpi", &DOTS.to_string(), "tsv", "txt"])
            // Pages are read side by side, which uses the processors better than threads in one page.
            .env("OMP_THREAD_LIMIT", "1")
            .stdin(Stdio::from(picture))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map(Running)
            .map_err(|error| format!("{}: {error}", self.tesseract.program.display()))?;
        let output = reader.0.stdout.take().ok_or("tesseract has no output")?;
        let answer = std::thread::spawn(move || {
            let mut text = Vec::new();
            output.take(ANSWER).read_to_end(&mut text).map(|_| text)
        });
        let since = Instant::now();
        let status = loop {
            if cancel.is_cancelled() {
                return Err("it was stopped".to_owned());
            }
            match reader.0.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if since.elapsed() > self.limit => {
                    return Err(format!("it took more than {} seconds", self.limit.as_secs()));
                }
                Ok(None) => std::thread::sleep(TICK),
                Err(error) => return Err(error.to_string()),
            }
        };
        let drawn = worker.0.wait().is_ok_and(|status| status.success());
        match (drawn, status.success()) {
            (true, true) => {}
            (true, false) => return Err(format!("tesseract ended with {status}")),
            (false, true) => return Err("the page could not be drawn".to_owned()),
            // Either one's end may have ended the other.
            (false, false) => {
                return Err(format!(
                    "it could not be drawn or read; tesseract ended with {status}"
                ));
            }
        }
        let answer = answer
            .join()
            .map_err(|_| "its answer could not be read".to_owned())?
            .map_err(|error| error.to_string())?;
        Ok(words::fragments(&String::from_utf8_lossy(&answer)))
    }
}
