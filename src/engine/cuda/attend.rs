//! Attention of training, forward and backward: on Hopper by pairs of tiles, elsewhere by single ones.

use super::block::{LOG2_E, ROW_THREADS};
use super::driver::arguments;
use super::kernels::Hopper;
use super::layout::{Slab, splits};
use super::session::Session;
use super::tiles::TILE;
use crate::engine::base::Group;
use crate::engine::phases::Phase;
use crate::failure::Result;

impl Session {
    /// What tokens see in a layer, as the kernels take it.
    fn sight(&self, layer: usize, tokens: usize) -> [u32; 8] {
        let window = self.config.window(layer).map_or(i32::MAX as u32, |window| window as u32);
        let (positions, ends) = (self.micro.positions, self.micro.ends);
        let halves = |at: u64| [at as u32, (at >> 32) as u32];
        let ([a, b], [c, d]) = (halves(positions), halves(ends));
        [a, b, c, d, tokens as u32, window, 0, 0]
    }

    /// Blocks of a kernel that takes one pair of tiles and query head after the other.
    fn blocks(&self, tokens: usize) -> (usize, usize) {
        let jobs = tokens.div_ceil(2 * TILE) * self.config.heads;
        (jobs.min(self.gpu.facts.multiprocessors as usize), 1)
    }

    pub(super) fn attend(&self, layer: usize, slab: Slab, tokens: usize) -> Result<()> {
        let config = &self.config;
        let lists = self.micro.lists[usize::from(config.window(layer).is_some())];
        let scale = config.score_scale() * LOG2_E;
        let (width, sight) = (self.qkv_width(), self.sight(layer, tokens));
        let (mixed, mixed_pitch) = (slab.mixed, self.norm_pitch(Group::Output));
        if let Some(hopper) = self.kernels.hopper {
            let arguments = arguments![
                slab.turned,
                width,
                mixed,
                mixed_pitch,
                slab.log_sums,
                lists.key_order,
                lists.key_starts,
                lists.keys,
                sight,
                config.heads,
                config.kv_heads,
                scale
            ];
            let (blocks, shared) = (self.blocks(tokens), hopper.shared);
            self.gpu.launch(hopper.attend, blocks, Hopper::THREADS, shared, arguments)?;
        } else {
            let arguments = arguments![
                slab.turned,
                width,
                mixed,
                mixed_pitch,
                slab.log_sums,
                lists.key_starts,
                lists.keys,
                sight,
                config.heads,
                config.kv_heads,
                scale
            ];
            let grid = (tokens.div_ceil(TILE), config.heads);
            let shared = self.kernels.attend_shared;
            self.gpu.launch(self.kernels.attend, grid, 128, shared, arguments)?;
        }
        self.clock.lap(&self.gpu, Phase::Attention)
    }

    /// Gradients of query, key and value as projected, from that of what attention gave.
    pub(super) fn attend_back(&self, layer: usize, slab: Slab, tokens: usize) -> Result<()> {
        let (config, layout, at) = (&self.config, &self.layout, self.vectors(layer));
        let (query, width) = (config.query_size(), self.qkv_width());
        let (mixed, mixed_pitch) = (slab.mixed, self.norm_pitch(Group::Output));
        let arguments = arguments![
            mixed,
            mixed_pitch,
            layout.mixed_grad,
            query,
            layout.delta,
            tokens,
            config.heads
        ];
        self.gpu.launch(self.kernels.attend_delta, (tokens, 1), ROW_THREADS, 0, arguments)?;
        self.back_query(layer, slab, tokens)?;
        self.back_key(layer, slab, tokens)?;
        self.clock.lap(&self.gpu, Phase::Attention)?;
        let arguments = arguments![
            slab.qkv,
            width,
            layout.qkv_grad,
            self.norm_pitch_of_grad(),
            layout.sums,
            splits(config, layout.tokens),
            tokens,
            at.query_norm,
            at.key_norm,
            self.turns(layer),
            self.micro.positions,
            config.heads,
            config.kv_heads,
            config.head_dim,
            config.norm_eps
        ];
        self.gpu.launch(self.kernels.heads_back, (tokens, 1), ROW_THREADS, 0, arguments)?;
        self.clock.lap(&self.gpu, Phase::Elementwise)
    }

    /// Gradients of the rotated queries.
    fn back_query(&self, layer: usize, slab: Slab, tokens: usize) -> Result<()> {
        let (config, layout) = (&self.config, &self.layout);
        let lists = self.micro.lists[usize::from(config.window(layer).is_some())];
        let (plain, sight) = (config.score_scale(), self.sight(layer, tokens));
        let (width, query) = (self.qkv_width(), config.query_size());
        let grad_pitch = self.norm_pitch_of_grad();
        if let Some(hopper) = self.kernels.hopper {
            let arguments = arguments![
                slab.turned,
                width,
                layout.mixed_grad,
                query,
                slab.log_sums,
                layout.delta,
                layout.qkv_grad,
                grad_pitch,
                lists.key_order,
                lists.key_starts,
                lists.keys,
                sight,
                config.heads,
                config.kv_heads,
                plain * LOG2_E,
                plain
            ];
            let (blocks, shared) = (self.blocks(tokens), hopper.shared);
            return self.gpu.launch(hopper.back_query, blocks, Hopper::THREADS, shared, arguments);
        }
        let arguments = arguments![
            slab.turned,
            width,
            layout.mixed_grad,
            query,
            slab.log_sums,
            layout.delta,
            layout.qkv_grad,
            grad_pitch,
            lists.key_starts,
            lists.keys,
            sight,
            config.heads,
            config.kv_heads,
            plain * LOG2_E,
            plain
        ];
        let grid = (tokens.div_ceil(TILE), config.heads);
        let shared = self.kernels.attend_back_shared;
        self.gpu.launch(self.kernels.attend_back_query, grid, 128, shared, arguments)
    }

    /// Gradients of the rotated keys and of the values, a part by each split of the heads.
    fn back_key(&self, layer: usize, slab: Slab, tokens: usize) -> Result<()> {
        let (config, layout) = (&self.config, &self.layout);
        let lists = self.micro.lists[usize::from(config.window(layer).is_some())];
        let (plain, sight) = (config.score_scale(), self.sight(layer, tokens));
        let (width, query) = (self.qkv_width(), config.query_size());
        let splits = splits(config, layout.tokens);
        if let Some(hopper) = self.kernels.hopper {
            let arguments = arguments![
                slab.turned,
                width,
                layout.mixed_grad,
                query,
                slab.log_sums,
                layout.delta,
                layout.sums,
                lists.query_order,
                lists.query_starts,
                lists.queries,
                sight,
                config.heads,
                config.kv_heads,
                splits,
                plain * LOG2_E,
                plain
            ];
            let grid = (config.kv_heads * splits, tokens.div_ceil(2 * TILE));
            let shared = hopper.shared;
            return self.gpu.launch(hopper.back_key, grid, Hopper::THREADS, shared, arguments);
        }
        let arguments = arguments![
            slab.turned,
            width,
            layout.mixed_grad,
            query,
            slab.log_sums,
            layout.delta,
            layout.sums,
            lists.query_starts,
            lists.queries,
            sight,
            config.heads,
            config.kv_heads,
            splits,
            plain * LOG2_E,
            plain
        ];
        let grid = (tokens.div_ceil(TILE), config.kv_heads * splits);
        let shared = self.kernels.attend_back_shared;
        self.gpu.launch(self.kernels.attend_back_key, grid, 128, shared, arguments)
    }
}
