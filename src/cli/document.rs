//! `hone document`: add documents, show their text and passages, list them.

mod passages;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{print::Output, run_job, say};
use crate::document::{self, OcrUse, Page, PageFlag, PassageSettings, ReadOptions, Reading};
use crate::failure::{Context, Failure, Result};
use crate::job::{self, AddOptions, JobSpec, Models};
use crate::project::Project;

/// Subcommands of `hone document`.
#[derive(Debug, Subcommand)]
pub enum DocumentCommand {
    /// Read documents into the project as pages and passages: PDF, Word (DOCX), HWPX, HTML, Markdown, text.
    Add {
        /// Files to add; one of the same name takes the place of the version that is there.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Password of encrypted files.
        #[arg(long)]
        password: Option<String>,
        /// Leave pages without text as they are, also where tesseract is installed.
        #[arg(long)]
        no_ocr: bool,
        #[command(flatten)]
        lengths: Lengths,
        /// Print JSON: what was added, and what a new version changed.
        #[arg(long)]
        json: bool,
    },
    /// Print a document's text without adding it.
    Text {
        /// The file.
        file: PathBuf,
        /// Password of an encrypted file.
        #[arg(long)]
        password: Option<String>,
        /// What reads PDF files: `hayro`, `pdf-extract`, or `ocr` for character recognition of every page.
        #[arg(long, default_value = "hayro")]
        engine: document::Engine,
        /// Leave pages without text as they are, also where tesseract is installed.
        #[arg(long)]
        no_ocr: bool,
        /// Languages of character recognition, as tesseract names them.
        #[arg(long, default_value = "kor+eng", value_name = "LANGUAGES")]
        ocr_languages: String,
        /// Print JSON with page numbers and flags.
        #[arg(long)]
        json: bool,
    },
    /// Show the passages of a file, or of the project's documents, without changing any.
    Passages(passages::PassagesArgs),
    /// List the project's documents.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// How long passages are.
#[derive(Debug, Clone, Copy, Args)]
pub struct Lengths {
    /// Tokens that a passage may have, as the project's model counts them; kept by the project [usually: 400]
    #[arg(long, value_parser = clap::value_parser!(u32).range(20..))]
    tokens: Option<u32>,
    /// Tokens that a passage may repeat of the one before, in whole sentences [usually: 0]
    #[arg(long)]
    overlap: Option<u32>,
}

impl Lengths {
    /// The settings chosen, over those there are; none where nothing was chosen.
    fn over(self, usual: PassageSettings) -> Option<PassageSettings> {
        let chosen = self.tokens.is_some() || self.overlap.is_some();
        chosen.then(|| PassageSettings {
            tokens: self.tokens.map_or(usual.tokens, |tokens| tokens as usize),
            overlap: self.overlap.map_or(usual.overlap, |overlap| overlap as usize),
        })
    }
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
        DocumentCommand::Add { files, password, no_ocr, lengths, json } => {
            let folder = folder()?;
            let usual = job::documents::settings(&Project::reopen(&folder)?)?;
            let options = AddOptions { ocr: ocr_use(no_ocr), passages: lengths.over(usual) };
            let password = password.as_deref();
            if json {
                return add_as_json(&files, password, &options, &folder, out);
            }
            add(&files, password, &options, &folder, out)
        }
        DocumentCommand::Text { file, password, engine, no_ocr, ocr_languages, json } => {
            let ocr = ocr_use(no_ocr);
            let options =
                ReadOptions { password, engine, ocr, ocr_languages, ..ReadOptions::default() };
            text(&file, options, json, out)
        }
        DocumentCommand::Passages(args) => passages::run(&args, folder, out),
        DocumentCommand::List { json } => list(&folder()?, json, out),
    }
}

fn ocr_use(no_ocr: bool) -> OcrUse {
    if no_ocr { OcrUse::Never } else { OcrUse::Automatic }
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
fn add(
    files: &[PathBuf],
    password: Option<&str>,
    options: &AddOptions,
    folder: &Path,
    out: &mut Output,
) -> Result<()> {
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
        let spec = JobSpec::AddDocument { path: path.clone(), password, options: *options };
        match run_job(&spec, folder, &models) {
            Ok(message) => say(out, message)?,
            Err(failure) if files.len() == 1 => return Err(failure),
            Err(failure) => {
                super::print::failure(&failure);
                first_failure.get_or_insert(failure);
            }
        }
    }
    not_every(first_failure)
}

/// The same with JSON on standard output: an array with what came of each file.
fn add_as_json(
    files: &[PathBuf],
    password: Option<&str>,
    options: &AddOptions,
    folder: &Path,
    out: &mut Output,
) -> Result<()> {
    // The lock keeps a second program from writing to the project meanwhile.
    let project = Project::open(folder)?;
    let mut progress = super::print::progress();
    let (mut rows, mut first_failure) = (Vec::<Value>::new(), None);
    for path in files {
        let added =
            job::documents::add_file(project.store(), path, password, options, &mut progress);
        match added {
            Ok(Some(added)) => rows.push(json!(added)),
            Ok(None) => break,
            Err(failure) => {
                rows.push(json!({
                    "name": path.display().to_string(),
                    "error": failure.message,
                    "hints": failure.hints,
                }));
                first_failure.get_or_insert(failure);
            }
        }
    }
    say(out, Value::Array(rows))?;
    not_every(first_failure)
}

fn not_every(first_failure: Option<Failure>) -> Result<()> {
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
            without.push(page.number);
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
    match end {
        Reading::Finished => {}
        Reading::Stopped => return Ok(()),
        Reading::Locked => return Err(document::locked(file)),
    }
    if json {
        let notes = serde_json::to_string(&notes).unwrap_or_default();
        return say(out, format!("],\"notes\":{notes}}}"));
    }
    if without.is_empty() {
        for note in &notes {
            super::print::note(&format!("{}: {note}", file.display()));
        }
        return Ok(());
    }
    let failure = Failure::user(format!(
        "{}: no usable text on page {}",
        file.display(),
        document::page_numbers(&without)
    ));
    let failure = notes.iter().fold(failure, Failure::hint);
    Err(failure.hint(
        "these pages are pictures or lack a character table; they need character recognition",
    ))
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
