//! Sweeps: the settings that axes such as `rank=8,16` span, and how long those left may take.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::failure::{Failure, Result};

/// Runs above this are refused: a slip of the hand, not a sweep.
pub const RUNS_MAX: usize = 1000;

/// A setting that can be swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Key {
    /// Share of general conversation in the training tokens, in percent.
    Mix,
    /// LoRA rank; alpha follows it as twice the rank unless it is swept too.
    Rank,
    /// LoRA alpha.
    Alpha,
    /// Passes over the training rows.
    Epochs,
    /// Highest learning rate.
    Lr,
    /// LoRA dropout.
    Dropout,
    /// Seed of initialization and order.
    Seed,
}

impl Key {
    /// All keys, in the order of a setting's name.
    pub const ALL: [Self; 7] =
        [Self::Mix, Self::Rank, Self::Alpha, Self::Epochs, Self::Lr, Self::Dropout, Self::Seed];

    /// The key as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mix => "mix",
            Self::Rank => "rank",
            Self::Alpha => "alpha",
            Self::Epochs => "epochs",
            Self::Lr => "lr",
            Self::Dropout => "dropout",
            Self::Seed => "seed",
        }
    }
}

/// A key and the values it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What is varied.
    pub key: Key,
    /// Its values in the order given, each once. `mix` is in percent.
    pub values: Vec<f64>,
}

/// What one run of a sweep is trained with: the recipe and the share of general conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// The recipe.
    pub recipe: Recipe,
    /// Share of general conversation in the training tokens, 0 to 0.9.
    pub general: f64,
}

/// The value of an axis as it is written: `10`, `0.0002`.
pub fn written(value: f64) -> String {
    format!("{value}")
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<String> = self.values.iter().map(|value| written(*value)).collect();
        write!(f, "{}={}", self.key.name(), values.join(","))
    }
}

/// Reads axes, each as `key=value,value`. A value named twice counts once.
///
/// # Errors
/// Names the key or value that is not possible and says what is.
pub fn parse(texts: &[String]) -> Result<Vec<Axis>> {
    let mut axes: Vec<Axis> = Vec::new();
    for text in texts {
        let axis = parse_axis(text)?;
        if axes.iter().any(|known| known.key == axis.key) {
            return Err(Failure::user(format!("sweep: {} is given twice", axis.key.name()))
                .hint(format!("put its values together: `{}=A,B,C`", axis.key.name())));
        }
        axes.push(axis);
    }
    let runs = axes.iter().fold(1_usize, |runs, axis| runs.saturating_mul(axis.values.len()));
    if runs > RUNS_MAX {
        return Err(Failure::user(format!("sweep: {runs} runs are more than {RUNS_MAX}"))
            .hint("give fewer values"));
    }
    Ok(axes)
}

fn parse_axis(text: &str) -> Result<Axis> {
    let keys = || Key::ALL.map(Key::name).join(", ");
    let (name, values) = text.split_once('=').ok_or_else(|| {
        Failure::user(format!("sweep: `{text}` is no `key=value,value`"))
            .hint(format!("for example `rank=8,16`; the keys are {}", keys()))
    })?;
    let name = name.trim();
    let key = Key::ALL.into_iter().find(|key| key.name() == name).ok_or_else(|| {
        Failure::user(format!("sweep: there is no key `{name}`"))
            .hint(format!("the keys are {}", keys()))
    })?;
    let mut axis = Axis { key, values: Vec::new() };
    for value in values.split(',').map(str::trim) {
        let value = parse_value(key, value)?;
        if !axis.values.contains(&value) {
            axis.values.push(value);
        }
    }
    Ok(axis)
}

fn parse_value(key: Key, text: &str) -> Result<f64> {
    let (rule, example) = match key {
        Key::Mix => ("a share in percent from 0 to 90, 10 for 10 %", "mix=0,10,20"),
        Key::Rank => ("a whole number from 1 to 256", "rank=8,16"),
        Key::Alpha => ("a number above 0", "alpha=16,32"),
        Key::Epochs => ("a number above 0 and at most 1000", "epochs=1,3"),
        Key::Lr => ("a number above 0 and at most 1", "lr=1e-4,2e-4"),
        Key::Dropout => ("a share from 0 to 0.9", "dropout=0,0.05"),
        Key::Seed => ("a whole number from 0", "seed=1,2,3"),
    };
    let wrong = || {
        Failure::user(format!("sweep: {} = `{text}`: {rule} is expected", key.name()))
            .hint(format!("for example `{example}`"))
    };
    let digits = if key == Key::Mix { text.trim_end_matches('%').trim_end() } else { text };
    let value: f64 = digits.parse().map_err(|_| wrong())?;
    let fits = match key {
        // A share such as 0.1 would be a tenth of a percent: surely not meant.
        Key::Mix => value == 0.0 || (1.0..=90.0).contains(&value),
        Key::Rank => value.fract() == 0.0 && (1.0..=super::RANK_MAX as f64).contains(&value),
        Key::Alpha => value.is_finite() && value > 0.0,
        Key::Epochs => value > 0.0 && value <= 1000.0,
        Key::Lr => value > 0.0 && value <= 1.0,
        Key::Dropout => (0.0..=0.9).contains(&value),
        // Whole numbers are exact in f64 up to 2^53.
        Key::Seed => value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&value),
    };
    // A negative zero would be another value in name only.
    if fits { Ok(value + 0.0) } else { Err(wrong()) }
}

impl Setting {
    /// The setting with `key` at `value`.
    #[must_use]
    pub fn with(mut self, key: Key, value: f64) -> Self {
        let recipe = &mut self.recipe;
        match key {
            Key::Mix => self.general = value / 100.0,
            Key::Rank => {
                recipe.rank = value as usize;
                recipe.alpha = 2.0 * value as f32;
            }
            Key::Alpha => recipe.alpha = value as f32,
            Key::Epochs => recipe.epochs = value,
            Key::Lr => recipe.learning_rate = value as f32,
            Key::Dropout => recipe.dropout = value as f32,
            Key::Seed => recipe.seed = value as u64,
        }
        self
    }

    /// Its work in units that are proportional to training time on one machine: passes over the
    /// project's own rows, with the general conversation that comes along.
    fn work(&self) -> f64 {
        self.recipe.epochs / (1.0 - self.general.clamp(0.0, 0.9))
    }
}

/// Every combination of the axes' values over `base`, the last axis changing fastest, with the
/// values in the order of the axes.
pub fn product(axes: &[Axis], base: &Setting) -> Vec<(Vec<f64>, Setting)> {
    let mut combinations: Vec<Vec<f64>> = vec![Vec::new()];
    for axis in axes {
        let longer = combinations.iter().flat_map(|before| {
            axis.values.iter().map(move |value| [before.as_slice(), &[*value]].concat())
        });
        combinations = longer.collect();
    }
    let keys = || axes.iter().map(|axis| axis.key);
    let with = |values: Vec<f64>| {
        let pairs: Vec<(Key, f64)> = keys().zip(values.iter().copied()).collect();
        let setting = setting(base, &pairs);
        (values, setting)
    };
    combinations.into_iter().map(with).collect()
}

/// `base` with the keys at these values.
pub fn setting(base: &Setting, pairs: &[(Key, f64)]) -> Setting {
    // In the order of keys, so that an alpha given is not overwritten by the rank.
    let mut pairs = pairs.to_vec();
    pairs.sort_by_key(|(key, _)| *key);
    pairs.into_iter().fold(base.clone(), |setting, (key, value)| setting.with(key, value))
}

/// What a run that is done took.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Took {
    /// Seconds of training.
    pub training: f64,
    /// Seconds of evaluation.
    pub evaluation: f64,
}

/// Seconds that the settings in `left` may take by those in `done`: training by its passes over the
/// rows, evaluation as it was on the mean. None before a run is done.
pub fn seconds_left<'a>(
    done: impl IntoIterator<Item = (&'a Setting, Took)>,
    left: impl IntoIterator<Item = &'a Setting>,
) -> Option<f64> {
    let (mut work, mut runs, mut took) = (0.0, 0.0, Took::default());
    for (setting, each) in done {
        work += setting.work();
        runs += 1.0;
        took.training += each.training;
        took.evaluation += each.evaluation;
    }
    if runs == 0.0 || work <= 0.0 {
        return None;
    }
    let each = |setting: &Setting| took.training / work * setting.work() + took.evaluation / runs;
    Some(left.into_iter().map(each).sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn axes(texts: &[&str]) -> Result<Vec<Axis>> {
        parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    fn base() -> Setting {
        Setting { recipe: Recipe::default(), general: 0.15 }
    }

    #[test]
    fn axes_are_read_and_their_product_keeps_its_order() {
        let axes = axes(&["mix=0,10,20%", "rank=8, 16,8"]).unwrap();
        assert_eq!(axes[1].to_string(), "rank=8,16");
        let runs = product(&axes, &base());
        let values: Vec<&[f64]> = runs.iter().map(|(values, _)| values.as_slice()).collect();
        assert_eq!(
            values,
            [[0.0, 8.0], [0.0, 16.0], [10.0, 8.0], [10.0, 16.0], [20.0, 8.0], [20.0, 16.0]]
        );
        let (_, first) = &runs[0];
        assert_eq!((first.general, first.recipe.rank, first.recipe.alpha), (0.0, 8, 16.0));
        let (_, last) = &runs[5];
        assert_eq!((last.general, last.recipe.rank, last.recipe.alpha), (0.2, 16, 32.0));
    }

    #[test]
    fn an_alpha_that_is_swept_is_not_overwritten_by_the_rank() {
        let axes = axes(&["alpha=4", "rank=8,16", "lr=1e-3", "dropout=0.1", "seed=7"]).unwrap();
        for (_, setting) in product(&axes, &base()) {
            let recipe = setting.recipe;
            assert_eq!((recipe.alpha, recipe.learning_rate), (4.0, 1e-3));
            assert_eq!((recipe.dropout, recipe.seed), (0.1, 7));
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        for (text, words) in [
            ("rank", ["`rank`", "rank=8,16"]),
            ("ranks=8", ["no key `ranks`", "mix, rank, alpha"]),
            ("rank=8,x", ["rank = `x`", "from 1 to 256"]),
            ("rank=", ["rank = ``", "rank=8,16"]),
            ("rank=1.5", ["rank = `1.5`", "whole number"]),
            ("rank=257", ["rank = `257`", "256"]),
            ("mix=0.1", ["mix = `0.1`", "percent"]),
            ("mix=95", ["mix = `95`", "90"]),
            ("epochs=0", ["epochs = `0`", "above 0"]),
            ("epochs=NaN", ["epochs = `NaN`", "above 0"]),
            ("lr=inf", ["lr = `inf`", "at most 1"]),
            ("dropout=1", ["dropout = `1`", "0.9"]),
            ("seed=-1", ["seed = `-1`", "from 0"]),
        ] {
            let failure = axes(&[text]).unwrap_err();
            let told = format!("{} {}", failure.message, failure.hints.join(" "));
            assert!(words.iter().all(|word| told.contains(word)), "{text}: {told}");
        }
        assert!(axes(&["rank=8", "rank=16"]).unwrap_err().message.contains("given twice"));
        let many: Vec<String> = (1..=101).map(|value| value.to_string()).collect();
        let many = many.join(",");
        let runs = axes(&[&format!("rank={many}"), &format!("seed={many}")]).unwrap_err();
        assert!(runs.message.contains("10201 runs"), "{}", runs.message);
    }

    #[test]
    fn time_left_follows_epochs_and_share() {
        let setting = |epochs: f64, general: f64| Setting {
            recipe: Recipe { epochs, ..Recipe::default() },
            general,
        };
        let done = setting(1.0, 0.0);
        assert_eq!(seconds_left([], [&done]), None);
        let took = Took { training: 100.0, evaluation: 10.0 };
        let left = [setting(3.0, 0.0), setting(1.0, 0.5)];
        let seconds = seconds_left([(&done, took)], &left).unwrap();
        assert!((seconds - (310.0 + 210.0)).abs() < 1e-9, "{seconds}");
        assert_eq!(seconds_left([(&done, took)], []), Some(0.0));
    }

    proptest! {
        #[test]
        fn a_product_has_every_combination_once(
            ranks in prop::collection::vec(1_u32..=256, 1..5),
            seeds in prop::collection::vec(0_u32..1000, 1..5),
            mixes in prop::collection::vec(1_u32..=90, 1..4),
        ) {
            let text = |key: &str, values: &[u32]| {
                let values: Vec<String> = values.iter().map(u32::to_string).collect();
                format!("{key}={}", values.join(","))
            };
            let texts = [text("rank", &ranks), text("seed", &seeds), text("mix", &mixes)];
            let axes = parse(&texts).unwrap();
            let again: Vec<String> = axes.iter().map(Axis::to_string).collect();
            prop_assert_eq!(&parse(&again).unwrap(), &axes);
            let runs = product(&axes, &base());
            prop_assert_eq!(runs.len(), axes.iter().map(|axis| axis.values.len()).product::<usize>());
            for (at, (values, setting)) in runs.iter().enumerate() {
                prop_assert_eq!(setting.recipe.rank as f64, values[0]);
                prop_assert!(setting.recipe.check().is_ok());
                prop_assert!(!runs[..at].iter().any(|(_, other)| other == setting));
            }
        }

        #[test]
        fn no_text_makes_the_reader_fall_over(text in ".{0,40}") {
            let _ = parse(&[text]);
        }
    }
}
