//! Each operation's forward and backward against candle's composed operations and against central
//! differences, on tiny shapes.

use candle_core::{D, Device, Tensor, Var};
use candle_nn::ops::{rms_norm_slow, silu, softmax};
use candle_nn::rotary_emb::rope_slow;

use super::attention::{self, Heads, Kept, Projected};
use super::base::Precision;
use super::pack::Segment;
use super::rope::Rotaries;
use super::{gate, norm, toy};
use crate::model::{Activation, DecoderConfig, Windows};

/// Values without pattern in [-1, 1].
fn values(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|i| ((i as f32 + seed) * 12.9898).sin()).collect()
}

fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

fn variable(values: &[f32], shape: &[usize]) -> Var {
    Var::from_tensor(&tensor(values, shape)).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The gradient of `sum(weights * output)` at `input`.
fn gradient(output: &Tensor, weights: &[f32], input: &Var) -> Vec<f32> {
    let weights = tensor(weights, output.dims());
    let grads = (output * weights).unwrap().sum_all().unwrap().backward().unwrap();
    flat(grads.get(input).unwrap())
}

fn close(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() < tolerance, "{i}: {got} {want}");
    }
}

/// Slopes of `sum(weights * run(input))` by central differences.
fn slopes(input: &[f32], weights: &[f32], run: impl Fn(&[f32]) -> Vec<f32>) -> Vec<f32> {
    let score = |input: &[f32]| -> f64 {
        let products = run(input).into_iter().zip(weights);
        products.map(|(y, w)| f64::from(y) * f64::from(*w)).sum()
    };
    let step = 1e-2;
    (0..input.len())
        .map(|i| {
            let (mut up, mut down) = (input.to_vec(), input.to_vec());
            up[i] += step;
            down[i] -= step;
            ((score(&up) - score(&down)) / f64::from(2.0 * step)) as f32
        })
        .collect()
}

#[test]
fn norm_and_its_gradient() {
    let (rows, width, epsilon) = (19, 37, 1e-5);
    let (x, weight) = (values(rows * width, 1.0), values(width, 2.0));
    let up = values(rows * (width + 3), 3.0);
    let run = |x: &[f32]| {
        let (mut normed, mut inverse) = (vec![0.0; rows * width], vec![0.0; rows]);
        norm::forward(x, &weight, epsilon, &mut normed, &mut inverse);
        (normed, inverse)
    };
    let (normed, inverse) = run(&x);
    let variable = variable(&x, &[rows, width]);
    let output = rms_norm_slow(&variable, &tensor(&weight, &[width]), epsilon).unwrap();
    close(&normed, &flat(&output), 1e-5);

    let mut dx = values(rows * width, 4.0);
    let before = dx.clone();
    let mut again = vec![0.0; rows * width];
    let grads = (&up[..], width + 3);
    norm::backward((&x, &inverse), &weight, grads, &mut dx, &mut again);
    assert_eq!(again, normed);
    let up: Vec<f32> = up.chunks(width + 3).flat_map(|row| &row[..width]).copied().collect();
    let got: Vec<f32> = dx.iter().zip(&before).map(|(dx, before)| dx - before).collect();
    close(&got, &gradient(&output, &up, &variable), 1e-5);
    close(&got, &slopes(&x, &up, |x| run(x).0), 1e-3);

    // The same after an addition, whose second part has columns that do not belong to it.
    let y = values(rows * (width + 2), 5.0);
    let (mut sum, mut added) = (vec![0.0; rows * width], vec![0.0; rows]);
    norm::add_forward(&x, (&y, width + 2), &weight, epsilon, &mut sum, &mut again, &mut added);
    let mut want = vec![0.0; rows * width];
    norm::add(&x, (&y, width + 2), width, &mut want);
    assert_eq!(sum, want);
    assert_eq!(sum[width + 1], x[width + 1] + y[width + 3]);
    assert_eq!((again, added), run(&sum));
}

#[test]
fn gate_and_its_gradient() {
    for activation in [Activation::Silu, Activation::Gelu] {
        let (rows, width, pitch) = (11, 21, 45);
        let both: Vec<f32> = values(rows * pitch, 1.0).iter().map(|x| x * 4.0).collect();
        let mut hidden = vec![0.0; rows * width];
        gate::forward(activation, (both[..].into(), pitch), (&mut hidden[..]).into(), width);
        let columns = |from: usize| -> Vec<f32> {
            both.chunks(pitch).flat_map(|row| &row[from..from + width]).copied().collect()
        };
        let (e, g) = (columns(0), columns(width));
        let (ev, gv) = (variable(&e, &[rows, width]), variable(&g, &[rows, width]));
        let gate = match activation {
            Activation::Silu => silu(&ev),
            Activation::Gelu => ev.gelu(),
        };
        let output = (gate.unwrap() * gv.as_tensor()).unwrap();
        close(&hidden, &flat(&output), 1e-5);

        let up = values(rows * (width + 4), 2.0);
        let (mut changed, mut inner) = (both.clone(), up.clone());
        let inner_rows = ((&mut inner[..]).into(), width + 4);
        gate::backward(activation, ((&mut changed[..]).into(), pitch), inner_rows, width);
        let up: Vec<f32> = up.chunks(width + 4).flat_map(|row| &row[..width]).copied().collect();
        let (de, dg) = (gradient(&output, &up, &ev), gradient(&output, &up, &gv));
        for (row, changed) in changed.chunks(pitch).enumerate() {
            let wanted = row * width..(row + 1) * width;
            close(&inner[row * (width + 4)..][..width], &hidden[wanted.clone()], 1e-5);
            close(&changed[..width], &de[wanted.clone()], 1e-5);
            close(&changed[width..2 * width], &dg[wanted], 1e-5);
            assert_eq!(changed[2 * width..], both[row * pitch..][2 * width..pitch]);
        }
        let near = slopes(&e, &up, |e| {
            let mut hidden = vec![0.0; e.len()];
            gate::apply(activation, &mut hidden, e, &g);
            hidden
        });
        close(&de, &near, 1e-3);
    }
}

#[test]
fn attention_with_rope_and_its_gradient() {
    // Windows: none, one token, less than a block, and more than one.
    for tokens in [None, Some(1), Some(20), Some(64), Some(100)] {
        let windows =
            tokens.map(|tokens| Windows { tokens, layers: vec![true; 2], rope_base: None });
        check_attention(&DecoderConfig { windows, ..toy::qwen2() });
    }
}

fn check_attention(config: &DecoderConfig) {
    let (heads, kv_heads, dim) = (config.heads, config.kv_heads, config.head_dim);
    let width = (heads + 2 * kv_heads) * dim;
    let pitch = width + 5;
    // Blocks of 64 queries: one short of, one at, and one beyond a block.
    let lengths = [3, 64, 300];
    let tokens: usize = lengths.iter().sum();
    let mut segments = Vec::new();
    for length in lengths {
        let start = segments.last().map_or(0, |last: &std::ops::Range<usize>| last.end);
        segments.push(start..start + length);
    }
    let alone: Vec<Segment> =
        segments.iter().map(|own| Segment { own: own.clone(), parent: None }).collect();
    let window = config.window(0).unwrap_or(usize::MAX);
    let sizes = Heads::new(config, 0, Precision::F32);
    let positions: Vec<u32> = lengths.iter().flat_map(|length| 0..*length as u32).collect();
    let bias = values(width, 9.0);
    let mut rotary = Rotaries::default();
    rotary.reach(config, 300);
    let rotary = rotary.layer(config, 0);

    let plain = values(tokens * width, 1.0);
    let run = |plain: &[f32]| {
        let mut rows = vec![0.0; tokens * pitch];
        for (row, plain) in rows.chunks_mut(pitch).zip(plain.chunks(width)) {
            row[..width].copy_from_slice(plain);
        }
        rotary.forward((&mut rows, pitch), Some(&bias), heads + kv_heads, &positions);
        let (mut out, mut sums) = (vec![0.0; tokens * heads * dim], vec![0.0; tokens * heads]);
        let projected = Projected { rows: &rows, pitch };
        attention::forward(sizes, projected, &alone, &mut out, &mut sums);
        (rows, out, sums)
    };
    let (rows, out, log_sums) = run(&plain);
    let up = values(tokens * (heads * dim + 2), 3.0);
    let mut scratch = vec![f32::NAN; sizes.scratch(tokens)];
    let mut grads = vec![f32::NAN; tokens * width];
    attention::backward(
        sizes,
        Projected { rows: &rows, pitch },
        Kept { out: &out, log_sums: &log_sums },
        (&up, heads * dim + 2),
        &alone,
        (rotary, &positions),
        &mut scratch,
        &mut grads,
    );
    let up: Vec<f32> =
        up.chunks(heads * dim + 2).flat_map(|row| &row[..heads * dim]).copied().collect();

    for segment in &segments {
        let length = segment.len();
        let mine = segment.start * width..segment.end * width;
        let all = variable(&plain[mine.clone()], &[length, width]);
        let shifted = all.broadcast_add(&tensor(&bias, &[width])).unwrap();
        let part = |first: usize, count: usize| {
            let part = shifted.narrow(1, first * dim, count * dim).unwrap();
            let part = part.reshape((1, length, count, dim)).unwrap();
            part.transpose(1, 2).unwrap().contiguous().unwrap()
        };
        let angle = |i: usize| {
            let (position, pair) = (i / (dim / 2), i % (dim / 2));
            let factor = f64::from(config.rope_factors.as_ref().unwrap()[pair]);
            let exponent = -2.0 * pair as f64 / dim as f64;
            position as f64 * f64::from(config.rope_base).powf(exponent) / factor
        };
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f32> = (0..length * dim / 2).map(|i| f(angle(i)) as f32).collect();
            tensor(&values, &[length, dim / 2])
        };
        let (cosines, sines) = (table(f64::cos), table(f64::sin));
        let query = rope_slow(&part(0, heads), &cosines, &sines).unwrap();
        let key = rope_slow(&part(heads, kv_heads), &cosines, &sines).unwrap();
        let share = heads / kv_heads;
        let spread = |y: Tensor| {
            let y = y.unsqueeze(2).unwrap();
            let y = y.broadcast_as((1, kv_heads, share, length, dim)).unwrap();
            y.contiguous().unwrap().reshape((1, heads, length, dim)).unwrap()
        };
        let (key, value) = (spread(key), spread(part(heads + kv_heads, kv_heads)));
        let scores = query.matmul(&key.transpose(2, 3).unwrap().contiguous().unwrap()).unwrap();
        let mask: Vec<f32> = (0..length * length)
            .map(|i| (i / length, i % length))
            .map(|(i, j)| if j <= i && i - j < window { 0.0 } else { f32::NEG_INFINITY })
            .collect();
        let scores = (scores / (dim as f64).sqrt()).unwrap();
        let scores = scores.broadcast_add(&tensor(&mask, &[length, length])).unwrap();
        let output = softmax(&scores, D::Minus1).unwrap().matmul(&value).unwrap();
        let output = output.transpose(1, 2).unwrap().contiguous().unwrap();
        let outs = segment.start * heads * dim..segment.end * heads * dim;
        close(&out[outs.clone()], &flat(&output), 1e-4);
        close(&grads[mine], &gradient(&output, &up[outs], &all), 1e-4);
    }

    // A few values by differences, also across a block's edge.
    for at in [0, 5, width + heads * dim, 67 * width + 3, 70 * width + heads * dim + 1] {
        let step = 1e-2;
        let score = |by: f32| -> f64 {
            let mut plain = plain.clone();
            plain[at] += by;
            let (_, out, _) = run(&plain);
            out.iter().zip(&up).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum()
        };
        let slope = (score(step) - score(-step)) / f64::from(2.0 * step);
        assert!((f64::from(grads[at]) - slope).abs() < 2e-3, "{at}: {} {slope}", grads[at]);
    }
}
