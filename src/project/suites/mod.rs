//! Suites in a project's `eval` folder: read, written, and made of other evaluations' files.

mod import;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

pub use import::{SuiteImport, SuiteImported, import};

use crate::evaluate::{self, Problem, Suite};
use crate::failure::{Context as _, Failure, Result};
use crate::whole_file::write_whole;

/// The folder of a project's own suites.
const FOLDER: &str = "eval";
/// The two files of a suite.
const MANIFEST: &str = "suite.toml";
const CASES: &str = "cases.jsonl";
/// Names that are taken beside those of the shipped suites: the suites made of a project's own pairs.
const OWN: [&str; 2] = ["domain", "project-tools"];

/// A suite of the project's own, its folder, and lines of it that could not be used.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSuite {
    /// Its folder.
    pub folder: PathBuf,
    /// The suite.
    pub suite: Suite,
    /// Lines that could not be used.
    pub problems: Vec<Problem>,
}

/// The suites in the `eval` folder of the project at `folder`, by their folders' names. Folders whose
/// name begins with a dot are none: a suite that is being written is one of them.
///
/// # Errors
/// Names the file that cannot be read.
pub fn stored(folder: &Path) -> Result<Vec<StoredSuite>> {
    let folder = folder.join(FOLDER);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&folder).because(folder.display())? {
        let entry = entry.because(folder.display())?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.path().join(MANIFEST).is_file() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    let read = |folder: PathBuf| {
        let text = |name: &str| {
            let file = folder.join(name);
            fs::read_to_string(&file).because(file.display())
        };
        let (suite, problems) = Suite::parse(&text(MANIFEST)?, &text(CASES)?)
            .map_err(|failure| failure.context(folder.display()))?;
        Ok(StoredSuite { folder, suite, problems })
    };
    folders.into_iter().map(read).collect()
}

/// Refuses a name that cannot be a folder's or that a suite already has.
fn check_name(name: &str, project: &Path, replace: bool) -> Result<()> {
    let fits = |c: char| c.is_alphanumeric() || ['-', '_', '.'].contains(&c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
        return Err(Failure::user(format!("`{name}` is no name of a suite"))
            .hint("use letters, digits, `-`, `_` and `.`: `--name my-suite`"));
    }
    let shipped = evaluate::shipped();
    let taken = |suite: &Suite| suite.name == name || suite.name.starts_with(&format!("{name}/"));
    if OWN.contains(&name) || shipped.iter().any(taken) {
        return Err(Failure::user(format!("`{name}` is the name of a suite of this program"))
            .hint(format!("give another: `--name my-{name}`")));
    }
    let folder = project.join(FOLDER).join(name);
    if !replace && folder.exists() {
        return Err(Failure::user(format!("{}: there is a suite of that name", folder.display()))
            .hint("`--replace` puts the new one in its place; `--name NAME` gives the new one another name"));
    }
    Ok(())
}

/// Writes a suite into the project at `project`, whole or not at all, in the place of one that is there.
fn write(suite: &Suite, project: &Path) -> Result<PathBuf> {
    let (manifest, cases) = suite.to_files()?;
    let parent = project.join(FOLDER);
    fs::create_dir_all(&parent).because(parent.display())?;
    let temporary = |what: &str| {
        tempfile::Builder::new()
            .prefix(&format!(".{what}-"))
            .tempdir_in(&parent)
            .because(parent.display())
    };
    let new = temporary("new")?;
    write_whole(&new.path().join(MANIFEST), manifest.as_bytes())?;
    write_whole(&new.path().join(CASES), cases.as_bytes())?;
    let folder = parent.join(&suite.name);
    // An old suite is moved into a folder that is removed at the end.
    let old = temporary("old")?;
    let aside = old.path().join("suite");
    let replaced = folder.exists();
    if replaced {
        fs::rename(&folder, &aside).because(folder.display())?;
    }
    if let Err(error) = open_to_read(new.path()).and_then(|()| fs::rename(new.path(), &folder)) {
        if replaced {
            fs::rename(&aside, &folder).because(folder.display())?;
        }
        return Err(Failure::user(format!("{}: {error}", folder.display()))
            .hint("check the permissions of the project's folder; nothing was changed"));
    }
    // It is at its place and no longer temporary.
    let _ = new.keep();
    Ok(folder)
}

/// Gives a temporary folder the permissions of any other.
#[cfg(unix)]
fn open_to_read(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for name in [MANIFEST, CASES] {
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn open_to_read(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
