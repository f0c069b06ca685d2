//! The copy of the head and its bound.

use super::*;
use crate::engine::base::Precision;

const WIDTH: usize = 128;

fn wave(i: usize) -> f32 {
    ((i * 7919 % 1009) as f32 - 504.0) / 504.0
}

/// Rows of several sizes: one of zeros, one tiny, one with a value far above the others.
fn table(rows: usize) -> (Vec<f32>, Table) {
    let mut values: Vec<f32> = (0..rows * WIDTH)
        .map(|i| wave(i) * [1.0, 0.02, 3.0][i / WIDTH % 3])
        .map(|x| half::bf16::from_f32(x).to_f32())
        .collect();
    values[5 * WIDTH..6 * WIDTH].fill(0.0);
    values[6 * WIDTH..7 * WIDTH].iter_mut().for_each(|x| *x *= 2.0f32.powi(-120));
    values[7 * WIDTH + 3] = 64.0;
    let mut table = Table::begin(rows, WIDTH);
    table.push(&values, Precision::Bf16);
    (values, table)
}

/// Some columns large, one of nothing.
fn profile() -> Profile {
    let mut profile = Profile::default();
    let large = |k: usize| [1.0, 0.0, -8.0, 0.0][usize::from(k.is_multiple_of(31)) * 2 + k / 127];
    profile.add(&(0..WIDTH).map(large).collect::<Vec<_>>());
    profile.add(&[f32::NAN; WIDTH]);
    profile
}

fn exact(values: &[f32], x: &[f32]) -> Vec<f64> {
    let dot = |row: &[f32]| row.iter().zip(x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    values.chunks_exact(WIDTH).map(dot).collect()
}

/// The copy's value.
fn copied(coarse: &Coarse, row: usize, k: usize) -> f32 {
    let at = row * WIDTH + k;
    let byte = coarse.codes.bytes()[at / 2];
    let code = if k.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
    let code = CODE[usize::from(code)];
    let code = if coarse.rounds { half::bf16::from_f32(code).to_f32() } else { code };
    code * (f32::from(coarse.magnitudes[at / BLOCK]) * coarse.scales[row])
}

/// Logits by the copy of a token of several.
fn sums(coarse: &Coarse, scratch: &Scratch, token: usize, count: usize) -> Vec<f32> {
    let panels = scratch.sums.chunks(coarse.panel() * count);
    panels
        .flat_map(|sums| sums.chunks_exact(sums.len() / count).nth(token).unwrap().to_vec())
        .collect()
}

/// Rows that may be the likeliest, by the largest logit of all.
fn rivals(coarse: &Coarse, scratch: &Scratch, token: usize, least: f64) -> Vec<usize> {
    coarse.rivals(scratch, token, least as f32, usize::MAX).unwrap()
}

#[test]
fn no_logit_is_farther_from_its_copy_than_the_bound() {
    let rows = 2500;
    let (values, table) = table(rows);
    for round in [false, true] {
        let coarse = Coarse::new(&table, &profile(), round).unwrap();
        assert_eq!(coarse.bytes(), rows * (WIDTH / 2 + WIDTH / BLOCK + 8) + WIDTH * 4);
        assert!(rows > coarse.panel());
        // Even, with outliers, of few columns, and one that follows the errors of a row as they are.
        let against = |k: usize| {
            let error = values[10 * WIDTH + k] - copied(&coarse, 10, k);
            error / (coarse.inverse[k] * coarse.inverse[k])
        };
        let mut all: Vec<Vec<f32>> = vec![
            (0..WIDTH).map(|k| wave(3 * k + 1)).collect(),
            (0..WIDTH).map(|k| wave(k) * if k % 31 == 0 { 40.0 } else { 0.5 }).collect(),
            (0..WIDTH).map(|k| if k == 3 { -2.0 } else { 0.0 }).collect(),
            (0..WIDTH).map(|k| 1e3 * against(k)).collect(),
        ];
        all.push(vec![0.0; WIDTH]);
        let x: Vec<f32> = all.concat().iter().map(|x| half::bf16::from_f32(*x).to_f32()).collect();
        let mut scratch = Scratch::default();
        coarse.search(&x, &mut scratch);
        let mut nearest = 0.0f64;
        for (token, x) in x.chunks_exact(WIDTH).enumerate() {
            let Bound { factor, more } = scratch.bounds[token];
            let exact = exact(&values, x);
            let sums = sums(&coarse, &scratch, token, all.len());
            for (row, (exact, copy)) in exact.iter().zip(&sums).enumerate() {
                let bound = f64::from(factor) * f64::from(coarse.far[row]) + f64::from(more);
                let error = (f64::from(*copy) - exact).abs();
                assert!(error <= bound, "row {row}, token {token}: {error} {bound}");
                nearest = nearest.max(error / bound.max(1e-30));
            }
            let most = exact.iter().copied().fold(f64::MIN, f64::max);
            let likeliest = sums.iter().copied().fold(f32::MIN, f32::max);
            assert_eq!(sums[coarse.first(&scratch, token).unwrap()], likeliest);
            let found = rivals(&coarse, &scratch, token, most);
            assert!(found.is_sorted());
            for (row, exact) in exact.iter().enumerate() {
                assert!(*exact < most || found.contains(&row), "row {row}, token {token}");
            }
        }
        // A bound that were much too wide would exclude little.
        assert!(nearest > 0.9, "{nearest}");
        let most = exact(&values, &x[..WIDTH]).into_iter().fold(f64::MIN, f64::max);
        let found = rivals(&coarse, &scratch, 0, most);
        assert!(found.len() < rows / 8, "{}", found.len());
        // Each token alone finds the same.
        let mut alone = Scratch::default();
        coarse.search(&x[..WIDTH], &mut alone);
        assert_eq!(rivals(&coarse, &alone, 0, most), found);
        assert_eq!(coarse.first(&alone, 0), coarse.first(&scratch, 0));
    }
}

#[test]
fn too_many_and_numbers_that_are_none_are_left_to_the_head() {
    let (_, table) = table(300);
    let coarse = Coarse::new(&table, &profile(), false).unwrap();
    let mut scratch = Scratch::default();
    // All logits are equal.
    coarse.search(&[0.0; WIDTH], &mut scratch);
    assert_eq!(coarse.rivals(&scratch, 0, 0.0, 299), None);
    assert_eq!(coarse.rivals(&scratch, 0, 0.0, 300).unwrap().len(), 300);
    assert_eq!(coarse.rivals(&scratch, 0, f32::NAN, 300), None);
    for strange in [f32::NAN, f32::INFINITY, 1e38] {
        let mut x = [1.0; WIDTH];
        x[17] = strange;
        coarse.search(&x, &mut scratch);
        assert_eq!(coarse.first(&scratch, 0), None, "{strange}");
    }
    let mut narrow = Table::begin(1, 40);
    narrow.push(&[1.0; 40], Precision::Bf16);
    assert!(Coarse::new(&narrow, &profile(), false).is_none());
}
