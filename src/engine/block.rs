//! One decoder block, forward and backward, over packed tokens.
//!
//! What a block keeps for its backward pass, in f32 values a token (`H` hidden, `Q` query, `K` key
//! width, `F` feed-forward width, `c` adapter columns of a group): its input `H`, query, key and
//! value `Q + 2K + c`, attention output `Q`, middle of the residual stream `H`, gate and up
//! `2F + c`, and a few more: about 23 KB a token for SmolLM2-135M.
//!
//! Families differ by what the configuration says, layer by layer: heads are normalized or not (their
//! query and key are then kept as projected, and normalized again for the backward pass), what
//! attention and the feed-forward layer give is normalized before it is added (and then kept, `H` each)
//! or not, a layer has a window and a rotation of its own or not.

use rayon::prelude::*;

use super::attention::{self, Heads, Projected};
use super::base::{Base, Group};
use super::cpu::aligned::Aligned;
use super::cpu::team::{self, Together as _};
use super::cpu::values::Values;
use super::effective::{self, Place, Weights};
use super::gate;
use super::gradient::{Flows, GradientBuffers};
use super::heads::HeadNorms;
use super::lora::Adapter;
use super::norm;
use super::pack::Packed;
use super::phases::{Phase, Phases, Watch};
use super::rope::Rotaries;
use super::stored::{Rounded, Stored};

/// What a pass works on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) base: &'a Base,
    pub(super) adapter: Option<&'a Adapter>,
    pub(super) packed: &'a Packed,
    pub(super) rotary: &'a Rotaries,
}

/// What the backward pass of a block needs besides its input and the down
/// projection's `u`.
#[derive(Debug, Default)]
pub(super) struct Kept {
    attention_inverse: Vec<f32>,
    /// `[tokens, Q + 2K + c]`: rotated query and key (raw where heads are normalized), value, `u`.
    qkv: Stored,
    mixed: Stored,
    log_sums: Vec<f32>,
    /// `[tokens, c]`: `u`; `[tokens, H + c]` with the output before it where that is normalized.
    output_u: Vec<f32>,
    middle: Vec<f32>,
    ffn_inverse: Vec<f32>,
    /// `[tokens, 2F + c]`: gate, up, `u`.
    gate: Rounded,
}

impl<'a> Context<'a> {
    fn place(self, layer: usize, group: Group) -> Place<'a> {
        Place { base: self.base, adapter: self.adapter, layer, group }
    }
}

impl Kept {
    /// Bytes a token.
    pub(super) fn bytes(base: &Base, adapter: Option<&Adapter>) -> usize {
        let config = base.config();
        let columns: usize = [Group::Attention, Group::Output, Group::Ffn]
            .iter()
            .map(|group| effective::columns(adapter, *group))
            .sum();
        let stored = 2 * config.query_size() + 2 * config.kv_size() + 2 * config.ffn_size;
        let values = config.hidden_size + config.heads + 2 + post_width(base);
        (stored + columns) * base.precision().bytes() + (values + columns) * 4
    }

    /// Rotated query and key, value of all tokens, and their pitch, after the forward pass.
    pub(super) fn qkv<'a>(
        &'a self,
        context: Context<'_>,
        scratch: &'a Scratch,
    ) -> (&'a [f32], usize) {
        let width = qkv_width(context);
        if context.base.config().architecture.has_head_norms() {
            return (&scratch.turned[..context.packed.tokens() * width], width);
        }
        let pitch = width + effective::columns(context.adapter, Group::Attention);
        let len = context.packed.tokens() * pitch;
        (self.qkv.fresh(len, context.base.precision(), &scratch.qkv), pitch)
    }
}

/// Buffers that all blocks share.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    normed: Aligned<f32>,
    wide: Aligned<f32>,
    hidden: Rounded,
    mixed_grad: Aligned<f32>,
    attention: Aligned<f32>,
    qkv_grad: Aligned<f32>,
    /// What is kept rounded, while it is worked on.
    qkv: Aligned<f32>,
    mixed: Aligned<f32>,
    /// Query and key normalized and rotated, value.
    turned: Aligned<f32>,
    /// Gradient of what attention or the feed-forward layer gives, before its norm.
    post_grad: Aligned<f32>,
    pub(super) phases: Phases,
}

#[cfg(test)]
impl Kept {
    /// Bytes held.
    pub(super) fn held(&self) -> usize {
        let vectors = [
            &self.attention_inverse,
            &self.log_sums,
            &self.output_u,
            &self.middle,
            &self.ffn_inverse,
        ];
        let stored = [&self.qkv, &self.mixed];
        vectors.iter().map(|buffer| buffer.len() * 4).sum::<usize>()
            + stored.iter().map(|stored| stored.held()).sum::<usize>()
            + self.gate.held()
    }
}

#[cfg(test)]
impl Scratch {
    /// Bytes held.
    pub(super) fn held(&self) -> usize {
        let all = [
            &self.normed,
            &self.wide,
            &self.mixed_grad,
            &self.attention,
            &self.qkv_grad,
            &self.qkv,
            &self.mixed,
            &self.turned,
            &self.post_grad,
        ];
        all.iter().map(|buffer| buffer.len() * 4).sum::<usize>() + self.hidden.held()
    }
}

fn qkv_width(context: Context<'_>) -> usize {
    let config = context.base.config();
    config.query_size() + 2 * config.kv_size()
}

/// Columns of an output that are kept before its norm, where it has one.
pub(super) fn post_width(base: &Base) -> usize {
    let config = base.config();
    if config.architecture.has_post_norms() { config.hidden_size } else { 0 }
}

/// Copies the columns from `first` on out of rows `pitch` wide, on the current pool: they lie in the caches of the
/// threads that computed them.
fn take_columns(rows: &[f32], pitch: usize, first: usize, out: &mut Vec<f32>) {
    /// Rows of a task.
    const ROWS: usize = 64;
    let columns = pitch - first;
    out.resize(rows.len() / pitch * columns, 0.0);
    let parts = out.par_chunks_mut((ROWS * columns).max(1)).zip(rows.par_chunks(ROWS * pitch));
    parts.together(|(to, from)| {
        for (to, row) in to.chunks_exact_mut(columns).zip(from.chunks_exact(pitch)) {
            to.copy_from_slice(&row[first..]);
        }
    });
}

/// The block up to gate and up; fills `kept`.
pub(super) fn forward_front(
    context: Context<'_>,
    weights: &mut Weights,
    layer: usize,
    x: &[f32],
    kept: &mut Kept,
    scratch: &mut Scratch,
) {
    let Context { base, packed, rotary, .. } = context;
    let (config, parameters) = (base.config(), base.layer(layer));
    let (tokens, hidden) = (packed.tokens(), config.hidden_size);
    let normed = scratch.normed.fit(tokens * hidden);
    kept.attention_inverse.resize(tokens, 0.0);
    let inverse = &mut kept.attention_inverse;
    norm::forward(x, &parameters.attention_norm, config.norm_eps, normed, inverse);

    let place = context.place(layer, Group::Attention);
    let pitch = place.outputs() + place.columns();
    let precision = base.precision();
    let qkv = kept.qkv.space(tokens * pitch, precision, &mut scratch.qkv);
    weights.project(place, (&*normed).into(), tokens, (&mut *qkv).into());
    let turned = config.heads + config.kv_heads;
    let bias = parameters.bias.as_deref();
    let rotary = rotary.layer(config, layer);
    let rows = if let Some(norms) = &parameters.head_norms {
        let out = scratch.turned.fit(tokens * qkv_width(context));
        HeadNorms::new(config, norms).forward((&*qkv, pitch), (rotary, &packed.positions), out);
        Projected { rows: out, pitch: qkv_width(context) }
    } else {
        rotary.forward((&mut *qkv, pitch), bias, turned, &packed.positions);
        Projected { rows: qkv, pitch }
    };

    let mixed_len = tokens * config.query_size();
    let mixed = kept.mixed.space(mixed_len, precision, &mut scratch.mixed);
    kept.log_sums.resize(tokens * config.heads, 0.0);
    let mut watch = Watch::start();
    attention::forward(
        Heads::new(config, layer, base.precision()),
        rows,
        &packed.segments,
        mixed,
        &mut kept.log_sums,
    );
    scratch.phases.lap(&mut watch, Phase::Attention);
    let qkv_len = tokens * pitch;

    let place = context.place(layer, Group::Output);
    let pitch = place.outputs() + place.columns();
    let out = scratch.wide.fit(tokens * pitch);
    weights.project(place, (&*mixed).into(), tokens, (&mut *out).into());
    take_columns(out, pitch, place.outputs() - post_width(base), &mut kept.output_u);
    if let Some([norm, _]) = &parameters.post_norms {
        norm::in_place((&mut *out, pitch), norm, config.norm_eps);
    }
    kept.middle.resize(tokens * hidden, 0.0);
    kept.ffn_inverse.resize(tokens, 0.0);
    norm::add_forward(
        x,
        (out, pitch),
        &parameters.ffn_norm,
        config.norm_eps,
        &mut kept.middle,
        normed,
        &mut kept.ffn_inverse,
    );

    let place = context.place(layer, Group::Ffn);
    let pitch = place.outputs() + place.columns();
    let gate = kept.gate.space(tokens * pitch, precision);
    weights.project(place, (&*normed).into(), tokens, gate);
    team::both(
        || kept.qkv.keep(qkv_len, precision, &scratch.qkv),
        || kept.mixed.keep(mixed_len, precision, &scratch.mixed),
    );
}

/// The rest of the block: its output into `out`, and the down projection's `u` into `down_u`, with the
/// projection's output before it where that is normalized.
pub(super) fn forward_back(
    context: Context<'_>,
    weights: &mut Weights,
    layer: usize,
    kept: &Kept,
    scratch: &mut Scratch,
    out: &mut [f32],
    down_u: &mut Vec<f32>,
) {
    let Context { base, adapter, packed, .. } = context;
    let config = base.config();
    let tokens = packed.tokens();
    let pitch = 2 * config.ffn_size + effective::columns(adapter, Group::Ffn);
    let (precision, inner) = (base.precision(), tokens * config.ffn_size);
    let both = kept.gate.values(tokens * pitch, precision);
    let hidden = scratch.hidden.space(inner, precision);
    gate::forward(config.architecture.activation(), (both, pitch), hidden, config.ffn_size);
    let place = context.place(layer, Group::Down);
    let pitch = place.outputs() + place.columns();
    let down = scratch.wide.fit(tokens * pitch);
    let hidden = scratch.hidden.values(inner, precision);
    weights.project(place, hidden, tokens, (&mut *down).into());
    take_columns(down, pitch, place.outputs() - post_width(base), down_u);
    if let Some([_, norm]) = &base.layer(layer).post_norms {
        norm::in_place((&mut *down, pitch), norm, config.norm_eps);
    }
    norm::add(&kept.middle, (down, pitch), config.hidden_size, out);
}

/// Takes `dx`, the gradient at the block's output, to the gradient at its input, and adds the
/// adapter's gradients of this layer to `grads`. Uses up `kept`.
#[expect(clippy::too_many_arguments, reason = "each is a distinct part of the state of a pass")]
pub(super) fn backward(
    context: Context<'_>,
    (weights, gradients): (&mut Weights, &mut GradientBuffers),
    layer: usize,
    x: &[f32],
    (kept, down_u): (&mut Kept, &[f32]),
    dx: &mut [f32],
    grads: &mut [f32],
    scratch: &mut Scratch,
) {
    let Context { base, adapter, packed, rotary } = context;
    let (config, parameters) = (base.config(), base.layer(layer));
    let (tokens, hidden) = (packed.tokens(), config.hidden_size);
    let normed = scratch.normed.fit(tokens * hidden);

    // What is normalized before it is added has a gradient of its own, others have `dx`.
    let post = post_width(base);
    let through_post = |kept: &[f32], columns: usize, index: usize, dx: &[f32], out: &mut [f32]| {
        if let Some(norms) = &parameters.post_norms {
            let rows = (kept, hidden + columns);
            norm::backward_alone(rows, &norms[index], config.norm_eps, dx, out);
        }
    };

    // Down, then the gate: `inner` holds dh, then h; `kept.gate` holds de and dg.
    let place = context.place(layer, Group::Down);
    let post_grad = scratch.post_grad.fit(tokens * post);
    through_post(down_u, place.columns(), 1, dx, post_grad);
    let dy: &[f32] = if post > 0 { post_grad } else { dx };
    let inner_pitch = place.inputs() + place.columns();
    let precision = base.precision();
    let inner = scratch.hidden.space(tokens * inner_pitch, precision);
    weights.project_back(place, (dy.into(), hidden), tokens, inner);
    let gate_pitch = 2 * config.ffn_size + effective::columns(adapter, Group::Ffn);
    let width = config.ffn_size;
    let both = kept.gate.space(tokens * gate_pitch, precision);
    let inner = scratch.hidden.space(tokens * inner_pitch, precision);
    let activation = config.architecture.activation();
    gate::backward(activation, (both, gate_pitch), (inner, inner_pitch), width);
    let both = kept.gate.values(tokens * gate_pitch, precision);
    let inner = scratch.hidden.values(tokens * inner_pitch, precision);
    let flows = Flows {
        x: (inner, inner_pitch),
        v: (inner.tail(width), inner_pitch),
        dy: (dy.into(), hidden),
        u: (Values::from(down_u).tail(post), post + place.columns()),
    };
    gradients.add(context.place(layer, Group::Down), tokens, &flows, grads, &mut scratch.phases);

    // Gate and up, then their norm.
    let place = context.place(layer, Group::Ffn);
    let pitch = place.inputs() + place.columns();
    let out = scratch.wide.fit(tokens * pitch);
    weights.project_back(place, (both, gate_pitch), tokens, (&mut *out).into());
    let before = (&kept.middle[..], &kept.ffn_inverse[..]);
    norm::backward(before, &parameters.ffn_norm, (out, pitch), dx, normed);
    let flows = Flows {
        x: ((&*normed).into(), hidden),
        v: (Values::from(&*out).tail(hidden), pitch),
        dy: (both, gate_pitch),
        u: (both.tail(2 * width), gate_pitch),
    };
    gradients.add(context.place(layer, Group::Ffn), tokens, &flows, grads, &mut scratch.phases);

    // Attention output.
    let place = context.place(layer, Group::Output);
    let pitch = place.inputs() + place.columns();
    let dmixed = scratch.mixed_grad.fit(tokens * pitch);
    let post_grad = scratch.post_grad.fit(tokens * post);
    through_post(&kept.output_u, place.columns(), 0, dx, post_grad);
    let dy: &[f32] = if post > 0 { post_grad } else { dx };
    weights.project_back(place, (dy.into(), hidden), tokens, (&mut *dmixed).into());
    let mixed = &*kept.mixed.open(precision, &mut scratch.mixed);
    let flows = Flows {
        x: (mixed.into(), place.inputs()),
        v: (Values::from(&*dmixed).tail(place.inputs()), pitch),
        dy: (dy.into(), hidden),
        u: (Values::from(&kept.output_u[..]).tail(post), post + place.columns()),
    };
    gradients.add(context.place(layer, Group::Output), tokens, &flows, grads, &mut scratch.phases);

    // Attention.
    let heads = Heads::new(config, layer, base.precision());
    let rotary = rotary.layer(config, layer);
    let norms = parameters.head_norms.as_ref().map(|norms| HeadNorms::new(config, norms));
    let qkv_width = qkv_width(context);
    let dqkv = scratch.qkv_grad.fit(tokens * qkv_width);
    let qkv_pitch = qkv_width + effective::columns(adapter, Group::Attention);
    let qkv = &*kept.qkv.open(precision, &mut scratch.qkv);
    let mut rows = Projected { rows: qkv, pitch: qkv_pitch };
    if let Some(norms) = norms {
        let out = scratch.turned.fit(tokens * qkv_width);
        norms.forward((qkv, qkv_pitch), (rotary, &packed.positions), out);
        rows = Projected { rows: out, pitch: qkv_width };
    }
    let mut watch = Watch::start();
    attention::backward(
        heads,
        rows,
        attention::Kept { out: mixed, log_sums: &kept.log_sums },
        (dmixed, pitch),
        &packed.segments,
        (rotary, &packed.positions),
        scratch.attention.fit(heads.scratch(tokens)),
        dqkv,
    );
    scratch.phases.lap(&mut watch, Phase::Attention);
    if let Some(norms) = norms {
        norms.backward((qkv, qkv_pitch), dqkv);
    }

    // Query, key and value, then their norm.
    let place = context.place(layer, Group::Attention);
    let pitch = place.inputs() + place.columns();
    let out = scratch.wide.fit(tokens * pitch);
    let before = (x, &kept.attention_inverse[..]);
    if layer > 0 {
        let dy = (Values::from(&*dqkv), qkv_width);
        weights.project_back(place, dy, tokens, (&mut *out).into());
        norm::backward(before, &parameters.attention_norm, (out, pitch), dx, normed);
    } else if place.columns() > 0 {
        // Nobody asks for the gradient of the embeddings: only the adapter's part.
        norm::again(before, &parameters.attention_norm, normed);
        weights.side_back(place, ((&*dqkv).into(), qkv_width), tokens, out);
    }
    let flows = Flows {
        x: ((&*normed).into(), hidden),
        v: (Values::from(&*out).tail(hidden), pitch),
        dy: ((&*dqkv).into(), qkv_width),
        u: (Values::from(qkv).tail(qkv_width), qkv_pitch),
    };
    gradients.add(
        context.place(layer, Group::Attention),
        tokens,
        &flows,
        grads,
        &mut scratch.phases,
    );
}
