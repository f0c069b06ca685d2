use std::sync::Mutex;

use super::*;
use crate::engine::cpu::values::Values;
#[cfg(target_arch = "x86_64")]
use crate::engine::cpu::vector;

/// Operands of some products within the same values, and where they begin.
const SHAPES: [(usize, usize, usize, usize); 5] =
    // Depths, left columns, right columns, pitch: none divides by tiles, chunks or strips.
    [
        (301, 43, 300, 350),
        (128, 16, 96, 130),
        (1, 1, 1, 9),
        (130, 20, 23, 61),
        (64, 5, 101, 140),
    ];

fn values() -> Vec<f32> {
    let wave = |i: usize| ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3;
    (0..110_000).map(wave).collect()
}

fn products(data: &[f32]) -> Vec<Product<'_>> {
    let rows = |at: usize, count: usize, columns: usize, pitch: usize| Rows {
        data: Values::from(&data[at..]),
        count,
        columns,
        pitch,
    };
    let product = |(depths, left, right, pitch): (usize, usize, usize, usize)| Product {
        left: rows(3, depths, left, pitch),
        right: rows(7 + left, depths, right, pitch),
    };
    SHAPES.into_iter().map(product).collect()
}

type Run<'a> = &'a (dyn Fn(&[Product<'_>], &(dyn Fn(usize, usize, Sums<'_>) + Sync)) + Sync);

/// Whether a sum is that of these factors.
type Same<'a> = &'a dyn Fn(f32, &mut dyn Iterator<Item = (f32, f32)>) -> bool;

/// Compares every sum, and sees that each comes once, on few threads and on many.
fn check(run: Run<'_>, same: Same<'_>) {
    let data = values();
    let products = products(&data);
    for threads in [1, 2, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let out: Vec<Mutex<Vec<Option<f32>>>> =
            SHAPES.iter().map(|(_, r, n, _)| Mutex::new(vec![None; r * n])).collect();
        let put = |index: usize, first: usize, sums: Sums<'_>| {
            let mut out = out[index].lock().unwrap();
            for (r, sums) in sums.rows().enumerate() {
                for (n, sum) in sums.iter().enumerate() {
                    let place = &mut out[r * SHAPES[index].2 + first + n];
                    assert!(place.replace(*sum).is_none(), "{index}: twice");
                }
            }
        };
        pool.install(|| run(&products, &put));
        for ((depths, left, right, pitch), out) in SHAPES.into_iter().zip(&out) {
            for (i, got) in out.lock().unwrap().iter().enumerate() {
                let (r, n) = (i / right, i % right);
                let mut terms =
                    (0..depths).map(|k| (data[3 + k * pitch + r], data[7 + left + k * pitch + n]));
                let got = got.unwrap_or_else(|| panic!("{depths} {left}: no sum {r} {n}"));
                assert!(same(got, &mut terms), "{depths} {left} {right}: {r} {n}: {got}");
            }
        }
    }
}

#[test]
fn sums_in_f32_are_those_of_row_after_row() {
    #[cfg(target_arch = "x86_64")]
    let fused = vector::level() != vector::Level::Baseline;
    #[cfg(not(target_arch = "x86_64"))]
    let fused = cfg!(target_arch = "aarch64");
    check(&|products, put| full::multiply(products, put), &|got, terms| {
        let one =
            |sum: f32, (a, b): (f32, f32)| if fused { a.mul_add(b, sum) } else { a * b + sum };
        got == terms.fold(0.0, one)
    });
}

#[test]
fn sums_in_bf16_are_close_to_those_of_rounded_values() {
    let run: Run<'_> = &|products, put| strips::multiply(products, &mut Vec::new(), put);
    check(run, &|got, terms| {
        let round = |value: f32| f64::from(half::bf16::from_f32(value).to_f32());
        let want: f64 = terms.map(|(a, b)| round(a) * round(b)).sum();
        (f64::from(got) - want).abs() < 1e-4
    });
}
