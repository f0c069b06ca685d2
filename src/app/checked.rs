//! What the checks found about pairs, kept true while pairs are edited.

use std::collections::HashMap;

use crate::job::checking::CheckReport;
use crate::pair::ReviewState;
use crate::pair::checks::{self, Finding, Kind, Kinds, Source, content_hash};
use crate::project::{Dismissal, ExampleId, StoredExample};

/// What was found about one pair.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    /// Hash of the content it was found in.
    hash: String,
    /// All of it, what was dismissed included.
    findings: Vec<Finding>,
}

/// Findings by pair, since the last check.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    by_pair: HashMap<i64, Found>,
    /// Pairs that were checked; none before the first check.
    checked: Option<usize>,
    /// What a person judged to be no problem, with the content it was judged in.
    dismissed: HashMap<(i64, Kind), String>,
}

impl Findings {
    /// Takes in what a check came to.
    pub fn take(&mut self, report: &CheckReport) {
        let found = report.found.iter().map(|checked| {
            let findings = checked.findings.iter().chain(&checked.dismissed).cloned().collect();
            (checked.id.0, Found { hash: checked.content_hash.clone(), findings })
        });
        (self.by_pair, self.checked) = (found.collect(), Some(report.pairs));
    }

    /// Takes in everything that is judged to be no problem.
    pub fn dismiss(&mut self, dismissals: &[Dismissal]) {
        let entry = |dismissal: &Dismissal| {
            ((dismissal.example.0, dismissal.kind), dismissal.content_hash.clone())
        };
        self.dismissed = dismissals.iter().map(entry).collect();
    }

    /// How many pairs were checked; none before the first check.
    pub fn checked(&self) -> Option<usize> {
        self.checked
    }

    /// The pairs about which something was found, dismissed or not.
    pub fn pairs(&self) -> impl Iterator<Item = i64> + '_ {
        self.by_pair.keys().copied()
    }

    /// What was found about a pair and not dismissed.
    pub fn about(&self, pair: i64) -> impl Iterator<Item = &Finding> {
        self.by_pair.get(&pair).into_iter().flat_map(move |found| {
            let open = move |finding: &&Finding| self.is_open(pair, finding.kind, &found.hash);
            found.findings.iter().filter(open)
        })
    }

    fn is_open(&self, pair: i64, kind: Kind, hash: &str) -> bool {
        self.dismissed.get(&(pair, kind)).is_none_or(|judged| judged != hash)
    }

    /// What is to be told about a pair: what the last check found, or before the first one, what the pair
    /// and its page tell by themselves. `page` is asked for only then.
    pub fn told(
        &self,
        stored: &StoredExample,
        page: impl FnOnce() -> Option<String>,
    ) -> Vec<Finding> {
        if self.checked.is_some() {
            return self.about(stored.id.0).cloned().collect();
        }
        let page = page();
        let source = Source { page: page.as_deref(), tokens: None };
        let mut findings = checks::findings(&stored.example, source);
        if !self.dismissed.is_empty() {
            let hash = content_hash(&stored.example);
            findings.retain(|finding| self.is_open(stored.id.0, finding.kind, &hash));
        }
        findings
    }

    /// Kinds of what was found about a pair. A rejected pair is settled.
    pub fn kinds(&self, pair: i64, state: ReviewState) -> Kinds {
        if state == ReviewState::Rejected {
            return Kinds::default();
        }
        self.about(pair).filter(|finding| finding.is_listed()).map(|finding| finding.kind).collect()
    }

    /// What would have to be recorded to dismiss everything found of a kind, or of all, about a pair.
    pub fn dismissals(&self, pair: i64, kind: Option<Kind>) -> Vec<Dismissal> {
        let Some(found) = self.by_pair.get(&pair) else { return Vec::new() };
        let kinds = self.about(pair).map(|finding| finding.kind);
        let mut kinds: Vec<Kind> =
            kinds.filter(|found| kind.is_none_or(|kind| kind == *found)).collect();
        kinds.dedup();
        let dismissal =
            |kind| Dismissal { example: ExampleId(pair), kind, content_hash: found.hash.clone() };
        kinds.into_iter().map(dismissal).collect()
    }

    /// Judges a pair anew if it no longer says what was judged. What needs all pairs to be seen is left
    /// to the next check.
    pub fn changed(&mut self, stored: &StoredExample, page: Option<&str>) {
        if self.checked.is_none() {
            return;
        }
        let hash = content_hash(&stored.example);
        if self.by_pair.get(&stored.id.0).is_some_and(|found| found.hash == hash) {
            return;
        }
        let findings = checks::findings(&stored.example, Source { page, tokens: None });
        if findings.is_empty() {
            self.by_pair.remove(&stored.id.0);
        } else {
            self.by_pair.insert(stored.id.0, Found { hash, findings });
        }
    }
}
