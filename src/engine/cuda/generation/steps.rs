//! The work of reading prompts and of going one token further.

use super::machine::Machine;
use super::places::{BURST, LOGIT_PARTS, splits};
use crate::engine::base::Group;
use crate::engine::cuda::driver::arguments;
use crate::engine::cuda::products::{Lie, Shape};
use crate::engine::cuda::tiles;
use crate::engine::cuda::weights::Operand;
use crate::engine::pack::Packed;
use crate::failure::{Failure, Result};
use crate::model::Activation;

/// Tokens of a block of the adapter's own product.
const SIDE_TOKENS: usize = 8;
const ROW_THREADS: usize = 256;
/// `log2(e)`: exponentials are to base 2 on the device.
const LOG2_E: f32 = std::f32::consts::LOG2_E;

/// Rows of bf16 values on the device: where they lie, and from one to the next.
pub(super) type Rows = (u64, usize);

fn after(at: u64, columns: usize) -> u64 {
    at + columns as u64 * 2
}

/// For whom the adapter is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tuned {
    Nobody,
    All,
    /// By the array of the state.
    Some,
}

/// Where the tokens lie that are read.
#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    ids: u64,
    positions: u64,
    ends: u64,
    /// Of layers that see all, and of those with a window: starts and tiles.
    lists: [[u64; 2]; 2],
    entries: u64,
    entry_count: usize,
    label_rows: u64,
}

impl Machine {
    /// Decodes a layer's projections and puts the adapter beside them.
    pub(super) fn decode(&self, layer: usize) -> Result<()> {
        let (parts, sides) = (self.weights.parts[layer], self.weights.sides);
        let arguments = arguments![parts.at, parts.count, self.weights.map];
        self.gpu.launch(self.kernels.decode, (parts.blocks, 1), 256, 0, arguments)?;
        let shift = layer * self.weights.stride;
        let arguments = arguments![sides.at, sides.count, self.values(layer), shift];
        self.gpu.launch(self.kernels.fold, (sides.blocks, 1), 256, 0, arguments)
    }

    /// Makes sure that a layer's projections are decoded.
    fn ready(&self, layer: usize) -> Result<()> {
        if self.weights.stride == 0 { self.decode(layer) } else { Ok(()) }
    }

    fn embed(&self, ids: u64, tokens: usize) -> Result<()> {
        let (config, embedding) = (&self.config, self.weights.embedding);
        let (x, width, scale) = (self.places.x, config.hidden_size, config.embedding_scale);
        let noise = 0u64;
        let arguments = arguments![embedding, ids, x, width, scale, noise];
        self.gpu.launch(self.kernels.embed, (tokens, 1), ROW_THREADS, 0, arguments)
    }

    /// Adds `y` to the residual (normalized before by the weights at `.1`, if there are any), then
    /// normalizes the residual into the rows told.
    pub(super) fn add_norm(
        &self,
        y: Option<(u64, u64)>,
        norm: Option<(u64, Rows)>,
        tokens: usize,
    ) -> Result<()> {
        let (config, x) = (&self.config, self.places.x);
        let width = config.hidden_size;
        let (y, post) = y.unwrap_or((0, 0));
        let (weight, (normed, pitch)) = norm.unwrap_or((0, (0, 0)));
        let arguments =
            arguments![x, y, width, post, x, weight, normed, pitch, width, config.norm_eps];
        self.gpu.launch(self.kernels.add_norm, (tokens, 1), ROW_THREADS, 0, arguments)
    }

    /// `u = x A^T` of rows of the state, 0 where the adapter is off; with `norm`, `x` is normalized before.
    pub(super) fn side(
        &self,
        (layer, group): (usize, Group),
        (x, x_pitch): Rows,
        norm: u64,
        (u, u_pitch): Rows,
        rows: usize,
    ) -> Result<()> {
        let operand = self.operand(group);
        let Some(first) = operand.parts.first() else { return Ok(()) };
        let a = self.values(layer) + (first.slot.a * 4) as u64;
        let [.., on] = self.places.state();
        let (width, epsilon) = (operand.inputs, self.config.norm_eps);
        let arguments = arguments![x, x_pitch, norm, width, epsilon, a, u, u_pitch, on, rows];
        let grid = (operand.columns, rows.div_ceil(SIDE_TOKENS));
        let threads = 32 * rows.min(SIDE_TOKENS);
        self.gpu.launch_early(self.steps.side, grid, threads, 0, arguments)
    }

    /// `x W^T + s u B^T` for rows `x` with room for `u` behind them.
    fn project(
        &self,
        (layer, group): (usize, Group),
        x: u64,
        tuned: Tuned,
        tokens: usize,
        (out, out_pitch): Rows,
    ) -> Result<()> {
        let operand = self.operand(group);
        let at = self.operand_at(layer, group);
        let Operand { inputs, outputs, side, .. } = *operand;
        let pitch = operand.pitch();
        match tuned {
            Tuned::All if side > 0 => {
                let shape = Shape {
                    lie: Lie::Turned,
                    sizes: [tokens, side, inputs],
                    pitches: [pitch, pitch, pitch],
                    adds: false,
                };
                let below = after(at, outputs * pitch);
                self.products.multiply(shape, [x, below, after(x, inputs)], 1.0)?;
            }
            Tuned::Some => {
                let u = (after(x, inputs), pitch);
                self.side((layer, group), (x, pitch), 0, u, tokens)?;
            }
            _ => (),
        }
        let depth = if tuned == Tuned::Nobody { inputs } else { pitch };
        let shape = Shape {
            lie: Lie::Turned,
            sizes: [tokens, outputs, depth],
            pitches: [pitch, pitch, out_pitch],
            adds: false,
        };
        self.products.multiply(shape, [x, at, out], 1.0)
    }

    fn turns(&self, layer: usize) -> u64 {
        let own = self.config.windows.as_ref().and_then(|windows| windows.rope_base).is_some();
        self.places.turns[usize::from(own && self.config.window(layer).is_some())]
    }

    pub(super) fn qkv_width(&self) -> usize {
        self.config.query_size() + 2 * self.config.kv_size()
    }

    /// A block by products of many tokens; `attention` takes `qkv` to `mixed`.
    fn block(
        &self,
        layer: usize,
        tuned: Tuned,
        tokens: usize,
        attention: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        self.ready(layer)?;
        let (at, places) = (self.weights.vectors[layer], &self.places);
        let (hidden, ffn) = (self.config.hidden_size, self.config.ffn_size);
        let pitch = |group: Group| self.operand(group).pitch();
        let normed = (places.normed, pitch(Group::Attention));
        self.add_norm(None, Some((at.attention_norm, normed)), tokens)?;
        let qkv = (places.qkv, self.qkv_width());
        self.project((layer, Group::Attention), normed.0, tuned, tokens, qkv)?;
        attention()?;
        let wide = (places.wide, hidden);
        self.project((layer, Group::Output), places.mixed, tuned, tokens, wide)?;
        let normed = (places.normed, pitch(Group::Ffn));
        let y = Some((places.wide, at.post_attention));
        self.add_norm(y, Some((at.ffn_norm, normed)), tokens)?;
        self.project((layer, Group::Ffn), normed.0, tuned, tokens, (places.gate, 2 * ffn))?;
        let inner = (places.hidden, pitch(Group::Down));
        let arguments = arguments![places.gate, 2 * ffn, inner.0, inner.1, ffn, self.gelu()];
        let grid = ((ffn / 8).div_ceil(128), tokens);
        self.gpu.launch(self.kernels.gate_forward, grid, 128, 0, arguments)?;
        self.project((layer, Group::Down), inner.0, tuned, tokens, wide)?;
        self.add_norm(Some((places.wide, at.post_ffn)), None, tokens)
    }

    pub(super) fn gelu(&self) -> u32 {
        u32::from(self.config.architecture.activation() == Activation::Gelu)
    }

    /// Reads packed prompts and keeps their keys and values where `entries` say: token, slot and
    /// position, each. Gives the likeliest token after each of those that predict one, and leaves
    /// their logits; these are [`super::places::Sizes::rows`] at most.
    pub(super) fn read(
        &self,
        packed: &Packed,
        entries: &[u32],
        is_tuned: bool,
    ) -> Result<Vec<u32>> {
        let (tokens, labels) = (packed.tokens(), packed.label_rows.len());
        let reading = self.place(packed, entries)?;
        let tuned = if is_tuned { Tuned::All } else { Tuned::Nobody };
        self.embed(reading.ids, tokens)?;
        for layer in 0..self.config.layers {
            self.block(layer, tuned, tokens, || self.attend_read(layer, &reading, tokens))?;
        }
        let (places, config) = (&self.places, &self.config);
        let (width, norm) = (config.hidden_size, self.weights.final_norm);
        let (x, normed) = (places.x, places.normed);
        let arguments = arguments![x, reading.label_rows, norm, normed, width, config.norm_eps];
        self.gpu.launch(self.kernels.gather_norm, (labels, 1), ROW_THREADS, 0, arguments)?;
        self.head_many((normed, width), labels)?;
        self.likeliest(labels, places.made, false)?;
        let mut found = vec![0u32; labels];
        self.gpu.download(places.made, &mut found)?;
        Ok(found)
    }

    /// Copies what tells tokens apart to the device.
    fn place(&self, packed: &Packed, entries: &[u32]) -> Result<Reading> {
        let places = &self.places;
        let mut words: Vec<u32> = Vec::with_capacity(places.meta_words);
        let mut put = |values: &[u32]| {
            let at = places.meta + words.len() as u64 * 4;
            words.extend_from_slice(values);
            at
        };
        let rows: Vec<u32> = packed.label_rows.iter().map(|row| *row as u32).collect();
        let mut reading = Reading {
            ids: put(&packed.ids),
            positions: put(&packed.positions),
            ends: put(&tiles::ends(packed)),
            entries: put(entries),
            entry_count: entries.len() / 3,
            label_rows: put(&rows),
            lists: [[0; 2]; 2],
        };
        let windows = [Some(usize::MAX), self.config.windows.as_ref().map(|w| w.tokens)];
        for (lists, window) in reading.lists.iter_mut().zip(windows) {
            let Some(window) = window else { continue };
            let found = tiles::tiles(packed, window);
            *lists = [put(&found.keys.starts), put(&found.keys.list)];
        }
        let fits = words.len() <= places.meta_words
            && packed.tokens() <= places.sizes.tokens
            && rows.len() <= places.sizes.rows;
        if !fits {
            return Err(Failure::defect("prompts are larger than their place on the GPU"));
        }
        self.gpu.upload(places.meta, &words)?;
        Ok(reading)
    }

    /// Attention of tokens that are read, whose keys and values are kept.
    fn attend_read(&self, layer: usize, reading: &Reading, tokens: usize) -> Result<()> {
        let (config, places, at) = (&self.config, &self.places, self.weights.vectors[layer]);
        let width = self.qkv_width();
        let arguments = arguments![
            places.qkv,
            width,
            places.qkv,
            width,
            at.bias,
            at.query_norm,
            at.key_norm,
            self.turns(layer),
            reading.positions,
            config.heads,
            config.kv_heads,
            config.head_dim,
            config.norm_eps
        ];
        self.gpu.launch(self.kernels.heads_forward, (tokens, 1), ROW_THREADS, 0, arguments)?;
        let [keys, values] = self.kept(layer);
        let (heads, kv_heads, capacity) = (config.heads, config.kv_heads, places.sizes.capacity);
        let entries = reading.entries;
        let arguments =
            arguments![places.qkv, width, entries, keys, values, heads, kv_heads, capacity];
        self.gpu.launch(self.steps.keep, (reading.entry_count, 1), 64, 0, arguments)?;
        let window = config.window(layer).map_or(i32::MAX as u32, |window| window as u32);
        let halves = |at: u64| [at as u32, (at >> 32) as u32];
        let ([a, b], [c, d]) = (halves(reading.positions), halves(reading.ends));
        let sight = [a, b, c, d, tokens as u32, window, 0, 0];
        let [starts, list] = reading.lists[usize::from(config.window(layer).is_some())];
        let arguments = arguments![
            places.qkv,
            width,
            places.mixed,
            self.operand(Group::Output).pitch(),
            places.log_sums,
            starts,
            list,
            sight,
            heads,
            kv_heads,
            config.score_scale() * LOG2_E
        ];
        let grid = (tokens.div_ceil(tiles::TILE), heads);
        let shared = self.kernels.attend_shared;
        self.gpu.launch(self.kernels.attend, grid, 128, shared, arguments)
    }

    /// Attention of one token of each row over what is kept of it, which its own is added to.
    pub(super) fn attend_step(&self, layer: usize, mixed: Rows, rows: usize) -> Result<()> {
        let (config, places, at) = (&self.config, &self.places, self.weights.vectors[layer]);
        let [keys, values] = self.kept(layer);
        let [_, positions, slots, _] = places.state();
        let splits = splits(config, rows);
        let window = config.window(layer).map_or(i32::MAX as u32, |window| window as u32);
        let arguments = arguments![
            places.qkv,
            self.qkv_width(),
            mixed.0,
            mixed.1,
            keys,
            values,
            slots,
            positions,
            at.bias,
            at.query_norm,
            at.key_norm,
            self.turns(layer),
            places.found,
            places.arrived,
            config.heads,
            config.kv_heads,
            places.sizes.capacity,
            window,
            splits,
            config.score_scale() * LOG2_E,
            config.norm_eps
        ];
        let pieces = config.heads / super::places::piece(config);
        self.gpu.launch_early(self.steps.attend, (pieces * splits, rows), 256, 0, arguments)
    }

    /// Logits of normalized rows.
    fn head_many(&self, (normed, pitch): Rows, rows: usize) -> Result<()> {
        let (places, vocab) = (&self.places, self.config.vocab_size);
        let width = self.config.hidden_size;
        let shape = Shape {
            lie: Lie::Turned,
            sizes: [rows, vocab, width],
            pitches: [pitch, width, places.logit_pitch],
            adds: true,
        };
        self.gpu.clear(places.logits, rows * places.logit_pitch * 4)?;
        self.products.multiply(shape, [normed, self.weights.head, places.logits], 1.0)
    }

    /// The likeliest tokens of rows of logits into `ids`; where rows go `further`, also to where tokens
    /// of a burst lie, and their positions are one more.
    fn likeliest(&self, rows: usize, ids: u64, further: bool) -> Result<()> {
        let places = &self.places;
        let [_, positions, ..] = places.state();
        let (vocab, last) = (self.config.vocab_size, places.sizes.capacity - 1);
        let arguments = arguments![
            places.logits,
            places.logit_pitch,
            vocab,
            ids,
            if further { positions } else { 0 },
            last,
            places.steps,
            places.made,
            places.sizes.rows,
            places.bests,
            places.looked
        ];
        self.gpu.launch_early(self.steps.likeliest, (LOGIT_PARTS, rows), 256, 0, arguments)
    }

    /// Gives the device one step of the state's first rows.
    pub(super) fn step(&self, rows: usize, any_tuned: bool) -> Result<()> {
        let [ids, ..] = self.places.state();
        self.embed(ids, rows)?;
        if rows <= self.few_max {
            for layer in 0..self.config.layers {
                self.few_block(layer, any_tuned, rows)?;
            }
            self.few_head(rows)?;
        } else {
            let tuned = if any_tuned { Tuned::Some } else { Tuned::Nobody };
            let mixed = (self.places.mixed, self.operand(Group::Output).pitch());
            for layer in 0..self.config.layers {
                self.block(layer, tuned, rows, || self.attend_step(layer, mixed, rows))?;
            }
            let normed = (self.places.normed, self.config.hidden_size);
            self.add_norm(None, Some((self.weights.final_norm, normed)), rows)?;
            self.head_many(normed, rows)?;
        }
        self.likeliest(rows, ids, true)
    }

    /// Gives the device so many steps, each after the other, [`BURST`] at most, and waits for their
    /// tokens: those of each step, row by row.
    pub(super) fn burst(&mut self, rows: usize, any_tuned: bool, count: usize) -> Result<Vec<u32>> {
        let (places, count) = (self.places, count.min(BURST));
        self.gpu.clear(places.steps, places.sizes.rows * 4)?;
        for _ in 0..count {
            let key = (rows, any_tuned);
            let graph = match self.graphs.remove(&key) {
                Some(Some(graph)) => Some(graph),
                // All kernels and ways to multiply have been used once by now.
                Some(None) => Some(self.gpu.keep(|| self.step(rows, any_tuned))?),
                None => None,
            };
            match &graph {
                Some(graph) => graph.launch()?,
                None => self.step(rows, any_tuned)?,
            }
            self.graphs.insert(key, graph);
        }
        let mut made = vec![0u32; count * places.sizes.rows];
        self.gpu.download(places.made, &mut made)?;
        let lines = made.chunks_exact(places.sizes.rows);
        Ok(lines.flat_map(|line| line[..rows].to_vec()).collect())
    }

    /// The logits of a row of the last step or of what was read last.
    pub(super) fn logits(&self, row: usize, out: &mut Vec<f32>) -> Result<()> {
        out.resize(self.config.vocab_size, 0.0);
        let at = self.places.logits + (row * self.places.logit_pitch * 4) as u64;
        self.gpu.download(at, out)
    }
}
