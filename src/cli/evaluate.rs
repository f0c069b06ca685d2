//! `hone eval`: score base and tuned, list suites, show and compare reports.

mod compare;
mod import;
mod program;
mod score;

use std::path::{Path, PathBuf};

use clap::Subcommand;
pub use program::{ProgramArgs, run_program};

use super::{print, print::Output, run_job, say};
use crate::evaluate::{self, Evaluation};
use crate::failure::{Failure, Result};
use crate::job::{CaseFilter, EndpointChoice, EvaluateOptions, JobSpec, Models};
use crate::pair::Language;
use crate::project::{self, Project};
use crate::report;
use crate::train::Device;

/// Subcommands of `hone eval`.
#[derive(Debug, Subcommand)]
pub enum EvalCommand {
    /// Score base and tuned on the suites and write report.html, report.md and report.json.
    Run {
        /// Base model.
        #[arg(long)]
        model: Option<String>,
        /// Run whose adapter is tuned; the newest when left out.
        #[arg(long)]
        run: Option<u32>,
        /// Score the base alone.
        #[arg(long, conflicts_with = "run")]
        base: bool,
        /// Suites, for example `tools` or `forgetting`; all when left out.
        #[arg(long = "suite", value_name = "NAME")]
        suites: Vec<String>,
        /// Only cases in this language: `ko` or `en`.
        #[arg(long, value_name = "LANGUAGE")]
        language: Option<Language>,
        /// At most this many cases a suite.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Replies a case. The first is judged; of all of them the share that is right is told.
        #[arg(long, value_name = "N", default_value_t = 1)]
        samples: u32,
        /// 0 takes the likeliest token at every step.
        #[arg(long, value_name = "T", default_value_t = 0.0)]
        temperature: f64,
        /// Seed of the draws.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// A further column: a model behind an OpenAI-compatible endpoint, for example
        /// `http://127.0.0.1:8000/v1`; its key is read from HONE_API_KEY or OPENAI_API_KEY.
        #[arg(long, value_name = "URL")]
        endpoint: Option<String>,
        /// Name of the model sent to the endpoint.
        #[arg(long, value_name = "NAME", requires = "endpoint", default_value = "default")]
        endpoint_model: String,
        /// A model behind such an endpoint that judges answers in free text: a figure of its own,
        /// beside the one by rule. The key is the same.
        #[arg(long, value_name = "URL")]
        judge: Option<String>,
        /// Name of the judging model sent to its endpoint.
        #[arg(long, value_name = "NAME", requires = "judge", default_value = "default")]
        judge_model: String,
        /// Longest silence of an endpoint, after which an item is given up; otherwise 5 minutes
        /// before an answer and 1 within it. After 5 failed items in a row no further one is asked.
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
        endpoint_timeout: Option<u64>,
        /// Requests to an endpoint in flight at once.
        #[arg(long, value_name = "N", default_value_t = EndpointChoice::PARALLEL, value_parser = parallel)]
        endpoint_parallel: usize,
        /// Further columns: tool calls bound to the grammar of the tools offered, so that each is valid JSON by
        /// its schema. Whether anything is called stays the model's choice.
        #[arg(long)]
        bound: bool,
        /// Ask also cases that the run was trained on.
        #[arg(long)]
        keep_seen: bool,
        /// Ask everything anew, whatever was answered before.
        #[arg(long)]
        fresh: bool,
        /// Run the programs that the model writes (HumanEval), each in a process that is cut off from
        /// this machine: no network, no files but an empty folder's, limits of time and memory. Linux.
        #[arg(long)]
        run_programs: bool,
        /// Where answers are made; auto is the GPU where there is one that can. Likelihoods are the processor's, and
        /// answers from a GPU are kept by themselves.
        #[arg(long, value_enum, default_value = "auto")]
        device: Device,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a suite of another evaluation's own files: BFCL, FunctionChat-Bench, GSM8K, HumanEval,
    /// multiple choice, lm-evaluation-harness, questions and answers.
    Import(import::ImportArgs),
    /// Score outputs that were recorded elsewhere.
    Score(score::ScoreOptions),
    /// Show an earlier evaluation again.
    Show {
        /// Run it belongs to; the newest evaluation when left out.
        #[arg(long)]
        run: Option<u32>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put runs beside each other, and require figures of the last.
    Compare(compare::CompareArgs),
    /// List the suites: those of this program, and the project's own.
    Suites,
}

/// Reads a number of requests in flight.
fn parallel(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err("a number from 1 to 64 is needed".to_owned()),
    }
}

/// Runs `hone eval`.
pub fn run(
    command: EvalCommand,
    folder: impl Fn() -> Result<PathBuf>,
    out: &mut Output,
) -> Result<()> {
    match command {
        EvalCommand::Run {
            model,
            run,
            base,
            suites,
            language,
            limit,
            samples,
            temperature,
            seed,
            endpoint,
            endpoint_model,
            judge,
            judge_model,
            endpoint_timeout,
            endpoint_parallel,
            bound,
            keep_seen,
            fresh,
            run_programs,
            device,
            json,
        } => {
            let folder = folder()?;
            let store = Project::reopen(&folder)?;
            let model = super::train::chosen_model(&store, model)?;
            let run = match (base, run) {
                (true, _) => None,
                (false, Some(number)) => Some(number),
                (false, None) => {
                    let newest = store.runs()?.last().map(|run| run.number);
                    Some(newest.ok_or_else(|| {
                        Failure::user("there is no run to compare with the base")
                            .hint("`hone train` makes one; `--base` scores the base alone")
                    })?)
                }
            };
            drop(store);
            if samples > 1 && temperature <= 0.0 {
                return Err(Failure::user(
                    "several samples without a temperature are all the same",
                )
                .hint("give one: `--temperature 0.7`"));
            }
            let far = |url, model| EndpointChoice {
                url,
                model,
                timeout: endpoint_timeout,
                parallel: endpoint_parallel,
            };
            let options = EvaluateOptions {
                suites,
                cases: CaseFilter { language, limit },
                samples,
                temperature,
                seed,
                endpoint: endpoint.map(|url| far(url, endpoint_model)),
                judge: judge.map(|url| far(url, judge_model)),
                bound,
                keep_seen,
                fresh,
                run_programs,
                device,
            };
            let spec = JobSpec::Evaluate { model, run, options };
            let message = run_job(&spec, &folder, &Models::default())?;
            show(&newest(&folder, run)?, json, out)?;
            if json { Ok(()) } else { say(out, message) }
        }
        EvalCommand::Import(args) => import::run(&args, &folder()?, out),
        EvalCommand::Score(options) => score::run(&options, out),
        EvalCommand::Show { run, json } => show(&newest(&folder()?, run)?, json, out),
        EvalCommand::Compare(args) => compare::run(&args, folder, out),
        EvalCommand::Suites => {
            let mut suites = evaluate::shipped();
            // There need not be a project.
            if let Ok(folder) = folder() {
                suites.extend(project::suites::stored(&folder)?.into_iter().map(|own| own.suite));
            }
            for suite in suites {
                say(
                    out,
                    format!(
                        "{:<28} {:>4} cases  {}",
                        suite.name,
                        suite.cases.len(),
                        suite.title.en
                    ),
                )?;
            }
            Ok(())
        }
    }
}

fn newest(folder: &Path, run: Option<u32>) -> Result<Evaluation> {
    let found = Project::reopen(folder)?.evaluations()?;
    found.into_iter().rev().find(|evaluation| run.is_none() || evaluation.run == run).ok_or_else(
        || Failure::user("there is no evaluation yet").hint("`hone eval run` makes one"),
    )
}

fn show(evaluation: &Evaluation, json: bool, out: &mut Output) -> Result<()> {
    let text = if json {
        report::json(evaluation)?
    } else {
        report::plain(evaluation, Language::English, print::columns())
    };
    say(out, text.trim_end())
}
