//! The fields of the recipe: names, values as typed, steps and ranges.

use crate::app::strings::{Text, screen as texts};
use crate::train::{Keep, Optimizer, RANK_MAX, Recipe};

/// A field of the recipe, or the base model above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Model,
    Epochs,
    LearningRate,
    Rank,
    Alpha,
    BatchRows,
    LengthMax,
    Warmup,
    ValidateEvery,
    CheckpointEvery,
    Clip,
    WeightDecay,
    Dropout,
    Neftune,
    VaryTools,
    Keep,
    Patience,
    Optimizer,
    Memory,
    Seed,
}

/// All fields, in the order they are shown.
pub(super) const ITEMS: [Item; 20] = [
    Item::Model,
    Item::Epochs,
    Item::LearningRate,
    Item::Rank,
    Item::Alpha,
    Item::BatchRows,
    Item::LengthMax,
    Item::Warmup,
    Item::ValidateEvery,
    Item::CheckpointEvery,
    Item::Clip,
    Item::WeightDecay,
    Item::Dropout,
    Item::Neftune,
    Item::VaryTools,
    Item::Keep,
    Item::Patience,
    Item::Optimizer,
    Item::Memory,
    Item::Seed,
];

impl Item {
    /// The name shown.
    pub(super) fn label(self) -> Text {
        match self {
            Self::Model => texts::MODEL,
            Self::Epochs => texts::EPOCHS,
            Self::LearningRate => texts::LEARNING_RATE,
            Self::Rank => texts::RANK,
            Self::Alpha => texts::ALPHA,
            Self::BatchRows => texts::BATCH_ROWS,
            Self::LengthMax => texts::LENGTH_MAX,
            Self::Warmup => texts::WARMUP,
            Self::ValidateEvery => texts::VALIDATE_EVERY,
            Self::CheckpointEvery => texts::CHECKPOINT_EVERY,
            Self::Clip => texts::CLIP,
            Self::WeightDecay => texts::WEIGHT_DECAY,
            Self::Dropout => texts::DROPOUT,
            Self::Neftune => texts::NEFTUNE,
            Self::VaryTools => texts::VARY_TOOLS,
            Self::Keep => texts::KEEP,
            Self::Patience => texts::PATIENCE,
            Self::Optimizer => texts::OPTIMIZER,
            Self::Memory => texts::MEMORY,
            Self::Seed => texts::SEED,
        }
    }

    /// What it does, in a sentence or two.
    pub(super) fn help(self) -> Text {
        match self {
            Self::Model => texts::HELP_MODEL,
            Self::Epochs => texts::HELP_EPOCHS,
            Self::LearningRate => texts::HELP_LEARNING_RATE,
            Self::Rank => texts::HELP_RANK,
            Self::Alpha => texts::HELP_ALPHA,
            Self::BatchRows => texts::HELP_BATCH_ROWS,
            Self::LengthMax => texts::HELP_LENGTH_MAX,
            Self::Warmup => texts::HELP_WARMUP,
            Self::ValidateEvery => texts::HELP_VALIDATE_EVERY,
            Self::CheckpointEvery => texts::HELP_CHECKPOINT_EVERY,
            Self::Clip => texts::HELP_CLIP,
            Self::WeightDecay => texts::HELP_WEIGHT_DECAY,
            Self::Dropout => texts::HELP_DROPOUT,
            Self::Neftune => texts::HELP_NEFTUNE,
            Self::VaryTools => texts::HELP_VARY_TOOLS,
            Self::Keep => texts::HELP_KEEP,
            Self::Patience => texts::HELP_PATIENCE,
            Self::Optimizer => texts::HELP_OPTIMIZER,
            Self::Memory => texts::HELP_MEMORY,
            Self::Seed => texts::HELP_SEED,
        }
    }

    /// What one of two can be chosen, and which one is: its names, the one that is second or not.
    pub(super) fn choice(self, recipe: &Recipe) -> Option<([Text; 2], bool)> {
        match self {
            Self::VaryTools => {
                Some(([texts::VARY_TOOLS_NO, texts::VARY_TOOLS_YES], recipe.vary_tools))
            }
            Self::Keep => Some(([texts::KEEP_BEST, texts::KEEP_LAST], recipe.keep == Keep::Last)),
            Self::Optimizer => {
                Some(([texts::ADAMW, texts::ADAMW_8_BIT], recipe.optimizer == Optimizer::AdamW8Bit))
            }
            _ => None,
        }
    }

    /// The value as it is typed; of two, 0 or 1.
    pub(super) fn value(self, recipe: &Recipe) -> String {
        match self {
            Self::Model => String::new(),
            Self::Epochs => recipe.epochs.to_string(),
            Self::LearningRate => format!("{:e}", recipe.learning_rate),
            Self::Rank => recipe.rank.to_string(),
            Self::Alpha => recipe.alpha.to_string(),
            Self::BatchRows => recipe.batch_rows.to_string(),
            Self::LengthMax => recipe.length_max.to_string(),
            Self::Warmup => format!("{}", (recipe.warmup_share * 1000.0).round() / 10.0),
            Self::ValidateEvery => recipe.validate_every.to_string(),
            Self::CheckpointEvery => recipe.checkpoint_every.to_string(),
            Self::Clip => recipe.clip_norm.to_string(),
            Self::WeightDecay => recipe.weight_decay.to_string(),
            Self::Dropout => format!("{}", (recipe.dropout * 1000.0).round() / 1000.0),
            Self::Neftune => recipe.neftune_alpha.to_string(),
            Self::Patience => recipe.patience.to_string(),
            Self::VaryTools | Self::Keep | Self::Optimizer => {
                let second = self.choice(recipe).is_some_and(|(_, second)| second);
                u8::from(second).to_string()
            }
            Self::Memory => recipe.memory_mib.to_string(),
            Self::Seed => recipe.seed.to_string(),
        }
    }

    /// Sets the value from a number, brought into a sensible range.
    pub(super) fn set(self, recipe: &mut Recipe, number: f64) {
        let whole = |low: f64, high: f64| number.round().clamp(low, high);
        match self {
            Self::Model => {}
            Self::Epochs => recipe.epochs = number.clamp(0.1, 100.0),
            Self::LearningRate => recipe.learning_rate = number.clamp(1e-7, 0.1) as f32,
            Self::Rank => recipe.rank = whole(1.0, RANK_MAX as f64) as usize,
            Self::Alpha => recipe.alpha = number.clamp(0.1, 4096.0) as f32,
            Self::BatchRows => recipe.batch_rows = whole(1.0, 1024.0) as usize,
            Self::LengthMax => recipe.length_max = whole(16.0, 131_072.0) as usize,
            Self::Warmup => recipe.warmup_share = (number / 100.0).clamp(0.0, 0.9) as f32,
            Self::ValidateEvery => recipe.validate_every = whole(0.0, 1e9) as u64,
            Self::CheckpointEvery => recipe.checkpoint_every = whole(0.0, 1e9) as u64,
            Self::Clip => recipe.clip_norm = number.clamp(0.0, 1000.0) as f32,
            Self::WeightDecay => recipe.weight_decay = number.clamp(0.0, 1.0) as f32,
            Self::Dropout => recipe.dropout = number.clamp(0.0, 0.9) as f32,
            Self::Neftune => recipe.neftune_alpha = number.clamp(0.0, 100.0) as f32,
            Self::Patience => recipe.patience = whole(0.0, 1e6) as u32,
            Self::VaryTools => recipe.vary_tools = number > 0.5,
            Self::Keep => recipe.keep = if number > 0.5 { Keep::Last } else { Keep::Best },
            Self::Optimizer => {
                let eight_bit = number > 0.5;
                recipe.optimizer = if eight_bit { Optimizer::AdamW8Bit } else { Optimizer::AdamW };
            }
            Self::Memory => recipe.memory_mib = whole(0.0, 1e9) as u64,
            Self::Seed => recipe.seed = whole(0.0, 9e15) as u64,
        }
    }

    /// The next value up or down: doubling where orders of magnitude matter, else by one step.
    pub(super) fn stepped(self, recipe: &Recipe, up: bool) -> f64 {
        let now: f64 = self.value(recipe).parse().unwrap_or_default();
        let doubled = if up { now * 2.0 } else { now / 2.0 };
        let by = |step: f64| {
            if up { now + step } else { (now - step).max(0.0) }
        };
        match self {
            Self::Model => 0.0,
            Self::Epochs => by(if now > 1.0 || (up && now >= 1.0) { 1.0 } else { 0.5 }).max(0.5),
            Self::LearningRate => {
                // 1, 2, 5, 10: the steps people try.
                let exponent = now.log10().floor();
                let lead = now / 10f64.powf(exponent);
                let next = match (up, lead) {
                    (true, ..1.5) => 2.0,
                    (true, 1.5..3.5) => 5.0,
                    (true, _) => 10.0,
                    (false, ..1.5) => 0.5,
                    (false, 1.5..3.5) => 1.0,
                    (false, _) => 2.0,
                };
                next * 10f64.powf(exponent)
            }
            Self::Rank | Self::Alpha | Self::BatchRows | Self::LengthMax => doubled,
            Self::ValidateEvery | Self::CheckpointEvery => by(10.0),
            Self::Clip => by(0.5),
            Self::WeightDecay => by(0.01),
            Self::Dropout => by(0.05),
            Self::Memory => by(256.0),
            Self::VaryTools | Self::Keep | Self::Optimizer => 1.0 - now,
            Self::Warmup | Self::Seed | Self::Neftune | Self::Patience => by(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_up_and_come_back_and_stay_in_range() {
        for item in ITEMS.into_iter().skip(1) {
            let mut recipe = Recipe::default();
            for up in [true, false, false, false, false, false, false, false, false, false] {
                let next = item.stepped(&recipe, up);
                item.set(&mut recipe, next);
                let text = item.value(&recipe);
                assert!(text.parse::<f64>().is_ok_and(f64::is_finite), "{item:?}: {text}");
            }
            assert!(recipe.rank >= 1 && recipe.batch_rows >= 1 && recipe.learning_rate > 0.0);
        }
        let mut recipe = Recipe::default();
        let mut rates = Vec::new();
        for _ in 0..4 {
            rates.push(Item::LearningRate.value(&recipe));
            let next = Item::LearningRate.stepped(&recipe, true);
            Item::LearningRate.set(&mut recipe, next);
        }
        assert_eq!(rates, ["2e-4", "5e-4", "1e-3", "2e-3"]);
    }
}
