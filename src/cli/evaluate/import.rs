//! `hone eval import`: other evaluations' own files as a suite of the project.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::print::{self, Output};
use crate::cli::say;
use crate::evaluate::import::Form;
use crate::failure::{Context as _, Result};
use crate::pair::Language;
use crate::project::Project;
use crate::project::suites::{self, SuiteImport, SuiteImported};

/// Arguments of `hone eval import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A file, or a folder of files; JSON Lines, JSON, CSV or Parquet.
    #[arg(value_name = "FILE_OR_FOLDER")]
    path: PathBuf,
    /// Whose files they are: `bfcl`, `functionchat`, `gsm8k`, `humaneval`, `choices` (MMLU, KMMLU, ARC),
    /// `harness` (lm-evaluation-harness's samples) or `qa`; recognized by their content when left out.
    #[arg(long, value_name = "NAME")]
    format: Option<Form>,
    /// Name of the suite; the file's, or the form's for a folder, when left out.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Language of all cases, `ko` or `en`; each case's own, by its letters, when left out.
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<Language>,
    /// Licence of the cases, as an SPDX expression; what the publisher states when left out.
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,
    /// Take the place of a suite of that name.
    #[arg(long)]
    replace: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// Lines that are named one by one of each file before the rest is counted.
const NAMED: usize = 5;

/// Runs `hone eval import`. Lines that cannot be used are named, and the rest is imported.
pub fn run(args: &ImportArgs, project: &Path, out: &mut Output) -> Result<()> {
    // The lock keeps a second program from writing to the project meanwhile.
    let _project = Project::open(project)?;
    let imported = suites::import(
        project,
        &SuiteImport {
            path: args.path.clone(),
            form: args.format,
            name: args.name.clone(),
            language: args.language,
            licence: args.licence.clone(),
            replace: args.replace,
        },
    )?;
    if args.json {
        return say(out, serde_json::to_string_pretty(&summary(&imported)).because("the summary")?);
    }
    tell(&imported);
    let suite = &imported.suite;
    for subset in &suite.subsets {
        let count = suite.cases.iter().filter(|case| case.tags.contains(subset)).count();
        say(out, format!("  {count:>6} {subset}"))?;
    }
    say(
        out,
        format!(
            "{} of {} cases ({}) in {}",
            suite.cases.len(),
            imported.total(),
            imported.form.name(),
            imported.folder.display()
        ),
    )?;
    let programs =
        if suite.kind == crate::evaluate::SuiteKind::Programs { " --run-programs" } else { "" };
    say(out, format!("ask them: hone eval run --suite {}{programs}", suite.name))
}

/// Tells on standard error what was left out and what was taken for granted.
fn tell(imported: &SuiteImported) {
    for reason in &imported.unknown {
        print::note(reason);
    }
    for file in &imported.files {
        for note in &file.notes {
            print::note(&format!("{}: {note}", file.file));
        }
        for (reason, count) in &file.left_out {
            print::note(&format!("{}: {count} cases left out: {reason}", file.file));
        }
        for (place, reason) in file.problems.iter().take(NAMED) {
            print::note(&format!("{}:{place}: {reason}", file.file));
        }
        if file.problems.len() > NAMED {
            print::note(&format!(
                "{}: {} cases in all could not be used",
                file.file,
                file.problems.len()
            ));
        }
    }
}

fn summary(imported: &SuiteImported) -> Value {
    let suite = &imported.suite;
    let each = |subset: &String| {
        let count = suite.cases.iter().filter(|case| case.tags.contains(subset)).count();
        (subset.clone(), json!(count))
    };
    let files = imported.files.iter().map(|file| {
        let problems =
            file.problems.iter().map(|(place, reason)| json!({"line": place, "reason": reason}));
        let left_out =
            file.left_out.iter().map(|(reason, cases)| json!({"cases": cases, "reason": reason}));
        json!({
            "file": file.file, "cases": file.cases.len(), "total": file.total,
            "problems": problems.collect::<Vec<_>>(), "left_out": left_out.collect::<Vec<_>>(),
            "notes": file.notes,
        })
    });
    json!({
        "name": suite.name, "folder": imported.folder, "format": imported.form.name(),
        "kind": suite.kind, "licence": suite.licence, "languages": suite.languages,
        "cases": suite.cases.len(), "total": imported.total(),
        "subsets": suite.subsets.iter().map(each).collect::<serde_json::Map<_, _>>(),
        "files": files.collect::<Vec<_>>(), "unknown": imported.unknown,
    })
}
