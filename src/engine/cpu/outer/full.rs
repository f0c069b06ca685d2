//! Sums of outer products in f32, whose operands are read where they are.
//!
//! Some sums stay in registers while rows go by: each row's values of the right operand times one of the left at a
//! time. What is read from far, the right operand, is read once: all the left one's columns take their turn while some
//! rows of it are near.

use std::cell::RefCell;

use super::{Columns, Product, Sums};
use crate::engine::cpu::ahead;
use crate::engine::cpu::values::Values;
use crate::engine::cpu::vector::multiply_add;
#[cfg(target_arch = "x86_64")]
use crate::engine::cpu::vector::{Level, level};

/// Columns of the right operand that a task takes.
const TASK: Columns = Columns { least: 48, most: 96 };

/// Columns of the right operand that a task takes at a time.
const BLOCK: usize = TASK.least;

/// Rows of both operands that a task takes at a time: what it reads of them stays in the first-level cache.
const DEPTHS: usize = 64;

/// Registers of the right operand that are multiplied at a time.
const REGISTERS: usize = 3;

/// Some rows of both operands, from the first column that counts on, each the pitch after the one before.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    left: &'a [f32],
    left_pitch: usize,
    right: &'a [f32],
    right_pitch: usize,
    /// What comes after that of the right operand, at the same pitch: rows lie apart, so that nothing else reads ahead.
    next: &'a [f32],
}

/// `put(index, first, sums)` gets the sums of some columns from `first` on of the right operand of a product, for all
/// columns of all products, in any order. Each sum is one of multiplications and additions from zero on, row after row,
/// fused where the processor does that.
///
/// # Panics
/// When operands are not in f32.
pub(in crate::engine) fn multiply(
    products: &[Product<'_>],
    put: impl Fn(usize, usize, Sums<'_>) + Sync + Send,
) {
    thread_local! {
        static SUMS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    TASK.each(products, |index, columns| {
        let Product { left, right } = products[index];
        let (Values::Full(left_data), Values::Full(right_data)) = (left.data, right.data) else {
            unreachable!("operands in f32")
        };
        assert!(left.count == right.count, "rows of both operands");
        SUMS.with_borrow_mut(|sums| {
            sums.clear();
            sums.resize(left.columns * TASK.most, 0.0);
            for depth in (0..right.count).step_by(DEPTHS) {
                let count = DEPTHS.min(right.count - depth);
                let end = |pitch: usize, last: usize| (depth + count - 1) * pitch + last;
                for first in columns.clone().step_by(BLOCK) {
                    let last = columns.end.min(first + BLOCK);
                    let next = if last < columns.end {
                        depth * right.pitch + last
                    } else {
                        (depth + count) * right.pitch + columns.start
                    };
                    let part = Part {
                        left: &left_data[depth * left.pitch..end(left.pitch, left.columns)],
                        left_pitch: left.pitch,
                        right: &right_data[depth * right.pitch + first..end(right.pitch, last)],
                        right_pitch: right.pitch,
                        next: right_data.get(next..).unwrap_or_default(),
                    };
                    add(part, left.columns, last - first, &mut sums[first - columns.start..]);
                }
            }
            let sums =
                Sums { values: sums, rows: left.columns, columns: columns.len(), pitch: TASK.most };
            put(index, columns.start, sums);
        });
    });
}

/// Bytes of a thread's buffers for a left operand of `columns` columns.
pub(in crate::engine) fn bytes(columns: usize) -> usize {
    columns * TASK.most * size_of::<f32>()
}

/// Adds the products of `rows` columns on the left and `columns` on the right to `sums`, whose rows lie
/// [`Columns::most`] apart.
fn add(part: Part<'_>, rows: usize, columns: usize, sums: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
        fn wide(part: Part<'_>, rows: usize, columns: usize, sums: &mut [f32]) {
            sweep::<true, 8, 16>(part, rows, columns, sums);
        }
        #[target_feature(enable = "avx2,fma")]
        fn middle(part: Part<'_>, rows: usize, columns: usize, sums: &mut [f32]) {
            sweep::<true, 4, 8>(part, rows, columns, sums);
        }
        match level() {
            Level::Rounding | Level::Wide => {
                // SAFETY: `level` saw all features of `wide`.
                #[expect(unsafe_code, reason = "call of a target-feature function")]
                return unsafe { wide(part, rows, columns, sums) };
            }
            Level::Middle => {
                // SAFETY: `level` saw all features of `middle`.
                #[expect(unsafe_code, reason = "call of a target-feature function")]
                return unsafe { middle(part, rows, columns, sums) };
            }
            Level::Baseline => {}
        }
    }
    sweep::<{ cfg!(target_arch = "aarch64") }, 4, 4>(part, rows, columns, sums);
}

/// [`add`] by tiles of `R` rows and [`REGISTERS`] of `L` lanes, and by narrower ones for what is over.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn sweep<const FUSED: bool, const R: usize, const L: usize>(
    part: Part<'_>,
    rows: usize,
    columns: usize,
    sums: &mut [f32],
) {
    let mut first = 0;
    while first < columns {
        let next = part.next.get(first..).unwrap_or_default();
        let part = Part { right: &part.right[first..], next, ..part };
        let sums = &mut sums[first..];
        first += if columns - first >= REGISTERS * L {
            tiles::<FUSED, R, REGISTERS, L>(part, rows, sums)
        } else if columns - first >= L {
            tiles::<FUSED, R, 1, L>(part, rows, sums)
        } else {
            tiles::<FUSED, R, 1, 1>(part, rows, sums)
        };
    }
}

/// The sums of all rows with `N L` columns; gives the number of these.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn tiles<const FUSED: bool, const R: usize, const N: usize, const L: usize>(
    part: Part<'_>,
    rows: usize,
    sums: &mut [f32],
) -> usize {
    // Once the right operand is near, there is time to ask for what comes next.
    let ask = if rows < 2 * R { 0 } else { R };
    let mut row = 0;
    while row < rows {
        let part = Part { left: &part.left[row..], ..part };
        let sums = &mut sums[row * TASK.most..];
        row += if rows - row < R {
            tile::<FUSED, false, 1, N, L>(part, sums)
        } else if row == ask {
            tile::<FUSED, true, R, N, L>(part, sums)
        } else {
            tile::<FUSED, false, R, N, L>(part, sums)
        };
    }
    N * L
}

/// The sums of `R` rows with `N L` columns; gives the number of rows. `ASK` for what comes next.
///
/// In this form, of whole arrays found by constant indices, the compiler makes each `[f32; L]` a register.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn tile<const FUSED: bool, const ASK: bool, const R: usize, const N: usize, const L: usize>(
    part: Part<'_>,
    sums: &mut [f32],
) -> usize {
    let mut held: [[[f32; L]; N]; R] =
        std::array::from_fn(|r| *first(sums[r * TASK.most..].as_chunks().0));
    let depths = part.left.chunks(part.left_pitch).zip(part.right.chunks(part.right_pitch));
    for (depth, (left, right)) in depths.enumerate() {
        let next = depth * part.right_pitch;
        if ASK && let Some(next) = part.next.get(next..next + N * L) {
            ahead::near(next);
        }
        let left: &[f32; R] = first(left);
        let right: [[f32; L]; N] = *first(right.as_chunks().0);
        for r in 0..R {
            for n in 0..N {
                held[r][n] = scaled::<FUSED, L>(left[r], &right[n], &held[r][n]);
            }
        }
    }
    for (r, held) in held.iter().enumerate() {
        sums[r * TASK.most..][..N * L].copy_from_slice(held.as_flattened());
    }
    R
}

/// The first values of a slice that has as many.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn first<T, const COUNT: usize>(values: &[T]) -> &[T; COUNT] {
    values.first_chunk().unwrap_or_else(|| unreachable!("a whole tile"))
}

/// `sums + factor * values`.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn scaled<const FUSED: bool, const L: usize>(
    factor: f32,
    values: &[f32; L],
    sums: &[f32; L],
) -> [f32; L] {
    let mut out = *sums;
    for (out, value) in out.iter_mut().zip(values) {
        *out = multiply_add::<FUSED>(factor, *value, *out);
    }
    out
}
