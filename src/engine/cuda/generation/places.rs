//! Where generation works: one place each, laid out before prompts are read.

use crate::engine::cuda::compile::pieces;
use crate::engine::cuda::driver::Bump;
use crate::engine::cuda::tiles;
use crate::engine::cuda::weights::Operand;
use crate::model::DecoderConfig;

/// Steps that are given to the device before their tokens are asked for, at most.
pub(super) const BURST: usize = 8;

/// Parts of a row of logits that are looked through for the largest.
pub(super) const LOGIT_PARTS: usize = 32;
/// Blocks of attention that keep the device busy.
const BLOCKS: usize = 264;
/// Blocks that the positions of a sequence are shared out among, at most.
const SPLITS_MAX: usize = 16;

/// Sizes that places depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sizes {
    /// Tokens that are read together, at most.
    pub(super) tokens: usize,
    /// Sequences that are continued together, at most.
    pub(super) rows: usize,
    /// Tokens of a sequence, at most.
    pub(super) capacity: usize,
    /// Prompt tokens whose keys and values are kept after one pass, at most: more than are read where
    /// prompts begin alike.
    pub(super) kept: usize,
}

impl Sizes {
    /// Whether what was laid out for `self` is enough for `other`.
    pub(super) fn hold(&self, other: &Self) -> bool {
        self.tokens >= other.tokens
            && self.rows >= other.rows
            && self.capacity >= other.capacity
            && self.kept >= other.kept
    }

    /// Either's largest.
    pub(super) fn with(&self, other: &Self) -> Self {
        Self {
            tokens: self.tokens.max(other.tokens),
            rows: self.rows.max(other.rows),
            capacity: self.capacity.max(other.capacity),
            kept: self.kept.max(other.kept),
        }
    }
}

/// All places. Rows of values are in bf16 unless told otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
    pub(super) sizes: Sizes,
    /// What tells tokens apart that are read, in 32-bit numbers.
    pub(super) meta: u64,
    pub(super) meta_words: usize,
    /// Of each row: last token, its position, its slot, and whether the adapter is on; one array after
    /// the other.
    pub(super) state: u64,
    /// Steps of each row in this burst.
    pub(super) steps: u64,
    /// Tokens of a burst, a line a step.
    pub(super) made: u64,
    /// Cosines and sines: of whole layers and of those with a window.
    pub(super) turns: [u64; 2],
    /// `[tokens, H]`
    pub(super) x: u64,
    /// `[tokens, H + side]`
    pub(super) normed: u64,
    /// `[tokens, Q + 2K]`
    pub(super) qkv: u64,
    /// `[tokens, Q + side]`
    pub(super) mixed: u64,
    /// `[heads, tokens]` in f32.
    pub(super) log_sums: u64,
    /// `[tokens, H]`
    pub(super) wide: u64,
    /// `[tokens, 2F]`
    pub(super) gate: u64,
    /// `[tokens, F + side]`
    pub(super) hidden: u64,
    /// `[rows, side]`
    pub(super) u: u64,
    /// What the blocks of attention found, in f32.
    pub(super) found: u64,
    /// How many of them did.
    pub(super) arrived: u64,
    /// The largest logits of parts of each row, and how many parts were looked through.
    pub(super) bests: u64,
    pub(super) looked: u64,
    /// `[rows, logit_pitch]` in f32.
    pub(super) logits: u64,
    /// Values from one row of logits to the next.
    pub(super) logit_pitch: usize,
}

/// Query heads that a block of attention works on: a share of those of one key head, [`pieces`] at most.
pub(in crate::engine::cuda) fn piece(config: &DecoderConfig) -> usize {
    let share = config.heads / config.kv_heads;
    (1..=share.min(pieces(config.head_dim)))
        .rev()
        .find(|piece| share.is_multiple_of(*piece))
        .unwrap_or(1)
}

/// Blocks among which the positions of each of `rows` sequences are shared out.
pub(super) fn splits(config: &DecoderConfig, rows: usize) -> usize {
    (BLOCKS / (rows * config.heads / piece(config)).max(1)).clamp(1, SPLITS_MAX)
}

/// Widest columns of an adapter beside a group's projections.
pub(super) fn side(operands: &[Operand; 4]) -> usize {
    operands.iter().map(|operand| operand.side).max().unwrap_or(0)
}

impl Places {
    /// Lays everything out from where `bump` stands.
    pub(super) fn new(
        config: &DecoderConfig,
        operands: &[Operand; 4],
        sizes: Sizes,
        bump: &mut Bump,
    ) -> Self {
        let Sizes { tokens, rows, capacity, kept } = sizes;
        let (hidden, ffn, heads) = (config.hidden_size, config.ffn_size, config.heads);
        let (query, kv) = (config.query_size(), config.kv_size());
        let side = side(operands);
        let lists = 1 + usize::from(config.windows.is_some());
        // Queries of tiles are not asked for, but come with the keys.
        let tiles = lists * 2 * (tiles::entries(tokens) + tokens.div_ceil(tiles::TILE) + 1);
        let meta_words = 3 * tokens + tiles + 3 * kept + rows;
        let wide = |bump: &mut Bump, width: usize| bump.take(tokens * width * 2);
        let logit_pitch = config.vocab_size.next_multiple_of(8);
        let most = (1..=rows).map(|rows| rows * splits(config, rows)).max().unwrap_or(1);
        Self {
            sizes,
            meta: bump.take(meta_words * 4),
            meta_words,
            state: bump.take(4 * rows * 4),
            steps: bump.take(rows * 4),
            made: bump.take(BURST * rows * 4),
            turns: [0, 1].map(|_| bump.take(capacity.next_power_of_two() * config.head_dim * 4)),
            x: wide(bump, hidden),
            normed: wide(bump, hidden + side),
            qkv: wide(bump, query + 2 * kv),
            mixed: wide(bump, query + side),
            log_sums: bump.take(heads * tokens * 4),
            wide: wide(bump, hidden),
            gate: wide(bump, 2 * ffn),
            hidden: wide(bump, ffn + side),
            u: bump.take(rows * side * 2),
            found: bump.take(most * heads * (config.head_dim + 2) * 4),
            arrived: bump.take(rows * heads * 4),
            bests: bump.take(rows * LOGIT_PARTS * 8),
            looked: bump.take(rows * 4),
            logits: bump.take(rows * logit_pitch * 4),
            logit_pitch,
        }
    }

    /// The arrays of the state: last tokens, positions, slots, and whether the adapter is on.
    pub(super) fn state(&self) -> [u64; 4] {
        [0, 1, 2, 3].map(|array| self.state + (array * self.sizes.rows * 4) as u64)
    }
}
