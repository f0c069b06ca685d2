//! Documents, their pages and passages.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::attach::{Found, Haystack};
use super::failures::SqlContext as _;
use super::store::{json, to_json};
use super::{DocumentId, DocumentRecord, PassageId, PassageRecord, Store};
use crate::document::{Page, PageFlag, Passage};
use crate::failure::{Failure, Result};
use crate::pair::Example;
use crate::text::Span;

impl Store {
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
        passages(self.connection(), id.map(|id| id.0)).at(self.path())
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

/// Columns that [`passage_record`] reads.
pub(super) const PASSAGE: &str =
    "id, document, page, span_start, span_end, context, text, excluded";

pub(super) fn passage_record(row: &Row<'_>) -> rusqlite::Result<PassageRecord> {
    Ok(PassageRecord {
        id: PassageId(row.get(0)?),
        document: DocumentId(row.get(1)?),
        passage: Passage {
            page: row.get(2)?,
            span: span(row, 3)?,
            context: json(row, 5)?,
            text: row.get(6)?,
        },
        excluded: row.get(7)?,
    })
}

fn span(row: &Row<'_>, column: usize) -> rusqlite::Result<Span> {
    let character = |column| row.get(column).map(|at: i64| usize::try_from(at).unwrap_or(0));
    Ok(Span { start: character(column)?, end: character(column + 1)? })
}

pub(super) fn pages(connection: &Connection, document: i64) -> rusqlite::Result<Vec<Page>> {
    let mut statement = connection.prepare_cached(
        "SELECT number, text, flags FROM pages WHERE document = ?1 ORDER BY number",
    )?;
    let read =
        |row: &Row<'_>| Ok(Page { number: row.get(0)?, text: row.get(1)?, flags: json(row, 2)? });
    statement.query_map([document], read)?.collect()
}

/// Passages of one document, or of all, in document order.
pub(super) fn passages(
    connection: &Connection,
    document: Option<i64>,
) -> rusqlite::Result<Vec<PassageRecord>> {
    let sql = format!(
        "SELECT {PASSAGE} FROM passages WHERE ?1 IS NULL OR document = ?1
         ORDER BY document, page, span_start, position"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map([document], passage_record)?.collect()
}

pub(super) fn haystack(connection: &Connection, document: i64) -> rusqlite::Result<Haystack> {
    let pages = pages(connection, document)?;
    let mut statement = connection.prepare_cached(
        "SELECT id, page, span_start, span_end, text FROM passages WHERE document = ?1
         ORDER BY page, span_start, position",
    )?;
    let read = |row: &Row<'_>| {
        Ok((Found { id: row.get(0)?, page: row.get(1)?, span: span(row, 2)? }, row.get(4)?))
    };
    let passages: Vec<_> = statement.query_map([document], read)?.collect::<Result<_, _>>()?;
    Ok(Haystack::new(&pages, passages))
}
