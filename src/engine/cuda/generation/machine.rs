//! The model on the device as generation uses it: weights, places, and what is kept of each sequence.

use std::collections::HashMap;
use std::sync::Arc;

use super::few::{self, FewGroup};
use super::places::{Places, Sizes, piece};
use crate::engine::base::{Base, Group};
use crate::engine::cuda::compile::Kind;
use crate::engine::cuda::device::Device;
use crate::engine::cuda::driver::{Bump, Gpu, Graph, Kernel, Memory, Module};
use crate::engine::cuda::kernels::{Find, Kernels};
use crate::engine::cuda::products::Products;
use crate::engine::cuda::weights::{self, DeviceWeights, Operand};
use crate::engine::lora::Adapter;
use crate::engine::rope::Rotaries;
use crate::failure::{Failure, Result};
use crate::model::DecoderConfig;

/// Bytes left free for the driver and others.
const SPARE: usize = 128 << 20;

/// Kernels of one token further.
pub(in crate::engine::cuda) struct StepKernels {
    pub(super) plain: Kernel<15>,
    pub(super) added: Kernel<15>,
    pub(super) gated: Kernel<15>,
    pub(super) head: Kernel<9>,
    pub(super) side: Kernel<10>,
    pub(super) attend: Kernel<21>,
    pub(super) keep: Kernel<8>,
    pub(super) likeliest: Kernel<11>,
}

/// A base, an adapter and all that generation works in, on one device.
pub(super) struct Machine {
    pub(super) gpu: Arc<Gpu>,
    pub(super) kernels: Kernels,
    pub(super) steps: StepKernels,
    pub(super) products: Products,
    pub(super) weights: DeviceWeights,
    pub(super) config: DecoderConfig,
    /// The adapter in f32, layer after layer.
    values: Option<Memory>,
    pub(super) layer_len: usize,
    pub(super) rank: usize,
    pub(super) scale: f32,
    pub(super) few: [FewGroup; 4],
    /// Tokens up to which the kernels for few can read this model; 0 where they cannot.
    pub(super) few_max: usize,
    tables: Memory,
    pub(super) places: Places,
    arena: Option<Memory>,
    kept: Option<Memory>,
    /// Slots that are kept, one that nobody uses besides.
    pub(super) slots: usize,
    /// Work of a step that was kept, by rows and by whether the adapter is on for any; none where it was
    /// done once.
    pub(super) graphs: HashMap<(usize, bool), Option<Graph>>,
    /// Keeps the kernels loaded.
    _modules: [Arc<Module>; 3],
}

impl Machine {
    /// Puts a base and an adapter on the device; with `resident`, projections are decoded once and stay.
    pub(super) fn new(
        device: &Device,
        base: &Base,
        adapter: Option<&Adapter>,
        resident: bool,
    ) -> Result<Self> {
        weights::check(base)?;
        let config = base.config().clone();
        let (gpu, dim) = (device.gpu(), config.head_dim);
        gpu.enter()?;
        let passes = device.module(Kind::Passes { dim })?;
        let few_kernels = device.module(Kind::Few)?;
        let one = device.module(Kind::One { dim, piece: piece(&config) })?;
        let decoded = if resident { config.layers } else { 1 };
        let weights = DeviceWeights::upload(gpu, base, adapter, decoded)?;
        let values = adapter
            .map(|adapter| {
                let memory = Memory::new(gpu, size_of_val(adapter.values()))?;
                gpu.upload(memory.at, adapter.values())?;
                Ok::<_, Failure>(memory)
            })
            .transpose()?;
        let (few, tables) = few::groups(gpu, &weights.operands)?;
        let few_max = few::most(base, gpu.shared_max);
        let machine = Self {
            kernels: Kernels::new(&*passes, dim)?,
            steps: StepKernels::new(&*few_kernels, &*one, few::shared_most(&config, few_max))?,
            products: Products::new(device)?,
            weights,
            values,
            layer_len: adapter.map_or(0, Adapter::layer_len),
            rank: adapter.map_or(0, |adapter| adapter.config().rank),
            scale: adapter.map_or(0.0, |adapter| adapter.config().scale()),
            few,
            few_max,
            tables,
            places: Places::default(),
            arena: None,
            kept: None,
            slots: 0,
            graphs: HashMap::new(),
            config,
            gpu: Arc::clone(gpu),
            _modules: [passes, few_kernels, one],
        };
        if resident {
            for layer in 0..machine.config.layers {
                machine.decode(layer)?;
            }
        }
        machine.gpu.wait()?;
        Ok(machine)
    }

    pub(super) fn operand(&self, group: Group) -> &Operand {
        &self.weights.operands[group as usize]
    }

    /// Where a layer's operand lies.
    pub(super) fn operand_at(&self, layer: usize, group: Group) -> u64 {
        self.operand(group).at + (layer * self.weights.stride) as u64
    }

    /// Where a layer's values of the adapter lie; 0 without one.
    pub(super) fn values(&self, layer: usize) -> u64 {
        self.values.as_ref().map_or(0, |memory| memory.at + (layer * self.layer_len * 4) as u64)
    }

    /// Where keys and values of a layer are kept.
    pub(super) fn kept(&self, layer: usize) -> [u64; 2] {
        let at = self.kept.as_ref().map_or(0, |memory| memory.at);
        let bytes = (self.slots + 1) * self.config.kv_size() * self.places.sizes.capacity * 2;
        [0, 1].map(|which| at + ((2 * layer + which) * bytes) as u64)
    }

    /// Bytes of the device that this holds.
    pub(super) fn bytes(&self) -> usize {
        let own = [&self.values, &self.arena, &self.kept];
        let own: usize = own.into_iter().flatten().map(|memory| memory.bytes).sum();
        self.weights.memory.bytes + self.tables.bytes + self.products.bytes() + own
    }

    /// Lays everything out for work of such sizes, where it does not lie so yet; gives how many sequences
    /// can be kept, as many as `sizes` has rows or as there is room for.
    pub(super) fn reserve(
        &mut self,
        sizes: Sizes,
        limit: usize,
        rotary: &mut Rotaries,
    ) -> Result<usize> {
        self.gpu.enter()?;
        if self.arena.is_some() && self.places.sizes.hold(&sizes) {
            return Ok(self.slots.min(sizes.rows));
        }
        let sizes = self.places.sizes.with(&sizes);
        self.graphs.clear();
        (self.arena, self.kept) = (None, None);
        let (operands, config) = (&self.weights.operands, &self.config);
        let mut bump = Bump::default();
        Places::new(config, operands, sizes, &mut bump);
        let slot = 2 * config.layers * config.kv_size() * sizes.capacity * 2;
        let room = limit.saturating_sub(self.bytes()).min(self.gpu.free()?.saturating_sub(SPARE));
        let slots = (room.saturating_sub(bump.used()) / slot).saturating_sub(1).min(sizes.rows);
        if slots == 0 {
            let mib = |bytes: usize| bytes.div_ceil(1 << 20);
            return Err(Failure::user(format!(
                "generating after {} tokens takes {} MiB of the GPU's memory beside the model, and there is room for {}",
                sizes.capacity,
                mib(bump.used() + 2 * slot),
                mib(room)
            ))
            .hint("Shorter prompts or answers need less; `--device cpu` generates in the memory of the machine."));
        }
        let arena = Memory::new(&self.gpu, bump.used())?;
        self.places = Places::new(config, operands, sizes, &mut Bump::at(arena.at));
        // What nothing has written yet must at least be numbers, and nobody has arrived.
        self.gpu.clear(arena.at, arena.bytes)?;
        self.kept = Some(Memory::new(&self.gpu, slot * (slots + 1))?);
        (self.arena, self.slots) = (Some(arena), slots);
        rotary.reach(config, sizes.capacity);
        for (at, table) in self.places.turns.into_iter().zip(rotary.tables()) {
            let Some(table) = table else { continue };
            let len = (sizes.capacity * config.head_dim).min(table.len());
            self.gpu.upload(at, &table[..len])?;
        }
        Ok(slots)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.gpu.enter();
    }
}

impl StepKernels {
    /// The kernels; those for few tokens may ask for so many bytes of shared memory.
    pub(in crate::engine::cuda) fn new(
        few: &impl Find,
        one: &impl Find,
        shared: usize,
    ) -> Result<Self> {
        Ok(Self {
            plain: few.kernel("few_plain", shared)?,
            added: few.kernel("few_added", shared)?,
            gated: few.kernel("few_gated", shared)?,
            head: few.kernel("few_head", shared)?,
            side: few.kernel("side", 0)?,
            attend: one.kernel("attend_one", 0)?,
            keep: one.kernel("keep", 0)?,
            likeliest: one.kernel("likeliest", 0)?,
        })
    }
}
