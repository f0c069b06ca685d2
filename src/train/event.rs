//! What a training run tells while it goes on, and the record it leaves.

use serde::{Deserialize, Serialize};

use super::Recipe;

/// Something that happened in a run. The same stream feeds the chart, the plain lines and
/// `events.jsonl`, from which a finished run can be shown again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TrainEvent {
    /// The run is planned and about to start or go on.
    Planned {
        /// Optimizer steps in all.
        steps: u64,
        /// Step it starts at; above 0 when resumed.
        first_step: u64,
        /// Training rows.
        rows: u64,
        /// Tokens in one epoch.
        tokens: u64,
        /// Trained (label) tokens in one epoch.
        label_tokens: u64,
        /// Trainable parameters.
        trainable: u64,
        /// Highest memory the program is expected to take, in bytes.
        #[serde(default)]
        memory_bytes: u64,
        /// Layers that keep what their backward pass needs; the others compute it again.
        #[serde(default)]
        kept_layers: u64,
        /// Of the others, layers that compute only gate and up again, on a GPU.
        #[serde(default)]
        partly_kept_layers: u64,
        /// Inputs of layers that lie in this machine's memory between the passes, on a GPU.
        #[serde(default)]
        hosted_inputs: u64,
        /// Bytes of that memory.
        #[serde(default)]
        hosted_bytes: u64,
        /// Layers of the model.
        #[serde(default)]
        layers: u64,
        /// Tokens that go through the model at once, at most.
        #[serde(default)]
        micro_tokens: u64,
    },
    /// One optimizer step is done.
    Step {
        /// Steps done, from 1.
        step: u64,
        /// Position in epochs, for example 1.25.
        epoch: f64,
        /// Mean loss over the step's label tokens, nats.
        loss: f32,
        /// Learning rate used.
        learning_rate: f32,
        /// Gradient norm before clipping.
        gradient_norm: f32,
        /// Tokens a second (all tokens, not only labels) over the last step.
        tokens_per_second: f32,
        /// Seconds since the run started or resumed.
        seconds: f64,
        /// Estimated seconds until the last step.
        seconds_left: f64,
    },
    /// The validation loss was measured.
    Validation {
        /// Steps done.
        step: u64,
        /// Mean loss over label tokens of the validation rows, nats.
        loss: f32,
        /// Best so far, this one included.
        best: f32,
    },
    /// A held-out question was answered by the model as it is now.
    Sample {
        /// Steps done.
        step: u64,
        /// The question.
        prompt: String,
        /// The answer.
        answer: String,
    },
    /// A checkpoint was written whole.
    Checkpoint {
        /// Steps done.
        step: u64,
    },
    /// Something the user should know; the run goes on.
    Warning {
        /// The message.
        message: String,
    },
    /// The run ended.
    Ended {
        /// How.
        outcome: RunOutcome,
    },
}

/// How a run ended. A run never ends without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RunOutcome {
    /// All steps done.
    Finished,
    /// Stopped by the user; a checkpoint was kept.
    Stopped,
    /// Failed; the last checkpoint was kept.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A run as the project remembers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Number in the project, from 1.
    pub number: u32,
    /// Base model name.
    pub model: String,
    /// Settings.
    pub recipe: Recipe,
    /// Unix seconds at the start.
    pub started: i64,
    /// Outcome; none while it runs or after a crash.
    pub outcome: Option<RunOutcome>,
    /// Steps done.
    pub step: u64,
    /// Steps planned.
    pub steps: u64,
    /// Last training loss.
    pub loss: Option<f32>,
    /// Best validation loss.
    pub validation_loss: Option<f32>,
    /// Seconds of work so far.
    pub seconds: f64,
    /// Tokens in one epoch; 0 for runs of versions that did not note it.
    #[serde(default)]
    pub tokens: u64,
    /// Share of general conversation that this run asks of the mix; none for the project's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub general: Option<f64>,
}

impl RunRecord {
    /// Tokens that the run went through in a second, validation included; none before it did any.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let done = self.step as f64 / self.steps.max(1) as f64;
        let tokens = self.tokens as f64 * self.recipe.epochs * done;
        (tokens > 0.0 && self.seconds > 0.0).then(|| tokens / self.seconds)
    }
}
