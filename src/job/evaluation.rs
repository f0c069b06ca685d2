//! Scoring base and tuned.

use std::fs;
use std::path::Path;

use super::answering::EngineAnswerer;
use super::{CaseFilter, Desk, JobOutcome, Told, mixing, stopped};
use crate::evaluate::{self, Suite};
use crate::failure::{Context as _, Failure, Result};
use crate::mix::Side;
use crate::pair::{Example, Language};
use crate::project::Store;
use crate::report;
use crate::train::adapter_file;
use crate::train::run::adapter_folder;
use crate::whole_file::write_whole;

pub(super) fn evaluate(
    desk: &mut Desk<'_>,
    model: &str,
    run: Option<u32>,
    wanted: &[String],
    cases: CaseFilter,
) -> Result<JobOutcome> {
    let store = desk.store()?;
    let Some(loaded) = desk.models.get(model, &mut desk.progress())? else {
        return Ok(stopped());
    };
    let adapter = match run {
        None => None,
        Some(number) => {
            let folder = adapter_folder(&crate::project::run_folder(desk.folder, number));
            Some(adapter_file::read(&folder, loaded.base.config())?)
        }
    };
    let mix = mixing::mix_project(&store, Some(&loaded.codec))?;
    let test: Vec<Example> =
        mix.rows.into_iter().filter(|row| row.side == Side::Test).map(|row| row.example).collect();
    let suites = narrow(choose(all_suites(desk, &test)?, wanted)?, cases);
    let mut answerer = EngineAnswerer { loaded: &loaded, adapter: adapter.as_ref() };
    let evaluation =
        evaluate::run(model, run, &suites, &mut answerer, adapter.is_some(), &mut desk.progress())?;
    let Some(evaluation) = evaluation else { return Ok(stopped()) };
    let about = about(desk, &store, run)?;
    store.save_evaluation(&evaluation)?;
    let folder = run.map_or_else(
        || desk.folder.join("reports").join("base"),
        |number| crate::project::run_folder(desk.folder, number),
    );
    write_reports(&folder, &evaluation, &about)?;
    desk.changed();
    Ok(JobOutcome::Finished(Told::Report(folder.join("report.md"))))
}

/// Writes `report.html` (both languages in one page), `report.md` (both languages' forms beside each
/// other) and `report.json` into `folder`.
fn write_reports(folder: &Path, evaluation: &evaluate::Evaluation, about: &[String]) -> Result<()> {
    fs::create_dir_all(folder).because(folder.display())?;
    let english = report::markdown(evaluation, Language::English, about);
    let korean = report::markdown(evaluation, Language::Korean, about);
    let page = report::html(evaluation, Language::English, about);
    write_whole(&folder.join("report.html"), page.as_bytes())?;
    write_whole(&folder.join("report.md"), english.as_bytes())?;
    write_whole(&folder.join("report.ko.md"), korean.as_bytes())?;
    write_whole(&folder.join("report.json"), report::json(evaluation)?.as_bytes())
}

/// Lines for the head of a report: the project, the run and its settings.
fn about(desk: &Desk<'_>, store: &Store, run: Option<u32>) -> Result<Vec<String>> {
    let name = desk.folder.file_name().unwrap_or_default().to_string_lossy();
    let mut lines = vec![format!("hone {}, project {name}", env!("CARGO_PKG_VERSION"))];
    let run = store.runs()?.into_iter().find(|record| Some(record.number) == run);
    if let Some(run) = run {
        let recipe = &run.recipe;
        lines.push(format!(
            "run {}: NF4 base, LoRA r {} alpha {}, {} epochs, {} rows a step, learning rate {:e}, \
             seed {}, {} steps in {:.0} s",
            run.number,
            recipe.rank,
            recipe.alpha,
            recipe.epochs,
            recipe.batch_rows,
            recipe.learning_rate,
            recipe.seed,
            run.step,
            run.seconds
        ));
    }
    Ok(lines)
}

/// The shipped suites, those in the project's `eval` folder, and the project's own test pages.
fn all_suites(desk: &mut Desk<'_>, test: &[Example]) -> Result<Vec<Suite>> {
    let mut suites = evaluate::shipped();
    let folder = desk.folder.join("eval");
    if folder.is_dir() {
        for entry in fs::read_dir(&folder).because(folder.display())? {
            let path = entry.because(folder.display())?.path();
            if !path.join("suite.toml").is_file() {
                continue;
            }
            let read = |name: &str| {
                let file = path.join(name);
                fs::read_to_string(&file).because(file.display())
            };
            let (suite, problems) = Suite::parse(&read("suite.toml")?, &read("cases.jsonl")?)
                .map_err(|failure| failure.context(path.display()))?;
            for problem in problems {
                desk.note(format!("{}:{}: {}", path.display(), problem.line, problem.reason));
            }
            suites.push(suite);
        }
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
