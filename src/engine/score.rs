//! Likelihood of given tokens, without gradients: for validation and multiple choice.

use super::base::Base;
use super::block::{self, Context, Kept, Scratch};
use super::cpu::aligned::Aligned;
use super::cpu::team;
use super::effective::Weights;
use super::lora::Adapter;
use super::loss::{self, HeadScratch};
use super::pack::{self, Packed, Row};
use super::rope::Rotaries;
use crate::failure::Result;

/// Tokens that go through the model together.
const MICRO_TOKENS: usize = 1024;

/// How likely a row's label tokens are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RowLoss {
    /// Negative log-likelihood of all label tokens, in nats.
    pub nats: f64,
    /// Label tokens.
    pub tokens: usize,
}

/// Scores each row's label tokens, with the adapter or without.
///
/// # Errors
/// If a row or the adapter does not fit the model.
pub fn row_losses(base: &Base, adapter: Option<&Adapter>, rows: &[Row]) -> Result<Vec<RowLoss>> {
    if let Some(adapter) = adapter {
        adapter.check(base.config())?;
    }
    pack::check(base, rows)?;
    let mut losses = vec![RowLoss::default(); rows.len()];
    let mut forward = Forward::new(base);
    let mut head = HeadScratch::default();
    for packed in pack::pack_nested(rows, MICRO_TOKENS) {
        let x = forward.run(base, adapter, &packed, |_, _, _| {});
        let nats = loss::cross_entropy(base, x, &packed, None, &mut head);
        for (owner, nats) in packed.label_owners.iter().zip(nats) {
            losses[*owner].nats += f64::from(nats);
            losses[*owner].tokens += 1;
        }
    }
    Ok(losses)
}

/// Buffers of forward passes that keep nothing. All runs must be of one base.
#[derive(Debug)]
pub(super) struct Forward {
    rotary: Rotaries,
    weights: Weights,
    kept: Kept,
    scratch: Scratch,
    down_u: Vec<f32>,
    x: Aligned<f32>,
    next: Aligned<f32>,
}

impl Forward {
    pub(super) fn new(base: &Base) -> Self {
        Self {
            rotary: Rotaries::default(),
            weights: Weights::new(base.precision()),
            kept: Kept::default(),
            scratch: Scratch::default(),
            down_u: Vec::new(),
            x: Aligned::default(),
            next: Aligned::default(),
        }
    }

    /// The last block's output `[tokens, hidden]`. `on_layer` sees each layer's rows of rotated
    /// query, key and value, and their pitch.
    pub(super) fn run(
        &mut self,
        base: &Base,
        adapter: Option<&Adapter>,
        packed: &Packed,
        mut on_layer: impl FnMut(usize, &[f32], usize) + Send,
    ) -> &[f32] {
        let config = base.config();
        self.rotary.reach(config, packed.longest());
        let width = packed.tokens() * config.hidden_size;
        base.embed(&packed.ids, self.x.fit(width));
        let context = Context { base, adapter, packed, rotary: &self.rotary };
        let (weights, kept, scratch) = (&mut self.weights, &mut self.kept, &mut self.scratch);
        // On a thread of the pool: it would otherwise sleep and be woken around each product.
        rayon::scope(|_| {
            for layer in 0..config.layers {
                let (x, next) = (&self.x[..width], self.next.fit(width));
                let (on_layer, down_u) = (&mut on_layer, &mut self.down_u);
                team::gather(|| {
                    block::forward_front(context, weights, layer, x, kept, scratch);
                    let (rows, pitch) = kept.qkv(context, scratch);
                    on_layer(layer, rows, pitch);
                    block::forward_back(context, weights, layer, kept, scratch, next, down_u);
                });
                std::mem::swap(&mut self.x, &mut self.next);
            }
        });
        &self.x[..width]
    }
}
