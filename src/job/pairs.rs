//! Importing and exporting pairs.

use std::path::Path;
use std::time::Instant;

use super::{Desk, JobOutcome, Told, stopped};
use crate::failure::{Failure, Result};
use crate::pair::format::{Format, Mapping};
use crate::pair::{Problem, ReviewState};
use crate::project::exchange::{self, ImportOptions, Selection, Target};
use crate::project::pair_file::ReadAs;

/// Problems told one by one; the rest are counted.
const PROBLEMS_TOLD_MAX: usize = 20;

/// Reads columns by their meaning, as typed: `question=Q,answer=A`.
///
/// # Errors
/// Says which part is no mapping.
pub fn mapping(text: &str) -> Result<Mapping> {
    text.parse().map_err(|reason: String| {
        Failure::user(reason).hint("columns are given as question=COLUMN,answer=COLUMN")
    })
}

pub(super) fn import(
    desk: &mut Desk<'_>,
    path: &Path,
    mapping: &str,
    accept: bool,
) -> Result<JobOutcome> {
    let started = Instant::now();
    let store = desk.store()?;
    let read_as = ReadAs { format: None, mapping: self::mapping(mapping)? };
    let options = ImportOptions { accept, read_as };
    let Some(imported) = exchange::import(&store, path, &options, &mut desk.progress())? else {
        return Ok(stopped());
    };
    desk.note(format!("{}: {}", path.display(), imported.read_as));
    tell_problems(desk, path, &imported.problems, imported.faults);
    desk.changed();
    Ok(JobOutcome::Finished(Told::Pairs {
        added: imported.total(),
        repeated: imported.repeated,
        faults: imported.faults,
        tenths: (started.elapsed().as_secs_f64() * 10.0).round() as u64,
    }))
}

/// Names the first problems of a file in the log and counts the others.
fn tell_problems(desk: &mut Desk<'_>, path: &Path, problems: &[Problem], faults: usize) {
    for problem in problems.iter().take(PROBLEMS_TOLD_MAX) {
        desk.note(format!("{}:{}: {}", path.display(), problem.line, problem.reason));
    }
    if faults > PROBLEMS_TOLD_MAX {
        desk.note(format!("and {} more like these", faults - PROBLEMS_TOLD_MAX));
    }
}

pub(super) fn add_pool(desk: &mut Desk<'_>, path: &Path, mapping: &str) -> Result<JobOutcome> {
    let store = desk.store()?;
    let read_as = ReadAs { format: None, mapping: self::mapping(mapping)? };
    let Some(added) = store.add_pool(path, &read_as, &mut desk.progress())? else {
        return Ok(stopped());
    };
    desk.note(format!("{}: {}", path.display(), added.read_as));
    tell_problems(desk, path, &added.problems, added.faults);
    desk.changed();
    let told = Told::Pool { name: added.name, rows: added.rows, faults: added.faults };
    Ok(JobOutcome::Finished(told))
}

/// Exports the accepted pairs; the licence of a folder's data card is unknown to this job.
pub(super) fn export(desk: &mut Desk<'_>, path: &Path, format: Format) -> Result<JobOutcome> {
    let store = desk.store()?;
    let selection = Selection { state: Some(ReviewState::Accepted), format };
    let exported = if exchange::is_folder(path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let target = Target { name: &name, license: "unknown" };
        exchange::export_folder(&store, path, selection, target, &mut desk.progress())?
    } else {
        exchange::export(&store, path, selection, &mut desk.progress())?
    };
    let Some(exported) = exported else { return Ok(stopped()) };
    for (id, reason) in exported.left_out.iter().take(PROBLEMS_TOLD_MAX) {
        desk.note(format!("pair {id}: left out: {reason}"));
    }
    if !format.leaves_out().is_empty() {
        desk.note(format!("not held by {}: {}", format.name(), format.leaves_out().join("; ")));
    }
    Ok(JobOutcome::Finished(Told::Exported {
        written: exported.written,
        left_out: exported.refused,
        path: path.to_owned(),
    }))
}
