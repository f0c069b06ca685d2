//! What a report says of where its figures come from.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::engine::cpu;
use crate::evaluate::{Provenance, Suite, Training};
use crate::job::training_set::Header;
use crate::job::{EndpointChoice, EvaluateOptions};
use crate::train::{Device, RunRecord, TrainEvent};
use crate::{digest, draft};

/// Where the figures come from, as far as the request tells: neither model nor training. `gpu` is the name of the one
/// that answers were made on.
pub(super) fn of(
    model: &str,
    run: Option<u32>,
    options: &EvaluateOptions,
    suites: &[Suite],
    gpu: Option<&str>,
) -> Provenance {
    let judge = options.judge.as_ref();
    Provenance {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        machine: machine(gpu),
        cases: digest::sha256(cases_text(suites)),
        samples: options.samples,
        temperature: options.temperature,
        seed: options.seed,
        judge: judge.map(|choice| format!("{}, {}", choice.model, draft::judge::name())),
        command: command(model, run, options),
        ..Provenance::default()
    }
}

/// What the run in `folder` was trained on and how it went.
pub(super) fn training(
    folder: &Path,
    header: Option<&Header>,
    record: Option<&RunRecord>,
) -> Training {
    Training {
        composition: header.map(|header| header.composition.clone()).unwrap_or_default(),
        seconds: record.map_or(0.0, |record| record.seconds),
        ..curve(&folder.join("events.jsonl"))
    }
}

/// The loss by step, from the events of a run.
fn curve(events: &Path) -> Training {
    let mut training = Training::default();
    let text = fs::read_to_string(events).unwrap_or_default();
    for line in text.lines() {
        match serde_json::from_str(line) {
            Ok(TrainEvent::Step { step, loss, .. }) => {
                training.losses.push((step as u32, f64::from(loss)));
            }
            Ok(TrainEvent::Validation { step, loss, .. }) => {
                training.held_out.push((step as u32, f64::from(loss)));
            }
            _ => {}
        }
    }
    training
}

/// The processor's architecture, threads and kernel, and the GPU where there was one.
fn machine(gpu: Option<&str>) -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = cpu::kernel().name();
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    let gpu = gpu.map(|name| format!(", answers on {name}")).unwrap_or_default();
    format!("{system} {processor}, {threads} threads, {kernel}{gpu}")
}

/// What the cases say, for a hash: identifiers, questions and what is expected.
fn cases_text(suites: &[Suite]) -> String {
    let mut text = String::new();
    for suite in suites {
        for case in &suite.cases {
            let _ = writeln!(text, "{:?}", (&suite.name, case));
        }
    }
    text
}

/// The command that repeats an evaluation.
fn command(model: &str, run: Option<u32>, options: &EvaluateOptions) -> String {
    let mut command = format!("hone eval run --model {model}");
    match run {
        Some(run) => {
            let _ = write!(command, " --run {run}");
        }
        None => command.push_str(" --base"),
    }
    for suite in &options.suites {
        let _ = write!(command, " --suite {suite}");
    }
    if let Some(language) = options.cases.language {
        let _ = write!(command, " --language {}", language.code());
    }
    if let Some(limit) = options.cases.limit {
        let _ = write!(command, " --limit {limit}");
    }
    if options.samples > 1 {
        let _ = write!(command, " --samples {}", options.samples);
    }
    if options.temperature > 0.0 {
        let _ = write!(command, " --temperature {} --seed {}", options.temperature, options.seed);
    }
    if let Some(EndpointChoice { url, model, .. }) = &options.endpoint {
        let _ = write!(command, " --endpoint {url} --endpoint-model {model}");
    }
    if let Some(EndpointChoice { url, model, .. }) = &options.judge {
        let _ = write!(command, " --judge {url} --judge-model {model}");
    }
    if let Some(EndpointChoice { timeout, parallel, .. }) =
        options.endpoint.as_ref().or(options.judge.as_ref())
    {
        if let Some(seconds) = timeout {
            let _ = write!(command, " --endpoint-timeout {seconds}");
        }
        if *parallel != EndpointChoice::PARALLEL {
            let _ = write!(command, " --endpoint-parallel {parallel}");
        }
    }
    match options.device {
        Device::Auto => (),
        Device::Cpu => command.push_str(" --device cpu"),
        Device::Cuda => command.push_str(" --device cuda"),
    }
    if options.bound {
        command.push_str(" --bound");
    }
    if options.keep_seen {
        command.push_str(" --keep-seen");
    }
    if options.run_programs {
        command.push_str(" --run-programs");
    }
    command
}
