//! Training settings.

use serde::{Deserialize, Serialize};

/// Settings of a run. The defaults suit a few hundred rows and a model below two billion parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// LoRA rank.
    pub rank: usize,
    /// LoRA alpha; the update is scaled by `alpha / rank`.
    pub alpha: f32,
    /// Adapted projections, by PEFT name (`q_proj` and so on).
    pub targets: Vec<String>,
    /// Passes over the training rows.
    pub epochs: f64,
    /// Rows of one optimizer step.
    pub batch_rows: usize,
    /// Highest learning rate.
    pub learning_rate: f32,
    /// Share of steps over which the learning rate rises from 0.
    pub warmup_share: f32,
    /// Learning rate at the end, as a share of the highest.
    pub final_share: f32,
    /// AdamW first-moment decay.
    pub beta1: f32,
    /// AdamW second-moment decay.
    pub beta2: f32,
    /// AdamW epsilon.
    pub epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Gradients are scaled down to this norm when above it; 0 turns clipping off.
    pub clip_norm: f32,
    /// Rows longer than this many tokens are left out and reported.
    pub length_max: usize,
    /// Steps between validations; 0 means once an epoch.
    pub validate_every: u64,
    /// Steps between checkpoints; 0 means once an epoch.
    pub checkpoint_every: u64,
    /// Seed of initialization and order.
    pub seed: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: 32.0,
            targets: [
                "q_proj",
                "k_proj",
                "v_proj",
                "o_proj",
                "gate_proj",
                "up_proj",
                "down_proj",
            ]
            .map(str::to_owned)
            .to_vec(),
            epochs: 3.0,
            batch_rows: 8,
            learning_rate: 2e-4,
            warmup_share: 0.05,
            final_share: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip_norm: 1.0,
            length_max: 2048,
            validate_every: 0,
            checkpoint_every: 0,
            seed: 1,
        }
    }
}
