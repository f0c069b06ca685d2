//! Speed of the engine on random weights in the shape of SmolLM2-135M.
//!
//! `cargo bench --bench engine` prints tokens a second for training, reading prompts and decoding.
//! Arguments choose parts by name; `ROUNDS` sets the repetitions (5).

#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at the first error")]

use std::ops::ControlFlow;
use std::time::Instant;

use hone::engine::{
    Adapter, Base, GenerateConfig, LoraConfig, OptimizerConfig, Precision, Row, Target, Trainer,
    generate, row_losses,
};
use hone::failure::Result;
use hone::model::{Architecture, DecoderConfig, TensorName, TensorSource};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn smollm2() -> DecoderConfig {
    DecoderConfig {
        architecture: Architecture::Llama,
        vocab_size: 49_152,
        hidden_size: 576,
        layers: 30,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        ffn_size: 1536,
        rope_base: 100_000.0,
        rope_factors: None,
        norm_eps: 1e-5,
        qkv_bias: false,
        tied_head: true,
        context_length: 8192,
        embedding_scale: 1.0,
        score_scale: None,
        windows: None,
    }
}

/// Random weights.
struct Random(ChaCha8Rng);

impl TensorSource for Random {
    fn read(&mut self, name: TensorName) -> Result<Vec<f32>> {
        let c = smollm2();
        let (len, middle, width) = match name {
            TensorName::Embedding | TensorName::Head => (c.vocab_size * c.hidden_size, 0.0, 0.1),
            TensorName::Query(_) | TensorName::Output(_) => {
                (c.query_size() * c.hidden_size, 0.0, 0.07)
            }
            TensorName::Key(_) | TensorName::Value(_) => (c.kv_size() * c.hidden_size, 0.0, 0.07),
            TensorName::Gate(_) | TensorName::Up(_) | TensorName::Down(_) => {
                (c.ffn_size * c.hidden_size, 0.0, 0.05)
            }
            _ => (c.hidden_size, 1.0, 0.1),
        };
        let values = (0..len).map(|_| middle + self.0.random_range(-width..width));
        Ok(values.collect())
    }
}

fn rows(count: usize, length: usize, random: &mut ChaCha8Rng) -> Vec<Row> {
    (0..count)
        .map(|_| Row {
            // One more than is read: the last token is only predicted.
            ids: (0..=length).map(|_| random.random_range(0..49_152)).collect(),
            labels: vec![true; length + 1],
        })
        .collect()
}

/// Seconds of processor time used so far, of all threads, where the system tells.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// Best and median speed of several runs after one that warms up, and the speed per second of
/// processor time, which says more on a busy machine.
fn time(name: &str, tokens: usize, mut run: impl FnMut()) {
    let rounds: usize = std::env::var("ROUNDS").map_or(5, |value| value.parse().unwrap());
    run();
    let before = processor_seconds();
    let mut seconds: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let rate = |seconds: f64| tokens as f64 / seconds;
    let (best, middle) = (seconds[0], seconds[seconds.len() / 2]);
    let core = before.zip(processor_seconds()).map(|(before, after)| {
        let rate = rate((after - before) / rounds as f64);
        format!(", {rate:6.0} a core")
    });
    let (best, middle, core) = (rate(best), rate(middle), core.unwrap_or_default());
    println!("{name:<34} {best:7.0} tokens/s, median {middle:7.0}{core}");
}

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(&**part));
    let config = smollm2();
    let lora = LoraConfig {
        rank: 16,
        alpha: 32.0,
        rank_stabilized: false,
        targets: Target::ALL.to_vec(),
        seed: 1,
    };
    for precision in [Precision::F32, Precision::Bf16] {
        let kind = format!("{precision:?}").to_lowercase();
        if !wanted.is_empty() && !wanted.iter().any(|part| kind == *part || part == "both") {
            continue;
        }
        let wants = |name: &str| wants(name) || wanted.len() == 1;
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut source = Random(random.clone());
        let start = Instant::now();
        let mut on = |_| ControlFlow::Continue(());
        let base = Base::load(&config, &mut source, precision, &mut on).unwrap().unwrap();
        let (seconds, megabytes) = (start.elapsed().as_secs_f64(), base.bytes() >> 20);
        println!("{kind}: {megabytes} MiB, random weights made and loaded in {seconds:.1} s");
        let mut adapter = Adapter::new(&config, &lora);
        for (name, count, length) in
            [("train 4x256", 4, 256), ("train 1x1024", 1, 1024), ("train 16x128", 16, 128)]
        {
            if wants(name) {
                let rows = rows(count, length, &mut random);
                let mut trainer = Trainer::new(&base, adapter, OptimizerConfig::default(), 2048);
                time(name, count * length, || {
                    trainer.step(&rows, 1e-4).unwrap();
                });
                adapter = trainer.into_adapter();
            }
        }
        if wants("score 4x256") {
            let rows = rows(4, 256, &mut random);
            time("score 4x256", 4 * 256, || {
                row_losses(&base, Some(&adapter), &rows).unwrap();
            });
        }
        for (tuned, adapter) in [("base", None), ("tuned", Some(&adapter))] {
            for (batch, prompt, new) in [(1, 100, 32), (8, 100, 64), (16, 100, 64), (16, 1000, 1)] {
                let name = format!("generate {tuned} {batch} x ({prompt} + {new})");
                if !wants(&name) {
                    continue;
                }
                let prompts: Vec<Vec<u32>> =
                    rows(batch, prompt - 1, &mut random).into_iter().map(|row| row.ids).collect();
                let settings = GenerateConfig { max_new: new, batch, ..GenerateConfig::default() };
                let tokens = if new == 1 { batch * prompt } else { batch * new };
                time(&name, tokens, || {
                    let mut on = |_, _| ControlFlow::Continue(());
                    generate(&base, adapter, &prompts, &settings, &mut on).unwrap();
                });
            }
        }
    }
}
