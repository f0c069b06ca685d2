//! Reading documents into the project.

use std::path::Path;

use serde::Serialize;

use super::{Desk, JobOutcome, Told, mixing, stopped};
use crate::document::{self, DocumentText, PageFlag, Passage, PassageSettings, ReadOptions};
use crate::failure::{Failure, Result};
use crate::job::AddOptions;
use crate::model;
use crate::progress::OnProgress;
use crate::project::{DocumentId, Imported, Store};
use crate::text::tokens_estimate;

/// Key of the passage settings in the store.
pub const SETTINGS_KEY: &str = "passages";

/// What came of reading a document into a project.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Added {
    /// File name.
    pub name: String,
    /// Number of pages.
    pub pages: usize,
    /// Number of passages.
    pub passages: usize,
    /// What it changed.
    pub imported: Imported,
    /// What the user should know, a line each.
    pub notes: Vec<String>,
}

impl Added {
    /// The outcome as it is told.
    pub fn told(&self) -> Told {
        Told::Document {
            name: self.name.clone(),
            pages: self.pages,
            passages: self.passages,
            imported: Box::new(self.imported.clone()),
        }
    }
}

/// Counts the tokens of a text.
pub type Count = Box<dyn FnMut(&str) -> usize>;

/// Counts tokens as the project's model does, or estimates them where none is chosen or can be opened.
pub fn counter(store: Option<&Store>) -> Result<(Count, Option<String>)> {
    let name: Option<String> = match store {
        Some(store) => store.setting(mixing::MODEL_KEY)?,
        None => None,
    };
    Ok(match name.as_deref().map(model::open) {
        Some(Ok(opened)) => {
            let codec = opened.codec;
            (Box::new(move |text: &str| codec.tokenizer().encode(text).len()), None)
        }
        Some(Err(failure)) => (
            Box::new(tokens_estimate),
            Some(format!("tokens are estimated, because the model cannot be opened: {failure}")),
        ),
        None => (Box::new(tokens_estimate), None),
    })
}

/// The project's passage settings; the usual ones where none were chosen.
pub fn settings(store: &Store) -> Result<PassageSettings> {
    Ok(store.setting(SETTINGS_KEY)?.unwrap_or_default())
}

/// Reads a document and stores its pages and passages; none if `on` asked to stop. Passage settings that
/// are given are kept by the project.
pub fn add_file(
    store: &Store,
    path: &Path,
    password: Option<&str>,
    options: &AddOptions,
    on: &mut OnProgress<'_>,
) -> Result<Option<Added>> {
    let reading = ReadOptions {
        password: password.map(str::to_owned),
        ocr: options.ocr,
        ..ReadOptions::default()
    };
    let Some(text) = document::read(path, &reading, on)? else { return Ok(None) };
    if let Some(chosen) = options.passages {
        store.set_setting(SETTINGS_KEY, &chosen)?;
    }
    let (mut count, estimated) = counter(Some(store))?;
    let passages: Vec<Passage> = document::split(&text.pages, &mut count, &settings(store)?);
    let again = options.passages.is_some();
    let imported =
        store.import_document(&text.name, &text.sha256, &text.pages, &passages, again)?;
    let mut notes = text.notes.clone();
    notes.extend(estimated);
    notes.extend(flagged(&text));
    Ok(Some(Added {
        name: text.name,
        pages: text.pages.len(),
        passages: passages.len(),
        imported,
        notes,
    }))
}

/// What the flags of its pages say about a document.
fn flagged(text: &DocumentText) -> Vec<String> {
    let pages = |flag: PageFlag| -> Vec<u32> {
        let flagged = text.pages.iter().filter(|page| page.flags.contains(&flag));
        flagged.map(|page| page.number).collect()
    };
    let mut notes = Vec::new();
    for (flag, what) in [
        (PageFlag::NeedsOcr, "has no usable text and needs character recognition"),
        (PageFlag::Ocr, "was read by character recognition; look over its text"),
        (PageFlag::Failed, "could not be read"),
    ] {
        let pages = pages(flag);
        // A note of the reader that names them says what to do, too.
        let said = flag == PageFlag::NeedsOcr && !text.notes.is_empty();
        if !pages.is_empty() && !said {
            notes.push(format!("page {} {what}", document::page_numbers(&pages)));
        }
    }
    notes
}

pub(super) fn add(
    desk: &mut Desk<'_>,
    path: &Path,
    password: Option<&str>,
    options: &AddOptions,
) -> Result<JobOutcome> {
    let store = desk.store()?;
    let added = add_file(&store, path, password, options, &mut desk.progress())?;
    let Some(added) = added else { return Ok(stopped()) };
    desk.changed();
    for note in &added.notes {
        desk.note(format!("{}: {note}", added.name));
    }
    Ok(JobOutcome::Finished(added.told()))
}

/// Splits a document's pages anew. Pairs stay with the passages that have their quotes.
pub(super) fn split_again(
    desk: &mut Desk<'_>,
    id: DocumentId,
    chosen: PassageSettings,
) -> Result<JobOutcome> {
    let store = desk.store()?;
    let Some(record) = store.documents()?.into_iter().find(|record| record.id == id) else {
        return Err(Failure::user("the document is no longer there"));
    };
    store.set_setting(SETTINGS_KEY, &chosen)?;
    let pages = store.pages(id)?;
    let (mut count, estimated) = counter(Some(&store))?;
    let passages = document::split(&pages, &mut count, &chosen);
    let imported = store.import_document(&record.name, &record.sha256, &pages, &passages, true)?;
    desk.changed();
    if let Some(note) = estimated {
        desk.note(note);
    }
    Ok(JobOutcome::Finished(Told::Document {
        name: record.name,
        pages: pages.len(),
        passages: passages.len(),
        imported: Box::new(imported),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::{DocumentChanges, ImportKind};

    #[test]
    fn the_outcome_is_said_in_one_sentence() {
        let mut added = Added {
            name: "기준.pdf".to_owned(),
            pages: 4,
            passages: 16,
            imported: Imported {
                id: DocumentId(1),
                kind: ImportKind::Replaced,
                changes: DocumentChanges {
                    unchanged: 12,
                    pairs_kept: 41,
                    pairs_lost: 2,
                    ..DocumentChanges::default()
                },
            },
            notes: Vec::new(),
        };
        assert_eq!(
            added.told().to_string(),
            "기준.pdf: 4 pages, 16 passages: 12 unchanged, 0 changed, 0 new, 0 gone; 41 pairs kept, 2 lost their quote"
        );
        added.imported.kind = ImportKind::New;
        assert_eq!(added.told().to_string(), "기준.pdf: 4 pages, 16 passages");
    }
}
