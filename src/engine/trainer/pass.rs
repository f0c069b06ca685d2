//! Forward and backward of micro-batches: of one, or of all of a step, layer by layer.
//!
//! In the usual order each micro-batch goes through all layers and back, so that activations of one are in
//! memory, and the weights of a layer are decoded for each. Layer by layer all micro-batches pass through a
//! layer before the next has its turn: activations of all are in memory, and weights are decoded once.
//! Whatever is summed over micro-batches is summed in their order either way, so the bits are the same.

use super::Trainer;
use crate::engine::block::{self, Context, Kept, fit};
use crate::engine::loss;
use crate::engine::pack::Packed;
use crate::engine::phases::{Phase, Watch};
use crate::failure::Result;

/// A micro-batch of a pass: its index, itself, and its first token among those of the pass.
fn places(packs: &[Packed]) -> impl DoubleEndedIterator<Item = (usize, &Packed, usize)> {
    let start = |index: usize| packs[..index].iter().map(Packed::tokens).sum();
    packs.iter().enumerate().map(move |(index, packed)| (index, packed, start(index)))
}

impl Trainer<'_> {
    /// Forward and backward of some micro-batches, whose tokens are those of the step from `first_token`
    /// on; adds to the gradients and gives the sum of nats.
    pub(super) fn pass(
        &mut self,
        packs: &[Packed],
        first_token: usize,
        weight: f32,
    ) -> Result<f64> {
        let config = self.base.config();
        let (layers, hidden) = (config.layers, config.hidden_size);
        let tokens: usize = packs.iter().map(Packed::tokens).sum();
        let width = tokens * hidden;
        self.rotary.reach(config, packs.iter().map(Packed::longest).max().unwrap_or(0));
        // Layers from here on keep what their backward pass needs: it starts with the last.
        let most = if packs.len() > 1 { tokens } else { tokens.max(self.micro_tokens) };
        let bytes = self.kept_bytes(most).max(1);
        let first_kept = layers - (self.memory / bytes).min(self.kept_layers).min(layers);
        for (layer, kept) in self.kept.iter_mut().enumerate() {
            let again = layer < first_kept;
            if again {
                kept.clear();
            } else if kept.len() < packs.len() {
                kept.resize_with(if layer < layers { packs.len() } else { 1 }, Kept::default);
            }
        }
        for down_u in &mut self.down_u {
            if down_u.len() < packs.len() {
                down_u.resize_with(packs.len(), Vec::new);
            }
        }
        let slot = |layer: usize, index: usize| {
            if layer < first_kept { (layers, 0) } else { (layer, index) }
        };
        let (rotary, adapter) = (&self.rotary, &self.adapter);
        let context = |packed| Context { base: self.base, adapter: Some(adapter), packed, rotary };
        let (weights, scratch) = (&mut self.weights, &mut self.scratch);
        weights.hold(packs.len() > 1);
        let (dropout, step) = (self.dropout, self.state.step);
        let masks = |start: usize| dropout.masks(step, first_token + start);
        let range =
            |packed: &Packed, start: usize| start * hidden..(start + packed.tokens()) * hidden;

        let embedded = fit(&mut self.inputs[0], width);
        for (_, packed, start) in places(packs) {
            let place = &mut embedded[range(packed, start)];
            self.base.embed(&packed.ids, place);
            self.noise.add(packed, step, first_token + start, place);
        }
        for layer in 0..layers {
            let (before, after) = self.inputs.split_at_mut(layer + 1);
            let (x, out) = (&before[layer][..width], fit(&mut after[0], width));
            for (index, packed, start) in places(packs) {
                weights.set_masks(masks(start));
                let (context, place) = (context(packed), range(packed, start));
                let (x, out) = (&x[place.clone()], &mut out[place]);
                let (at, kept) = slot(layer, index);
                let kept = &mut self.kept[at][kept];
                block::forward_front(context, weights, layer, x, kept, scratch);
                let down_u = &mut self.down_u[layer][index];
                block::forward_back(context, weights, layer, kept, scratch, out, down_u);
            }
        }

        let dx = fit(&mut self.dx, width);
        let last = &self.inputs[layers][..width];
        let mut sum = 0.0;
        let mut watch = Watch::start();
        for (_, packed, start) in places(packs) {
            let place = range(packed, start);
            let (last, back) = (&last[place.clone()], Some((&mut dx[place], weight)));
            let nats = loss::cross_entropy(self.base, last, packed, back, &mut self.head);
            sum += nats.iter().map(|x| f64::from(*x)).sum::<f64>();
        }
        self.phases.lap(&mut watch, Phase::Head);
        if !sum.is_finite() {
            return Err(self.bad_activation(width));
        }

        let layer_len = self.adapter.layer_len();
        for layer in (0..layers).rev() {
            let x = &self.inputs[layer][..width];
            let grads = &mut self.grads[layer * layer_len..(layer + 1) * layer_len];
            for (index, packed, start) in places(packs) {
                weights.set_masks(masks(start));
                self.gradients.set_masks(masks(start));
                let (context, place) = (context(packed), range(packed, start));
                let (x, dx) = (&x[place.clone()], &mut dx[place]);
                let (at, kept) = slot(layer, index);
                let kept = &mut self.kept[at][kept];
                if layer < first_kept {
                    block::forward_front(context, weights, layer, x, kept, scratch);
                }
                let kept = (kept, &self.down_u[layer][index][..]);
                let buffers = (&mut *weights, &mut self.gradients);
                block::backward(context, buffers, layer, x, kept, dx, grads, scratch);
            }
        }
        Ok(sum)
    }
}
