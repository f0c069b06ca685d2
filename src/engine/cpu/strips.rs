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

/// `left right`, whose depths are the rows of `right`. `put(first, columns, sums)` gets
/// `columns` columns from `first` on, rows of `sums` [`PITCH`] apart; strips come in any order, on the
/// current pool.
pub(in crate::engine) fn multiply<E: Stripped>(
    left: &LeftRows<E>,
    right: Rows<'_>,
    put: impl Fn(usize, usize, &[f32]) + Sync,
) {
    // Many threads have strips enough where they are narrower.
    let each = right.columns.div_ceil(2 * rayon::current_num_threads());
    let each = each.next_multiple_of(WIDTH).min(COLUMNS);
    (0..right.columns.div_ceil(each.max(1))).into_par_iter().with_max_len(1).together(|index| {
        let first = index * each;
        let columns = each.min(right.columns - first);
        E::with_strip(|Strip { right: panels, sums }| {
            panels.set_depths(Rows { data: right.data.tail(first), columns, ..right });
            let len = left.padded_rows() * COLUMNS;
            if sums.len() < len {
                sums.resize(len, 0.0);
            }
            small(left, 0..left.rows(), panels, sums, COLUMNS);
            put(first, columns, sums);
        });
    });
}

/// Takes columns as the rows of a left operand, on the current pool.
pub(in crate::engine) fn turn<E: Stripped>(from: Rows<'_>, left: &mut LeftRows<E>) {
    let (data, pitch) = left.space(from.columns, from.count);
    let data = Shared::new(data);
    (0..pitch.div_ceil(TURNED)).into_par_iter().together(|index| {
        let first = index * TURNED;
        let count = TURNED.min(from.count - first);
        let these = Rows { data: from.data.tail(first * from.pitch), count, ..from };
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
        turn(from, &mut left);
        let mut alone = LeftRows::<E>::default();
        alone.set_columns(from, &mut Panels::default());
        assert_eq!(left.values(), alone.values());
        let out = Mutex::new(vec![0.0f32; rows * columns]);
        let from = Rows { data: right[..].into(), count: depth, columns, pitch };
        multiply(&left, from, |first, width, sums| {
            let mut out = out.lock().unwrap();
            for r in 0..rows {
                out[r * columns + first..][..width].copy_from_slice(&sums[r * PITCH..][..width]);
            }
        });
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
