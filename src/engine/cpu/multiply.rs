//! The large product: rows of activations times [`Panels`], with a low-rank side product folded in.
//!
//! With a side operand `L` of `c` columns, `u = x L` is computed first, rounded, and laid beside
//! `x`, so that one product with a right operand of `depth + c` depths gives `x W + u M`: an
//! adapter costs no pass of its own over the output. `u` is left in the output's last columns.

use std::cell::RefCell;

use rayon::prelude::*;

use super::cache;
use super::kernel::{Kernel, kernel};
pub(in crate::engine) use super::panels::Rows;
use super::panels::{Panels, Scratch, WIDTH};
pub(in crate::engine) use super::small::{LeftRows, small, small_add};
pub(in crate::engine) use super::tile::Multiplied;
use super::tile::{Tile, Work};

/// Columns that one task takes at least, in panels.
const PANELS: usize = 4;

/// `out[.., ..n] = left right`, and with `side` the output's next columns are `left side`.
///
/// `right` has `left.columns` depths, and below them one for each column of `side`. Rows of `out`
/// lie `pitch` apart; with `add`, the product is added to what is there (`left side` is not).
/// Runs on the current rayon pool; a result depends on sizes and kernel only.
pub(in crate::engine) fn multiply<E: Multiplied>(
    left: Rows<'_>,
    side: Option<&Panels<E>>,
    right: &Panels<E>,
    (out, pitch): (&mut [f32], usize),
    add: bool,
) {
    multiply_with(kernel(), left, side, right, (out, pitch), add);
}

fn multiply_with<E: Multiplied>(
    kernel: Kernel,
    left: Rows<'_>,
    side: Option<&Panels<E>>,
    right: &Panels<E>,
    (out, pitch): (&mut [f32], usize),
    add: bool,
) {
    let side_columns = side.map_or(0, Panels::columns);
    assert_eq!(left.columns + side_columns, right.depth(), "depth");
    assert!(side.is_none_or(|side| side.depth() == left.columns), "depth of the side operand");
    assert!(right.columns() + side_columns <= pitch, "columns");
    if left.count == 0 || right.columns() == 0 {
        return;
    }
    assert!((left.count - 1) * left.pitch + left.columns <= left.data.len(), "left rows");
    assert!((left.count - 1) * pitch + right.columns() + side_columns <= out.len(), "out rows");
    let job =
        Job { left, side, right, tile: E::tile(kernel), out: Out(out.as_mut_ptr()), pitch, add };
    let threads = rayon::current_num_threads();
    let depth = right.padded_depth().min(E::CHUNK);
    // Packed rows stay in the second-level cache, beside panels that stream through it: the more rows
    // a task has, the fewer times the panels are read.
    let bytes = cache::second_level() / 8 * 3;
    let fits = (bytes / (depth * size_of::<E>())).max(job.tile.rows);
    // Blocks of one size, as many for each thread.
    let rounds = left.count.div_ceil(threads * fits);
    let block = left.count.div_ceil(threads * rounds).next_multiple_of(job.tile.rows);
    let blocks = left.count.div_ceil(block);
    // Few rows: threads take columns too.
    let parts = threads.div_ceil(blocks).min(right.count().div_ceil(PANELS)).max(1);
    let panels = right.count().div_ceil(parts);
    (0..blocks * parts).into_par_iter().with_max_len(1).for_each(|task| {
        let (first, panel) = (task / parts * block, task % parts * panels);
        let rows = first..(first + block).min(left.count);
        let panels = panel..(panel + panels).min(right.count());
        if panels.start < panels.end {
            job.run(rows, panels, task % parts == 0);
        }
    });
}

/// Where the output begins; tasks write to different rows and columns of it.
#[derive(Debug, Clone, Copy)]
struct Out(*mut f32);

// SAFETY: tasks write to disjoint rows and columns.
#[expect(unsafe_code, reason = "tasks share the output")]
unsafe impl Send for Out {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "tasks share the output")]
unsafe impl Sync for Out {}

struct Job<'a, E> {
    left: Rows<'a>,
    side: Option<&'a Panels<E>>,
    right: &'a Panels<E>,
    tile: Tile<E>,
    out: Out,
    pitch: usize,
    add: bool,
}

impl<E: Multiplied> Job<'_, E> {
    /// Computes some rows of some panels. Tasks that share rows each compute the side product;
    /// one of them writes it.
    fn run(&self, rows: std::ops::Range<usize>, panels: std::ops::Range<usize>, writes: bool) {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
        }
        let side_columns = self.side.map_or(0, Panels::columns);
        let (depth, padded) = (self.left.columns, self.right.padded_depth());
        let chunks = padded.div_ceil(E::CHUNK).max(1);
        let chunk = padded.div_ceil(chunks).next_multiple_of(E::STEP);
        let count = rows.len().next_multiple_of(self.tile.rows);
        // A side product of its own, for tasks other than the one that writes it.
        let own = side_columns.next_multiple_of(WIDTH);
        SCRATCH.with_borrow_mut(|scratch| {
            let (packed, own_side) = scratch.views::<E>(count * chunk, count * own);
            (self.tile.begin)();
            for start in (0..padded).step_by(chunk) {
                let end = (start + chunk).min(padded);
                self.pack(rows.clone(), start.min(depth)..end.min(depth), end - start, packed);
                if let Some(side) = self.side {
                    // The side operand's own padding may end before this chunk does.
                    let last = end.min(side.padded_depth());
                    if start < last {
                        for panel in 0..side.count() {
                            self.tiles(
                                (packed, end - start),
                                (side, panel, start..last),
                                rows.len(),
                                (Out(own_side.as_mut_ptr()), own, panel * WIDTH, own),
                                start > 0,
                            );
                        }
                    }
                    self.lay_side(rows.len(), start..end, (own_side, own), packed);
                }
                for panel in panels.clone() {
                    // SAFETY: the first row of this task lies within the output.
                    #[expect(unsafe_code, reason = "a place in the shared output")]
                    let out = Out(unsafe { self.out.0.add(rows.start * self.pitch) });
                    self.tiles(
                        (packed, end - start),
                        (self.right, panel, start..end),
                        rows.len(),
                        (out, self.pitch, panel * WIDTH, self.right.columns()),
                        self.add || start > 0,
                    );
                }
            }
            (self.tile.end)();
            if writes && side_columns > 0 {
                for (i, row) in rows.enumerate() {
                    let from = &own_side[i * own..][..side_columns];
                    // SAFETY: the last columns of this task's rows; only this task writes them.
                    #[expect(unsafe_code, reason = "a place in the shared output")]
                    unsafe {
                        let to = self.out.0.add(row * self.pitch + self.right.columns());
                        std::ptr::copy_nonoverlapping(from.as_ptr(), to, side_columns);
                    }
                }
            }
        });
    }

    /// Rounds depths `depths` of some rows into `packed`, rows `pitch` apart, zeros beyond them.
    fn pack(
        &self,
        rows: std::ops::Range<usize>,
        depths: std::ops::Range<usize>,
        pitch: usize,
        packed: &mut [E],
    ) {
        let count = rows.len();
        for (row, packed) in rows.zip(packed.chunks_exact_mut(pitch)) {
            let from = &self.left.data[row * self.left.pitch..][depths.clone()];
            let (to, rest) = packed.split_at_mut(from.len());
            E::narrow(from, to);
            rest.fill(E::default());
        }
        if self.tile.whole {
            let padded = count.next_multiple_of(self.tile.rows);
            packed[count * pitch..padded * pitch].fill(E::default());
        }
    }

    /// Lays the side product beside the rows, where its depths lie in this chunk.
    fn lay_side(
        &self,
        count: usize,
        chunk: std::ops::Range<usize>,
        (side, side_pitch): (&[f32], usize),
        packed: &mut [E],
    ) {
        let first = self.left.columns;
        let depths = first.max(chunk.start)..self.right.depth().min(chunk.end);
        if depths.start >= depths.end {
            return;
        }
        let rows = packed.chunks_exact_mut(chunk.len()).zip(side.chunks_exact(side_pitch));
        for (packed, side) in rows.take(count) {
            let from = &side[depths.start - first..depths.end - first];
            E::narrow(from, &mut packed[depths.start - chunk.start..][..from.len()]);
        }
    }

    /// All rows of one panel over the depths of a chunk.
    fn tiles(
        &self,
        (packed, a_pitch): (&[E], usize),
        (right, panel, depths): (&Panels<E>, usize, std::ops::Range<usize>),
        count: usize,
        (out, c_pitch, column, columns): (Out, usize, usize, usize),
        add: bool,
    ) {
        let b = &right.panel(panel)[depths.start * WIDTH..depths.end * WIDTH];
        let width = WIDTH.min(columns - column);
        for first in (0..count).step_by(self.tile.rows) {
            let rows = self.tile.rows.min(count - first);
            let mut work = Work {
                a: packed[first * a_pitch..].as_ptr(),
                a_pitch,
                rows,
                b: b.as_ptr(),
                depth: depths.len(),
                c: out.0,
                c_pitch,
                add,
            };
            #[expect(unsafe_code, reason = "kernels write to this task's part of the output")]
            // SAFETY: rows `first..first + rows` and columns `column..column + width` are this
            // task's; whole tiles go there directly, others through a buffer of a whole tile. The
            // packed rows are padded for kernels that read whole tiles, and depths are padded.
            unsafe {
                let c = out.0.add(first * c_pitch + column);
                if width == WIDTH && (rows == self.tile.rows || !self.tile.whole) {
                    work.c = c;
                    (self.tile.run)(work);
                    continue;
                }
                let mut buffer = [0.0f32; 32 * WIDTH];
                if add {
                    for (r, row) in buffer.chunks_exact_mut(WIDTH).enumerate().take(rows) {
                        std::ptr::copy_nonoverlapping(c.add(r * c_pitch), row.as_mut_ptr(), width);
                    }
                }
                work.c = buffer.as_mut_ptr();
                work.c_pitch = WIDTH;
                (self.tile.run)(work);
                for (r, row) in buffer.chunks_exact(WIDTH).enumerate().take(rows) {
                    std::ptr::copy_nonoverlapping(row.as_ptr(), c.add(r * c_pitch), width);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::engine::cpu::panels::Element as _;

    fn wave(i: usize) -> f32 {
        ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3
    }

    fn rounded<E: Multiplied>(values: &[f32], widen: &impl Fn(E) -> f64) -> Vec<f64> {
        let mut narrow = vec![E::default(); values.len()];
        E::narrow(values, &mut narrow);
        narrow.into_iter().map(widen).collect()
    }

    fn check<E: Multiplied>(kernel: Kernel, widen: &impl Fn(E) -> f64, tolerance: f64) {
        // Sizes around those of tiles, chunks and panels; the last has a side that straddles chunks.
        for (rows, depth, columns, side_columns) in
            [(1, 5, 7, 0), (37, 70, 101, 3), (130, 64, 32, 48), (45, 1780, 70, 40)]
        {
            let (pitch, out_pitch) = (depth + 3, columns + side_columns + 2);
            let left: Vec<f32> = (0..rows * pitch).map(wave).collect();
            let side: Vec<f32> = (5..5 + depth * side_columns).map(wave).collect();
            let total = depth + side_columns;
            let right: Vec<f32> = (9..9 + total * columns).map(wave).collect();
            let mut side_panels = Panels::<E>::default();
            side_panels.fill_depths(depth, side_columns, |k, out| {
                out.copy_from_slice(&side[k * side_columns..][..side_columns]);
            });
            let mut panels = Panels::<E>::default();
            panels.fill_depths(total, columns, |k, out| {
                out.copy_from_slice(&right[k * columns..][..columns]);
            });
            let mut out = vec![7.0f32; rows * out_pitch];
            multiply_with(
                kernel,
                Rows { data: &left, count: rows, columns: depth, pitch },
                (side_columns > 0).then_some(&side_panels),
                &panels,
                (&mut out, out_pitch),
                false,
            );
            let (left, side) = (rounded(&left, widen), rounded(&side, widen));
            let right = rounded(&right, widen);
            for i in 0..rows {
                let row = &left[i * pitch..][..depth];
                let dot = |values: &[f64], columns: usize, n: usize| -> f64 {
                    row.iter().enumerate().map(|(k, x)| x * values[k * columns + n]).sum()
                };
                let got = &out[i * out_pitch..][..out_pitch];
                let u = &got[columns..columns + side_columns];
                for (n, u) in u.iter().enumerate() {
                    let want = dot(&side, side_columns, n);
                    assert!((f64::from(*u) - want).abs() < 2e-4, "{kernel:?} u {u} {want}");
                }
                let u = rounded(u, widen);
                for n in 0..columns {
                    let beside = u.iter().enumerate();
                    let beside: f64 =
                        beside.map(|(j, u)| u * right[(depth + j) * columns + n]).sum();
                    let want = dot(&right, columns, n) + beside;
                    let got = f64::from(got[n]);
                    assert!((got - want).abs() < tolerance, "{kernel:?} {i},{n}: {got} {want}");
                }
                assert_eq!(got[columns + side_columns..], [7.0; 2], "columns outside stay");
            }
        }
    }

    #[test]
    fn products_match_f64_on_every_kernel_of_this_machine() {
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()) {
            check::<f32>(kernel, &|x| f64::from(x), 5e-4);
            check::<bf16>(kernel, &|x| f64::from(x), 5e-4);
        }
    }

    #[test]
    fn products_in_f32_match_the_gemm_crate() {
        use crate::engine::cpu::product::{self, Threads, View, ViewMut};
        let (rows, depth, columns) = (61, 200, 90);
        let left: Vec<f32> = (0..rows * depth).map(wave).collect();
        let right: Vec<f32> = (3..3 + depth * columns).map(wave).collect();
        let mut panels = Panels::<f32>::default();
        panels.set_depths(Rows { data: &right, count: depth, columns, pitch: columns });
        let (mut ours, mut theirs) = (vec![0.0f32; rows * columns], vec![0.0f32; rows * columns]);
        let from = Rows { data: &left, count: rows, columns: depth, pitch: depth };
        multiply(from, None, &panels, (&mut ours, columns), false);
        product::multiply(
            ViewMut::new(&mut theirs, rows, columns, columns),
            false,
            View::new(&left, rows, depth, depth),
            View::new(&right, depth, columns, columns),
            1.0,
            Threads::One,
        );
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
        }
    }

    #[test]
    fn a_result_does_not_depend_on_the_number_of_threads() {
        let (rows, depth, columns) = (300, 96, 400);
        let left: Vec<f32> = (0..rows * depth).map(wave).collect();
        let mut panels = Panels::<bf16>::default();
        panels.fill_columns(depth, columns, |n, out| {
            (0..depth).for_each(|k| out[k] = wave(n * depth + k));
        });
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![0.0f32; rows * columns];
            let left = Rows { data: &left, count: rows, columns: depth, pitch: depth };
            pool.install(|| multiply(left, None, &panels, (&mut out, columns), false));
            out
        };
        let one = run(1);
        assert!(one == run(3) && one == run(7));
    }

    /// Prints how fast the parts of a product are: `cargo test --release --lib measure_ -- --ignored
    /// --nocapture`.
    #[test]
    #[ignore = "a measurement, not a check"]
    fn measure_products() {
        use std::time::Instant;
        let best = |run: &mut dyn FnMut()| {
            run();
            let once = |run: &mut dyn FnMut()| {
                let started = Instant::now();
                run();
                started.elapsed().as_secs_f64()
            };
            (0..7).map(|_| once(run)).fold(f64::INFINITY, f64::min)
        };
        let tile = bf16::tile(kernel());
        for (depth, blocks) in [(256, 1), (640, 1), (640, 8), (1568, 4)] {
            let a = vec![bf16::ONE; blocks * tile.rows * depth];
            let b = vec![bf16::ONE; WIDTH * depth];
            let mut c = vec![0.0f32; blocks * tile.rows * WIDTH];
            let seconds = best(&mut || {
                (tile.begin)();
                for i in 0..1000 {
                    let first = i % blocks * tile.rows;
                    let work = Work {
                        a: a[first * depth..].as_ptr(),
                        a_pitch: depth,
                        rows: tile.rows,
                        b: b.as_ptr(),
                        depth,
                        c: c[first * WIDTH..].as_mut_ptr(),
                        c_pitch: WIDTH,
                        add: false,
                    };
                    // SAFETY: the buffers have the sizes that `work` tells.
                    #[expect(unsafe_code, reason = "call of a kernel")]
                    unsafe {
                        (tile.run)(work);
                    }
                }
                (tile.end)();
            });
            let work = 2e3 * (tile.rows * WIDTH * depth) as f64;
            println!("tile, depth {depth}, {blocks} blocks: {:.0} GFLOP/s", work / seconds / 1e9);
        }
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for (rows, depth, columns) in
                [(1024, 576, 960), (1024, 576, 3072), (1024, 3072, 576), (1024, 1536, 576)]
            {
                let left = vec![0.5f32; rows * depth];
                let mut panels = Panels::<bf16>::default();
                let mut out = vec![0.0f32; rows * columns];
                let row = |out: &mut [f32]| out.fill(0.5);
                let by_depth = best(&mut || {
                    pool.install(|| panels.fill_depths(depth, columns, |_, o| row(o)));
                });
                let by_column = best(&mut || {
                    pool.install(|| panels.fill_columns(depth, columns, |_, o| row(o)));
                });
                let from = Rows { data: &left, count: rows, columns: depth, pitch: depth };
                let seconds = best(&mut || {
                    pool.install(|| multiply(from, None, &panels, (&mut out, columns), false));
                });
                let mut narrow = vec![bf16::ONE; left.len()];
                let narrowed = best(&mut || bf16::narrow(&left, &mut narrow));
                println!(
                    "{threads} threads, {rows}x{columns}x{depth}: {:.0} GFLOP/s ({:.2} ms); filled by depth \
                     {:.2} ms, by column {:.2} ms; narrowed on one {:.2} ms",
                    2e-9 * (rows * depth * columns) as f64 / seconds,
                    seconds * 1e3,
                    by_depth * 1e3,
                    by_column * 1e3,
                    narrowed * 1e3
                );
            }
        }
    }
}
