//! A document's coming in, and coming in again as a new version.

use std::collections::HashMap;

use rusqlite::{OptionalExtension as _, Transaction, params};
use unicode_normalization::UnicodeNormalization as _;

use super::attach::Haystack;
use super::document::haystack;
use super::failures::SqlContext as _;
use super::record::{ChangedPassage, DocumentChanges, ImportKind, Imported};
use super::store::{json, now, stored_example, to_json};
use super::{DocumentId, PassageId, PassageRecord, Store, StoredExample};
use crate::document::{Fate, Page, Passage, compare, word_diff};
use crate::failure::Result;

impl Store {
    /// Adds a document, or a new version of the one of that name, and returns its key. The same as
    /// [`Store::import_document`], for those who need not know what changed.
    pub fn add_document(
        &self,
        name: &str,
        sha256: &str,
        pages: &[Page],
        passages: &[Passage],
    ) -> Result<DocumentId> {
        self.import_document(name, sha256, pages, passages, false).map(|imported| imported.id)
    }

    /// Adds a document, or a new version of the one of that name, and tells what changed.
    ///
    /// A file that is already there (same `sha256`) changes nothing unless its text is now another (as after
    /// character recognition, never one of fewer pages with text), or `again` asks for it, as for other
    /// passages. A new version replaces
    /// pages and passages; examples keep their quote, and are attached again where it is still found;
    /// passages that were left out stay so.
    pub fn import_document(
        &self,
        name: &str,
        sha256: &str,
        pages: &[Page],
        passages: &[Passage],
        again: bool,
    ) -> Result<Imported> {
        let name: String = name.nfc().collect();
        self.write(|transaction| {
            let find = |column: &str, value: &str| {
                let sql = format!("SELECT id FROM documents WHERE {column} = ?1");
                transaction.query_row(&sql, [value], |row| row.get::<_, i64>(0)).optional()
            };
            let same = find("sha256", sha256).at(self.path())?;
            if let Some(id) = same
                && !again
            {
                let there = super::document::pages(transaction, id).at(self.path())?;
                if there == pages || with_text(pages) < with_text(&there) {
                    let changes = DocumentChanges::default();
                    return Ok(Imported { id: DocumentId(id), kind: ImportKind::Same, changes });
                }
            }
            let old = match same {
                Some(id) => Some(id),
                None => find("name", &name).at(self.path())?,
            };
            let loose = loose_examples(transaction, old, &name).at(self.path())?;
            let before = match old {
                Some(id) => super::document::passages(transaction, Some(id)).at(self.path())?,
                None => Vec::new(),
            };
            let id = match old {
                Some(id) => replace_record(transaction, id, sha256).at(self.path())?,
                None => insert_record(transaction, &name, sha256).at(self.path())?,
            };
            insert_pages(self, transaction, id, pages)?;
            let keys = insert_passages(self, transaction, id, passages)?;
            let (mut changes, became) = changes(&before, passages, &keys);
            for (old, new) in &became {
                if before.iter().any(|record| record.id == *old && record.excluded) {
                    transaction
                        .execute("UPDATE passages SET excluded = 1 WHERE id = ?1", [new.0])
                        .at(self.path())?;
                }
            }
            if !loose.is_empty() {
                let haystack = haystack(transaction, id).at(self.path())?;
                for (stored, old_text) in loose {
                    let text = old_text.as_deref();
                    let kept = attach(self, transaction, &haystack, &became, &name, stored, text)?;
                    *(if kept { &mut changes.pairs_kept } else { &mut changes.pairs_lost }) += 1;
                }
            }
            let kind = if old.is_some() { ImportKind::Replaced } else { ImportKind::New };
            if kind == ImportKind::Replaced {
                transaction
                    .execute(
                        "INSERT OR REPLACE INTO document_changes (document, changes) VALUES (?1, ?2)",
                        params![id, to_json(&changes)?],
                    )
                    .at(self.path())?;
            }
            Ok(Imported { id: DocumentId(id), kind, changes })
        })
    }

    /// What the last new version of a document changed; none when there was only one.
    pub fn document_changes(&self, id: DocumentId) -> Result<Option<DocumentChanges>> {
        let sql = "SELECT changes FROM document_changes WHERE document = ?1";
        self.connection().query_row(sql, [id.0], |row| json(row, 0)).optional().at(self.path())
    }
}

/// Number of pages that have text.
fn with_text(pages: &[Page]) -> usize {
    pages.iter().filter(|page| !page.text.is_empty()).count()
}

/// What became of the old passages, and which new one each of those that are still there is.
fn changes(
    before: &[PassageRecord],
    passages: &[Passage],
    keys: &[PassageId],
) -> (DocumentChanges, HashMap<PassageId, PassageId>) {
    let mut told = DocumentChanges::default();
    let mut became = HashMap::new();
    let old: Vec<Passage> = before.iter().map(|record| record.passage.clone()).collect();
    for fate in compare(&old, passages) {
        match fate {
            Fate::Unchanged { old, new } => {
                told.unchanged += 1;
                if let (Some(old), Some(new)) = (before.get(old), keys.get(new)) {
                    became.insert(old.id, *new);
                }
            }
            Fate::Changed { old, new } => {
                if let (Some(old), Some(new), Some(key)) =
                    (before.get(old), passages.get(new), keys.get(new))
                {
                    became.insert(old.id, *key);
                    told.changed.push(ChangedPassage {
                        passage: *key,
                        was: old.passage.clone(),
                        diff: word_diff(&old.passage.text, &new.text),
                    });
                }
            }
            Fate::New { new } => told.new.extend(keys.get(new).copied()),
            Fate::Gone { old } => {
                told.gone.extend(before.get(old).map(|record| record.passage.clone()));
            }
        }
    }
    (told, became)
}

/// Examples about the document's old version, with the text of their passage, and examples that
/// name a document of this name and are attached to nothing.
fn loose_examples(
    transaction: &Transaction<'_>,
    old: Option<i64>,
    name: &str,
) -> rusqlite::Result<Vec<(StoredExample, Option<String>)>> {
    let mut statement = transaction.prepare(
        "SELECT examples.id, passage, state, body, text
         FROM examples LEFT JOIN passages ON passages.id = passage
         WHERE document = ?1 OR (passage IS NULL AND body ->> '$.meta.document' = ?2)",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((stored_example(row)?, row.get(4)?));
    statement.query_map(params![old, name], read)?.collect()
}

fn replace_record(transaction: &Transaction<'_>, id: i64, sha256: &str) -> rusqlite::Result<i64> {
    transaction.execute(
        "UPDATE documents SET sha256 = ?2, added = ?3 WHERE id = ?1",
        params![id, sha256, now()],
    )?;
    transaction.execute("DELETE FROM pages WHERE document = ?1", [id])?;
    transaction.execute("DELETE FROM passages WHERE document = ?1", [id])?;
    Ok(id)
}

fn insert_record(transaction: &Transaction<'_>, name: &str, sha: &str) -> rusqlite::Result<i64> {
    transaction.execute(
        "INSERT INTO documents (name, sha256, added) VALUES (?1, ?2, ?3)",
        params![name, sha, now()],
    )?;
    Ok(transaction.last_insert_rowid())
}

fn insert_pages(store: &Store, to: &Transaction<'_>, document: i64, pages: &[Page]) -> Result<()> {
    let sql = "INSERT INTO pages (document, number, text, flags) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = to.prepare(sql).at(store.path())?;
    for page in pages {
        let flags = to_json(&page.flags)?;
        let row = params![document, page.number, page.text, flags];
        statement.execute(row).at(store.path())?;
    }
    Ok(())
}

fn insert_passages(
    store: &Store,
    to: &Transaction<'_>,
    document: i64,
    passages: &[Passage],
) -> Result<Vec<PassageId>> {
    let sql = "INSERT INTO passages
        (document, position, page, span_start, span_end, context, text)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut statement = to.prepare(sql).at(store.path())?;
    let mut keys = Vec::with_capacity(passages.len());
    for (position, passage) in (0_i64..).zip(passages) {
        let Passage { page, span, context, text } = passage;
        let context = to_json(context)?;
        let (start, end) = (span.start as i64, span.end as i64);
        let row = params![document, position, page, start, end, context, text];
        keys.push(PassageId(statement.insert(row).at(store.path())?));
    }
    Ok(keys)
}

/// Finds an example's passage in the new version; tells whether it has one.
fn attach(
    store: &Store,
    transaction: &Transaction<'_>,
    haystack: &Haystack,
    became: &HashMap<PassageId, PassageId>,
    name: &str,
    stored: StoredExample,
    old_text: Option<&str>,
) -> Result<bool> {
    let mut example = stored.example;
    let place = example.meta.quote.as_ref().and_then(|q| haystack.find(q, example.meta.page));
    let passage = match place {
        Some(place) => {
            let meta = &mut example.meta;
            meta.document.get_or_insert_with(|| name.to_owned());
            (meta.page, meta.span) = (Some(place.page), Some(place.span));
            place.passage
        }
        None if example.meta.quote.is_none() => {
            let same = stored.passage.and_then(|old| became.get(&old)).map(|new| new.0);
            same.or_else(|| old_text.and_then(|text| haystack.same_passage(text)))
        }
        None => None,
    };
    transaction
        .execute(
            "UPDATE examples SET passage = ?2, body = ?3 WHERE id = ?1",
            params![stored.id.0, passage, to_json(&example)?],
        )
        .at(store.path())?;
    Ok(passage.is_some())
}
