//! Generation for many prompts: prompts are read packed, what they begin with in common once, then decoded
//! side by side.

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::base::Base;
use super::cache::{Cache, cache_bytes};
use super::coarse::Profile;
use super::decode::Decoder;
use super::few::Adapted;
use super::lora::Adapter;
use super::loss::{self, HeadScratch};
use super::norm;
use super::pack::{self, Packed, Row};
use super::sample::{self, Among, Sampler};
use super::score::Forward;
use crate::failure::{Failure, Result};

/// Prompt tokens that are read together.
const PREFILL_TOKENS: usize = 1024;

/// Bytes of a head from which on a greedy answer's tokens are found by a coarse copy of it: what caches
/// may hold is read quickly anyway. Draws take the head itself, for each depends on the sum over all tokens.
const COARSE_FROM: usize = 8 << 20;

/// Tokens of prompts read together that tell how large tokens are after the last norm.
const PROFILED: usize = 256;

/// New prompts are read when they would be this part of a batch.
const ADMITTED_SHARE: usize = 4;

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

/// A sequence that is being decoded.
struct Sequence {
    /// Number of its request.
    prompt: usize,
    tuned: bool,
    cache: Cache,
    /// That the cache takes.
    bytes: usize,
    sampler: Sampler,
    /// The last token, which is to be read next.
    last: u32,
    /// Tokens that may still be generated after `last`.
    left: usize,
}

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
    let mut run = Run {
        base,
        adapter,
        config,
        bounds,
        on_token,
        outputs: vec![Vec::new(); requests.len()],
        active: Vec::new(),
        forward: Forward::new(base),
        head: HeadScratch::default(),
        decoder: Decoder::new(base, adapter, config.batch, config.keep_bytes),
        logits: Vec::new(),
        coarse_from,
        profile: Profile::default(),
        likeliest: Vec::new(),
        chosen: Vec::new(),
        among: Among::default(),
    };
    // What was made before a stop is the answer.
    let _ = run.all(requests);
    Ok(run.outputs)
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

struct Run<'a, 'b> {
    base: &'a Base,
    adapter: Option<&'a Adapter>,
    config: &'a GenerateConfig,
    bounds: &'a mut Bounds<'b>,
    on_token: &'a mut dyn FnMut(usize, Option<u32>) -> ControlFlow<()>,
    outputs: Vec<Vec<u32>>,
    active: Vec<Sequence>,
    forward: Forward,
    head: HeadScratch,
    decoder: Decoder,
    logits: Vec<f32>,
    coarse_from: usize,
    /// Of the first prompts.
    profile: Profile,
    /// Of each active sequence the likeliest token, where they were found by a coarse copy of the head.
    likeliest: Vec<u32>,
    /// Of each active sequence the next token; none where no token is allowed.
    chosen: Vec<Option<u32>>,
    among: Among,
}

/// What binds the answer of a prompt.
fn bound<'a, 'b>(bounds: &'a mut Bounds<'b>, prompt: usize) -> Option<&'a mut (dyn Bound + 'b)> {
    bounds.get_mut(prompt)?.as_deref_mut()
}

impl Run<'_, '_> {
    fn all(&mut self, requests: &[Request<'_>]) -> ControlFlow<()> {
        if self.config.max_new == 0 {
            return ControlFlow::Continue(());
        }
        let mut next = 0;
        while next < requests.len() || !self.active.is_empty() {
            let fitting = self.fitting(&requests[next..]);
            // Several at once, which may share a beginning.
            let is_many = fitting * ADMITTED_SHARE >= self.active.len() + fitting;
            let are_last = next + fitting == requests.len();
            if fitting > 0 && (is_many || are_last) {
                next = self.admit(requests, next, fitting)?;
            } else {
                self.decode()?;
            }
        }
        ControlFlow::Continue(())
    }

    /// How many of the next requests can join the active sequences: one at least where there are none.
    fn fitting(&self, requests: &[Request<'_>]) -> usize {
        let free = self.config.batch.max(1) - self.active.len();
        let mut bytes: usize = self.active.iter().map(|sequence| sequence.bytes).sum();
        let least = usize::from(self.active.is_empty());
        let mut count = 0;
        for request in requests.iter().take(free) {
            bytes = bytes.saturating_add(cache_bytes(self.base, self.room(request)));
            if bytes > self.config.cache_bytes && count >= least {
                break;
            }
            count += 1;
        }
        count
    }

    /// Tokens that a request's prompt and answer take at most.
    fn room(&self, request: &Request<'_>) -> usize {
        let longest = request.prompt.len() + request.limit(self.config);
        longest.min(self.base.config().context_length)
    }

    /// Reads prompts from `first` on, at most `free`, all with the adapter or all without; gives the
    /// number of the next.
    fn admit(
        &mut self,
        requests: &[Request<'_>],
        first: usize,
        free: usize,
    ) -> ControlFlow<(), usize> {
        let tuned = requests[first].tuned;
        let rows = rows_of(&requests[first..], free);
        for packed in pack::pack_nested(&rows, PREFILL_TOKENS) {
            self.read(requests, (&rows, first), &packed, tuned)?;
        }
        ControlFlow::Continue(first + rows.len())
    }

    /// Reads packed prompts, what they begin with in common once; `first` is the number of the first row's.
    fn read(
        &mut self,
        requests: &[Request<'_>],
        (rows, first): (&[Row], usize),
        packed: &Packed,
        tuned: bool,
    ) -> ControlFlow<()> {
        let (base, config) = (self.base, self.base.config());
        let length = |row: usize| rows[row].ids.len() - 1;
        let new_cache = |row: &usize| Cache::new(base, self.room(&requests[first + row]));
        let mut caches: Vec<Cache> = packed.label_owners.iter().map(new_cache).collect();
        let paths: Vec<_> = packed.label_rows.iter().map(|token| packed.path(*token)).collect();
        let adapter = self.adapter.filter(|_| tuned);
        let x = self.forward.run(base, adapter, packed, |layer, rows, pitch| {
            for (cache, path) in caches.iter_mut().zip(&paths) {
                let mut first = 0;
                for part in path {
                    let rows = &rows[part.start * pitch..part.end * pitch];
                    cache.append(base, (layer, first), rows, pitch);
                    first += part.len();
                }
            }
        });
        if !self.profile.is_full() && sample::is_greedy(self.config.temperature) {
            let mut normed = vec![0.0; config.hidden_size];
            let step = packed.tokens().div_ceil(PROFILED);
            for x in x.chunks_exact(config.hidden_size).step_by(step) {
                norm::row(&mut normed, x, base.final_norm(), config.norm_eps);
                self.profile.add(&normed);
            }
        }
        let mut logits = Vec::new();
        // In chunks, for the logits of many prompts at once would be large.
        for rows in packed.label_rows.chunks(16) {
            logits.extend_from_slice(loss::logits(base, x, rows, &mut self.head));
        }
        let owners = packed.label_owners.iter().zip(caches);
        for ((row, cache), logits) in owners.zip(logits.chunks_exact_mut(config.vocab_size)) {
            let prompt = first + row;
            let request = &requests[prompt];
            let mut sampler = request.sampler(self.config, prompt);
            let id = match bound(self.bounds, prompt) {
                None => Some(sampler.choose(logits)),
                Some(bound) => sampler.choose_among(logits, bound.allowed(), &mut self.among),
            };
            let left = request.limit(self.config).min(config.context_length - length(*row));
            let bytes = cache_bytes(base, self.room(request));
            self.active.push(Sequence { prompt, tuned, cache, bytes, sampler, last: 0, left });
            if !self.take(self.active.len() - 1, id)? {
                self.active.pop();
            }
        }
        ControlFlow::Continue(())
    }

    /// One more token for all active sequences.
    fn decode(&mut self) -> ControlFlow<()> {
        let ids: Vec<u32> = self.active.iter().map(|sequence| sequence.last).collect();
        let on: Vec<bool> = self.active.iter().map(|sequence| sequence.tuned).collect();
        let mut caches: Vec<&mut Cache> = self.active.iter_mut().map(|s| &mut s.cache).collect();
        let adapter = self.adapter.map(|adapter| Adapted { adapter, on: &on });
        let (base, decoder, coarse_from) = (self.base, &mut self.decoder, self.coarse_from);
        let is_greedy = sample::is_greedy(self.config.temperature);
        let (logits, likeliest) = (&mut self.logits, &mut self.likeliest);
        let profile = &self.profile;
        let is_found = rayon::scope(|_| {
            decoder.step(base, adapter, &ids, &mut caches);
            let is_found = is_greedy && decoder.likeliest(base, (coarse_from, profile), likeliest);
            if !is_found {
                decoder.logits(base, logits);
            }
            is_found
        });
        self.choose(is_found);
        let mut at = 0;
        for i in 0..ids.len() {
            if self.take(at, self.chosen[i])? {
                at += 1;
            } else {
                self.active.remove(at);
            }
        }
        ControlFlow::Continue(())
    }

    /// Chooses the next token of each active sequence, from the likeliest ones if those were found, else
    /// from their logits.
    fn choose(&mut self, is_found: bool) {
        let vocabulary = self.base.config().vocab_size;
        self.chosen.clear();
        if is_found {
            self.chosen.extend(self.likeliest.iter().copied().map(Some));
        } else {
            let bounds = &*self.bounds;
            let is_bound: Vec<bool> = (self.active.iter())
                .map(|sequence| bounds.get(sequence.prompt).is_some_and(Option::is_some))
                .collect();
            let logits = self.logits.par_chunks_exact_mut(vocabulary);
            let free = self.active.par_iter_mut().zip(logits).zip(&is_bound);
            free.map(|((sequence, logits), is_bound)| {
                (!is_bound).then(|| sequence.sampler.choose(logits))
            })
            .collect_into_vec(&mut self.chosen);
        }
        for (row, sequence) in self.active.iter_mut().enumerate() {
            let Some(bound) = bound(self.bounds, sequence.prompt) else { continue };
            let mask = bound.allowed();
            // The first of the largest of all is the first of the largest of any that it is among.
            if self.chosen[row].is_some_and(|likeliest| sample::is_allowed(mask, likeliest)) {
                continue;
            }
            let logits = if is_found {
                let (base, logits, decoder) = (self.base, &mut self.logits, &mut self.decoder);
                rayon::scope(|_| decoder.logits_of(base, row, logits));
                &self.logits[..vocabulary]
            } else {
                &self.logits[row * vocabulary..(row + 1) * vocabulary]
            };
            self.chosen[row] = sequence.sampler.choose_among(logits, mask, &mut self.among);
        }
    }

    /// Takes the next token of an active sequence, if there is one; tells whether the sequence goes on.
    fn take(&mut self, at: usize, id: Option<u32>) -> ControlFlow<(), bool> {
        let sequence = &mut self.active[at];
        let prompt = sequence.prompt;
        let said = id.filter(|id| !self.config.stop.contains(id));
        let mut goes_on = said.is_some();
        if let Some(id) = said {
            sequence.last = id;
            sequence.left -= 1;
            goes_on = sequence.left > 0;
            self.outputs[prompt].push(id);
            if let Some(bound) = bound(self.bounds, prompt) {
                bound.take(id);
            }
            (self.on_token)(prompt, Some(id))?;
        }
        if !goes_on {
            if let Some(bound) = self.bounds.get_mut(prompt) {
                *bound = None;
            }
            (self.on_token)(prompt, None)?;
        }
        ControlFlow::Continue(goes_on)
    }
}
