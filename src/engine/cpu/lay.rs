//! What right operands are laid out from: all at once before a product, or piece by piece by the tasks that multiply
//! with it, whose panels then never leave their second-level cache.

use std::ops::Range;

use super::panels::{Element, Panels};

/// A right operand that is not laid out yet.
pub(in crate::engine) trait Lay<E: Element>: Sync {
    /// Depth and columns, without padding.
    fn size(&self) -> (usize, usize);

    /// Panels that cost least where they are laid out together.
    fn at_once(&self) -> usize;

    /// Lays all of it out, on the current pool.
    fn fill(&self, panels: &mut Panels<E>);

    /// Lays some depths of some panels out, one panel after the other, on this thread. The first depth and, but where
    /// the operand ends, the number of depths are multiples of [`Element::STEP`].
    fn lay(&self, panels: Range<usize>, depths: Range<usize>, to: &mut [E]);
}

/// A matrix whose rows are the columns of the operand: `part(n, k, out)` writes values of row `n` from depth `k` on,
/// rounded.
#[derive(Debug)]
pub(in crate::engine) struct ByColumn<F> {
    pub(in crate::engine) depth: usize,
    pub(in crate::engine) columns: usize,
    pub(in crate::engine) part: F,
}

impl<E: Element, F: Fn(usize, usize, &mut [E]) + Sync> Lay<E> for ByColumn<F> {
    fn size(&self) -> (usize, usize) {
        (self.depth, self.columns)
    }

    fn at_once(&self) -> usize {
        1
    }

    fn fill(&self, panels: &mut Panels<E>) {
        panels.fill_columns(self.depth, self.columns, &self.part);
    }

    fn lay(&self, panels: Range<usize>, depths: Range<usize>, to: &mut [E]) {
        Panels::lay_columns((self.depth, self.columns), (panels, depths), &self.part, to);
    }
}

/// A matrix whose rows are the depths of the operand: `part(k, n, out)` writes values of row `k` from column `n` on,
/// rounded.
#[derive(Debug)]
pub(in crate::engine) struct ByDepth<F> {
    pub(in crate::engine) depth: usize,
    pub(in crate::engine) columns: usize,
    pub(in crate::engine) part: F,
}

impl<E: Element, F: Fn(usize, usize, &mut [E]) + Sync> Lay<E> for ByDepth<F> {
    fn size(&self) -> (usize, usize) {
        (self.depth, self.columns)
    }

    /// Rows are taken apart: two blocks of codes at least.
    fn at_once(&self) -> usize {
        4
    }

    fn fill(&self, panels: &mut Panels<E>) {
        panels.fill_depths(self.depth, self.columns, |k, row| (self.part)(k, 0, row));
    }

    fn lay(&self, panels: Range<usize>, depths: Range<usize>, to: &mut [E]) {
        Panels::lay_depths((self.depth, self.columns), (panels, depths), &self.part, to);
    }
}
