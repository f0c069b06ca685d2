//! Products whose right operand is used once and is not laid out before: strip by strip of its columns,
//! in the cache.

use std::cell::RefCell;

use half::bf16;
use rayon::prelude::*;

use super::panels::{Panels, Rows, WIDTH};
use super::shared::Shared;
use super::small::{LeftRows, small};
use super::team::Together as _;
use super::tile::Multiplied;

/// Rows that a task of [`turn`] turns.
const TURNED: usize = 2 * WIDTH;

/// Columns of a strip, at most.
const COLUMNS: usize = 8 * WIDTH;

/// A thread's buffers.
#[derive(Debug, Default)]
pub(in crate::engine) struct Strip<E> {
    right: Panels<E>,
    sums: Vec<f32>,
}

/// Elements that each thread has buffers for.
pub(in crate::engine) trait Stripped: Multiplied {
    /// Lends this thread's buffers.
    fn with_strip(run: impl FnOnce(&mut Strip<Self>));
}

impl Stripped for f32 {
    fn with_strip(run: impl FnOnce(&mut Strip<Self>)) {
        thread_local! {
            static STRIP: RefCell<Strip<f32>> = RefCell::new(Strip::default());
        }
        STRIP.with_borrow_mut(run);
    }
}

impl Stripped for bf16 {
    fn with_strip(run: impl FnOnce(&mut Strip<Self>)) {
        thread_local! {
            static STRIP: RefCell<Strip<bf16>> = RefCell::new(Strip::default());
        }
        STRIP.with_borrow_mut(run);
    }
}

/// `left right`, whose depths are the rows of `right`: `put(first, columns, sums)` gets `columns` columns from `first` on,
/// rows of `sums` [`PITCH`] apart; strips come in any order.
pub(in crate::engine) struct Product<'a, E> {
    pub(in crate::engine) left: &'a LeftRows<E>,
    pub(in crate::engine) right: Rows<'a>,
    pub(in crate::engine) put: &'a (dyn Fn(usize, usize, &[f32]) + Sync),
}

impl<E: Stripped> Product<'_, E> {
    /// Columns of each strip: where there are many threads they are narrower, so that there are enough.
    fn width(&self) -> usize {
        let each = self.right.columns.div_ceil(2 * rayon::current_num_threads());
        each.next_multiple_of(WIDTH).clamp(WIDTH, COLUMNS)
    }

    fn strips(&self) -> usize {
        self.right.columns.div_ceil(self.width())
    }

    fn strip(&self, index: usize) {
        let Self { left, right, put } = self;
        let first = index * self.width();
        let columns = self.width().min(right.columns - first);
        E::with_strip(|Strip { right: panels, sums }| {
            panels.set_depths(Rows { data: right.data.tail(first), columns, ..*right });
            let len = left.padded_rows() * COLUMNS;
            if sums.len() < len {
                sums.resize(len, 0.0);
            }
            small(left, 0..left.rows(), panels, sums, COLUMNS);
            put(first, columns, sums);
        });
    }
}

/// Computes products beside each other, on the current pool.
pub(in crate::engine) fn multiply<E: Stripped>(products: &[Product<'_, E>]) {
    let count = products.iter().map(Product::strips).sum::<usize>();
    (0..count).into_par_iter().with_max_len(1).together(|index| {
        let (product, index) = place(products, Product::strips, index);
        product.strip(index);
    });
}

/// Takes columns as the rows of left operands, beside each other on the current pool.
pub(in crate::engine) fn turn<E: Stripped>(operands: &mut [(Rows<'_>, &mut LeftRows<E>)]) {
    let turning = operands.iter_mut().map(|(from, left)| {
        let (data, pitch) = left.space(from.columns, from.count);
        (*from, Shared::new(data), pitch)
    });
    let turning: Vec<_> = turning.collect();
    let tasks = |(_, _, pitch): &(Rows<'_>, Shared<'_, E>, usize)| pitch.div_ceil(TURNED);
    (0..turning.iter().map(tasks).sum::<usize>()).into_par_iter().together(|index| {
        let ((from, data, pitch), index) = place(&turning, tasks, index);
        let first = index * TURNED;
        let count = TURNED.min(from.count - first);
        let these = Rows { data: from.data.tail(first * from.pitch), count, ..*from };
        E::with_strip(|Strip { right: panels, .. }| {
            panels.set_depths(these);
            let mut turned = [E::default(); WIDTH * TURNED];
            for panel in 0..panels.count() {
                let depth = panels.padded_depth();
                let turned = &mut turned[..WIDTH * depth];
                E::turn_back(panels.panel(panel), depth, turned, depth);
                for (n, row) in turned.chunks_exact(depth).enumerate() {
                    let at = (panel * WIDTH + n) * pitch + first;
                    // SAFETY: these depths belong to this task, in every row.
                    #[expect(unsafe_code, reason = "tasks write to places of their own")]
                    unsafe { data.part(at, depth) }.copy_from_slice(row);
                }
            }
        });
    });
}

/// Whose task that is, and which of its own, where those of each follow one another.
fn place<T>(all: &[T], tasks: impl Fn(&T) -> usize, index: usize) -> (&T, usize) {
    let mut index = index;
    for one in all {
        match index.checked_sub(tasks(one)) {
            None => return (one, index),
            Some(rest) => index = rest,
        }
    }
    unreachable!("a task of one of them")
}

/// Values between the rows of the sums that [`multiply`] gives.
pub(in crate::engine) const PITCH: usize = COLUMNS;

/// Bytes of a thread's buffers for `tokens` depths and `rows` rows.
pub(in crate::engine) fn bytes(element: usize, tokens: usize, rows: usize) -> usize {
    tokens.next_multiple_of(32) * COLUMNS * element + rows.next_multiple_of(32) * COLUMNS * 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn check<E: Stripped>() {
        let (rows, depth, columns, pitch) = (43, 157, 300, 310);
        let wave = |i: usize| ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3;
        let turned: Vec<f32> = (0..depth * rows).map(wave).collect();
        let right: Vec<f32> = (5..5 + depth * pitch).map(wave).collect();
        let mut left = LeftRows::<E>::default();
        let from = Rows { data: turned[..].into(), count: depth, columns: rows, pitch: rows };
        turn(&mut [(from, &mut left)]);
        let mut alone = LeftRows::<E>::default();
        alone.set_columns(from, &mut Panels::default());
        assert_eq!(left.values(), alone.values());
        let out = Mutex::new(vec![0.0f32; rows * columns]);
        let from = Rows { data: right[..].into(), count: depth, columns, pitch };
        let put = |first: usize, width: usize, sums: &[f32]| {
            let mut out = out.lock().unwrap();
            for r in 0..rows {
                out[r * columns + first..][..width].copy_from_slice(&sums[r * PITCH..][..width]);
            }
        };
        multiply(&[Product { left: &left, right: from, put: &put }]);
        for (i, got) in out.into_inner().unwrap().into_iter().enumerate() {
            let (r, n) = (i / columns, i % columns);
            let want: f32 = (0..depth).map(|k| turned[k * rows + r] * right[k * pitch + n]).sum();
            assert!((got - want).abs() < 0.02, "{r} {n}: {got} {want}");
        }
    }

    #[test]
    fn strips_make_up_the_whole_product_on_few_threads_and_on_many() {
        for threads in [1, 16] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(check::<f32>);
            pool.install(check::<bf16>);
        }
    }
}
