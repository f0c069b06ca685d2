//! Downloads model files from the Hugging Face hub or a mirror of it.
//!
//! The addresses are those of the hub's own client: `api/models/{repository}?blobs=true` lists
//! the files with size and SHA-256, `{repository}/resolve/{revision}/{file}` gives one.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::redirect::Policy;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::digest::hexadecimal;
use crate::failure::{Failure, Result};
use crate::progress::{OnProgress, Progress};

/// Why a source gave no model.
#[derive(Debug)]
pub enum Trouble {
    /// The progress callback asked for a stop; another source must not be tried.
    Stopped,
    /// This machine cannot hold the files; another source would not help.
    Storage(Failure),
    /// The source failed.
    Source(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Source(failure)
    }
}

/// A hub and how patiently it is asked.
#[derive(Debug, Clone)]
pub struct Hub {
    endpoint: String,
    token: Option<Token>,
    client: Client,
    /// How often a file that makes no progress is tried, and the pause after the first failure,
    /// doubled after each further one.
    tries: u32,
    pause: Duration,
}

/// An access token; never shown.
#[derive(Clone)]
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Name in the repository's top folder.
    pub name: String,
    /// Size in bytes, if the hub tells.
    pub size: Option<u64>,
    /// SHA-256 in hexadecimal; the hub tells it for large files.
    pub sha256: Option<String>,
}

/// What the hub says of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The commit listed, or "main".
    pub revision: String,
    /// Files in the top folder.
    pub files: Vec<RemoteFile>,
}

impl Hub {
    /// The hub that `HF_ENDPOINT` names, or huggingface.co, with the token in `HF_TOKEN`.
    ///
    /// # Errors
    /// When no client for encrypted connections can be made.
    pub fn from_environment() -> Result<Self> {
        let set = |key: &str| std::env::var(key).ok().filter(|value| !value.trim().is_empty());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        Self::new(&endpoint, set("HF_TOKEN").as_deref())
    }

    /// A hub at an address.
    ///
    /// # Errors
    /// As for [`Self::from_environment`].
    pub fn new(endpoint: &str, token: Option<&str>) -> Result<Self> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Fails only where another part of the program was first, which serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let mut client = Client::builder()
            .user_agent(concat!("hone/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(8))
            // For the blocking client this bounds each single read, not the whole download.
            .timeout(Duration::from_secs(30))
            .redirect(Policy::custom(|attempt| {
                let secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
                if attempt.previous().len() > 10 {
                    attempt.error("too many redirects")
                } else if secure && attempt.url().scheme() != "https" {
                    attempt.error("redirected to an unencrypted address")
                } else {
                    attempt.follow()
                }
            }));
        let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
        if local.iter().any(|start| endpoint.starts_with(start)) {
            client = client.no_proxy();
        }
        let client = client
            .build()
            .map_err(|error| Failure::user(format!("no network client: {}", reason(&error))))?;
        Ok(Self {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            token: token.map(|token| Token(token.trim().to_owned())),
            client,
            tries: 5,
            pause: Duration::from_secs(1),
        })
    }

    /// Sets how often a file that makes no progress is tried and the first pause between tries.
    #[must_use]
    pub fn patience(mut self, tries: u32, pause: Duration) -> Self {
        self.tries = tries.max(1);
        self.pause = pause;
        self
    }

    /// The hub's address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Lists the files of a repository. An unreachable hub fails at once; a hub that answers
    /// with a server error is asked again.
    ///
    /// # Errors
    /// Says whether the hub is unreachable, the repository unknown or access denied.
    pub fn list(&self, repository: &str, on: &mut OnProgress<'_>) -> Result<Listing, Trouble> {
        let address = format!("{}/api/models/{repository}?blobs=true", self.endpoint);
        let mut failed = 0;
        loop {
            let answer = self.get(&address, None);
            let problem = match answer {
                Ok(response) if response.status().is_success() => {
                    let text = response.text().map_err(|error| self.unreachable(&error))?;
                    return parse_listing(&text)
                        .map_err(|failure| failure.context(&self.endpoint).into());
                }
                Ok(response) if response.status().is_server_error() => {
                    format!("{} answered {}", self.endpoint, response.status())
                }
                Ok(response) => return Err(self.refused(response.status(), repository).into()),
                Err(error) => return Err(self.unreachable(&error).into()),
            };
            failed += 1;
            if failed >= self.tries {
                return Err(Failure::user(problem).into());
            }
            self.wait(failed, on)?;
        }
    }

    /// Downloads one file into a folder, going on where an earlier download stopped, and checks
    /// size and SHA-256. The file has its name only when whole; until then it ends in ".part".
    /// `on_bytes` is given the bytes of this file that are there.
    ///
    /// # Errors
    /// [`Trouble::Stopped`] when `on_bytes` breaks; otherwise what the hub or the disk did.
    pub fn download(
        &self,
        repository: &str,
        revision: &str,
        file: &RemoteFile,
        folder: &Path,
        on_bytes: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<PathBuf, Trouble> {
        let whole = folder.join(&file.name);
        let part = folder.join(format!("{}.part", file.name));
        if file.sha256.is_none() && part.exists() {
            // Nothing could tell a part of an older version from one of this.
            remove(&part)?;
        }
        let address = format!("{}/{repository}/resolve/{revision}/{}", self.endpoint, file.name);
        let mut failed = 0;
        loop {
            let before = length(&part);
            let problem = match self.fetch(&address, repository, file, &part, on_bytes) {
                Ok(()) => break,
                Err(Interrupted::Final(trouble)) => return Err(trouble),
                Err(Interrupted::Again(problem)) => problem,
            };
            failed = if length(&part) > before { 1 } else { failed + 1 };
            if failed >= self.tries {
                return Err(Failure::user(format!("{}: {problem}", file.name))
                    .hint("Run the command again: it goes on where it stopped.")
                    .into());
            }
            self.wait(failed, &mut |_| on_bytes(length(&part)))?;
        }
        verify(&part, file, on_bytes)?;
        std::fs::rename(&part, &whole).map_err(|error| storage(&whole, &error))?;
        Ok(whole)
    }

    /// Appends to the part file what is missing, in one request.
    fn fetch(
        &self,
        address: &str,
        repository: &str,
        file: &RemoteFile,
        part: &Path,
        on_bytes: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), Interrupted> {
        let mut have = length(part);
        if file.size.is_some_and(|size| have > size) {
            remove(part)?;
            have = 0;
        }
        if have > 0 && file.size == Some(have) {
            return Ok(());
        }
        let range = (have > 0).then(|| format!("bytes={have}-"));
        let response = self
            .get(address, range.as_deref())
            .map_err(|error| Interrupted::Again(self.unreachable(&error).message))?;
        let status = response.status();
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            remove(part)?;
            return Err(Interrupted::Again("the hub refused to go on in the file".to_owned()));
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Interrupted::Again(format!("the hub answered {status}")));
        }
        if !status.is_success() {
            return Err(Interrupted::Final(self.refused(status, repository).into()));
        }
        if status != StatusCode::PARTIAL_CONTENT || !starts_at(&response, have) {
            have = 0;
        }
        let total = file.size.or_else(|| response.content_length().map(|rest| rest + have));
        let mut options = OpenOptions::new();
        let mut output = if have == 0 {
            options.write(true).create(true).truncate(true).open(part)
        } else {
            options.append(true).open(part)
        }
        .map_err(|error| storage(part, &error))?;
        let done = copy(response, &mut output, part, have, total, on_bytes)?;
        if let Some(total) = total.filter(|total| done < *total) {
            return Err(Interrupted::Again(format!(
                "the connection was cut after {done} of {total} bytes"
            )));
        }
        output.sync_all().map_err(|error| storage(part, &error).into())
    }

    fn get(&self, address: &str, range: Option<&str>) -> reqwest::Result<Response> {
        let mut request = self.client.get(address);
        if let Some(token) = &self.token {
            // reqwest drops the header when a redirect leads to another host or port.
            request = request.bearer_auth(&token.0);
        }
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        request.send()
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        Failure::user(format!("{} cannot be reached ({})", self.endpoint, reason(error)))
    }

    fn refused(&self, status: StatusCode, repository: &str) -> Failure {
        let place = format!("{}/{repository}", self.endpoint);
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let failure = Failure::user(format!(
                    "access to {place} is denied ({status}): it does not exist, is private, or its licence must be accepted first"
                ));
                match self.token {
                    Some(_) => failure
                        .hint(format!("Open {place}, accept the licence, and check that HF_TOKEN may read it.")),
                    None => failure.hint(
                        "Set HF_TOKEN to a token from the hub's settings, after accepting the licence on the model's page.",
                    ),
                }
            }
            StatusCode::NOT_FOUND => Failure::user(format!("{place} does not exist ({status})"))
                .hint("Check owner and name; the hub tells upper from lower case."),
            _ => Failure::user(format!("{place} cannot be had ({status})")),
        }
    }

    /// Sleeps before the next try, a little at a time so that a stop is heard.
    fn wait(&self, failed: u32, on: &mut OnProgress<'_>) -> Result<(), Trouble> {
        const STEP: Duration = Duration::from_millis(100);
        let mut left = self.pause * 2_u32.saturating_pow(failed.saturating_sub(1)).min(16);
        while !left.is_zero() {
            if on(Progress::new("wait", 0, None, "bytes")).is_break() {
                return Err(Trouble::Stopped);
            }
            let step = left.min(STEP);
            std::thread::sleep(step);
            left -= step;
        }
        Ok(())
    }
}

/// Why a request for a file ended early.
enum Interrupted {
    /// Trying again may help.
    Again(String),
    /// It will not.
    Final(Trouble),
}

impl From<Trouble> for Interrupted {
    fn from(trouble: Trouble) -> Self {
        Self::Final(trouble)
    }
}

fn copy(
    mut response: Response,
    output: &mut File,
    part: &Path,
    have: u64,
    total: Option<u64>,
    on_bytes: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<u64, Interrupted> {
    let mut buffer = vec![0; 1 << 18];
    let mut done = have;
    loop {
        let read = match response.read(&mut buffer) {
            Ok(0) => return Ok(done),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Interrupted::Again(format!(
                    "the connection was cut after {done} bytes ({error})"
                )));
            }
        };
        done += read as u64;
        if total.is_some_and(|total| done > total) {
            remove(part)?;
            return Err(Interrupted::Final(Trouble::Source(Failure::user(format!(
                "{}: the hub sends more than the {} bytes it announced",
                part.display(),
                total.unwrap_or(0)
            )))));
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        output.write_all(bytes).map_err(|error| storage(part, &error))?;
        if on_bytes(done).is_break() {
            return Err(Trouble::Stopped.into());
        }
    }
}

/// Checks size and SHA-256; a part that is wrong is removed, since no resuming can mend it.
fn verify(
    part: &Path,
    file: &RemoteFile,
    on_bytes: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(), Trouble> {
    let size = length(part);
    let wrong = if file.size.is_some_and(|expected| expected != size) {
        Some(format!("{size} bytes came instead of {}", file.size.unwrap_or(0)))
    } else if let Some(expected) = &file.sha256 {
        let found = sha256(part, &mut |_| on_bytes(size))?;
        (!found.eq_ignore_ascii_case(expected))
            .then(|| format!("SHA-256 is {found}, the hub says {expected}"))
    } else {
        None
    };
    match wrong {
        None => Ok(()),
        Some(what) => {
            remove(part)?;
            Err(Failure::user(format!("{}: {what}; the file was deleted", file.name))
                .hint(
                    "Run the command again; if it stays wrong, the mirror or a proxy alters files.",
                )
                .into())
        }
    }
}

/// SHA-256 of a file in hexadecimal. `on_bytes` is given the bytes read.
///
/// # Errors
/// [`Trouble::Stopped`] when `on_bytes` breaks, [`Trouble::Storage`] when reading fails.
pub fn sha256(
    path: &Path,
    on_bytes: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<String, Trouble> {
    let mut file = File::open(path).map_err(|error| storage(path, &error))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let read = file.read(&mut buffer).map_err(|error| storage(path, &error))?;
        if read == 0 {
            break;
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        done += read as u64;
        if on_bytes(done).is_break() {
            return Err(Trouble::Stopped);
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}

/// Says which file could not be written or read, and why; a full disk in plain words.
pub(crate) fn storage(path: &Path, error: &std::io::Error) -> Trouble {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let failure = Failure::user(format!("{}: {error}", path.display()));
    Trouble::Storage(if full {
        failure.hint("The disk is full: free some space, or set HONE_MODELS to a folder on another disk. What was downloaded is kept.")
    } else {
        failure
    })
}

fn remove(path: &Path) -> Result<(), Trouble> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(storage(path, &error)),
        _ => Ok(()),
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}

/// Tells whether a partial answer begins where the part file ends.
fn starts_at(response: &Response, have: u64) -> bool {
    let value = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = value.and_then(|value| value.strip_prefix("bytes ")?.split('-').next());
    start.and_then(|start| start.parse::<u64>().ok()) == Some(have)
}

/// The innermost cause of a network error, without the address: that may hold a signature.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() }
}

#[derive(Deserialize)]
struct RawListing {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    size: Option<u64>,
    sha256: Option<String>,
}

fn parse_listing(text: &str) -> Result<Listing> {
    let raw: RawListing = serde_json::from_str(text)
        .map_err(|error| Failure::user(format!("the list of files is unreadable: {error}")))?;
    let commit =
        raw.sha.filter(|sha| sha.len() == 40 && sha.chars().all(|c| c.is_ascii_hexdigit()));
    let plain = |name: &str| !name.contains(['/', '\\', '?', '#', '%']) && !name.starts_with('.');
    let files = raw.siblings.into_iter().filter(|sibling| plain(&sibling.rfilename));
    let files = files.map(|sibling| {
        let lfs = sibling.lfs;
        RemoteFile {
            name: sibling.rfilename,
            size: sibling.size.or_else(|| lfs.as_ref()?.size),
            sha256: lfs.and_then(|lfs| lfs.sha256),
        }
    });
    Ok(Listing { revision: commit.unwrap_or_else(|| "main".to_owned()), files: files.collect() })
}
