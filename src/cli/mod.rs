//! The command line: one file a subcommand. Parses, calls a job, prints.

mod bench;
mod chat;
mod demo;
mod doctor;
mod document;
mod draft;
mod evaluate;
pub mod interface;
mod mix;
mod model;
mod new;
mod pairs;
mod password;
mod print;
mod tokens;
mod train;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::failure::{Failure, Result};
use crate::job::{self, JobSpec, Models};
use crate::progress::Cancel;
use crate::project::Project;

/// Turns documents into training pairs, fine-tunes a small model, and scores it against its base.
///
/// Without a subcommand the interface opens on the project in the current folder.
#[derive(Debug, Parser)]
#[command(name = "hone", version, max_term_width = 100)]
pub struct Arguments {
    /// Project folder; found upward from the current folder when left out.
    #[arg(long, short = 'p', global = true, value_name = "DIR")]
    project: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole path on the shipped samples: passages, pairs, mix, training, scores, report.
    Demo(demo::DemoArgs),
    /// Make a project folder.
    New(new::NewArgs),
    /// Add documents, show their text, list them.
    #[command(subcommand)]
    Document(document::DocumentCommand),
    /// Have a model propose pairs about passages, for review.
    Draft(draft::DraftArgs),
    /// List, import, export, check and review pairs.
    Pairs(pairs::PairsArgs),
    /// Put the training set together and show its figures.
    Mix {
        /// What to change and print.
        #[command(flatten)]
        args: mix::MixArgs,
        /// Model whose tokens are counted; remembered by the project.
        #[arg(long)]
        model: Option<String>,
    },
    /// Fine-tune a model on the project's accepted pairs.
    Train(train::TrainArgs),
    /// Score base and tuned, compare evaluations.
    #[command(subcommand)]
    Eval(evaluate::EvalCommand),
    /// Talk with the base and the tuned model.
    Chat(chat::ChatArgs),
    /// Fetch, add, list and show models.
    Model(model::ModelArgs),
    /// Count the tokens of a text as a model does.
    Tokens(tokens::TokensArgs),
    /// Measure training and generation on this machine.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Check this machine: processor, memory, models, terminal.
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Read one document in a process of its own.
    #[command(hide = true)]
    DocumentWorker(document::WorkerArgs),
    /// Run one program that a model wrote, cut off from this machine.
    #[command(hide = true)]
    ProgramWorker(evaluate::ProgramArgs),
}

/// Parses the process's arguments, does what they ask, and gives the exit status: 0 done, 1 the
/// user's input or environment is at fault, 2 a defect of this program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    // Before anything starts a thread: a process of several cannot cut itself off.
    if let Some(Command::ProgramWorker(args)) = &arguments.command {
        return ExitCode::from(evaluate::run_program(args));
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print::failure(&failure);
            ExitCode::from(failure.exit_status())
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    crate::engine::cpu::check_environment()?;
    let out = &mut print::Output::stdout();
    let Some(command) = arguments.command else {
        return open_interface(arguments.project.as_deref());
    };
    let given = arguments.project;
    let folder = || find_project(given.as_deref());
    match command {
        Command::Demo(args) => demo::run(&args, out),
        Command::New(args) => new::run(&args, &current_folder()?, out),
        Command::Document(command) => document::run(command, folder, out),
        Command::Draft(args) => draft::run(args, &folder()?, out),
        Command::Pairs(args) if args.command.needs_no_project() => {
            pairs::run(&args, &current_folder()?, out)
        }
        Command::Pairs(args) => pairs::run(&args, &folder()?, out),
        Command::Mix { args, model } => mix_project(&args, model.as_deref(), &folder()?, out),
        Command::Train(args) => train::run(&args, &folder()?, out),
        Command::Eval(command) => evaluate::run(command, folder, out),
        Command::Chat(args) => chat::run(&args, folder().ok().as_deref(), out),
        Command::Model(args) => model::run(args, out, &mut print::progress()),
        Command::Tokens(args) => tokens::run(&args, &mut std::io::stdin().lock(), out),
        Command::Bench(command) => bench::run(&command, out),
        Command::Doctor(args) => doctor::run(&args, out),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "hone", out);
            Ok(())
        }
        Command::DocumentWorker(args) => document::worker(&args),
        // Done before this, since its exit status is the program's.
        Command::ProgramWorker(_) => Ok(()),
    }
}

/// The command line reference as Markdown, generated from the same definitions that parse it.
pub fn reference_markdown() -> String {
    reference::markdown(&Arguments::command())
}

mod reference;

fn open_interface(given: Option<&Path>) -> Result<()> {
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return Err(Failure::user("the interface needs a terminal, and this is none")
            .hint("run `hone --help` for the subcommands, which work in scripts"));
    }
    let folder = match find_project(given) {
        Ok(folder) => folder,
        Err(failure) if given.is_some() => return Err(failure),
        Err(_) => {
            return Err(Failure::user("there is no project here")
                .hint("`hone new my-project` makes one; then `hone -p my-project` opens it")
                .hint("`hone demo` shows the whole path on shipped samples first"));
        }
    };
    interface::open(folder)
}

/// Mixes with the shipped pool and the project's own, counting tokens as the project's model does.
fn mix_project(
    args: &mix::MixArgs,
    model: Option<&str>,
    folder: &Path,
    out: &mut print::Output,
) -> Result<()> {
    mix::change_pools(args, folder, out)?;
    let (model, pool) = {
        let store = Project::reopen(folder)?;
        if let Some(name) = model {
            store.set_setting(job::mixing::MODEL_KEY, &name)?;
        }
        let settings: crate::project::MixSettings =
            store.setting(job::mixing::SETTINGS_KEY)?.unwrap_or_default();
        (store.setting::<String>(job::mixing::MODEL_KEY)?, job::pool::all(&store, &settings)?)
    };
    let codec = match model {
        Some(name) => Some(crate::model::open(&name)?.codec),
        None => None,
    };
    let mut count = |example: &crate::pair::Example| job::mixing::count(codec.as_ref(), example);
    mix::run(args, folder, &pool, &mut count, out)
}

fn current_folder() -> Result<PathBuf> {
    std::env::current_dir().map_err(|error| Failure::user(format!("the current folder: {error}")))
}

/// The project folder given, or the nearest one above the current folder.
fn find_project(given: Option<&Path>) -> Result<PathBuf> {
    let start = match given {
        Some(folder) => folder.to_owned(),
        None => current_folder()?,
    };
    Project::find(&start).ok_or_else(|| {
        Failure::user(format!("{}: no project here", start.display()))
            .hint("`hone new FOLDER` makes one; `--project FOLDER` names one elsewhere")
    })
}

/// Runs a job to its end, showing progress on standard error; ctrl-C asks it to stop.
fn run_job(spec: &JobSpec, folder: &Path, models: &Models) -> Result<String> {
    let cancel = print::cancel_on_signal();
    run_job_with(spec, folder, models, &cancel, &mut print::JobLines::new())
}

fn run_job_with(
    spec: &JobSpec,
    folder: &Path,
    models: &Models,
    cancel: &Cancel,
    lines: &mut print::JobLines,
) -> Result<String> {
    // The lock keeps a second program from writing to the project meanwhile.
    let _project = Project::open(folder)?;
    let outcome = job::run(spec, folder, models, cancel, &mut |event| lines.tell(&event));
    lines.end();
    outcome.into_result()
}

/// Prints a line to standard output.
fn say(out: &mut print::Output, line: impl std::fmt::Display) -> Result<()> {
    writeln!(out, "{line}").map_err(|error| Failure::user(format!("standard output: {error}")))
}
