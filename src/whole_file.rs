//! Files that are written whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::failure::{Context as _, Failure, Result};

/// Writes `bytes` to a temporary file in the same folder, flushes it to disk, and renames it over
/// `path`, so that a crash or a full disk leaves the old file as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()
    };
    write().because(path.display()).map_err(|failure: Failure| {
        failure.hint(
            "check the free space and the permissions of that folder; the old file is unchanged",
        )
    })
}
