//! `hone train`: fine-tune a model on the project's accepted pairs.

mod sweep;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{print::Output, print::clock, run_job, say};
use crate::failure::{Context as _, Failure, Result};
use crate::job::{JobSpec, Models, mixing};
use crate::pair::Language;
use crate::project::{Project, Store};
use crate::train::{Device, Keep, Optimizer, Recipe, RunOutcome};

/// Key of the recipe in the store.
pub const RECIPE_KEY: &str = "recipe";

/// Arguments of `hone train`.
#[derive(Debug, Args, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct TrainArgs {
    /// Base model; remembered by the project.
    #[arg(long)]
    pub model: Option<String>,
    /// Settings from a TOML file.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// LoRA rank.
    #[arg(long)]
    pub rank: Option<usize>,
    /// Passes over the rows.
    #[arg(long)]
    pub epochs: Option<f64>,
    /// Rows of one optimizer step.
    #[arg(long)]
    pub batch_rows: Option<usize>,
    /// Highest learning rate.
    #[arg(long)]
    pub learning_rate: Option<f32>,
    /// Which adapter to keep: the best by validation loss, or the last.
    #[arg(long, value_enum)]
    pub keep: Option<Keep>,
    /// Scale the adapter by alpha / sqrt(rank) (rsLoRA).
    #[arg(long)]
    pub rank_stabilized: bool,
    /// End early after this many validations in a row without a lower loss.
    #[arg(long, value_name = "VALIDATIONS")]
    pub patience: Option<u32>,
    /// Strength of the noise on embeddings (NEFTune); 5 is usual.
    #[arg(long, value_name = "ALPHA")]
    pub neftune_alpha: Option<f32>,
    /// Share of its input that the adapter loses in training; 0.05 is usual.
    #[arg(long, value_name = "SHARE")]
    pub dropout: Option<f32>,
    /// What turns gradients into steps.
    #[arg(long, value_enum)]
    pub optimizer: Option<Optimizer>,
    /// Highest memory of the program, as 2GiB or 800MiB; the machine's unless told otherwise.
    #[arg(long, value_name = "SIZE", value_parser = mebibytes)]
    pub memory: Option<u64>,
    /// Where to train; auto is the GPU where there is one that can.
    #[arg(long, value_enum)]
    pub device: Option<Device>,
    /// Offer other tools, in another order, in each epoch.
    #[arg(long)]
    pub vary_tools: bool,
    /// Seed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Go on with this run from its checkpoint.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["recipe", "rank", "epochs", "batch_rows", "learning_rate", "keep", "vary_tools", "rank_stabilized", "patience", "neftune_alpha", "dropout", "optimizer", "seed"])]
    pub resume: Option<u32>,
    /// Train and evaluate a run for every combination of these values, and draw target against
    /// forgetting: mix (percent), rank (alpha follows as twice the rank unless it is swept), alpha,
    /// epochs, lr, dropout, seed. The same command goes on with a sweep that was stopped.
    #[arg(long, value_name = "KEY=VALUE,..", num_args = 1.., conflicts_with = "resume")]
    pub sweep: Vec<String>,
    /// With --sweep: the suite that is the target; whole tool calls when left out.
    #[arg(long, value_name = "SUITE", requires = "sweep")]
    pub target: Option<String>,
    /// With --sweep: suites, for example `tools` or `forgetting`; all when left out.
    #[arg(long = "suite", value_name = "NAME", requires = "sweep")]
    pub suites: Vec<String>,
    /// With --sweep: only cases in this language, `ko` or `en`.
    #[arg(long, value_name = "LANGUAGE", requires = "sweep")]
    pub language: Option<Language>,
    /// With --sweep: at most this many cases a suite.
    #[arg(long, value_name = "N", requires = "sweep")]
    pub limit: Option<usize>,
    /// With --sweep: tell which runs it would make and how long they may take.
    #[arg(long, requires = "sweep")]
    pub dry_run: bool,
    /// List the project's sweeps.
    #[arg(long, conflicts_with = "sweep")]
    pub sweep_list: bool,
    /// List the project's runs.
    #[arg(long, conflicts_with = "sweep")]
    pub list: bool,
    /// Print JSON: with --list and --sweep-list what is there, with --sweep a line an event.
    #[arg(long)]
    pub json: bool,
}

/// Runs `hone train`.
pub fn run(args: &TrainArgs, folder: &Path, out: &mut Output) -> Result<()> {
    let store = Project::reopen(folder)?;
    if args.list {
        return list(&store, args.json, out);
    }
    if args.sweep_list {
        return sweep::list(folder, args.json, out);
    }
    if args.json && args.sweep.is_empty() {
        return Err(Failure::user("--json goes with --list, --sweep-list or --sweep")
            .hint("what a run tells is in its events.jsonl"));
    }
    if !args.sweep.is_empty() {
        let chosen = (chosen_model(&store, args.model.clone())?, recipe(args, &store)?);
        return sweep::run(args, folder, &store, chosen, out);
    }
    let (model, recipe) = match args.resume {
        Some(number) => {
            let run = store.runs()?.into_iter().find(|run| run.number == number);
            let run = run.ok_or_else(|| {
                Failure::user(format!("there is no run {number}"))
                    .hint("`hone train --list` shows the runs")
            })?;
            let memory_mib = args.memory.unwrap_or(run.recipe.memory_mib);
            let device = args.device.unwrap_or(run.recipe.device);
            (run.model, Recipe { memory_mib, device, ..run.recipe })
        }
        None => (chosen_model(&store, args.model.clone())?, recipe(args, &store)?),
    };
    let spec = JobSpec::Train { model, recipe, resume: args.resume };
    let message = run_job(&spec, folder, &Models::default())?;
    say(out, message)
}

/// The model asked for (and remembered from now on), or the one the project remembers.
pub fn chosen_model(store: &Store, given: Option<String>) -> Result<String> {
    if let Some(name) = given {
        store.set_setting(mixing::MODEL_KEY, &name)?;
        return Ok(name);
    }
    store.setting(mixing::MODEL_KEY)?.ok_or_else(|| {
        Failure::user("no model is chosen")
            .hint("`--model smollm2-135m` chooses one; `hone model list` shows what is installed")
    })
}

fn recipe(args: &TrainArgs, store: &Store) -> Result<Recipe> {
    let mut recipe: Recipe = match &args.recipe {
        Some(path) => {
            let text = fs::read_to_string(path).because(path.display())?;
            toml::from_str(&text).because(path.display())?
        }
        None => store.setting(RECIPE_KEY)?.unwrap_or_default(),
    };
    if let Some(rank) = args.rank {
        recipe.rank = rank;
        recipe.alpha = 2.0 * rank as f32;
    }
    recipe.epochs = args.epochs.unwrap_or(recipe.epochs);
    recipe.batch_rows = args.batch_rows.unwrap_or(recipe.batch_rows);
    recipe.learning_rate = args.learning_rate.unwrap_or(recipe.learning_rate);
    recipe.keep = args.keep.unwrap_or(recipe.keep);
    recipe.rank_stabilized |= args.rank_stabilized;
    recipe.patience = args.patience.unwrap_or(recipe.patience);
    recipe.neftune_alpha = args.neftune_alpha.unwrap_or(recipe.neftune_alpha);
    recipe.dropout = args.dropout.unwrap_or(recipe.dropout);
    recipe.optimizer = args.optimizer.unwrap_or(recipe.optimizer);
    recipe.memory_mib = args.memory.unwrap_or(recipe.memory_mib);
    recipe.device = args.device.unwrap_or(recipe.device);
    recipe.vary_tools |= args.vary_tools;
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    recipe.check()?;
    Ok(recipe)
}

/// MiB of a size that is written with its unit; what is no whole number of them is rounded down.
pub fn mebibytes(text: &str) -> Result<u64, Failure> {
    let wrong = || Failure::user(format!("`{text}` is no size like 2GiB or 800MiB"));
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    let factor = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "mib" | "m" => 1.0,
        "gib" | "g" => 1024.0,
        "mb" => 1e6 / f64::from(1 << 20),
        "gb" => 1e9 / f64::from(1 << 20),
        _ => return Err(wrong()),
    };
    let mib = number * factor;
    if mib >= 1.0 && mib <= f64::from(1 << 30) { Ok(mib as u64) } else { Err(wrong()) }
}

fn list(store: &Store, json: bool, out: &mut Output) -> Result<()> {
    let runs = store.runs()?;
    if json {
        return say(out, serde_json::to_string(&runs).unwrap_or_default());
    }
    if runs.is_empty() {
        return say(out, "no runs yet; `hone train` starts one");
    }
    for run in runs {
        let outcome = match &run.outcome {
            Some(RunOutcome::Finished) => "finished".to_owned(),
            Some(RunOutcome::Stopped) => "stopped".to_owned(),
            Some(RunOutcome::Failed { reason }) => format!("failed: {reason}"),
            None => "unfinished".to_owned(),
        };
        let mix = run.general.map(|share| format!("  mix {:.1} %", 100.0 * share));
        let mix = mix.unwrap_or_default();
        let loss = run.validation_loss.or(run.loss);
        let loss = loss.map_or_else(String::new, |loss| format!(", validation loss {loss:.3}"));
        say(
            out,
            format!(
                "run {}  {}  r {}{mix}  step {} of {}  {}{loss}  {outcome}",
                run.number,
                run.model,
                run.recipe.rank,
                run.step,
                run.steps,
                clock(run.seconds)
            ),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, mib) in [("2GiB", 2048), ("1.5 GiB", 1536), ("800MiB", 800), ("1GB", 953)] {
            assert_eq!(mebibytes(text), Ok(mib), "{text}");
        }
        for bad in ["2", "GiB", "-1GiB", "0MiB", "2TiB", "", "1e30GiB"] {
            assert!(mebibytes(bad).is_err(), "{bad}");
        }
    }
}
