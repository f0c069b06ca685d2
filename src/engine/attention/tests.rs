//! What the results of attention do not depend on.

use rayon::ThreadPool;

use super::*;
use crate::engine::rope::Rotaries;
use crate::engine::toy;

/// Tokens of a row that is cut into pieces, and of one that does not fill whole tiles.
const LENGTHS: [usize; 2] = [700, 45];

fn pool(threads: usize) -> ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

fn segments(lengths: &[usize]) -> Vec<Segment> {
    let ends = lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    ends.zip(lengths)
        .map(|(end, length)| Segment { own: end - length..end, parent: None })
        .collect()
}

/// The bits of outputs, logs of sums and gradients for rows of so many tokens, whose queries, keys and values are times
/// `scale`.
fn pass(precision: Precision, lengths: &[usize], scale: f32) -> [Vec<u32>; 3] {
    let (segments, tokens) = (segments(lengths), lengths.iter().sum());
    let config = toy::qwen2();
    let heads = Heads::new(&config, 0, precision);
    let wave = |count: usize, step: usize| -> Vec<f32> {
        (0..count).map(|i| ((i * step % 1009) as f32 - 504.0) * 0.002 * scale).collect()
    };
    let (width, outputs) = (heads.width(), heads.query * heads.dim);
    let (rows, up) = (wave(tokens * width, 7919), wave(tokens * outputs, 541));
    let rows = Projected { rows: &rows, pitch: width };
    let (mut out, mut log_sums) = (vec![0.0; tokens * outputs], vec![0.0; tokens * heads.query]);
    forward(heads, rows, &segments, &mut out, &mut log_sums);
    let mut rotary = Rotaries::default();
    rotary.reach(&config, tokens);
    let positions: Vec<u32> = lengths.iter().flat_map(|length| 0..*length as u32).collect();
    let mut grads = vec![f32::NAN; tokens * width];
    backward(
        heads,
        rows,
        Kept { out: &out, log_sums: &log_sums },
        (&up, outputs),
        &segments,
        (rotary.layer(&config, 0), &positions),
        &mut vec![f32::NAN; heads.scratch(tokens)],
        &mut grads,
    );
    [out, log_sums, grads].map(|values| values.into_iter().map(f32::to_bits).collect())
}

#[test]
fn threads_do_not_change_a_bit() {
    let heads = Heads::new(&toy::qwen2(), 0, Precision::F32);
    let cut = |tasks: usize| pieces::pieces(heads, &segments(&LENGTHS), (tasks, usize::MAX)).len();
    assert!(cut(6) < cut(6 * 16), "the forward pass has more pieces for more threads");
    for precision in [Precision::F32, Precision::Bf16] {
        let alone = pool(1).install(|| pass(precision, &LENGTHS, 1.0));
        for threads in [2, 16] {
            assert_eq!(
                pool(threads).install(|| pass(precision, &LENGTHS, 1.0)),
                alone,
                "{threads}"
            );
        }
    }
}

#[test]
fn what_is_no_number_stays_in_its_pass() {
    // One thread, whose buffers are those of the pass before.
    let pool = pool(1);
    for precision in [Precision::F32, Precision::Bf16] {
        let before = pool.install(|| pass(precision, &LENGTHS[1..], 1.0));
        let [out, ..] = pool.install(|| pass(precision, &LENGTHS, f32::NAN));
        assert!(out.iter().all(|bits| f32::from_bits(*bits).is_nan()));
        assert_eq!(pool.install(|| pass(precision, &LENGTHS[1..], 1.0)), before, "{precision:?}");
    }
}
