//! `hone bench`: measure the engine on this machine.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand, ValueEnum};

use super::{print, print::Output, say};
use crate::engine::{Base, Precision};
use crate::failure::{Context as _, Failure, Result};
use crate::job::bench::{self, GenerateFigures, GenerateWay, TrainFigures, TrainWay, TrainWork};
use crate::job::loaded::Loaded;
use crate::job::{Models, gpu};
use crate::pair::{Example, Message, Role, jsonl};
use crate::train::{self, Optimizer};

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Training steps on random rows, every token labelled, rank 16 on all projections.
    Train(TrainArgs),
    /// Reading random prompts, or a text, and generating after them, greedily.
    Generate(GenerateArgs),
    /// An evaluation of base and tuned in one pass, and one question at a time. In the pass the questions of all
    /// suites are in one queue, so that a suite's own seconds are told of the second way only.
    Evaluate(EvaluateArgs),
}

/// Where to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// The processor.
    Cpu,
    /// The GPU.
    Cuda,
}

/// Arguments of `hone bench train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Base model.
    #[arg(long, required_unless_present = "random_weights")]
    model: Option<String>,
    /// Measure a model of this shape with random weights: smollm2-135m, qwen2.5-0.5b or qwen2.5-1.5b.
    #[arg(long, value_name = "SHAPE", conflicts_with_all = ["model", "rows"])]
    random_weights: Option<String>,
    /// Rows and tokens a row, as 4x256.
    #[arg(long, default_value = "4x256", value_name = "ROWSxTOKENS", value_parser = shape)]
    shape: (usize, usize),
    /// Train on conversations of this JSONL file instead of random rows.
    #[arg(long, value_name = "FILE", conflicts_with = "shape")]
    rows: Option<PathBuf>,
    /// With --rows: rows of a step.
    #[arg(long, default_value_t = 8, requires = "rows", value_name = "ROWS")]
    batch_rows: usize,
    /// With --rows: compute what rows begin with in common for each row anew.
    #[arg(long, requires = "rows")]
    no_sharing: bool,
    /// Measured steps, after some that warm up.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Where to run.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Device,
    /// Tokens that go through the model at once, at most; all of a step unless told otherwise.
    #[arg(long, value_name = "TOKENS")]
    micro_tokens: Option<usize>,
    /// Memory of the GPU that may be taken, as 2GiB or 800MiB; all that is free unless told otherwise.
    #[arg(long, value_name = "SIZE", value_parser = super::train::mebibytes)]
    device_memory: Option<u64>,
    /// The optimizer.
    #[arg(long, value_enum, default_value = "adamw")]
    optimizer: Optimizer,
    /// Print one JSON line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `hone bench generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Base model.
    #[arg(long, required_unless_present = "random_weights")]
    model: Option<String>,
    /// Measure a model of this shape with random weights: smollm2-135m, qwen2.5-0.5b or qwen2.5-1.5b.
    #[arg(long, value_name = "SHAPE", conflicts_with = "model")]
    random_weights: Option<String>,
    /// Sequences at once.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Tokens of each prompt.
    #[arg(long, default_value_t = 512)]
    prompt: usize,
    /// Answer the text of this file, as a user's turn, in place of random prompts; the answer may end before --new tokens.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["random_weights", "prompt"])]
    text: Option<PathBuf>,
    /// New tokens of each sequence.
    #[arg(long, default_value_t = 64)]
    new: usize,
    /// Let what came before guess what comes next, as outside of measurements: quicker where an answer repeats its prompt
    /// or itself. Where that is random, as with random prompts, the figure says nothing about others.
    #[arg(long)]
    prompt_lookup: bool,
    /// Measured rounds, after one that warms up.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Memory in which weights may stay decoded, for 24 sequences and more on the processor.
    #[arg(long, default_value_t = 0, value_name = "MIB")]
    keep: usize,
    /// Where to run.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Device,
    /// Memory of the GPU that may be taken, as 2GiB or 800MiB; all that is free unless told otherwise.
    #[arg(long, value_name = "SIZE", value_parser = super::train::mebibytes)]
    device_memory: Option<u64>,
    /// Print one JSON line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `hone bench evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Base model.
    #[arg(long)]
    model: String,
    /// Cases of each shipped suite; all when left out.
    #[arg(long, value_name = "N")]
    cases: Option<usize>,
    /// Print one JSON line.
    #[arg(long)]
    json: bool,
}

/// Runs `hone bench`.
pub fn run(command: &BenchCommand, out: &mut Output) -> Result<()> {
    let started = Instant::now();
    let models = Models::default();
    match command {
        BenchCommand::Train(args) => {
            let Some(figures) = train(args, &models)? else { return Ok(()) };
            if args.json {
                return say(out, serde_json::to_string(&figures).because("figures")?);
            }
            say(
                out,
                format!(
                    "{} {} on {} ({}, {} threads): {:.0} tokens/s, {:.0} MiB at most ({:.0} planned)",
                    figures.model,
                    figures.shape,
                    figures.device,
                    figures.kernel,
                    figures.threads,
                    figures.tokens_per_second,
                    figures.peak_device_mib.unwrap_or(figures.peak_rss_mib),
                    figures.plan_mib
                ),
            )?;
            let whole: f64 = figures.phases_ms.values().filter_map(serde_json::Value::as_f64).sum();
            for (name, value) in &figures.phases_ms {
                let ms = value.as_f64().unwrap_or_default();
                say(out, format!("  {name:<12} {ms:8.1} ms  {:4.1} %", 100.0 * ms / whole))?;
            }
            Ok(())
        }
        BenchCommand::Evaluate(args) => {
            let Some(loaded) = models.get(&args.model, &mut print::progress())? else {
                return Ok(());
            };
            let figures = bench::evaluation(&loaded, args.cases)?;
            if args.json {
                return say(out, serde_json::to_string(&figures).because("figures")?);
            }
            say(
                out,
                format!(
                    "{} ({}, {} threads), {} cases for base and tuned: {:.1} s in one pass, {:.1} s one by one \
                     ({:.2} times); {} verdicts the same",
                    figures.model,
                    figures.kernel,
                    figures.threads,
                    figures.cases,
                    figures.together,
                    figures.one_by_one,
                    figures.one_by_one / figures.together,
                    figures.same
                ),
            )?;
            for suite in &figures.suites {
                let bench::SuiteFigures { suite, cases, one_by_one, same } = suite;
                let counts = format!("{cases:4} cases, {same:4} verdicts the same");
                say(out, format!("  {suite:<28} {one_by_one:8.1} s one by one, {counts}"))?;
            }
            Ok(())
        }
        BenchCommand::Generate(args) => {
            let Some(figures) = generation(args, &models, started)? else { return Ok(()) };
            if args.json {
                return say(out, serde_json::to_string(&figures).because("figures")?);
            }
            say(
                out,
                format!(
                    "{} on {} ({}, {} threads), {} x ({} + {}): prompt {:.0} tokens/s, decoding {:.1} tokens/s{}, first token after {:.0} ms{}, \
                     {:.0} MiB at most",
                    figures.model,
                    figures.device,
                    figures.kernel,
                    figures.threads,
                    figures.batch,
                    figures.prompt,
                    figures.new,
                    figures.prompt_tokens_per_second,
                    figures.decode_tokens_per_second,
                    if figures.prompt_lookup { " with prompt lookup" } else { "" },
                    figures.first_token_ms,
                    figures.load_to_first_token_s.map_or_else(String::new, |seconds| {
                        format!(" ({seconds:.2} s with loading)")
                    }),
                    figures.peak_device_mib.unwrap_or(figures.peak_rss_mib)
                ),
            )
        }
    }
}

/// Measures generation; nothing when loading was stopped.
fn generation(
    args: &GenerateArgs,
    models: &Models,
    started: Instant,
) -> Result<Option<GenerateFigures>> {
    let sizes = (args.batch, args.prompt, args.new);
    let opening = opening(args.device);
    let way = GenerateWay {
        rounds: args.rounds,
        keep_bytes: args.keep << 20,
        device_memory: args.device_memory.map(|mib| (mib as usize) << 20),
        prompt_lookup: args.prompt_lookup,
        ..GenerateWay::default()
    };
    if let Some(name) = &args.random_weights {
        let Some(base) = random(name)? else { return Ok(None) };
        let device = opening.end()?;
        let way = GenerateWay { device: device.as_ref(), ..way };
        return bench::generation((&base, name, true), sizes, &way).map(Some);
    }
    // Before the model, which takes longer.
    let text = args.text.as_ref().map(|path| fs::read_to_string(path).because(path.display()));
    let text = text.transpose()?;
    let name = args.model.clone().unwrap_or_default();
    let Some(loaded) = models.get(&name, &mut print::progress())? else { return Ok(None) };
    let asked = text.map(|text| asked(text, &loaded)).transpose()?;
    let device = opening.end()?;
    let way = GenerateWay { device: device.as_ref(), started: Some(started), asked, ..way };
    bench::generation((&loaded.base, &loaded.name, false), sizes, &way).map(Some)
}

/// The tokens of a prompt that asks a text, and those that end an answer.
fn asked(text: String, loaded: &Loaded) -> Result<(Vec<u32>, Vec<u32>)> {
    let prompt = loaded.codec.encode_prompt(&[Message::text(Role::User, text)], &[])?;
    Ok((prompt, loaded.codec.stop_ids()))
}

/// Begins to open the GPU, if it is asked for.
fn opening(device: Device) -> gpu::Opening {
    gpu::begin(match device {
        Device::Cpu => train::Device::Cpu,
        Device::Cuda => train::Device::Cuda,
    })
}

/// A model of a named shape with random weights; nothing when making it was stopped.
fn random(name: &str) -> Result<Option<Base>> {
    let (config, precision) = (bench::shape::shape(name)?, Precision::fastest());
    bench::shape::random_base(&config, precision, &mut print::progress())
}

/// Measures training; nothing when loading was stopped.
fn train(args: &TrainArgs, models: &Models) -> Result<Option<TrainFigures>> {
    let opening = opening(args.device);
    let measure = |base: (&Base, &str, bool), work: &TrainWork, opening: gpu::Opening| {
        let device = opening.end()?;
        let way = TrainWay {
            steps: args.steps,
            device: device.as_ref(),
            device_memory: args.device_memory.map(|mib| (mib as usize) << 20),
            micro_tokens: args.micro_tokens,
            eight_bit: args.optimizer.is_eight_bit(),
        };
        bench::train(base, work, &way).map(Some)
    };
    if let Some(name) = &args.random_weights {
        let Some(base) = random(name)? else { return Ok(None) };
        let work = TrainWork::random(&base, args.shape)?;
        return measure((&base, name, true), &work, opening);
    }
    let name = args.model.clone().unwrap_or_default();
    let Some(loaded) = models.get(&name, &mut print::progress())? else { return Ok(None) };
    let work = work(args, &loaded)?;
    measure((&loaded.base, &loaded.name, false), &work, opening)
}

/// What a measurement of training is to train on.
fn work(args: &TrainArgs, loaded: &Loaded) -> Result<TrainWork> {
    let Some(path) = &args.rows else { return TrainWork::random(&loaded.base, args.shape) };
    let file = File::open(path).because(path.display())?;
    let (examples, problems) = jsonl::read(BufReader::new(file));
    if let Some(problem) = problems.first() {
        let (count, line) = (problems.len(), problem.line);
        return Err(Failure::user(format!("line {line}: {} ({count} bad lines)", problem.reason))
            .context(path.display()));
    }
    let examples: Vec<Example> = examples.into_iter().map(|(_, example)| example).collect();
    TrainWork::conversations(loaded, &examples, args.batch_rows, !args.no_sharing)
        .map_err(|failure| failure.context(path.display()))
}

fn shape(text: &str) -> Result<(usize, usize), Failure> {
    let wrong = || Failure::user(format!("`{text}` is not of the form 4x256"));
    let (rows, tokens) = text.split_once('x').ok_or_else(wrong)?;
    let rows: usize = rows.parse().map_err(|_| wrong())?;
    let tokens: usize = tokens.parse().map_err(|_| wrong())?;
    if rows == 0 || tokens == 0 { Err(wrong()) } else { Ok((rows, tokens)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_a_shape_are_not_both_given() {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Whole {
            #[command(flatten)]
            args: TrainArgs,
        }
        let parse = |line: &str| Whole::try_parse_from(line.split_whitespace());
        let args = parse("x --model m --rows a.jsonl --no-sharing").unwrap().args;
        assert_eq!((args.batch_rows, args.no_sharing), (8, true));
        assert!(parse("x --model m --rows a.jsonl --shape 1x8").is_err());
        assert!(parse("x --model m --no-sharing").is_err());
        assert!(parse("x").is_err() && parse("x --model m --random-weights s").is_err());
        let args = parse("x --random-weights s --device cuda --device-memory 6GiB").unwrap().args;
        assert_eq!((args.device, args.device_memory), (Device::Cuda, Some(6144)));
    }

    #[test]
    fn generation_is_of_a_model_or_of_a_shape() {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Whole {
            #[command(flatten)]
            args: GenerateArgs,
        }
        let parse = |line: &str| Whole::try_parse_from(line.split_whitespace());
        let args = parse("x --random-weights smollm2-135m --batch 3").unwrap().args;
        assert_eq!((args.model, args.batch), (None, 3));
        assert!(parse("x").is_err() && parse("x --model m --random-weights s").is_err());
        assert!(parse("x --model m --text a --prompt 3").is_err());
        let args = parse("x --model m --text /missing/a").unwrap().args;
        let failure = generation(&args, &Models::default(), Instant::now()).unwrap_err();
        assert!(failure.to_string().contains("/missing/a"), "{failure}");
        let args = parse("x --random-weights nothing").unwrap().args;
        let failure = generation(&args, &Models::default(), Instant::now()).unwrap_err();
        assert!(failure.message.contains("nothing"), "{failure}");
    }

    #[test]
    fn shapes_are_read() {
        assert_eq!(shape("4x256"), Ok((4, 256)));
        for bad in ["4", "x", "0x5", "4x-1", "axb"] {
            assert!(shape(bad).is_err(), "{bad}");
        }
    }
}
