//! Plain loops, for any processor; also what the others are tested beside.

use super::{HALF, Work};
use crate::engine::cpu::panels::{Element, WIDTH};

/// Rows of a tile.
pub(super) const ROWS: usize = 4;

/// See [`super::Tile::run`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "raw operands")]
pub(super) unsafe fn run<E: Element>(work: Work<E>) {
    // SAFETY: the caller's.
    unsafe { columns::<E, WIDTH>(work) };
}

/// See [`super::Tile::half`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "raw operands")]
pub(super) unsafe fn half(work: Work<f32>) {
    // SAFETY: the caller's.
    unsafe { columns::<f32, HALF>(work) };
}

// SAFETY of a call: as for `Tile::run`, but for N columns only.
#[expect(unsafe_code, reason = "raw operands")]
unsafe fn columns<E: Element, const N: usize>(work: Work<E>) {
    for r in 0..work.rows {
        // SAFETY: `c` has N values in each row that nobody else uses.
        let c = unsafe { std::slice::from_raw_parts_mut(work.c.add(r * work.c_pitch), N) };
        let mut sums = [0.0f32; N];
        if work.add {
            sums.copy_from_slice(c);
        }
        // SAFETY: the caller's panel.
        for piece in unsafe { work.pieces() } {
            for k in 0..piece.depth / E::GROUP {
                // SAFETY: row `r` has `depth` values, the panel N at each of as many places, `WIDTH` apart.
                let (a, b) = unsafe {
                    (
                        std::slice::from_raw_parts(
                            piece.a.add(r * piece.a_pitch + k * E::GROUP),
                            E::GROUP,
                        ),
                        std::slice::from_raw_parts(piece.b.add(k * E::GROUP * WIDTH), E::GROUP * N),
                    )
                };
                for (sum, b) in sums.iter_mut().zip(b.chunks_exact(E::GROUP)) {
                    for (a, b) in a.iter().zip(b) {
                        *sum += a.widen() * b.widen();
                    }
                }
            }
        }
        c.copy_from_slice(&sums);
    }
}
