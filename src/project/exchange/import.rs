//! Adding the pairs of a file.
//!
//! Rows are read, understood and checked on a thread of their own (and rayon's), and gathered in a
//! temporary table, which locks nothing. Only then one transaction copies them over, so that a stop,
//! a crash or an error before its end leaves the project as it was.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};

use rayon::prelude::*;
use rusqlite::{Connection, Transaction, params};

use crate::failure::{Failure, Result};
use crate::pair::duplicates::{self, Duplicate, Fingerprint, Seen};
use crate::pair::format::{Layout, Raw, Row};
use crate::pair::{Example, Problem, ReviewState, check};
use crate::progress::{OnProgress, Progress};
use crate::project::Store;
use crate::project::document::Locator;
use crate::project::failures::SqlContext as _;
use crate::project::pair_file::{PairFile, ReadAs};
use crate::project::store::{state_name, to_json};

/// Rows that are worked on together.
const BATCH_ROWS: usize = 2048;
/// Bytes of rows that are worked on together, at most.
const BATCH_BYTES: usize = 8 << 20;
/// Problems and repeated rows that are kept one by one; beyond that they are counted.
const NAMED_MAX: usize = 10_000;

/// How a file is imported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportOptions {
    /// Accept rows that do not say otherwise, instead of leaving them drafts.
    pub accept: bool,
    /// How the file is read.
    pub read_as: ReadAs,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Imported {
    /// What the file was taken for.
    pub read_as: String,
    /// What places in the file count: "line" or "row".
    pub place: &'static str,
    /// Rows added, by state.
    pub added: BTreeMap<&'static str, usize>,
    /// Rows that repeat a stored one or an earlier line, in all; not added.
    pub repeated: usize,
    /// The first of them.
    pub duplicates: Vec<Duplicate>,
    /// Problems in all.
    pub faults: usize,
    /// The first of them: rows that could not be read, rows added as drafts because a check failed,
    /// keys that are not kept.
    pub problems: Vec<Problem>,
}

impl Imported {
    /// Rows added in all.
    pub fn total(&self) -> usize {
        self.added.values().sum()
    }

    fn problem(&mut self, line: usize, reason: String) {
        self.faults += 1;
        if self.problems.len() < NAMED_MAX {
            self.problems.push(Problem { line, reason });
        }
    }
}

/// Adds the examples of a file as one edit; none when it was stopped, and then nothing is added.
///
/// A row takes the state that its `meta.state` names, else it is accepted with `accept` and a draft
/// without. A row that fails [`check`] is a draft whatever it says.
///
/// # Errors
/// When the file cannot be opened or nothing in it could be read; nothing is added then.
pub fn import(
    store: &Store,
    path: &Path,
    options: &ImportOptions,
    on_progress: &mut OnProgress<'_>,
) -> Result<Option<Imported>> {
    let file = PairFile::open(path, &options.read_as)?;
    let staging = Staging::open(store)?;
    let mut imported = Imported {
        read_as: file.description(),
        place: file.container.counts(),
        ..Imported::default()
    };
    let Some(mut seen) = stored_fingerprints(store, on_progress)? else { return Ok(None) };
    if gather(&staging, &file, options.accept, &mut seen, &mut imported, on_progress)?.is_break() {
        return Ok(None);
    }
    drop(seen);
    imported.problems.sort_by_key(|problem| problem.line);
    if imported.total() + imported.repeated == 0 {
        return Err(nothing_readable(&file, &imported));
    }
    let name = path.file_name().unwrap_or_default().display();
    let summary = format!("imported {} pairs from {name}", imported.total());
    Ok(staging.commit(&summary, imported.total(), on_progress)?.then_some(imported))
}

fn nothing_readable(file: &PairFile, imported: &Imported) -> Failure {
    let name = file.path().display();
    let more = imported.faults.saturating_sub(1);
    let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    Failure::user(match imported.problems.first() {
        None => format!("{name}: the file is empty"),
        Some(first) => {
            format!("{name}: {} {}: {}{more}", imported.place, first.line, first.reason)
        }
    })
    .hint(format!("read as {}; `--format` and `--map` say otherwise", imported.read_as))
}

/// A row of the file, ready to be stored.
struct Ready {
    line: usize,
    unkept: Vec<String>,
    row: Result<Understood, String>,
}

struct Understood {
    fingerprint: Fingerprint,
    faults: Vec<String>,
    state: Option<ReviewState>,
    /// The example, where it names a document and a quote that a passage may hold.
    quoted: Option<Box<Example>>,
    body: String,
}

fn understand(row: std::result::Result<Row, Problem>, layout: &Layout) -> Ready {
    let (line, row) = match row {
        Ok(row) => (row.place, Ok(row)),
        Err(Problem { line, reason }) => (line, Err(reason)),
    };
    let mut unkept = Vec::new();
    let row = row.and_then(Row::record).and_then(|record| {
        let mut example = layout.example(record, &mut unkept)?;
        let state = example.meta.state.take();
        let body = to_json(&example).map_err(|failure| failure.message)?;
        let faults = check(&example);
        let fingerprint = duplicates::fingerprint(&example);
        let named = example.meta.document.is_some() && example.meta.quote.is_some();
        let quoted = named.then(|| Box::new(example));
        Ok(Understood { fingerprint, faults, state, quoted, body })
    });
    Ready { line, unkept, row }
}

/// Reads and understands the file batch by batch until it ends or nobody listens any more.
fn produce(file: &PairFile, send: &SyncSender<Result<(Vec<Ready>, u64)>>) {
    let (mut rows, done) = match file.rows() {
        Ok(rows) => rows,
        Err(failure) => {
            let _ = send.send(Err(failure));
            return;
        }
    };
    loop {
        let (mut batch, mut bytes) = (Vec::with_capacity(BATCH_ROWS), 0);
        while batch.len() < BATCH_ROWS && bytes < BATCH_BYTES {
            let Some(row) = rows.next() else { break };
            bytes += match &row {
                Ok(Row { raw: Raw::Json(text), .. }) => text.len(),
                _ => 512,
            };
            batch.push(row);
        }
        if batch.is_empty() {
            return;
        }
        let ready = batch.into_par_iter().map(|row| understand(row, &file.layout)).collect();
        let far = done.load(Ordering::Relaxed);
        if send.send(Ok((ready, far))).is_err() {
            return;
        }
    }
}

/// Fills the staging table; breaks when asked to stop.
fn gather(
    staging: &Staging<'_>,
    file: &PairFile,
    accept: bool,
    seen: &mut Seen,
    imported: &mut Imported,
    on_progress: &mut OnProgress<'_>,
) -> Result<ControlFlow<()>> {
    let (extent, unit) = file.extent();
    let mut told = HashSet::new();
    let mut locator = Locator::default();
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(2);
        scope.spawn(move || produce(file, &send));
        for batch in receive {
            let (batch, far) = batch?;
            staging.batch(|connection| {
                for ready in batch {
                    for key in ready.unkept {
                        if !told.contains(&key) {
                            let reason =
                                format!("{key} is not kept (told once; the row is loaded)");
                            imported.problem(ready.line, reason);
                            told.insert(key);
                        }
                    }
                    match ready.row {
                        Err(reason) => imported.problem(ready.line, reason),
                        Ok(row) => {
                            stage(
                                staging,
                                connection,
                                ready.line,
                                row,
                                accept,
                                seen,
                                imported,
                                &mut locator,
                            )?;
                        }
                    }
                }
                Ok(())
            })?;
            let progress = Progress::new("read", far.min(extent.unwrap_or(far)), extent, unit);
            if on_progress(progress).is_break() {
                // Dropping the receiver ends the thread at its next batch.
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

#[expect(clippy::too_many_arguments, reason = "one step of a loop, with all that the loop keeps")]
fn stage(
    staging: &Staging<'_>,
    connection: &Connection,
    line: usize,
    row: Understood,
    accept: bool,
    seen: &mut Seen,
    imported: &mut Imported,
    locator: &mut Locator,
) -> Result<()> {
    if let Some(of) = seen.first(row.fingerprint, line) {
        imported.repeated += 1;
        if imported.duplicates.len() < NAMED_MAX {
            imported.duplicates.push(Duplicate { line, of });
        }
        return Ok(());
    }
    let state = match row.state {
        _ if !row.faults.is_empty() => ReviewState::Draft,
        Some(ReviewState::Draft) | None if accept => ReviewState::Accepted,
        Some(state) => state,
        None => ReviewState::Draft,
    };
    for reason in row.faults {
        imported.problem(line, reason);
    }
    *imported.added.entry(state_name(state)).or_default() += 1;
    let passage = match &row.quoted {
        Some(example) => locator.passage(connection, example).at(staging.store.path())?,
        None => None,
    };
    connection
        .prepare_cached("INSERT INTO temp.staged (passage, state, body) VALUES (?1, ?2, ?3)")
        .and_then(|mut insert| insert.execute(params![passage, state_name(state), row.body]))
        .at(staging.store.path())
        .map(drop)
}

/// Fingerprints of what is stored; none when asked to stop.
fn stored_fingerprints(store: &Store, on_progress: &mut OnProgress<'_>) -> Result<Option<Seen>> {
    let mut seen = Seen::default();
    let query = || -> rusqlite::Result<(u64, rusqlite::CachedStatement<'_>)> {
        let connection = store.connection();
        let total: i64 =
            connection.query_row("SELECT count(*) FROM examples", [], |row| row.get(0))?;
        Ok((
            u64::try_from(total).unwrap_or(0),
            connection.prepare_cached("SELECT id, body FROM examples ORDER BY id")?,
        ))
    };
    let (total, mut statement) = query().at(store.path())?;
    let mut rows = statement.query([]).at(store.path())?;
    let (mut done, path) = (0, store.path());
    loop {
        let mut batch: Vec<(i64, String)> = Vec::with_capacity(BATCH_ROWS);
        while batch.len() < BATCH_ROWS
            && let Some(row) = rows.next().at(store.path())?
        {
            batch.push((row.get(0).at(store.path())?, row.get(1).at(store.path())?));
        }
        if batch.is_empty() {
            return Ok(Some(seen));
        }
        done += batch.len() as u64;
        let known: Vec<_> = batch
            .into_par_iter()
            .map(|(id, body)| {
                let example: Example = serde_json::from_str(&body).map_err(|error| {
                    Failure::user(format!("{}: pair {id}: {error}", path.display()))
                        .hint("the store may be damaged; a copy lies beside it")
                })?;
                Ok((id, duplicates::fingerprint(&example)))
            })
            .collect::<Result<_>>()?;
        for (id, fingerprint) in known {
            seen.stored(id, fingerprint);
        }
        if on_progress(Progress::new("compare", done, Some(total), "pairs")).is_break() {
            return Ok(None);
        }
    }
}

/// A temporary table of rows to be added, gone with the connection or at the end of the import.
struct Staging<'a> {
    store: &'a Store,
}

impl<'a> Staging<'a> {
    fn open(store: &'a Store) -> Result<Self> {
        store
            .connection()
            .execute_batch(
                "DROP TABLE IF EXISTS temp.staged;
                 PRAGMA temp.journal_mode = OFF;
                 CREATE TEMP TABLE staged (
                     n INTEGER PRIMARY KEY, passage INTEGER, state TEXT NOT NULL, body TEXT NOT NULL
                 );",
            )
            .at(store.path())?;
        Ok(Self { store })
    }

    /// Does `work` in one transaction of the temporary database.
    fn batch(&self, work: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
        let at = self.store.path();
        let transaction = self.store.connection().unchecked_transaction().at(at)?;
        work(&transaction)?;
        transaction.commit().at(at)
    }

    /// Copies the rows over as one edit and tells whether it was not asked to stop.
    fn commit(
        &self,
        summary: &str,
        total: usize,
        on_progress: &mut OnProgress<'_>,
    ) -> Result<bool> {
        if total == 0 {
            return Ok(true);
        }
        let mut stopped = false;
        let copied = self.store.write(|transaction| {
            let first = self.copy(transaction, total, on_progress)?;
            let Some(first) = first else {
                stopped = true;
                // Any error takes the transaction back; this one is not shown.
                return Err(Failure::user("stopped"));
            };
            self.store.record_rows(transaction, summary, first, first + total as i64 - 1)
        });
        if stopped { Ok(false) } else { copied.map(|()| true) }
    }

    /// Copies the rows and gives the first key; none when asked to stop.
    fn copy(
        &self,
        transaction: &Transaction<'_>,
        total: usize,
        on_progress: &mut OnProgress<'_>,
    ) -> Result<Option<i64>> {
        let at = self.store.path();
        // A passage may have gone since it was found.
        let mut insert = transaction
            .prepare(
                "INSERT INTO main.examples (passage, state, body)
                 SELECT (SELECT id FROM main.passages WHERE id = staged.passage), state, body
                 FROM temp.staged WHERE n BETWEEN ?1 AND ?2 ORDER BY n",
            )
            .at(at)?;
        let step = 4 * BATCH_ROWS;
        for from in (1..=total).step_by(step) {
            let to = (from + step - 1).min(total);
            insert.execute([from as i64, to as i64]).at(at)?;
            let progress = Progress::new("store", to as u64, Some(total as u64), "pairs");
            if on_progress(progress).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(transaction.last_insert_rowid() - total as i64 + 1))
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        let _ = self.store.connection().execute_batch("DROP TABLE IF EXISTS temp.staged");
    }
}
