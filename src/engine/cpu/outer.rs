//! Sums of outer products, `out[r][n] = sum_k left[k][r] right[k][n]`: an adapter's gradients, whose tokens are the
//! depths `k`.
//!
//! A right operand of such a product is used once. In f32 ([`full`]) it is read where it is, in bf16 ([`strips`]) it is
//! laid out some columns at a time.

pub(in crate::engine) mod full;
pub(in crate::engine) mod strips;

use std::ops::Range;

use rayon::prelude::*;

use super::panels::Rows;
use super::team::Together as _;

/// Operands with as many rows as each other.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Product<'a> {
    /// `[k, r]`
    pub(in crate::engine) left: Rows<'a>,
    /// `[k, n]`
    pub(in crate::engine) right: Rows<'a>,
}

/// Sums of all `r` with some columns of a right operand.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Sums<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    pitch: usize,
}

impl<'a> Sums<'a> {
    /// Columns of the right operand.
    pub(in crate::engine) fn columns(&self) -> usize {
        self.columns
    }

    /// For each column of the left operand its sums.
    pub(in crate::engine) fn rows(&self) -> impl Iterator<Item = &'a [f32]> {
        self.values.chunks(self.pitch).take(self.rows).map(|row| &row[..self.columns])
    }
}

/// Columns that a task takes: where there are many threads, fewer, so that there are enough tasks.
struct Columns {
    least: usize,
    most: usize,
}

impl Columns {
    fn of(&self, product: &Product<'_>) -> usize {
        let each = product.right.columns.div_ceil(2 * rayon::current_num_threads());
        each.next_multiple_of(self.least).clamp(self.least, self.most)
    }

    /// `run(index, columns)` for all columns of the right operands of all products, in any order and beside each other,
    /// on the current pool.
    fn each(&self, products: &[Product<'_>], run: impl Fn(usize, Range<usize>) + Sync + Send) {
        let tasks = |product: &Product<'_>| product.right.columns.div_ceil(self.of(product));
        let count = products.iter().map(tasks).sum::<usize>();
        (0..count).into_par_iter().with_max_len(1).together(|index| {
            let (product, index) = place(products, tasks, index);
            let width = self.of(&products[product]);
            let end = products[product].right.columns.min((index + 1) * width);
            run(product, index * width..end);
        });
    }
}

/// Whose task that is, and which of its own, where those of each follow one another.
fn place<T>(all: &[T], tasks: impl Fn(&T) -> usize, index: usize) -> (usize, usize) {
    let mut index = index;
    for (place, one) in all.iter().enumerate() {
        match index.checked_sub(tasks(one)) {
            None => return (place, index),
            Some(rest) => index = rest,
        }
    }
    unreachable!("a task of one of them")
}

#[cfg(test)]
mod tests;
