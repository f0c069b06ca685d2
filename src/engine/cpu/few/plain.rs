//! Plain loops: a block of a row is decoded once for all tokens.

use super::{LANES, Weights, Work};
use crate::engine::cpu::vector::multiply_add;
use crate::engine::nf4::{BLOCK, CODE};

/// Tokens whose lanes are summed at the same time.
const TOKENS: usize = 8;

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
    let chunks = work.width / LANES;
    let (x, _) = work.x.as_chunks::<LANES>();
    for token in (0..work.count).step_by(TOKENS) {
        let tokens = TOKENS.min(work.count - token);
        for row in 0..work.rows {
            let mut sums = [[0.0f32; LANES]; TOKENS];
            let mut values = [0.0f32; LANES];
            for chunk in 0..chunks {
                let at = row * chunks + chunk;
                decode(at, &weights[at], &mut values);
                for (t, sums) in sums[..tokens].iter_mut().enumerate() {
                    let x = &x[(token + t) * chunks + chunk];
                    for lane in 0..LANES {
                        sums[lane] = multiply_add::<FUSED>(values[lane], x[lane], sums[lane]);
                    }
                }
            }
            for (t, sums) in sums[..tokens].iter_mut().enumerate() {
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
    }
}
