use super::*;
use crate::engine::base::Group;
use crate::engine::dropout::Dropout;
use crate::engine::lora::Target;
use crate::engine::toy;

const PITCH: usize = 170;

/// Adds gradients in both precisions and compares them with the definition in f64.
fn check(targets: &[Target], rank: usize, masks: Option<Masks>) {
    // Tokens and ranks that are no whole chunks, panels or registers; widths that no tile divides.
    let tokens = 301;
    let config = toy::qwen2();
    let base = toy::load(&config, 2);
    let adapter = toy::adapter(&config, targets, rank);
    let wave = |i: usize| ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3;
    let flow = |first: usize| (first..first + tokens * PITCH).map(wave).collect::<Vec<f32>>();
    let (x, v, dy, u) = (flow(0), flow(31), flow(7), flow(100));
    let flows = Flows {
        x: (x[..].into(), PITCH),
        v: (v[..].into(), PITCH),
        dy: (dy[..].into(), PITCH),
        u: (u[..].into(), PITCH),
    };
    for group in Group::ALL {
        let place = Place { base: &base, adapter: Some(&adapter), layer: 1, group };
        let inputs = place.inputs();
        let mut want = vec![0.25f64; adapter.layer_len()];
        for part in effective::parts(&adapter, group) {
            let mut read = vec![0.0f32; tokens * inputs];
            for (row, x) in read.chunks_exact_mut(inputs).zip(x.chunks_exact(PITCH)) {
                row.copy_from_slice(&x[..inputs]);
            }
            if let Some(masks) = masks {
                masks.apply_rows((1, part.slot.target), flows.x, inputs, &mut read);
            }
            let sum = |left: &dyn Fn(usize) -> f32, right: &dyn Fn(usize) -> f32| -> f64 {
                (0..tokens).map(|t| f64::from(left(t)) * f64::from(right(t))).sum()
            };
            for r in 0..rank {
                let column = part.column + r;
                for k in 0..inputs {
                    want[part.slot.a + r * inputs + k] +=
                        sum(&|t| v[t * PITCH + column], &|t| read[t * inputs + k]);
                }
                for n in 0..part.slot.outputs {
                    want[part.slot.b + n * rank + r] += f64::from(adapter.config().scale())
                        * sum(&|t| dy[t * PITCH + part.output + n], &|t| u[t * PITCH + column]);
                }
            }
        }
        for (precision, apart) in [(Precision::F32, (2e-4, 0.0)), (Precision::Bf16, (0.03, 0.003))]
        {
            let mut buffers = GradientBuffers { masks, ..GradientBuffers::new(precision) };
            let mut grads = vec![0.25f32; adapter.layer_len()];
            buffers.add_group(place, tokens, &flows, &mut grads);
            for (at, (got, want)) in grads.iter().zip(&want).enumerate() {
                let near = (f64::from(*got) - want).abs() < apart.0 + apart.1 * want.abs();
                assert!(near, "{precision:?} {group:?} {rank} {at}: {got} {want}");
            }
        }
    }
}

#[test]
fn each_way_gives_the_sums_of_their_definition() {
    let masks = Dropout { share: 0.3, seed: 5 }.masks(2, 40);
    for masks in [None, masks] {
        check(&Target::ALL, 5, masks);
        check(&Target::ALL, 20, masks);
        check(&[Target::Key, Target::Up], 16, masks);
    }
}
