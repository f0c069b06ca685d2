//! Import and export of pairs as files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use super::Store;
use super::document::Locator;
use super::failures::SqlContext as _;
use crate::failure::{Context as _, Failure, Result};
use crate::pair::duplicates::{self, Duplicate};
use crate::pair::edit::{Change, Edit};
use crate::pair::{Example, Problem, ReviewState, check, jsonl, openai};
use crate::whole_file::write_whole;

/// What an import did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Imported {
    /// Rows added, by state.
    pub added: BTreeMap<&'static str, usize>,
    /// Rows that repeat a stored one or an earlier line; not added.
    pub duplicates: Vec<Duplicate>,
    /// Lines that could not be read, and rows added as drafts because a check failed.
    pub problems: Vec<Problem>,
}

impl Imported {
    /// Rows added in all.
    pub fn total(&self) -> usize {
        self.added.values().sum()
    }
}

/// The form of an exported row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Everything, `meta` included; see [`jsonl`].
    #[default]
    Canonical,
    /// What OpenAI's fine-tuning takes; see [`openai`].
    OpenAi,
}

/// Adds the examples of a JSONL file as one edit.
///
/// A row takes the state that its `meta.state` names, else it is accepted with `accept` and a draft
/// without. A row that fails [`check`] is a draft whatever it says.
///
/// # Errors
/// When the file cannot be opened or nothing in it could be read; nothing is added then.
pub fn import(store: &Store, path: &Path, accept: bool) -> Result<Imported> {
    let file = File::open(path).because(path.display())?;
    let (rows, problems) = jsonl::read(BufReader::new(file));
    let mut imported = Imported { problems, ..Imported::default() };
    if rows.is_empty() {
        let name = path.display();
        return Err(match imported.problems.as_slice() {
            [] => Failure::user(format!("{name}: the file is empty")),
            [first, rest @ ..] => Failure::user(format!(
                "{name}: line {}: {}{}",
                first.line,
                first.reason,
                if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) }
            )),
        }
        .hint(r#"one object a line is expected: {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}"#));
    }
    let stored = store.examples()?;
    let known = stored.iter().map(|stored| (stored.id.0, &stored.example));
    let (fresh, repeated) = duplicates::part(known, rows);
    imported.duplicates = repeated;
    let mut changes = Vec::with_capacity(fresh.len());
    let mut locator = Locator::default();
    for (line, mut example) in fresh {
        let faults = check(&example);
        let state = match example.meta.state.take() {
            _ if !faults.is_empty() => ReviewState::Draft,
            Some(ReviewState::Draft) | None if accept => ReviewState::Accepted,
            Some(state) => state,
            None => ReviewState::Draft,
        };
        imported.problems.extend(faults.into_iter().map(|reason| Problem { line, reason }));
        *imported.added.entry(super::store::state_name(state)).or_default() += 1;
        let passage = locator.passage(store.connection(), &example).at(store.path())?;
        changes.push(Change::insert(passage, state, example));
    }
    imported.problems.sort_by_key(|problem| problem.line);
    let name = path.file_name().unwrap_or_default().display();
    store.apply(Edit::new(format!("imported {} pairs from {name}", changes.len()), changes))?;
    Ok(imported)
}

/// Writes the examples of one state, or all, to a file, whole or not at all, and tells how many.
pub fn export(store: &Store, path: &Path, state: Option<ReviewState>, form: Form) -> Result<usize> {
    let mut bytes = Vec::new();
    let written = export_to(store, &mut bytes, state, form)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(_) => write_whole(path, &bytes)?,
        // A bare file name has the empty path as its folder, which cannot be opened.
        None => write_whole(&Path::new(".").join(path), &bytes)?,
    }
    Ok(written)
}

/// Writes the examples of one state, or all, and tells how many.
pub fn export_to(
    store: &Store,
    writer: impl Write,
    state: Option<ReviewState>,
    form: Form,
) -> Result<usize> {
    let examples: Vec<Example> = store
        .examples()?
        .into_iter()
        .filter(|stored| state.is_none_or(|state| stored.state == state))
        .map(|stored| {
            let mut example = stored.example;
            example.meta.state = Some(stored.state);
            example
        })
        .collect();
    match form {
        Form::Canonical => jsonl::write(writer, examples.iter()),
        Form::OpenAi => openai::write(writer, examples.iter()),
    }
    .because("export")
    .map_err(|failure: Failure| {
        failure.hint(
            "the rows may be cut short there: free some space and export again; the project is unchanged",
        )
    })
}
