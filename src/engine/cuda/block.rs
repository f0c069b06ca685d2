//! One decoder block on the device, forward and backward: the steps of [`crate::engine::block`] with
//! kernels in their places.

use super::driver::arguments;
use super::layout::Slab;
use super::products::{Lie, Shape};
use super::session::Session;
use super::way::Again;
use super::weights::{LayerVectors, Operand};
use crate::engine::base::Group;
use crate::engine::dropout;
use crate::engine::effective::Part;
use crate::engine::phases::Phase;
use crate::failure::Result;
use crate::model::Activation;

/// Threads of a kernel that works on rows.
pub(super) const ROW_THREADS: usize = 256;
/// `log2(e)`: exponentials are to base 2 on the device.
pub(super) const LOG2_E: f32 = std::f32::consts::LOG2_E;

/// Rows of bf16 values on the device: where they lie, and from one to the next.
type Rows = (u64, usize);

fn after(at: u64, columns: usize) -> u64 {
    at + columns as u64 * 2
}

impl Session {
    fn operand(&self, group: Group) -> &Operand {
        &self.weights.operands[group as usize]
    }

    pub(super) fn norm_pitch(&self, group: Group) -> usize {
        self.operand(group).pitch()
    }

    /// Decodes a layer's projections and puts the adapter beside them.
    pub(super) fn ready(&self, layer: usize) -> Result<()> {
        let (parts, sides) = (self.weights.parts[layer], self.weights.sides);
        let map = self.weights.map;
        let arguments = arguments![parts.at, parts.count, map];
        self.gpu.launch(self.kernels.decode, (parts.blocks, 1), 256, 0, arguments)?;
        let values = self.values + (layer * self.layer_len * 4) as u64;
        let arguments = arguments![sides.at, sides.count, values, 0usize];
        self.gpu.launch(self.kernels.fold, (sides.blocks, 1), 256, 0, arguments)?;
        self.clock.lap(&self.gpu, Phase::Decode)
    }

    /// `out = mask x` for what a part of the adapter reads, or with `adds` `out += mask x`; a row is `width`
    /// values.
    fn mask(
        &self,
        (layer, part): (usize, &Part),
        (x, x_pitch): Rows,
        (out, out_pitch): Rows,
        (tokens, width): (usize, usize),
        adds: bool,
    ) -> Result<()> {
        let (limit, scale) = self.masks.unwrap_or((0, 1.0));
        let place = dropout::number(layer, part.slot.target);
        let draw = self.micro.draw;
        let adds = u32::from(adds);
        let arguments =
            arguments![x, x_pitch, out, out_pitch, width, draw, place, limit, scale, adds];
        self.gpu.launch(self.kernels.mask_rows, (tokens, 1), ROW_THREADS, 0, arguments)
    }

    /// `u = x A^T` behind the columns of `x`. With dropout each part reads an `x` of its own.
    fn side(&self, layer: usize, group: Group, x: u64, tokens: usize) -> Result<()> {
        let operand = self.operand(group);
        let Operand { inputs, side, .. } = *operand;
        let pitch = operand.pitch();
        if self.masks.is_some() {
            let masked = (self.layout.masked, inputs);
            for (index, part) in operand.parts.iter().enumerate() {
                self.mask((layer, part), (x, pitch), masked, (tokens, inputs), false)?;
                // The last one takes the zeros behind the columns along.
                let last = index + 1 == operand.parts.len();
                let columns = if last { side - part.column } else { self.rank };
                let shape = Shape {
                    lie: Lie::Turned,
                    sizes: [tokens, columns, inputs],
                    pitches: [inputs, pitch, pitch],
                    adds: false,
                };
                let a = after(operand.at, (operand.outputs + part.column) * pitch);
                let out = after(x, inputs + part.column);
                self.products.multiply(shape, [masked.0, a, out], 1.0)?;
            }
            return Ok(());
        }
        let below = after(operand.at, operand.outputs * pitch);
        let shape = Shape {
            lie: Lie::Turned,
            sizes: [tokens, side, inputs],
            pitches: [pitch, pitch, pitch],
            adds: false,
        };
        self.products.multiply(shape, [x, below, after(x, inputs)], 1.0)
    }

    /// `x W^T + s u B^T` for rows `x` with room for `u` behind them.
    fn project(
        &self,
        (layer, group): (usize, Group),
        x: u64,
        tokens: usize,
        (out, out_pitch): Rows,
    ) -> Result<()> {
        self.side(layer, group, x, tokens)?;
        let operand = self.operand(group);
        let pitch = operand.pitch();
        let shape = Shape {
            lie: Lie::Turned,
            sizes: [tokens, operand.outputs, pitch],
            pitches: [pitch, pitch, out_pitch],
            adds: false,
        };
        self.products.multiply(shape, [x, operand.at, out], 1.0)?;
        self.clock.lap(&self.gpu, Phase::Product)
    }

    /// `v = s dy B` behind the columns of `dy`, and with `out` `dx = dy W + v A`; with dropout
    /// `dx = dy W + mask (v A)`, one part after the other.
    fn project_back(
        &self,
        (layer, group): (usize, Group),
        (dy, dy_pitch): Rows,
        tokens: usize,
        out: Option<Rows>,
    ) -> Result<()> {
        let operand = self.operand(group);
        let Operand { inputs, outputs, side, .. } = *operand;
        let pitch = operand.pitch();
        let right = after(operand.at, inputs);
        let shape = Shape {
            lie: Lie::Plain,
            sizes: [tokens, side, outputs],
            pitches: [dy_pitch, pitch, dy_pitch],
            adds: false,
        };
        self.products.multiply(shape, [dy, right, after(dy, outputs)], 1.0)?;
        if let Some((out, out_pitch)) = out {
            let folded = if self.masks.is_some() { 0 } else { side };
            let shape = Shape {
                lie: Lie::Plain,
                sizes: [tokens, inputs, outputs + folded],
                pitches: [dy_pitch, pitch, out_pitch],
                adds: false,
            };
            self.products.multiply(shape, [dy, operand.at, out], 1.0)?;
            for part in operand.parts.iter().filter(|_| self.masks.is_some()) {
                let masked = (self.layout.masked, inputs);
                let shape = Shape {
                    lie: Lie::Plain,
                    sizes: [tokens, inputs, self.rank],
                    pitches: [dy_pitch, pitch, inputs],
                    adds: false,
                };
                let v = after(dy, outputs + part.column);
                let a = after(operand.at, (outputs + part.column) * pitch);
                self.products.multiply(shape, [v, a, masked.0], 1.0)?;
                self.mask((layer, part), masked, (out, out_pitch), (tokens, inputs), true)?;
            }
        }
        self.clock.lap(&self.gpu, Phase::Product)
    }

    /// `dA += v^T x` and `dB += s dy^T u` of a layer.
    fn gradients(
        &self,
        (layer, group): (usize, Group),
        (x, x_pitch): Rows,
        (dy, dy_pitch): Rows,
        tokens: usize,
    ) -> Result<()> {
        let operand = self.operand(group);
        let Operand { inputs, outputs, columns, .. } = *operand;
        let Some(first) = operand.parts.first() else { return Ok(()) };
        let grads = self.grads + (layer * self.layer_len * 4) as u64;
        // The As of a group lie side by side, so they are one matrix; with dropout each has its own `x`.
        let whole = |columns: usize, x_pitch: usize| Shape {
            lie: Lie::Deep,
            sizes: [columns, inputs, tokens],
            pitches: [dy_pitch, x_pitch, inputs],
            adds: true,
        };
        if self.masks.is_none() {
            let out = grads + (first.slot.a * 4) as u64;
            let shape = whole(columns, x_pitch);
            self.products.multiply(shape, [after(dy, outputs), x, out], 1.0)?;
        }
        for part in &operand.parts {
            if self.masks.is_some() {
                let masked = (self.layout.masked, inputs);
                self.mask((layer, part), (x, x_pitch), masked, (tokens, inputs), false)?;
                let v = after(dy, outputs + part.column);
                let out = grads + (part.slot.a * 4) as u64;
                self.products.multiply(whole(self.rank, inputs), [v, masked.0, out], 1.0)?;
            }
            let shape = Shape {
                lie: Lie::Deep,
                sizes: [part.slot.outputs, self.rank, tokens],
                pitches: [dy_pitch, x_pitch, self.rank],
                adds: true,
            };
            let (dy, u) = (after(dy, part.output), after(x, inputs + part.column));
            let out = grads + (part.slot.b * 4) as u64;
            self.products.multiply(shape, [dy, u, out], self.scale)?;
        }
        self.clock.lap(&self.gpu, Phase::Adapter)
    }

    /// `out = x + y` (`y` normalized before by `post`), and `out` normalized.
    fn add_norm(
        &self,
        x: u64,
        y: Option<(Rows, u64)>,
        out: u64,
        norm: Option<(u64, Rows)>,
        tokens: usize,
    ) -> Result<()> {
        let ((y, y_pitch), post) = y.unwrap_or(((0, 0), 0));
        let (weight, (normed, normed_pitch)) = norm.unwrap_or((0, (0, 0)));
        let width = self.config.hidden_size;
        let epsilon = self.config.norm_eps;
        let arguments =
            arguments![x, y, y_pitch, post, out, weight, normed, normed_pitch, width, epsilon];
        self.gpu.launch(self.kernels.add_norm, (tokens, 1), ROW_THREADS, 0, arguments)?;
        self.clock.lap(&self.gpu, Phase::Elementwise)
    }

    /// The gradient through a norm, added to `dx` or with `alone` set there.
    fn norm_back(
        &self,
        x: u64,
        weight: u64,
        (dn, dn_pitch): Rows,
        (dx, dx_pitch): Rows,
        alone: bool,
        tokens: usize,
    ) -> Result<()> {
        let width = self.config.hidden_size;
        let epsilon = self.config.norm_eps;
        let arguments = arguments![
            x,
            width,
            weight,
            dn,
            dn_pitch,
            dx,
            dx_pitch,
            width,
            epsilon,
            u32::from(alone)
        ];
        self.gpu.launch(self.kernels.norm_back, (tokens, 1), ROW_THREADS, 0, arguments)?;
        self.clock.lap(&self.gpu, Phase::Elementwise)
    }

    pub(super) fn vectors(&self, layer: usize) -> LayerVectors {
        self.weights.vectors[layer]
    }

    pub(super) fn qkv_width(&self) -> usize {
        self.config.query_size() + 2 * self.config.kv_size()
    }

    /// The block up to gate and up; fills the slab.
    pub(super) fn forward_front(
        &self,
        layer: usize,
        x: u64,
        slab: Slab,
        tokens: usize,
    ) -> Result<()> {
        let at = self.vectors(layer);
        let normed = (slab.normed, self.norm_pitch(Group::Attention));
        self.add_norm(x, None, 0, Some((at.attention_norm, normed)), tokens)?;
        let width = self.qkv_width();
        self.project((layer, Group::Attention), slab.normed, tokens, (slab.qkv, width))?;
        self.turn_heads(layer, slab, tokens)?;
        self.attend(layer, slab, tokens)?;
        let hidden = self.config.hidden_size;
        let output = if at.post_attention == 0 { self.layout.wide } else { slab.output };
        self.project((layer, Group::Output), slab.mixed, tokens, (output, hidden))?;
        let normed = (slab.ffn_normed, self.norm_pitch(Group::Ffn));
        let y = Some(((output, hidden), at.post_attention));
        self.add_norm(x, y, slab.middle, Some((at.ffn_norm, normed)), tokens)?;
        self.gate_and_up(layer, slab, tokens)
    }

    /// Gate and up, of what is normalized before them.
    pub(super) fn gate_and_up(&self, layer: usize, slab: Slab, tokens: usize) -> Result<()> {
        let gate = (slab.gate, 2 * self.config.ffn_size + self.operand(Group::Ffn).side);
        self.project((layer, Group::Ffn), slab.ffn_normed, tokens, gate)
    }

    /// The rest of the block: its output.
    pub(super) fn forward_back(
        &self,
        layer: usize,
        slab: Slab,
        out: u64,
        tokens: usize,
    ) -> Result<()> {
        let (at, hidden) = (self.vectors(layer), self.config.hidden_size);
        self.gate(self.kernels.gate_forward, slab, tokens)?;
        let down = if at.post_ffn == 0 { self.layout.wide } else { self.layout.downs[layer] };
        self.project((layer, Group::Down), self.layout.hidden, tokens, (down, hidden))?;
        if self.layout.way.again(layer, self.config.layers) != Again::All {
            let (beside, pitch, side) = self.down_side();
            self.copy_columns((beside, pitch), (slab.down_side, side), side, tokens)?;
        }
        let y = Some(((down, hidden), at.post_ffn));
        self.add_norm(slab.middle, y, out, None, tokens)
    }

    /// What lies beside the down projection's input: where, from one row to the next, and how many columns.
    fn down_side(&self) -> (u64, usize, usize) {
        let operand = self.operand(Group::Down);
        (after(self.layout.hidden, operand.inputs), operand.pitch(), operand.side)
    }

    fn copy_columns(
        &self,
        (from, from_pitch): Rows,
        (to, to_pitch): Rows,
        columns: usize,
        tokens: usize,
    ) -> Result<()> {
        let eights = columns / 8;
        let arguments = arguments![from, from_pitch, to, to_pitch, eights, tokens];
        let grid = ((tokens * eights).div_ceil(ROW_THREADS), 1);
        self.gpu.launch(self.kernels.copy_columns, grid, ROW_THREADS, 0, arguments)
    }

    fn gate(&self, kernel: super::driver::Kernel<6>, slab: Slab, tokens: usize) -> Result<()> {
        let width = self.config.ffn_size;
        let gelu = u32::from(self.config.architecture.activation() == Activation::Gelu);
        let pitch = 2 * width + self.operand(Group::Ffn).side;
        let hidden_pitch = self.norm_pitch(Group::Down);
        let grid = ((width / 8).div_ceil(128), tokens);
        let arguments = arguments![slab.gate, pitch, self.layout.hidden, hidden_pitch, width, gelu];
        self.gpu.launch(kernel, grid, 128, 0, arguments)?;
        self.clock.lap(&self.gpu, Phase::Elementwise)
    }

    /// Bias, norms of heads and rotation.
    fn turn_heads(&self, layer: usize, slab: Slab, tokens: usize) -> Result<()> {
        let (at, width, config) = (self.vectors(layer), self.qkv_width(), &self.config);
        let arguments = arguments![
            slab.qkv,
            width,
            slab.turned,
            width,
            at.bias,
            at.query_norm,
            at.key_norm,
            self.turns(layer),
            self.micro.positions,
            config.heads,
            config.kv_heads,
            config.head_dim,
            config.norm_eps
        ];
        self.gpu.launch(self.kernels.heads_forward, (tokens, 1), ROW_THREADS, 0, arguments)?;
        self.clock.lap(&self.gpu, Phase::Elementwise)
    }

    pub(super) fn turns(&self, layer: usize) -> u64 {
        let own = self.config.windows.as_ref().and_then(|windows| windows.rope_base).is_some();
        self.layout.turns[usize::from(own && self.config.window(layer).is_some())]
    }

    pub(super) fn norm_pitch_of_grad(&self) -> usize {
        self.qkv_width() + self.operand(Group::Attention).side
    }

    /// Takes the gradient at the block's output to that at its input, in place in `dx`, and adds the
    /// adapter's gradients. Uses up the slab.
    pub(super) fn backward(&self, layer: usize, x: u64, slab: Slab, tokens: usize) -> Result<()> {
        let (at, layout, hidden) = (self.vectors(layer), &self.layout, self.config.hidden_size);
        let dx = (layout.dx, self.residual_pitch());
        // What is normalized before it is added has a gradient of its own, others have `dx`.
        let through = |kept: u64, weight: u64| -> Result<Rows> {
            if weight == 0 {
                return Ok(dx);
            }
            let post = (layout.post, dx.1);
            self.norm_back(kept, weight, dx, post, true, tokens)?;
            Ok(post)
        };

        // Down, then the gate: `hidden` holds dh, then h; the slab's gate de and dg.
        let dy = through(layout.downs[layer], at.post_ffn)?;
        let inner = (layout.hidden, self.norm_pitch(Group::Down));
        self.project_back((layer, Group::Down), dy, tokens, Some(inner))?;
        self.gate(self.kernels.gate_back, slab, tokens)?;
        if layout.way.again(layer, self.config.layers) == Again::All {
            self.side(layer, Group::Down, layout.hidden, tokens)?;
        } else {
            let (beside, pitch, side) = self.down_side();
            self.copy_columns((slab.down_side, side), (beside, pitch), side, tokens)?;
        }
        self.gradients((layer, Group::Down), inner, dy, tokens)?;

        // Gate and up, then their norm.
        let gate = (slab.gate, 2 * self.config.ffn_size + self.operand(Group::Ffn).side);
        let wide = (layout.wide, hidden);
        self.project_back((layer, Group::Ffn), gate, tokens, Some(wide))?;
        let normed = (slab.ffn_normed, self.norm_pitch(Group::Ffn));
        self.gradients((layer, Group::Ffn), normed, gate, tokens)?;
        self.norm_back(slab.middle, at.ffn_norm, wide, dx, false, tokens)?;

        // Attention output.
        let dy = through(slab.output, at.post_attention)?;
        let mixed_grad = (layout.mixed_grad, self.config.query_size());
        self.project_back((layer, Group::Output), dy, tokens, Some(mixed_grad))?;
        let mixed = (slab.mixed, self.norm_pitch(Group::Output));
        self.gradients((layer, Group::Output), mixed, dy, tokens)?;

        // Attention; nobody asks for the gradient of the embeddings.
        self.attend_back(layer, slab, tokens)?;
        let dqkv = (layout.qkv_grad, self.norm_pitch_of_grad());
        self.project_back((layer, Group::Attention), dqkv, tokens, (layer > 0).then_some(wide))?;
        let normed = (slab.normed, self.norm_pitch(Group::Attention));
        self.gradients((layer, Group::Attention), normed, dqkv, tokens)?;
        if layer > 0 {
            self.norm_back(x, at.attention_norm, wide, dx, false, tokens)?;
        }
        Ok(())
    }
}
