//! Generation for many prompts: prompts are read packed, what they begin with in common once, then decoded
//! side by side.

mod run;

use std::ops::ControlFlow;

use super::base::Base;
use super::lora::Adapter;
use super::pack::Row;
use super::sample::Sampler;
use crate::failure::{Failure, Result};
use run::Run;

/// Bytes of a head from which on a greedy answer's tokens are found by a coarse copy of it: what caches
/// may hold is read quickly anyway. Draws take the head itself, for each depends on the sum over all tokens.
const COARSE_FROM: usize = 8 << 20;

/// How to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateConfig {
    /// Tokens generated for a prompt at most.
    pub max_new: usize,
    /// Tokens that end an answer; they are not part of it.
    pub stop: Vec<u32>,
    /// 0 takes the likeliest token; otherwise logits are divided by it.
    pub temperature: f32,
    /// Draws are from the smallest set of tokens with this much probability; 1 is all.
    pub top_p: f32,
    /// Seed of the draws. A prompt's draws depend on it and the prompt's number only.
    pub seed: u64,
    /// Sequences decoded at once.
    pub batch: usize,
    /// Bytes that weights may take beside their stored form: where they are enough for all, and many
    /// sequences are decoded at once, weights are decoded once and not at every step.
    pub keep_bytes: usize,
    /// Bytes that keys and values of the sequences decoded at once may take; a single one may take more. The
    /// processor's only.
    pub cache_bytes: usize,
    /// Whether what came before may guess what comes next (prompt lookup decoding), where few sequences are decoded
    /// at once: answers stay what they are and come sooner where they repeat something. The processor's only.
    pub prompt_lookup: bool,
}

impl Default for GenerateConfig {
    fn default() -> Self {
        Self {
            max_new: 256,
            stop: Vec::new(),
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
            batch: 16,
            keep_bytes: 0,
            cache_bytes: usize::MAX,
            prompt_lookup: true,
        }
    }
}

/// A prompt, and whose answer is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Tokens.
    pub prompt: &'a [u32],
    /// With the adapter, or the base alone.
    pub tuned: bool,
    /// Tokens generated at most, at least one; none is what [`GenerateConfig`] says.
    pub max_new: Option<usize>,
    /// Seed and stream of the draws; none is the configuration's seed and the prompt's number.
    pub draws: Option<(u64, u64)>,
}

impl<'a> Request<'a> {
    /// A request as the configuration says.
    pub fn new(prompt: &'a [u32], tuned: bool) -> Self {
        Self { prompt, tuned, max_new: None, draws: None }
    }

    /// Tokens generated at most.
    pub(super) fn limit(&self, config: &GenerateConfig) -> usize {
        self.max_new.unwrap_or(config.max_new)
    }

    /// Chooses the tokens of its answer; `number` is its own.
    pub(super) fn sampler(&self, config: &GenerateConfig, number: usize) -> Sampler {
        let (seed, stream) = self.draws.unwrap_or((config.seed, number as u64));
        Sampler::new(config.temperature, config.top_p, seed, stream)
    }
}

/// What an answer may say, token by token.
pub trait Bound {
    /// A bit for each token that may come next, by id, those that end the answer among them; tokens beyond the
    /// last bit may not. Where there are none, the answer ends.
    fn allowed(&mut self) -> &[u64];

    /// The token that came, which was allowed and does not end the answer.
    fn take(&mut self, id: u32);
}

/// Of each prompt, by its number, what binds its answer, until that ends. Prompts beyond the last are not bound.
pub type Bounds<'b> = [Option<Box<dyn Bound + 'b>>];

/// Continues each prompt, with the adapter or without; gives the new tokens of each.
///
/// `on_token` hears of each new token with its prompt's number; when it breaks, generation stops
/// and what there is so far is given. A sequence also ends at the model's context length. When one
/// ends, the next prompt takes its place.
///
/// # Errors
/// If a prompt is empty, fills the model's context, or has tokens outside the vocabulary, or the
/// adapter does not fit.
pub fn generate(
    base: &Base,
    adapter: Option<&Adapter>,
    prompts: &[Vec<u32>],
    config: &GenerateConfig,
    on_token: &mut dyn FnMut(usize, u32) -> ControlFlow<()>,
) -> Result<Vec<Vec<u32>>> {
    let tuned = adapter.is_some();
    let requests: Vec<Request<'_>> =
        prompts.iter().map(|prompt| Request::new(prompt, tuned)).collect();
    generate_each(base, adapter, &requests, config, &mut |prompt, id| {
        id.map_or(ControlFlow::Continue(()), |id| on_token(prompt, id))
    })
}

/// [`generate`] for prompts of which some are answered with the adapter, some without, in one batch: the
/// weights are read and decoded once for both.
///
/// `on_token` also hears, with no token, of each answer that is complete.
///
/// # Errors
/// As [`generate`].
pub fn generate_each(
    base: &Base,
    adapter: Option<&Adapter>,
    requests: &[Request<'_>],
    config: &GenerateConfig,
    on_token: &mut dyn FnMut(usize, Option<u32>) -> ControlFlow<()>,
) -> Result<Vec<Vec<u32>>> {
    generate_with(base, adapter, (requests, &mut []), config, on_token, COARSE_FROM)
}

/// [`generate_each`] for prompts of which some may only be answered by what `bounds` has for them. The others get
/// the answers that they get without.
///
/// # Errors
/// As [`generate`].
pub fn generate_bound(
    base: &Base,
    adapter: Option<&Adapter>,
    requests: &[Request<'_>],
    bounds: &mut Bounds<'_>,
    config: &GenerateConfig,
    on_token: &mut dyn FnMut(usize, Option<u32>) -> ControlFlow<()>,
) -> Result<Vec<Vec<u32>>> {
    generate_with(base, adapter, (requests, bounds), config, on_token, COARSE_FROM)
}

/// [`generate_bound`] with likeliest tokens by a coarse copy of a head of so many bytes or more.
pub(crate) fn generate_with(
    base: &Base,
    adapter: Option<&Adapter>,
    (requests, bounds): (&[Request<'_>], &mut Bounds<'_>),
    config: &GenerateConfig,
    on_token: &mut dyn FnMut(usize, Option<u32>) -> ControlFlow<()>,
    coarse_from: usize,
) -> Result<Vec<Vec<u32>>> {
    check(base, adapter, requests)?;
    let mut run =
        Run::new((base, adapter), (config, coarse_from), bounds, requests.len(), on_token);
    // What was made before a stop is the answer.
    let _ = run.all(requests);
    Ok(run.outputs())
}

/// Fails where a prompt or the adapter does not fit the model.
pub(super) fn check(
    base: &Base,
    adapter: Option<&Adapter>,
    requests: &[Request<'_>],
) -> Result<()> {
    if let Some(adapter) = adapter {
        adapter.check(base.config())?;
    }
    let context = base.config().context_length;
    for (i, Request { prompt, max_new, .. }) in requests.iter().enumerate() {
        let number = i + 1;
        if *max_new == Some(0) {
            return Err(Failure::defect(format!("prompt {number} asks for no token")));
        }
        if prompt.is_empty() {
            return Err(Failure::user(format!("prompt {number} is empty")));
        }
        if prompt.len() >= context {
            return Err(Failure::user(format!(
                "prompt {number} has {} tokens, but the model's context is {context}",
                prompt.len()
            ))
            .hint("Shorten the prompt."));
        }
        for id in *prompt {
            base.check_id(*id).map_err(|failure| failure.context(format!("prompt {number}")))?;
        }
    }
    Ok(())
}

/// The first prompts, at most `most`, all with the adapter or all without, as rows of which each predicts what comes
/// after it, whatever that is.
pub(super) fn rows_of(requests: &[Request<'_>], most: usize) -> Vec<Row> {
    let tuned = requests.first().map(|request| request.tuned);
    (requests.iter().take_while(|other| Some(other.tuned) == tuned).take(most))
        .map(|Request { prompt, .. }| Row {
            ids: [prompt, &[0][..]].concat(),
            labels: (0..=prompt.len()).map(|i| i == prompt.len()).collect(),
        })
        .collect()
}
