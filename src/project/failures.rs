//! SQLite's errors in words a user can act on.

use std::path::Path;

use rusqlite::ErrorCode;

use super::backup;
use crate::failure::{Failure, Result};

/// Names the store in an SQLite error and says what to do.
pub(super) trait SqlContext<T> {
    fn at(self, path: &Path) -> Result<T>;
}

impl<T> SqlContext<T> for rusqlite::Result<T> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|error| failure(path, &error))
    }
}

fn failure(path: &Path, error: &rusqlite::Error) -> Failure {
    let file = path.display();
    if let rusqlite::Error::FromSqlConversionFailure(..) = error {
        return damaged(path, error);
    }
    let Some(code) = error.sqlite_error_code() else {
        return Failure::defect(format!("{file}: {error}"));
    };
    match code {
        ErrorCode::DiskFull => disk_full(path, error),
        // SQLite tells a write beyond a quota or a file size limit as an input/output error.
        ErrorCode::SystemIoFailure if is_write(error) => disk_full(path, error),
        ErrorCode::SystemIoFailure => Failure::user(format!(
            "{file}: cannot read or write: {error}"
        ))
        .hint("check the disk, and that the folder is still there (network or removable drive?)"),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => damaged(path, error),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Failure::user(format!("{file}: another connection is writing: {error}"))
                .hint("try again; if it lasts, close other programs that have the file open")
        }
        ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
            Failure::user(format!("{file}: cannot open for writing: {error}"))
                .hint("check that the folder exists and that you may write in it")
        }
        _ => Failure::defect(format!("{file}: {error}")),
    }
}

fn is_write(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi;
    let extended = error.sqlite_error().map(|error| error.extended_code);
    matches!(
        extended,
        Some(
            ffi::SQLITE_IOERR_WRITE
                | ffi::SQLITE_IOERR_FSYNC
                | ffi::SQLITE_IOERR_TRUNCATE
                | ffi::SQLITE_IOERR_SHMSIZE
        )
    )
}

fn disk_full(path: &Path, error: &rusqlite::Error) -> Failure {
    Failure::user(format!(
        "{}: cannot write, the disk or quota is full: {error}",
        path.display()
    ))
    .hint(
        "free some space, then do it again; nothing of this step was saved, all before it is safe",
    )
}

/// The failure for a store that SQLite cannot make sense of.
pub(super) fn damaged(path: &Path, error: impl std::fmt::Display) -> Failure {
    let file = path.display();
    let failure = Failure::user(format!("{file}: the store is damaged: {error}"));
    let copy = backup::path(path);
    let failure = if copy.exists() {
        failure.hint(format!(
            "a sound copy made earlier is {}: move {file} away with its -wal and -shm files, \
             and rename the copy to {}",
            copy.display(),
            path.file_name().unwrap_or_default().display(),
        ))
    } else {
        failure
    };
    failure.hint(format!("what is readable can be saved with `sqlite3 {file} .recover`"))
}
