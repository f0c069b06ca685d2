//! Edits of examples, and how they are taken back and made again.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};

use super::document::Locator;
use super::failures::SqlContext as _;
use super::judgements::JudgementChange;
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
    /// The examples it touched, a change each; none where whole files or passages came or went.
    pub touched: Vec<ExampleId>,
    /// Whether it was about what is judged to be no problem.
    pub judged: bool,
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
        let (forward, backward) = (to_json(&made.forward)?, to_json(&made.backward)?);
        write_edit(transaction, summary, &forward, &backward).at(self.path())?;
        Ok(made.touched)
    }

    /// Records that the examples `first` to `last` were added, as an edit that can be taken back.
    /// It names the rows by their keys only: no edit made before it can have touched them, and all
    /// made after it are taken back first.
    pub(super) fn record_rows(
        &self,
        transaction: &Transaction<'_>,
        summary: &str,
        first: i64,
        last: i64,
    ) -> Result<()> {
        let rows = to_json(&Recorded::Rows { rows: (first, last) })?;
        write_edit(transaction, summary, &rows, &rows).at(self.path())
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
                    Ok((row.get::<_, String>(0)?, recorded(row, 1)?))
                })
                .optional()
                .at(self.path())?;
            let Some((summary, changes)) = edit else {
                return Ok(None);
            };
            let is_judgement = |step: &Step| matches!(step, Step::Judgement(_));
            let mut judged = false;
            let touched = match changes {
                Recorded::Steps(steps) => {
                    judged = steps.iter().any(is_judgement);
                    self.make(transaction, steps)?.touched
                }
                // As many as were imported: not told one by one.
                Recorded::Rows { rows } => {
                    if column == "forward" {
                        self.unshelve(transaction, rows)?;
                    } else {
                        shelve(transaction, rows).at(self.path())?;
                    }
                    Vec::new()
                }
            };
            set_done(transaction, done_then).at(self.path())?;
            Ok(Some(Undone { summary, touched, judged }))
        })
    }

    /// Brings rows back that were put aside. Passages are found again as in [`prepare`].
    fn unshelve(&self, transaction: &Transaction<'_>, (first, last): (i64, i64)) -> Result<()> {
        let lost = || -> rusqlite::Result<Vec<(i64, Example)>> {
            transaction.execute(
                "INSERT INTO examples (id, passage, state, body)
                 SELECT id, (SELECT id FROM passages WHERE id = shelved.passage), state, body
                 FROM shelved WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
                [first, last],
            )?;
            let mut statement = transaction.prepare(
                "SELECT id, body FROM shelved WHERE id BETWEEN ?1 AND ?2 AND passage IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM passages WHERE id = shelved.passage)",
            )?;
            statement.query_map([first, last], |row| Ok((row.get(0)?, json(row, 1)?)))?.collect()
        };
        let mut locator = Locator::default();
        for (id, example) in lost().at(self.path())? {
            let passage = locator.passage(transaction, &example).at(self.path())?;
            transaction
                .execute("UPDATE examples SET passage = ?2 WHERE id = ?1", params![id, passage])
                .at(self.path())?;
        }
        transaction
            .execute("DELETE FROM shelved WHERE id BETWEEN ?1 AND ?2", [first, last])
            .at(self.path())
            .map(drop)
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
                Step::Judgement(change) => {
                    if let Some((change, inverse)) = change.make(self, transaction)? {
                        made.forward.push(Step::Judgement(change));
                        made.backward.push(Step::Judgement(inverse));
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

/// One step of an edit. The history holds all kinds, so that there is one undo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Step {
    /// A change of an example.
    Example(Change),
    /// A change of a passage.
    Passage(PassageChange),
    /// A finding judged to be no problem.
    Judgement(JudgementChange),
}

/// What an edit's columns `forward` and `backward` hold.
#[derive(Serialize)]
#[serde(untagged)]
enum Recorded {
    /// Steps in the order to make them.
    Steps(Vec<Step>),
    /// Rows that were added together: first and last key. Backward they are put aside, forward they
    /// are brought back.
    Rows { rows: (i64, i64) },
}

#[derive(Deserialize)]
struct RowRange {
    rows: (i64, i64),
}

/// Reads a column of either kind; a list is of steps, an object names rows.
fn recorded(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Recorded> {
    if row.get_ref(column)?.as_str()?.starts_with('{') {
        json::<RowRange>(row, column).map(|range| Recorded::Rows { rows: range.rows })
    } else {
        json(row, column).map(Recorded::Steps)
    }
}

/// Puts an edit behind those made; what was undone before can no longer be redone.
fn write_edit(
    transaction: &Transaction<'_>,
    summary: &str,
    forward: &str,
    backward: &str,
) -> rusqlite::Result<()> {
    let done = done(transaction)?;
    transaction.execute("DELETE FROM edits WHERE position > ?1", [done])?;
    transaction.execute("DELETE FROM shelved", [])?;
    transaction.execute(
        "INSERT INTO edits (position, summary, forward, backward, made)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![done + 1, summary, forward, backward, now()],
    )?;
    set_done(transaction, done + 1)
}

/// Puts rows aside.
fn shelve(transaction: &Transaction<'_>, (first, last): (i64, i64)) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO shelved (id, passage, state, body)
         SELECT id, passage, state, body FROM examples WHERE id BETWEEN ?1 AND ?2",
        [first, last],
    )?;
    transaction.execute("DELETE FROM examples WHERE id BETWEEN ?1 AND ?2", [first, last]).map(drop)
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
