//! Edits of examples, and how they are taken back and made again.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};

use super::document::Locator;
use super::failures::SqlContext as _;
use super::passage::PassageChange;
use super::store::{json, now, state_name, stored_example, to_json};
use super::{ExampleId, Store};
use crate::failure::{Failure, Result};
use crate::pair::edit::{Change, Edit, Row};
use crate::pair::{Example, normalize};

/// What was taken back or made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// Summary of the edit.
    pub summary: String,
    /// The examples it touched, a change each.
    pub touched: Vec<ExampleId>,
}

impl Store {
    /// Makes an edit, whole or not at all, and returns the examples touched, a change each.
    ///
    /// What was undone before can no longer be redone. Texts are brought to NFC. A passage that is
    /// gone (its document was replaced meanwhile) is found again by the quote, or left out.
    ///
    /// # Errors
    /// When a change concerns an example that is not there.
    pub fn apply(&self, edit: Edit) -> Result<Vec<ExampleId>> {
        if edit.changes.is_empty() {
            return Ok(Vec::new());
        }
        let steps = edit.changes.into_iter().map(Step::Example).collect();
        self.write(|transaction| self.record(transaction, &edit.summary, steps))
    }

    /// Makes steps and writes them into the history; nothing where all were passed over.
    pub(super) fn record(
        &self,
        transaction: &Transaction<'_>,
        summary: &str,
        steps: Vec<Step>,
    ) -> Result<Vec<ExampleId>> {
        let made = self.make(transaction, steps)?;
        if made.forward.is_empty() {
            return Ok(Vec::new());
        }
        let done = done(transaction).at(self.path())?;
        transaction.execute("DELETE FROM edits WHERE position > ?1", [done]).at(self.path())?;
        transaction
            .execute(
                "INSERT INTO edits (position, summary, forward, backward, made)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    done + 1,
                    summary,
                    to_json(&made.forward)?,
                    to_json(&made.backward)?,
                    now()
                ],
            )
            .at(self.path())?;
        set_done(transaction, done + 1).at(self.path())?;
        Ok(made.touched)
    }

    /// The example as it was before the last edit of its text; none where it never was edited.
    pub fn before_last_edit(&self, id: ExampleId) -> Result<Option<Example>> {
        // The pattern only narrows the search down; what was found is read and looked at.
        let sql = "SELECT backward FROM edits, history
             WHERE position <= done AND backward LIKE ?1 ORDER BY position DESC";
        let pattern = format!("%\"key\":{},%", id.0);
        let find = || -> rusqlite::Result<Option<Example>> {
            let mut statement = self.connection().prepare_cached(sql)?;
            let mut rows = statement.query([pattern.as_str()])?;
            while let Some(row) = rows.next()? {
                let replaced = json::<Vec<Step>>(row, 0)?.into_iter().find_map(|step| match step {
                    Step::Example(Change::Replace { key, example }) if key == id.0 => Some(example),
                    _ => None,
                });
                if replaced.is_some() {
                    return Ok(replaced);
                }
            }
            Ok(None)
        };
        find().at(self.path())
    }

    /// Takes the last edit back; none when nothing is left to undo.
    pub fn undo(&self) -> Result<Option<Undone>> {
        self.walk("backward", |done| (done, done - 1))
    }

    /// Makes the edit that was undone last again; none when there is none.
    pub fn redo(&self) -> Result<Option<Undone>> {
        self.walk("forward", |done| (done + 1, done + 1))
    }

    /// Makes the changes in `column` of the edit that `step` chooses, given the number of edits
    /// done; its second answer is their number afterwards.
    fn walk(&self, column: &str, step: impl Fn(i64) -> (i64, i64)) -> Result<Option<Undone>> {
        self.write(|transaction| {
            let (position, done_then) = step(done(transaction).at(self.path())?);
            let sql = format!("SELECT summary, {column} FROM edits WHERE position = ?1");
            let edit = transaction
                .query_row(&sql, [position], |row| {
                    Ok((row.get::<_, String>(0)?, json::<Vec<Step>>(row, 1)?))
                })
                .optional()
                .at(self.path())?;
            let Some((summary, changes)) = edit else {
                return Ok(None);
            };
            let touched = self.make(transaction, changes)?.touched;
            set_done(transaction, done_then).at(self.path())?;
            Ok(Some(Undone { summary, touched }))
        })
    }

    /// Makes changes in order.
    fn make(&self, transaction: &Transaction<'_>, steps: Vec<Step>) -> Result<Made> {
        let mut made = Made::default();
        let mut locator = Locator::default();
        for step in steps {
            let mut change = match step {
                Step::Example(change) => change,
                Step::Passage(change) => {
                    if let Some((change, inverse)) = change.make(self, transaction, &mut locator)? {
                        made.forward.push(Step::Passage(change));
                        made.backward.push(Step::Passage(inverse));
                    }
                    continue;
                }
            };
            let before = match change.key() {
                Some(key) => row(transaction, key).at(self.path())?,
                None => None,
            };
            if let (Some(key), None, false) =
                (change.key(), &before, matches!(change, Change::Insert { .. }))
            {
                return Err(Failure::user(format!("there is no example {key}")).hint(
                    "it may have been deleted meanwhile; `hone pairs list` shows what is there",
                ));
            }
            prepare(transaction, &mut locator, &mut change).at(self.path())?;
            let key = execute(self, transaction, &change, before.as_ref())?;
            if let Change::Insert { key: chosen, .. } = &mut change {
                *chosen = Some(key);
            }
            let inverse = change.inverse(before.as_ref()).ok_or_else(|| {
                Failure::defect(format!("the change of example {key} has no inverse"))
            })?;
            made.touched.push(ExampleId(key));
            made.backward.push(Step::Example(inverse));
            made.forward.push(Step::Example(change));
        }
        made.backward.reverse();
        Ok(made)
    }
}

/// One step of an edit. The history holds both kinds, so that there is one undo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Step {
    /// A change of an example.
    Example(Change),
    /// A change of a passage.
    Passage(PassageChange),
}

/// Changes as they were made, those that take them back, and the examples touched.
#[derive(Default)]
struct Made {
    forward: Vec<Step>,
    backward: Vec<Step>,
    touched: Vec<ExampleId>,
}

/// Brings texts to NFC and drops a passage that does not exist.
fn prepare(
    connection: &Connection,
    locator: &mut Locator,
    change: &mut Change,
) -> rusqlite::Result<()> {
    match change {
        Change::Insert { passage, example, .. } => {
            normalize::normalize(example);
            if let Some(key) = passage
                && !passage_exists(connection, *key)?
            {
                *passage = locator.passage(connection, example)?;
            }
        }
        Change::Replace { example, .. } => normalize::normalize(example),
        Change::SetTags { tags, .. } => {
            for tag in tags {
                *tag = crate::text::nfc(tag).into_owned();
            }
        }
        Change::SetSystem { text, .. } => *text = crate::text::nfc(text).into_owned(),
        Change::Delete { .. }
        | Change::SetTools { .. }
        | Change::SetScore { .. }
        | Change::SetState { .. } => {}
    }
    Ok(())
}

/// Makes one change and returns the key of the example touched.
fn execute(
    store: &Store,
    transaction: &Transaction<'_>,
    change: &Change,
    before: Option<&Row>,
) -> Result<i64> {
    let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
        transaction
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(parameters))
            .at(store.path())
    };
    let rewrite = |key: i64, edit: &dyn Fn(&mut Example)| {
        let row = before.ok_or_else(|| Failure::defect(format!("no example {key}")))?;
        let mut example = row.example.clone();
        edit(&mut example);
        run("UPDATE examples SET body = ?2 WHERE id = ?1", params![key, to_json(&example)?])?;
        Ok(key)
    };
    match change {
        Change::Insert { key, passage, state, example } => {
            run(
                "INSERT INTO examples (id, passage, state, body) VALUES (?1, ?2, ?3, ?4)",
                params![key, passage, state_name(*state), to_json(example)?],
            )?;
            Ok(transaction.last_insert_rowid())
        }
        Change::Delete { key } => {
            run("DELETE FROM examples WHERE id = ?1", params![key])?;
            Ok(*key)
        }
        Change::Replace { key, example } => {
            run("UPDATE examples SET body = ?2 WHERE id = ?1", params![key, to_json(example)?])?;
            Ok(*key)
        }
        Change::SetTags { key, tags } => {
            rewrite(*key, &|example| example.meta.tags.clone_from(tags))
        }
        Change::SetSystem { key, text } => rewrite(*key, &|example| example.set_system(text)),
        Change::SetTools { key, tools } => {
            rewrite(*key, &|example| example.tools.clone_from(tools))
        }
        Change::SetScore { key, score } => rewrite(*key, &|example| example.meta.score = *score),
        Change::SetState { key, state } => {
            run("UPDATE examples SET state = ?2 WHERE id = ?1", params![key, state_name(*state)])?;
            Ok(*key)
        }
    }
}

fn row(connection: &Connection, key: i64) -> rusqlite::Result<Option<Row>> {
    let mut statement =
        connection.prepare_cached("SELECT id, passage, state, body FROM examples WHERE id = ?1")?;
    let stored = statement.query_row([key], stored_example).optional()?;
    Ok(stored.map(|stored| Row {
        passage: stored.passage.map(|passage| passage.0),
        state: stored.state,
        example: stored.example,
    }))
}

fn passage_exists(connection: &Connection, key: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM passages WHERE id = ?1")?.exists([key])
}

/// Number of edits made and not undone.
fn done(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT done FROM history", [], |row| row.get(0))
}

fn set_done(connection: &Connection, done: i64) -> rusqlite::Result<()> {
    connection.execute("UPDATE history SET done = ?1", [done]).map(drop)
}
