//! `hone document passages`: how documents are split, without changing any.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::super::{print::Output, say};
use super::Lengths;
use crate::document::{self, Page, Passage, PassageSettings, ReadOptions};
use crate::failure::Result;
use crate::job::documents;
use crate::project::{DocumentRecord, Project, Store};

/// Arguments of `hone document passages`.
#[derive(Debug, Args)]
pub struct PassagesArgs {
    /// The file; without it the project's documents.
    file: Option<PathBuf>,
    /// Password of an encrypted file.
    #[arg(long)]
    password: Option<String>,
    #[command(flatten)]
    lengths: Lengths,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A passage as it is shown.
struct Shown {
    passage: Passage,
    tokens: usize,
    excluded: bool,
}

/// Runs `hone document passages`.
pub(super) fn run(
    args: &PassagesArgs,
    folder: impl Fn() -> Result<PathBuf>,
    out: &mut Output,
) -> Result<()> {
    let store = match (&args.file, folder()) {
        (_, Ok(folder)) => Some(Project::reopen(&folder)?),
        (Some(_), Err(_)) => None,
        (None, Err(failure)) => return Err(failure),
    };
    let (mut count, estimated) = documents::counter(store.as_ref())?;
    if let Some(note) = estimated {
        super::super::print::note(&note);
    }
    let usual = match &store {
        Some(store) => documents::settings(store)?,
        None => PassageSettings::default(),
    };
    let chosen = args.lengths.over(usual);
    let mut found: Vec<(String, Vec<Shown>)> = Vec::new();
    match (&args.file, &store) {
        (Some(file), _) => {
            let Some((name, pages)) = read(file, args.password.as_deref())? else { return Ok(()) };
            found.push((name, preview(&pages, &mut count, &chosen.unwrap_or(usual))));
        }
        (None, Some(store)) => {
            for document in store.documents()? {
                let shown = match &chosen {
                    Some(settings) => preview(&store.pages(document.id)?, &mut count, settings),
                    None => stored(store, &document, &mut count)?,
                };
                found.push((document.name, shown));
            }
        }
        (None, None) => {}
    }
    if args.json { say(out, as_json(&found)) } else { print(&found, out) }
}

fn read(file: &Path, password: Option<&str>) -> Result<Option<(String, Vec<Page>)>> {
    let options = ReadOptions { password: password.map(str::to_owned), ..ReadOptions::default() };
    let read = document::read(file, &options, &mut super::super::print::progress())?;
    Ok(read.map(|read| (read.name, read.pages)))
}

fn preview(
    pages: &[Page],
    count: &mut dyn FnMut(&str) -> usize,
    settings: &PassageSettings,
) -> Vec<Shown> {
    let passages = document::split(pages, count, settings);
    let show = |passage: Passage| Shown { tokens: count(&passage.text), passage, excluded: false };
    passages.into_iter().map(show).collect()
}

fn stored(
    store: &Store,
    document: &DocumentRecord,
    count: &mut dyn FnMut(&str) -> usize,
) -> Result<Vec<Shown>> {
    let records = store.passages(Some(document.id))?.into_iter();
    let show = |record: crate::project::PassageRecord| Shown {
        tokens: count(&record.passage.text),
        passage: record.passage,
        excluded: record.excluded,
    };
    Ok(records.map(show).collect())
}

fn as_json(found: &[(String, Vec<Shown>)]) -> Value {
    let passages = |shown: &[Shown]| -> Vec<Value> {
        let row = |shown: &Shown| {
            let Passage { page, span, context, text } = &shown.passage;
            json!({
                "page": page, "span": span, "tokens": shown.tokens, "context": context,
                "excluded": shown.excluded, "text": text,
            })
        };
        shown.iter().map(row).collect()
    };
    let documents = found.iter();
    documents.map(|(name, shown)| json!({"document": name, "passages": passages(shown)})).collect()
}

fn print(found: &[(String, Vec<Shown>)], out: &mut Output) -> Result<()> {
    if found.is_empty() {
        return say(out, "no documents yet; `hone document add FILE` adds one");
    }
    for (name, shown) in found {
        let tokens: usize = shown.iter().map(|shown| shown.tokens).sum();
        say(out, format!("{name}: {} passages, {tokens} tokens", shown.len()))?;
        for Shown { passage, tokens, excluded } in shown {
            let left_out = if *excluded { ", left out" } else { "" };
            let context = passage.context.join(" > ");
            say(out, format!("\n-- page {}, {tokens} tokens{left_out}  {context}", passage.page))?;
            say(out, &passage.text)?;
        }
        say(out, "")?;
    }
    Ok(())
}
