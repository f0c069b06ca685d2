//! Operands laid out piece by piece.

use super::*;
use crate::engine::cpu::panels::WIDTH;
use crate::engine::lora::Target;
use crate::engine::toy;

/// Some depths of an operand, those that begin among the adapter's own too, are what lies there in the whole of it.
fn check<E: Multiplied + Decoded>(lay: &dyn Lay<E>, name: &str) {
    let (depth, columns) = lay.size();
    let (padded, panels) = (depth.next_multiple_of(E::STEP), columns.div_ceil(WIDTH));
    let mut whole = vec![E::default(); panels * padded * WIDTH];
    lay.lay(0..panels, 0..padded, &mut whole);
    let chunk = 64;
    assert!(padded > chunk, "{name}: several chunks");
    for start in (0..padded).step_by(chunk) {
        let depths = start..(start + chunk).min(padded);
        let mut piece = vec![E::default(); panels * depths.len() * WIDTH];
        lay.lay(0..panels, depths.clone(), &mut piece);
        for (panel, piece) in piece.chunks_exact(depths.len() * WIDTH).enumerate() {
            let whole = &whole[panel * padded * WIDTH..][depths.start * WIDTH..depths.end * WIDTH];
            assert!(piece == whole, "{name}, panel {panel}, depths {depths:?}");
        }
    }
}

#[test]
fn pieces_of_an_operand_make_up_the_whole() {
    for config in [toy::llama(), toy::qwen2()] {
        let base = toy::load(&config, 1);
        // Columns of three projections that chunks begin within.
        let mut adapter = toy::adapter(&config, &Target::ALL, 72);
        let values = adapter.values_mut().iter_mut().zip(1..);
        values.for_each(|(value, i)| *value = (i % 509) as f32 * 0.01);
        for group in Group::ALL {
            let place = Place { base: &base, adapter: Some(&adapter), layer: 1, group };
            let name = format!("{group:?}");
            check::<f32>(&forward(place), &name);
            check::<bf16>(&forward(place), &name);
            check::<f32>(&backward(place), &name);
            check::<bf16>(&backward(place), &name);
        }
    }
}
