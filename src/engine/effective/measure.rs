//! How fast weights are laid out, in a thread's own cache.

use super::*;
use crate::engine::cpu::clock::best;
use crate::engine::cpu::panels::WIDTH;
use crate::engine::lora::Target;
use crate::engine::toy;
use crate::model::DecoderConfig;

/// Prints it: `cargo test --release --lib measure_laying -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn measure_laying_out() {
    // A layer of SmolLM2-135M.
    let config = DecoderConfig {
        hidden_size: 576,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        ffn_size: 1536,
        ..toy::llama()
    };
    let base = toy::load(&config, 1);
    let adapter = toy::adapter(&config, &Target::ALL, 16);
    for group in Group::ALL {
        let place = Place { base: &base, adapter: Some(&adapter), layer: 0, group };
        measure::<f32>(place);
        measure::<bf16>(place);
    }
}

fn measure<E: Multiplied + Decoded>(place: Place<'_>) {
    let (matrix, inputs) = (place.base.matrix(0, place.group), place.inputs());
    let mut rows = vec![E::default(); 32 * inputs];
    let decoded = best(20, &mut || {
        rows.chunks_exact_mut(inputs).enumerate().for_each(|(n, row)| matrix.part(n, 0, row));
    });
    let per = |seconds: f64, count: usize| seconds * 1e9 / count as f64;
    println!(
        "{:?}, {} bytes: decoded in {:.2} ns a weight",
        place.group,
        size_of::<E>(),
        per(decoded, rows.len())
    );
    let (by_column, by_depth) = (forward::<E>(place), backward::<E>(place));
    for (name, lay) in [("column", &by_column as &dyn Lay<E>), ("depth", &by_depth)] {
        let depth = lay.size().0.next_multiple_of(E::STEP);
        for panels in [2, 4, 8] {
            let mut to = vec![E::default(); panels * WIDTH * depth];
            let seconds = best(20, &mut || lay.lay(0..panels, 0..depth, &mut to));
            println!("  by {name}, {panels} panels: {:.2} ns a weight", per(seconds, to.len()));
        }
    }
}
