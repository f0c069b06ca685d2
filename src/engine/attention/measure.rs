//! Prints how long the parts of attention take: `cargo test --release --lib measure_attention --
//! --ignored --nocapture`.

use half::bf16;

use super::operands::{Buffered, Buffers};
use super::softmax::Sight;
use super::{BLOCK, softmax};
use crate::engine::base::Precision;
use crate::engine::cpu::clock::best;
use crate::engine::cpu::multiply;
use crate::engine::cpu::panels::Rows;

/// Keys of one head, all of them seen, and values a head.
const KEYS: usize = 1024;
const DIM: usize = 64;

fn measure<E: Buffered>() {
    let wave = |i: usize| ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3;
    let rows: Vec<f32> = (0..KEYS * DIM).map(wave).collect();
    let all = Rows { data: rows[..].into(), count: KEYS, columns: DIM, pitch: DIM };
    let (before, window) = (KEYS - BLOCK, usize::MAX);
    let sight = Sight { rows: KEYS, before, first: 0, share: 1, window };
    let data = rows[before * DIM..].into();
    let asked = Rows { data, count: BLOCK, columns: DIM, pitch: DIM };
    let scale = 0.125;
    let show = |what: &str, products: usize, seconds: f64| {
        let flops = (2 * products * KEYS * DIM * BLOCK) as f64;
        println!("{what}: {:.1} us, {:.0} GFLOP/s", seconds * 1e6, flops / seconds / 1e9);
    };
    E::with_buffers(|buffers: &mut Buffers<E>| {
        show("keys as rows", 0, best(31, &mut || buffers.keys.set_rows(all)));
        let turned = &mut buffers.turned;
        show("keys turned", 0, best(31, &mut || turned.set_columns(all, &mut buffers.deep)));
        buffers.values.set_rows(all);
        show("queries as columns", 0, best(31, &mut || buffers.queries.set_columns(asked, BLOCK)));
        show("queries as depths", 0, best(31, &mut || buffers.queries_deep.set_depths(asked)));
        buffers.douts.set_columns(asked, BLOCK);
        buffers.douts_deep.set_depths(asked);
        let padded = buffers.keys.padded_rows();
        let (mut scores, mut dchances) = (vec![0.0; padded * BLOCK], vec![0.0; padded * BLOCK]);
        let mut sums = vec![0.0; padded * DIM];
        let mut result = vec![0.0; DIM * BLOCK];
        let Buffers { keys, values, turned, queries, douts, deep, .. } = buffers;
        let product = &mut || multiply::small(keys, 0..KEYS, queries, &mut scores, BLOCK);
        show("scores", 1, best(31, product));
        multiply::small(values, 0..KEYS, douts, &mut dchances, BLOCK);
        let most = softmax::most(&scores, sight, scale);
        show(
            "largest",
            0,
            best(31, &mut || {
                std::hint::black_box(softmax::most(&scores, sight, scale));
            }),
        );
        let mut lanes = [0.0; BLOCK];
        let pass = &mut || {
            lanes = [0.0; BLOCK];
            E::forward(&scores, sight, scale, &most, &mut lanes, deep.space(KEYS, BLOCK));
        };
        show("softmax", 0, best(31, pass));
        let product = &mut || multiply::small(turned, 0..DIM, deep, &mut result, BLOCK);
        show("mixed values", 1, best(31, product));
        let (chances, dscores) = (&mut buffers.chances, &mut buffers.dscores);
        let pass = &mut || {
            let rows = (chances.space(KEYS, BLOCK).0, dscores.space(KEYS, BLOCK).0);
            let (sums, deep) = ((&most, &lanes), deep.space(KEYS, BLOCK));
            E::backward(0..KEYS, (&scores, &dchances), sight, scale, sums, rows, deep);
        };
        show("softmax backward", 0, best(31, pass));
        let product = &mut || {
            multiply::small_add(chances, 0..KEYS, &buffers.douts_deep, &mut sums, DIM);
        };
        show("gradient of keys or values", 1, best(31, product));
    });
}

#[test]
#[ignore = "a measurement, not a check"]
fn measure_attention() {
    match Precision::fastest() {
        Precision::Bf16 => measure::<bf16>(),
        Precision::F32 => measure::<f32>(),
    }
}
