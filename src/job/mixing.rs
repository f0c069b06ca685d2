//! Putting the training set together.

use super::{Desk, JobOutcome, Told, pool};
use crate::failure::Result;
use crate::mix::{self, Mix};
use crate::model::{self, Codec};
use crate::pair::{Example, ReviewState};
use crate::project::{MixSettings, Store};
use crate::text::tokens_estimate;

/// Key of the mix settings in the store.
pub const SETTINGS_KEY: &str = "mix";
/// Key of the last mix report in the store.
pub const REPORT_KEY: &str = "mix-report";
/// Key of the chosen model in the store.
pub const MODEL_KEY: &str = "model";

/// What a project's training sets are put together from, as it was when it was read. A sweep holds it, so
/// that all its runs have the same rows whatever is edited meanwhile.
pub struct Material {
    /// Accepted pairs by key.
    accepted: Vec<(i64, Example)>,
    /// Conversations that may be drawn.
    pool: Vec<Example>,
    /// The project's settings of the mix.
    pub settings: MixSettings,
}

impl Material {
    /// Reads a project's accepted pairs and pools.
    ///
    /// # Errors
    /// When the store or a pool cannot be read.
    pub fn read(store: &Store) -> Result<Self> {
        let settings: MixSettings = store.setting(SETTINGS_KEY)?.unwrap_or_default();
        let accepted = (store.examples()?.into_iter())
            .filter(|stored| stored.state == ReviewState::Accepted)
            .map(|stored| (stored.id.0, stored.example))
            .collect();
        let pool = pool::all(store, &settings)?;
        Ok(Self { accepted, pool, settings })
    }

    /// The accepted pairs.
    pub fn accepted(&self) -> impl ExactSizeIterator<Item = &Example> {
        self.accepted.iter().map(|(_, example)| example)
    }

    /// The conversations that may be drawn.
    pub fn pool(&self) -> &[Example] {
        &self.pool
    }

    /// The training set, with `general` as the share of general conversation where it is not the
    /// project's. Tokens are counted by `codec`, or by an estimate where no model is chosen yet.
    pub fn mix(&self, codec: Option<&Codec>, general: Option<f64>) -> Mix {
        let mut settings = self.settings.clone();
        settings.general_share = general.unwrap_or(settings.general_share);
        mix::mix(&self.accepted, &self.pool, &settings, &mut |example| count(codec, example))
    }
}

/// Mixes the project's accepted pairs with the general pools, counting tokens by `codec`, or by an
/// estimate where no model is chosen yet.
pub fn mix_project(store: &Store, codec: Option<&Codec>) -> Result<Mix> {
    Ok(Material::read(store)?.mix(codec, None))
}

/// Tokens of an example as the model sees it; an estimate without a model, or where its template
/// refuses the example (training then says so).
pub fn count(codec: Option<&Codec>, example: &Example) -> usize {
    codec.and_then(|codec| codec.count(example).ok()).unwrap_or_else(|| estimate(example))
}

pub(super) fn report(desk: &mut Desk<'_>) -> Result<JobOutcome> {
    let store = desk.store()?;
    let model: Option<String> = store.setting(MODEL_KEY)?;
    let codec = model.and_then(|name| model::open(&name).ok()).map(|opened| opened.codec);
    let mix = mix_project(&store, codec.as_ref())?;
    store.set_setting(REPORT_KEY, &mix.report)?;
    desk.changed();
    Ok(JobOutcome::Finished(Told::Mixed(mix.rows.len())))
}

fn estimate(example: &Example) -> usize {
    let text: usize =
        example.messages.iter().map(|message| tokens_estimate(&message.content)).sum();
    let tools = serde_json::to_string(&example.tools).map_or(0, |text| tokens_estimate(&text));
    text + tools + 4 * example.messages.len()
}
