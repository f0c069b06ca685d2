//! A sweep: one run after the other is trained and evaluated, and what came of them is drawn.

pub mod plan;
pub mod state;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use self::plan::{Shortage, SweepPlan, SweepRequest};
use self::state::{SweepState, sweep_folder};
use super::evaluation::{self, Asked};
use super::training::{self, Request};
use super::{Desk, JobEvent, JobOutcome, Told, stopped};
use crate::failure::{Context as _, Failure, Result};
use crate::pair::Language;
use crate::project::{Store, run_folder};
use crate::report::sweep as report;
use crate::report::sweep::Measure;
use crate::train::sweep::Setting;
use crate::train::{RunOutcome, checkpoint, run::adapter_folder};
use crate::whole_file::write_whole;

/// Something that happened in a sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SweepEvent {
    /// The sweep begins or goes on.
    Sweep {
        /// Its number.
        sweep: u32,
        /// Runs asked for.
        runs: usize,
        /// Of them those not measured yet.
        left: usize,
        /// Seconds they may take, where that can be known.
        seconds_left: Option<f64>,
    },
    /// The general pools are too small for a share asked for.
    Short(Shortage),
    /// A run of it begins or goes on.
    Run {
        /// Which of the runs asked for, from 1.
        place: usize,
        /// Runs asked for.
        runs: usize,
        /// Number of the run in the project.
        run: u32,
        /// For example `mix 10, rank 8`.
        setting: String,
        /// Seconds that this and the further runs may take.
        seconds_left: Option<f64>,
    },
    /// A run was measured.
    Measured {
        /// Number of the run.
        run: u32,
        /// Share of the target.
        target: f64,
        /// Its cases.
        n: u32,
        /// Mean change over forgetting suites, a share.
        forgetting: Option<f64>,
    },
    /// A run failed; the sweep goes on.
    RunFailed {
        /// Number of the run, if it has one.
        run: Option<u32>,
        /// Why.
        reason: String,
    },
    /// The chart was drawn.
    Chart {
        /// Number of the sweep.
        sweep: u32,
        /// The page.
        path: PathBuf,
    },
}

/// What became of a run.
enum Step {
    Measured(Box<Measure>),
    Stopped,
}

pub(super) fn run(desk: &mut Desk<'_>, request: &SweepRequest) -> Result<JobOutcome> {
    let store = desk.store()?;
    // Rows and cases are read once: all runs have the same, whatever is edited meanwhile.
    let mut plan = SweepPlan::make(desk.folder, &store, request, training::now())?;
    let asked = Asked::read(desk, &plan.material, None, &request.options)?;
    evaluation::check_suites(&asked.suites, request.target.as_deref())?;
    // What keeps every run from working is told once, before any is begun.
    let Some(loaded) = desk.models.get(&request.model, &mut desk.progress())? else {
        return Ok(stopped());
    };
    for shortage in plan.shortages(Some(&loaded.codec)) {
        desk.tell(JobEvent::Sweep(SweepEvent::Short(shortage)));
    }
    drop(loaded);
    plan.state.write(desk.folder)?;
    let (runs, todo) = (plan.asked.len(), plan.left());
    let sweep = plan.state.number;
    desk.tell(JobEvent::Sweep(SweepEvent::Sweep {
        sweep,
        runs,
        left: todo.len(),
        seconds_left: seconds_left(&plan),
    }));
    let mut failures: Vec<String> = Vec::new();
    for (at, setting) in &todo {
        let place = plan.asked.iter().position(|(asked, _)| asked == at).unwrap_or(0) + 1;
        let step = if desk.cancel.is_cancelled() {
            Ok(Step::Stopped)
        } else {
            one(desk, &store, &mut plan, (*at, setting), (place, runs), (request, &asked))
        };
        match step {
            Ok(Step::Measured(measure)) => {
                let tuned = measure.target.tuned;
                desk.tell(JobEvent::Sweep(SweepEvent::Measured {
                    run: plan.state.runs[*at].run.unwrap_or(0),
                    target: f64::from(tuned.successes) / f64::from(tuned.n.max(1)),
                    n: tuned.n,
                    forgetting: measure.forgetting.as_ref().map(|each| each.mean.delta),
                }));
                plan.state.runs[*at].measure = Some(*measure);
            }
            Ok(Step::Stopped) => {
                let path = draw(desk, &plan)?;
                desk.tell(JobEvent::Sweep(SweepEvent::Chart { sweep, path }));
                return Ok(JobOutcome::Stopped(Told::SweepStopped {
                    sweep,
                    left: plan.left().len(),
                    runs,
                }));
            }
            Err(failure) => {
                desk.tell(JobEvent::Sweep(SweepEvent::RunFailed {
                    run: plan.state.runs[*at].run,
                    reason: failure.message.clone(),
                }));
                plan.state.runs[*at].failed = Some(failure.message.clone());
                failures.push(failure.message);
            }
        }
        plan.state.write(desk.folder)?;
        draw(desk, &plan)?;
        desk.changed();
    }
    let path = draw(desk, &plan)?;
    desk.tell(JobEvent::Sweep(SweepEvent::Chart { sweep, path: path.clone() }));
    let measured = runs - plan.left().len();
    match failures.into_iter().next() {
        Some(first) if measured == 0 => Err(Failure::user(format!(
            "no run of sweep {sweep} could be measured; the first: {first}"
        ))
        .hint("the same command tries them again")),
        _ => Ok(JobOutcome::Finished(Told::Swept { measured, runs, chart: path })),
    }
}

fn seconds_left(plan: &SweepPlan) -> Option<f64> {
    plan.estimate().filter(|estimate| !estimate.training_only).map(|estimate| estimate.seconds)
}

/// Trains and evaluates one run: what is done of it already is not done again.
fn one(
    desk: &mut Desk<'_>,
    store: &Store,
    plan: &mut SweepPlan,
    (at, setting): (usize, &Setting),
    (place, runs): (usize, usize),
    (request, asked): (&SweepRequest, &Asked),
) -> Result<Step> {
    let seconds_left = seconds_left(plan);
    let number = match plan.state.runs[at].run {
        Some(number) => number,
        None => begin(desk, store, &mut plan.state, at)?,
    };
    plan.state.runs[at].failed = None;
    desk.tell(JobEvent::Sweep(SweepEvent::Run {
        place,
        runs,
        run: number,
        setting: named(&plan.state, at),
        seconds_left,
    }));
    let folder = run_folder(desk.folder, number);
    let record = || -> Result<_> { Ok(store.runs()?.into_iter().find(|run| run.number == number)) };
    let finished = record()?.is_some_and(|run| run.outcome == Some(RunOutcome::Finished))
        && adapter_folder(&folder).is_dir();
    if !finished {
        let known = record()?.is_some();
        let resumes = known && checkpoint::kernel(&folder).is_some();
        if !resumes && folder.is_dir() {
            // Killed before its first checkpoint: nothing of it can be used.
            fs::remove_dir_all(&folder).because(folder.display())?;
            fs::create_dir_all(&folder).because(folder.display())?;
        }
        let outcome = training::train(
            desk,
            &Request {
                model: &request.model,
                recipe: &setting.recipe,
                resume: resumes.then_some(number),
                number: Some(number),
                general: Some(setting.general),
                material: Some(&plan.material),
            },
        )?;
        if let JobOutcome::Stopped(_) = outcome {
            return Ok(Step::Stopped);
        }
    }
    plan.state.runs[at].took.training = record()?.map_or(0.0, |run| run.seconds);
    plan.state.write(desk.folder)?;
    let scored =
        evaluation::score(desk, &request.model, Some(number), &request.options, Some(asked))?;
    let Some((evaluation, _)) = scored else { return Ok(Step::Stopped) };
    plan.state.runs[at].took.evaluation = evaluation.seconds;
    let measure = Measure::of(&evaluation, request.target.as_deref())?;
    Ok(Step::Measured(Box::new(measure)))
}

/// Gives a setting its run. The folder comes first: whatever is killed in between, no other run is
/// given this number.
fn begin(desk: &Desk<'_>, store: &Store, state: &mut SweepState, at: usize) -> Result<u32> {
    let number = store.next_run()?;
    let folder = run_folder(desk.folder, number);
    fs::create_dir_all(&folder).because(folder.display())?;
    state.runs[at].run = Some(number);
    state.write(desk.folder)?;
    Ok(number)
}

/// `mix 10, rank 8`.
pub fn named(state: &SweepState, at: usize) -> String {
    let values = state.runs.get(at).map(|entry| entry.values.as_slice()).unwrap_or_default();
    let pairs = state.keys.iter().zip(values);
    pairs.map(|(key, value)| format!("{} {value}", key.name())).collect::<Vec<_>>().join(", ")
}

/// Writes the reports of the sweep as it is.
fn draw(desk: &Desk<'_>, plan: &SweepPlan) -> Result<PathBuf> {
    let sweep = plan.state.report(seconds_left(plan), training::now());
    let folder = sweep_folder(desk.folder, plan.state.number);
    let path = folder.join("report.html");
    write_whole(&path, report::html(&sweep, Language::English).as_bytes())?;
    for (name, language) in [("report.md", Language::English), ("report.ko.md", Language::Korean)] {
        write_whole(&folder.join(name), report::markdown(&sweep, language).as_bytes())?;
    }
    write_whole(&folder.join("report.json"), report::json(&sweep)?.as_bytes())?;
    Ok(path)
}

/// The report of sweep `number` as it was last written.
///
/// # Errors
/// When it is not there or cannot be read.
pub fn read_report(folder: &std::path::Path, number: u32) -> Result<report::Sweep> {
    let path = sweep_folder(folder, number).join("report.json");
    let text = fs::read_to_string(&path).because(path.display())?;
    serde_json::from_str(&text).because(path.display())
}
