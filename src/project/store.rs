//! The connection to the store, and the examples in it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::types::Type;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, Row, Transaction, TransactionBehavior,
};
use serde::de::DeserializeOwned;

use super::failures::SqlContext as _;
use super::{ExampleId, PassageId, StoredExample, backup, schema};
use crate::failure::{Failure, Result};
use crate::pair::{Example, ReviewState};

/// How long a connection waits for another one's transaction.
const BUSY_WAIT: Duration = Duration::from_secs(20);

/// A connection to a project's store. Every method is one transaction.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens or makes the store, brings it to the current version.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut store = Self::connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
        schema::migrate(&mut store.connection, path)?;
        Ok(store)
    }

    /// Opens an existing store of the current version.
    pub(super) fn reopen(path: &Path) -> Result<Self> {
        let store = Self::connect(path, OpenFlags::empty())?;
        schema::require_current(&store.connection, path)?;
        Ok(store)
    }

    fn connect(path: &Path, more: OpenFlags) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
        let connection = Connection::open_with_flags(path, flags).at(path)?;
        let configure = || {
            connection.busy_timeout(BUSY_WAIT)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)
        };
        configure().at(path)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Lets nothing be written over this connection.
    pub(super) fn forbid_writing(&self) -> Result<()> {
        self.connection.pragma_update(None, "query_only", true).at(&self.path)
    }

    pub(super) fn refresh_backup(&self) -> Result<Option<backup::Running>> {
        backup::refresh(&self.connection, &self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Does `work` in one transaction; an error, SQLite's or our own, takes all of it back.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
                .at(&self.path)?;
        let value = work(&transaction)?;
        transaction.commit().at(&self.path)?;
        Ok(value)
    }

    /// All examples, oldest first.
    pub fn examples(&self) -> Result<Vec<StoredExample>> {
        self.all("SELECT id, passage, state, body FROM examples ORDER BY id", [], stored_example)
    }

    /// Hands every example on, oldest first, one by one; the sink answers whether to go on.
    pub fn each_example(
        &self,
        mut sink: impl FnMut(StoredExample) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self
                .connection
                .prepare_cached("SELECT id, passage, state, body FROM examples ORDER BY id")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if sink(stored_example(row)?).is_break() {
                    break;
                }
            }
            Ok(())
        };
        read().at(&self.path)
    }

    /// One example; none when there is no such key.
    pub fn example(&self, id: ExampleId) -> Result<Option<StoredExample>> {
        self.connection
            .prepare_cached("SELECT id, passage, state, body FROM examples WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([id.0], stored_example).optional())
            .at(&self.path)
    }

    /// The accepted examples with their keys, as [`crate::mix::mix`] takes them. One that is about
    /// a passage but does not name its document and page gets both from there, so that it is split
    /// with its page.
    pub fn accepted(&self) -> Result<Vec<(i64, Example)>> {
        let sql = "SELECT examples.id, body, documents.name, passages.page
             FROM examples LEFT JOIN passages ON passages.id = examples.passage
             LEFT JOIN documents ON documents.id = passages.document
             WHERE state = 'accepted' ORDER BY examples.id";
        self.all(sql, [], |row| {
            let mut example: Example = json(row, 1)?;
            let meta = &mut example.meta;
            if meta.document.is_none() || meta.page.is_none() {
                let (document, page) = (row.get::<_, Option<String>>(2)?, row.get(3)?);
                if document.is_some() {
                    (meta.document, meta.page) = (document, page);
                }
            }
            Ok((row.get(0)?, example))
        })
    }

    /// Every row of a query.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let query = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_map(parameters, read)?.collect()
        };
        query().at(&self.path)
    }
}

/// Reads the columns id, passage, state and body.
pub(super) fn stored_example(row: &Row<'_>) -> rusqlite::Result<StoredExample> {
    Ok(StoredExample {
        id: ExampleId(row.get(0)?),
        passage: row.get::<_, Option<i64>>(1)?.map(PassageId),
        state: state(&row.get::<_, String>(2)?),
        example: json(row, 3)?,
    })
}

/// Reads a column of JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

/// The text of a value in a column of JSON.
pub(super) fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Failure::defect(format!("cannot store: {error}")))
}

/// A state as the store writes it.
pub(super) fn state_name(state: ReviewState) -> &'static str {
    match state {
        ReviewState::Draft => "draft",
        ReviewState::Accepted => "accepted",
        ReviewState::Rejected => "rejected",
    }
}

/// A state as the store reads it; its CHECK lets no other name in.
fn state(name: &str) -> ReviewState {
    match name {
        "accepted" => ReviewState::Accepted,
        "rejected" => ReviewState::Rejected,
        _ => ReviewState::Draft,
    }
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs() as i64)
}
