//! `hone pairs`: lists, imports, exports, checks, measures and judges examples.

mod check;
mod filtered;
mod measure;

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::failure::{Context as _, Failure, Result};
use crate::pair::{Edit, ReviewState};
use crate::project::{Project, StoredExample};

mod exchange;

/// Lists, imports, exports, checks and judges examples.
#[derive(Debug, Clone, Args)]
pub struct PairsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PairsCommand,
}

/// What to do with examples.
#[derive(Debug, Clone, Subcommand)]
pub enum PairsCommand {
    /// List examples
    List {
        /// Only those of this state
        #[arg(long)]
        state: Option<StateArg>,
        /// Order; by loss the highest first, those not measured last
        #[arg(long, default_value = "number")]
        sort: SortArg,
        /// Only those that the search line of the interface would list:
        /// 'state:draft doc:KDS page:12-40 check:any /[0-9]+ MPa/ 내진 sort:-loss'
        #[arg(long, value_name = "QUERY", conflicts_with = "sort", allow_hyphen_values = true)]
        filter: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Add the pairs of a file: JSON Lines, JSON, CSV or Parquet
    ///
    /// Format and columns are recognized; `--preview` shows how, `--format` and `--map` say otherwise.
    Import(exchange::ImportArgs),
    /// Write pairs to a file, or to a folder with a data card
    Export(exchange::ExportArgs),
    /// Tell what may be wrong with examples that are not rejected; exit status 1 if anything is
    Check(check::CheckArgs),
    /// Judge a finding to be no problem, until the pair changes
    Dismiss(check::DismissArgs),
    /// Measure what a base model makes of the pairs; what is measured already is kept
    Measure(measure::MeasureArgs),
    /// Accept examples
    Accept(Chosen),
    /// Reject examples
    Reject(Chosen),
    /// Take the last change back
    Undo,
    /// Make the change that was taken back last again
    Redo,
}

/// Which examples to judge.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Chosen {
    /// Numbers of the examples, as `pairs list` shows them
    #[arg(value_name = "ID")]
    pub ids: Vec<i64>,
    /// All drafts
    #[arg(long)]
    pub all_drafts: bool,
}

/// A review state on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateArg {
    /// Not judged yet
    Draft,
    /// To be trained on
    Accepted,
    /// Refused
    Rejected,
}

impl From<StateArg> for ReviewState {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Draft => Self::Draft,
            StateArg::Accepted => Self::Accepted,
            StateArg::Rejected => Self::Rejected,
        }
    }
}

/// An order of pairs on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortArg {
    /// As they were made
    Number,
    /// By the base model's loss
    Loss,
}

impl PairsCommand {
    /// Tells whether this only looks at a file, wherever it is.
    pub fn needs_no_project(&self) -> bool {
        matches!(self, Self::Import(args) if args.preview)
    }
}

/// Does what is asked in the project in `folder`. Relative files are meant from the process's
/// current folder.
pub fn run(args: &PairsArgs, folder: &Path, out: &mut dyn Write) -> Result<()> {
    match &args.command {
        PairsCommand::List { state, sort, filter, json } => {
            let state = state.map(Into::into);
            match filter {
                Some(filter) => filtered::list(folder, state, filter, *json, out),
                None => list(folder, state, *sort, *json, out),
            }
        }
        PairsCommand::Import(args) => exchange::import(args, folder, out),
        PairsCommand::Export(args) => exchange::export(args, folder, out),
        PairsCommand::Check(args) => check::run(args, folder, out),
        PairsCommand::Dismiss(args) => check::dismiss(args, folder, out),
        PairsCommand::Measure(args) => measure::run(args, folder, out),
        PairsCommand::Accept(chosen) => judge(folder, chosen, ReviewState::Accepted, out),
        PairsCommand::Reject(chosen) => judge(folder, chosen, ReviewState::Rejected, out),
        PairsCommand::Undo => {
            let done = Project::open(folder)?.store().undo()?;
            let text = done
                .map_or("nothing to undo".to_owned(), |done| format!("undid: {}", done.summary));
            writeln!(out, "{text}").because("output")
        }
        PairsCommand::Redo => {
            let done = Project::open(folder)?.store().redo()?;
            let text = done
                .map_or("nothing to redo".to_owned(), |done| format!("redid: {}", done.summary));
            writeln!(out, "{text}").because("output")
        }
    }
}

fn list(
    folder: &Path,
    state: Option<ReviewState>,
    sort: SortArg,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<()> {
    let store = Project::reopen(folder)?;
    let mut all = store.examples()?;
    if sort == SortArg::Loss {
        measure::sort_by_loss(&store, &mut all)?;
    }
    let listed = all.iter().filter(|stored| state.is_none_or(|state| stored.state == state));
    listed.into_iter().try_for_each(|stored| print(stored, as_json, out))
}

fn print(stored: &StoredExample, as_json: bool, out: &mut dyn Write) -> Result<()> {
    let line =
        if as_json { serde_json::to_string(stored).because("output")? } else { line(stored) };
    writeln!(out, "{line}").because("output")
}

/// Width of the question column, in terminal cells.
const QUESTION_CELLS: usize = 60;

fn line(stored: &StoredExample) -> String {
    let meta = &stored.example.meta;
    let place = match (&meta.document, meta.page) {
        (Some(document), Some(page)) => format!("{document}:{page}"),
        (Some(document), None) => document.clone(),
        (None, _) => String::new(),
    };
    let question = cut(stored.example.question(), QUESTION_CELLS);
    let padding = " ".repeat(QUESTION_CELLS - question.width().min(QUESTION_CELLS));
    let line =
        format!("{:>6}  {:<8}  {question}{padding}  {place}", stored.id.0, name(stored.state));
    line.trim_end().to_owned()
}

/// The text on one line, cut to `cells` with an ellipsis.
fn cut(text: &str, cells: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.width() <= cells {
        return line;
    }
    let mut used = 1;
    let fits = line.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= cells
    });
    fits.chain(['…']).collect()
}

fn name(state: ReviewState) -> &'static str {
    match state {
        ReviewState::Draft => "draft",
        ReviewState::Accepted => "accepted",
        ReviewState::Rejected => "rejected",
    }
}

/// A count of pairs in words.
fn pairs(count: usize) -> String {
    if count == 1 { "1 pair".to_owned() } else { format!("{count} pairs") }
}

fn judge(folder: &Path, chosen: &Chosen, state: ReviewState, out: &mut dyn Write) -> Result<()> {
    let project = Project::open(folder)?;
    let all = project.store().examples()?;
    let missing = chosen.ids.iter().find(|id| !all.iter().any(|stored| stored.id.0 == **id));
    if let Some(id) = missing {
        return Err(Failure::user(format!("there is no pair {id}; nothing was changed"))
            .hint("`hone pairs list` shows the numbers"));
    }
    let concerned = all.iter().filter(|stored| {
        stored.state != state
            && if chosen.all_drafts {
                stored.state == ReviewState::Draft
            } else {
                chosen.ids.contains(&stored.id.0)
            }
    });
    let keys: Vec<i64> = concerned.map(|stored| stored.id.0).collect();
    let summary = format!("{} {}", name(state), pairs(keys.len()));
    project.store().apply(Edit::set_state(summary.clone(), keys, state))?;
    writeln!(out, "{summary}").because("output")
}

#[cfg(test)]
mod tests;
