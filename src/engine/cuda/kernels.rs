//! The compiled kernels by name.

use std::sync::Arc;

use super::compile::padded;
use super::driver::{Kernel, Module};
use crate::failure::Result;

pub(super) struct Kernels {
    pub(super) decode: Kernel,
    pub(super) fold: Kernel,
    pub(super) embed: Kernel,
    pub(super) add_norm: Kernel,
    pub(super) norm_back: Kernel,
    pub(super) gather_norm: Kernel,
    pub(super) scatter_norm_back: Kernel,
    pub(super) heads_forward: Kernel,
    pub(super) heads_back: Kernel,
    pub(super) gate_forward: Kernel,
    pub(super) gate_back: Kernel,
    pub(super) attend: Kernel,
    pub(super) attend_delta: Kernel,
    pub(super) attend_back_query: Kernel,
    pub(super) attend_back_key: Kernel,
    pub(super) cross_entropy: Kernel,
    pub(super) mask_rows: Kernel,
    pub(super) sum_up: Kernel,
    pub(super) squares: Kernel,
    pub(super) adam_full: Kernel,
    pub(super) adam_eight: Kernel,
    /// Shared memory of attention, forward and backward.
    pub(super) attend_shared: usize,
    pub(super) attend_back_shared: usize,
    _module: Arc<Module>,
}

impl Kernels {
    /// All kernels of a module for heads of width `dim`.
    pub(super) fn new(module: &Arc<Module>, dim: usize) -> Result<Self> {
        let pad = padded(dim);
        let tile = super::tiles::TILE * (pad + 8) * 2;
        // Queries, then keys and values: twice where they fit.
        let attend_shared = tile * if pad <= 128 { 5 } else { 3 };
        let attend_back_shared = tile * 4;
        let plain = |name: &str| module.kernel(name, 0);
        Ok(Self {
            decode: plain("decode")?,
            fold: plain("fold")?,
            embed: plain("embed")?,
            add_norm: plain("add_norm")?,
            norm_back: plain("norm_back")?,
            gather_norm: plain("gather_norm")?,
            scatter_norm_back: plain("scatter_norm_back")?,
            heads_forward: plain("heads_forward")?,
            heads_back: plain("heads_back")?,
            gate_forward: plain("gate_forward")?,
            gate_back: plain("gate_back")?,
            attend: module.kernel("attend", attend_shared)?,
            attend_delta: plain("attend_delta")?,
            attend_back_query: module.kernel("attend_back_query", attend_back_shared)?,
            attend_back_key: module.kernel("attend_back_key", attend_back_shared)?,
            cross_entropy: plain("cross_entropy")?,
            mask_rows: plain("mask_rows")?,
            sum_up: plain("sum_up")?,
            squares: plain("squares")?,
            adam_full: plain("adam_full")?,
            adam_eight: plain("adam_eight")?,
            attend_shared,
            attend_back_shared,
            _module: Arc::clone(module),
        })
    }
}
