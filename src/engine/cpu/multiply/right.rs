//! The right operand of a product: laid out before, or by the tasks that multiply with it.

use super::super::kernel::{Kernel, kernel};
use super::super::lay::Lay;
use super::super::panels::{Panels, WIDTH};
use super::super::tile::Multiplied;
use super::way::{Size, Way};

/// The right operand of a product.
pub(in crate::engine) enum Right<'a, E> {
    /// All of it is laid out.
    Ready(&'a Panels<E>),
    /// Tasks lay out what they multiply with.
    Apart(&'a dyn Lay<E>),
}

impl<'a, E: Multiplied> Right<'a, E> {
    /// An operand for a product of `count` rows, in bf16 or not: left apart where tasks had better lay it out, or else laid
    /// out in `panels`.
    pub(in crate::engine) fn of(
        (count, half): (usize, bool),
        from: &'a dyn Lay<E>,
        panels: &'a mut Panels<E>,
    ) -> Self {
        Self::with(kernel(), (count, half), from, panels)
    }

    pub(super) fn with(
        kernel: Kernel,
        (rows, half): (usize, bool),
        from: &'a dyn Lay<E>,
        panels: &'a mut Panels<E>,
    ) -> Self {
        let apart = Self::Apart(from);
        if apart.by_panels(kernel, (rows, half)).is_some() {
            return apart;
        }
        from.fill(panels);
        Self::Ready(panels)
    }

    /// How tasks go through a product with it if they lay it out.
    fn by_panels(&self, kernel: Kernel, (rows, half): (usize, bool)) -> Option<Way> {
        let Self::Apart(from) = self else { return None };
        Way::by_panels(&E::tile(kernel), self.size(rows, half), from.at_once())
    }

    fn size(&self, rows: usize, half: bool) -> Size {
        Size { rows, depth: self.depth(), panels: self.columns().div_ceil(WIDTH), half }
    }

    /// How a product of `rows` rows with it goes.
    pub(super) fn way(&self, kernel: Kernel, rows: usize, half: bool) -> Way {
        let by_panels = self.by_panels(kernel, (rows, half));
        by_panels.unwrap_or_else(|| Way::by_rows(&E::tile(kernel), self.size(rows, half)))
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
}
