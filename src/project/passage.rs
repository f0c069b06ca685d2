//! Edits of passages: split, merge, other bounds, leave out. They stand in the same history as edits of
//! examples, so that one undo takes back whatever was done last.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};

use super::document::{Locator, PASSAGE, passage_record};
use super::failures::SqlContext as _;
use super::history::Step;
use super::store::{stored_example, to_json};
use super::{PassageId, PassageRecord, Store};
use crate::document::{self, Passage};
use crate::failure::{Failure, Result};
use crate::pair::Example;
use crate::text::Span;

/// A change of one passage, or of what is about it. One whose passage is gone, because its document was
/// replaced meanwhile, is passed over: the new version's passages are others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(super) enum PassageChange {
    /// Adds a passage to a document.
    PassageInsert {
        key: Option<i64>,
        document: i64,
        /// SHA-256 and time of the version of the document that it lies in.
        version: String,
        position: Option<i64>,
        excluded: bool,
        passage: Passage,
    },
    /// Takes a passage away.
    PassageDelete { key: i64 },
    /// Gives a passage other bounds.
    PassageReplace { key: i64, passage: Passage },
    /// Leaves a passage out of drafting and coverage, or takes it in again.
    PassageExclude { key: i64, excluded: bool },
    /// Says which passage an example is about.
    Attach { example: i64, passage: Option<i64> },
}

/// What a person does to passages.
#[derive(Debug, Clone, PartialEq)]
pub enum PassageEdit {
    /// Splits a passage before a character of its page.
    Split(PassageId, usize),
    /// Merges a passage with the next one on its page.
    Merge(PassageId),
    /// Gives a passage other bounds on its page.
    Bounds(PassageId, Span),
    /// Leaves passages out of drafting and coverage, or takes them in again.
    Exclude(Vec<PassageId>, bool),
}

/// A passage as the store has it.
struct Row {
    record: PassageRecord,
    position: i64,
    version: String,
}

impl PassageChange {
    /// Makes the change; the change as made and the one that takes it back, or none if it was passed over.
    pub(super) fn make(
        self,
        store: &Store,
        to: &Transaction<'_>,
        locator: &mut Locator,
    ) -> Result<Option<(Self, Self)>> {
        let at = |done: rusqlite::Result<usize>| done.at(store.path());
        match self {
            Self::PassageInsert { key, document, version, position, excluded, passage } => {
                let current = to
                    .prepare_cached(
                        "SELECT 1 FROM documents WHERE id = ?1 AND sha256 || '/' || added = ?2",
                    )
                    .and_then(|mut statement| statement.exists(params![document, version]))
                    .at(store.path())?;
                if !current {
                    return Ok(None);
                }
                let sql = "INSERT INTO passages
                    (id, document, position, page, span_start, span_end, context, text, excluded)
                    VALUES (?1, ?2, coalesce(?3, (SELECT coalesce(max(position), -1) + 1
                        FROM passages WHERE document = ?2)), ?4, ?5, ?6, ?7, ?8, ?9)
                    RETURNING id, position";
                let context = to_json(&passage.context)?;
                let (start, end) = (passage.span.start as i64, passage.span.end as i64);
                let row = params![
                    key,
                    document,
                    position,
                    passage.page,
                    start,
                    end,
                    context,
                    passage.text,
                    excluded
                ];
                let (key, position): (i64, i64) =
                    to.query_row(sql, row, |row| Ok((row.get(0)?, row.get(1)?))).at(store.path())?;
                let made = Self::PassageInsert {
                    key: Some(key),
                    document,
                    version,
                    position: Some(position),
                    excluded,
                    passage,
                };
                Ok(Some((made, Self::PassageDelete { key })))
            }
            Self::PassageDelete { key } => {
                let Some(before) = row(to, key).at(store.path())? else { return Ok(None) };
                at(to.execute("DELETE FROM passages WHERE id = ?1", [key]))?;
                let back = Self::PassageInsert {
                    key: Some(key),
                    document: before.record.document.0,
                    version: before.version,
                    position: Some(before.position),
                    excluded: before.record.excluded,
                    passage: before.record.passage,
                };
                Ok(Some((Self::PassageDelete { key }, back)))
            }
            Self::PassageReplace { key, passage } => {
                let Some(before) = row(to, key).at(store.path())? else { return Ok(None) };
                let sql = "UPDATE passages SET page = ?2, span_start = ?3, span_end = ?4,
                    context = ?5, text = ?6 WHERE id = ?1";
                let context = to_json(&passage.context)?;
                let (start, end) = (passage.span.start as i64, passage.span.end as i64);
                at(to.execute(sql, params![key, passage.page, start, end, context, passage.text]))?;
                let back = Self::PassageReplace { key, passage: before.record.passage };
                Ok(Some((Self::PassageReplace { key, passage }, back)))
            }
            Self::PassageExclude { key, excluded } => {
                let Some(before) = row(to, key).at(store.path())? else { return Ok(None) };
                at(to.execute(
                    "UPDATE passages SET excluded = ?2 WHERE id = ?1",
                    params![key, excluded],
                ))?;
                let back = Self::PassageExclude { key, excluded: before.record.excluded };
                Ok(Some((Self::PassageExclude { key, excluded }, back)))
            }
            Self::Attach { example, passage } => {
                let before = to
                    .prepare_cached("SELECT id, passage, state, body FROM examples WHERE id = ?1")
                    .and_then(|mut statement| {
                        statement.query_row([example], stored_example).optional()
                    })
                    .at(store.path())?;
                let Some(before) = before else { return Ok(None) };
                let there = match passage {
                    Some(key) => row(to, key).at(store.path())?.is_some(),
                    None => true,
                };
                let found = if there {
                    passage
                } else {
                    locator.passage(to, &before.example).at(store.path())?
                };
                at(to.execute(
                    "UPDATE examples SET passage = ?2 WHERE id = ?1",
                    params![example, found],
                ))?;
                let back = Self::Attach { example, passage: before.passage.map(|key| key.0) };
                Ok(Some((Self::Attach { example, passage }, back)))
            }
        }
    }
}

impl Store {
    /// Makes an edit of passages, with what undo shows for it.
    ///
    /// # Errors
    /// When the passage is gone or the edit would leave one without text.
    pub fn edit_passage(&self, edit: &PassageEdit, summary: &str) -> Result<()> {
        match edit {
            PassageEdit::Split(id, at) => self.split_passage(*id, *at, summary).map(drop),
            PassageEdit::Merge(id) => self.merge_passage(*id, summary),
            PassageEdit::Bounds(id, bounds) => self.set_passage_bounds(*id, *bounds, summary),
            PassageEdit::Exclude(ids, excluded) => self.exclude_passages(ids, *excluded, summary),
        }
    }

    /// Splits a passage before character `at` of its page and gives the second part's key. Examples whose
    /// quote lies in the second part go with it. `summary` is what undo shows.
    pub fn split_passage(&self, id: PassageId, at: usize, summary: &str) -> Result<PassageId> {
        self.write(|transaction| {
            let before = self.needed(transaction, id)?;
            let page = self.page_text(transaction, &before)?;
            let (first, second) = document::split_at(&before.record.passage, &page, at)?;
            let key = next_key(transaction).at(self.path())?;
            let (on, from) = (second.page, second.span.start);
            let in_second = |example: &Example| {
                let meta = &example.meta;
                let quoted = || document::locate(&page, meta.quote.as_deref()?);
                let known = meta.page.zip(meta.span);
                let place = known.or_else(|| Some((on, quoted()?)));
                place.is_some_and(|(page, span)| page == on && span.start >= from)
            };
            let moved = examples(transaction, id)
                .at(self.path())?
                .into_iter()
                .filter(|(_, example)| in_second(example))
                .map(|(example, _)| PassageChange::Attach { example, passage: Some(key) });
            let mut changes = vec![
                PassageChange::PassageReplace { key: id.0, passage: first },
                PassageChange::PassageInsert {
                    key: Some(key),
                    document: before.record.document.0,
                    version: before.version.clone(),
                    position: None,
                    excluded: before.record.excluded,
                    passage: second,
                },
            ];
            changes.extend(moved);
            self.record(transaction, summary, steps(changes))?;
            Ok(PassageId(key))
        })
    }

    /// Merges a passage with the next one on its page, whose examples go with it.
    pub fn merge_passage(&self, id: PassageId, summary: &str) -> Result<()> {
        self.write(|transaction| {
            let before = self.needed(transaction, id)?;
            let next = next_on_page(transaction, &before.record).at(self.path())?;
            let Some(next) = next else {
                return Err(Failure::user("there is no passage after this one on its page").hint(
                    "A passage lies on one page, because training and test are separated by pages.",
                ));
            };
            let page = self.page_text(transaction, &before)?;
            let merged = document::merge(&before.record.passage, &next.passage, &page)?;
            let mut changes: Vec<PassageChange> = examples(transaction, next.id)
                .at(self.path())?
                .into_iter()
                .map(|(example, _)| PassageChange::Attach { example, passage: Some(id.0) })
                .collect();
            changes.push(PassageChange::PassageDelete { key: next.id.0 });
            changes.push(PassageChange::PassageReplace { key: id.0, passage: merged });
            self.record(transaction, summary, steps(changes)).map(drop)
        })
    }

    /// Gives a passage other bounds on its page.
    pub fn set_passage_bounds(&self, id: PassageId, bounds: Span, summary: &str) -> Result<()> {
        self.write(|transaction| {
            let before = self.needed(transaction, id)?;
            let page = self.page_text(transaction, &before)?;
            let passage = document::with_bounds(&before.record.passage, &page, bounds)?;
            let changes = vec![PassageChange::PassageReplace { key: id.0, passage }];
            self.record(transaction, summary, steps(changes)).map(drop)
        })
    }

    /// Leaves passages out of drafting and coverage, or takes them in again.
    pub fn exclude_passages(&self, ids: &[PassageId], excluded: bool, summary: &str) -> Result<()> {
        self.write(|transaction| {
            let mut changes = Vec::new();
            for id in ids {
                if self.needed(transaction, *id)?.record.excluded != excluded {
                    changes.push(PassageChange::PassageExclude { key: id.0, excluded });
                }
            }
            self.record(transaction, summary, steps(changes)).map(drop)
        })
    }

    fn needed(&self, connection: &Connection, id: PassageId) -> Result<Row> {
        row(connection, id.0).at(self.path())?.ok_or_else(|| {
            Failure::user(format!("there is no passage {}", id.0))
                .hint("its document may have been replaced meanwhile; open it again")
        })
    }

    fn page_text(&self, connection: &Connection, row: &Row) -> Result<String> {
        connection
            .query_row(
                "SELECT text FROM pages WHERE document = ?1 AND number = ?2",
                params![row.record.document.0, row.record.passage.page],
                |row| row.get(0),
            )
            .at(self.path())
    }
}

fn steps(changes: Vec<PassageChange>) -> Vec<Step> {
    changes.into_iter().map(Step::Passage).collect()
}

fn row(connection: &Connection, key: i64) -> rusqlite::Result<Option<Row>> {
    let sql = format!(
        "SELECT {PASSAGE}, position,
         (SELECT sha256 || '/' || added FROM documents WHERE id = document)
         FROM passages WHERE id = ?1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Row {
            record: passage_record(row)?,
            position: row.get("position")?,
            version: row.get::<_, String>(PASSAGE.split(',').count() + 1)?,
        })
    };
    statement.query_row([key], read).optional()
}

/// A key that no passage has or had.
fn next_key(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'passages'";
    connection.query_row(sql, [], |row| row.get(0))
}

/// The examples about a passage with their keys.
fn examples(connection: &Connection, id: PassageId) -> rusqlite::Result<Vec<(i64, Example)>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, passage, state, body FROM examples WHERE passage = ?1 ORDER BY id",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let stored = stored_example(row)?;
        Ok((stored.id.0, stored.example))
    };
    statement.query_map([id.0], read)?.collect()
}

fn next_on_page(
    connection: &Connection,
    record: &PassageRecord,
) -> rusqlite::Result<Option<PassageRecord>> {
    let sql = format!(
        "SELECT {PASSAGE} FROM passages
         WHERE document = ?1 AND page = ?2 AND id <> ?3 AND span_start >= ?4
         ORDER BY span_start, position LIMIT 1"
    );
    let Passage { page, span, .. } = &record.passage;
    let place = params![record.document.0, page, record.id.0, span.start as i64];
    connection.query_row(&sql, place, passage_record).optional()
}
