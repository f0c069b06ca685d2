//! `hone train --sweep`: runs over settings, and where their chart is.

use std::path::Path;

use super::TrainArgs;
use crate::cli::print::{self, Output, clock};
use crate::cli::say;
use crate::failure::{Failure, Result};
use crate::job::sweep::plan::{Shortage, SweepPlan, SweepRequest};
use crate::job::sweep::{SweepEvent, named, read_report, state};
use crate::job::{self, CaseFilter, EvaluateOptions, JobEvent, JobOutcome, JobSpec, Models};
use crate::model;
use crate::pair::Language;
use crate::project::{Project, Store};
use crate::report::sweep as report;
use crate::train::{Recipe, sweep};

/// Runs the sweep asked for, or with `--dry-run` tells what it would do.
pub(super) fn run(
    args: &TrainArgs,
    folder: &Path,
    store: &Store,
    (model, recipe): (String, Recipe),
    out: &mut Output,
) -> Result<()> {
    let request = SweepRequest {
        model,
        recipe,
        axes: sweep::parse(&args.sweep)?,
        options: EvaluateOptions {
            suites: args.suites.clone(),
            cases: CaseFilter { language: args.language, limit: args.limit },
            ..EvaluateOptions::default()
        },
        target: args.target.clone(),
        command: command(),
    };
    if args.dry_run {
        let plan = SweepPlan::make(folder, store, &request, 0)?;
        let codec = model::open(&request.model).ok().map(|opened| opened.codec);
        let short = plan.shortages(codec.as_ref());
        return if args.json { dry_json(&plan, &short, out) } else { dry(&plan, &short, out) };
    }
    let cancel = print::cancel_on_signal();
    let mut lines = print::JobLines::new();
    // The lock keeps a second program from writing to the project meanwhile.
    let _project = Project::open(folder)?;
    let spec = JobSpec::Sweep(Box::new(request));
    let (mut chart, mut told) = (None, Ok(()));
    let outcome = job::run(&spec, folder, &Models::default(), &cancel, &mut |event| {
        if let JobEvent::Sweep(SweepEvent::Chart { sweep, .. }) = &event {
            chart = Some(*sweep);
        }
        let line = match &event {
            JobEvent::Sweep(event) if args.json => serde_json::to_string(event).ok(),
            JobEvent::Train(event) if args.json => serde_json::to_string(event).ok(),
            _ => None,
        };
        match line {
            Some(line) if told.is_ok() => told = say(out, line),
            Some(_) => {}
            None => lines.tell(&event),
        }
    });
    lines.end();
    told?;
    if let (Some(number), false) = (chart, args.json) {
        let table = report::plain(&read_report(folder, number)?, Language::English);
        say(out, table.trim_end())?;
    }
    let whole = matches!(outcome, JobOutcome::Finished(_));
    let message = outcome.into_result()?;
    if args.json { Ok(()) } else { say(out, message) }?;
    failed(folder, chart.filter(|_| whole))
}

/// An error where runs of the sweep failed, so that a script hears of it.
fn failed(folder: &Path, number: Option<u32>) -> Result<()> {
    let Some(number) = number else { return Ok(()) };
    let runs = read_report(folder, number)?.runs;
    let failed = runs.iter().filter(|run| run.measure.is_none() && run.failed.is_some()).count();
    match failed {
        0 => Ok(()),
        count => Err(Failure::user(format!("{count} of {} runs failed", runs.len()))
            .hint("the table names the reasons; the same command tries them again")),
    }
}

/// This command, as it can be given again.
fn command() -> String {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| state::quoted(&argument.to_string_lossy()));
    let kept = arguments.filter(|argument| !matches!(argument.as_str(), "--json" | "--dry-run"));
    ["hone".to_owned()].into_iter().chain(kept).collect::<Vec<_>>().join(" ")
}

/// What a run of a plan has come to.
fn standing(plan: &SweepPlan, at: usize) -> String {
    let entry = &plan.state.runs[at];
    match (&entry.measure, &entry.failed, entry.run) {
        (Some(_), _, Some(run)) => format!("measured (run {run})"),
        (_, Some(reason), _) => format!("failed, to be tried again: {reason}"),
        (_, _, Some(run)) => format!("begun (run {run})"),
        _ => "to be trained".to_owned(),
    }
}

fn dry(plan: &SweepPlan, short: &[Shortage], out: &mut Output) -> Result<()> {
    let left = plan.left().len();
    let kind = if plan.known { "goes on" } else { "new" };
    say(
        out,
        format!("sweep {} ({kind}): {} runs, {left} left", plan.state.number, plan.asked.len()),
    )?;
    let settings: Vec<String> = plan.asked.iter().map(|(at, _)| named(&plan.state, *at)).collect();
    let width = settings.iter().map(String::len).max().unwrap_or(0);
    for (place, ((at, _), setting)) in plan.asked.iter().zip(settings).enumerate() {
        let standing = standing(plan, *at);
        say(out, format!("{:>4}  {setting:<width$}  {standing}", place + 1))?;
    }
    for shortage in short {
        say(out, format!("warning: {shortage}"))?;
    }
    let estimate = match plan.estimate() {
        _ if left == 0 => "nothing is left to do".to_owned(),
        None => "how long it takes is not known before a run of this model is done".to_owned(),
        Some(estimate) if estimate.training_only => format!(
            "about {} of training by earlier runs of this model, and evaluation on top",
            clock(estimate.seconds)
        ),
        Some(estimate) => {
            format!("about {} left, by the runs that are done", clock(estimate.seconds))
        }
    };
    say(out, estimate)
}

fn dry_json(plan: &SweepPlan, short: &[Shortage], out: &mut Output) -> Result<()> {
    let runs: Vec<serde_json::Value> = (plan.asked.iter())
        .map(|(at, setting)| {
            let entry = &plan.state.runs[*at];
            serde_json::json!({
                "setting": named(&plan.state, *at),
                "general": setting.general,
                "recipe": setting.recipe,
                "run": entry.run,
                "measured": entry.measure.is_some(),
                "failed": entry.failed,
            })
        })
        .collect();
    let estimate = plan.estimate();
    let text = serde_json::json!({
        "sweep": plan.state.number,
        "known": plan.known,
        "short": short,
        "runs": runs,
        "seconds_left": estimate.map(|estimate| estimate.seconds),
        "training_only": estimate.map(|estimate| estimate.training_only),
    });
    say(out, text)
}

/// Lists the project's sweeps.
pub(super) fn list(folder: &Path, json: bool, out: &mut Output) -> Result<()> {
    let sweeps = state::sweeps(folder)?;
    if json {
        return say(out, serde_json::to_string(&sweeps).unwrap_or_default());
    }
    if sweeps.is_empty() {
        return say(out, "no sweeps yet; `hone train --sweep rank=8,16 epochs=1,3` begins one");
    }
    for sweep in sweeps {
        let measured = sweep.runs.iter().filter(|entry| entry.measure.is_some()).count();
        let keys: Vec<&str> = sweep.keys.iter().map(|key| key.name()).collect();
        let chart = state::sweep_folder(folder, sweep.number).join("report.html");
        let chart = if chart.is_file() { format!("  {}", chart.display()) } else { String::new() };
        say(
            out,
            format!(
                "sweep {}  {}  {}  {measured} of {} runs measured{chart}",
                sweep.number,
                sweep.model,
                keys.join(" x "),
                sweep.runs.len()
            ),
        )?;
    }
    Ok(())
}
