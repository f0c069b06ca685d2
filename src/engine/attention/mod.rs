//! Causal attention over packed groups that cannot see each other, with grouped heads.
//!
//! A group is a head of tokens and tails that continue it: each tail sees the whole head and itself,
//! none sees another. A row of its own is a head without tails. In a layer with a window, each token
//! sees at most so many, the last of which is itself.
//!
//! Scores are computed transposed, `[keys, queries]`, for a block of queries at a time, so that the
//! softmax runs over whole vectors and its result is laid out as the next product reads it. Only
//! the log of each query's sum of exponentials is kept; the backward pass computes the
//! probabilities again (Dao 2023, arXiv 2307.08691).

mod backward;
mod forward;
#[cfg(test)]
mod measure;
mod operands;
mod softmax;

use std::ops::Range;

use super::base::Precision;
use super::cpu::panels::WIDTH;
use super::pack::Group;
use super::rope::Rotary;
use crate::model::DecoderConfig;

/// Queries of a block: two panels.
const BLOCK: usize = 2 * WIDTH;

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

    /// First column of the keys for query head `head` in a row of query, key and value.
    fn key(self, head: usize) -> usize {
        (self.query + head / self.share()) * self.dim
    }

    /// First column of the values for query head `head`.
    fn value(self, head: usize) -> usize {
        (self.query + self.shared + head / self.share()) * self.dim
    }

    /// Values that [`backward`] needs for `tokens` tokens.
    pub(super) fn scratch(self, tokens: usize) -> usize {
        tokens * self.query * 3 * self.dim
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
/// [`backward`]. `groups` cover all tokens in order.
pub(super) fn forward(
    heads: Heads,
    rows: Projected<'_>,
    groups: &[Group],
    out: &mut [f32],
    log_sums: &mut [f32],
) {
    match heads.precision {
        Precision::F32 => forward::run::<f32>(heads, rows, groups, out, log_sums),
        Precision::Bf16 => forward::run::<half::bf16>(heads, rows, groups, out, log_sums),
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
    groups: &[Group],
    turn: (&Rotary, &[u32]),
    scratch: &mut [f32],
    grads: &mut [f32],
) {
    match heads.precision {
        Precision::F32 => {
            backward::run::<f32>(heads, rows, kept, dout, groups, scratch);
        }
        Precision::Bf16 => {
            backward::run::<half::bf16>(heads, rows, kept, dout, groups, scratch);
        }
    }
    backward::gather(heads, groups, turn, scratch, grads);
}

/// The parts of a group, each with the tokens before it that it sees besides itself.
///
/// Where there is a window, a long head is cut, so that keys beyond the window are left out, and of
/// the head a tail has only what its first token sees.
fn parts(group: &Group, window: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + '_ {
    let Range { start, end } = group.head;
    let step = if window < end - start {
        window.next_multiple_of(BLOCK).max(2 * BLOCK)
    } else {
        // One part, also of a head without tokens.
        (end - start).max(1)
    };
    let before = move |first: usize| first.saturating_sub(window - 1).max(start)..first;
    let cut = (start..end.max(start + 1)).step_by(step);
    cut.map(move |first| (before(first), first..(first + step).min(end)))
        .chain(group.tails.iter().map(move |tail| (before(end), tail.clone())))
}
