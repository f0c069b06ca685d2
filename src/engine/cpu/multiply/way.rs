//! How a product goes through its rows, depths and panels, by the size of the second-level cache.

use super::super::cache;
use super::super::panels::WIDTH;
use super::super::tile::{Multiplied, Tile};

/// Tasks of a product for each thread. With more, threads of cores that are not equally fast end closer together; but
/// where one is put aside for another program, all wait for the task that it holds, and it holds one more of the time.
const TASKS: usize = 4;

/// Products of two numbers that a task has at least: long beside handing it out.
const TASK: usize = 8 << 20;

/// As above, where tasks share what one of them laid out.
const PART: usize = 2 << 20;

/// Threads of which half read one half of the rows and half the other, as rows come from caches that all share.
const MANY: usize = 8;

/// Threads at least for each part of the rows, where there are parts because not all rows fit into a cache. What all lay
/// out together is written where all have read it, which takes six times as long on 16 threads as laying it out for oneself.
const PARTED: usize = 5;

/// The share of threads' time that may be lost where panels are no multiple of these threads is one in so many.
const IDLE: usize = 8;

/// Panels that take half of a second-level cache where tasks lay them out: as many as codes are decoded for together.
const LAID: usize = 4;

/// Depths of a chunk are a multiple of it where they are decoded: of a block of codes.
const BLOCK: usize = 64;

/// A product: its rows, depths without padding, panels, and whether its output is in bf16.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) panels: usize,
    pub(super) half: bool,
}

/// How a product goes through its rows, depths and panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// Depths that are multiplied at a time.
    pub(super) chunk: usize,
    /// Rows of a task.
    pub(super) block: usize,
    /// Rows that are multiplied at a time.
    pub(super) round: usize,
    /// Panels of a task.
    pub(super) group: usize,
    /// Parts of a round, of as many blocks each, that panels are laid out for anew.
    pub(super) parts: usize,
}

impl Way {
    /// Where the right operand is laid out already: the rows of a task stay in a thread's second-level cache, panels go
    /// through it.
    pub(super) fn by_rows<E: Multiplied>(tile: &Tile<E>, size: Size) -> Self {
        let threads = rayon::current_num_threads();
        let chunk = chunk::<E>(tile.chunk, size);
        let fits = fitting::<E>(chunk).max(tile.rows);
        let padded = size.rows.next_multiple_of(tile.rows);
        // Few rows: threads take columns, so that each panel is read by one of them. Else blocks of one size, as many
        // for each thread.
        let (block, round) = if fits >= padded {
            (padded, padded)
        } else {
            let rounds = size.rows.div_ceil(threads * fits);
            let block = size.rows.div_ceil(threads * rounds).next_multiple_of(tile.rows);
            (block, threads * block)
        };
        let least = TASK / (block.min(size.rows) * chunk * WIDTH);
        let tasks = (TASKS * threads).div_ceil(size.rows.min(round).div_ceil(block));
        let group = size.panels.div_ceil(tasks).max(least).max(1);
        Self { chunk, block, round, group, parts: 1 }
    }

    /// Where tasks lay the right operand out, by preference at least `at_once` panels together: those of a task stay in a
    /// thread's second-level cache, beside a block of rows. Nothing where there are not panels for all threads, or where
    /// rows would come from memory to a kernel that multiplies faster than they come: such a kernel's go by parts that
    /// stay in a cache, if there are threads enough for each.
    pub(super) fn by_panels<E: Multiplied>(
        tile: &Tile<E>,
        size: Size,
        at_once: usize,
    ) -> Option<Self> {
        let threads = rayon::current_num_threads();
        // Sums are stored and loaded as seldom as panels can be laid out together.
        let most = cache::second_level() / (2 * LAID * WIDTH * size_of::<E>());
        let chunk = chunk::<E>(if tile.blocked { tile.chunk } else { most.max(tile.chunk) }, size);
        let fits = fitting::<E>(chunk).max(tile.rows);
        let parts = if tile.blocked {
            size.rows.next_multiple_of(tile.rows).div_ceil(fits)
        } else if threads < MANY {
            1
        } else {
            2
        };
        if tile.blocked && parts > 1 {
            // Laid out anew for each part, by some threads each, which end about together.
            let all = size.panels * parts;
            let idle = all.next_multiple_of(threads) - all;
            if parts * PARTED > threads || idle > all / IDLE {
                return None;
            }
        }
        // Threads that share the panels, and groups of them.
        let sharing = if tile.blocked { threads / parts } else { threads };
        // Many threads take fewer together.
        let at_once = [at_once, at_once / 2]
            .into_iter()
            .find(|at_once| *at_once > 0 && size.panels >= at_once * sharing)?;
        // As many groups for each thread, and at least so many.
        let most = (fits / WIDTH).max(1);
        let groups = size.panels.div_ceil(most * sharing) * sharing;
        let group = (size.panels / groups / at_once).max(1) * at_once;
        let groups = size.panels.div_ceil(group);
        let blocks = size.rows.div_ceil(fits).max((TASKS * threads).div_ceil(groups));
        // Parts have as many blocks each: if need be fewer than there are tasks for.
        let block = |blocks: usize| {
            let block = size.rows.div_ceil(blocks * parts);
            block.max(PART.div_ceil(group * chunk * WIDTH)).next_multiple_of(tile.rows)
        };
        let blocks = blocks.div_ceil(parts);
        let even = (1..=blocks).rev().map(block).find(|block| {
            (*block <= fits || parts == 1) && size.rows.div_ceil(*block).is_multiple_of(parts)
        });
        let (block, parts) = even.map_or_else(|| (block(blocks), 1), |block| (block, parts));
        Some(Self { chunk, block, round: size.rows, group, parts })
    }
}

/// Depths that are multiplied at a time, `most` of them: sums in f32 can be stored and taken up again, after chunks of one
/// size; rounded ones take all depths at once.
fn chunk<E: Multiplied>(most: usize, size: Size) -> usize {
    let padded = size.depth.next_multiple_of(E::STEP).max(E::STEP);
    if size.half || padded <= most {
        return padded;
    }
    padded.div_ceil(padded.div_ceil(most)).next_multiple_of(E::STEP.max(BLOCK))
}

/// Rows or columns of so many depths that take three eighths of a second-level cache.
fn fitting<E: Multiplied>(depths: usize) -> usize {
    cache::second_level() / 8 * 3 / (depths * size_of::<E>())
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::super::super::kernel::Kernel;
    use super::*;

    #[test]
    fn rows_beyond_a_cache_go_by_parts_where_threads_are_many() {
        let tile = Tile { blocked: true, rows: 32, ..bf16::tile(Kernel::Portable) };
        let fits = fitting::<bf16>(576);
        let way = |threads: usize, rows: usize, panels: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let size = Size { rows, depth: 576, panels, half: true };
            pool.install(|| Way::by_panels(&tile, size, 1))
        };
        let two = 2 * fits / 64 * 64;
        for (threads, rows, panels, parts) in [
            // All rows fit: one part, if there are panels for all threads.
            (2, two / 2, 96, Some(1)),
            (16, two / 2, 18, Some(1)),
            (16, two / 2, 15, None),
            // Half of them fit: two parts.
            (2, two, 96, None),
            (8, two, 96, None),
            (16, two, 96, Some(2)),
            (16, two, 30, Some(2)),
            // Twelve of sixteen threads would have nothing to do at the end.
            (16, two, 18, None),
            (16, 2 * two, 96, None),
            (32, 2 * two, 96, Some(4)),
        ] {
            let way = way(threads, rows, panels);
            assert_eq!(way.map(|way| way.parts), parts, "{threads} {rows} {panels}");
            let Some(way) = way else { continue };
            assert!(way.block <= fits && way.block.is_multiple_of(32), "{way:?}");
            assert!(rows.div_ceil(way.block).is_multiple_of(way.parts), "{way:?}");
        }
    }
}
