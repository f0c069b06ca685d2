//! Which suites and cases an evaluation asks.

use crate::evaluate::{self, Suite};
use crate::failure::{Failure, Result};
use crate::job::{CaseFilter, Desk};
use crate::pair::{Example, Language};
use crate::project::suites;

/// The shipped suites, those in the project's `eval` folder, and the project's own test pages.
pub(super) fn all_suites(desk: &mut Desk<'_>, test: &[Example]) -> Result<Vec<Suite>> {
    let mut suites = evaluate::shipped();
    for stored in suites::stored(desk.folder)? {
        for problem in stored.problems {
            let folder = stored.folder.display();
            desk.note(format!("{folder}/cases.jsonl:{}: {}", problem.line, problem.reason));
        }
        suites.push(stored.suite);
    }
    let questions = evaluate::domain_suite(test);
    if !questions.cases.is_empty() {
        suites.push(questions);
    }
    let calls = evaluate::calls_suite(test);
    if !calls.cases.is_empty() {
        suites.push(calls);
    }
    Ok(suites)
}

/// Picks suites by name; a name also picks everything below it (`forgetting`).
pub(super) fn choose(suites: Vec<Suite>, wanted: &[String]) -> Result<Vec<Suite>> {
    if wanted.is_empty() {
        return Ok(suites);
    }
    let picks = |suite: &Suite, name: &String| {
        suite.name == *name || suite.name.starts_with(&format!("{name}/"))
    };
    if let Some(unknown) = wanted.iter().find(|name| !suites.iter().any(|suite| picks(suite, name)))
    {
        let names: Vec<_> = suites.iter().map(|suite| suite.name.as_str()).collect();
        return Err(Failure::user(format!("there is no suite `{unknown}`"))
            .hint(format!("the suites are {}", names.join(", "))));
    }
    Ok(suites.into_iter().filter(|suite| wanted.iter().any(|name| picks(suite, name))).collect())
}

/// Keeps the cases tagged with `language`, or all where the whole suite is in it.
fn in_language(mut suite: Suite, language: Language) -> Suite {
    if suite.languages != [language] {
        suite.cases.retain(|case| case.tags.iter().any(|tag| tag == language.code()));
    }
    suite
}

/// Seed of the selection of cases, fixed so that evaluations can be compared.
const SAMPLE_SEED: u64 = 1;

/// Keeps the cases in the language asked for, and at most so many.
pub(super) fn narrow(suites: Vec<Suite>, cases: CaseFilter) -> Vec<Suite> {
    suites
        .into_iter()
        .map(|suite| match cases.language {
            Some(language) => in_language(suite, language),
            None => suite,
        })
        .map(|suite| match cases.limit {
            Some(limit) => suite.sample(limit, SAMPLE_SEED),
            None => suite,
        })
        .filter(|suite| !suite.cases.is_empty())
        .collect()
}
