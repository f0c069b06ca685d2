//! `hone pairs measure`: what a base model makes of the pairs.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::failure::{Context as _, Failure, Result};
use crate::job::{JobSpec, Models, mixing};
use crate::pair::checks::content_hash;
use crate::project::{Measure, Project, Store, StoredExample};

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct MeasureArgs {
    /// The loss of each answer; with neither this nor --known both
    #[arg(long)]
    pub loss: bool,
    /// Whether the model gives the answer by itself, in 4 samples
    #[arg(long)]
    pub known: bool,
    /// Base model, instead of the project's
    #[arg(long)]
    pub model: Option<String>,
    /// Measure so many pairs at most
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Print the measures, one JSON object a pair
    #[arg(long)]
    pub json: bool,
}

/// Measures; ctrl-C keeps what is done, and asking again goes on.
pub(super) fn run(args: &MeasureArgs, folder: &Path, out: &mut dyn Write) -> Result<()> {
    let model = match &args.model {
        Some(model) => model.clone(),
        None => Project::reopen(folder)?.setting(mixing::MODEL_KEY)?.ok_or_else(|| {
            Failure::user("the project has no model yet")
                .hint("name one: `hone pairs measure --model smollm2-135m`")
        })?,
    };
    let both = !args.loss && !args.known;
    let spec = JobSpec::Measure {
        model: model.clone(),
        loss: args.loss || both,
        known: args.known || both,
        limit: args.limit,
    };
    let said = crate::cli::run_job(&spec, folder, &Models::default())?;
    if !args.json {
        return writeln!(out, "{said}").because("output");
    }
    let store = Project::reopen(folder)?;
    let measures: HashMap<i64, Measure> = of_model(&store, Some(&model))?;
    for stored in store.examples()? {
        let hash = content_hash(&stored.example);
        let current = measures.get(&stored.id.0).filter(|measure| measure.content_hash == hash);
        if let Some(measure) = current {
            let line = json!({"pair": stored.id.0, "model": model, "loss": measure.loss,
                "known": measure.known, "knowledge": measure.knowledge(),
                "measured_at": measure.measured_at});
            writeln!(out, "{line}").because("output")?;
        }
    }
    Ok(())
}

/// The measures of a model, or the newest of each pair.
fn of_model(store: &Store, model: Option<&str>) -> Result<HashMap<i64, Measure>> {
    let mut measures = store.measures()?;
    measures.retain(|measure| model.is_none_or(|model| measure.model == model));
    measures.sort_by_key(|measure| measure.measured_at);
    Ok(measures.into_iter().map(|measure| (measure.example.0, measure)).collect())
}

/// Puts the pairs with the highest loss first, as the project's model or the one used last has it;
/// those not measured as they are now come last.
pub(super) fn sort_by_loss(store: &Store, pairs: &mut [StoredExample]) -> Result<()> {
    let model: Option<String> = store.setting(mixing::MODEL_KEY)?;
    let mut measures = of_model(store, model.as_deref())?;
    if measures.is_empty() {
        measures = of_model(store, None)?;
    }
    let loss = |stored: &StoredExample| {
        let measure = measures.get(&stored.id.0)?;
        (measure.content_hash == content_hash(&stored.example)).then_some(measure.loss)?
    };
    pairs.sort_by(|a, b| {
        let [a, b] = [a, b].map(|pair| loss(pair).unwrap_or(f64::NEG_INFINITY));
        b.total_cmp(&a)
    });
    Ok(())
}
