//! The cases of files as one suite.

use std::collections::HashSet;

use super::{Form, Read};
use crate::evaluate::case::{Case, Expect};
use crate::evaluate::result::{SuiteKind, Title};
use crate::evaluate::suite::{PromptStyle, Suite, reply_tokens_max};
use crate::pair::example::Language;
use crate::text::number::is_hangul;

/// Subsets of a report; with more tags than this a table of them would bury the rest.
const SUBSETS_MAX: usize = 16;
/// Licence of cases that say none, in SPDX's word.
const NO_LICENCE: &str = "NOASSERTION";

/// What is said of the suite.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SuiteOptions {
    /// Its name.
    pub name: String,
    /// Language of all cases; where it is not said each case's own, by its letters.
    pub language: Option<Language>,
    /// Licence of the cases, as an SPDX expression.
    pub licence: Option<String>,
}

/// Puts the cases of files together. Cases whose identifier is taken are moved from the file's cases
/// to its problems.
///
/// # Errors
/// Says which kinds do not go together.
pub fn suite(form: Form, reads: &mut [Read], options: &SuiteOptions) -> Result<Suite, String> {
    let mut kinds: Vec<SuiteKind> =
        (reads.iter()).filter(|read| !read.cases.is_empty()).filter_map(|read| read.kind).collect();
    let kind = kinds.pop().ok_or("there are no cases")?;
    let mixes = |kind: SuiteKind| {
        matches!(kind, SuiteKind::Answers | SuiteKind::Domain | SuiteKind::Choice)
    };
    if let Some(other) = kinds.into_iter().find(|other| *other != kind)
        && !(mixes(kind) && mixes(other))
    {
        return Err("the files ask for different kinds of answers; import them apart".to_owned());
    }
    let mut ids = HashSet::new();
    let mut cases: Vec<Case> = Vec::new();
    for read in reads.iter_mut() {
        let problems = &mut read.problems;
        read.cases.retain(|case| {
            let fresh = ids.insert(case.id.clone());
            if !fresh {
                problems.push((0, format!("the id `{}` is used twice", case.id)));
            }
            fresh
        });
        cases.extend(read.cases.iter().cloned());
    }
    let languages = tag_languages(&mut cases, options.language);
    Ok(Suite {
        title: Title { ko: options.name.clone(), en: options.name.clone() },
        name: options.name.clone(),
        kind,
        forgetting: false,
        languages,
        licence: (options.licence.clone())
            .or(form.licence().map(str::to_owned))
            .unwrap_or_else(|| NO_LICENCE.to_owned()),
        prompt: if form == Form::Harness { PromptStyle::Plain } else { PromptStyle::Chat },
        max_new: tokens_max(kind, &cases),
        subsets: subsets(&cases),
        cases,
    })
}

/// Most tokens of a reply: room to reason before a last number, and for a whole function.
fn tokens_max(kind: SuiteKind, cases: &[Case]) -> usize {
    let reasons = |case: &Case| matches!(&case.expect, Expect::Short(short) if short.last);
    match kind {
        SuiteKind::Programs => 512,
        _ if cases.iter().any(reasons) => 400,
        _ => reply_tokens_max(kind),
    }
}

/// The languages of the cases; where there are both, each case is tagged with its own.
fn tag_languages(cases: &mut [Case], all: Option<Language>) -> Vec<Language> {
    if let Some(language) = all {
        return vec![language];
    }
    let of = |case: &Case| {
        if case.question().contains(is_hangul) { Language::Korean } else { Language::English }
    };
    let korean = cases.iter().filter(|case| of(case) == Language::Korean).count();
    if korean == cases.len() {
        return vec![Language::Korean];
    }
    if korean == 0 {
        return vec![Language::English];
    }
    for case in cases.iter_mut() {
        let code = of(case).code().to_owned();
        if !case.tags.contains(&code) {
            case.tags.push(code);
        }
    }
    vec![Language::Korean, Language::English]
}

/// Tags that set some cases apart from others.
fn subsets(cases: &[Case]) -> Vec<String> {
    let mut tags: Vec<&String> = Vec::new();
    for tag in cases.iter().flat_map(|case| &case.tags) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        if tags.len() > SUBSETS_MAX {
            return Vec::new();
        }
    }
    tags.retain(|tag| !cases.iter().all(|case| case.tags.contains(tag)));
    tags.into_iter().cloned().collect()
}
