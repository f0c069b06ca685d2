//! Causal attention over packed trees of segments that cannot see each other, with grouped heads.
//!
//! A token sees those before it in its segment and all of the segments that lead there. In a layer with a
//! window, each token sees at most so many, the last of which is itself.
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
use super::pack::{self, Segment};
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
            backward::run::<f32>(heads, rows, kept, dout, segments, scratch);
        }
        Precision::Bf16 => {
            backward::run::<half::bf16>(heads, rows, kept, dout, segments, scratch);
        }
    }
    backward::gather(heads, turn, scratch, grads);
}

/// Tokens of a segment whose queries are worked on by one task.
#[derive(Debug, Clone)]
struct Part {
    segment: usize,
    own: Range<usize>,
    /// Tokens before them that they see, at most.
    before: usize,
}

impl Part {
    /// Scores that are computed for it.
    fn work(&self) -> usize {
        self.own.len() * (2 * self.before + self.own.len())
    }

    /// Sets `ranges` to where the tokens that it sees lie, in order: what leads there, as far as its first token's
    /// window reaches, and its own.
    fn sees(&self, segments: &[Segment], ranges: &mut Vec<Range<usize>>) {
        ranges.clear();
        ranges.push(self.own.clone());
        let mut left = self.before;
        for segment in pack::upwards(segments, self.segment) {
            let end = segment.own.end.min(self.own.start);
            let first = end.saturating_sub(left).max(segment.own.start);
            left -= end - first;
            ranges.push(first..end);
        }
        ranges.reverse();
    }
}

/// The parts of a segment.
///
/// Where there is a window, a long segment is cut, so that keys beyond the window are left out.
fn parts(segments: &[Segment], index: usize, window: usize) -> impl Iterator<Item = Part> + use<> {
    let Range { start, end } = segments[index].own;
    let position: usize =
        pack::upwards(segments, index).skip(1).map(|segment| segment.own.len()).sum();
    let step = if window < end - start {
        window.next_multiple_of(BLOCK).max(2 * BLOCK)
    } else {
        (end - start).max(1)
    };
    (start..end).step_by(step).map(move |first| Part {
        segment: index,
        own: first..(first + step).min(end),
        before: (position + first - start).min(window - 1),
    })
}
