//! `hone pairs import` and `hone pairs export`.

use std::fmt::Write as _;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::{Map, json};

use super::{StateArg, cut, pairs};
use crate::cli::print;
use crate::failure::{Context as _, Failure, Result};
use crate::pair::duplicates::Original;
use crate::pair::format::{Format, Mapping};
use crate::pair::{Example, Role};
use crate::progress::Progress;
use crate::project::Project;
use crate::project::exchange::{
    self, Exported, ImportOptions, Imported, Preview, Selection, Target,
};
use crate::project::pair_file::ReadAs;

/// What to import.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The file
    pub file: PathBuf,
    /// Accept rows that do not say otherwise, instead of leaving them drafts
    #[arg(long)]
    pub accept: bool,
    /// What the file is, where it is not recognized
    #[arg(long)]
    pub format: Option<FormatArg>,
    /// Columns by their meaning: question=Frage,answer=Antwort
    #[arg(long, value_name = "MEANING=COLUMN,..")]
    pub map: Option<Mapping>,
    /// Show what would be imported, and import nothing
    #[arg(long)]
    pub preview: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// What to export.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// The file, - for standard output, or a folder (one that is there, or a name without ending) for
    /// rows, data card and what the format's reader needs
    pub file: PathBuf,
    /// Only those of this state
    #[arg(long, default_value = "accepted", conflicts_with = "all")]
    pub state: StateArg,
    /// Those of every state
    #[arg(long)]
    pub all: bool,
    /// Form of the rows
    #[arg(long, default_value = "canonical")]
    pub format: FormatArg,
    /// Licence that the data card names, as Hugging Face abbreviates it: cc-by-4.0
    #[arg(long, value_name = "NAME", default_value = "unknown")]
    pub license: String,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// A form of rows on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// messages and tools, arguments as objects, with meta
    Canonical,
    /// OpenAI fine-tuning: arguments as strings, no meta
    Openai,
    /// TRL: arguments as objects, no meta
    Trl,
    /// ShareGPT: conversations of from and value
    Sharegpt,
    /// Alpaca: instruction, input, output, history; no calls of tools
    Alpaca,
    /// LLaMA-Factory, formatting sharegpt
    LlamaFactory,
    /// LLaMA-Factory, formatting openai
    LlamaFactoryOpenai,
    /// Axolotl, type chat_template
    Axolotl,
    /// Table for spreadsheets
    Csv,
    /// Parquet for Hugging Face datasets 4.7 and later
    Parquet,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Canonical => Self::Canonical,
            FormatArg::Openai => Self::OpenAi,
            FormatArg::Trl => Self::Trl,
            FormatArg::Sharegpt => Self::ShareGpt,
            FormatArg::Alpaca => Self::Alpaca,
            FormatArg::LlamaFactory => Self::LlamaFactory,
            FormatArg::LlamaFactoryOpenai => Self::LlamaFactoryOpenAi,
            FormatArg::Axolotl => Self::Axolotl,
            FormatArg::Csv => Self::Csv,
            FormatArg::Parquet => Self::Parquet,
        }
    }
}

/// Work shorter than this shows no progress.
const QUIET: Duration = Duration::from_secs(1);

/// Shows progress of work that takes longer, and hears ctrl-C.
fn progress() -> impl FnMut(Progress) -> ControlFlow<()> {
    let cancel = print::cancel_on_signal();
    let (started, mut lines) = (Instant::now(), print::JobLines::new());
    move |progress| {
        if started.elapsed() > QUIET {
            lines.progress(&progress);
        }
        cancel.flow()
    }
}

/// Imports a file, or shows what would be imported.
pub(super) fn import(args: &ImportArgs, folder: &Path, out: &mut dyn Write) -> Result<()> {
    let read_as = ReadAs {
        format: args.format.map(Into::into),
        mapping: args.map.clone().unwrap_or_default(),
    };
    if args.preview {
        let preview = exchange::preview(&args.file, &read_as, PREVIEW_ROWS)?;
        let shown =
            if args.json { preview_json(&preview, out) } else { preview_text(&preview, out) };
        return shown.because("output");
    }
    let project = Project::open(folder)?;
    let started = Instant::now();
    let options = ImportOptions { accept: args.accept, read_as };
    let imported = exchange::import(project.store(), &args.file, &options, &mut progress())?;
    let Some(imported) = imported else {
        return Err(Failure::user("stopped: nothing was imported"));
    };
    let elapsed = started.elapsed();
    let told = if args.json {
        imported_json(&imported, elapsed, out)
    } else {
        imported_text(&imported, elapsed, out)
    };
    told.because("output")
}

/// Exports to a file, a folder or standard output.
pub(super) fn export(args: &ExportArgs, folder: &Path, out: &mut dyn Write) -> Result<()> {
    let format = args.format.into();
    let selection = Selection { state: (!args.all).then_some(args.state.into()), format };
    let store = Project::reopen(folder)?;
    if args.file.as_os_str() == "-" {
        let exported = exchange::export_to(&store, out, selection)?;
        return left_out(&exported, format, &mut std::io::stderr()).because("output");
    }
    let started = Instant::now();
    let exported = if exchange::is_folder(&args.file) {
        check_license(&args.license)?;
        let name = args.file.file_name().unwrap_or_default().to_string_lossy();
        let target = Target { name: &name, license: &args.license };
        exchange::export_folder(&store, &args.file, selection, target, &mut progress())?
    } else {
        exchange::export(&store, &args.file, selection, &mut progress())?
    };
    let Some(exported) = exported else {
        return Err(Failure::user("stopped: nothing was written"));
    };
    if args.json {
        let left_out: Vec<_> =
            exported.left_out.iter().map(|(id, why)| json!({"pair": id, "reason": why})).collect();
        let summary = json!({
            "written": exported.written,
            "refused": exported.refused,
            "left_out": left_out,
            "not_held": format.leaves_out(),
            "seconds": started.elapsed().as_secs_f64(),
        });
        return writeln!(out, "{summary}").because("output");
    }
    writeln!(out, "wrote {} to {}", pairs(exported.written), args.file.display())
        .because("output")?;
    left_out(&exported, format, out).because("output")
}

/// The card's head is YAML; a licence is one plain word there.
fn check_license(license: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '+');
    if !license.is_empty() && license.chars().all(plain) {
        return Ok(());
    }
    Err(Failure::user(format!("--license {license}: one abbreviation is expected"))
        .hint("for example mit, apache-2.0, cc-by-4.0, kogl-1, other or unknown"))
}

/// Rows left out that are told one by one.
const LEFT_OUT_SHOWN: usize = 10;

fn left_out(exported: &Exported, format: Format, out: &mut dyn Write) -> std::io::Result<()> {
    for (id, reason) in exported.left_out.iter().take(LEFT_OUT_SHOWN) {
        writeln!(out, "pair {id}: left out: {reason}")?;
    }
    if exported.refused > LEFT_OUT_SHOWN {
        writeln!(out, "{} pairs are left out in all", exported.refused)?;
    }
    if !format.leaves_out().is_empty() && exported.written > 0 {
        writeln!(out, "not held by {}: {}", format.name(), format.leaves_out().join("; "))?;
    }
    Ok(())
}

/// Repeated lines told one by one; importing a file again repeats all of them.
const DUPLICATES_SHOWN: usize = 10;
/// Problems told one by one; `--json` has more.
const PROBLEMS_SHOWN: usize = 100;

fn imported_text(
    imported: &Imported,
    elapsed: Duration,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let states: Vec<String> =
        imported.added.iter().map(|(state, rows)| format!("{rows} {state}")).collect();
    write!(out, "imported {}", pairs(imported.total()))?;
    if !states.is_empty() {
        write!(out, " ({})", states.join(", "))?;
    }
    if elapsed > QUIET {
        let seconds = elapsed.as_secs_f64();
        let rate = (imported.total() + imported.repeated) as f64 / seconds;
        write!(out, " in {seconds:.1} s, {rate:.0} rows/s")?;
    }
    writeln!(out)?;
    let place = imported.place;
    for duplicate in imported.duplicates.iter().take(DUPLICATES_SHOWN) {
        let of = match duplicate.of {
            Original::Stored(id) => format!("pair {id}"),
            Original::Line(line) => format!("{place} {line}"),
        };
        writeln!(out, "{place} {}: same as {of}, not added", duplicate.line)?;
    }
    if let Some(more @ 1..) = imported.repeated.checked_sub(DUPLICATES_SHOWN) {
        writeln!(out, "{more} more {place}s repeat what is there, not added")?;
    }
    for problem in imported.problems.iter().take(PROBLEMS_SHOWN) {
        writeln!(out, "{place} {}: {}", problem.line, problem.reason)?;
    }
    if let Some(more @ 1..) = imported.faults.checked_sub(PROBLEMS_SHOWN) {
        writeln!(out, "{more} more problems; `--json` names up to 10,000")?;
    }
    Ok(())
}

fn imported_json(
    imported: &Imported,
    elapsed: Duration,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let duplicates: Vec<_> = imported
        .duplicates
        .iter()
        .map(|duplicate| match duplicate.of {
            Original::Stored(id) => json!({"line": duplicate.line, "pair": id}),
            Original::Line(line) => json!({"line": duplicate.line, "of_line": line}),
        })
        .collect();
    let summary = json!({
        "read_as": imported.read_as,
        "added": imported.total(),
        "states": imported.added,
        "repeated": imported.repeated,
        "duplicates": duplicates,
        "faults": imported.faults,
        "problems": imported.problems,
        "seconds": elapsed.as_secs_f64(),
    });
    writeln!(out, "{summary}")
}

/// Rows that a preview shows.
const PREVIEW_ROWS: usize = 5;
/// Width of a turn in a preview, in terminal cells.
const TURN_CELLS: usize = 90;

fn preview_text(preview: &Preview, out: &mut dyn Write) -> std::io::Result<()> {
    let place = preview.file.container.counts();
    writeln!(out, "{}: {}", preview.file.path().display(), preview.file.description())?;
    for (line, example) in &preview.rows {
        writeln!(out, "{place} {line}")?;
        for turn in turns(example) {
            writeln!(out, "  {}", cut(&turn, TURN_CELLS))?;
        }
    }
    let problems = preview.problems.len();
    writeln!(out, "examined {} rows, {problems} problems", preview.examined)?;
    for problem in preview.problems.iter().take(PROBLEMS_SHOWN) {
        writeln!(out, "{place} {}: {}", problem.line, problem.reason)?;
    }
    Ok(())
}

/// The turns of an example, a line each.
fn turns(example: &Example) -> Vec<String> {
    let mut lines = Vec::new();
    if !example.tools.is_empty() {
        let names: Vec<&str> =
            example.tools.iter().map(|tool| tool.function.name.as_str()).collect();
        lines.push(format!("tools: {}", names.join(", ")));
    }
    for message in &example.messages {
        let mut line = format!("{}: {}", message.role.as_str(), message.content);
        if message.role == Role::Assistant {
            for call in &message.tool_calls {
                let arguments = serde_json::Value::Object(call.function.arguments.clone());
                let _ = write!(line, " {}({arguments})", call.function.name);
            }
        }
        lines.push(line);
    }
    lines
}

fn preview_json(preview: &Preview, out: &mut dyn Write) -> std::io::Result<()> {
    let mapping: Map<_, _> = preview
        .file
        .layout
        .mapping
        .0
        .iter()
        .map(|(target, column)| (target.clone(), column.clone().into()))
        .collect();
    let rows: Vec<_> = preview
        .rows
        .iter()
        .map(|(line, example)| json!({"line": line, "example": example}))
        .collect();
    let summary = json!({
        "container": preview.file.container.name(),
        "shape": preview.file.layout.shape.name(),
        "mapping": mapping,
        "examined": preview.examined,
        "rows": rows,
        "problems": preview.problems,
    });
    writeln!(out, "{summary}")
}
