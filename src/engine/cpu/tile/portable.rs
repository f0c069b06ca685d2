//! Plain loops, for any processor; also what the others are tested beside.

use super::Work;
use crate::engine::cpu::panels::{Element, WIDTH};

/// Rows of a tile.
pub(super) const ROWS: usize = 4;

/// See [`super::Tile::run`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "raw operands")]
pub(super) unsafe fn run<E: Element>(work: Work<E>) {
    for r in 0..work.rows {
        let mut sums = [0.0f32; WIDTH];
        for k in 0..work.depth / E::GROUP {
            // SAFETY: row `r` has `depth` values, the panel `depth` times `WIDTH`.
            let (a, b) = unsafe {
                (
                    std::slice::from_raw_parts(
                        work.a.add(r * work.a_pitch + k * E::GROUP),
                        E::GROUP,
                    ),
                    std::slice::from_raw_parts(work.b.add(k * E::GROUP * WIDTH), E::GROUP * WIDTH),
                )
            };
            for (sum, b) in sums.iter_mut().zip(b.chunks_exact(E::GROUP)) {
                for (a, b) in a.iter().zip(b) {
                    *sum += a.widen() * b.widen();
                }
            }
        }
        // SAFETY: `c` has `WIDTH` values in each row that nobody else uses.
        let c = unsafe { std::slice::from_raw_parts_mut(work.c.add(r * work.c_pitch), WIDTH) };
        for (c, sum) in c.iter_mut().zip(sums) {
            *c = if work.add { *c + sum } else { sum };
        }
    }
}
