//! Files that are written whole or not at all.

use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use crate::failure::{Context as _, Failure, Result};

/// Writes `bytes` to a temporary file in the same folder, flushes it to disk, and renames it over
/// `path`, so that a crash or a full disk leaves the old file as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = write_whole_with(path, |file| {
        file.write_all(bytes).because(path.display()).map_err(unchanged)?;
        Ok(ControlFlow::Continue(()))
    });
    written.map(drop)
}

/// As [`write_whole`] what `write` writes, piece by piece. When it breaks, the old file stays and the
/// answer is none.
pub fn write_whole_with<T>(
    path: &Path,
    write: impl FnOnce(&mut fs::File) -> Result<ControlFlow<(), T>>,
) -> Result<Option<T>> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file =
        tempfile::NamedTempFile::new_in(folder).because(path.display()).map_err(unchanged)?;
    let ControlFlow::Continue(value) = write(file.as_file_mut())? else { return Ok(None) };
    let persist = || -> std::io::Result<()> {
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()
    };
    persist().because(path.display()).map_err(unchanged)?;
    Ok(Some(value))
}

fn unchanged(failure: Failure) -> Failure {
    failure
        .hint("check the free space and the permissions of that folder; the old file is unchanged")
}
