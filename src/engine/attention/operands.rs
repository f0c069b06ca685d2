//! Left operands and a thread's buffers for the products of one head.

use std::cell::RefCell;
use std::ops::Range;

use half::bf16;

use super::pieces::Part;
use super::softmax::Softened;
use super::{BLOCK, Heads};
use crate::engine::cpu::ahead;
use crate::engine::cpu::aligned::Aligned;
use crate::engine::cpu::multiply::{LeftRows, Multiplied};
use crate::engine::cpu::panels::{Element as _, Panels, Rows, WIDTH};

/// A thread's buffers, kept from head to head.
#[derive(Debug, Default)]
pub(super) struct Buffers<E> {
    pub(super) keys: LeftRows<E>,
    pub(super) values: LeftRows<E>,
    /// Keys (backward) or values (forward), transposed.
    pub(super) turned: LeftRows<E>,
    pub(super) chances: LeftRows<E>,
    pub(super) dscores: LeftRows<E>,
    pub(super) queries: Panels<E>,
    pub(super) douts: Panels<E>,
    /// Queries and output gradients with the queries as depth.
    pub(super) queries_deep: Panels<E>,
    pub(super) douts_deep: Panels<E>,
    pub(super) deep: Panels<E>,
    /// `[keys, BLOCK]`
    pub(super) scores: Aligned<f32>,
    pub(super) dchances: Aligned<f32>,
    /// `[dim, BLOCK]`
    pub(super) result: Aligned<f32>,
    /// `[dim / 32][BLOCK][32]`
    pub(super) laid: Aligned<f32>,
    /// `[keys, dim]`, columns up to whole panels.
    pub(super) dkeys: Aligned<f32>,
    pub(super) dvalues: Aligned<f32>,
    /// Rows gathered from some ranges.
    pub(super) gathered: Vec<f32>,
    /// Queries and output gradients of a block, lane by lane.
    pub(super) lanes: Vec<f32>,
    pub(super) dlanes: Vec<f32>,
    pub(super) ranges: Vec<Range<usize>>,
}

/// Elements that each thread has buffers for.
pub(super) trait Buffered: Multiplied + Softened {
    /// Lends this thread's buffers.
    fn with_buffers(run: impl FnOnce(&mut Buffers<Self>));
}

impl Buffered for f32 {
    fn with_buffers(run: impl FnOnce(&mut Buffers<Self>)) {
        thread_local! {
            static BUFFERS: RefCell<Buffers<f32>> = RefCell::new(Buffers::default());
        }
        BUFFERS.with_borrow_mut(run);
    }
}

impl Buffered for bf16 {
    fn with_buffers(run: impl FnOnce(&mut Buffers<Self>)) {
        thread_local! {
            static BUFFERS: RefCell<Buffers<bf16>> = RefCell::new(Buffers::default());
        }
        BUFFERS.with_borrow_mut(run);
    }
}

/// Columns `first..first + dim` of the rows of some ranges, one after the other; gathered where there is more than one.
pub(super) fn gather<'a>(
    (rows, pitch): (&'a [f32], usize),
    ranges: &[Range<usize>],
    (first, dim): (usize, usize),
    gathered: &'a mut Vec<f32>,
) -> Rows<'a> {
    if let [range] = ranges {
        let data = rows[range.start * pitch + first..].into();
        return Rows { data, count: range.len(), columns: dim, pitch };
    }
    gathered.clear();
    for row in ranges.iter().cloned().flatten() {
        gathered.extend_from_slice(&rows[row * pitch + first..][..dim]);
    }
    Rows { data: gathered[..].into(), count: gathered.len() / dim, columns: dim, pitch: dim }
}

/// Some lanes of a part, out of rows of one query head after the other.
pub(super) fn gather_lanes<'a>(
    heads: Heads,
    (rows, pitch): (&[f32], usize),
    (key_head, part, lanes): (usize, &Part, &Range<usize>),
    gathered: &'a mut Vec<f32>,
) -> Rows<'a> {
    let dim = heads.dim;
    gathered.clear();
    let row = |lane: usize| {
        let (token, head) = heads.lane(key_head, part, lane);
        &rows[token * pitch + head * dim..][..dim]
    };
    for lane in lanes.clone() {
        // Those of the next tokens lie too far apart to be read ahead.
        if lane + ahead::ROWS < lanes.end {
            ahead::near(row(lane + ahead::ROWS));
        }
        gathered.extend_from_slice(row(lane));
    }
    Rows { data: gathered[..].into(), count: lanes.len(), columns: dim, pitch: dim }
}

/// Lays `[dim, BLOCK]` out by query, 32 values of a query side by side.
pub(super) fn lay_by_query<'a>(result: &[f32], laid: &'a mut Aligned<f32>) -> &'a [f32] {
    let size = WIDTH * BLOCK;
    let laid = laid.fit(result.len());
    for (from, to) in result.chunks_exact(size).zip(laid.chunks_exact_mut(size)) {
        f32::turn(from, BLOCK, to);
    }
    laid
}

/// The values of one query of what [`lay_by_query`] laid out.
pub(super) fn of_query<'a>(
    laid: &'a [f32],
    lane: usize,
    out: &'a mut [f32],
) -> impl Iterator<Item = (&'a mut [f32], &'a [f32])> {
    out.chunks_mut(WIDTH).enumerate().map(move |(part, out)| {
        let from = &laid[(part * BLOCK + lane) * WIDTH..][..out.len()];
        (out, from)
    })
}

/// Rounds up to whole panels.
pub(super) fn whole_panels(columns: usize) -> usize {
    columns.next_multiple_of(WIDTH)
}
