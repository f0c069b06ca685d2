//! `hone pairs check` and `dismiss`: findings as a list to work through.

use std::io::Write;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::pairs;
use crate::failure::{Context as _, Failure, Result};
use crate::job::checking;
use crate::pair::Language;
use crate::pair::checks::{Kind, Severity, content_hash};
use crate::project::{Dismissal, ExampleId, Project};
use crate::train::Recipe;

/// What to check and print.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Only findings of this kind
    #[arg(long, value_parser = kind)]
    pub kind: Option<Kind>,
    /// Model whose tokens are counted, instead of an estimate
    #[arg(long)]
    pub model: Option<String>,
    /// Language of the findings
    #[arg(long, default_value = "en")]
    pub language: Language,
    /// One JSON object a finding
    #[arg(long)]
    pub json: bool,
}

/// Which finding is no problem.
#[derive(Debug, Clone, Args)]
pub struct DismissArgs {
    /// Number of the pair, as `pairs check` shows it
    pub id: i64,
    /// Kind of the finding
    #[arg(value_parser = kind)]
    pub kind: Kind,
    /// Take the judgement back
    #[arg(long)]
    pub undo: bool,
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::of_name(name)
        .ok_or_else(|| format!("the kinds are {}", Kind::ALL.map(Kind::name).join(", ")))
}

/// Prints findings; fails when any is a warning or worse.
pub(super) fn run(args: &CheckArgs, folder: &Path, out: &mut dyn Write) -> Result<()> {
    let store = Project::reopen(folder)?;
    let codec = match &args.model {
        Some(name) => Some(crate::model::open(name)?.codec),
        None => None,
    };
    let recipe: Recipe = store.setting("recipe")?.unwrap_or_default();
    let on = &mut crate::cli::print::progress();
    let Some(report) = checking::check(&store, codec.as_ref(), recipe.length_max, on)? else {
        return Err(Failure::user("stopped before every pair was checked"));
    };
    let (mut faulty, mut notes) = (0, 0);
    for checked in &report.found {
        let id = checked.id.0;
        let wanted = |found: Kind| args.kind.is_none_or(|kind| kind == found);
        let findings: Vec<_> = checked.findings.iter().filter(|f| wanted(f.kind)).collect();
        if findings.iter().any(|finding| finding.severity >= Severity::Warning) {
            faulty += 1;
        } else {
            notes += usize::from(!findings.is_empty());
        }
        for finding in findings {
            let said = finding.describe(args.language);
            let line = if args.json {
                json!({"pair": id, "content_hash": checked.content_hash, "finding": finding,
                       "message": said})
                .to_string()
            } else {
                format!("{id:>6}  {:<20}  {said}", finding.kind.name())
            };
            writeln!(out, "{line}").because("output")?;
        }
    }
    if faulty > 0 {
        return Err(Failure::user(format!("{faulty} of {} have problems", pairs(report.pairs)))
            .hint("mend them in the interface, or reject them: `hone pairs reject ID...`")
            .hint("what is no problem: `hone pairs dismiss ID KIND`"));
    }
    if args.json {
        return Ok(());
    }
    let rest = if notes > 0 { format!("; {notes} with notes") } else { String::new() };
    writeln!(out, "checked {}: nothing is wrong{rest}", pairs(report.pairs)).because("output")
}

/// Records that a finding is no problem, or takes that back.
pub(super) fn dismiss(args: &DismissArgs, folder: &Path, out: &mut dyn Write) -> Result<()> {
    let project = Project::open(folder)?;
    let store = project.store();
    let id = ExampleId(args.id);
    let Some(stored) = store.example(id)? else {
        return Err(Failure::user(format!("there is no pair {}", args.id))
            .hint("`hone pairs list` shows the numbers"));
    };
    let what = format!("{} of pair {}", args.kind.name(), args.id);
    let said = if args.undo {
        let taken = store.undismiss(id, args.kind, &format!("recall {what}"))?;
        if taken { format!("{what} is told again") } else { format!("{what} was not dismissed") }
    } else {
        let content_hash = content_hash(&stored.example);
        let dismissal = Dismissal { example: id, kind: args.kind, content_hash };
        store.dismiss(&[dismissal], &format!("dismiss {what}"))?;
        format!("{what} is no problem until the pair changes")
    };
    writeln!(out, "{said}").because("output")
}
