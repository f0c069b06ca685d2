//! All findings about a project's pairs, those that need the whole set included.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Desk, JobEvent, JobOutcome, Told, mixing, stopped};
use crate::failure::Result;
use crate::mix::Side;
use crate::model::Codec;
use crate::pair::ReviewState;
use crate::pair::checks::similar::Comparison;
use crate::pair::checks::{self, Detail, Finding, Kind, Severity, Source, content_hash};
use crate::progress::{OnProgress, Progress};
use crate::project::{ExampleId, Store, StoredExample};
use crate::train::Recipe;

const STAGE: &str = "check";
/// Pairs between two reports of progress.
const TOLD_EVERY: usize = 512;

/// What was found about a pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The pair.
    pub id: ExampleId,
    /// Hash of its content, with which a finding is dismissed.
    pub content_hash: String,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// Of what else was found, what was judged to be no problem.
    pub dismissed: Vec<Finding>,
}

/// What the checks came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CheckReport {
    /// Pairs that were looked at: those that are not rejected.
    pub pairs: usize,
    /// Those about which something was found, in the order of their keys.
    pub found: Vec<Checked>,
}

/// Checks the pairs that are not rejected; none when stopped. `limit` is the most tokens a row may have,
/// counted by `codec` or by an estimate.
///
/// # Errors
/// When the store cannot be read.
pub fn check(
    store: &Store,
    codec: Option<&Codec>,
    limit: usize,
    on: &mut OnProgress<'_>,
) -> Result<Option<CheckReport>> {
    let total = store.example_count()? as u64;
    if on(Progress::new(STAGE, 0, Some(total), "items")).is_break() {
        return Ok(None);
    }
    let pages = Pages::read(store)?;
    let dismissed: HashSet<(i64, Kind, String)> = store
        .dismissals()?
        .into_iter()
        .map(|dismissal| (dismissal.example.0, dismissal.kind, dismissal.content_hash))
        .collect();
    let sides = sides(store)?;
    let mut comparison = Comparison::default();
    let mut ids = Vec::new();
    let mut found = Vec::new();
    let mut stopped = false;
    store.each_example(|stored| {
        if ids.len().is_multiple_of(TOLD_EVERY) {
            stopped = on(Progress::new(STAGE, ids.len() as u64, Some(total), "items")).is_break();
            if stopped {
                return ControlFlow::Break(());
            }
        }
        if stored.state == ReviewState::Rejected {
            return ControlFlow::Continue(());
        }
        let tokens = mixing::count(codec, &stored.example);
        let source = Source { page: pages.of(&stored), tokens: Some((tokens, limit)) };
        let mut findings = checks::findings(&stored.example, source);
        if let Some(pair) = comparison.add(&stored.example) {
            let earlier: i64 = ids.get(pair.earlier).copied().unwrap_or_default();
            findings.extend(repeats(pair.exact, earlier, stored.id.0, &sides));
        }
        ids.push(stored.id.0);
        if !findings.is_empty() {
            let hash = content_hash(&stored.example);
            findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.kind));
            let told = |f: &Finding| !dismissed.contains(&(stored.id.0, f.kind, hash.clone()));
            let (findings, dismissed) = findings.into_iter().partition(told);
            found.push(Checked { id: stored.id, content_hash: hash, findings, dismissed });
        }
        ControlFlow::Continue(())
    })?;
    Ok((!stopped).then_some(CheckReport { pairs: ids.len(), found }))
}

/// What is said of a pair that may repeat an earlier one.
fn repeats(exact: bool, earlier: i64, later: i64, sides: &HashMap<i64, Side>) -> Vec<Finding> {
    let (kind, severity) = if exact {
        (Kind::ExactDuplicate, Severity::Warning)
    } else {
        (Kind::NearDuplicate, Severity::Note)
    };
    let mut findings = vec![Finding::new(kind, severity, Detail::Pair(earlier))];
    let trained = |id: i64| sides.get(&id).map(|side| *side == Side::Train);
    if let (Some(one), Some(other)) = (trained(earlier), trained(later))
        && one != other
    {
        findings.push(Finding::new(Kind::Leak, Severity::Warning, Detail::Pair(earlier)));
    }
    findings
}

/// Checks as a job: rows may be as long as the recipe says, in tokens of the model.
pub(super) fn run(desk: &mut Desk<'_>, model: Option<&str>) -> Result<JobOutcome> {
    let store = desk.store()?;
    let recipe: Recipe = store.setting("recipe")?.unwrap_or_default();
    let codec = match model.map(crate::model::open).transpose() {
        Ok(opened) => opened.map(|opened| opened.codec),
        Err(failure) => {
            desk.note(format!("tokens are estimated: {}", failure.message));
            None
        }
    };
    let report = check(&store, codec.as_ref(), recipe.length_max, &mut desk.progress())?;
    let Some(report) = report else { return Ok(stopped()) };
    desk.tell(JobEvent::Checked(Arc::new(report)));
    Ok(JobOutcome::Finished(Told::Nothing))
}

/// On which side each accepted pair is.
fn sides(store: &Store) -> Result<HashMap<i64, Side>> {
    let mix = mixing::mix_project(store, None)?;
    let sided = mix.rows.into_iter().filter_map(|row| match row.source {
        crate::mix::RowSource::Project(id) => Some((id, row.side)),
        crate::mix::RowSource::General(_) => None,
    });
    Ok(sided.collect())
}

/// Texts of pages by document and number, and pages of passages.
struct Pages {
    texts: HashMap<(String, u32), String>,
    of_passage: HashMap<i64, (String, u32)>,
}

impl Pages {
    fn read(store: &Store) -> Result<Self> {
        let mut pages = Self { texts: HashMap::new(), of_passage: HashMap::new() };
        for document in store.documents()? {
            for passage in store.passages(Some(document.id))? {
                let page = (document.name.clone(), passage.passage.page);
                pages.of_passage.insert(passage.id.0, page);
            }
            for page in store.pages(document.id)? {
                pages.texts.insert((document.name.clone(), page.number), page.text);
            }
        }
        Ok(pages)
    }

    fn of(&self, stored: &StoredExample) -> Option<&str> {
        let meta = &stored.example.meta;
        let named = meta.document.clone().zip(meta.page);
        let by_passage = stored.passage.and_then(|id| self.of_passage.get(&id.0));
        let text = named.and_then(|page| self.texts.get(&page));
        text.or_else(|| self.texts.get(by_passage?)).map(String::as_str)
    }
}
