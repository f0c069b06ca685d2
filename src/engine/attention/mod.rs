//! Causal attention over packed trees of segments that cannot see each other, with grouped heads.
//!
//! A token sees those before it in its segment and all of the segments that lead there. In a layer with a
//! window, each token sees at most so many, the last of which is itself.
//!
//! Scores are computed transposed, `[keys, queries]`, for a block of queries at a time (those of all heads that
//! share keys, see [`pieces`]), so that the softmax runs over whole vectors and its result is laid out as the next
//! product reads it. Only the log of each query's sum of exponentials is kept; the backward pass computes the
//! probabilities again (Dao 2023, arXiv 2307.08691).

mod backward;
mod forward;
#[cfg(test)]
mod measure;
mod operands;
mod pieces;
mod softmax;
#[cfg(test)]
mod tests;

use super::base::Precision;
use super::cpu::panels::WIDTH;
use super::pack::Segment;
use super::rope::Rotary;
use crate::model::DecoderConfig;
use pieces::Part;

/// Lanes of a block, each a query in one head: two panels.
const BLOCK: usize = 2 * WIDTH;

/// Tasks of a backward pass, if there are queries enough: few pieces to lay keys out for, and enough for many threads.
/// It does not depend on how many there are, since gradients are summed over pieces.
const TASKS: usize = 16;

/// Sizes of attention, and what its products are computed in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    /// Query heads.
    query: usize,
    /// Key and value heads.
    shared: usize,
    dim: usize,
    /// Of products of query and key.
    scale: f32,
    /// Tokens that a token sees, itself included.
    window: usize,
    precision: Precision,
}

impl Heads {
    pub(super) fn new(config: &DecoderConfig, layer: usize, precision: Precision) -> Self {
        Self {
            query: config.heads,
            shared: config.kv_heads,
            dim: config.head_dim,
            scale: config.score_scale(),
            window: config.window(layer).unwrap_or(usize::MAX),
            precision,
        }
    }

    /// Query heads that share a key head.
    fn share(self) -> usize {
        self.query / self.shared
    }

    /// Pieces of a tree in a backward pass, at most: each has gradients of keys and values of its own. An even number, so
    /// that two threads have as many to do.
    fn pieces(self) -> usize {
        self.share().max(TASKS / self.shared / 2 * 2)
    }

    /// First column of a key head in a row of query, key and value.
    fn key(self, key_head: usize) -> usize {
        (self.query + key_head) * self.dim
    }

    /// First column of a key head's values.
    fn value(self, key_head: usize) -> usize {
        (self.query + self.shared + key_head) * self.dim
    }

    /// Token and query head of a lane of a part, among those of a key head.
    fn lane(self, key_head: usize, part: &Part, lane: usize) -> (usize, usize) {
        let share = self.share();
        (part.own.start + lane / share, key_head * share + lane % share)
    }

    /// Values of a token's query, key and value.
    fn width(self) -> usize {
        (self.query + 2 * self.shared) * self.dim
    }

    /// Where gradients of keys (0) and of values (1) of a piece lie, in matrices of all tokens.
    fn slot(self, key_head: usize, piece: usize, kind: usize) -> usize {
        (key_head * self.pieces() + piece) * 2 + kind
    }

    /// Values that [`backward`] needs for `tokens` tokens.
    pub(super) fn scratch(self, tokens: usize) -> usize {
        tokens * self.shared * self.pieces() * 2 * self.dim
    }
}

/// Rows of rotated query, key and value `[q | k | v | ..]` that lie `pitch` apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Projected<'a> {
    pub(super) rows: &'a [f32],
    pub(super) pitch: usize,
}

/// What [`forward`] left for [`backward`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'a> {
    pub(super) out: &'a [f32],
    pub(super) log_sums: &'a [f32],
}

/// Attention outputs into `out` `[tokens, heads * dim]`; `log_sums` `[heads, tokens]` is kept for
/// [`backward`]. `segments` cover all tokens in order.
pub(super) fn forward(
    heads: Heads,
    rows: Projected<'_>,
    segments: &[Segment],
    out: &mut [f32],
    log_sums: &mut [f32],
) {
    match heads.precision {
        Precision::F32 => forward::run::<f32>(heads, rows, segments, out, log_sums),
        Precision::Bf16 => forward::run::<half::bf16>(heads, rows, segments, out, log_sums),
    }
}

/// Gradients of query, key and value (before rotation and bias) into `grads`
/// `[tokens, (heads + 2 kv_heads) * dim]`. Rows of `dout` lie `dout_pitch` apart.
/// `scratch` has [`Heads::scratch`] values.
#[expect(clippy::too_many_arguments, reason = "each is a distinct part of the state of a pass")]
pub(super) fn backward(
    heads: Heads,
    rows: Projected<'_>,
    kept: Kept<'_>,
    dout: (&[f32], usize),
    segments: &[Segment],
    turn: (&Rotary, &[u32]),
    scratch: &mut [f32],
    grads: &mut [f32],
) {
    match heads.precision {
        Precision::F32 => {
            backward::run::<f32>(heads, rows, kept, dout, segments, turn, scratch, grads);
        }
        Precision::Bf16 => {
            backward::run::<half::bf16>(heads, rows, kept, dout, segments, turn, scratch, grads);
        }
    }
}
