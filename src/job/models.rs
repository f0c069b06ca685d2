//! Fetching models.

use super::{Desk, JobOutcome, Told};
use crate::failure::Result;
use crate::model::{Places, pull};

pub(super) fn pull(desk: &mut Desk<'_>, name: &str) -> Result<JobOutcome> {
    let places = Places::from_environment()?;
    let options = pull::Options::from_environment(false);
    let result = pull::pull(&places, name, &options, &mut desk.progress());
    if desk.cancel.is_cancelled() {
        return Ok(JobOutcome::Stopped(Told::FetchKept));
    }
    let manifest = result?;
    desk.changed();
    Ok(JobOutcome::Finished(Told::Model { name: manifest.name, path: manifest.path }))
}
