//! Writing pairs to a file, or to a folder with a data card.

use std::fs;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use rayon::prelude::*;
use rusqlite::params;

use super::{Figures, card};
use crate::failure::{Context as _, Failure, Result};
use crate::pair::format::{Format, RowWriter};
use crate::pair::{Example, ReviewState};
use crate::progress::{OnProgress, Progress};
use crate::project::Store;
use crate::project::failures::SqlContext as _;
use crate::project::store::state_name;
use crate::whole_file::{write_whole, write_whole_with};

/// Rows that are parsed together.
const BATCH_ROWS: usize = 2048;
/// Rows left out that are named one by one; beyond that they are counted.
const NAMED_MAX: usize = 1000;

/// What is exported, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// Only examples of this state; none for all.
    pub state: Option<ReviewState>,
    /// The form of rows.
    pub format: Format,
}

/// What a data card says beside the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The set's name.
    pub name: &'a str,
    /// Its licence, as Hugging Face abbreviates it: `cc-by-4.0`.
    pub license: &'a str,
}

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// Examples written.
    pub written: usize,
    /// Examples that the format cannot hold, in all.
    pub refused: usize,
    /// The first of them, by key, with the reason.
    pub left_out: Vec<(i64, String)>,
}

/// Whether a path means a folder: one that is there, or a name without ending.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
        || path.as_os_str().to_string_lossy().ends_with(['/', '\\'])
        || (path.extension().is_none() && !path.exists())
}

/// Writes examples to a file, whole or not at all; none when it was stopped.
///
/// # Errors
/// When the file cannot be written; an old one is unchanged then.
pub fn export(
    store: &Store,
    path: &Path,
    selection: Selection,
    on_progress: &mut OnProgress<'_>,
) -> Result<Option<Exported>> {
    // A bare file name has the empty path as its folder, which cannot be opened.
    let path = Path::new(".").join(path);
    write_whole_with(&path, |file| {
        let mut out = BufWriter::with_capacity(256 << 10, file);
        let flow = write_rows(store, &mut out, selection, on_progress)?;
        out.flush().because("export").map(|()| flow)
    })
    .map_err(|failure| {
        failure
            .context(path.display())
            .hint("free some space and export again; an old file is unchanged")
    })
}

/// Writes examples and tells how many.
pub fn export_to(store: &Store, writer: impl Write, selection: Selection) -> Result<Exported> {
    let written = write_rows(store, writer, selection, &mut |_| ControlFlow::Continue(()));
    let written = written.map_err(|failure| {
        failure.hint(
            "the rows may be cut short there: free some space and export again; the project is unchanged",
        )
    })?;
    match written {
        ControlFlow::Continue(exported) => Ok(exported),
        ControlFlow::Break(()) => Ok(Exported::default()),
    }
}

/// Writes examples to `train.*` in a folder, made where needed, with a data card and what the format's
/// reader needs beside them; none when it was stopped.
///
/// # Errors
/// When a file cannot be written; each is written whole or not at all, the card last.
pub fn export_folder(
    store: &Store,
    folder: &Path,
    selection: Selection,
    target: Target<'_>,
    on_progress: &mut OnProgress<'_>,
) -> Result<Option<Exported>> {
    fs::create_dir_all(folder).because(folder.display())?;
    let rows = format!("train.{}", selection.format.extension());
    let Some(figures) = Figures::gather(store, on_progress)? else { return Ok(None) };
    let Some(exported) = export(store, &folder.join(&rows), selection, on_progress)? else {
        return Ok(None);
    };
    if let Some((name, text)) = card::companion(selection.format, &rows) {
        write_whole(&folder.join(name), text.as_bytes())?;
    }
    let text = card::card(&figures, &exported, selection, target, &rows);
    write_whole(&folder.join("README.md"), text.as_bytes())?;
    Ok(Some(exported))
}

fn write_rows(
    store: &Store,
    writer: impl Write,
    selection: Selection,
    on_progress: &mut OnProgress<'_>,
) -> Result<ControlFlow<(), Exported>> {
    let mut rows = RowWriter::new(selection.format, writer).because("export")?;
    let mut exported = Exported::default();
    let flow = for_each(store, selection.state, on_progress, |id, example| {
        match rows.write(&example).because("export")? {
            Ok(()) => exported.written += 1,
            Err(reason) => {
                exported.refused += 1;
                if exported.left_out.len() < NAMED_MAX {
                    exported.left_out.push((id, reason));
                }
            }
        }
        Ok(())
    })?;
    rows.finish().because("export")?;
    Ok(match flow {
        ControlFlow::Continue(()) => ControlFlow::Continue(exported),
        ControlFlow::Break(()) => ControlFlow::Break(()),
    })
}

/// Gives the examples of a state, or all, with their state in `meta`, oldest first and a batch of them
/// in memory at a time.
pub(super) fn for_each(
    store: &Store,
    state: Option<ReviewState>,
    on_progress: &mut OnProgress<'_>,
    mut work: impl FnMut(i64, Example) -> Result<()>,
) -> Result<ControlFlow<()>> {
    let (at, connection) = (store.path(), store.connection());
    let state = state.map(state_name);
    let total: i64 = connection
        .query_row("SELECT count(*) FROM examples WHERE ?1 IS NULL OR state = ?1", [state], |row| {
            row.get(0)
        })
        .at(at)?;
    let mut statement = connection
        .prepare_cached(
            "SELECT id, state, body FROM examples
             WHERE id > ?1 AND (?2 IS NULL OR state = ?2) ORDER BY id LIMIT ?3",
        )
        .at(at)?;
    let (mut after, mut done) = (0_i64, 0);
    let path = store.path();
    loop {
        let limit = BATCH_ROWS as i64;
        let mut query = || -> rusqlite::Result<Vec<Raw>> {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            statement.query_map(params![after, state, limit], read)?.collect()
        };
        let batch = query().at(at)?;
        let Some((last, ..)) = batch.last() else { return Ok(ControlFlow::Continue(())) };
        after = *last;
        done += batch.len() as u64;
        let examples: Vec<(i64, Example)> =
            batch.into_par_iter().map(|row| parse(path, row)).collect::<Result<_>>()?;
        for (id, example) in examples {
            work(id, example)?;
        }
        let total = u64::try_from(total).unwrap_or(done).max(done);
        if on_progress(Progress::new("write", done, Some(total), "pairs")).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// Key, state and body of an example.
type Raw = (i64, String, String);

fn parse(store: &Path, (id, state, body): Raw) -> Result<(i64, Example)> {
    let mut example: Example = serde_json::from_str(&body).map_err(|error| {
        Failure::user(format!("{}: pair {id}: {error}", store.display()))
            .hint("the store may be damaged; a copy lies beside it")
    })?;
    example.meta.state = Some(match state.as_str() {
        "accepted" => ReviewState::Accepted,
        "rejected" => ReviewState::Rejected,
        _ => ReviewState::Draft,
    });
    Ok((id, example))
}
