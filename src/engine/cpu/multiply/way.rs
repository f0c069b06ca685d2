//! How a product goes through its rows and depths, by the size of the second-level cache.

use super::super::cache;
use super::super::tile::{Multiplied, Tile};

/// How a product goes through its rows and depths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// Depths that are packed at a time.
    pub(super) chunk: usize,
    /// Rows of a task.
    pub(super) block: usize,
    /// Rows that are packed at a time.
    pub(super) round: usize,
    /// Whether each panel is multiplied with by one task, once.
    pub(super) once: bool,
}

impl Way {
    pub(super) fn of<E: Multiplied>(
        tile: &Tile<E>,
        count: usize,
        depth: usize,
        half: bool,
    ) -> Self {
        // Sums in f32 can be stored and taken up again, after chunks of one size; rounded ones take all depths at once.
        let padded = depth.next_multiple_of(E::STEP);
        let chunks = if half { 1 } else { padded.div_ceil(tile.chunk).max(1) };
        let chunk = padded.div_ceil(chunks).next_multiple_of(E::STEP).max(E::STEP);
        let threads = rayon::current_num_threads();
        // Packed rows stay in the second-level cache, beside panels that stream through it: the more rows
        // a task has, the fewer times the panels are read.
        let bytes = cache::second_level() / 8 * 3;
        let fits = (bytes / (chunk * size_of::<E>())).max(tile.rows);
        if fits >= count.next_multiple_of(tile.rows) {
            // Few rows: threads take columns, so that each panel is read by one of them.
            let block = count.next_multiple_of(tile.rows);
            return Self { chunk, block, round: block, once: chunks == 1 };
        }
        // Blocks of one size, as many for each thread.
        let rounds = count.div_ceil(threads * fits);
        let block = count.div_ceil(threads * rounds).next_multiple_of(tile.rows);
        Self { chunk, block, round: threads * block, once: false }
    }
}
