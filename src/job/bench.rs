//! Measuring the engine on this machine.

use std::time::Instant;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::loaded::Loaded;
use crate::engine::{
    Adapter, GenerateConfig, LoraConfig, OptimizerConfig, Phases, Row, Target, Trainer, cpu,
    generate, training_bytes,
};
use crate::failure::{Failure, Result};
use crate::train::memory;

/// Rank of the adapter that is measured; alpha is twice that.
const RANK: usize = 16;

/// What was measured of training.
#[derive(Debug, Clone, Serialize)]
pub struct TrainFigures {
    /// Base model.
    pub model: String,
    /// Rows and tokens a row.
    pub shape: String,
    /// Where it ran.
    pub device: &'static str,
    /// The kernel of large products.
    pub kernel: &'static str,
    /// Threads.
    pub threads: usize,
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
    /// Mean time of a step by kind of work.
    pub phases_ms: Map<String, Value>,
}

/// Trains on random rows, every token labelled, rank 16 on all projections: one step that warms up,
/// then `steps` measured ones.
pub fn train(
    loaded: &Loaded,
    (rows, length): (usize, usize),
    steps: usize,
) -> Result<TrainFigures> {
    if rows == 0 || length == 0 || steps == 0 {
        return Err(Failure::user("rows, tokens and steps must be above 0"));
    }
    let config = loaded.base.config();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let batch: Vec<Row> = (0..rows)
        .map(|_| Row {
            // One more than is read: the last token is only predicted.
            ids: (0..=length).map(|_| random.random_range(0..config.vocab_size as u32)).collect(),
            labels: vec![true; length + 1],
        })
        .collect();
    let lora = LoraConfig {
        rank: RANK,
        alpha: 2.0 * RANK as f32,
        rank_stabilized: false,
        targets: Target::ALL.to_vec(),
        seed: 1,
    };
    let adapter = Adapter::new(config, &lora);
    let held = memory::resident().unwrap_or_else(|| loaded.base.bytes());
    let plan = held + training_bytes(&loaded.base, &adapter, rows * length);
    let mut trainer =
        Trainer::new(&loaded.base, adapter, OptimizerConfig::default(), rows * length);
    trainer.step(&batch, 1e-4)?;
    let (mut step_ms, mut phases, mut loss) = (Vec::new(), Phases::default(), 0.0);
    for _ in 0..steps {
        let started = Instant::now();
        let report = trainer.step(&batch, 1e-4)?;
        step_ms.push(started.elapsed().as_secs_f64() * 1e3);
        phases.add(&report.phases);
        loss = report.loss;
    }
    let phases_ms = phases
        .iter()
        .map(|(name, seconds)| (name.to_owned(), json!(seconds * 1e3 / steps as f64)))
        .collect();
    Ok(TrainFigures {
        model: loaded.name.clone(),
        shape: format!("{rows}x{length}"),
        device: "cpu",
        kernel: cpu::kernel().name(),
        threads: rayon::current_num_threads(),
        tokens_per_second: (rows * length) as f64 * 1e3 / median(&step_ms),
        step_ms,
        loss,
        peak_rss_mib: peak_rss_mib(),
        plan_mib: plan as f64 / f64::from(1 << 20),
        phases_ms,
    })
}

/// What was measured of generation.
#[derive(Debug, Clone, Serialize)]
pub struct GenerateFigures {
    /// Base model.
    pub model: String,
    /// Where it ran.
    pub device: &'static str,
    /// The kernel of large products.
    pub kernel: &'static str,
    /// Threads.
    pub threads: usize,
    /// Sequences at once.
    pub batch: usize,
    /// Tokens of each prompt.
    pub prompt: usize,
    /// New tokens of each sequence.
    pub new: usize,
    /// Prompt tokens a second, all sequences, median.
    pub prompt_tokens_per_second: f64,
    /// New tokens a second, all sequences, median; the first of each, which the prompt gives, left out.
    pub decode_tokens_per_second: f64,
    /// Highest memory of the process so far, loading included, MiB.
    pub peak_rss_mib: f64,
}

/// Generates greedily after random prompts, once to warm up, then `rounds` measured times.
pub fn generation(
    loaded: &Loaded,
    (batch, prompt, new): (usize, usize, usize),
    rounds: usize,
) -> Result<GenerateFigures> {
    if batch == 0 || prompt == 0 || new < 2 || rounds == 0 {
        return Err(Failure::user("batch, prompt and rounds must be above 0, new tokens above 1"));
    }
    let vocabulary = loaded.base.config().vocab_size as u32;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let prompts: Vec<Vec<u32>> = (0..batch)
        .map(|_| (0..prompt).map(|_| random.random_range(0..vocabulary)).collect())
        .collect();
    let config = GenerateConfig { max_new: new, batch, ..GenerateConfig::default() };
    let (mut reading, mut decoding) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let started = Instant::now();
        let (mut heard, mut first) = (0, None);
        generate(&loaded.base, None, &prompts, &config, &mut |_, _| {
            heard += 1;
            if heard == batch {
                first = Some(started.elapsed().as_secs_f64());
            }
            std::ops::ControlFlow::Continue(())
        })?;
        let (whole, first) = (started.elapsed().as_secs_f64(), first.unwrap_or_default());
        if round > 0 {
            reading.push((batch * prompt) as f64 / first);
            decoding.push((batch * (new - 1)) as f64 / (whole - first));
        }
    }
    Ok(GenerateFigures {
        model: loaded.name.clone(),
        device: "cpu",
        kernel: cpu::kernel().name(),
        threads: rayon::current_num_threads(),
        batch,
        prompt,
        new,
        prompt_tokens_per_second: median(&reading),
        decode_tokens_per_second: median(&decoding),
        peak_rss_mib: peak_rss_mib(),
    })
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

    #[test]
    fn medians_are_middles() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }
}
