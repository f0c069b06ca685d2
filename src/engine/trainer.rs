//! Training steps: forward and backward over packed micro-batches, clipping, AdamW.

use std::time::Instant;

use half::bf16;

use super::attention::Heads;
use super::base::{Base, Group, Precision};
use super::block::{self, Context, Kept, Scratch};
use super::cpu::aligned::Aligned;
use super::cpu::team;
use super::cuda::{Device, Session};
use super::dropout::Dropout;
use super::effective::{self, Weights};
use super::gradient::GradientBuffers;
use super::lora::Adapter;
use super::loss::{self, HeadScratch};
use super::noise::Noise;
use super::optimizer::{self, OptimizerConfig, OptimizerState};
use super::pack::{self, Packed, Row};
use super::phases::{Phase, Phases, Watch};
use super::plan::MemoryPlan;
use super::rope::Rotaries;
use crate::failure::{Failure, Result};

/// Bytes that activations may take unless told otherwise.
const MEMORY: usize = 4 << 30;

/// What one optimizer step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Mean loss over the step's label tokens, nats.
    pub loss: f32,
    /// Label tokens.
    pub label_tokens: usize,
    /// The rows.
    pub rows: usize,
    /// All their tokens.
    pub tokens: usize,
    /// Tokens that went through the model: those that predict a label or come before one, and
    /// shared beginnings once.
    pub computed_tokens: usize,
    /// Gradient norm before clipping.
    pub gradient_norm: f32,
    /// Where the time went.
    pub phases: Phases,
}

/// Trains an adapter on a frozen base.
///
/// A step's result depends on the rows, the state and the machine's number formats only, so a run
/// that was stopped and restored goes on to the same bits.
///
/// Memory: for each token of a micro-batch and each layer, the layer's input (4 bytes times the
/// hidden size) and, as far as [`Self::with_memory`] allows, what its backward pass needs (for
/// SmolLM2-135M about 23 KB; 0.7 MB a token for all layers). Layers beyond that are computed again
/// in the backward pass, with the same result to the bit.
#[derive(Debug)]
pub struct Trainer<'a> {
    base: &'a Base,
    adapter: Adapter,
    config: OptimizerConfig,
    micro_tokens: usize,
    memory: usize,
    kept_layers: usize,
    share: bool,
    noise: Noise,
    dropout: Dropout,
    state: OptimizerState,
    grads: Vec<f32>,
    rotary: Rotaries,
    weights: Weights,
    gradients: GradientBuffers,
    /// Inputs of the layers, then the output of the last.
    inputs: Vec<Aligned<f32>>,
    down_u: Vec<Vec<f32>>,
    /// One a layer, then one for all layers that are computed again.
    kept: Vec<Kept>,
    dx: Aligned<f32>,
    scratch: Scratch,
    head: HeadScratch,
    phases: Phases,
    /// Does the work of micro-batches and the optimizer in place of all the buffers above.
    session: Option<Box<Session>>,
    /// Bytes that may be taken on its device.
    device_memory: usize,
    /// Tokens it is laid out for before the first step, where that is known.
    device_tokens: usize,
}

impl<'a> Trainer<'a> {
    /// Starts from an adapter. Rows go through the model in micro-batches of at most
    /// `micro_tokens` tokens; a longer row goes alone.
    pub fn new(
        base: &'a Base,
        adapter: Adapter,
        config: OptimizerConfig,
        micro_tokens: usize,
    ) -> Self {
        let layers = base.config().layers;
        let mut kept = Vec::new();
        kept.resize_with(layers + 1, Kept::default);
        Self {
            base,
            config,
            micro_tokens,
            memory: MEMORY,
            kept_layers: layers,
            share: true,
            noise: Noise::default(),
            dropout: Dropout::default(),
            state: OptimizerState::of(&adapter, config.eight_bit),
            grads: vec![0.0; adapter.parameter_count()],
            adapter,
            rotary: Rotaries::default(),
            weights: Weights::new(base.precision()),
            gradients: GradientBuffers::new(base.precision()),
            inputs: (0..=layers).map(|_| Aligned::default()).collect(),
            down_u: vec![Vec::new(); layers],
            kept,
            dx: Aligned::default(),
            scratch: Scratch::default(),
            head: HeadScratch::default(),
            phases: Phases::default(),
            session: None,
            device_memory: usize::MAX,
            device_tokens: 0,
        }
    }

    /// Trains on a GPU: base and adapter are copied there, micro-batches and the optimizer work there.
    /// At most `memory` bytes of it are taken, base included; layers keep as much as fits. What the
    /// other settings say holds on.
    ///
    /// # Errors
    /// If the model is nothing for the GPU, or what is needed to work on it is missing.
    pub fn on_cuda(mut self, device: &Device, memory: usize) -> Result<Self> {
        self.adapter.check(self.base.config())?;
        let extras = (self.dropout, self.noise.alpha > 0.0);
        let session = Session::new(device, self.base, &self.adapter, &self.state, extras)?;
        self.session = Some(Box::new(session));
        self.grads = Vec::new();
        self.device_memory = memory;
        Ok(self)
    }

    /// Sets whether steps on a GPU tell where their time went, which costs some of it.
    pub fn set_timing(&mut self, on: bool) {
        if let Some(session) = &mut self.session {
            session.set_timing(on);
        }
    }

    /// What multiplies large matrices.
    pub fn kernel(&self) -> &'static str {
        self.session
            .as_ref()
            .map_or_else(|| super::cpu::kernel().name(), |session| session.products())
    }

    /// Bytes held on the GPU; none without.
    pub fn device_bytes(&self) -> Option<usize> {
        self.session.as_ref().map(|session| session.bytes())
    }

    /// Lays out on the GPU that of `sizes`, in tokens that go through the model at once and most first, with which steps
    /// are quickest in its memory; without a GPU nothing is done. `largest` tells the tokens of the largest micro-batch
    /// for a size.
    ///
    /// # Errors
    /// When none fits: the last one's.
    pub fn lay_out(
        &mut self,
        sizes: &[usize],
        largest: &mut dyn FnMut(usize) -> usize,
    ) -> Result<MemoryPlan> {
        let mut failure = Failure::defect("no sizes to lay out");
        let (kept, limit) = (self.kept_layers, self.device_memory);
        let Some(session) = &mut self.session else { return Err(failure) };
        let mut best: Option<(f64, usize, usize)> = None;
        for size in sizes {
            let tokens = largest(*size);
            match session.fit(tokens, kept, limit) {
                Ok(fit) => {
                    if best.is_none_or(|(cost, ..)| fit.cost < cost) {
                        best = Some((fit.cost, *size, tokens));
                    }
                    // Fewer tokens at once could only be slower.
                    if fit.keeps_all {
                        break;
                    }
                }
                Err(error) => failure = error,
            }
        }
        let (_, size, tokens) = best.ok_or(failure)?;
        session.reserve(tokens, kept, limit)?;
        (self.micro_tokens, self.device_tokens) = (size, tokens);
        Ok(session.plan(size))
    }

    /// Waits until a GPU has done all it was given.
    ///
    /// # Errors
    /// If the GPU fails.
    pub fn wait(&self) -> Result<()> {
        self.session.as_ref().map_or(Ok(()), |session| session.wait())
    }

    /// Brings adapter and optimizer state here from the GPU; without one they are here.
    ///
    /// # Errors
    /// If the GPU fails.
    pub fn fetch(&mut self) -> Result<()> {
        let Some(session) = &self.session else { return Ok(()) };
        session.fetch(self.adapter.values_mut(), &mut self.state)
    }

    /// Sets how many bytes activations may take. What does not fit is computed again; results stay
    /// the same.
    #[must_use]
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Sets how many layers keep what their backward pass needs, at most (see [`super::plan()`]).
    #[must_use]
    pub fn with_kept_layers(mut self, layers: usize) -> Self {
        (self.kept_layers, self.memory) = (layers, usize::MAX);
        self
    }

    /// Sets whether tokens that rows begin with in common are computed once (they are unless told
    /// otherwise). Gradients are the same but for rounding.
    #[must_use]
    pub fn with_sharing(mut self, share: bool) -> Self {
        self.share = share;
        self
    }

    /// Adds NEFTune noise to the embeddings of training rows; 0 adds none.
    ///
    /// The noise of a step depends on the seed and the step only, so that resumed runs have the same.
    #[must_use]
    pub fn with_noise(mut self, alpha: f32, seed: u64) -> Self {
        self.noise = Noise { alpha, seed };
        self
    }

    /// Loses a share of what the adapter reads (LoRA dropout); 0 loses nothing.
    ///
    /// What is lost depends on the seed, the step and the place only, so that resumed runs and layers
    /// that are computed again lose the same.
    #[must_use]
    pub fn with_dropout(mut self, share: f32, seed: u64) -> Self {
        self.dropout = Dropout { share, seed };
        self
    }

    /// The adapter as it is now; on a GPU, as it was when last fetched.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Ends training.
    pub fn into_adapter(self) -> Adapter {
        self.adapter
    }

    /// What the optimizer remembers; with the adapter, all that a checkpoint needs. On a GPU, as it was
    /// when last fetched.
    pub fn state(&self) -> OptimizerState {
        self.state.clone()
    }

    /// Goes on from a checkpoint. The adapter of the checkpoint is given to [`Self::new`].
    ///
    /// # Errors
    /// If the state belongs to an adapter of another size, or has values that are not finite.
    pub fn restore(&mut self, state: OptimizerState) -> Result<()> {
        state.check(&self.adapter, self.config.eight_bit)?;
        if let Some(session) = &mut self.session {
            session.restore(&state)?;
        }
        self.state = state;
        Ok(())
    }

    /// Does one optimizer step on `rows`: the loss is the mean over all their label tokens.
    ///
    /// # Errors
    /// If a row does not fit the model, no row has a label, or the loss or a gradient is not
    /// finite (the message names the layer). The adapter and the optimizer are then unchanged.
    pub fn step(&mut self, rows: &[Row], learning_rate: f32) -> Result<StepReport> {
        let mut report = self.accumulate(rows)?;
        if !learning_rate.is_finite() {
            return Err(Failure::defect("the learning rate is not finite"));
        }
        let mut watch = Watch::start();
        let norm = f64::from(report.gradient_norm);
        let factor = optimizer::clip_factor(norm, self.config.clip_norm);
        if let Some(session) = &self.session {
            let numbers = self.state.begin(&self.config, learning_rate, factor);
            session.update(&self.config, numbers)?;
        } else {
            let values = self.adapter.values_mut();
            self.state.update(&self.config, learning_rate, values, &self.grads, factor);
        }
        report.phases.lap(&mut watch, Phase::Optimizer);
        Ok(report)
    }

    /// Fills `grads` with the gradient of the mean loss.
    pub(super) fn accumulate(&mut self, rows: &[Row]) -> Result<StepReport> {
        self.adapter.check(self.base.config())?;
        pack::check(self.base, rows)?;
        let label_tokens: usize = rows.iter().map(Row::label_count).sum();
        if label_tokens == 0 {
            return Err(Failure::user("none of the rows has a token to be trained on")
                .hint("Check that the answers are marked as such."));
        }
        let started = Instant::now();
        self.phases = Phases::default();
        self.grads.fill(0.0);
        let (mut nats, mut computed_tokens) = (0.0, 0);
        let weight = 1.0 / label_tokens as f32;
        let packs = pack::pack(rows, self.micro_tokens, self.share);
        if let Some(session) = &mut self.session {
            let tokens = packs.iter().map(Packed::tokens).max().unwrap_or_default();
            let known = if self.device_tokens > 0 { self.device_tokens } else { self.micro_tokens };
            let tokens = tokens.max(known);
            session.reserve(tokens, self.kept_layers, self.device_memory)?;
            session.begin()?;
        }
        for packed in &packs {
            nats += self.micro_batch(packed, computed_tokens, weight)?;
            computed_tokens += packed.tokens();
        }
        let (norm, phases) = if let Some(session) = &self.session {
            let (sum, norm, phases) = session.finish()?;
            nats = sum;
            if !nats.is_finite() {
                let last = packs.last().map_or(0, Packed::tokens);
                let bad = session.bad_layer(last)?;
                return Err(not_finite(&bad_loss(bad, self.base.config().layers)));
            }
            if !norm.is_finite() {
                self.grads.resize(self.adapter.parameter_count(), 0.0);
                session.fetch_gradients(&mut self.grads)?;
            }
            (norm, phases)
        } else {
            let mut phases = self.phases.take();
            phases.add(&self.weights.take_phases());
            phases.add(&self.scratch.phases.take());
            phases.rest(started.elapsed(), Phase::Elementwise);
            (optimizer::norm(&self.grads), phases)
        };
        if !norm.is_finite() {
            return Err(self.bad_gradient());
        }
        Ok(StepReport {
            phases,
            loss: (nats / label_tokens as f64) as f32,
            label_tokens,
            computed_tokens,
            rows: rows.len(),
            tokens: rows.iter().map(|row| row.ids.len()).sum(),
            gradient_norm: norm as f32,
        })
    }

    /// The gradient of the last [`Self::accumulate`].
    #[cfg(test)]
    pub(super) fn gradient(&self) -> &[f32] {
        &self.grads
    }

    /// Whether the last micro-batch on a GPU was replayed.
    #[cfg(test)]
    pub(super) fn replays(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.replays())
    }

    /// The same from a GPU.
    #[cfg(test)]
    pub(super) fn device_gradient(&self) -> Vec<f32> {
        let mut grads = vec![0.0; self.adapter.parameter_count()];
        self.session.as_ref().unwrap().fetch_gradients(&mut grads).unwrap();
        grads
    }

    /// Bytes of activations and buffers held, without weights and the head.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        let inputs = self.inputs.iter().map(|buffer| buffer.len());
        let inputs = inputs.chain(self.down_u.iter().map(Vec::len)).map(|len| len * 4);
        let kept: usize = self.kept.iter().map(Kept::held).sum();
        (kept, inputs.sum::<usize>() + self.dx.len() * 4 + self.scratch.held())
    }

    /// Bytes that one layer keeps for a micro-batch.
    fn kept_bytes(&self, tokens: usize) -> usize {
        Kept::bytes(self.base, Some(&self.adapter)) * tokens
    }

    /// Forward and backward of one micro-batch, whose tokens are those of the step from `first_token` on;
    /// gives its sum of nats.
    fn micro_batch(&mut self, packed: &Packed, first_token: usize, weight: f32) -> Result<f64> {
        let (config, tokens) = (self.base.config(), packed.tokens());
        let (layers, width) = (config.layers, tokens * config.hidden_size);
        self.rotary.reach(config, packed.longest());
        let masks = self.dropout.masks(self.state.step, first_token);
        if let Some(session) = &mut self.session {
            let mut noise = Vec::new();
            if self.noise.alpha > 0.0 {
                let mut drawn = vec![0.0; width];
                self.noise.add(packed, self.state.step, first_token, &mut drawn);
                noise.extend(drawn.into_iter().map(bf16::from_f32));
            }
            // Its sum of nats comes at the end of the step.
            session.micro_batch(packed, &self.rotary, weight, (masks, &noise))?;
            return Ok(0.0);
        }
        // Layers from here on keep what their backward pass needs: it starts with the last.
        let bytes = self.kept_bytes(tokens.max(self.micro_tokens)).max(1);
        let first_kept = layers - (self.memory / bytes).min(self.kept_layers).min(layers);
        for kept in &mut self.kept[..first_kept] {
            *kept = Kept::default();
        }
        self.weights.set_masks(masks);
        self.gradients.set_masks(masks);
        let slot = |layer: usize| if layer < first_kept { layers } else { layer };
        let context =
            Context { base: self.base, adapter: Some(&self.adapter), packed, rotary: &self.rotary };
        let (weights, scratch) = (&mut self.weights, &mut self.scratch);

        // On a thread of the pool: it would otherwise sleep and be woken around each product.
        let nats = rayon::scope(|_| {
            self.base.embed(&packed.ids, self.inputs[0].fit(width));
            self.noise.add(packed, self.state.step, first_token, &mut self.inputs[0][..width]);
            for layer in 0..layers {
                let (before, after) = self.inputs.split_at_mut(layer + 1);
                let (x, out) = (&before[layer][..width], after[0].fit(width));
                let (kept, down_u) = (&mut self.kept[slot(layer)], &mut self.down_u[layer]);
                team::gather(|| {
                    block::forward_front(context, weights, layer, x, kept, scratch);
                    block::forward_back(context, weights, layer, kept, scratch, out, down_u);
                });
            }

            let dx = self.dx.fit(width);
            let last = &self.inputs[layers][..width];
            let back = Some((&mut *dx, weight));
            let mut watch = Watch::start();
            let nats =
                team::gather(|| loss::cross_entropy(self.base, last, packed, back, &mut self.head));
            self.phases.lap(&mut watch, Phase::Head);
            nats.iter().map(|x| f64::from(*x)).sum::<f64>()
        });
        if !nats.is_finite() {
            return Err(self.bad_activation(width));
        }

        let layer_len = self.adapter.layer_len();
        rayon::scope(|_| {
            for layer in (0..layers).rev() {
                let x = &self.inputs[layer][..width];
                let kept = &mut self.kept[slot(layer)];
                let grads = &mut self.grads[layer * layer_len..(layer + 1) * layer_len];
                let (gradients, dx) = (&mut self.gradients, &mut self.dx[..width]);
                let down_u = &self.down_u[layer][..];
                team::gather(|| {
                    if layer < first_kept {
                        block::forward_front(context, weights, layer, x, kept, scratch);
                    }
                    let (kept, buffers) = ((kept, down_u), (&mut *weights, gradients));
                    block::backward(context, buffers, layer, x, kept, dx, grads, scratch);
                });
            }
        });
        Ok(nats)
    }

    fn bad_activation(&self, width: usize) -> Failure {
        let finite = |x: &[f32]| x.iter().all(|x| x.is_finite());
        let layers = self.base.config().layers;
        let bad = (0..layers).find(|layer| !finite(&self.inputs[layer + 1][..width]));
        not_finite(&bad_loss(bad, layers))
    }

    fn bad_gradient(&self) -> Failure {
        // Gradients flow from the last layer to the first, so the last bad one is where it began.
        let layers = self.base.config().layers;
        let layer_len = self.adapter.layer_len().max(1);
        let bad = self.grads.iter().rposition(|x| !x.is_finite());
        let place = place(bad.map_or(0, |at| at / layer_len), layers);
        not_finite(&format!("the gradient is not finite in {place}"))
    }
}

fn place(layer: usize, layers: usize) -> String {
    format!("layer {} of {layers}", layer + 1)
}

fn bad_loss(bad: Option<usize>, layers: usize) -> String {
    let place = bad.map_or_else(|| "the output head".to_owned(), |layer| place(layer, layers));
    format!("the loss is not finite from {place} on")
}

fn not_finite(what: &str) -> Failure {
    Failure::user(what).hint("Lower the learning rate, or start again from the last checkpoint.")
}

/// Bytes of buffers that all layers share, and of the down projection's `u` of each, a token.
pub(super) fn buffer_bytes(base: &Base, adapter: &Adapter) -> usize {
    let config = base.config();
    let columns = |group: Group| effective::columns(Some(adapter), group);
    let all: usize = Group::ALL.iter().map(|group| columns(*group)).sum();
    let (hidden, query) = (config.hidden_size, config.query_size());
    let qkv = query + 2 * config.kv_size();
    // Norms of heads have rows of their own, and a norm after a projection keeps its input.
    let turned = if config.architecture.has_head_norms() { qkv } else { 0 };
    let post = block::post_width(base);
    // The last layer's output, its gradient, the norm's output and a product's; the gradient of
    // attention, what it works in, and that of query, key and value.
    let attention = Heads::new(config, 0, base.precision()).scratch(1);
    let buffers = 4 * hidden + query + attention + qkv + 2 * all + turned + post;
    // What is kept rounded is worked on in f32.
    let working = match base.precision() {
        Precision::F32 => 0,
        Precision::Bf16 => qkv + query + all,
    };
    (buffers + working + (columns(Group::Down) + post) * config.layers) * 4
        + (config.ffn_size + columns(Group::Down)) * base.precision().bytes()
}
