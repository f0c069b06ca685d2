//! A training run: steps, validation, checkpoints, resume, and a named outcome.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::checkpoint::{self, CheckpointHeader};
use super::memory::{self, RunMemory};
use super::rows::Epoch;
use super::schedule::Schedule;
use super::{Keep, Recipe, RunOutcome, TrainEvent, adapter_file, rows};
use crate::engine::cuda::Device;
use crate::engine::{Adapter, Base, MemoryPlan, OptimizerConfig, Row, Trainer, row_losses};
use crate::failure::{Failure, Result};
use crate::progress::Cancel;

/// Folder of the adapter to use: the best by validation loss, or the last one where the recipe says
/// so or nothing is validated.
pub const BEST_ADAPTER: &str = "adapter";
/// Folder of the adapter after the last step.
pub const LAST_ADAPTER: &str = "adapter-last";

/// Everything a run needs.
pub struct RunInput<'a> {
    /// The frozen model.
    pub base: &'a Base,
    /// Its name, written into adapters and checkpoints.
    pub model: &'a str,
    /// Settings.
    pub recipe: &'a Recipe,
    /// Rows to train on; later epochs begin again with the first one. All are of one length.
    pub train: &'a [Epoch],
    /// Rows to validate on; may be empty.
    pub validation: &'a [Row],
    /// Share of general conversation in the training tokens, where it is known; for advice only.
    pub general_share: Option<f64>,
    /// Folder for checkpoint and adapters.
    pub folder: &'a Path,
    /// Whether to go on from the checkpoint in `folder`.
    pub resume: bool,
    /// The GPU to train on; none is the processor.
    pub device: Option<&'a Device>,
}

/// Answers a held-out question with the adapter as it is: question and answer.
pub type Sampler<'a> = dyn FnMut(&Adapter) -> Option<(String, String)> + 'a;

/// Trains until the last step or until asked to stop. A checkpoint is written at every validation,
/// every `checkpoint_every` steps, when stopped, and at the end.
///
/// # Errors
/// Bad settings, a checkpoint of another run, a disk that fills, or a loss that is not a number;
/// the last good checkpoint stays.
pub fn run(
    input: &RunInput<'_>,
    cancel: &Cancel,
    sample: &mut Sampler<'_>,
    on_event: &mut dyn FnMut(TrainEvent),
) -> Result<RunOutcome> {
    let RunInput { base, recipe, folder, .. } = *input;
    recipe.check()?;
    let train = input.train.first().map_or(&[][..], |epoch| &epoch.rows);
    if input.train.iter().any(|epoch| epoch.rows.len() != train.len()) {
        return Err(Failure::defect("the epochs' rows are not of one length"));
    }
    if train.is_empty() {
        return Err(Failure::user("there are no training rows")
            .hint("accept pairs on the Curate screen or import them with `hone pairs import`"));
    }
    let schedule = Schedule::new(recipe, train.len());
    let mut header = CheckpointHeader::new(recipe, input.model, input.train);
    if let Some(device) = input.device {
        let capability = device.facts().capability;
        header.kernel = format!("cuda {}.{}", capability / 10, capability % 10);
    }
    let mut adapter = Adapter::new(base.config(), &adapter_file::lora_config(recipe)?);
    let state = if input.resume {
        let (found, state) = checkpoint::read(folder, &mut adapter)?;
        found.check_same_run(&header)?;
        let now = std::mem::replace(&mut header, found).kernel;
        if header.kernel != now {
            on_event(TrainEvent::Warning { message: other_kernel(&header.kernel, &now) });
        }
        header.kernel = now;
        Some(state)
    } else {
        None
    };
    let memory = match input.device {
        None => plan(input, &adapter, &mut header, on_event)?,
        // The GPU's is planned when base and adapter are there.
        Some(_) => RunMemory { plan: MemoryPlan::default(), peak: 0 },
    };
    let optimizer = OptimizerConfig {
        beta1: recipe.beta1,
        beta2: recipe.beta2,
        epsilon: recipe.epsilon,
        weight_decay: recipe.weight_decay,
        clip_norm: recipe.clip_norm,
        eight_bit: recipe.optimizer.is_eight_bit(),
    };
    let mut trainer = Trainer::new(base, adapter, optimizer, memory.plan.micro_tokens)
        .with_noise(recipe.neftune_alpha, recipe.seed)
        .with_dropout(recipe.dropout, recipe.seed);
    let memory = match input.device {
        None => {
            trainer = trainer.with_kept_layers(memory.plan.kept_layers);
            memory
        }
        Some(device) => {
            let (placed, memory) = on_device(input, trainer, device, &mut header)?;
            trainer = placed;
            memory
        }
    };
    if let Some(state) = state {
        trainer.restore(state)?;
    }
    on_event(TrainEvent::Planned {
        steps: schedule.steps(),
        first_step: header.step,
        rows: train.len() as u64,
        tokens: train.iter().map(|row| row.ids.len() as u64).sum(),
        label_tokens: train.iter().flat_map(|row| &row.labels).filter(|label| **label).count()
            as u64,
        trainable: trainer.adapter().parameter_count() as u64,
        memory_bytes: memory.peak as u64,
        kept_layers: memory.plan.kept_layers as u64,
        partly_kept_layers: memory.plan.partly_kept_layers as u64,
        hosted_inputs: memory.plan.hosted_inputs as u64,
        hosted_bytes: memory.plan.hosted_bytes as u64,
        layers: base.config().layers as u64,
        micro_tokens: memory.plan.tokens as u64,
    });
    for message in recipe.advice(input.general_share) {
        on_event(TrainEvent::Warning { message });
    }
    let epoch_steps = schedule.steps_per_epoch().max(1);
    let every = |setting: u64| if setting == 0 { epoch_steps } else { setting };
    let (validate_every, checkpoint_every) =
        (every(recipe.validate_every), every(recipe.checkpoint_every));
    let (started, seconds_before, first_step) = (Instant::now(), header.seconds, header.step);
    let patience = recipe.patience;
    while header.step < schedule.steps() && (patience == 0 || header.stale < patience) {
        if cancel.is_cancelled() {
            header.seconds = seconds_before + started.elapsed().as_secs_f64();
            trainer.fetch()?;
            checkpoint::write(folder, &header, trainer.adapter(), &trainer.state())?;
            adapter_file::write(&folder.join(LAST_ADAPTER), trainer.adapter(), input.model)?;
            on_event(TrainEvent::Checkpoint { step: header.step });
            return Ok(RunOutcome::Stopped);
        }
        let rows = rows::of_step(input.train, &schedule, header.step);
        let learning_rate = schedule.learning_rate(header.step);
        let step_started = Instant::now();
        let report = trainer.step(&rows, learning_rate)?;
        header.step += 1;
        header.loss = Some(report.loss);
        let seconds = started.elapsed().as_secs_f64();
        let steps_here = (header.step - first_step) as f64;
        on_event(TrainEvent::Step {
            step: header.step,
            epoch: schedule.epoch(header.step),
            loss: report.loss,
            learning_rate,
            gradient_norm: report.gradient_norm,
            tokens_per_second: report.tokens as f32
                / step_started.elapsed().as_secs_f32().max(1e-6),
            seconds: seconds_before + seconds,
            seconds_left: seconds / steps_here * (schedule.steps() - header.step) as f64,
        });
        let last = header.step == schedule.steps();
        let validates = header.step.is_multiple_of(validate_every) || last;
        if validates || header.step.is_multiple_of(checkpoint_every) {
            trainer.fetch()?;
        }
        if validates {
            let improved = validate(input, trainer.adapter(), &mut header, on_event)?;
            if improved {
                adapter_file::write(&folder.join(BEST_ADAPTER), trainer.adapter(), input.model)?;
            }
            if let Some((prompt, answer)) = sample(trainer.adapter()) {
                on_event(TrainEvent::Sample { step: header.step, prompt, answer });
            }
        }
        if validates || header.step.is_multiple_of(checkpoint_every) {
            header.seconds = seconds_before + started.elapsed().as_secs_f64();
            checkpoint::write(folder, &header, trainer.adapter(), &trainer.state())?;
            on_event(TrainEvent::Checkpoint { step: header.step });
        }
    }
    if header.step < schedule.steps() {
        on_event(TrainEvent::Warning {
            message: format!(
                "ended early at step {} of {}: {patience} validations in a row did not lower the loss",
                header.step,
                schedule.steps()
            ),
        });
    }
    trainer.fetch()?;
    adapter_file::write(&folder.join(LAST_ADAPTER), trainer.adapter(), input.model)?;
    if recipe.keep == Keep::Last {
        adapter_file::write(&folder.join(BEST_ADAPTER), trainer.adapter(), input.model)?;
    }
    Ok(RunOutcome::Finished)
}

/// Tokens that go through the model at once on a GPU, most first.
const DEVICE_TOKENS: [usize; 6] = [8192, 4096, 2048, 1024, 512, 256];

/// Puts a run on a GPU, in at most the memory the recipe allows. A resumed run keeps to its micro-batches.
fn on_device<'a>(
    input: &RunInput<'_>,
    trainer: Trainer<'a>,
    device: &Device,
    header: &mut CheckpointHeader,
) -> Result<(Trainer<'a>, RunMemory)> {
    let limit = input.recipe.memory_mib as usize;
    let limit = if limit == 0 { usize::MAX } else { limit << 20 };
    let mut trainer = trainer.on_cuda(device, limit)?;
    let mut largest = memory::largest_of(input.recipe, input.train);
    let before = [header.micro_tokens];
    let sizes = if input.resume { &before[..] } else { &DEVICE_TOKENS };
    let plan = trainer.lay_out(sizes, &mut largest)?;
    header.micro_tokens = plan.micro_tokens;
    Ok((trainer, RunMemory { plan, peak: plan.bytes }))
}

/// How the run goes through memory. A resumed run keeps to the tokens that went through the model at
/// once before, where they fit.
fn plan(
    input: &RunInput<'_>,
    adapter: &Adapter,
    header: &mut CheckpointHeader,
    on_event: &mut dyn FnMut(TrainEvent),
) -> Result<RunMemory> {
    let sets = (input.train, input.validation);
    let plan = |micro| memory::plan_run(input.base, adapter, input.recipe, sets, micro);
    let before = input.resume.then_some(header.micro_tokens);
    let memory = match (plan(before), before) {
        (Err(_), Some(before)) => {
            let memory = plan(None)?;
            let message = format!(
                "this run took {before} tokens through the model at once and has memory for {} now: \
                 it ends with almost the same adapter, not with the same bits",
                memory.plan.micro_tokens
            );
            on_event(TrainEvent::Warning { message });
            memory
        }
        (memory, _) => memory?,
    };
    header.micro_tokens = memory.plan.micro_tokens;
    Ok(memory)
}

fn other_kernel(before: &str, now: &str) -> String {
    format!(
        "this run began on the kernel {before} and goes on on {now}: it ends with almost the same \
         adapter, not with the same bits"
    )
}

/// Folder of the adapter to use: the best one, or the last where none was validated yet.
pub fn adapter_folder(run_folder: &Path) -> PathBuf {
    let best = run_folder.join(BEST_ADAPTER);
    if best.is_dir() { best } else { run_folder.join(LAST_ADAPTER) }
}

/// Measures the validation loss; tells whether this adapter is the one to keep.
fn validate(
    input: &RunInput<'_>,
    adapter: &Adapter,
    header: &mut CheckpointHeader,
    on_event: &mut dyn FnMut(TrainEvent),
) -> Result<bool> {
    if input.validation.is_empty() {
        return Ok(true);
    }
    let losses = row_losses(input.base, Some(adapter), input.validation)?;
    let tokens: usize = losses.iter().map(|loss| loss.tokens).sum();
    let loss = (losses.iter().map(|loss| loss.nats).sum::<f64>() / tokens.max(1) as f64) as f32;
    let improved = header.best.is_none_or(|best| loss < best);
    header.stale = if improved { 0 } else { header.stale + 1 };
    if improved {
        header.best = Some(loss);
    }
    let best = header.best.unwrap_or(loss);
    on_event(TrainEvent::Validation { step: header.step, loss, best });
    Ok(improved)
}
