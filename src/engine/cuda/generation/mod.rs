//! Generation on the device: prompts are read packed, then sequences go on side by side, as
//! [`crate::engine::generate`] has it on the processor.
//!
//! Few sequences read NF4 as it is stored; for more, projections are decoded for the tensor cores, once where
//! they may stay so. A step's work is kept as a graph for each number of rows. Likeliest tokens are found on the
//! device, some steps before they are asked for; where draws or bounds choose, each step is waited for.

mod few;
mod machine;
mod places;
mod steps;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use few::FEW_MAX;
use machine::Machine;
#[cfg(test)]
pub(super) use machine::StepKernels;
pub(super) use places::piece;
use places::{BURST, Sizes};

use super::device::Device;
use super::weights;
use crate::engine::base::Base;
use crate::engine::generate::{self, Bounds, GenerateConfig, Request};
use crate::engine::lora::Adapter;
use crate::engine::pack::{self, Packed, Row};
use crate::engine::rope::Rotaries;
use crate::engine::sample::{self, Among, Sampler};
use crate::failure::{Failure, Result};

/// Prompt tokens that are read together.
const PREFILL_TOKENS: usize = 4096;
/// New prompts are read when this part of a batch is free.
const ADMITTED_SHARE: usize = 4;
/// Capacities come in multiples of this.
const CAPACITY_STEP: usize = 64;
/// Part of the free memory that projections which stay decoded may take.
const RESIDENT_SHARE: usize = 2;

/// A base and an adapter on the device, ready to generate as often as is asked.
pub struct Generator<'a> {
    base: &'a Base,
    adapter: Option<&'a Adapter>,
    machine: Machine,
    rotary: Rotaries,
    limit: usize,
}

impl std::fmt::Debug for Generator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator")
            .field("device", &self.machine.gpu.facts.name)
            .finish_non_exhaustive()
    }
}

impl<'a> Generator<'a> {
    /// Puts a base and an adapter on a device, for batches of `batch` sequences at the most. At most
    /// `limit` bytes of the device are taken.
    ///
    /// # Errors
    /// If the adapter or the model does not fit, or the device fails.
    pub fn new(
        device: &Device,
        base: &'a Base,
        adapter: Option<&'a Adapter>,
        batch: usize,
        limit: usize,
    ) -> Result<Self> {
        if let Some(adapter) = adapter {
            adapter.check(base.config())?;
        }
        device.gpu().enter()?;
        let decoded = weights::bytes(base, adapter, base.config().layers);
        let room = limit.min(device.gpu().free()?);
        let resident = batch > FEW_MAX && decoded <= room / RESIDENT_SHARE;
        let machine = Machine::new(device, base, adapter, resident)?;
        Ok(Self { base, adapter, machine, rotary: Rotaries::default(), limit })
    }

    /// Bytes of the device that are held: the most so far, for nothing is given back.
    pub fn bytes(&self) -> usize {
        self.machine.bytes()
    }

    /// What multiplies many tokens, in words.
    pub fn products(&self) -> &'static str {
        self.machine.products.name()
    }

    /// [`crate::engine::generate_bound`] on the device.
    ///
    /// # Errors
    /// As there, or when the device fails.
    pub fn generate(
        &mut self,
        requests: &[Request<'_>],
        bounds: &mut Bounds<'_>,
        config: &GenerateConfig,
        on_token: &mut dyn FnMut(usize, Option<u32>) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<u32>>> {
        generate::check(self.base, self.adapter, requests)?;
        if config.max_new == 0 || requests.is_empty() {
            return Ok(vec![Vec::new(); requests.len()]);
        }
        let slots = self.reserve(requests, config)?;
        let mut run = Run {
            machine: &mut self.machine,
            has_adapter: self.adapter.is_some(),
            config,
            bounds,
            on_token,
            outputs: vec![Vec::new(); requests.len()],
            active: Vec::new(),
            free: (0..slots).rev().collect(),
            slots,
            is_stale: true,
            logits: Vec::new(),
            among: Among::default(),
        };
        match run.all(requests) {
            // What was made before a stop is the answer.
            Ok(()) | Err(Halt::Asked) => Ok(run.outputs),
            Err(Halt::Failed(failure)) => Err(*failure),
        }
    }

    /// Lays the device out for these prompts; gives how many sequences can go on side by side.
    fn reserve(&mut self, requests: &[Request<'_>], config: &GenerateConfig) -> Result<usize> {
        let lengths = requests.iter().map(|request| request.prompt.len());
        let (longest, all) = (lengths.clone().max().unwrap_or(1), lengths.sum::<usize>());
        let whole = requests.iter().map(|request| request.prompt.len() + request.limit(config));
        let rows = rows_for(config.batch.clamp(1, requests.len()), self.machine.few_max);
        let context = self.base.config().context_length;
        let capacity = whole.max().unwrap_or(1).min(context).next_multiple_of(CAPACITY_STEP);
        let tokens = PREFILL_TOKENS.max(longest).min(all).max(rows);
        let kept = (rows * longest).min(all);
        let sizes = Sizes { tokens, rows, capacity, kept };
        let slots = self.machine.reserve(sizes, self.limit, &mut self.rotary)?;
        Ok(slots.min(config.batch.max(1)))
    }
}

/// Rows that a step of so many sequences has: a graph is kept for each number.
fn rows_for(count: usize, few_max: usize) -> usize {
    match count {
        _ if count <= few_max => count,
        0..=16 => count.next_multiple_of(4),
        17..=64 => count.next_multiple_of(8),
        _ => count.next_multiple_of(32),
    }
}

/// Why a run ended before its end.
enum Halt {
    Asked,
    Failed(Box<Failure>),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// A sequence that goes on.
struct Sequence {
    /// Number of its request.
    prompt: usize,
    tuned: bool,
    slot: usize,
    /// Tokens that are kept of it.
    length: usize,
    sampler: Sampler,
    /// The last token, which is to be read next.
    last: u32,
    /// Tokens that may still be generated after `last`.
    left: usize,
}

struct Run<'r, 'b> {
    machine: &'r mut Machine,
    has_adapter: bool,
    config: &'r GenerateConfig,
    bounds: &'r mut Bounds<'b>,
    on_token: &'r mut dyn FnMut(usize, Option<u32>) -> ControlFlow<()>,
    outputs: Vec<Vec<u32>>,
    active: Vec<Sequence>,
    free: Vec<usize>,
    slots: usize,
    /// Whether the device's state is not that of the active sequences.
    is_stale: bool,
    logits: Vec<f32>,
    among: Among,
}

impl Run<'_, '_> {
    fn all(&mut self, requests: &[Request<'_>]) -> Result<(), Halt> {
        let mut next = 0;
        while next < requests.len() || !self.active.is_empty() {
            let free = self.slots - self.active.len();
            if free >= self.slots.div_ceil(ADMITTED_SHARE) && next < requests.len() {
                next = self.admit(requests, next, free)?;
            } else {
                self.decode()?;
            }
        }
        Ok(())
    }

    /// Reads prompts from `first` on, at most `free`, all with the adapter or all without; gives the
    /// number of the next.
    fn admit(
        &mut self,
        requests: &[Request<'_>],
        first: usize,
        free: usize,
    ) -> Result<usize, Halt> {
        let tuned = requests[first].tuned;
        let rows = generate::rows_of(&requests[first..], free);
        for packed in pack::pack_nested(&rows, PREFILL_TOKENS) {
            self.read(requests, (&rows, first), &packed, tuned)?;
        }
        self.is_stale = true;
        Ok(first + rows.len())
    }

    /// Reads packed prompts; `first` is the number of the first row's.
    fn read(
        &mut self,
        requests: &[Request<'_>],
        (rows, first): (&[Row], usize),
        packed: &Packed,
        tuned: bool,
    ) -> Result<(), Halt> {
        let context = self.machine.config.context_length;
        let mut entries = Vec::new();
        let mut slots = Vec::new();
        for (owner, token) in packed.label_owners.iter().zip(&packed.label_rows) {
            let slot = self.free.pop().ok_or_else(|| Failure::defect("no slot is free"))?;
            slots.push((*owner, slot));
            for (position, token) in packed.path(*token).into_iter().flatten().enumerate() {
                entries.extend([token as u32, slot as u32, position as u32]);
            }
        }
        let likeliest = self.machine.read(packed, &entries, tuned && self.has_adapter)?;
        for (row, ((owner, slot), likeliest)) in slots.into_iter().zip(likeliest).enumerate() {
            let (prompt, length) = (first + owner, rows[owner].ids.len() - 1);
            let sampler = requests[prompt].sampler(self.config, prompt);
            let left = requests[prompt].limit(self.config).min(context - length);
            self.active.push(Sequence { prompt, tuned, slot, length, sampler, last: 0, left });
            let at = self.active.len() - 1;
            let id = self.choose(at, row, likeliest)?;
            if !self.take(at, id)? {
                self.remove(at);
            }
        }
        Ok(())
    }

    /// One or more tokens further for all active sequences.
    fn decode(&mut self) -> Result<(), Halt> {
        let rows = rows_for(self.active.len(), self.machine.few_max);
        let rows = rows.min(self.machine.places.sizes.rows);
        if self.is_stale {
            self.tell(rows)?;
            self.is_stale = false;
        }
        let any_tuned = self.has_adapter && self.active.iter().any(|sequence| sequence.tuned);
        let is_free = sample::is_greedy(self.config.temperature)
            && self.active.iter().all(|s| self.bounds.get(s.prompt).is_none_or(Option::is_none));
        let left = self.active.iter().map(|sequence| sequence.left).min().unwrap_or(1);
        let count = if is_free { left.clamp(1, BURST) } else { 1 };
        let made = self.machine.burst(rows, any_tuned, count)?;
        for sequence in &mut self.active {
            sequence.length += count;
        }
        // Rows stay where they are until the burst has been heard.
        let mut is_over = vec![false; self.active.len()];
        for line in made.chunks_exact(rows) {
            for row in 0..is_over.len() {
                if is_over[row] {
                    continue;
                }
                let id = if is_free { Some(line[row]) } else { self.choose(row, row, line[row])? };
                self.is_stale |= id != Some(line[row]);
                is_over[row] = !self.take(row, id)?;
            }
        }
        for row in (0..is_over.len()).rev().filter(|row| is_over[*row]) {
            self.remove(row);
            self.is_stale = true;
        }
        Ok(())
    }

    /// Tells the device of the active sequences; rows beyond them work in the slot that is nobody's.
    fn tell(&self, rows: usize) -> Result<()> {
        let places = &self.machine.places;
        let all = places.sizes.rows;
        let mut state = vec![0u32; 4 * all];
        for row in 0..rows {
            let four = self.active.get(row).map_or([0, 0, self.machine.slots as u32, 0], |s| {
                [s.last, s.length as u32, s.slot as u32, u32::from(s.tuned)]
            });
            for (array, value) in four.into_iter().enumerate() {
                state[array * all + row] = value;
            }
        }
        self.machine.gpu.upload(places.state, &state)
    }

    /// Chooses the next token of an active sequence whose logits are in `row`; none where no token is
    /// allowed.
    fn choose(&mut self, at: usize, row: usize, likeliest: u32) -> Result<Option<u32>> {
        let sequence = &mut self.active[at];
        let is_greedy = sample::is_greedy(self.config.temperature);
        let Some(bound) = self.bounds.get_mut(sequence.prompt).and_then(Option::as_deref_mut)
        else {
            if is_greedy {
                return Ok(Some(likeliest));
            }
            self.machine.logits(row, &mut self.logits)?;
            return Ok(Some(sequence.sampler.choose(&mut self.logits)));
        };
        let mask = bound.allowed();
        // The first of the largest of all is the first of the largest of any that it is among.
        if is_greedy && sample::is_allowed(mask, likeliest) {
            return Ok(Some(likeliest));
        }
        self.machine.logits(row, &mut self.logits)?;
        Ok(sequence.sampler.choose_among(&self.logits, mask, &mut self.among))
    }

    /// Takes the next token of an active sequence, if there is one; tells whether the sequence goes on.
    fn take(&mut self, at: usize, id: Option<u32>) -> Result<bool, Halt> {
        let sequence = &mut self.active[at];
        let prompt = sequence.prompt;
        let said = id.filter(|id| !self.config.stop.contains(id));
        let mut goes_on = said.is_some();
        let mut hear = |id| match (self.on_token)(prompt, id) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Halt::Asked),
        };
        if let Some(id) = said {
            sequence.last = id;
            sequence.left -= 1;
            goes_on = sequence.left > 0;
            self.outputs[prompt].push(id);
            if let Some(bound) = self.bounds.get_mut(prompt).and_then(Option::as_deref_mut) {
                bound.take(id);
            }
            hear(Some(id))?;
        }
        if !goes_on {
            if let Some(bound) = self.bounds.get_mut(prompt) {
                *bound = None;
            }
            hear(None)?;
        }
        Ok(goes_on)
    }

    /// Lets an active sequence's slot go.
    fn remove(&mut self, at: usize) {
        let sequence = self.active.remove(at);
        self.free.push(sequence.slot);
    }
}
