//! Plain loops: a block of a row is decoded once for all tokens.

use super::{LANES, Weights, Work};
use crate::engine::cpu::vector::multiply_add;
use crate::engine::nf4::{BLOCK, CODE};

/// Tokens whose lanes are summed at the same time; a single one stays in registers.
const TOKENS: usize = 4;

/// Whether a product and a sum are one instruction without asking for it.
const FUSED: bool = cfg!(target_arch = "aarch64");

pub(super) fn run(weights: Weights<'_>, work: Work<'_>) {
    match weights {
        Weights::Coded(codes, magnitudes) => {
            let (codes, _) = codes.as_chunks::<{ LANES / 2 }>();
            let mut table = [0.0; 16];
            rows::<{ LANES / 2 }, _>(codes, work, |chunk, bytes, values| {
                if chunk.is_multiple_of(BLOCK / LANES) {
                    let magnitude = magnitudes[chunk * LANES / BLOCK];
                    table = CODE.map(|code| code * magnitude);
                }
                for (i, byte) in bytes.iter().enumerate() {
                    values[i] = table[usize::from(byte >> 4)];
                    values[LANES / 2 + i] = table[usize::from(byte & 15)];
                }
            });
        }
        Weights::Half(values) => {
            let (values, _) = values.as_chunks::<LANES>();
            rows::<LANES, _>(values, work, |_, halves, values| {
                for (i, pair) in halves.chunks_exact(2).enumerate() {
                    values[i] = f32::from_bits(u32::from(pair[0].to_bits()) << 16);
                    values[LANES / 2 + i] = f32::from_bits(u32::from(pair[1].to_bits()) << 16);
                }
            });
        }
    }
}

/// `decode` gets a chunk's number, the chunk, and where its 32 values go.
fn rows<const N: usize, E>(
    weights: &[[E; N]],
    work: Work<'_>,
    mut decode: impl FnMut(usize, &[E; N], &mut [f32; LANES]),
) {
    let mut token = 0;
    while token < work.count {
        let tokens = if work.count - token >= TOKENS { TOKENS } else { 1 };
        for row in 0..work.rows {
            if tokens == 1 {
                tile::<N, 1, E>(weights, &work, (row, token), &mut decode);
            } else {
                tile::<N, TOKENS, E>(weights, &work, (row, token), &mut decode);
            }
        }
        token += tokens;
    }
}

/// One row and `T` tokens.
fn tile<const N: usize, const T: usize, E>(
    weights: &[[E; N]],
    work: &Work<'_>,
    (row, token): (usize, usize),
    decode: &mut impl FnMut(usize, &[E; N], &mut [f32; LANES]),
) {
    let chunks = work.width / LANES;
    let (x, _) = work.x.as_chunks::<LANES>();
    let x: [&[[f32; LANES]]; T] = std::array::from_fn(|t| &x[(token + t) * chunks..][..chunks]);
    let weights = &weights[row * chunks..][..chunks];
    let mut sums = [[0.0f32; LANES]; T];
    let mut values = [0.0f32; LANES];
    for chunk in 0..chunks {
        decode(row * chunks + chunk, &weights[chunk], &mut values);
        for (sums, x) in sums.iter_mut().zip(&x) {
            for lane in 0..LANES {
                sums[lane] = multiply_add::<FUSED>(values[lane], x[chunk][lane], sums[lane]);
            }
        }
    }
    for (t, mut sums) in sums.into_iter().enumerate() {
        let b = &work.b[row * work.rank..][..work.rank];
        let u = &work.u[(token + t) * work.pitch..][..work.rank];
        for (b, u) in b.chunks(LANES).zip(u.chunks(LANES)) {
            for ((sum, b), u) in sums.iter_mut().zip(b).zip(u) {
                *sum = multiply_add::<FUSED>(*b, *u, *sum);
            }
        }
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                sums[i] += sums[i + width];
            }
            width /= 2;
        }
        work.out.set(row, token + t, sums[0]);
    }
}
