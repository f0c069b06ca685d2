//! Which suites and cases an evaluation asks.

use crate::evaluate::{self, Suite, SuiteKind};
use crate::failure::{Failure, Result};
use crate::job::mixing::Material;
use crate::job::{CaseFilter, Desk, EvaluateOptions};
use crate::mix::{Mix, Side};
use crate::model::Codec;
use crate::pair::{Example, Language};
use crate::project::suites;

/// The cases of an evaluation, as they were when they were read.
pub(in crate::job) struct Asked {
    /// The suites asked for, narrowed to the cases asked for.
    pub suites: Vec<Suite>,
    /// The project's mix, whose test pages are asked.
    pub mix: Mix,
}

impl Asked {
    /// Reads the suites; tokens of the mix are counted by `codec`.
    ///
    /// # Errors
    /// Names the suite that is not there or cannot be read.
    pub(in crate::job) fn read(
        desk: &mut Desk<'_>,
        material: &Material,
        codec: Option<&Codec>,
        options: &EvaluateOptions,
    ) -> Result<Self> {
        let mix = material.mix(codec, None);
        let test: Vec<Example> = mix.side(Side::Test).map(|row| row.example.clone()).collect();
        let suites = choose(all_suites(desk, &test)?, &options.suites)?;
        Ok(Self { suites: narrow(suites, options.cases), mix })
    }
}

/// Whether the target is among the suites, and one of forgetting.
///
/// # Errors
/// Names the suite that is not there, or says what is lacking.
pub(in crate::job) fn check_suites(suites: &[Suite], target: Option<&str>) -> Result<()> {
    let names = || suites.iter().map(|suite| suite.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(name) = target
        && !suites.iter().any(|suite| suite.name == name)
    {
        return Err(Failure::user(format!("target: there is no suite `{name}` among those asked"))
            .hint(format!("those with cases are {}", names())));
    }
    if target.is_none() && suites.iter().all(|suite| suite.forgetting) {
        return Err(Failure::user("no suite of the task is asked, so there is no target")
            .hint("add `--suite tools`, or name the target: `--target SUITE`"));
    }
    let guards = |suite: &Suite| suite.forgetting && suite.kind != SuiteKind::Text;
    if !suites.iter().any(guards) {
        return Err(Failure::user("no suite of forgetting is asked")
            .hint(format!("add `--suite forgetting`; those asked are {}", names())));
    }
    Ok(())
}

/// The shipped suites, those in the project's `eval` folder, and the project's own test pages.
fn all_suites(desk: &mut Desk<'_>, test: &[Example]) -> Result<Vec<Suite>> {
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
fn choose(suites: Vec<Suite>, wanted: &[String]) -> Result<Vec<Suite>> {
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
fn narrow(suites: Vec<Suite>, cases: CaseFilter) -> Vec<Suite> {
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
