//! Documents, their pages and passages.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use unicode_normalization::UnicodeNormalization as _;

use super::attach::{Found, Haystack};
use super::failures::SqlContext as _;
use super::store::{json, now, stored_example, to_json};
use super::{DocumentId, DocumentRecord, PassageId, PassageRecord, Store, StoredExample};
use crate::document::{Page, PageFlag, Passage};
use crate::failure::{Failure, Result};
use crate::pair::Example;
use crate::text::Span;

impl Store {
    /// Adds a document, or a new version of the one of that name, and returns its key.
    ///
    /// A file that is already there (same `sha256`) changes nothing. A new version replaces pages
    /// and passages; examples keep their quote, and are attached again where it is still found.
    pub fn add_document(
        &self,
        name: &str,
        sha256: &str,
        pages: &[Page],
        passages: &[Passage],
    ) -> Result<DocumentId> {
        let name: String = name.nfc().collect();
        self.write(|transaction| {
            let find = |column: &str, value: &str| {
                let sql = format!("SELECT id FROM documents WHERE {column} = ?1");
                transaction.query_row(&sql, [value], |row| row.get::<_, i64>(0)).optional()
            };
            if let Some(same) = find("sha256", sha256).at(self.path())? {
                return Ok(DocumentId(same));
            }
            let old = find("name", &name).at(self.path())?;
            let loose = loose_examples(transaction, old, &name).at(self.path())?;
            let id = match old {
                Some(id) => replace_record(transaction, id, sha256).at(self.path())?,
                None => insert_record(transaction, &name, sha256).at(self.path())?,
            };
            insert_pages(self, transaction, id, pages)?;
            insert_passages(self, transaction, id, passages)?;
            if !loose.is_empty() {
                let haystack = haystack(transaction, id).at(self.path())?;
                for (stored, old_text) in loose {
                    attach(self, transaction, &haystack, &name, stored, old_text.as_deref())?;
                }
            }
            Ok(DocumentId(id))
        })
    }

    /// All documents, in the order they were added.
    pub fn documents(&self) -> Result<Vec<DocumentRecord>> {
        let sql = "SELECT id, name, sha256, added,
            (SELECT count(*) FROM pages WHERE document = id),
            (SELECT count(*) FROM passages WHERE document = documents.id),
            (SELECT count(*) FROM pages, json_each(flags) AS flag
             WHERE document = documents.id AND flag.value = ?1)
            FROM documents ORDER BY id";
        let needs_ocr = to_json(&PageFlag::NeedsOcr)?;
        self.all(sql, [needs_ocr.trim_matches('"')], |row| {
            Ok(DocumentRecord {
                id: DocumentId(row.get(0)?),
                name: row.get(1)?,
                sha256: row.get(2)?,
                added: row.get(3)?,
                pages: row.get(4)?,
                passages: row.get(5)?,
                needs_ocr: row.get(6)?,
            })
        })
    }

    /// Takes a document, its pages and its passages away. Examples about it stay.
    pub fn remove_document(&self, id: DocumentId) -> Result<()> {
        self.write(|transaction| {
            let removed = transaction.execute("DELETE FROM documents WHERE id = ?1", [id.0]);
            if removed.at(self.path())? == 0 {
                return Err(Failure::user(format!("there is no document {}", id.0)));
            }
            Ok(())
        })
    }

    /// A document's pages by number; empty when there is no such document.
    pub fn pages(&self, id: DocumentId) -> Result<Vec<Page>> {
        pages(self.connection(), id.0).at(self.path())
    }

    /// Document, number and flags of every page that has flags.
    pub fn flagged_pages(&self) -> Result<Vec<(DocumentId, u32, Vec<PageFlag>)>> {
        let sql = "SELECT document, number, flags FROM pages WHERE flags <> '[]'
             ORDER BY document, number";
        self.all(sql, [], |row| Ok((DocumentId(row.get(0)?), row.get(1)?, json(row, 2)?)))
    }

    /// Passages of one document, or of all, in document order.
    pub fn passages(&self, id: Option<DocumentId>) -> Result<Vec<PassageRecord>> {
        let sql = format!(
            "SELECT {PASSAGE} FROM passages WHERE ?1 IS NULL OR document = ?1
             ORDER BY document, position"
        );
        self.all(&sql, [id.map(|id| id.0)], passage_record)
    }

    /// One passage; none when there is no such key.
    pub fn passage(&self, id: PassageId) -> Result<Option<PassageRecord>> {
        let sql = format!("SELECT {PASSAGE} FROM passages WHERE id = ?1");
        self.connection().query_row(&sql, [id.0], passage_record).optional().at(self.path())
    }
}

/// Finds passages for examples that name a document and a quote; reads each document once.
#[derive(Default)]
pub(super) struct Locator(HashMap<String, Option<Haystack>>);

impl Locator {
    /// The passage that holds the example's quote; none when the document or the quote is not
    /// there.
    pub fn passage(
        &mut self,
        connection: &Connection,
        example: &Example,
    ) -> rusqlite::Result<Option<i64>> {
        let meta = &example.meta;
        let (Some(name), Some(quote)) = (&meta.document, &meta.quote) else {
            return Ok(None);
        };
        if !self.0.contains_key(name) {
            let id = connection
                .query_row("SELECT id FROM documents WHERE name = ?1", [name], |row| row.get(0))
                .optional()?;
            let haystack = id.map(|id| haystack(connection, id)).transpose()?;
            self.0.insert(name.clone(), haystack);
        }
        let haystack = self.0.get(name).and_then(Option::as_ref);
        Ok(haystack.and_then(|text| text.find(quote, meta.page)).and_then(|place| place.passage))
    }
}

const PASSAGE: &str = "id, document, page, span_start, span_end, context, text";

fn passage_record(row: &Row<'_>) -> rusqlite::Result<PassageRecord> {
    Ok(PassageRecord {
        id: PassageId(row.get(0)?),
        document: DocumentId(row.get(1)?),
        passage: Passage {
            page: row.get(2)?,
            span: span(row, 3)?,
            context: json(row, 5)?,
            text: row.get(6)?,
        },
    })
}

fn span(row: &Row<'_>, column: usize) -> rusqlite::Result<Span> {
    let character = |column| row.get(column).map(|at: i64| usize::try_from(at).unwrap_or(0));
    Ok(Span { start: character(column)?, end: character(column + 1)? })
}

fn pages(connection: &Connection, document: i64) -> rusqlite::Result<Vec<Page>> {
    let mut statement = connection.prepare_cached(
        "SELECT number, text, flags FROM pages WHERE document = ?1 ORDER BY number",
    )?;
    let read =
        |row: &Row<'_>| Ok(Page { number: row.get(0)?, text: row.get(1)?, flags: json(row, 2)? });
    statement.query_map([document], read)?.collect()
}

fn haystack(connection: &Connection, document: i64) -> rusqlite::Result<Haystack> {
    let pages = pages(connection, document)?;
    let mut statement = connection.prepare_cached(
        "SELECT id, page, span_start, span_end, text FROM passages WHERE document = ?1
         ORDER BY position",
    )?;
    let read = |row: &Row<'_>| {
        Ok((Found { id: row.get(0)?, page: row.get(1)?, span: span(row, 2)? }, row.get(4)?))
    };
    let passages: Vec<_> = statement.query_map([document], read)?.collect::<Result<_, _>>()?;
    Ok(Haystack::new(&pages, passages))
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
    let read = |row: &Row<'_>| Ok((stored_example(row)?, row.get(4)?));
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
) -> Result<()> {
    let sql = "INSERT INTO passages
        (document, position, page, span_start, span_end, context, text)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut statement = to.prepare(sql).at(store.path())?;
    for (position, passage) in (0_i64..).zip(passages) {
        let Passage { page, span, context, text } = passage;
        let context = to_json(context)?;
        let (start, end) = (span.start as i64, span.end as i64);
        let row = params![document, position, page, start, end, context, text];
        statement.execute(row).at(store.path())?;
    }
    Ok(())
}

fn attach(
    store: &Store,
    transaction: &Transaction<'_>,
    haystack: &Haystack,
    name: &str,
    stored: StoredExample,
    old_text: Option<&str>,
) -> Result<()> {
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
            old_text.and_then(|text| haystack.same_passage(text))
        }
        None => None,
    };
    transaction
        .execute(
            "UPDATE examples SET passage = ?2, body = ?3 WHERE id = ?1",
            params![stored.id.0, passage, to_json(&example)?],
        )
        .at(store.path())?;
    Ok(())
}
