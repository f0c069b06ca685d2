//! Reading documents into the project.

use std::path::Path;

use super::{Desk, JobOutcome, stopped};
use crate::document::{self, PageFlag, ReadOptions};
use crate::failure::Result;
use crate::text::tokens_estimate;

pub(super) fn add(desk: &mut Desk<'_>, path: &Path, password: Option<&str>) -> Result<JobOutcome> {
    let store = desk.store()?;
    let options = ReadOptions { password: password.map(str::to_owned), ..ReadOptions::default() };
    let read = document::read(path, &options, &mut desk.progress())?;
    let Some(text) = read else { return Ok(stopped("nothing was added")) };
    let settings = document::PassageSettings::default();
    let passages = document::split(&text.pages, &mut |piece| tokens_estimate(piece), &settings);
    store.add_document(&text.name, &text.sha256, &text.pages, &passages)?;
    desk.changed();
    for page in text.pages.iter().filter(|page| page.flags.contains(&PageFlag::NeedsOcr)) {
        desk.note(format!(
            "{}: page {} has no usable text and needs character recognition",
            text.name, page.number
        ));
    }
    for page in text.pages.iter().filter(|page| page.flags.contains(&PageFlag::Failed)) {
        desk.note(format!("{}: page {} could not be read", text.name, page.number));
    }
    Ok(JobOutcome::Finished(format!(
        "{}: {} pages, {} passages",
        text.name,
        text.pages.len(),
        passages.len()
    )))
}
