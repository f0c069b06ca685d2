//! Measuring the engine on this machine.

mod evaluation;
pub mod shape;

use std::time::Instant;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::loaded::Loaded;
use crate::engine::cuda::{Device, Generator};
use crate::engine::{
    Adapter, Base, GenerateConfig, LoraConfig, MICRO_TOKENS_MAX, OptimizerConfig, Phases, Request,
    Row, StepReport, Target, Trainer, cpu, generate_each, largest_micro_batch, training_bytes,
};
use crate::failure::{Failure, Result};
use crate::pair::Example;
use crate::train::{memory, rows};

pub use evaluation::{EvaluationFigures, SuiteFigures, evaluation};

/// Rank of the adapter that is measured; alpha is twice that.
const RANK: usize = 16;

/// Fewest tokens that are tried at once on a GPU where no number is given.
const DEVICE_TOKENS_MIN: usize = 256;

/// What was measured of training.
#[derive(Debug, Clone, Serialize)]
pub struct TrainFigures {
    /// Base model.
    pub model: String,
    /// Rows and tokens a row, or what the rows are.
    pub shape: String,
    /// Whether the weights are random, because only the shape is that of the model.
    pub random_weights: bool,
    /// Where it ran: "cpu" or the GPU's name.
    pub device: String,
    /// The kernel of large products.
    pub kernel: &'static str,
    /// Threads.
    pub threads: usize,
    /// Tokens that went through the model at once, at most.
    pub micro_tokens: usize,
    /// Layers that kept what their backward pass needs, on a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_layers: Option<usize>,
    /// Of the others, layers that computed only gate and up again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partly_kept_layers: Option<usize>,
    /// Inputs of layers that lay in this machine's memory between the passes, and what they took of it, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosted_inputs: Option<usize>,
    /// See [`Self::hosted_inputs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosted_mib: Option<f64>,
    /// Median over the measured steps.
    pub tokens_per_second: f64,
    /// Each measured step.
    pub step_ms: Vec<f64>,
    /// Loss of the last step, nats.
    pub loss: f32,
    /// Highest memory of the process so far, loading included, MiB.
    pub peak_rss_mib: f64,
    /// What base and training were planned to take, MiB.
    pub plan_mib: f64,
    /// What training held on the GPU at most, base included, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_device_mib: Option<f64>,
    /// What was taken of the GPU at the end, its driver's own and other programs' included, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_used_mib: Option<f64>,
    /// Mean time of a step by kind of work.
    pub phases_ms: Map<String, Value>,
}

/// What is trained on.
#[derive(Debug, Clone)]
pub struct TrainWork {
    /// What it is called in the figures.
    shape: String,
    /// Rows of each step; after the last, the first comes again.
    steps: Vec<Vec<Row>>,
    /// Tokens that go through the model at once, at most.
    micro_tokens: usize,
    /// Whether what rows begin with in common is computed once.
    sharing: bool,
}

impl TrainWork {
    /// Rows of random tokens, every one labelled.
    ///
    /// # Errors
    /// If there is nothing to do.
    pub fn random(base: &Base, (rows, length): (usize, usize)) -> Result<Self> {
        if rows == 0 || length == 0 {
            return Err(Failure::user("rows and tokens must be above 0"));
        }
        let vocabulary = base.config().vocab_size as u32;
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let row = |_| Row {
            // One more than is read: the last token is only predicted.
            ids: (0..=length).map(|_| random.random_range(0..vocabulary)).collect(),
            labels: vec![true; length + 1],
        };
        let batch = (0..rows).map(row).collect();
        let shape = format!("{rows}x{length}");
        Ok(Self { shape, steps: vec![batch], micro_tokens: rows * length, sharing: true })
    }

    /// Conversations as they stand, `batch_rows` a step.
    ///
    /// # Errors
    /// If none of them can be trained on.
    pub fn conversations(
        loaded: &Loaded,
        examples: &[Example],
        batch_rows: usize,
        sharing: bool,
    ) -> Result<Self> {
        let context = loaded.base.config().context_length;
        let rows = rows::encode(examples.iter(), &loaded.codec, context)?;
        rows.check_any()?;
        if rows.rows.is_empty() || batch_rows == 0 {
            return Err(Failure::user("there are no rows to train on"));
        }
        let steps: Vec<Vec<Row>> = rows.rows.chunks(batch_rows).map(<[Row]>::to_vec).collect();
        let shape = format!("{} rows, {batch_rows} a step", rows.rows.len());
        let tokens = |rows: &Vec<Row>| rows.iter().map(|row| row.ids.len()).sum();
        let largest: usize = steps.iter().map(tokens).max().unwrap_or_default();
        Ok(Self { shape, steps, micro_tokens: largest.min(MICRO_TOKENS_MAX), sharing })
    }
}

/// How training is measured.
#[derive(Debug, Default)]
pub struct TrainWay<'a> {
    /// Measured steps.
    pub steps: usize,
    /// The GPU; none is the processor.
    pub device: Option<&'a Device>,
    /// Bytes of the GPU that may be taken; none is what there is.
    pub device_memory: Option<usize>,
    /// Tokens that go through the model at once, at most; none is all of a step.
    pub micro_tokens: Option<usize>,
    /// Moments in 8 bits.
    pub eight_bit: bool,
}

/// Trains with rank 16 on all projections: some steps that warm up, then the measured ones, and on a
/// GPU one more that is timed kernel by kernel.
///
/// # Errors
/// If there is nothing to do, or a step fails.
pub fn train(
    (base, name, random_weights): (&Base, &str, bool),
    work: &TrainWork,
    way: &TrainWay<'_>,
) -> Result<TrainFigures> {
    if way.steps == 0 {
        return Err(Failure::user("steps must be above 0"));
    }
    let config = base.config();
    let lora = LoraConfig {
        rank: RANK,
        alpha: 2.0 * RANK as f32,
        rank_stabilized: false,
        targets: Target::ALL.to_vec(),
        seed: 1,
    };
    let adapter = Adapter::new(config, &lora);
    let held = memory::resident().unwrap_or_else(|| base.bytes());
    let mut micro_tokens = way.micro_tokens.unwrap_or(work.micro_tokens).min(work.micro_tokens);
    let mut plan = held + training_bytes(base, &adapter, micro_tokens);
    let optimizer = OptimizerConfig { eight_bit: way.eight_bit, ..OptimizerConfig::default() };
    let mut trainer =
        Trainer::new(base, adapter, optimizer, micro_tokens).with_sharing(work.sharing);
    let mut laid = None;
    if let Some(device) = way.device {
        trainer = trainer.on_cuda(device, way.device_memory.unwrap_or(usize::MAX))?;
        // Halves of a step where no number is given.
        let sizes = std::iter::successors(Some(micro_tokens), |tokens| Some(tokens / 2));
        let sizes: Vec<usize> = match way.micro_tokens {
            Some(_) => vec![micro_tokens],
            None => {
                sizes.take_while(|tokens| *tokens >= DEVICE_TOKENS_MIN.min(micro_tokens)).collect()
            }
        };
        let mut largest = |tokens: usize| {
            work.steps.iter().map(|rows| largest_micro_batch(rows, tokens)).max().unwrap_or(tokens)
        };
        let found = trainer.lay_out(&sizes, &mut largest)?;
        (plan, micro_tokens, laid) = (found.bytes, found.micro_tokens, Some(found));
    }
    let mut batches = work.steps.iter().cycle();
    let mut step = |trainer: &mut Trainer<'_>| {
        let started = Instant::now();
        let report = trainer.step(batches.next().map_or(&[][..], Vec::as_slice), 1e-4)?;
        trainer.wait()?;
        Ok::<_, Failure>((report, started.elapsed().as_secs_f64()))
    };
    // On a GPU the third step of a kind is the first that replays it.
    for _ in 0..if way.device.is_some() { 3 } else { 1 } {
        step(&mut trainer)?;
    }
    let (mut step_ms, mut rates) = (Vec::new(), Vec::new());
    let (mut phases, mut loss) = (Phases::default(), 0.0);
    for _ in 0..way.steps {
        let (report, seconds) = step(&mut trainer)?;
        step_ms.push(seconds * 1e3);
        rates.push(tokens_read(&report) / seconds);
        phases.add(&report.phases);
        loss = report.loss;
    }
    let mut timed = way.steps;
    if way.device.is_some() {
        trainer.set_timing(true);
        (phases, timed) = (step(&mut trainer)?.0.phases, 1);
    }
    let phases_ms = phases
        .iter()
        .map(|(name, seconds)| (name.to_owned(), json!(seconds * 1e3 / timed as f64)))
        .collect();
    let used = way.device.map(Device::used).transpose()?;
    Ok(TrainFigures {
        model: name.to_owned(),
        shape: work.shape.clone(),
        random_weights,
        device: way.device.map_or_else(|| "cpu".to_owned(), |device| device.facts().name.clone()),
        kernel: trainer.kernel(),
        threads: rayon::current_num_threads(),
        micro_tokens,
        kept_layers: laid.map(|plan| plan.kept_layers),
        partly_kept_layers: laid.map(|plan| plan.partly_kept_layers),
        hosted_inputs: laid.map(|plan| plan.hosted_inputs),
        hosted_mib: laid.map(|plan| mib(plan.hosted_bytes)),
        tokens_per_second: median(&rates),
        step_ms,
        loss,
        peak_rss_mib: peak_rss_mib(),
        plan_mib: mib(plan),
        peak_device_mib: trainer.device_bytes().map(mib),
        device_used_mib: used.map(mib),
        phases_ms,
    })
}

/// Tokens that rows hold, but for the last of each, which is only predicted.
fn tokens_read(report: &StepReport) -> f64 {
    (report.tokens - report.rows) as f64
}

/// What was measured of generation.
#[derive(Debug, Clone, Serialize)]
pub struct GenerateFigures {
    /// Base model.
    pub model: String,
    /// Whether the weights are random, because only the shape is that of the model.
    pub random_weights: bool,
    /// Where it ran: "cpu" or the GPU's name.
    pub device: String,
    /// The kernel of large products.
    pub kernel: &'static str,
    /// Threads.
    pub threads: usize,
    /// Sequences at once.
    pub batch: usize,
    /// Tokens of each prompt.
    pub prompt: usize,
    /// New tokens of each sequence, at most where a text is answered.
    pub new: usize,
    /// Whether what came before guessed what comes next.
    pub prompt_lookup: bool,
    /// Prompt tokens a second, all sequences, median.
    pub prompt_tokens_per_second: f64,
    /// New tokens a second, all sequences, median; the first of each, which the prompt gives, left out.
    pub decode_tokens_per_second: f64,
    /// From when the base was there to the first token of the round that warms up, ms: on a GPU the base goes
    /// there first.
    pub first_token_ms: f64,
    /// Of that, until base and kernels were on the GPU, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_ms: Option<f64>,
    /// Seconds that opening the GPU took, beside reading the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_s: Option<f64>,
    /// From the program's start to when the base was there, s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_s: Option<f64>,
    /// From the program's start to the first token, s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_to_first_token_s: Option<f64>,
    /// Highest memory of the process so far, loading included, MiB.
    pub peak_rss_mib: f64,
    /// What was held on the GPU at most, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_device_mib: Option<f64>,
    /// What was taken of the GPU at the end, its driver's own and other programs' included, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_used_mib: Option<f64>,
}

/// How generation is measured.
#[derive(Debug, Default)]
pub struct GenerateWay<'a> {
    /// Measured rounds.
    pub rounds: usize,
    /// Bytes in which weights may stay decoded, on the processor.
    pub keep_bytes: usize,
    /// The GPU; none is the processor.
    pub device: Option<&'a Device>,
    /// Bytes of the GPU that may be taken; none is what there is.
    pub device_memory: Option<usize>,
    /// When the program started, where it has loaded a model since.
    pub started: Option<Instant>,
    /// Tokens of a prompt to answer, and those that end an answer; none are random prompts.
    pub asked: Option<(Vec<u32>, Vec<u32>)>,
    /// Whether what came before guesses what comes next, on the processor.
    pub prompt_lookup: bool,
}

/// Generates greedily after random prompts or a given one, once to warm up, then the measured times.
///
/// # Errors
/// If there is nothing to do, or the GPU fails.
pub fn generation(
    (base, name, random_weights): (&Base, &str, bool),
    (batch, prompt, new): (usize, usize, usize),
    way: &GenerateWay<'_>,
) -> Result<GenerateFigures> {
    let GenerateWay { rounds, keep_bytes, device, device_memory, started, .. } = *way;
    let prompt = way.asked.as_ref().map_or(prompt, |(asked, _)| asked.len());
    let load_s = started.map(|started| started.elapsed().as_secs_f64());
    if batch == 0 || prompt == 0 || new < 2 || rounds == 0 {
        return Err(Failure::user("batch, prompt and rounds must be above 0, new tokens above 1"));
    }
    let vocabulary = base.config().vocab_size as u32;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut random = || (0..prompt).map(|_| random.random_range(0..vocabulary)).collect();
    let prompts: Vec<Vec<u32>> = (0..batch)
        .map(|_| way.asked.as_ref().map_or_else(&mut random, |(asked, _)| asked.clone()))
        .collect();
    let config = GenerateConfig {
        max_new: new,
        batch,
        keep_bytes,
        stop: way.asked.as_ref().map_or_else(Vec::new, |(_, stop)| stop.clone()),
        prompt_lookup: way.prompt_lookup,
        ..GenerateConfig::default()
    };
    let requests: Vec<Request<'_>> =
        prompts.iter().map(|prompt| Request::new(prompt, false)).collect();
    let (mut reading, mut decoding) = (Vec::new(), Vec::new());
    let (begun, mut first_token) = (Instant::now(), None);
    let limit = device_memory.unwrap_or(usize::MAX);
    let mut generator =
        device.map(|device| Generator::new(device, base, None, batch, limit)).transpose()?;
    let upload_ms = device.map(|_| begun.elapsed().as_secs_f64() * 1e3);
    for round in 0..=rounds {
        let started = Instant::now();
        let (mut heard, mut first) = (0, None);
        let mut on = |_, id: Option<u32>| {
            heard += usize::from(id.is_some());
            first_token.get_or_insert_with(|| begun.elapsed().as_secs_f64());
            if heard == batch && first.is_none() {
                first = Some(started.elapsed().as_secs_f64());
            }
            std::ops::ControlFlow::Continue(())
        };
        match &mut generator {
            Some(generator) => generator.generate(&requests, &mut [], &config, &mut on)?,
            None => generate_each(base, None, &requests, &config, &mut on)?,
        };
        let whole = started.elapsed().as_secs_f64();
        let Some(first) = first else {
            return Err(Failure::user("the model's answer is empty: there is nothing to measure")
                .hint("Ask another text."));
        };
        if round > 0 {
            reading.push((batch * prompt) as f64 / first);
            decoding.push((heard - batch.min(heard)) as f64 / (whole - first));
        }
    }
    let first_token = first_token.unwrap_or_default();
    Ok(GenerateFigures {
        model: name.to_owned(),
        random_weights,
        device: device.map_or_else(|| "cpu".to_owned(), |device| device.facts().name.clone()),
        kernel: generator.as_ref().map_or(cpu::kernel().name(), Generator::products),
        threads: rayon::current_num_threads(),
        batch,
        prompt,
        new,
        prompt_lookup: way.prompt_lookup && device.is_none(),
        prompt_tokens_per_second: median(&reading),
        decode_tokens_per_second: median(&decoding),
        first_token_ms: first_token * 1e3,
        upload_ms,
        open_s: device.map(Device::opening_seconds),
        load_s,
        load_to_first_token_s: load_s.map(|load| load + first_token),
        peak_rss_mib: peak_rss_mib(),
        peak_device_mib: generator.as_ref().map(|generator| mib(generator.bytes())),
        device_used_mib: device.map(Device::used).transpose()?.map(mib),
    })
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Highest resident memory of this process, where the system tells (Linux); 0 elsewhere.
fn peak_rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Precision;
    use crate::job::gpu;

    /// One base for all batches: making it takes longer than measuring.
    #[test]
    #[ignore = "takes a minute and a GPU that nothing else uses"]
    fn generation_on_the_gpu_by_batch() {
        let device = gpu::open().unwrap();
        let config = shape::shape("qwen2.5-1.5b").unwrap();
        let go = &mut |_| std::ops::ControlFlow::Continue(());
        let base = shape::random_base(&config, Precision::Bf16, go).unwrap().unwrap();
        for batch in [1, 4, 8, 16, 64, 1] {
            let way = GenerateWay { rounds: 3, device: Some(&device), ..GenerateWay::default() };
            let figures = generation((&base, "qwen2.5-1.5b", true), (batch, 256, 128), &way);
            println!("{}", serde_json::to_string(&figures.unwrap()).unwrap());
        }
    }

    #[test]
    fn medians_are_middles() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }
}
