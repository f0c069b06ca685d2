//! The right operand of a product: laid out before, or by the tasks that multiply with it.

use super::super::kernel::{Kernel, kernel};
use super::super::lay::Lay;
use super::super::panels::{Panels, WIDTH};
use super::super::tile::Multiplied;
use super::TASKS;
use super::way::Way;

/// The right operand of a product.
pub(in crate::engine) enum Right<'a, E> {
    /// All of it is laid out.
    Ready(&'a Panels<E>),
    /// Each task lays out what it multiplies with: one block of rows and one chunk of depths only.
    Apart(&'a dyn Lay<E>),
}

impl<'a, E: Multiplied> Right<'a, E> {
    /// An operand for a product of `count` rows, in bf16 or not: left apart where tasks lay out each panel but once, or
    /// else laid out in `panels`.
    pub(in crate::engine) fn of(
        (count, half): (usize, bool),
        from: &'a dyn Lay<E>,
        panels: &'a mut Panels<E>,
    ) -> Self {
        Self::with(kernel(), (count, half), from, panels)
    }

    pub(super) fn with(
        kernel: Kernel,
        (count, half): (usize, bool),
        from: &'a dyn Lay<E>,
        panels: &'a mut Panels<E>,
    ) -> Self {
        let (depth, columns) = from.size();
        let tasks = TASKS * rayon::current_num_threads();
        let way = Way::of(&E::tile(kernel), count, depth, half);
        if way.once && columns.div_ceil(WIDTH) >= from.at_once() * tasks {
            return Self::Apart(from);
        }
        from.fill(panels);
        Self::Ready(panels)
    }

    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Ready(panels) => panels.depth(),
            Self::Apart(right) => right.size().0,
        }
    }

    pub(super) fn padded_depth(&self) -> usize {
        self.depth().next_multiple_of(E::STEP)
    }

    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Ready(panels) => panels.columns(),
            Self::Apart(right) => right.size().1,
        }
    }

    /// Panels that are laid out together.
    pub(super) fn at_once(&self) -> usize {
        match self {
            Self::Ready(_) => 1,
            Self::Apart(right) => right.at_once(),
        }
    }
}
