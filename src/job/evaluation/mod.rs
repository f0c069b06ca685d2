//! Scoring base and tuned.

mod beside;
mod provenance;
mod suites;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use beside::{Beside, Nowhere};
pub(super) use suites::{Asked, check_suites};

use super::answering::EngineAnswerer;
use super::bound::{CallBounds, check_template};
use super::loaded::Loaded;
use super::mixing::Material;
use super::{Desk, EvaluateOptions, JobOutcome, Told, gpu, identity, stopped, training_set};
use crate::evaluate::{
    self, AnswerCache, Cached, Evaluation, NotRun, Plan, ProgramRunner, Provenance, SeenItem,
    Suite, TrainingSet, programs,
};
use crate::failure::{Context as _, Failure, Result};
use crate::mix::{Mix, Side};
use crate::pair::Language;
use crate::project::AnswerStore;
use crate::report;
use crate::train::run::adapter_folder;
use crate::train::{RunRecord, adapter_file};
use crate::whole_file::write_whole;

pub(super) fn evaluate(
    desk: &mut Desk<'_>,
    model: &str,
    run: Option<u32>,
    options: &EvaluateOptions,
) -> Result<JobOutcome> {
    Ok(match score(desk, model, run, options, None)? {
        Some((_, page)) => JobOutcome::Finished(Told::Report(page)),
        None => stopped(),
    })
}

/// Scores base and tuned, and writes the reports; gives the evaluation and the page, or nothing when
/// it was stopped. `asked` are the cases where they were read before.
pub(super) fn score(
    desk: &mut Desk<'_>,
    model: &str,
    run: Option<u32>,
    options: &EvaluateOptions,
    asked: Option<&Asked>,
) -> Result<Option<(Evaluation, PathBuf)>> {
    let store = desk.store()?;
    // Refused before anything is loaded.
    let mut beside = Beside::new(desk, options)?;
    let opening = gpu::begin(options.device);
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
    let read;
    let asked = if let Some(asked) = asked {
        asked
    } else {
        read = Asked::read(desk, &Material::read(&store)?, Some(&loaded.codec), options)?;
        &read
    };
    let mut suites = asked.suites.clone();
    let not_run =
        if beside.sandbox.is_some() { Vec::new() } else { programs::take_out(&mut suites) };
    tell_not_run(desk, &not_run, &suites)?;
    let trained = match &run_folder {
        None => None,
        Some(folder) => {
            Some(training_set::read(folder)?.unwrap_or_else(|| present_mix(&asked.mix)))
        }
    };
    let mut seen = take_out_seen(desk, &mut suites, trained.as_ref().map(|(_, set)| set), options);

    let mut answers = AnswerStore::open(desk.folder)?;
    let known = Known {
        model: identity::model(&loaded, &answers)?,
        adapter: (run_folder.as_ref())
            .map(|folder| identity::folder(&adapter_folder(folder), &answers))
            .transpose()?,
    };
    let sandbox = beside.sandbox.take();
    let plan = Plan {
        samples: options.samples.max(1),
        temperature: options.temperature,
        seed: options.seed,
        programs: sandbox.as_ref().map(|sandbox| sandbox as &dyn ProgramRunner),
        bound: options.bound,
        ..Plan::greedy(model, run, &suites, adapter.is_some())
    };
    let device = gpu::for_answers(opening, &loaded.base)?;
    if let Some(device) = &device {
        desk.note(format!("answers are made on {}", device.facts().name));
    }
    let mut engine =
        EngineAnswerer::new(&loaded, adapter.as_ref(), bounds.as_ref(), device.as_ref())?;
    let mut nowhere = Nowhere;
    let cache: &mut dyn AnswerCache = if options.fresh { &mut nowhere } else { &mut answers };
    let mut cached = Cached::new(&mut engine, cache, known.identities(&loaded, device.is_some()));
    let mut extras = beside.columns(options);
    let evaluation = evaluate::run(&plan, &mut cached, &mut extras, &mut desk.progress())?;
    let hits = cached.hits();
    let Some(mut evaluation) = evaluation else { return Ok(None) };
    let cache: &mut dyn AnswerCache = if options.fresh { &mut nowhere } else { &mut answers };
    if beside.judge(desk, options, cache, (&mut evaluation, &suites))?.is_none() {
        return Ok(None);
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
    evaluation.training = (run_folder.as_ref())
        .map(|folder| provenance::training(folder, header.as_ref(), record.as_ref()));
    let gpu_name = device.as_ref().map(|device| &*device.facts().name);
    let answered = Provenance {
        model: known.model,
        adapter: known.adapter,
        cached: hits,
        samples: plan.samples,
        ..provenance::of(model, run, options, &suites, gpu_name)
    };
    evaluation.provenance = Some(Provenance {
        training_data: header.map(|header| header.sha256).filter(|sha256| !sha256.is_empty()),
        recipe: record.as_ref().and_then(|record| serde_json::to_value(&record.recipe).ok()),
        ..answered
    });
    let about = about(desk, record.as_ref());
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
    /// The GPU rounds otherwise than the processor.
    fn identities(&self, loaded: &Loaded, on_gpu: bool) -> [String; 2] {
        let place = if on_gpu { " cuda" } else { "" };
        let base = format!("{} nf4 {:?}{place}", self.model, loaded.precision);
        let adapter = self.adapter.as_deref().unwrap_or_default();
        [base.clone(), format!("{base} {adapter}")]
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
fn about(desk: &Desk<'_>, run: Option<&RunRecord>) -> Vec<String> {
    let name = desk.folder.file_name().unwrap_or_default().to_string_lossy();
    let mut lines = vec![format!("hone {}, project {name}", env!("CARGO_PKG_VERSION"))];
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
    lines
}
