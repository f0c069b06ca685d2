//! `hone new`: makes a project.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::{Context as _, Failure, Result};
use crate::project::Project;

/// Makes a project folder.
#[derive(Debug, Clone, Args)]
pub struct NewArgs {
    /// Folder to make the project in; made where it does not exist
    pub folder: PathBuf,
    /// Name of the project [default: the folder's name]
    #[arg(long)]
    pub name: Option<String>,
}

/// Makes the project; a relative folder is meant from `current`.
pub fn run(args: &NewArgs, current: &Path, out: &mut dyn Write) -> Result<()> {
    let folder = current.join(&args.folder);
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(&folder)?,
    };
    let project = Project::create(&folder, &name)?;
    writeln!(out, "made project \"{}\" in {}", project.name(), args.folder.display())
        .because("output")
}

fn name_of(folder: &Path) -> Result<String> {
    // `hone new .` means the folder's own name.
    let whole = std::path::absolute(folder).because(folder.display())?;
    let whole = whole.canonicalize().unwrap_or(whole);
    whole.file_name().map(|name| name.to_string_lossy().into_owned()).ok_or_else(|| {
        Failure::user(format!("{}: the folder has no name", folder.display()))
            .hint("give the project one: `--name NAME`")
    })
}
