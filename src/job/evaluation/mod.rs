//! Scoring base and tuned.

mod provenance;
mod suites;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use provenance::{cases_text, command, curve, machine};
use suites::{all_suites, choose, narrow};

use super::answering::EngineAnswerer;
use super::bound::{CallBounds, check_template};
use super::endpoint_column::EndpointColumn;
use super::loaded::Loaded;
use super::programs::Sandbox;
use super::{Desk, EvaluateOptions, JobOutcome, Told, identity, mixing, stopped, training_set};
use crate::digest;
use crate::draft;
use crate::evaluate::judged::judged;
use crate::evaluate::{
    self, AnswerCache, Cached, Column, ColumnKind, Evaluation, Extra, NotRun, Plan, ProgramRunner,
    Provenance, SeenItem, Suite, SuiteKind, Training, TrainingSet, programs,
};
use crate::failure::{Context as _, Failure, Result};
use crate::mix::{Mix, Side};
use crate::pair::{Example, Language};
use crate::project::{AnswerStore, Store};
use crate::report;
use crate::train::adapter_file;
use crate::train::run::adapter_folder;
use crate::whole_file::write_whole;

pub(super) fn evaluate(
    desk: &mut Desk<'_>,
    model: &str,
    run: Option<u32>,
    options: &EvaluateOptions,
) -> Result<JobOutcome> {
    Ok(match score(desk, model, run, options)? {
        Some((_, page)) => JobOutcome::Finished(Told::Report(page)),
        None => stopped(),
    })
}

/// Whether the suites asked for are there, the target and one of forgetting among them.
///
/// # Errors
/// Names the suite that is not there, or says what is lacking.
pub(super) fn check_suites(
    desk: &mut Desk<'_>,
    store: &Store,
    options: &EvaluateOptions,
    target: Option<&str>,
) -> Result<()> {
    let mix = mixing::mix_project(store, None)?;
    let test: Vec<Example> = mix.side(Side::Test).map(|row| row.example.clone()).collect();
    let suites = choose(all_suites(desk, &test)?, &options.suites)?;
    let suites = narrow(suites, options.cases);
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

/// Scores base and tuned, and writes the reports; gives the evaluation and the page, or nothing when
/// it was stopped.
pub(super) fn score(
    desk: &mut Desk<'_>,
    model: &str,
    run: Option<u32>,
    options: &EvaluateOptions,
) -> Result<Option<(Evaluation, PathBuf)>> {
    let store = desk.store()?;
    // Refused before anything is loaded.
    let mut endpoint = (options.endpoint.as_ref())
        .map(|choice| EndpointColumn::new(choice, desk.cancel.clone()))
        .transpose()?;
    let mut judge = (options.judge.as_ref())
        .map(|choice| EndpointColumn::new(choice, desk.cancel.clone()))
        .transpose()?;
    let sandbox = options.run_programs.then(Sandbox::new).transpose()?;
    let Some(loaded) = desk.models.get(model, &mut desk.progress())? else {
        return Ok(None);
    };
    let bounds = if options.bound {
        check_template(model, loaded.codec.template())?;
        Some(CallBounds::new(loaded.vocabulary()?))
    } else {
        None
    };
    let run_folder = run.map(|number| crate::project::run_folder(desk.folder, number));
    let adapter = match &run_folder {
        None => None,
        Some(folder) => Some(adapter_file::read(&adapter_folder(folder), loaded.base.config())?),
    };
    let mix = mixing::mix_project(&store, Some(&loaded.codec))?;
    let test: Vec<Example> = mix
        .rows
        .iter()
        .filter(|row| row.side == Side::Test)
        .map(|row| row.example.clone())
        .collect();
    let suites = choose(all_suites(desk, &test)?, &options.suites)?;
    let mut suites = narrow(suites, options.cases);
    let not_run = if sandbox.is_some() { Vec::new() } else { programs::take_out(&mut suites) };
    tell_not_run(desk, &not_run, &suites)?;
    let trained = match &run_folder {
        None => None,
        Some(folder) => Some(training_set::read(folder)?.unwrap_or_else(|| present_mix(&mix))),
    };
    let mut seen = take_out_seen(desk, &mut suites, trained.as_ref().map(|(_, set)| set), options);

    let mut answers = AnswerStore::open(desk.folder)?;
    let known = Known {
        model: identity::model(&loaded, &answers)?,
        adapter: (run_folder.as_ref())
            .map(|folder| identity::folder(&adapter_folder(folder), &answers))
            .transpose()?,
    };
    let plan = Plan {
        samples: options.samples.max(1),
        temperature: options.temperature,
        seed: options.seed,
        programs: sandbox.as_ref().map(|sandbox| sandbox as &dyn ProgramRunner),
        bound: options.bound,
        ..Plan::greedy(model, run, &suites, adapter.is_some())
    };
    let mut engine =
        EngineAnswerer { loaded: &loaded, adapter: adapter.as_ref(), bounds: bounds.as_ref() };
    let mut nowhere = Nowhere;
    let cache: &mut dyn AnswerCache = if options.fresh { &mut nowhere } else { &mut answers };
    let mut cached = Cached::new(&mut engine, cache, known.identities(&loaded));
    let mut extras: Vec<Extra<'_>> = Vec::new();
    if let (Some(column), Some(choice)) = (&mut endpoint, &options.endpoint) {
        let named = Column { name: choice.model.clone(), kind: ColumnKind::Endpoint };
        extras.push(Extra { column: named, answerer: column, tuned: false });
    }
    let evaluation = evaluate::run(&plan, &mut cached, &mut extras, &mut desk.progress())?;
    let hits = cached.hits();
    let Some(mut evaluation) = evaluation else { return Ok(None) };
    if let (Some(judge), Some(choice)) = (&mut judge, &options.judge) {
        let cache: &mut dyn AnswerCache = if options.fresh { &mut nowhere } else { &mut answers };
        let identity = format!("{} {}", choice.url, choice.model);
        let mut judge = Cached::new(judge, cache, [identity.clone(), identity]);
        let done = judged(&mut evaluation, &suites, &mut judge, &mut desk.progress())?;
        if done.is_none() {
            return Ok(None);
        }
    }
    if hits > 0 {
        desk.note(format!("{hits} answers were given before and read back; --fresh asks anew"));
    }
    evaluation.not_run = not_run;
    for suite in &mut evaluation.suites {
        suite.excluded = seen.remove(&suite.name).unwrap_or_default();
    }
    let record = store.runs()?.into_iter().find(|record| Some(record.number) == run);
    let header = trained.map(|(header, _)| header);
    evaluation.training = (run_folder.as_ref()).map(|folder| Training {
        composition: header.as_ref().map(|header| header.composition.clone()).unwrap_or_default(),
        seconds: record.as_ref().map_or(0.0, |record| record.seconds),
        ..curve(&folder.join("events.jsonl"))
    });
    evaluation.provenance = Some(Provenance {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        machine: machine(),
        model: known.model,
        adapter: known.adapter,
        cases: digest::sha256(cases_text(&suites)),
        training_data: header.map(|header| header.sha256).filter(|sha256| !sha256.is_empty()),
        recipe: record.as_ref().and_then(|record| serde_json::to_value(&record.recipe).ok()),
        samples: plan.samples,
        temperature: plan.temperature,
        seed: plan.seed,
        cached: hits,
        judge: (options.judge.as_ref())
            .map(|choice| format!("{}, {}", choice.model, draft::judge::name())),
        command: command(model, run, options),
    });
    let about = about(desk, &store, run)?;
    store.save_evaluation(&evaluation)?;
    let folder = run_folder.unwrap_or_else(|| desk.folder.join("reports").join("base"));
    write_reports(&folder, &evaluation, &about)?;
    desk.changed();
    Ok(Some((evaluation, folder.join("report.html"))))
}

/// Says how many cases are left out because programs are not run.
///
/// # Errors
/// When nothing else was asked for.
fn tell_not_run(desk: &mut Desk<'_>, not_run: &[NotRun], left: &[Suite]) -> Result<()> {
    for NotRun { suite, cases, .. } in not_run {
        desk.note(format!(
            "{suite}: {cases} cases ask for programs and are left out; --run-programs runs them"
        ));
    }
    if !not_run.is_empty() && left.is_empty() {
        return Err(Failure::user("every case asks for a program, and programs are not run")
            .hint("`--run-programs` runs what the model writes, cut off from this machine"));
    }
    Ok(())
}

/// What is compared, by hash.
struct Known {
    model: String,
    adapter: Option<String>,
}

impl Known {
    /// What the answers of base and tuned depend on beside prompt and settings.
    fn identities(&self, loaded: &Loaded) -> [String; 2] {
        let base = format!("{} nf4 {:?}", self.model, loaded.precision);
        let adapter = self.adapter.as_deref().unwrap_or_default();
        [base.clone(), format!("{base} {adapter}")]
    }
}

/// A cache that holds nothing.
struct Nowhere;

impl AnswerCache for Nowhere {
    fn get(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn put(&mut self, _: &[(String, String)]) -> Result<()> {
        Ok(())
    }
}

/// What the present mix would train on: for runs that did not write it down.
fn present_mix(mix: &Mix) -> (training_set::Header, TrainingSet) {
    let mut set = TrainingSet::default();
    for row in mix.rows.iter().filter(|row| row.side == Side::Train) {
        set.add(&row.example);
    }
    (training_set::Header::default(), set)
}

/// Takes the cases that the run was trained on out of the suites, by suite name, and says how many
/// they are.
fn take_out_seen(
    desk: &mut Desk<'_>,
    suites: &mut [Suite],
    trained: Option<&TrainingSet>,
    options: &EvaluateOptions,
) -> BTreeMap<String, Vec<SeenItem>> {
    let mut seen = BTreeMap::new();
    let Some(trained) = trained.filter(|set| !set.is_empty()) else { return seen };
    for suite in suites {
        if options.keep_seen {
            let found: Vec<SeenItem> =
                suite.cases.iter().filter_map(|case| trained.find(case)).collect();
            if !found.is_empty() {
                let (count, name) = (found.len(), &suite.name);
                desk.note(format!(
                    "{name}: {count} cases stand in the training rows; they are asked all the same"
                ));
            }
            continue;
        }
        let found = trained.take_out(suite);
        if !found.is_empty() {
            let (count, name) = (found.len(), &suite.name);
            desk.note(format!(
                "{name}: {count} cases are left out, since the run was trained on them or on nearly \
                 the same"
            ));
            seen.insert(suite.name.clone(), found);
        }
    }
    seen
}

/// Writes `report.html` (both languages in one page), `report.md` (both languages' forms beside each
/// other) and `report.json` into `folder`.
fn write_reports(folder: &Path, evaluation: &Evaluation, about: &[String]) -> Result<()> {
    fs::create_dir_all(folder).because(folder.display())?;
    let english = report::markdown(evaluation, Language::English, about);
    let korean = report::markdown(evaluation, Language::Korean, about);
    write_whole(&folder.join("report.md"), english.as_bytes())?;
    write_whole(&folder.join("report.ko.md"), korean.as_bytes())?;
    let page = report::html(evaluation, Language::English, about);
    write_whole(&folder.join("report.html"), page.as_bytes())?;
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
