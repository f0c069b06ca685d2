//! A sound copy of the store, made at most once an hour when a project is opened.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

use super::failures::{SqlContext as _, damaged};
use crate::failure::{Context as _, Result};

const AGE_MAX: Duration = Duration::from_hours(1);

/// Where the copy of the store at `path` is.
pub(super) fn path(path: &Path) -> PathBuf {
    path.with_extension("backup.sqlite")
}

/// Copies the store if the last copy is older than an hour and the store is sound.
///
/// # Errors
/// Only when the store is damaged. A copy that cannot be made is logged, and the old one stays.
pub(super) fn refresh(connection: &Connection, store: &Path) -> Result<()> {
    let copy = path(store);
    let age = std::fs::metadata(&copy)
        .and_then(|metadata| metadata.modified())
        .map(|modified| SystemTime::now().duration_since(modified).unwrap_or_default());
    if age.is_ok_and(|age| age < AGE_MAX) {
        return Ok(());
    }
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).at(store)?;
    if verdict != "ok" {
        return Err(damaged(store, verdict));
    }
    if let Err(failure) = copy_to(connection, store, &copy) {
        tracing::warn!("no backup of the store: {failure}");
    }
    Ok(())
}

/// Copies the store whole or not at all.
pub(super) fn copy_to(connection: &Connection, store: &Path, copy: &Path) -> Result<()> {
    let folder = copy.parent().unwrap_or_else(|| Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder).because(copy.display())?;
    // `VACUUM INTO` writes to an existing file only when it is empty, as this one is.
    connection.execute("VACUUM INTO ?1", [file.path().to_string_lossy()]).at(store)?;
    file.as_file().sync_all().because(copy.display())?;
    file.persist(copy).because(copy.display())?;
    Ok(())
}
