//! Panels that tasks lay out for themselves: each group of them once, by the first task that multiplies with it.

use std::hint::spin_loop;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use super::super::lay::Lay;
use super::super::panels::WIDTH;
use super::super::team::lock;
use super::super::tile::Multiplied;
use super::lend::Lent;
use super::way::Way;

/// Turns of waiting for another task to lay out, before this one sleeps: some tens of microseconds.
const TURNS: u32 = 1000;

/// A right operand's depths of a chunk: for each part of the rows all groups of panels.
pub(super) struct Cells<'a, E> {
    from: &'a dyn Lay<E>,
    depths: Range<usize>,
    /// Panels of a group.
    group: usize,
    /// Groups of all panels.
    groups: usize,
    /// Blocks of a part of the rows.
    blocks: usize,
    laid: Vec<Cell>,
}

/// A group of panels, for a part of the rows.
#[derive(Debug, Default)]
struct Cell {
    /// Laid out, from its first task on until its last is done.
    laid: Mutex<Option<Arc<Lent>>>,
    /// Tasks that are done with it.
    done: AtomicUsize,
}

impl<'a, E: Multiplied> Cells<'a, E> {
    /// For `blocks` blocks of rows, which are in parts of as many.
    pub(super) fn new(
        from: &'a dyn Lay<E>,
        depths: Range<usize>,
        way: &Way,
        blocks: usize,
    ) -> Self {
        let groups = from.size().1.div_ceil(WIDTH).div_ceil(way.group);
        let laid = (0..groups * way.parts).map(|_| Cell::default()).collect();
        Self { from, depths, group: way.group, groups, blocks: blocks / way.parts, laid }
    }

    /// Tasks: one for each block of rows and group of panels. Those of a group come one after the other.
    pub(super) fn tasks(&self) -> usize {
        self.laid.len() * self.blocks
    }

    /// Lends a task its block and, one after the other, its panels. If the first of a group's tasks lays them out, others
    /// wait for it.
    pub(super) fn with(&self, task: usize, run: impl FnOnce(usize, Range<usize>, &[E])) {
        let (index, block) = (task / self.blocks, task % self.blocks);
        let (cell, part, group) = (&self.laid[index], index / self.groups, index % self.groups);
        let panels = self.from.size().1.div_ceil(WIDTH);
        let these = group * self.group..((group + 1) * self.group).min(panels);
        let len = these.len() * self.depths.len() * WIDTH;
        let laid = Arc::clone(cell.open().get_or_insert_with(|| {
            let mut buffer = Lent::panels();
            let (to, _) = buffer.views::<E>(len, 0);
            self.from.lay(these.clone(), self.depths.clone(), to);
            Arc::new(buffer)
        }));
        run(part * self.blocks + block, these, laid.elements(len));
        drop(laid);
        // Whoever is last lets the buffer go, for the next group.
        if cell.done.fetch_add(1, Ordering::AcqRel) + 1 == self.blocks {
            *cell.open() = None;
        }
    }
}

impl Cell {
    /// Laying out takes some microseconds, to be woken more.
    fn open(&self) -> MutexGuard<'_, Option<Arc<Lent>>> {
        for _ in 0..TURNS {
            match self.laid.try_lock() {
                Err(TryLockError::WouldBlock) => spin_loop(),
                Ok(laid) => return laid,
                Err(TryLockError::Poisoned(laid)) => return laid.into_inner(),
            }
        }
        lock(&self.laid)
    }
}
