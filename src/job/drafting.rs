//! Having a model propose pairs.

use std::env;

use super::loaded::Loaded;
use super::{Desk, DraftSource, JobOutcome, Told, stopped};
use crate::draft::{self, Drafter, Embedded, Endpoint, EndpointConfig};
use crate::failure::Result;
use crate::pair::{Change, Edit, ReviewState};
use crate::progress::Progress;
use crate::project::PassageId;

/// Environment variable that holds the endpoint's key.
pub const KEY_VARIABLE: &str = "HONE_API_KEY";
/// Refused proposals told one by one.
const REFUSALS_TOLD_MAX: usize = 10;

/// The endpoint's key, from the environment only.
pub(super) fn key() -> Option<String> {
    env::var(KEY_VARIABLE).or_else(|_| env::var("OPENAI_API_KEY")).ok()
}

pub(super) fn draft(
    desk: &mut Desk<'_>,
    passages: &[PassageId],
    count: usize,
    source: &DraftSource,
) -> Result<JobOutcome> {
    match source {
        DraftSource::Endpoint { url, model } => {
            let config = EndpointConfig::new(url, model, key());
            let mut endpoint = Endpoint::new(config, desk.cancel.clone())?;
            propose(desk, passages, count, &mut endpoint)
        }
        DraftSource::Embedded { model } => {
            let Some(loaded) = desk.models.get(model, &mut desk.progress())? else {
                return Ok(stopped());
            };
            let Loaded { name, base, codec, .. } = loaded.as_ref();
            let mut embedded = Embedded::new(name, base, codec, desk.cancel.clone());
            propose(desk, passages, count, &mut embedded)
        }
    }
}

fn propose(
    desk: &mut Desk<'_>,
    passages: &[PassageId],
    count: usize,
    drafter: &mut dyn Drafter,
) -> Result<JobOutcome> {
    let store = desk.store()?;
    let documents = store.documents()?;
    let (mut kept, mut refused, mut told) = (0, 0, 0);
    let total = passages.len() as u64;
    for (index, id) in passages.iter().enumerate() {
        desk.tell(super::JobEvent::Progress(Progress::new(
            "draft",
            index as u64,
            Some(total),
            "passages",
        )));
        if desk.cancel.is_cancelled() {
            return Ok(JobOutcome::Stopped(Told::DraftsKept(kept)));
        }
        let Some(record) = store.passage(*id)?.filter(|record| !record.excluded) else { continue };
        let name = documents
            .iter()
            .find(|document| document.id == record.document)
            .map_or("", |document| document.name.as_str());
        let report = draft::draft_passage(drafter, &record.passage, name, count)?;
        for reason in &report.refused {
            refused += 1;
            if told < REFUSALS_TOLD_MAX {
                told += 1;
                desk.note(format!("{name} p. {}: {reason}", record.passage.page));
            }
        }
        if report.drafts.is_empty() && report.refused.is_empty() {
            desk.note(format!("{name} p. {}: the model proposed nothing", record.passage.page));
        }
        let changes: Vec<Change> = report
            .drafts
            .into_iter()
            .map(|example| Change::Insert {
                key: None,
                passage: Some(id.0),
                state: ReviewState::Draft,
                example,
            })
            .collect();
        if !changes.is_empty() {
            kept += changes.len();
            let summary = format!("draft {} pairs", changes.len());
            store.apply(Edit { summary, changes })?;
            desk.changed();
        }
    }
    Ok(JobOutcome::Finished(Told::Drafted { kept, refused }))
}
