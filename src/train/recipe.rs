//! Training settings.

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

/// Ranks above this are refused.
pub const RANK_MAX: usize = 256;
/// Ranks above this are advised against.
pub const RANK_ADVISED_MAX: usize = 16;
/// Epochs above this are advised against.
pub const EPOCHS_ADVISED_MAX: f64 = 5.0;

/// Shares of general conversation below this are advised against.
pub const GENERAL_SHARE_ADVISED_MIN: f64 = 0.1;

/// Settings of a run. The defaults suit a few hundred rows and a model below two billion parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// LoRA rank.
    pub rank: usize,
    /// LoRA alpha; the update is scaled by `alpha / rank`.
    pub alpha: f32,
    /// Rank-stabilized scaling (rsLoRA): by `alpha / sqrt(rank)` instead, for high ranks.
    pub rank_stabilized: bool,
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
    /// The run ends early after this many validations in a row without a lower loss; 0 turns that off.
    pub patience: u32,
    /// NEFTune (Jain et al. 2023, arXiv 2310.05914): uniform noise of up to `alpha / sqrt(tokens * width)` is
    /// added to the embeddings of training rows; 0 turns it off, 5 is usual.
    pub neftune_alpha: f32,
    /// Share of its input that the adapter loses in training (LoRA dropout); 0 turns it off, 0.05
    /// is usual. Slower.
    pub dropout: f32,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Highest memory of the program while it trains, in MiB; 0 is what the machine has. Less
    /// memory makes a run slower, not different but for rounding.
    pub memory_mib: u64,
    /// Where the run trains.
    pub device: Device,
    /// Which adapter the run leaves for use.
    pub keep: Keep,
    /// Whether rows about tools offer other tools, in another order, in each epoch. For models that
    /// will meet changing offers; with one fixed list of tools it only costs.
    pub vary_tools: bool,
    /// Seed of initialization and order.
    pub seed: u64,
}

/// What turns gradients into steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// AdamW with moments in f32.
    #[default]
    #[value(name = "adamw")]
    AdamW,
    /// AdamW with moments in 8 bits (Dettmers et al. 2021): a quarter of the optimizer's memory.
    #[value(name = "adamw8bit")]
    AdamW8Bit,
}

impl Optimizer {
    /// Whether moments are kept in 8 bits.
    pub fn is_eight_bit(self) -> bool {
        self == Self::AdamW8Bit
    }
}

/// Where a run trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// On the GPU where there is one that can, on the processor otherwise.
    #[default]
    Auto,
    /// On the processor.
    Cpu,
    /// On the GPU.
    Cuda,
}

/// Which adapter a run leaves for use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The one with the lowest validation loss.
    #[default]
    Best,
    /// The one after the last step. For sets of facts and formats: the loss on facts never seen
    /// rises while the format is still being learned.
    Last,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: 32.0,
            rank_stabilized: false,
            targets: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
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
            patience: 0,
            neftune_alpha: 0.0,
            dropout: 0.0,
            optimizer: Optimizer::AdamW,
            memory_mib: 0,
            device: Device::Auto,
            keep: Keep::Best,
            vary_tools: false,
            seed: 1,
        }
    }
}

impl Recipe {
    /// Checks that the settings make sense, naming the key that does not.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, value: String, rule: &str| {
            Err(Failure::user(format!("recipe: {key} = {value}: {rule}"))
                .hint("change it on the Train screen, or pass another value on the command line"))
        };
        if !(1..=RANK_MAX).contains(&self.rank) {
            return wrong(
                "rank",
                self.rank.to_string(),
                &format!("must be between 1 and {RANK_MAX}"),
            );
        }
        if !self.alpha.is_finite() || self.alpha <= 0.0 {
            return wrong("alpha", self.alpha.to_string(), "must be above 0");
        }
        if self.targets.is_empty() {
            return wrong("targets", "[]".to_owned(), "at least one projection must be adapted");
        }
        if !self.epochs.is_finite() || self.epochs <= 0.0 || self.epochs > 1000.0 {
            return wrong("epochs", self.epochs.to_string(), "must be above 0 and at most 1000");
        }
        if self.batch_rows == 0 {
            return wrong("batch_rows", "0".to_owned(), "must be at least 1");
        }
        if !self.learning_rate.is_finite() || self.learning_rate <= 0.0 || self.learning_rate > 1.0
        {
            return wrong(
                "learning_rate",
                self.learning_rate.to_string(),
                "must be above 0 and at most 1",
            );
        }
        for (key, share) in [("warmup_share", self.warmup_share), ("final_share", self.final_share)]
        {
            if !(0.0..=1.0).contains(&share) {
                return wrong(key, share.to_string(), "must be between 0 and 1");
            }
        }
        if !self.neftune_alpha.is_finite() || !(0.0..=100.0).contains(&self.neftune_alpha) {
            return wrong(
                "neftune_alpha",
                self.neftune_alpha.to_string(),
                "must be between 0 and 100",
            );
        }
        if !(0.0..=0.9).contains(&self.dropout) {
            return wrong("dropout", self.dropout.to_string(), "must be between 0 and 0.9");
        }
        if self.memory_mib > 1 << 30 {
            return wrong("memory_mib", self.memory_mib.to_string(), "must be at most a pebibyte");
        }
        if self.length_max < 16 {
            return wrong("length_max", self.length_max.to_string(), "must be at least 16 tokens");
        }
        Ok(())
    }

    /// Advice on settings that work but often harm, one sentence each. `general_share` is the share
    /// of general conversation in the training tokens, where it is known.
    pub fn advice(&self, general_share: Option<f64>) -> Vec<String> {
        let mut advice = Vec::new();
        if let Some(share) = general_share.filter(|share| *share < GENERAL_SHARE_ADVISED_MIN) {
            advice.push(format!(
                "general conversation is {:.0} % of the training tokens, below {:.0} %: more of what the model knew is usually forgotten; the evaluation will tell",
                share * 100.0,
                GENERAL_SHARE_ADVISED_MIN * 100.0
            ));
        }
        if self.rank > RANK_ADVISED_MAX {
            advice.push(format!(
                "rank {} is above {RANK_ADVISED_MAX}: a larger adapter learns the training rows by heart and forgets more",
                self.rank
            ));
        }
        if self.epochs > EPOCHS_ADVISED_MAX {
            advice.push(format!(
                "{} epochs are above {EPOCHS_ADVISED_MAX}: long training forgets more; watch the validation loss",
                self.epochs
            ));
        }
        advice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_what_often_harms() {
        assert!(Recipe::default().advice(Some(0.15)).is_empty());
        assert!(Recipe::default().advice(None).is_empty());
        let bold = Recipe { rank: 32, epochs: 8.0, ..Recipe::default() };
        let advice = bold.advice(Some(0.04));
        assert_eq!(advice.len(), 3, "{advice:?}");
        for (line, word) in advice.iter().zip(["4 %", "rank 32", "8 epochs"]) {
            assert!(line.contains(word), "{line}");
        }
    }
}
