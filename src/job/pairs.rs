//! Importing and exporting pairs.

use std::path::Path;
use std::time::Instant;

use super::{Desk, JobOutcome, stopped};
use crate::failure::Result;
use crate::pair::ReviewState;
use crate::pair::format::Format;
use crate::project::exchange::{self, ImportOptions, Selection};

/// Problems told one by one; the rest are counted.
const PROBLEMS_TOLD_MAX: usize = 20;

pub(super) fn import(desk: &mut Desk<'_>, path: &Path) -> Result<JobOutcome> {
    let started = Instant::now();
    let store = desk.store()?;
    let options = ImportOptions::default();
    let Some(imported) = exchange::import(&store, path, &options, &mut desk.progress())? else {
        return Ok(stopped("nothing was imported"));
    };
    desk.note(format!("{}: {}", path.display(), imported.read_as));
    for problem in imported.problems.iter().take(PROBLEMS_TOLD_MAX) {
        desk.note(format!("{}:{}: {}", path.display(), problem.line, problem.reason));
    }
    if imported.faults > PROBLEMS_TOLD_MAX {
        desk.note(format!("and {} more like these", imported.faults - PROBLEMS_TOLD_MAX));
    }
    desk.changed();
    Ok(JobOutcome::Finished(format!(
        "{} pairs imported in {:.1} s, {} were there already, {} problems",
        imported.total(),
        started.elapsed().as_secs_f64(),
        imported.repeated,
        imported.faults
    )))
}

pub(super) fn export(desk: &mut Desk<'_>, path: &Path) -> Result<JobOutcome> {
    let store = desk.store()?;
    let selection = Selection { state: Some(ReviewState::Accepted), format: Format::Canonical };
    let exported = exchange::export(&store, path, selection, &mut desk.progress())?;
    Ok(match exported {
        Some(exported) => JobOutcome::Finished(format!(
            "{} accepted pairs written to {}",
            exported.written,
            path.display()
        )),
        None => stopped("nothing was written"),
    })
}
