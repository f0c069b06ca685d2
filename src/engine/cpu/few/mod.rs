//! Products of stored weights with a few tokens, as in decoding: bound by reading the weights, which
//! are decoded in registers and never written anywhere.
//!
//! Each kernel computes `out[t][n] = sum_k w[n][k] x[t][k] + sum_j b[n][j] u[t][j]`. A sum runs over
//! [`LANES`] lanes in one order, whatever rows and tokens are computed beside it, so a token's result
//! does not depend on its neighbours. `b` and `u` are the adapter's part; where `u` is zero, the result is
//! that of the weights alone.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod pairs;
mod plain;
#[cfg(test)]
mod tests;

use half::bf16;

use super::aligned::Aligned;
use super::kernel::Kernel;
use super::panels::Element as _;
use super::shared::Shared;
use super::vector::vectorized;
use crate::engine::nf4;

/// Lanes of a sum: of each 32 values of a row, those at even places, then those at odd ones.
const LANES: usize = 32;

/// Rows that the adapter's part is padded to, in values.
const TAIL: usize = 16;

/// Tokens that a kernel takes at once.
pub(in crate::engine) const TOKENS: usize = 4;

/// What tokens are multiplied with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Kind {
    /// NF4 codes.
    Coded,
    /// Rows in bf16.
    Half,
}

/// Tokens `[count, width]` as a kernel reads them.
#[derive(Debug, Default)]
pub(in crate::engine) struct Tokens {
    /// In f32, each 32 values in the order of the lanes.
    full: Aligned<f32>,
    /// For kernels of pairs, rounded: in place, or each 64 values with those at even places first, as a
    /// block of codes has them.
    halves: Aligned<bf16>,
    is_half: bool,
    count: usize,
    width: usize,
}

impl Tokens {
    /// Takes `count` rows of `width` values that [`fits`], for weights of a kind. With `round` a kernel
    /// that rounds tokens to bf16 may be used.
    pub(in crate::engine) fn set(
        &mut self,
        rows: &[f32],
        (count, width): (usize, usize),
        (kernel, kind): (Kernel, Kind),
        round: bool,
    ) {
        assert!(fits(width) && rows.len() == count * width, "sizes of tokens");
        (self.count, self.width) = (count, width);
        self.is_half = rounds(kernel, round);
        let full = self.full.fit(count * width);
        match (self.is_half, kind) {
            (false, _) => part_pairs(rows, full),
            (true, Kind::Coded) => {
                part_blocks(rows, full);
                bf16::narrow(full, self.halves.fit(count * width));
            }
            (true, Kind::Half) => bf16::narrow(rows, self.halves.fit(count * width)),
        }
    }
}

vectorized! {
    /// Even places before odd ones in each 32 values.
    fn part_pairs(from: &[f32], to: &mut [f32]) {
        let (from, _) = from.as_chunks::<LANES>();
        let (to, _) = to.as_chunks_mut::<LANES>();
        for (from, to) in from.iter().zip(to) {
            for i in 0..LANES / 2 {
                to[i] = from[2 * i];
                to[LANES / 2 + i] = from[2 * i + 1];
            }
        }
    }
}

vectorized! {
    /// Even places before odd ones in each 64 values.
    fn part_blocks(from: &[f32], to: &mut [f32]) {
        let (from, _) = from.as_chunks::<{ nf4::BLOCK }>();
        let (to, _) = to.as_chunks_mut::<{ nf4::BLOCK }>();
        for (from, to) in from.iter().zip(to) {
            for i in 0..nf4::BLOCK / 2 {
                to[i] = from[2 * i];
                to[nf4::BLOCK / 2 + i] = from[2 * i + 1];
            }
        }
    }
}

/// The adapter's part: `u` of each token, padded with zeros to a multiple of 16.
#[derive(Debug, Default)]
pub(in crate::engine) struct Tail {
    data: Aligned<f32>,
    rank: usize,
    pitch: usize,
}

impl Tail {
    /// `u` of every token, to be written: `count` rows of which the first `rank` values count.
    pub(in crate::engine) fn set(&mut self, count: usize, rank: usize) -> (&mut [f32], usize) {
        (self.rank, self.pitch) = (rank, rank.next_multiple_of(TAIL));
        let data = self.data.fit(count * self.pitch);
        data.fill(0.0);
        (data, self.pitch)
    }

    /// `b[row] . u[token]`, for rows of weights that the kernels cannot read.
    pub(in crate::engine) fn dot(&self, b: &[f32], row: usize, token: usize) -> f32 {
        let u = &self.data.get((token + 1) * self.pitch)[token * self.pitch..][..self.rank];
        b[row * self.rank..][..self.rank].iter().zip(u).map(|(b, u)| b * u).sum()
    }
}

/// Weights of a few rows.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Weights<'a> {
    /// NF4 codes of rows, and the decoded magnitude of each block of 64.
    Coded(&'a [u8], &'a [f32]),
    /// Rows in bf16.
    Half(&'a [bf16]),
}

impl Weights<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Coded(codes, _) => 2 * codes.len(),
            Self::Half(values) => values.len(),
        }
    }
}

/// Whether the kernels can read rows of this width.
pub(in crate::engine) fn fits(width: usize) -> bool {
    width.is_multiple_of(nf4::BLOCK)
}

/// Whether tokens are rounded to bf16, where they may be.
pub(in crate::engine) fn rounds(kernel: Kernel, round: bool) -> bool {
    round && kernel == Kernel::Avx512Bf16
}

/// What a kernel works on: sizes are checked by [`multiply`].
#[derive(Debug, Clone, Copy)]
struct Work<'a> {
    /// `[count, width]`, empty where `halves` are not.
    x: &'a [f32],
    /// `[count, width]` for kernels of pairs.
    halves: &'a [bf16],
    count: usize,
    width: usize,
    rows: usize,
    /// `[rows, rank]`, and `[count, pitch]` with zeros from `rank` on.
    b: &'a [f32],
    u: &'a [f32],
    rank: usize,
    pitch: usize,
    out: Out<'a>,
}

/// Where results go: that of row n and token t to `first + t * pitch + n`.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Out<'a> {
    pub(in crate::engine) values: Shared<'a, f32>,
    pub(in crate::engine) first: usize,
    pub(in crate::engine) pitch: usize,
}

impl Out<'_> {
    /// Sets the result of a row and token.
    #[inline]
    #[expect(unsafe_code, reason = "tasks write to places of their own")]
    pub(in crate::engine) fn set(&self, row: usize, token: usize, value: f32) {
        // SAFETY: rows are dealt out to tasks, so nobody else uses this place.
        unsafe { self.values.part(self.first + token * self.pitch + row, 1)[0] = value };
    }
}

/// Multiplies rows of weights with tokens, with an adapter's rows `b` `[rows, rank]` and `u` or without.
///
/// No other task may write the same rows of `out`.
pub(in crate::engine) fn multiply(
    kernel: Kernel,
    weights: Weights<'_>,
    tokens: &Tokens,
    adapter: Option<(&[f32], &Tail)>,
    out: Out<'_>,
) {
    let (count, width) = (tokens.count, tokens.width);
    assert!(!tokens.is_half || kernel == Kernel::Avx512Bf16, "tokens for this kernel");
    let rows = weights.len() / width;
    assert!(weights.len() == rows * width, "whole rows");
    if let Weights::Coded(codes, magnitudes) = weights {
        assert!(magnitudes.len() * nf4::BLOCK == codes.len() * 2, "a magnitude a block");
    }
    let (b, u, rank, pitch) = match adapter {
        None => (&[][..], &[][..], 0, 0),
        Some((b, tail)) => (b, tail.data.get(count * tail.pitch), tail.rank, tail.pitch),
    };
    assert!(b.len() == rows * rank, "rows of the adapter");
    let (x, halves) = if tokens.is_half {
        (&[][..], tokens.halves.get(count * width))
    } else {
        (tokens.full.get(count * width), &[][..])
    };
    let work = Work { x, halves, count, width, rows, b, u, rank, pitch, out };
    match kernel {
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512Bf16 if tokens.is_half => pairs::run(weights, work),
        #[cfg(target_arch = "x86_64")]
        Kernel::Amx | Kernel::Avx512Bf16 | Kernel::Avx512 => avx512::run(weights, work),
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 => avx2::run(weights, work),
        _ => plain::run(weights, work),
    }
}

/// Calls `$function::<R, T>` for all rows and tokens of `$work`: tokens in groups of four, so that a
/// group's values stay in the first-level cache, and within it rows `$rows` at a time.
#[cfg(target_arch = "x86_64")]
macro_rules! by_tiles {
    ($work:expr, $rows:literal, $function:ident, $weights:expr) => {{
        let work = $work;
        let mut token = 0;
        while token < work.count {
            let tokens = (work.count - token).min(super::TOKENS);
            let mut row = 0;
            while row < work.rows {
                let rows = if work.rows - row >= $rows { $rows } else { 1 };
                // SAFETY: `multiply` checked the sizes; these rows and tokens are within them.
                unsafe {
                    match (rows, tokens) {
                        (1, 1) => $function::<1, 1>($weights, &work, row, token),
                        (1, 2) => $function::<1, 2>($weights, &work, row, token),
                        (1, 3) => $function::<1, 3>($weights, &work, row, token),
                        (1, _) => $function::<1, 4>($weights, &work, row, token),
                        (_, 1) => $function::<$rows, 1>($weights, &work, row, token),
                        (_, 2) => $function::<$rows, 2>($weights, &work, row, token),
                        (_, 3) => $function::<$rows, 3>($weights, &work, row, token),
                        _ => $function::<$rows, 4>($weights, &work, row, token),
                    }
                }
                row += rows;
            }
            token += tokens;
        }
    }};
}
#[cfg(target_arch = "x86_64")]
use by_tiles;
