//! One writing process a project.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::failure::{Context as _, Failure, Result};

/// How long a lock that is held is tried for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Holds the project's lock while it lives; the system lets go of it even after `kill -9`.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Whether another process holds the lock now.
    pub fn is_held(folder: &Path) -> bool {
        let file = OpenOptions::new().read(true).write(true).open(folder.join("hone.lock"));
        let taken = file.map(|file| patiently(|| file.try_lock()));
        matches!(taken, Ok(Err(TryLockError::WouldBlock)))
    }

    /// Takes the lock, or tells which process holds it.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join("hone.lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .because(path.display())
            .map_err(|failure| failure.hint("check that you may write in that folder"))?;
        match patiently(|| file.try_lock()) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(folder, &mut file)),
            Err(TryLockError::Error(error)) => {
                return Err(Failure::user(format!("{}: cannot lock: {error}", path.display()))
                    .hint("some network drives have no locks; keep the project on a local disk"));
            }
        }
        // The holder's number only serves the message; without it the lock is as good.
        let note = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()));
        if let Err(error) = note {
            tracing::warn!("{}: {error}", path.display());
        }
        Ok(Self { _file: file })
    }
}

/// Tries for a moment: a program that just ended, or one that was just forked and has not closed its
/// inherited files yet, lets go of the lock by itself.
fn patiently(
    mut attempt: impl FnMut() -> std::result::Result<(), TryLockError>,
) -> std::result::Result<(), TryLockError> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => {
                std::thread::sleep(PATIENCE / 10);
            }
            outcome => return outcome,
        }
    }
}

fn held(folder: &Path, file: &mut File) -> Failure {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    let process = read.ok().and_then(|_| text.trim().parse::<u32>().ok());
    let who = process.map_or("another process".to_owned(), |id| format!("process {id}"));
    let who = if process == Some(std::process::id()) { "this process".to_owned() } else { who };
    Failure::user(format!("{}: {who} has the project open", folder.display())).hint(
        "close it there first; reading commands (`pairs list`, `pairs export`) work all the same",
    )
}
