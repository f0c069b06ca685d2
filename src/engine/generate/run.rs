//! The state of a generation: prompts that are read, sequences that are decoded.

use std::ops::{ControlFlow, Range};

use rayon::prelude::*;

use super::super::base::Base;
use super::super::cache::{Cache, cache_bytes};
use super::super::coarse::Profile;
use super::super::cpu::aligned::Aligned;
use super::super::cpu::few;
use super::super::cpu::team::{self, Together as _};
use super::super::decode::Decoder;
use super::super::few::Adapted;
use super::super::lookup::Lookup;
use super::super::lora::Adapter;
use super::super::loss::{self, HeadScratch};
use super::super::norm;
use super::super::pack::{self, Packed, Row};
use super::super::sample::{self, Among, Sampler};
use super::super::score::Forward;
use super::{Bound, Bounds, GenerateConfig, Request, rows_of};

/// Prompt tokens that are read together.
const PREFILL_TOKENS: usize = 1024;

/// Tokens of prompts read together that tell how large tokens are after the last norm.
const PROFILED: usize = 256;

/// New prompts are read when they would be this part of a batch.
const ADMITTED_SHARE: usize = 4;

/// Tokens of a step up to which some may be guesses: those whose products take the weights together. The next would read
/// and decode them once more.
const GUESSED_UNTIL: usize = few::TOKENS;

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
    /// Guesses of what comes after it, if those are asked for.
    lookup: Option<Lookup>,
}

/// A generation under way.
pub(super) struct Run<'a, 'b> {
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
    logits: Aligned<f32>,
    coarse_from: usize,
    /// Of the first prompts.
    profile: Profile,
    /// The last one.
    step: Step,
    /// Of each token of the last step the likeliest after it, where they were found so.
    likeliest: Vec<u32>,
    /// Of each active sequence what its sampler chose after its last token, where that is not bound to some.
    chosen: Vec<Option<u32>>,
    among: Among,
}

/// A step of decoding.
#[derive(Debug, Default)]
struct Step {
    /// Of each sequence its last token and guesses of those after it.
    ids: Vec<u32>,
    /// Where these are.
    ranges: Vec<Range<usize>>,
    /// Whether the likeliest tokens after them were found by a coarse copy of the head; else there are logits.
    is_found: bool,
}

/// What binds the answer of a prompt.
fn bound<'a, 'b>(bounds: &'a mut Bounds<'b>, prompt: usize) -> Option<&'a mut (dyn Bound + 'b)> {
    bounds.get_mut(prompt)?.as_deref_mut()
}

impl<'a, 'b> Run<'a, 'b> {
    /// One that is to answer `count` requests.
    pub(super) fn new(
        (base, adapter): (&'a Base, Option<&'a Adapter>),
        (config, coarse_from): (&'a GenerateConfig, usize),
        bounds: &'a mut Bounds<'b>,
        count: usize,
        on_token: &'a mut dyn FnMut(usize, Option<u32>) -> ControlFlow<()>,
    ) -> Self {
        Self {
            base,
            adapter,
            config,
            bounds,
            on_token,
            outputs: vec![Vec::new(); count],
            active: Vec::new(),
            forward: Forward::new(base),
            head: HeadScratch::default(),
            decoder: Decoder::new(base, adapter, config.batch, config.keep_bytes),
            logits: Aligned::default(),
            coarse_from,
            profile: Profile::default(),
            step: Step::default(),
            likeliest: Vec::new(),
            chosen: Vec::new(),
            among: Among::default(),
        }
    }

    /// The new tokens of each request so far.
    pub(super) fn outputs(self) -> Vec<Vec<u32>> {
        self.outputs
    }

    /// Answers all requests, until `on_token` breaks.
    pub(super) fn all(&mut self, requests: &[Request<'_>]) -> ControlFlow<()> {
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
            caches.par_iter_mut().zip(&paths).together(|(cache, path)| {
                let mut first = 0;
                for part in path {
                    let rows = &rows[part.start * pitch..part.end * pitch];
                    cache.append(base, (layer, first), rows, pitch);
                    first += part.len();
                }
            });
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
            let lookup = self.config.prompt_lookup.then(|| Lookup::new(request.prompt));
            let last = 0;
            let sequence = Sequence { prompt, tuned, cache, bytes, sampler, last, left, lookup };
            self.active.push(sequence);
            if !self.take(self.active.len() - 1, id)? {
                self.active.pop();
            }
        }
        ControlFlow::Continue(())
    }

    /// One more token for all active sequences, or some where guesses of them are right.
    fn decode(&mut self) -> ControlFlow<()> {
        self.guess();
        let Step { ids, ranges, .. } = &self.step;
        let on: Vec<bool> = (self.active.iter().zip(ranges))
            .flat_map(|(sequence, range)| std::iter::repeat_n(sequence.tuned, range.len()))
            .collect();
        let mut caches: Vec<&mut Cache> = self.active.iter_mut().map(|s| &mut s.cache).collect();
        let adapter = self.adapter.map(|adapter| Adapted { adapter, on: &on });
        let (base, decoder, coarse_from) = (self.base, &mut self.decoder, self.coarse_from);
        let is_greedy = sample::is_greedy(self.config.temperature);
        let (logits, likeliest) = (&mut self.logits, &mut self.likeliest);
        let profile = &self.profile;
        self.step.is_found = team::gather(|| {
            decoder.step(base, adapter, (ids, ranges), &mut caches);
            let is_found = is_greedy && decoder.likeliest(base, (coarse_from, profile), likeliest);
            if !is_found {
                decoder.logits(base, logits);
            }
            is_found
        });
        self.choose_all();
        let mut at = 0;
        for i in 0..self.step.ranges.len() {
            if self.follow(at, self.step.ranges[i].clone(), self.chosen[i])? {
                at += 1;
            } else {
                self.active.remove(at);
            }
        }
        ControlFlow::Continue(())
    }

    /// What the next step reads: the last token of each sequence and, where there are few, guesses.
    fn guess(&mut self) {
        let Step { ids, ranges, .. } = &mut self.step;
        ids.clear();
        ranges.clear();
        let most = GUESSED_UNTIL / self.active.len();
        for sequence in &self.active {
            let first = ids.len();
            ids.push(sequence.last);
            if let Some(lookup) = &sequence.lookup {
                // The last token that may come is not read.
                let most = most.min(sequence.left).saturating_sub(1);
                ids.extend(lookup.guesses(most));
            }
            ranges.push(first..ids.len());
        }
    }

    /// Lets all sequences that nothing binds choose what comes after their last tokens.
    fn choose_all(&mut self) {
        let Step { ranges, is_found, .. } = &self.step;
        self.chosen.clear();
        if *is_found {
            self.chosen.extend(ranges.iter().map(|range| Some(self.likeliest[range.start])));
            return;
        }
        let mut logits = self.logits.chunks_exact_mut(self.base.config().vocab_size);
        let mut first = Vec::with_capacity(ranges.len());
        for (sequence, range) in self.active.iter().zip(ranges) {
            let is_bound = self.bounds.get(sequence.prompt).is_some_and(Option::is_some);
            first.push(logits.next().filter(|_| !is_bound));
            logits.by_ref().take(range.len() - 1).for_each(drop);
        }
        (self.active.par_iter_mut().zip(first))
            .map(|(sequence, logits)| logits.map(|logits| sequence.sampler.choose(logits)))
            .collect_into_vec(&mut self.chosen);
    }

    /// Takes what comes after the tokens of an active sequence that were read, from the last on as long as guesses
    /// were right; `chosen` is what its sampler chose after the first. Tells whether the sequence goes on.
    fn follow(
        &mut self,
        at: usize,
        rows: Range<usize>,
        chosen: Option<u32>,
    ) -> ControlFlow<(), bool> {
        let before = self.active[at].cache.length() - rows.len();
        let mut free = chosen;
        for row in rows.clone() {
            let id = self.settle(at, row, free);
            if !self.take(at, id)? {
                return ControlFlow::Continue(false);
            }
            if row + 1 < rows.end && id == Some(self.step.ids[row + 1]) {
                free = self.choose(at, row + 1);
            } else {
                self.active[at].cache.keep(before + row + 1 - rows.start);
                break;
            }
        }
        ControlFlow::Continue(true)
    }

    /// What the sampler of a sequence chooses after a token that was read, unless it is bound to some.
    fn choose(&mut self, at: usize, row: usize) -> Option<u32> {
        let sequence = &mut self.active[at];
        if self.step.is_found {
            return Some(self.likeliest[row]);
        }
        if bound(self.bounds, sequence.prompt).is_some() {
            return None;
        }
        let vocabulary = self.base.config().vocab_size;
        Some(sequence.sampler.choose(&mut self.logits[row * vocabulary..(row + 1) * vocabulary]))
    }

    /// The token after one that was read: `free`, which the sequence's sampler chose, or what it chooses among those that
    /// it is bound to; none where there are none.
    fn settle(&mut self, at: usize, row: usize, free: Option<u32>) -> Option<u32> {
        let sequence = &mut self.active[at];
        let Some(bound) = bound(self.bounds, sequence.prompt) else { return free };
        let mask = bound.allowed();
        // The first of the largest of all is the first of the largest of any that it is among.
        if free.is_some_and(|likeliest| sample::is_allowed(mask, likeliest)) {
            return free;
        }
        let vocabulary = self.base.config().vocab_size;
        let logits = if self.step.is_found {
            let (base, logits, decoder) = (self.base, &mut self.logits, &mut self.decoder);
            team::gather(|| decoder.logits_of(base, row, logits));
            &self.logits[..vocabulary]
        } else {
            &self.logits[row * vocabulary..(row + 1) * vocabulary]
        };
        sequence.sampler.choose_among(logits, mask, &mut self.among)
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
            if let Some(lookup) = &mut sequence.lookup {
                lookup.push(id);
            }
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
