//! Importing and exporting pairs.

use std::path::Path;

use super::{Desk, JobOutcome};
use crate::failure::Result;
use crate::pair::ReviewState;
use crate::project::exchange;

/// Problems told one by one; the rest are counted.
const PROBLEMS_TOLD_MAX: usize = 20;

pub(super) fn import(desk: &mut Desk<'_>, path: &Path) -> Result<JobOutcome> {
    let imported = exchange::import(&desk.store()?, path, false)?;
    for problem in imported.problems.iter().take(PROBLEMS_TOLD_MAX) {
        desk.note(format!("{}:{}: {}", path.display(), problem.line, problem.reason));
    }
    if imported.problems.len() > PROBLEMS_TOLD_MAX {
        desk.note(format!("and {} more like these", imported.problems.len() - PROBLEMS_TOLD_MAX));
    }
    desk.changed();
    Ok(JobOutcome::Finished(format!(
        "{} pairs imported, {} were there already, {} problems",
        imported.total(),
        imported.duplicates.len(),
        imported.problems.len()
    )))
}

pub(super) fn export(desk: &mut Desk<'_>, path: &Path) -> Result<JobOutcome> {
    let accepted = Some(ReviewState::Accepted);
    let count = exchange::export(&desk.store()?, path, accepted, exchange::Form::Canonical)?;
    Ok(JobOutcome::Finished(format!("{count} accepted pairs written to {}", path.display())))
}
