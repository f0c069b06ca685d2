//! All findings about a project's pairs, those that need the whole set included.

use std::collections::{HashMap, HashSet};

use super::mixing;
use crate::failure::Result;
use crate::mix::Side;
use crate::model::Codec;
use crate::pair::ReviewState;
use crate::pair::checks::similar::similar;
use crate::pair::checks::{self, Detail, Finding, Kind, Severity, Source, content_hash};
use crate::project::{Store, StoredExample};

/// A pair with what was found about it and not dismissed.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The pair.
    pub stored: StoredExample,
    /// Hash of its content, with which a finding is dismissed.
    pub content_hash: String,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Checks the pairs that are not rejected. `limit` is the most tokens a row may have, counted by
/// `codec` or by an estimate.
///
/// # Errors
/// When the store cannot be read.
pub fn check(store: &Store, codec: Option<&Codec>, limit: usize) -> Result<Vec<Checked>> {
    let pages = Pages::read(store)?;
    let dismissed: HashSet<(i64, Kind, String)> = store
        .dismissals()?
        .into_iter()
        .map(|dismissal| (dismissal.example.0, dismissal.kind, dismissal.content_hash))
        .collect();
    let mut all: Vec<Checked> = store
        .examples()?
        .into_iter()
        .filter(|stored| stored.state != ReviewState::Rejected)
        .map(|stored| {
            let tokens = mixing::count(codec, &stored.example);
            let source = Source { page: pages.of(&stored), tokens: Some((tokens, limit)) };
            let findings = checks::findings(&stored.example, source);
            Checked { content_hash: content_hash(&stored.example), stored, findings }
        })
        .collect();
    let sides = sides(store)?;
    let pairs = similar(all.iter().map(|checked| &checked.stored.example));
    for pair in pairs {
        let earlier = all[pair.earlier].stored.id.0;
        let later = &mut all[pair.later];
        let kind = if pair.exact { Kind::ExactDuplicate } else { Kind::NearDuplicate };
        let severity = if pair.exact { Severity::Warning } else { Severity::Note };
        later.findings.push(Finding::new(kind, severity, Detail::Pair(earlier)));
        let trained = |id: i64| sides.get(&id).map(|side| *side == Side::Train);
        if let (Some(one), Some(other)) = (trained(earlier), trained(later.stored.id.0))
            && one != other
        {
            later.findings.push(Finding::new(Kind::Leak, Severity::Warning, Detail::Pair(earlier)));
        }
    }
    for checked in &mut all {
        let Checked { stored, content_hash, findings } = checked;
        findings.retain(|f| !dismissed.contains(&(stored.id.0, f.kind, content_hash.clone())));
        findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.kind));
    }
    Ok(all)
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
