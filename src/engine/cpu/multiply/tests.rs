use crate::engine::cpu::clock::best;
use crate::engine::cpu::lay::{ByColumn, ByDepth, Lay};
use crate::engine::cpu::panels::Element as _;
use crate::engine::cpu::values::Values;
use half::bf16;

use super::super::tile::Then;
use super::*;

fn wave(i: usize) -> f32 {
    ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3
}

fn rounded<E: Multiplied>(values: &[f32], widen: &impl Fn(E) -> f64) -> Vec<f64> {
    let mut narrow = vec![E::default(); values.len()];
    E::narrow(values, &mut narrow);
    narrow.into_iter().map(widen).collect()
}

fn check<E: Multiplied>(kernel: Kernel, widen: &impl Fn(E) -> f64, tolerance: f64) {
    // Sizes around those of tiles, chunks and panels; one of few rows, whose columns threads share; the last but one
    // has a side that straddles chunks, the last one that is a chunk in f32.
    let few = [(1, 5, 7, 0), (37, 70, 101, 3), (21, 70, 301, 0), (130, 64, 32, 48)];
    let deep = [(45, 1780, 70, 40), (13, 5760, 40, 40)];
    for (rows, depth, columns, side_columns) in few.into_iter().chain(deep) {
        let (pitch, out_pitch) = (depth + 3, columns + side_columns + 2);
        let left: Vec<f32> = (0..rows * pitch).map(wave).collect();
        let side: Vec<f32> = (5..5 + depth * side_columns).map(wave).collect();
        let total = depth + side_columns;
        let right: Vec<f32> = (9..9 + total * columns).map(wave).collect();
        let mut side_panels = Panels::<E>::default();
        side_panels.fill_depths(depth, side_columns, |k, out| {
            E::narrow(&side[k * side_columns..][..side_columns], out);
        });
        let mut panels = Panels::<E>::default();
        panels.fill_depths(total, columns, |k, out| {
            E::narrow(&right[k * columns..][..columns], out);
        });
        let mut out = vec![7.0f32; rows * out_pitch];
        run(
            kernel,
            Rows { data: left[..].into(), count: rows, columns: depth, pitch },
            (side_columns > 0).then_some(&side_panels),
            Right::Ready(&panels),
            ((&mut out[..]).into(), out_pitch),
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
                let beside: f64 = beside.map(|(j, u)| u * right[(depth + j) * columns + n]).sum();
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
fn rounded_operands_and_outputs_are_the_others_rounded() {
    let (rows, depth, columns, side_columns) = (45, 1780, 70, 40);
    let (pitch, total) = (columns + side_columns, depth + side_columns);
    let left: Vec<f32> = (0..rows * depth).map(wave).collect();
    let mut half = vec![bf16::ZERO; left.len()];
    bf16::narrow(&left, &mut half);
    let (mut side, mut panels) = (Panels::<bf16>::default(), Panels::<bf16>::default());
    side.fill_depths(depth, side_columns, |k, out| {
        out.iter_mut()
            .enumerate()
            .for_each(|(n, out)| *out = bf16::one(wave(k * side_columns + n)));
    });
    panels.fill_depths(total, columns, |k, out| {
        out.iter_mut().enumerate().for_each(|(n, out)| *out = bf16::one(wave(9 + k * columns + n)));
    });
    for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()) {
        let product = |data: Values<'_>, out: ValuesMut<'_>| {
            let from = Rows { data, count: rows, columns: depth, pitch: depth };
            run(kernel, from, Some(&side), Right::Ready(&panels), (out, pitch), false);
        };
        let (mut want, mut same) = (vec![0.0f32; rows * pitch], vec![0.0f32; rows * pitch]);
        product(left[..].into(), (&mut want[..]).into());
        product(Values::Half(&half), (&mut same[..]).into());
        assert_eq!(want, same, "{kernel:?}");
        let mut rounded = vec![bf16::ZERO; rows * pitch];
        product(Values::Half(&half), ValuesMut::Half(&mut rounded));
        for (got, want) in rounded.iter().zip(&want) {
            let got = got.to_f32();
            assert!((got - want).abs() <= want.abs() / 200.0 + 2e-3, "{kernel:?} {got} {want}");
        }
    }
}

/// A side operand in blocks along the diagonal, of columns that are no whole halves and depths that are no
/// whole steps: knowing where it is zero changes no bit.
fn check_blocks<E: Multiplied>(kernel: Kernel) {
    let (rows, depth, columns) = (37, 700, 70);
    for (width, bounds) in
        [(16, [0, 300, 400, 700]), (8, [0, 300, 400, 700]), (11, [0, 5, 650, 700])]
    {
        let side_columns = 3 * width;
        let left: Vec<f32> = (0..rows * depth).map(wave).collect();
        let mut side = Panels::<E>::default();
        side.fill_depths(depth, side_columns, |k, out| {
            for (n, out) in out.iter_mut().enumerate() {
                let inside = (bounds[n / width]..bounds[n / width + 1]).contains(&k);
                *out = E::one(if inside { wave(k * side_columns + n) } else { 0.0 });
            }
        });
        let mut panels = Panels::<E>::default();
        panels.fill_depths(depth + side_columns, columns, |k, out| {
            for (n, out) in out.iter_mut().enumerate() {
                *out = E::one(wave(k * columns + n));
            }
        });
        let product = |side: &Panels<E>| {
            let pitch = columns + side_columns;
            let mut out = vec![0.0f32; rows * pitch];
            let from = Rows { data: left[..].into(), count: rows, columns: depth, pitch: depth };
            run(
                kernel,
                from,
                Some(side),
                Right::Ready(&panels),
                ((&mut out[..]).into(), pitch),
                false,
            );
            out
        };
        let all = product(&side);
        let inside: Vec<_> = bounds.windows(2).map(|ends| ends[0]..ends[1]).collect();
        side.set_inside(width, &inside);
        assert_eq!(product(&side), all, "{kernel:?} {width}");
    }
}

#[test]
fn where_a_side_operand_is_zero_is_left_out() {
    for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()) {
        check_blocks::<f32>(kernel);
        check_blocks::<bf16>(kernel);
    }
}

#[test]
fn products_in_f32_match_the_gemm_crate() {
    use crate::engine::cpu::product::{self, Threads, View, ViewMut};
    let (rows, depth, columns) = (61, 200, 90);
    let left: Vec<f32> = (0..rows * depth).map(wave).collect();
    let right: Vec<f32> = (3..3 + depth * columns).map(wave).collect();
    let mut panels = Panels::<f32>::default();
    panels.set_depths(Rows { data: right[..].into(), count: depth, columns, pitch: columns });
    let (mut ours, mut theirs) = (vec![0.0f32; rows * columns], vec![0.0f32; rows * columns]);
    let from = Rows { data: left[..].into(), count: rows, columns: depth, pitch: depth };
    multiply(from, None, &panels, ((&mut ours[..]).into(), columns), false);
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

/// Rows that threads share by columns, by blocks, and in several rounds of those.
fn check_threads<E: Multiplied>() {
    for (rows, depth, columns) in [(300, 96, 400), (90, 700, 70), (1200, 1780, 96)] {
        let side_columns = 24;
        let (pitch, total) = (columns + side_columns, depth + side_columns);
        let left: Vec<f32> = (0..rows * depth).map(wave).collect();
        let (mut side, mut panels) = (Panels::<E>::default(), Panels::<E>::default());
        side.fill_columns(depth, side_columns, |n, first, out| {
            out.iter_mut().zip(first..).for_each(|(out, k)| *out = E::one(wave(n * depth + k)));
        });
        panels.fill_columns(total, columns, |n, first, out| {
            out.iter_mut().zip(first..).for_each(|(out, k)| *out = E::one(wave(n * total + k)));
        });
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![0.0f32; rows * pitch];
            let left = Rows { data: left[..].into(), count: rows, columns: depth, pitch: depth };
            pool.install(|| {
                multiply(left, Some(&side), &panels, ((&mut out[..]).into(), pitch), false);
            });
            out
        };
        let one = run(1);
        assert!(one == run(3) && one == run(7), "{rows} {depth} {columns}");
    }
}

#[test]
fn a_result_does_not_depend_on_the_number_of_threads() {
    check_threads::<f32>();
    check_threads::<bf16>();
}

/// An operand that tasks lay out for themselves, by its columns and by its depths: in one chunk and in several, for one
/// block of rows and for parts of several, on threads that there are panels for and on too many.
fn check_apart<E: Multiplied>(kernel: Kernel) {
    for (rows, depth, wide) in [(45, 70, 40), (110, 2100, 20)] {
        let side_columns = 3;
        let total = depth + side_columns;
        let left: Vec<f32> = (0..rows * depth).map(wave).collect();
        let left = Rows { data: left[..].into(), count: rows, columns: depth, pitch: depth };
        let mut side = Panels::<E>::default();
        side.fill_columns(depth, side_columns, |n, first, out| {
            out.iter_mut().zip(first..).for_each(|(out, k)| *out = E::one(wave(n * depth + k)));
        });
        // The last panel is not whole; nor, on some threads, is the last of several at once.
        let columns = wide * WIDTH + 7;
        let pitch = columns + side_columns;
        let value = |k: usize, n: usize| E::one(wave(k * columns + n));
        let by_column = |n: usize, first: usize, out: &mut [E]| {
            out.iter_mut().zip(first..).for_each(|(out, k)| *out = value(k, n));
        };
        let by_depth = |k: usize, first: usize, out: &mut [E]| {
            out.iter_mut().zip(first..).for_each(|(out, n)| *out = value(k, n));
        };
        let mut panels = Panels::<E>::default();
        panels.fill_columns(total, columns, by_column);
        let by_column = ByColumn { depth: total, columns, part: by_column };
        let by_depth = ByDepth { depth: total, columns, part: by_depth };
        let ways: [&dyn Lay<E>; 2] = [&by_column, &by_depth];
        let mut want = vec![0.0f32; rows * pitch];
        let ready = Right::Ready(&panels);
        run(kernel, left, Some(&side), ready, ((&mut want[..]).into(), pitch), false);
        for (threads, way) in [1, 2, 8, 64].into_iter().flat_map(|n| ways.map(|way| (n, way))) {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![0.0f32; rows * pitch];
            pool.install(|| {
                let mut empty = Panels::default();
                let right = Right::with(kernel, (rows, false), way, &mut empty);
                let enough = way.at_once().div_ceil(2) * threads <= columns.div_ceil(WIDTH);
                assert_eq!(matches!(right, Right::Apart(_)), enough);
                let parts = right.way(kernel, rows, false).parts;
                let are_many = threads == 8 && rows > 100 && !E::tile(kernel).blocked;
                assert_eq!(parts, if are_many { 2 } else { 1 }, "{kernel:?} {threads}");
                run(kernel, left, Some(&side), right, ((&mut out[..]).into(), pitch), false);
            });
            assert!(out == want, "{kernel:?} {rows} {threads}");
        }
        // A kernel that multiplies faster than rows come gets what lies ready.
        let mut empty = Panels::default();
        let many = Right::with(kernel, (100_000, false), &by_column, &mut empty);
        assert_eq!(matches!(many, Right::Ready(_)), E::tile(kernel).blocked);
    }
}

#[test]
fn operands_laid_out_by_tasks_give_the_same_bits() {
    for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()) {
        check_apart::<f32>(kernel);
        check_apart::<bf16>(kernel);
    }
}

#[test]
fn rows_that_fit_no_cache_give_the_same_bits_by_parts() {
    let kernels = Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported());
    let Some(kernel) = kernels.into_iter().find(|kernel| bf16::tile(*kernel).blocked) else {
        eprintln!("skipped: no kernel of this machine takes rows in blocks");
        return;
    };
    let (rows, depth, columns) = (500, 2100, 64 * WIDTH);
    let left: Vec<f32> = (0..rows * depth).map(wave).collect();
    let left = Rows { data: left[..].into(), count: rows, columns: depth, pitch: depth };
    let part = |n: usize, first: usize, out: &mut [bf16]| {
        out.iter_mut().zip(first..).for_each(|(out, k)| *out = bf16::one(wave(n * depth + k)));
    };
    let mut panels = Panels::<bf16>::default();
    panels.fill_columns(depth, columns, part);
    let (mut want, mut half) = (vec![0.0f32; rows * columns], vec![bf16::ZERO; rows * columns]);
    run(kernel, left, None, Right::Ready(&panels), ((&mut want[..]).into(), columns), false);
    let from = ByColumn { depth, columns, part };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(64).build().unwrap();
    pool.install(|| {
        let mut empty = Panels::default();
        let right = Right::with(kernel, (rows, true), &from, &mut empty);
        assert!(right.way(kernel, rows, true).parts > 1);
        run(kernel, left, None, right, (ValuesMut::Half(&mut half), columns), false);
    });
    for (half, want) in half.iter().zip(&want) {
        assert_eq!(*half, bf16::from_f32(*want));
    }
}

/// Products that run at the same time on one pool, whose threads help each other.
#[test]
fn products_beside_each_other_do_not_mix() {
    let (rows, depth, columns) = (200, 130, 300);
    let run = |seed: usize| {
        let left: Vec<f32> = (seed..seed + rows * depth).map(wave).collect();
        let mut panels = Panels::<bf16>::default();
        panels.fill_columns(depth, columns, |n, first, out| {
            out.iter_mut().zip(first..).for_each(|(out, k)| *out = bf16::one(wave(n * depth + k)));
        });
        let mut out = vec![0.0f32; rows * columns];
        let left = Rows { data: left[..].into(), count: rows, columns: depth, pitch: depth };
        multiply(left, None, &panels, ((&mut out[..]).into(), columns), false);
        out
    };
    let alone: Vec<_> = (0..16).map(run).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let beside: Vec<_> = pool.install(|| (0..16).into_par_iter().map(run).collect());
    assert!(alone == beside);
}

/// Prints how fast the parts of a product are: `cargo test --release --lib measure_ -- --ignored
/// --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn measure_products() {
    if kernel().is_half() { measure::<bf16>(bf16::ONE) } else { measure::<f32>(1.0) }
}

fn measure<E: Multiplied>(one: E) {
    let tile = E::tile(kernel());
    for (depth, blocks) in [(256, 1), (640, 1), (640, 8), (1568, 4)] {
        let a = vec![one; blocks * tile.rows * depth];
        let b = vec![one; WIDTH * depth];
        let mut c = vec![0.0f32; blocks * tile.rows * WIDTH];
        let seconds = best(7, &mut || {
            (tile.begin)();
            for i in 0..1000 {
                let first = i % blocks * tile.rows;
                let work = Work {
                    a: a[first * depth..].as_ptr(),
                    a_pitch: if tile.blocked { STEP } else { depth },
                    a_step: if tile.blocked { STEP * tile.rows } else { STEP },
                    rows: tile.rows,
                    b: b.as_ptr(),
                    depth,
                    then: Then::NONE,
                    c: c[first * WIDTH..].as_mut_ptr(),
                    c_pitch: WIDTH,
                    add: false,
                    ahead: b.as_ptr(),
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
            let mut panels = Panels::<E>::default();
            let mut out = vec![0.0f32; rows * columns];
            let row = |out: &mut [E]| out.fill(one);
            let by_depth = best(7, &mut || {
                pool.install(|| panels.fill_depths(depth, columns, |_, o| row(o)));
            });
            let by_column = best(7, &mut || {
                pool.install(|| panels.fill_columns(depth, columns, |_, _, o| row(o)));
            });
            let from = Rows { data: left[..].into(), count: rows, columns: depth, pitch: depth };
            let seconds = best(7, &mut || {
                pool.install(|| {
                    multiply(from, None, &panels, ((&mut out[..]).into(), columns), false);
                });
            });
            let mut narrow = vec![one; left.len()];
            let narrowed = best(7, &mut || E::narrow(&left, &mut narrow));
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
