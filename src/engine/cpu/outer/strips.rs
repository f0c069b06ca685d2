//! Sums of outer products in bf16: right operands are laid out strip by strip of their columns, in the cache, left ones
//! turned before.

use std::cell::RefCell;

use half::bf16;
use rayon::prelude::*;

use super::{Columns, Product, Sums, place};
use crate::engine::cpu::panels::{Element as _, Panels, Rows, WIDTH};
use crate::engine::cpu::shared::Shared;
use crate::engine::cpu::small::{LeftRows, small};
use crate::engine::cpu::team::Together as _;

/// Rows that a task of [`turn`] turns.
const TURNED: usize = 2 * WIDTH;

/// Columns of a strip.
const STRIP: Columns = Columns { least: WIDTH, most: 8 * WIDTH };

/// A thread's buffers.
#[derive(Debug, Default)]
struct Strip {
    right: Panels<bf16>,
    sums: Vec<f32>,
}

thread_local! {
    static BUFFERS: RefCell<Strip> = RefCell::new(Strip::default());
}

/// Left operands, turned.
pub(in crate::engine) type Lefts = Vec<LeftRows<bf16>>;

/// As [`super::full::multiply`], with operands rounded to bf16; `lefts` is a buffer.
pub(in crate::engine) fn multiply(
    products: &[Product<'_>],
    lefts: &mut Lefts,
    put: impl Fn(usize, usize, Sums<'_>) + Sync + Send,
) {
    if lefts.len() < products.len() {
        lefts.resize_with(products.len(), LeftRows::default);
    }
    turn(products, lefts);
    STRIP.each(products, |index, columns| {
        let (left, right) = (&lefts[index], products[index].right);
        BUFFERS.with_borrow_mut(|Strip { right: panels, sums }| {
            let data = right.data.tail(columns.start);
            panels.set_depths(Rows { data, columns: columns.len(), ..right });
            let len = left.padded_rows() * STRIP.most;
            if sums.len() < len {
                sums.resize(len, 0.0);
            }
            small(left, 0..left.rows(), panels, sums, STRIP.most);
            let (rows, pitch) = (left.rows(), STRIP.most);
            put(index, columns.start, Sums { values: sums, rows, columns: columns.len(), pitch });
        });
    });
}

/// Takes the columns of left operands as rows, beside each other on the current pool.
fn turn(products: &[Product<'_>], lefts: &mut Lefts) {
    let turning = products.iter().zip(lefts).map(|(Product { left: from, .. }, left)| {
        let (data, pitch) = left.space(from.columns, from.count);
        (*from, Shared::new(data), pitch)
    });
    let turning: Vec<_> = turning.collect();
    let tasks = |(_, _, pitch): &(Rows<'_>, Shared<'_, bf16>, usize)| pitch.div_ceil(TURNED);
    (0..turning.iter().map(tasks).sum::<usize>()).into_par_iter().together(|index| {
        let (operand, index) = place(&turning, tasks, index);
        let (from, data, pitch) = &turning[operand];
        let first = index * TURNED;
        let count = TURNED.min(from.count - first);
        let these = Rows { data: from.data.tail(first * from.pitch), count, ..*from };
        BUFFERS.with_borrow_mut(|Strip { right: panels, .. }| {
            panels.set_depths(these);
            let mut turned = [bf16::default(); WIDTH * TURNED];
            for panel in 0..panels.count() {
                let depth = panels.padded_depth();
                let turned = &mut turned[..WIDTH * depth];
                bf16::turn_back(panels.panel(panel), depth, turned, depth);
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

/// Bytes of buffers for `tokens` depths and left operands of so many columns each.
pub(in crate::engine) fn bytes(tokens: usize, lefts: &[usize]) -> usize {
    let padded = |columns: usize| columns.next_multiple_of(WIDTH);
    let depths = tokens.next_multiple_of(32);
    let widest = lefts.iter().copied().max().unwrap_or(0);
    let strip = depths * STRIP.most * size_of::<bf16>() + padded(widest) * STRIP.most * 4;
    lefts.iter().map(|columns| padded(*columns) * depths * size_of::<bf16>()).sum::<usize>()
        + rayon::current_num_threads() * strip
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_turned_in_parts_are_those_turned_at_once() {
        for (rows, depth, pitch) in [(43, 157, 43), (5, 64, 9), (64, 200, 70)] {
            let wave = |i: usize| ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3;
            let data: Vec<f32> = (0..depth * pitch).map(wave).collect();
            let left = Rows { data: data[..].into(), count: depth, columns: rows, pitch };
            let mut lefts = vec![LeftRows::default(), LeftRows::default()];
            turn(&[Product { left, right: left }, Product { left, right: left }], &mut lefts);
            let mut alone = LeftRows::<bf16>::default();
            alone.set_columns(left, &mut Panels::default());
            for left in &lefts {
                assert_eq!(left.values(), alone.values(), "{rows} {depth}");
            }
        }
    }
}
