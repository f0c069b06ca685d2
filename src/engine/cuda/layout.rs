//! Where everything lies that a step works in: one place each, laid out before the first step.

use super::driver::Bump;
use super::tiles;
use super::way::Way;
use super::weights::Operand;
use crate::model::DecoderConfig;

/// Label rows that go through the head at once, at most.
const HEAD_ROWS_MAX: usize = 2048;
/// At least: where memory is short, and where every layer keeps what it needs.
const HEAD_ROWS_MIN: [usize; 2] = [128, 1024];
/// Tokens times splits of attention's sums for keys and values, at most: more splits keep more of
/// the device busy where there are few tokens.
const SPLIT_TOKENS: usize = 12288;

/// What a block keeps for its backward pass, besides its input. Rows are in bf16.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slab {
    /// `[tokens, H + side]`.
    pub(super) normed: u64,
    /// `[tokens, Q + 2K]`: rotated query and key, value; with norms of heads as projected.
    pub(super) qkv: u64,
    /// The same normalized and rotated; where there are no such norms, `qkv`.
    pub(super) turned: u64,
    /// `[tokens, Q + side]`.
    pub(super) mixed: u64,
    /// `[heads, tokens]` in f32, to base 2.
    pub(super) log_sums: u64,
    /// Attention's part before its norm where it has one, `[tokens, H]`.
    pub(super) output: u64,
    /// `[tokens, H]`.
    pub(super) middle: u64,
    /// `[tokens, H + side]`.
    pub(super) ffn_normed: u64,
    /// `[tokens, 2F + side]`.
    pub(super) gate: u64,
    /// What the adapter of the down projection made of its input, `[tokens, side]`; of layers that are not computed again.
    pub(super) down_side: u64,
}

/// What goes to the device before each micro-batch, in 32-bit numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Meta {
    pub(super) at: u64,
    pub(super) words: usize,
}

/// What a session has places for besides.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extras {
    /// Copies of what projections read, for dropout.
    pub(super) masked: bool,
    /// Noise on the embeddings.
    pub(super) noise: bool,
}

/// All places of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// Tokens of a micro-batch at most.
    pub(super) tokens: usize,
    /// What layers keep, and where their inputs lie.
    pub(super) way: Way,
    pub(super) head_rows: usize,
    /// Values from one row of logits to the next.
    pub(super) logit_pitch: usize,
    pub(super) meta: Meta,
    /// Cosines and sines: of whole layers and of those with a window.
    pub(super) turns: [u64; 2],
    /// Positions there is room for.
    pub(super) positions: usize,
    /// Inputs of the layers, then the output of the last, `[tokens, H]` each. Those that lie in the machine's memory have
    /// the places of the two after them by turns.
    pub(super) inputs: Vec<u64>,
    /// The down projection's output before its norm, where it has one, of each layer.
    pub(super) downs: Vec<u64>,
    /// One a layer that keeps its own, from the last down, then the shared one; those that do not keep gate and up have
    /// the shared one's.
    pub(super) slabs: Vec<Slab>,
    /// `[tokens, H + side]`.
    pub(super) dx: u64,
    /// `[tokens, F + side]`.
    pub(super) hidden: u64,
    /// `[tokens, H]`.
    pub(super) wide: u64,
    /// `[tokens, H + side]`: the gradient before a norm after a projection.
    pub(super) post: u64,
    /// `[tokens, Q]`.
    pub(super) mixed_grad: u64,
    /// `[tokens, Q + 2K + side]`.
    pub(super) qkv_grad: u64,
    /// `[heads, tokens]` in f32.
    pub(super) delta: u64,
    /// `[splits, tokens, 2K]` in f32.
    pub(super) sums: u64,
    /// `[tokens, inputs]` of whatever projection, where there is dropout.
    pub(super) masked: u64,
    /// `[tokens, H]`, where there is noise; used up by the embeddings.
    pub(super) noise: u64,
    /// `[head_rows, logit_pitch]`; lies over what only blocks use.
    pub(super) logits: u64,
    pub(super) head_normed: u64,
    pub(super) head_grads: u64,
    pub(super) nats: u64,
}

/// Query heads of one key head are split among this many blocks of threads.
pub(super) fn splits(config: &DecoderConfig, tokens: usize) -> usize {
    let share = config.heads / config.kv_heads;
    let most = (SPLIT_TOKENS / tokens.max(1)).max(1);
    (1..=share).rev().find(|splits| share.is_multiple_of(*splits) && *splits <= most).unwrap_or(1)
}

impl Layout {
    /// Lays everything out from where `bump` stands.
    pub(super) fn new(
        config: &DecoderConfig,
        operands: &[Operand; 4],
        (tokens, way): (usize, Way),
        extras: Extras,
        bump: &mut Bump,
    ) -> Self {
        let (hidden, ffn) = (config.hidden_size, config.ffn_size);
        let (query, kv) = (config.query_size(), config.kv_size());
        let [qkv_side, output_side, ffn_side, down_side] = [0, 1, 2, 3].map(|i| operands[i].side);
        let (head_norms, post_norms) =
            (config.architecture.has_head_norms(), config.architecture.has_post_norms());
        let rows = |bump: &mut Bump, width: usize| bump.take(tokens * width * 2);
        let lists = 1 + usize::from(config.windows.is_some());
        // Each of the arrays may begin one further on, and lists of pairs have an order besides, of half as many as tiles.
        let words = 3
            + 5 * tokens
            + lists * 2 * (tiles::entries(tokens) + tokens.div_ceil(tiles::TILE) + 5)
            + 6;
        let meta = Meta { at: bump.take(words * 4), words };
        let positions = tokens.next_power_of_two();
        let turns = [0, 1].map(|_| bump.take(positions * config.head_dim * 4));
        let own: Vec<u64> = (way.hosted..=config.layers).map(|_| rows(bump, hidden)).collect();
        let turn = |input: usize| own[(way.hosted - input) % 2];
        let inputs = (0..way.hosted).map(turn).chain(own.iter().copied()).collect();
        let downs = (0..config.layers).map(|_| if post_norms { rows(bump, hidden) } else { 0 });
        let downs = downs.collect();
        let dx = rows(bump, hidden + output_side.max(down_side));
        let slab = |bump: &mut Bump, has_gate: bool| {
            let qkv = rows(bump, query + 2 * kv);
            Slab {
                normed: rows(bump, hidden + qkv_side),
                qkv,
                turned: if head_norms { rows(bump, query + 2 * kv) } else { qkv },
                mixed: rows(bump, query + output_side),
                log_sums: bump.take(config.heads * tokens * 4),
                output: if post_norms { rows(bump, hidden) } else { 0 },
                middle: rows(bump, hidden),
                ffn_normed: rows(bump, hidden + ffn_side),
                gate: if has_gate { rows(bump, 2 * ffn + ffn_side) } else { 0 },
                down_side: rows(bump, down_side),
            }
        };
        let own_slabs = way.kept + way.partly;
        let mut slabs: Vec<Slab> =
            (0..own_slabs).map(|index| slab(bump, index < way.kept)).collect();
        // From here on lies what is empty while the head is at work.
        let start = bump.used();
        let logits = bump.take(0);
        if way.kept < config.layers {
            let shared = if own_slabs < config.layers {
                slab(bump, true)
            } else {
                Slab { gate: rows(bump, 2 * ffn + ffn_side), ..Slab::default() }
            };
            for partly in &mut slabs[way.kept..] {
                partly.gate = shared.gate;
            }
            slabs.push(shared);
        }
        // What the down projection reads, and once that is used up the gradients of attention.
        let hidden_rows = bump.take(0);
        let mut own = *bump;
        let [qkv_grad, delta, sums] = [
            own.take(tokens * (query + 2 * kv + qkv_side) * 2),
            own.take(config.heads * tokens * 4),
            own.take(splits(config, tokens) * tokens * 2 * kv * 4),
        ];
        let ffn_bytes = tokens * (ffn + down_side) * 2;
        bump.take(ffn_bytes.max(own.used() - bump.used()));
        // A product's output; between two of them the gradient of what attention gave.
        let wide = rows(bump, hidden.max(query));
        let post = if post_norms { rows(bump, hidden + output_side.max(down_side)) } else { 0 };
        let masked = if extras.masked { rows(bump, hidden.max(query).max(ffn)) } else { 0 };
        let noise = if extras.noise { rows(bump, hidden) } else { 0 };
        let logit_pitch = config.vocab_size.next_multiple_of(8);
        let fits = (bump.used() - start) / (logit_pitch * 2) / 128 * 128;
        let least = HEAD_ROWS_MIN[usize::from(way.kept == config.layers)];
        let head_rows = fits.clamp(least, HEAD_ROWS_MAX).min(tokens);
        let rest = (head_rows * logit_pitch * 2).saturating_sub(bump.used() - start);
        bump.take(rest);
        Self {
            tokens,
            way,
            head_rows,
            logit_pitch,
            meta,
            turns,
            positions,
            inputs,
            downs,
            slabs,
            dx,
            hidden: hidden_rows,
            wide,
            post,
            mixed_grad: wide,
            qkv_grad,
            delta,
            sums,
            masked,
            noise,
            logits,
            head_normed: bump.take(head_rows * hidden * 2),
            head_grads: bump.take(head_rows * hidden * 2),
            nats: bump.take(tokens * 4),
        }
    }

    /// The slab of a layer.
    pub(super) fn slab(&self, layer: usize, layers: usize) -> Slab {
        self.slabs[(layers - 1 - layer).min(self.way.kept + self.way.partly)]
    }
}
