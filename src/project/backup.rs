//! A sound copy of the store, made at most once an hour when a project is opened.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags};

use super::failures::{SqlContext as _, damaged};
use crate::failure::{Context as _, Result};

const AGE_MAX: Duration = Duration::from_hours(1);
/// Bytes of a store that is checked and copied before it is used.
const AT_ONCE_MAX: u64 = 32 << 20;

/// Where the copy of the store at `path` is.
pub(super) fn path(path: &Path) -> PathBuf {
    path.with_extension("backup.sqlite")
}

/// A copy being made on a thread of its own. Dropping it gives up and leaves the old copy.
#[derive(Debug)]
pub(super) struct Running {
    interrupt: InterruptHandle,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for InterruptHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InterruptHandle")
    }
}

/// What ends the work of a connection from another thread.
struct InterruptHandle(rusqlite::InterruptHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.interrupt.0.interrupt();
        if let Some(thread) = self.thread.take() {
            // A panic there has been told by the thread itself.
            drop(thread.join());
        }
    }
}

/// Copies the store if the last copy is older than an hour and the store is sound. A large store is
/// checked and copied beside the work on it; then what was started is answered.
///
/// # Errors
/// Only when the store is damaged. A copy that cannot be made is logged, and the old one stays.
pub(super) fn refresh(connection: &Connection, store: &Path) -> Result<Option<Running>> {
    let copy = path(store);
    let age = std::fs::metadata(&copy)
        .and_then(|metadata| metadata.modified())
        .map(|modified| SystemTime::now().duration_since(modified).unwrap_or_default());
    if age.is_ok_and(|age| age < AGE_MAX) {
        return Ok(None);
    }
    let large = std::fs::metadata(store).is_ok_and(|metadata| metadata.len() > AT_ONCE_MAX);
    if large {
        return Ok(beside(store));
    }
    check_and_copy(connection, store)?;
    Ok(None)
}

fn check_and_copy(connection: &Connection, store: &Path) -> Result<()> {
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).at(store)?;
    if verdict != "ok" {
        return Err(damaged(store, verdict));
    }
    if let Err(failure) = copy_to(connection, store, &path(store)) {
        tracing::warn!("no backup of the store: {failure}");
    }
    Ok(())
}

/// Checks and copies over a connection and a thread of their own; without them there is no copy.
fn beside(store: &Path) -> Option<Running> {
    let start = || -> Result<Running> {
        let connection =
            Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE).at(store)?;
        let interrupt = InterruptHandle(connection.get_interrupt_handle());
        let store = store.to_owned();
        let work = move || {
            if let Err(failure) = check_and_copy(&connection, &store) {
                tracing::error!("{failure}");
            }
        };
        let thread = std::thread::Builder::new()
            .name("backup".to_owned())
            .spawn(work)
            .because("failed to start a thread")?;
        Ok(Running { interrupt, thread: Some(thread) })
    };
    start().inspect_err(|failure| tracing::warn!("no backup of the store: {failure}")).ok()
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
