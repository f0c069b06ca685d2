//! `hone document`: add documents, show their text, list them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{print::Output, run_job, say};
use crate::document::{self, Page, PageFlag, ReadOptions, Reading};
use crate::failure::{Context, Failure, Result};
use crate::job::{JobSpec, Models};
use crate::project::Project;

/// Subcommands of `hone document`.
#[derive(Debug, Subcommand)]
pub enum DocumentCommand {
    /// Read documents into the project as pages and passages.
    Add {
        /// Files to add.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Password of encrypted files.
        #[arg(long)]
        password: Option<String>,
    },
    /// Print a document's text without adding it.
    Text {
        /// The file.
        file: PathBuf,
        /// Password of an encrypted file.
        #[arg(long)]
        password: Option<String>,
        /// Which engine reads the file: `hayro` or `pdf-extract`.
        #[arg(long, default_value = "hayro")]
        engine: document::Engine,
        /// Print JSON with page numbers and flags.
        #[arg(long)]
        json: bool,
    },
    /// List the project's documents.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of the hidden worker process.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// The file to read.
    file: PathBuf,
    /// Which engine reads it.
    #[arg(long, default_value = "hayro")]
    engine: document::Engine,
    /// Page to begin at.
    #[arg(long, default_value_t = 1)]
    first_page: u32,
    /// Page to end at.
    #[arg(long, default_value_t = u32::MAX)]
    last_page: u32,
    /// Pages not to touch.
    #[arg(long)]
    skip: Vec<u32>,
}

/// Runs `hone document`.
pub fn run(
    command: DocumentCommand,
    folder: impl Fn() -> Result<PathBuf>,
    out: &mut Output,
) -> Result<()> {
    match command {
        DocumentCommand::Add { files, password } => {
            add(&files, password.as_deref(), &folder()?, out)
        }
        DocumentCommand::Text { file, password, engine, json } => {
            let options = ReadOptions { password, engine, ..ReadOptions::default() };
            text(&file, options, json, out)
        }
        DocumentCommand::List { json } => list(&folder()?, json, out),
    }
}

/// Runs the worker process that reads one document.
pub fn worker(args: &WorkerArgs) -> Result<()> {
    let skip = args.skip.clone();
    if document::worker(&args.file, args.engine, args.first_page, args.last_page, skip)
        == ExitCode::SUCCESS
    {
        Ok(())
    } else {
        Err(Failure::user(format!("{}: could not be read", args.file.display())))
    }
}

/// Adds every file that can be added; fails at the end if one could not.
fn add(files: &[PathBuf], password: Option<&str>, folder: &Path, out: &mut Output) -> Result<()> {
    let models = Models::default();
    let mut first_failure = None;
    for path in files {
        let mut password = password.map(str::to_owned);
        if password.is_none()
            && super::password::can_ask()
            && document::is_locked(path).unwrap_or(false)
        {
            password = super::password::ask(path);
        }
        let spec = JobSpec::AddDocument { path: path.clone(), password };
        match run_job(&spec, folder, &models) {
            Ok(message) => say(out, message)?,
            Err(failure) if files.len() == 1 => return Err(failure),
            Err(failure) => {
                super::print::failure(&failure);
                first_failure.get_or_insert(failure);
            }
        }
    }
    first_failure.map_or(Ok(()), |failure| {
        Err(Failure::user(format!("not every file could be added; the first was: {failure}")))
    })
}

/// Prints each page as it comes.
fn text(file: &Path, mut options: ReadOptions, json: bool, out: &mut Output) -> Result<()> {
    let mut progress = super::print::progress();
    let mut without = Vec::new();
    let mut first = true;
    let mut each = |page: Page| {
        if page.flags.contains(&PageFlag::NeedsOcr) {
            without.push(page.number.to_string());
        }
        let before = match (json, std::mem::take(&mut first)) {
            (false, _) => "",
            (true, true) => "{\"pages\":[",
            (true, false) => ",",
        };
        if json {
            let page = json!({"number": page.number, "text": page.text, "flags": page.flags});
            write(out, format_args!("{before}{page}"))
        } else {
            write(out, format_args!("{}\n\u{c}\n", page.text))
        }
    };
    let mut notes = Vec::new();
    let mut end = document::read_pages(file, &options, &mut notes, &mut progress, &mut each)?;
    if end == Reading::Locked
        && let Some(password) = super::password::ask(file)
    {
        options.password = Some(password);
        end = document::read_pages(file, &options, &mut notes, &mut progress, &mut each)?;
    }
    for note in &notes {
        super::print::note(note);
    }
    match end {
        Reading::Finished => {}
        Reading::Stopped => return Ok(()),
        Reading::Locked => return Err(document::locked(file)),
    }
    if json {
        return say(out, "]}");
    }
    if !without.is_empty() {
        return Err(Failure::user(format!(
            "{}: no usable text on page {}",
            file.display(),
            without.join(", ")
        ))
        .hint(
            "these pages are pictures or lack a character table; they need character recognition",
        ));
    }
    Ok(())
}

fn write(out: &mut Output, text: std::fmt::Arguments<'_>) -> Result<()> {
    out.write_fmt(text).because("standard output")
}

fn list(folder: &Path, json: bool, out: &mut Output) -> Result<()> {
    let documents = Project::reopen(folder)?.documents()?;
    if json {
        return say(out, serde_json::to_string(&documents).unwrap_or_default());
    }
    if documents.is_empty() {
        return say(out, "no documents yet; `hone document add FILE` adds one");
    }
    for document in documents {
        let warning = match document.needs_ocr {
            0 => String::new(),
            n => format!(", {n} pages need character recognition"),
        };
        say(
            out,
            format!(
                "{}  {} pages, {} passages{warning}",
                document.name, document.pages, document.passages
            ),
        )?;
    }
    Ok(())
}
