//! Training on the device: what a [`crate::engine::Trainer`] hands its micro-batches to.

use std::cell::RefCell;
use std::sync::Arc;

use half::bf16;

use super::adam::Adam;
use super::compile::Kind;
use super::device::Device;
use super::driver::{Bump, Gpu, Graph, Mark, Memory, Module, arguments};
use super::hosts::Hosts;
use super::kernels::Kernels;
use super::layout::{Extras, Layout};
use super::products::{Lie, Products, Shape};
use super::tiles::{self, Lists};
use super::way::{Again, Way};
use super::weights::{self, DeviceWeights};
use crate::engine::base::{Base, Group};
use crate::engine::dropout::{Dropout, Masks};
use crate::engine::lora::Adapter;
use crate::engine::optimizer::{OptimizerConfig, OptimizerState};
use crate::engine::pack::Packed;
use crate::engine::phases::{Phase, Phases};
use crate::engine::plan::MemoryPlan;
use crate::engine::rope::Rotaries;
use crate::failure::{Failure, Result};
use crate::model::DecoderConfig;

/// Threads of the loss of a row.
const LOSS_THREADS: usize = 1024;
const ROW_THREADS: usize = 256;
/// Bytes left free for the driver and others.
const SPARE: usize = 128 << 20;

/// Where the tokens of the current micro-batch lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Micro {
    ids: u64,
    pub(super) positions: u64,
    pub(super) ends: u64,
    label_rows: u64,
    label_ids: u64,
    /// What the step's masks are drawn from.
    pub(super) draw: u64,
    /// Of layers that see all, and of those with a window.
    pub(super) lists: [MicroLists; 2],
}

/// Lists of tiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MicroLists {
    pub(super) key_starts: u64,
    pub(super) keys: u64,
    pub(super) query_starts: u64,
    pub(super) queries: u64,
    /// In which order pairs of tiles are taken, where lists are of pairs.
    pub(super) key_order: u64,
    pub(super) query_order: u64,
}

/// Times by kind of work, when they are asked for: a mark behind each.
#[derive(Default)]
pub(super) struct Clock {
    on: bool,
    marks: RefCell<(Vec<Mark>, Vec<Phase>)>,
}

impl Clock {
    pub(super) fn lap(&self, gpu: &Gpu, phase: Phase) -> Result<()> {
        if !self.on {
            return Ok(());
        }
        let (marks, phases) = &mut *self.marks.borrow_mut();
        phases.push(phase);
        if marks.len() < phases.len() + 1 {
            marks.push(gpu.mark()?);
        }
        gpu.set_mark(&marks[phases.len()])
    }

    fn start(&self, gpu: &Gpu) -> Result<()> {
        if !self.on {
            return Ok(());
        }
        let (marks, phases) = &mut *self.marks.borrow_mut();
        phases.clear();
        if marks.is_empty() {
            marks.push(gpu.mark()?);
        }
        gpu.set_mark(&marks[0])
    }

    /// Times since the start, once all work has ended.
    fn take(&self, gpu: &Gpu) -> Result<Phases> {
        let mut times = Phases::default();
        let (marks, phases) = &*self.marks.borrow();
        for (pair, phase) in marks.windows(2).zip(phases) {
            times.count(gpu.seconds(&pair[0], &pair[1])?, *phase);
        }
        Ok(times)
    }
}

impl Clock {
    fn clear(&self, gpu: &Gpu) {
        for mark in self.marks.take().0 {
            gpu.drop_mark(&mark);
        }
    }
}

pub(super) struct Arena {
    memory: Memory,
    /// Inputs in the machine's memory, where there are any.
    hosts: Option<Hosts>,
}

/// What a session takes for micro-batches of a size.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Fit {
    way: Way,
    /// Of the device, beside base and adapter, bytes.
    bytes: usize,
    /// A step's time as a share of that without computing again and decoding.
    pub(in crate::engine) cost: f64,
    /// Whether nothing is computed again.
    pub(in crate::engine) keeps_all: bool,
}

/// What the work of a micro-batch depends on besides what lies in memory: where its tokens lie, how many
/// they and their labels are, and what a loss counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Like {
    micro: Micro,
    tokens: usize,
    labels: usize,
    weight: u32,
}

/// A base, an adapter and all a step works in, on one device.
pub(in crate::engine) struct Session {
    pub(super) kernels: Kernels,
    pub(super) products: Products,
    pub(super) weights: DeviceWeights,
    pub(super) layout: Layout,
    pub(super) config: DecoderConfig,
    pub(super) values: u64,
    pub(super) grads: u64,
    pub(super) layer_len: usize,
    pub(super) rank: usize,
    pub(super) scale: f32,
    pub(super) clock: Clock,
    pub(super) micro: Micro,
    /// Draws below which a value is lost and the factor of the others, where there is dropout.
    pub(super) masks: Option<(u32, f32)>,
    extras: Extras,
    /// What the last micro-batch was like, and its work kept when the one before was like it.
    last: Option<(Like, Option<Graph>)>,
    adam: Adam,
    arena: Option<Arena>,
    /// Whether the machine gives memory that the device can read.
    has_hosts: bool,
    /// Positions whose rotations are on the device.
    turned: usize,
    pub(super) gpu: Arc<Gpu>,
    /// Keeps the kernels loaded.
    _module: Arc<Module>,
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.gpu.enter();
        self.clock.clear(&self.gpu);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("device", &self.gpu.facts.name).finish_non_exhaustive()
    }
}

impl Session {
    /// Puts a base and an adapter on the device.
    pub(in crate::engine) fn new(
        device: &Device,
        base: &Base,
        adapter: &Adapter,
        state: &OptimizerState,
        (dropout, noise): (Dropout, bool),
    ) -> Result<Self> {
        weights::check(base)?;
        let masks = dropout.masks(0, 0).map(Masks::bounds);
        let config = base.config().clone();
        let (gpu, module) = (device.gpu(), device.module(Kind::Passes { dim: config.head_dim })?);
        let adam = Adam::new(gpu, adapter, state)?;
        Ok(Self {
            kernels: Kernels::new(&*module, config.head_dim)?,
            products: Products::new(device)?,
            weights: DeviceWeights::upload(gpu, base, Some(adapter), 1)?,
            layout: Layout::default(),
            values: adam.values,
            grads: adam.grads,
            layer_len: adapter.layer_len(),
            rank: adapter.config().rank,
            scale: adapter.config().scale(),
            clock: Clock::default(),
            micro: Micro::default(),
            masks,
            extras: Extras { masked: masks.is_some(), noise },
            last: None,
            adam,
            arena: None,
            has_hosts: true,
            turned: 0,
            config,
            gpu: Arc::clone(gpu),
            _module: module,
        })
    }

    /// Sets whether steps tell where their time went; marks between kernels cost some.
    pub(in crate::engine) fn set_timing(&mut self, on: bool) {
        self.clock.on = on;
    }

    /// What multiplies, in words.
    pub(in crate::engine) fn products(&self) -> &'static str {
        self.products.name()
    }

    /// Bytes of the device that this holds.
    pub(in crate::engine) fn bytes(&self) -> usize {
        let arena = self.arena.as_ref().map_or(0, |arena| arena.memory.bytes);
        self.weights.memory.bytes + self.adam.memory.bytes + self.products.bytes() + arena
    }

    /// How micro-batches of so many tokens go through the device quickest. All in all at most `limit` bytes of it are
    /// taken, and `kept_layers` layers at the most keep what their backward pass needs.
    ///
    /// # Errors
    /// When they do not fit.
    pub(in crate::engine) fn fit(
        &self,
        tokens: usize,
        kept_layers: usize,
        limit: usize,
    ) -> Result<Fit> {
        self.gpu.enter()?;
        let (operands, config, layers) = (&self.weights.operands, &self.config, self.config.layers);
        let measure = |way: Way| {
            let mut bump = Bump::default();
            Layout::new(config, operands, (tokens, way), self.extras, &mut bump);
            bump.used()
        };
        let room = limit.saturating_sub(self.bytes()).min(self.gpu.free()?.saturating_sub(SPARE));
        let hosted = if self.has_hosts { layers } else { 0 };
        let way = Way::quickest(layers, (kept_layers, hosted), |way| measure(way) <= room);
        let Some(way) = way else {
            let mib = |bytes: usize| bytes.div_ceil(1 << 20);
            let least = Way { hosted: hosted.min(layers.saturating_sub(1)), ..Way::default() };
            return Err(Failure::user(format!(
                "training {tokens} tokens at once takes {} MiB of the GPU's memory, and there is room for {}",
                mib(measure(least) + self.bytes()),
                mib(room + self.bytes())
            ))
            .hint("A lower `length_max` or rank needs less, and so does `--optimizer adamw8bit`.")
            .hint("`--device cpu` trains in the memory of the machine."));
        };
        let cost = way.cost(layers, tokens, self.gpu.facts.multiprocessors);
        Ok(Fit { way, bytes: measure(way), cost, keeps_all: way.kept == layers })
    }

    /// Lays the arena out for micro-batches of so many tokens, by [`Self::fit`]; what is there and large enough stays.
    ///
    /// # Errors
    /// When they do not fit.
    pub(in crate::engine) fn reserve(
        &mut self,
        tokens: usize,
        kept_layers: usize,
        limit: usize,
    ) -> Result<()> {
        self.gpu.enter()?;
        if tokens <= self.layout.tokens && self.arena.is_some() {
            return Ok(());
        }
        (self.last, self.arena) = (None, None);
        let mut fit = self.fit(tokens, kept_layers, limit)?;
        let mut hosts = None;
        if fit.way.hosted > 0 {
            let stride = tokens * self.config.hidden_size * 2;
            hosts = Hosts::new(&self.gpu, fit.way.hosted, stride).ok();
            if hosts.is_none() {
                self.has_hosts = false;
                fit = self.fit(tokens, kept_layers, limit)?;
            }
        }
        let memory = Memory::new(&self.gpu, fit.bytes)?;
        let mut bump = Bump::at(memory.at);
        let sizes = (tokens, fit.way);
        let operands = &self.weights.operands;
        self.layout = Layout::new(&self.config, operands, sizes, self.extras, &mut bump);
        // What nothing has written yet must at least be numbers.
        self.gpu.clear(memory.at, memory.bytes)?;
        self.turned = 0;
        self.arena = Some(Arena { memory, hosts });
        Ok(())
    }

    /// Begins a step.
    pub(in crate::engine) fn begin(&self) -> Result<()> {
        self.gpu.enter()?;
        self.clock.start(&self.gpu)?;
        self.adam.clear()
    }

    /// The pitch of the residual stream's gradient.
    pub(super) fn residual_pitch(&self) -> usize {
        let side = |group: Group| self.weights.operands[group as usize].side;
        self.config.hidden_size + side(Group::Output).max(side(Group::Down))
    }

    /// Copies what tells tokens apart to the device.
    fn place(&mut self, packed: &Packed, rotary: &Rotaries, masks: Option<Masks>) -> Result<()> {
        let (meta, tokens) = (self.layout.meta, packed.tokens());
        let mut words: Vec<u32> = Vec::with_capacity(meta.words);
        let mut put = |values: &[u32]| {
            // Kernels read two at a time.
            words.resize(words.len().next_multiple_of(2), 0);
            let at = meta.at + words.len() as u64 * 4;
            words.extend_from_slice(values);
            at
        };
        let rows: Vec<u32> = packed.label_rows.iter().map(|row| *row as u32).collect();
        let mut micro = Micro {
            ids: put(&packed.ids),
            positions: put(&packed.positions),
            ends: put(&tiles::ends(packed)),
            label_rows: put(&rows),
            label_ids: put(&packed.label_ids),
            draw: put(&masks.map_or([0; 3], Masks::draw)),
            lists: [MicroLists::default(); 2],
        };
        let windows = [Some(usize::MAX), self.config.windows.as_ref().map(|w| w.tokens)];
        for (lists, window) in micro.lists.iter_mut().zip(windows) {
            let Some(window) = window else { continue };
            let found = tiles::tiles(packed, window);
            let mut both = |lists: &Lists| (put(&lists.starts), put(&lists.list));
            if self.kernels.hopper.is_none() {
                (lists.key_starts, lists.keys) = both(&found.keys);
                (lists.query_starts, lists.queries) = both(&found.queries);
                continue;
            }
            let (keys, queries) = (found.keys.paired(), found.queries.paired());
            (lists.key_starts, lists.keys) = both(&keys.lists);
            (lists.query_starts, lists.queries) = both(&queries.lists);
            (lists.key_order, lists.query_order) = (put(&keys.order), put(&queries.order));
        }
        if words.len() > meta.words || tokens > self.layout.tokens {
            return Err(Failure::defect("a micro-batch is larger than its place on the GPU"));
        }
        self.gpu.upload(meta.at, &words)?;
        self.micro = micro;
        let longest = packed.longest();
        if longest > self.turned {
            let count = longest.next_power_of_two().min(self.layout.positions);
            for (at, table) in self.layout.turns.into_iter().zip(rotary.tables()) {
                let Some(table) = table else { continue };
                let len = (count * self.config.head_dim).min(table.len());
                self.gpu.upload(at, &table[..len])?;
            }
            self.turned = count;
        }
        Ok(())
    }

    /// Forward and backward of a micro-batch; adds to gradients and loss. `masks` and `noise` (one value
    /// each of `[tokens, H]`) are there if and only if the session was made for them.
    pub(in crate::engine) fn micro_batch(
        &mut self,
        packed: &Packed,
        rotary: &Rotaries,
        weight: f32,
        (masks, noise): (Option<Masks>, &[bf16]),
    ) -> Result<()> {
        let width = self.config.hidden_size;
        let wanted = if self.extras.noise { packed.tokens() * width } else { 0 };
        if noise.len() != wanted || masks.is_some() != self.extras.masked {
            return Err(Failure::defect("the GPU was made ready for other noise or dropout"));
        }
        self.place(packed, rotary, masks)?;
        if !noise.is_empty() {
            self.gpu.upload(self.layout.noise, noise)?;
        }
        let (tokens, labels) = (packed.tokens(), packed.label_rows.len());
        let like = Like { micro: self.micro, tokens, labels, weight: weight.to_bits() };
        let seen = self.last.take().filter(|(last, _)| *last == like);
        let graph = match seen {
            _ if self.clock.on => None,
            Some((_, Some(graph))) => Some(graph),
            // All kernels and ways to multiply have been used once by now.
            Some((_, None)) => Some(self.gpu.keep(|| self.work(tokens, labels, weight))?),
            None => None,
        };
        match &graph {
            Some(graph) => graph.launch()?,
            None => self.work(tokens, labels, weight)?,
        }
        self.last = Some((like, graph));
        Ok(())
    }

    /// Whether the last micro-batch was replayed.
    #[cfg(test)]
    pub(in crate::engine) fn replays(&self) -> bool {
        self.last.as_ref().is_some_and(|(_, graph)| graph.is_some())
    }

    /// Gives the device the work of the micro-batch whose tokens lie there.
    fn work(&self, tokens: usize, labels: usize, weight: f32) -> Result<()> {
        let (layers, hidden) = (self.config.layers, self.config.hidden_size);
        let arguments = arguments![
            self.weights.embedding,
            self.micro.ids,
            self.layout.inputs[0],
            hidden,
            self.config.embedding_scale,
            self.layout.noise
        ];
        self.gpu.launch(self.kernels.embed, (tokens, 1), ROW_THREADS, 0, arguments)?;
        self.clock.lap(&self.gpu, Phase::Elementwise)?;
        let (inputs, bytes) = (&self.layout.inputs, tokens * hidden * 2);
        let hosts = |give: &dyn Fn(&Hosts) -> Result<()>| self.hosts().map_or(Ok(()), give);
        for layer in 0..layers {
            let (x, out) = (inputs[layer], inputs[layer + 1]);
            let slab = self.layout.slab(layer, layers);
            hosts(&|hosts| hosts.written(layer, x, bytes))?;
            self.ready(layer)?;
            self.forward_front(layer, x, slab, tokens)?;
            hosts(&|hosts| hosts.before_writing(layer + 1))?;
            self.forward_back(layer, slab, out, tokens)?;
        }
        hosts(&|hosts| hosts.written(layers, inputs[layers], bytes))?;
        self.head(labels, tokens, weight)?;
        hosts(&|hosts| hosts.used_up(layers, inputs, bytes))?;
        for layer in (0..layers).rev() {
            let x = inputs[layer];
            let slab = self.layout.slab(layer, layers);
            // The last layer's weights are still there from the forward pass.
            if layer + 1 < layers {
                self.ready(layer)?;
            }
            hosts(&|hosts| hosts.before_reading(layer))?;
            // Also the last layer: the head has worked over what it shared.
            match self.layout.way.again(layer, layers) {
                Again::Nothing => (),
                Again::Gate => self.gate_and_up(layer, slab, tokens)?,
                Again::All => self.forward_front(layer, x, slab, tokens)?,
            }
            self.backward(layer, x, slab, tokens)?;
            hosts(&|hosts| hosts.used_up(layer, inputs, bytes))?;
        }
        Ok(())
    }

    fn hosts(&self) -> Option<&Hosts> {
        self.arena.as_ref()?.hosts.as_ref()
    }

    /// Head and loss of the rows that predict a label; sets `dx`.
    fn head(&self, labels: usize, tokens: usize, weight: f32) -> Result<()> {
        let (layout, config) = (&self.layout, &self.config);
        let (hidden, vocab) = (config.hidden_size, config.vocab_size);
        let (epsilon, pitch) = (config.norm_eps, self.residual_pitch());
        let last = layout.inputs[config.layers];
        let norm = self.weights.final_norm;
        self.gpu.clear(layout.dx, tokens * pitch * 2)?;
        // Even chunks: a short last one would read the whole head for a few rows.
        let chunks = labels.div_ceil(layout.head_rows).max(1);
        let chunk = labels.div_ceil(chunks).max(1);
        for first in (0..labels).step_by(chunk) {
            let count = chunk.min(labels - first);
            let rows = self.micro.label_rows + first as u64 * 4;
            let ids = self.micro.label_ids + first as u64 * 4;
            let (normed, grads) = (layout.head_normed, layout.head_grads);
            let arguments = arguments![last, rows, norm, normed, hidden, epsilon];
            self.gpu.launch(self.kernels.gather_norm, (count, 1), ROW_THREADS, 0, arguments)?;
            let logits = Shape {
                lie: Lie::Turned,
                sizes: [count, vocab, hidden],
                pitches: [hidden, hidden, layout.logit_pitch],
                adds: false,
            };
            self.products.multiply(logits, [normed, self.weights.head, layout.logits], 1.0)?;
            let nats = layout.nats + first as u64 * 4;
            let arguments = arguments![layout.logits, layout.logit_pitch, vocab, ids, nats, weight];
            self.gpu.launch(self.kernels.cross_entropy, (count, 1), LOSS_THREADS, 0, arguments)?;
            let back = Shape {
                lie: Lie::Plain,
                sizes: [count, hidden, vocab],
                pitches: [layout.logit_pitch, hidden, hidden],
                adds: false,
            };
            self.products.multiply(back, [layout.logits, self.weights.head, grads], 1.0)?;
            let arguments = arguments![last, rows, norm, grads, layout.dx, pitch, hidden, epsilon];
            let kernel = self.kernels.scatter_norm_back;
            self.gpu.launch(kernel, (count, 1), ROW_THREADS, 0, arguments)?;
        }
        let arguments = arguments![layout.nats, labels, self.adam.nats()];
        self.gpu.launch(self.kernels.sum_up, (1, 1), 256, 0, arguments)?;
        self.clock.lap(&self.gpu, Phase::Head)
    }

    /// The step's sum of nats and norm of the gradient; waits for all work.
    pub(in crate::engine) fn finish(&self) -> Result<(f64, f64, Phases)> {
        let (nats, norm) = self.adam.sums(&self.kernels)?;
        self.clock.lap(&self.gpu, Phase::Optimizer)?;
        self.gpu.wait()?;
        Ok((nats, norm, self.clock.take(&self.gpu)?))
    }

    /// Updates the adapter; `numbers` are those of [`crate::engine::optimizer`].
    pub(in crate::engine) fn update(
        &self,
        config: &OptimizerConfig,
        numbers: [f32; 4],
    ) -> Result<()> {
        self.adam.update(&self.kernels, config, numbers)
    }

    /// Takes an optimizer's state.
    pub(in crate::engine) fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        self.gpu.enter()?;
        self.adam.restore(state)
    }

    /// Gives the adapter and the optimizer's state to the host.
    pub(in crate::engine) fn fetch(
        &self,
        values: &mut [f32],
        state: &mut OptimizerState,
    ) -> Result<()> {
        self.gpu.enter()?;
        self.adam.fetch(values, state)
    }

    /// The gradients of the last step.
    pub(in crate::engine) fn fetch_gradients(&self, out: &mut [f32]) -> Result<()> {
        self.adam.gradients(out)
    }

    /// Waits for all work.
    pub(in crate::engine) fn wait(&self) -> Result<()> {
        self.gpu.wait()
    }

    /// How a step goes through memory, for micro-batches of so many tokens.
    pub(in crate::engine) fn plan(&self, micro_tokens: usize) -> MemoryPlan {
        let Way { kept, partly, hosted } = self.layout.way;
        MemoryPlan {
            micro_tokens,
            tokens: self.layout.tokens,
            kept_layers: kept,
            partly_kept_layers: partly,
            hosted_inputs: hosted,
            hosted_bytes: self.hosts().map_or(0, Hosts::bytes),
            bytes: self.bytes(),
        }
    }

    /// The first layer whose output is not finite after the last micro-batch of `tokens` tokens.
    pub(in crate::engine) fn bad_layer(&self, tokens: usize) -> Result<Option<usize>> {
        let count = tokens * self.config.hidden_size;
        for layer in 0..self.config.layers {
            let output = layer + 1;
            let copied = self.hosts().map(|hosts| hosts.values(output, count)).transpose()?;
            let values = if let Some(values) = copied.flatten() {
                values
            } else {
                let mut values = vec![bf16::ZERO; count];
                self.gpu.download(self.layout.inputs[output], &mut values)?;
                values
            };
            if values.iter().any(|value| !value.is_finite()) {
                return Ok(Some(layer));
            }
        }
        Ok(None)
    }
}
