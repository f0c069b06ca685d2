//! Norms of each query and key head before rotation (Qwen3, Gemma 3; Henry et al. 2020,
//! arXiv 2010.04245).

use rayon::prelude::*;

use super::cpu::team::Together as _;
use super::norm;
use super::rope::Rotary;
use crate::model::DecoderConfig;

/// Rows that one task takes.
const ROWS: usize = 16;

/// Weights of both norms, how many heads there are of each kind, and how wide one is.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadNorms<'a> {
    query: &'a [f32],
    key: &'a [f32],
    heads: usize,
    kv_heads: usize,
    epsilon: f32,
}

impl<'a> HeadNorms<'a> {
    pub(super) fn new(config: &DecoderConfig, [query, key]: &'a [Vec<f32>; 2]) -> Self {
        Self {
            query,
            key,
            heads: config.heads,
            kv_heads: config.kv_heads,
            epsilon: config.norm_eps,
        }
    }

    fn dim(self) -> usize {
        self.query.len()
    }

    /// Width of query, key and value together.
    fn width(self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.dim()
    }

    /// The norm's weight for each query head, then for each key head.
    fn weights(self) -> impl Iterator<Item = &'a [f32]> {
        (0..self.heads + self.kv_heads)
            .map(move |head| if head < self.heads { self.query } else { self.key })
    }

    /// Query and key of one row normalized and rotated, the value as it is.
    pub(super) fn row(self, raw: &[f32], rotary: &Rotary, position: usize, out: &mut [f32]) {
        let dim = self.dim();
        let turned = (self.heads + self.kv_heads) * dim;
        let heads = out[..turned].chunks_exact_mut(dim).zip(raw.chunks_exact(dim));
        for ((out, raw), weight) in heads.zip(self.weights()) {
            norm::row(out, raw, weight, self.epsilon);
            rotary.turn(out, position, 1.0);
        }
        out[turned..].copy_from_slice(&raw[turned..self.width()]);
    }

    /// [`Self::row`] for rows that lie `pitch` apart, into rows without a gap.
    pub(super) fn forward(
        self,
        (raw, pitch): (&[f32], usize),
        (rotary, positions): (&Rotary, &[u32]),
        out: &mut [f32],
    ) {
        let width = self.width();
        out.par_chunks_mut(ROWS * width)
            .zip(raw.par_chunks(ROWS * pitch))
            .zip(positions.par_chunks(ROWS))
            .together(|((out, raw), positions)| {
                let rows = out.chunks_exact_mut(width).zip(raw.chunks_exact(pitch));
                for ((out, raw), position) in rows.zip(positions) {
                    self.row(raw, rotary, *position as usize, out);
                }
            });
    }

    /// Gradients of normalized query and key, turned back before, become those of the raw ones, in
    /// place, in rows without a gap.
    pub(super) fn backward(self, (raw, pitch): (&[f32], usize), grads: &mut [f32]) {
        let (dim, width) = (self.dim(), self.width());
        grads.par_chunks_mut(ROWS * width).zip(raw.par_chunks(ROWS * pitch)).together_init(
            || vec![0.0; dim],
            |dx, (grads, raw)| {
                for (grads, raw) in grads.chunks_exact_mut(width).zip(raw.chunks_exact(pitch)) {
                    let heads = grads.chunks_exact_mut(dim).zip(raw.chunks_exact(dim));
                    for ((grad, raw), weight) in heads.zip(self.weights()) {
                        dx.fill(0.0);
                        norm::row_backward(dx, raw, weight, grad, self.epsilon);
                        grad.copy_from_slice(dx);
                    }
                }
            },
        );
    }
}
