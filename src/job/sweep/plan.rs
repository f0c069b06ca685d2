//! What a sweep would do: which of its runs are there, which are left, how long they may take.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::state::{self, Asked, SweepState};
use crate::digest;
use crate::failure::{Failure, Result};
use crate::job::EvaluateOptions;
use crate::job::mixing::Material;
use crate::model::Codec;
use crate::pair::Language;
use crate::project::Store;
use crate::train::sweep::{self, Axis, Setting, Took, product};
use crate::train::{Recipe, RunOutcome};

/// What a sweep is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepRequest {
    /// Base model.
    pub model: String,
    /// Settings that are not swept.
    pub recipe: Recipe,
    /// What is swept.
    pub axes: Vec<Axis>,
    /// How each run is evaluated.
    pub options: EvaluateOptions,
    /// The suite that is the target; none for tool calls.
    pub target: Option<String>,
    /// The command that goes on with the sweep, for its report.
    pub command: String,
}

/// A sweep and the runs asked for.
pub struct SweepPlan {
    /// The sweep as it is, with the runs asked for.
    pub state: SweepState,
    /// Whether it was there before.
    pub known: bool,
    /// Places of the runs asked for in the state, with their settings.
    pub asked: Vec<(usize, Setting)>,
    /// What the settings have in common.
    pub base: Setting,
    /// What all its runs are trained on.
    pub material: Material,
    /// Runs of this model outside the sweep that are done, with the seconds of their training.
    earlier: Vec<(Setting, Took)>,
}

/// How long the runs left may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Seconds.
    pub seconds: f64,
    /// Whether this is of training alone, by other runs, since none of the sweep is done.
    pub training_only: bool,
}

/// A share of general conversation that the pools are too small for: its runs would be trained with less
/// than their name says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shortage {
    /// Share asked for.
    pub asked: f64,
    /// Share that the pools give.
    pub given: f64,
    /// Tokens that are lacking.
    pub tokens: usize,
    /// Runs left that ask for it.
    pub runs: usize,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, given, tokens, runs } = self;
        write!(
            f,
            "the general pools lack {tokens} tokens for mix {:.0}: {runs} run{} would be trained with \
             {:.1} % general conversation; add a pool (`hone mix --pool FILE`) or ask for less",
            100.0 * asked,
            if *runs == 1 { "" } else { "s" },
            100.0 * given
        )
    }
}

impl SweepPlan {
    /// Plans a sweep: goes on with the newest one of the same model, recipe, data, cases and keys, or
    /// begins one. Writes nothing.
    ///
    /// # Errors
    /// When nothing is to be trained on, or a sweep's file cannot be read.
    pub fn make(folder: &Path, store: &Store, request: &SweepRequest, now: i64) -> Result<Self> {
        let material = Material::read(store)?;
        let share = material.settings.general_share;
        let base = Setting { recipe: request.recipe.clone(), general: share };
        let identity = identity(&material, request, &base)?;
        let mut known = state::sweeps(folder)?;
        known.retain(|state| state.identity == identity);
        let found = known.pop();
        let (known, mut state) = if let Some(state) = found {
            (true, state)
        } else {
            let keys = request.axes.iter().map(|axis| axis.key).collect();
            let number = state::next(folder);
            (false, SweepState::new(number, &request.model, identity, keys, now))
        };
        request.command.clone_into(&mut state.command);
        state.asked = Some(Asked::of(request));
        let mut asked = Vec::new();
        for (mut values, setting) in product(&in_order(&request.axes, &state), &base) {
            setting.recipe.check()?;
            values.truncate(state.keys.len());
            asked.push((state.place(&values), setting));
        }
        let runs = store.runs()?.into_iter();
        let earlier = runs
            .filter(|run| run.model == request.model && run.outcome == Some(RunOutcome::Finished))
            .map(|run| {
                let general = run.general.unwrap_or(share);
                let took = Took { training: run.seconds, evaluation: 0.0 };
                (Setting { recipe: run.recipe, general }, took)
            })
            .collect();
        Ok(Self { state, known, asked, base, material, earlier })
    }

    /// The shares of general conversation among the runs left that the pools are too small for, with
    /// tokens counted by `codec` or by an estimate, lowest first.
    pub fn shortages(&self, codec: Option<&Codec>) -> Vec<Shortage> {
        let left = self.left();
        let mut shares: Vec<f64> = left.iter().map(|(_, setting)| setting.general).collect();
        shares.sort_by(f64::total_cmp);
        shares.dedup();
        let short = shares.into_iter().filter_map(|share| {
            let report = self.material.mix(codec, Some(share)).report;
            (report.general_short_of > 0).then(|| Shortage {
                asked: share,
                given: report.general_share,
                tokens: report.general_short_of,
                runs: left.iter().filter(|(_, setting)| setting.general == share).count(),
            })
        });
        short.collect()
    }

    /// Places of the runs asked for that are not measured yet, with their settings.
    pub fn left(&self) -> Vec<(usize, Setting)> {
        let measured = |at: usize| self.state.runs[at].measure.is_some();
        self.asked.iter().filter(|(at, _)| !measured(*at)).cloned().collect()
    }

    /// How long the runs left may take, by those done in the sweep, or else by other runs.
    pub fn estimate(&self) -> Option<Estimate> {
        let done: Vec<(Setting, Took)> = (self.state.runs.iter())
            .filter(|entry| entry.measure.is_some())
            .map(|entry| {
                let values = entry.values.iter().map(|value| value.parse().unwrap_or_default());
                let pairs: Vec<_> = self.state.keys.iter().copied().zip(values).collect();
                (sweep::setting(&self.base, &pairs), entry.took)
            })
            .collect();
        let left = self.left();
        let training_only = done.is_empty();
        let known = if training_only { &self.earlier } else { &done };
        let known = known.iter().map(|(setting, took)| (setting, *took));
        let seconds = sweep::seconds_left(known, left.iter().map(|(_, setting)| setting))?;
        Some(Estimate { seconds, training_only })
    }
}

/// The axes in the order of the sweep's keys.
fn in_order(axes: &[Axis], state: &SweepState) -> Vec<Axis> {
    let of = |key: &sweep::Key| axes.iter().find(|axis| axis.key == *key).cloned();
    state.keys.iter().filter_map(of).collect()
}

/// The SHA-256 of everything that must be the same for runs to stand in one chart.
fn identity(material: &Material, request: &SweepRequest, base: &Setting) -> Result<String> {
    if material.accepted().len() == 0 {
        return Err(Failure::user("there are no training rows")
            .hint("accept pairs on the Curate screen or import them with `hone pairs import`"));
    }
    let mut keys: Vec<sweep::Key> = request.axes.iter().map(|axis| axis.key).collect();
    keys.sort_unstable();
    // What is swept counts by its key alone; memory makes a run slower, not different.
    let mut same = base.clone();
    same.recipe.memory_mib = 0;
    for key in &keys {
        same = same.with(*key, 1.0);
    }
    let mut rows = String::new();
    for row in material.accepted().chain(material.pool()) {
        rows.push_str(&serde_json::to_string(row).unwrap_or_default());
        rows.push('\n');
    }
    let settings = &material.settings;
    let EvaluateOptions { suites, cases, samples, temperature, seed, .. } = &request.options;
    let asked = (suites, cases.language.map(Language::code), cases.limit, samples, seed);
    let mixed = (settings.validation_share, settings.test_share, settings.seed);
    let text = serde_json::json!({
        "model": request.model,
        "keys": keys,
        "setting": same,
        "rows": digest::sha256(&rows),
        "mix": mixed,
        "asked": asked,
        "temperature": temperature,
        "target": request.target,
        "keep_seen": request.options.keep_seen,
    });
    Ok(digest::sha256(text.to_string()))
}
