use super::*;

struct Example {
    codes: Vec<u8>,
    magnitudes: Vec<f32>,
    halves: Vec<bf16>,
}

fn example(rows: usize, width: usize) -> Example {
    let wave = |i: usize| ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3;
    let values: Vec<f32> = (0..rows * width).map(wave).collect();
    let quantized = nf4::quantize(&values);
    let mut magnitudes = vec![0.0; values.len() / nf4::BLOCK];
    quantized.decode_magnitudes(0, &mut magnitudes);
    for (block, magnitude) in magnitudes.iter().enumerate() {
        assert_eq!(*magnitude, quantized.magnitude(block));
    }
    let halves = values.iter().map(|value| bf16::from_f32(*value)).collect();
    Example { magnitudes, codes: quantized.codes.to_vec(), halves }
}

fn run(
    kernel: Kernel,
    weights: Weights<'_>,
    (x, width, round): (&[f32], usize, bool),
    adapter: Option<(&[f32], &Tail)>,
) -> Vec<f32> {
    let count = x.len() / width;
    let rows = weights.len() / width;
    let mut tokens = Tokens::default();
    let kind = if matches!(weights, Weights::Half(_)) { Kind::Half } else { Kind::Coded };
    tokens.set(x, (count, width), (kernel, kind), round);
    let mut out = vec![7.0; 1 + count * (rows + 3)];
    let shared = Out { values: Shared::new(&mut out), first: 1, pitch: rows + 3 };
    multiply(kernel, weights, &tokens, adapter, shared);
    out
}

/// Each kernel that this machine runs against sums in f64 of the same operands: with `round` those that
/// round tokens and codes to bf16.
fn check(kernel: Kernel, round: bool) {
    let rounded =
        |value: f32| if round { bf16::from_f32(value).to_f64() } else { f64::from(value) };
    for (rows, width, count, rank) in
        [(1, 64, 1, 0), (5, 128, 3, 3), (4, 192, 4, 16), (7, 576, 7, 20), (3, 64, 17, 33)]
    {
        let example = example(rows, width);
        let coded: Vec<f64> = (0..rows * width)
            .map(|i| {
                let (byte, magnitude) = (example.codes[i / 2], example.magnitudes[i / nf4::BLOCK]);
                let code = nf4::CODE[usize::from(if i % 2 == 0 { byte >> 4 } else { byte & 15 })];
                rounded(code) * f64::from(magnitude)
            })
            .collect();
        let half: Vec<f64> = example.halves.iter().map(|value| value.to_f64()).collect();
        let x: Vec<f32> = (0..count * width).map(|i| (i as f32 * 0.37).cos()).collect();
        let b: Vec<f32> = (0..rows * rank).map(|i| (i as f32 * 0.7).sin()).collect();
        let mut tail = Tail::default();
        let (u, pitch) = tail.set(count, rank.max(1));
        for token in 1..count {
            // The first token has no adapter.
            for (j, u) in u[token * pitch..][..rank].iter_mut().enumerate() {
                *u = ((token * rank + j) as f32 * 0.3).cos();
            }
        }
        let u = u.to_vec();
        let adapter = (rank > 0).then_some((&b[..], &tail));
        for (weights, exact) in [
            (Weights::Coded(&example.codes, &example.magnitudes), &coded),
            (Weights::Half(&example.halves), &half),
        ] {
            let got = run(kernel, weights, (&x, width, round), adapter);
            let bare = run(kernel, weights, (&x, width, round), None);
            assert_eq!(got[0], 7.0);
            for token in 0..count {
                let out = &got[1 + token * (rows + 3)..][..rows + 3];
                assert_eq!(out[rows..], [7.0; 3]);
                for (row, got) in out[..rows].iter().enumerate() {
                    let x = &x[token * width..][..width];
                    let w = &exact[row * width..][..width];
                    let sum: f64 = w.iter().zip(x).map(|(w, x)| w * rounded(*x)).sum();
                    let (b, u) = (&b[row * rank..][..rank], &u[token * pitch..][..rank]);
                    let added: f64 =
                        b.iter().zip(u).map(|(b, u)| f64::from(*b) * f64::from(*u)).sum();
                    let want = sum + added;
                    assert!(
                        (f64::from(*got) - want).abs() < 2e-6 * width as f64,
                        "{kernel:?} {rows}x{width}, {count}: {got} {want}"
                    );
                }
                let one = &x[token * width..][..width];
                let mut own = Tail::default();
                let (row, _) = own.set(1, rank.max(1));
                row.copy_from_slice(&u[token * pitch..][..pitch]);
                let own = (rank > 0).then_some((&b[..], &own));
                let alone = run(kernel, weights, (one, width, round), own);
                assert_eq!(alone[1..=rows], out[..rows], "{kernel:?}: token {token} alone");
            }
            assert_eq!(bare[1..=rows], got[1..=rows], "a token without the adapter");
        }
    }
}

#[test]
fn every_kernel_matches_f64_and_neighbours_do_not_matter() {
    for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()) {
        check(kernel, false);
    }
}

#[test]
fn kernels_of_pairs_match_f64_and_neighbours_do_not_matter() {
    if Kernel::Avx512Bf16.is_supported() {
        check(Kernel::Avx512Bf16, true);
    }
}
