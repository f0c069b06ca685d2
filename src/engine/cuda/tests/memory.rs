//! Steps in less and less memory: less is kept, inputs go to the machine's memory, and every bit stays.

use super::{device, toy};
use crate::engine::base::Base;
use crate::engine::cuda::Device;
use crate::engine::lora::{Adapter, Target};
use crate::engine::pack::Row;
use crate::engine::plan::{MemoryPlan, largest_micro_batch};
use crate::failure::Result;
use crate::model::DecoderConfig;

/// A family with five layers, so that inputs of three have no place of their own.
fn deep(config: DecoderConfig) -> DecoderConfig {
    let mut deep = DecoderConfig { layers: 5, ..config };
    if let Some(windows) = &mut deep.windows {
        windows.layers = vec![true, false, true, true, false];
    }
    deep
}

struct Work<'a> {
    device: &'a Device,
    base: &'a Base,
    adapter: &'a Adapter,
    rows: &'a [Row],
    micro_tokens: usize,
    dropout: f32,
}

/// What came of three times the same rows, the third replayed where they are one micro-batch.
type Outcome = (Vec<f32>, Vec<Vec<f32>>);

impl Work<'_> {
    /// The plan in so many bytes, and what came of it.
    fn run(&self, limit: usize) -> Result<(MemoryPlan, Outcome)> {
        let trainer = toy::trainer(self.base, self.adapter, self.micro_tokens);
        let trainer = trainer.with_dropout(self.dropout, 5).with_noise(self.dropout * 9.0, 6);
        let mut trainer = trainer.on_cuda(self.device, limit)?;
        let mut largest = |tokens: usize| largest_micro_batch(self.rows, tokens);
        let plan = trainer.lay_out(&[self.micro_tokens], &mut largest)?;
        let (mut losses, mut grads) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            losses.push(trainer.accumulate(self.rows).unwrap().loss);
            grads.push(trainer.device_gradient());
        }
        // What is held is what was planned, and no more than was allowed.
        assert_eq!(trainer.device_bytes(), Some(plan.bytes));
        assert!(plan.bytes <= limit, "{plan:?} {limit}");
        Ok((plan, (losses, grads)))
    }
}

#[test]
fn steps_in_less_memory_give_the_same_bits() {
    let Some(device) = device("steps in less memory") else { return };
    let (mut partly, mut hosted) = (0, 0);
    for (index, config) in toy::families().into_iter().enumerate() {
        let config = deep(config);
        let base = toy::load(&config, 4);
        let adapter = toy::adapter(&config, &Target::ALL, 8);
        let rows = toy::rows(&config, &[140, 150, 64, 65, 3], 9);
        // All at once, and in micro-batches of which each finds what the one before left.
        let (micro_tokens, dropout) = if index % 2 == 0 { (1000, 0.0) } else { (150, 0.2) };
        let (device, base, adapter, rows) = (&device, &base, &adapter, &rows[..]);
        let work = Work { device, base, adapter, rows, micro_tokens, dropout };
        let (whole, want) = work.run(usize::MAX).unwrap();
        assert_eq!((whole.kept_layers, whole.hosted_inputs), (5, 0));
        let mut least = whole;
        // Down to what nothing fits into.
        let mut step = (whole.bytes - held(&work)) / 12;
        while step > 4096 {
            let Ok((plan, got)) = work.run(least.bytes - step) else {
                step /= 2;
                continue;
            };
            assert!(got == want, "{:?}: other bits by {plan:?}", config.architecture);
            partly = partly.max(plan.partly_kept_layers);
            hosted = hosted.max(plan.hosted_inputs);
            least = plan;
        }
        println!(
            "{:?}: {} KiB to {} by {least:?}",
            config.architecture,
            whole.bytes >> 10,
            least.bytes >> 10
        );
        // Where nothing else fits, nothing is kept and all inputs but two are away.
        assert_eq!((least.kept_layers, least.partly_kept_layers, least.hosted_inputs), (0, 0, 4));
        assert!(least.hosted_bytes > 0);
    }
    assert!(partly > 0 && hosted == 4);
}

/// Bytes that are held before anything is laid out.
fn held(work: &Work<'_>) -> usize {
    let trainer = toy::trainer(work.base, work.adapter, work.micro_tokens);
    trainer.on_cuda(work.device, usize::MAX).unwrap().device_bytes().unwrap()
}

/// The layer in which values stop being finite is named, whether its output is on the device still or not.
#[test]
fn the_layer_that_fails_is_named_wherever_its_output_is() {
    let Some(device) = device("the layer that fails") else { return };
    let config = deep(toy::llama());
    let base = toy::load(&config, 4);
    let rows = toy::rows(&config, &[140, 150, 64], 9);
    for bad in 0..5 {
        let mut adapter = toy::adapter(&config, &Target::ALL, 8);
        let layer = adapter.layer_len();
        adapter.values_mut()[bad * layer..(bad + 1) * layer].fill(1e30);
        let fail = |limit: usize| {
            let mut trainer = toy::trainer(&base, &adapter, 1000).on_cuda(&device, limit).unwrap();
            let plan = trainer.lay_out(&[1000], &mut |_| 354).unwrap();
            (plan, trainer.accumulate(&rows).unwrap_err().message)
        };
        let (whole, said) = fail(usize::MAX);
        assert!(said.contains(&format!("layer {} of 5", bad + 1)), "{said}");
        let mut little = whole;
        while little.hosted_inputs == 0 {
            let (plan, same) = fail(little.bytes - (64 << 10));
            assert_eq!(same, said, "{plan:?}");
            little = plan;
        }
    }
}
