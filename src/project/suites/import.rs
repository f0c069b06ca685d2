//! Other evaluations' files as a suite of the project.

use std::path::{Path, PathBuf};

use super::{check_name, source, write};
use crate::evaluate::Suite;
use crate::evaluate::import::{self, Form, Read, SuiteOptions};
use crate::failure::{Failure, Result};
use crate::pair::example::Language;

/// What is imported and as what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SuiteImport {
    /// A file, or a folder of files.
    pub path: PathBuf,
    /// Whose files they are; none where it is to be found out.
    pub form: Option<Form>,
    /// Name of the suite; none for one made of the file's or the form's.
    pub name: Option<String>,
    /// Language of all cases; none for each case's own.
    pub language: Option<Language>,
    /// Licence, as an SPDX expression; none for what the form's publisher states.
    pub licence: Option<String>,
    /// Take the place of a suite of that name.
    pub replace: bool,
}

/// What came of an import.
#[derive(Debug, Clone)]
pub struct SuiteImported {
    /// Where the suite lies.
    pub folder: PathBuf,
    /// Whose files they were taken for.
    pub form: Form,
    /// The suite as it was written.
    pub suite: Suite,
    /// What came of each file. Its cases stand in the suite.
    pub files: Vec<Read>,
    /// Files of a folder that hold nothing this program knows.
    pub unknown: Vec<String>,
}

impl SuiteImported {
    /// Cases that stand in the files.
    pub fn total(&self) -> usize {
        self.files.iter().map(|file| file.total).sum()
    }
}

/// Reads the files, makes a suite of their cases and writes it into the project at `project`.
///
/// # Errors
/// When nothing can be made of the files, or a suite of that name is there. Nothing is written then.
pub fn import(project: &Path, what: &SuiteImport) -> Result<SuiteImported> {
    let paths = source::files(&what.path)?;
    let in_folder = what.path.is_dir();
    // Before a large file is read in vain.
    if let Some(name) = &what.name {
        check_name(name, project, what.replace)?;
    }
    let mut files = Vec::new();
    let mut unknown = Vec::new();
    for path in paths {
        let file = match source::read(&path) {
            Ok(file) => file,
            Err(failure) if in_folder => {
                unknown.push(failure.message);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        match what.form.or_else(|| import::recognize(&file)) {
            Some(form) => files.push((form, file)),
            None => unknown.push(format!("{}: not recognized", path.display())),
        }
    }
    let Some((form, _)) = files.first() else { return Err(unrecognized(what, &unknown)) };
    let form = *form;
    if files.iter().any(|(other, _)| *other != form) {
        let each = files.iter().map(|(form, file)| format!("{} is {}", file.name, form.name()));
        let each = each.collect::<Vec<_>>().join(", ");
        return Err(Failure::user(format!(
            "{}: the files are of several forms: {each}",
            what.path.display()
        ))
        .hint("import them one by one, or say whose they all are: `--format NAME`"));
    }
    let mut reads: Vec<Read> = files.iter().map(|(form, file)| import::read(*form, file)).collect();
    let name = match &what.name {
        Some(name) => name.clone(),
        None if in_folder => form.name().to_owned(),
        None => files.first().map(|(_, file)| name_of(file.stem())).unwrap_or_default(),
    };
    check_name(&name, project, what.replace)?;
    let options = SuiteOptions { name, language: what.language, licence: what.licence.clone() };
    let suite = import::suite(form, &mut reads, &options)
        .map_err(|reason| nothing(what, form, &reads, &reason))?;
    let folder = write(&suite, project)?;
    Ok(SuiteImported { folder, form, suite, files: reads, unknown })
}

/// `BFCL_v4_live_simple` becomes `bfcl-v4-live-simple`.
fn name_of(stem: &str) -> String {
    let mut name = String::new();
    for c in stem.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.trim_end_matches('-').to_owned()
}

fn unrecognized(what: &SuiteImport, unknown: &[String]) -> Failure {
    let named = if unknown.len() > 1 { unknown.join("\n") } else { String::new() };
    let mut failure = Failure::user(format!(
        "{}: whose questions these are is not recognized",
        what.path.display()
    ));
    if !named.is_empty() {
        failure.message = format!("{}\n{named}", failure.message);
    }
    let forms = Form::ALL.map(|form| format!("{}: {}", form.name(), form.looks_like()));
    failure.hint(format!("say it: `--format NAME`. Their rows hold\n  {}", forms.join("\n  ")))
}

/// Why no suite came of the files: what was left out, or the first problems.
fn nothing(what: &SuiteImport, form: Form, reads: &[Read], reason: &str) -> Failure {
    let mut message = format!("{}: {reason}", what.path.display());
    let left: Vec<String> = (reads.iter())
        .flat_map(|read| {
            read.left_out
                .iter()
                .map(|(why, count)| format!("{}: {count} cases left out: {why}", read.file))
        })
        .collect();
    let problems = reads.iter().flat_map(|read| {
        read.problems.iter().map(|(place, why)| format!("{}:{place}: {why}", read.file))
    });
    for line in left.into_iter().chain(problems).take(8) {
        message.push('\n');
        message.push_str(&line);
    }
    Failure::user(message).hint(format!(
        "files of `{}` hold {}; `--format NAME` reads them as another's",
        form.name(),
        form.looks_like()
    ))
}
