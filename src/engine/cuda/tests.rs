//! The GPU against the CPU engine: same bases, adapters and rows. Without a GPU each test says that it
//! is skipped.

mod memory;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::compile::{self, Kind};
use super::kernels::Kernels;
use super::{Device, KernelCache, Search};
use crate::engine::base::Precision;
use crate::engine::lora::{Adapter, Target};
use crate::engine::optimizer::OptimizerConfig;
use crate::engine::pack::Row;
use crate::engine::toy;
use crate::engine::trainer::Trainer;
use crate::model::DecoderConfig;

/// Keeps nothing from one test to the next.
#[derive(Default)]
struct Forgetful(RefCell<HashMap<String, Vec<u8>>>);

impl KernelCache for Forgetful {
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.0.borrow().get(name).cloned()
    }

    fn put(&self, name: &str, code: &[u8]) {
        self.0.borrow_mut().insert(name.to_owned(), code.to_owned());
    }
}

/// The GPU, lent to one test at a time: what one thread does on it can fail the graph that another records.
pub(super) struct Lent {
    device: Device,
    _alone: MutexGuard<'static, ()>,
}

impl Deref for Lent {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.device
    }
}

/// The GPU; `None` where there is none, which is said.
pub(super) fn device(test: &str) -> Option<Lent> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folders = std::env::var_os("HONE_CUDA_PATH").into_iter();
    let folders = folders.flat_map(|all| std::env::split_paths(&all).collect::<Vec<PathBuf>>());
    let search = Search { folders: folders.collect() };
    match Device::open(search, Box::new(Forgetful::default())) {
        Ok(device) => Some(Lent { device, _alone: alone }),
        Err(failure) => {
            println!("{test} is skipped: {failure}");
            None
        }
    }
}

/// Distance of two vectors, relative to the second.
fn distance(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = |x: f64| x * x;
    let apart: f64 = got.iter().zip(want).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    let size: f64 = want.iter().map(|b| square(f64::from(*b))).sum();
    // NaN must never pass.
    if apart.is_finite() { (apart / size.max(1e-30)).sqrt() } else { f64::INFINITY }
}

/// Distances of the gradients of each projection's A and B, over all layers.
fn distances(like: &Adapter, got: &[f32], want: &[f32]) -> Vec<(Target, char, f64)> {
    let (mut ours, mut theirs) = (like.clone(), like.clone());
    ours.values_mut().copy_from_slice(got);
    theirs.values_mut().copy_from_slice(want);
    let mut found = Vec::new();
    for target in Target::ALL {
        let gather = |adapter: &Adapter, which: char| -> Vec<f32> {
            let of_target = adapter.tensors().filter(|(_, other, ..)| *other == target);
            of_target.flat_map(|(_, _, a, b)| if which == 'A' { a } else { b }.to_vec()).collect()
        };
        for which in ['A', 'B'] {
            let (got, want) = (gather(&ours, which), gather(&theirs, which));
            if !want.is_empty() {
                found.push((target, which, distance(&got, &want)));
            }
        }
    }
    found
}

/// Models of the real head widths, besides the toys.
pub(super) fn shapes() -> Vec<DecoderConfig> {
    let wide = |dim: usize| DecoderConfig {
        hidden_size: 128,
        heads: 6,
        kv_heads: 2,
        head_dim: dim,
        ffn_size: 192,
        ..toy::llama()
    };
    toy::families().into_iter().chain([wide(64), wide(128), wide(256)]).collect()
}

/// The same, and real head widths with windows and norms of heads too.
fn shapes_of_training() -> Vec<DecoderConfig> {
    let qwen3 = DecoderConfig { hidden_size: 64, head_dim: 128, ..toy::qwen3() };
    let rope_factors = Some(vec![8.0; 32]);
    let gemma3 = DecoderConfig { head_dim: 64, rope_factors, ..toy::gemma3() };
    shapes().into_iter().chain([qwen3, gemma3]).collect()
}

#[test]
fn losses_and_gradients_are_those_of_the_cpu() {
    let Some(device) = device("losses and gradients") else { return };
    for config in shapes_of_training() {
        for (targets, rank) in [(&Target::ALL[..], 4), (&[Target::Key, Target::Up], 8)] {
            let base = toy::load(&config, 5);
            let adapter = toy::adapter(&config, targets, rank);
            let rows = toy::rows(&config, &[9, 2, 170, 64, 17], 3);
            let mut cpu = toy::trainer(&base, &adapter, 1000);
            let want = cpu.accumulate(&rows).unwrap();
            // The CPU's own products in bf16 tell what rounding does.
            let half_base = toy::load_in(&config, 5, Precision::Bf16);
            let mut half = toy::trainer(&half_base, &adapter, 1000);
            half.accumulate(&rows).unwrap();
            let rounding = distance(half.gradient(), cpu.gradient());

            let mut gpu = toy::trainer(&base, &adapter, 1000).on_cuda(&device, usize::MAX).unwrap();
            let got = gpu.accumulate(&rows).unwrap();
            let grads = gpu.device_gradient();
            let whole = distance(&grads, cpu.gradient());
            println!(
                "{:?} dim {} rank {rank} x{}: loss {} {}, norm {} {}, gradients {whole:.4} apart (cpu bf16 {rounding:.4})",
                config.architecture,
                config.head_dim,
                targets.len(),
                got.loss,
                want.loss,
                got.gradient_norm,
                want.gradient_norm
            );
            assert!((got.loss - want.loss).abs() < 0.01 * want.loss, "{} {}", got.loss, want.loss);
            let ours = distances(&adapter, &grads, cpu.gradient());
            let theirs = distances(&adapter, half.gradient(), cpu.gradient());
            for ((target, which, apart), (.., rounding)) in ours.into_iter().zip(theirs) {
                assert!(apart < 1.6 * rounding + 0.01, "{which} of {target}: {apart} {rounding}");
            }
            assert!(whole < 1.5 * rounding + 0.005, "{whole} {rounding}");
        }
    }
}

/// A compiler that could not make them would not be noticed otherwise: ready kernels would be taken.
#[test]
fn hopper_has_kernels_of_its_own() {
    let Some(device) = device("kernels of Hopper") else { return };
    let found = compile::found(device.search()).unwrap_or_default();
    let ready = std::env::var_os("HONE_CUDA_READY").is_some();
    if device.gpu().facts.capability != 90 || ready || !found.starts_with("13.") {
        println!("kernels of Hopper are skipped: {found}");
        return;
    }
    for (dim, there) in [(64, true), (128, true), (16, false)] {
        let module = device.module(Kind::Passes { dim }).unwrap();
        assert_eq!(Kernels::new(&*module, dim).unwrap().hopper.is_some(), there, "{dim}");
    }
}

#[test]
fn packing_sharing_and_recomputation_change_nothing() {
    let Some(device) = device("packing, sharing and recomputation") else { return };
    for config in shapes_of_training() {
        let base = toy::load(&config, 4);
        let adapter = toy::adapter(&config, &Target::ALL, 8);
        let mut rows = toy::rows(&config, &[140, 150, 64, 65, 3], 9);
        // Two rows that begin alike.
        let beginning: Vec<u32> = rows[0].ids[..90].to_vec();
        rows[1].ids[..90].copy_from_slice(&beginning);
        for row in &mut rows[..2] {
            row.labels[..95].fill(false);
        }
        let run = |micro: usize, kept: usize, share: bool| {
            let mut trainer = toy::trainer(&base, &adapter, micro)
                .with_kept_layers(kept)
                .with_sharing(share)
                .on_cuda(&device, usize::MAX)
                .unwrap();
            let report = trainer.accumulate(&rows).unwrap();
            (report, trainer.device_gradient())
        };
        let (whole, grads) = run(1000, 9, false);
        let (again, same) = run(1000, 9, false);
        assert_eq!((again.loss, &same), (whole.loss, &grads), "the same bits each time");
        // From the third time on the work of a batch like the last is replayed as one graph.
        let again = toy::trainer(&base, &adapter, 1000).with_sharing(false);
        let mut again = again.on_cuda(&device, usize::MAX).unwrap();
        for _ in 0..4 {
            assert_eq!(again.accumulate(&rows).unwrap().loss, whole.loss);
            assert_eq!(again.device_gradient(), grads);
        }
        assert!(again.replays());
        for kept in [0, 1] {
            let (recomputed, same) = run(1000, kept, false);
            assert_eq!(recomputed.loss, whole.loss);
            assert_eq!(same, grads, "the same bits, computed again or not");
        }
        let (apart, split) = run(64, 9, false);
        let distance_split = distance(&split, &grads);
        let (shared, joined) = run(1000, 9, true);
        assert!(shared.computed_tokens < whole.computed_tokens);
        let distance_joined = distance(&joined, &grads);
        println!(
            "{:?}: split {distance_split:.5}, shared {distance_joined:.5}",
            config.architecture
        );
        assert!((apart.loss - whole.loss).abs() < 2e-3 * whole.loss);
        assert!((shared.loss - whole.loss).abs() < 2e-3 * whole.loss);
        assert!(distance_split < 0.02 && distance_joined < 0.02);
    }
}

#[test]
fn adapters_after_some_steps_are_those_of_the_cpu_and_runs_resume() {
    let Some(device) = device("steps") else { return };
    let config = DecoderConfig { ffn_size: 640, ..toy::llama() };
    let base = toy::load(&config, 4);
    let adapter = toy::adapter(&config, &Target::ALL, 8);
    let batch = |seed: u64| toy::rows(&config, &[40, 50, 30], seed);
    for eight_bit in [false, true] {
        let settings =
            OptimizerConfig { eight_bit, weight_decay: 0.1, ..OptimizerConfig::default() };
        let start = || Trainer::new(&base, adapter.clone(), settings, 1000);
        let mut cpu = start();
        let mut gpu = start().on_cuda(&device, usize::MAX).unwrap();
        let steps = |trainer: &mut Trainer<'_>, seeds: std::ops::Range<u64>| {
            for seed in seeds {
                trainer.step(&batch(seed), 2e-3).unwrap();
            }
            trainer.fetch().unwrap();
        };
        steps(&mut cpu, 0..3);
        steps(&mut gpu, 0..3);
        let moved = |trainer: &Trainer<'_>| -> Vec<f32> {
            let pairs = trainer.adapter().values().iter().zip(adapter.values());
            pairs.map(|(new, old)| new - old).collect()
        };
        let apart = distance(&moved(&gpu), &moved(&cpu));
        println!("eight_bit {eight_bit}: adapters moved {apart:.4} apart");
        assert!(apart < 0.15, "{apart}");
        // Stopped, restored, and on: the same bits as without a stop.
        let state = gpu.state();
        let mut other = Trainer::new(&base, gpu.adapter().clone(), settings, 1000)
            .on_cuda(&device, usize::MAX)
            .unwrap();
        other.restore(state).unwrap();
        steps(&mut gpu, 3..5);
        steps(&mut other, 3..5);
        assert_eq!(gpu.adapter().values(), other.adapter().values());
        assert_eq!(gpu.state(), other.state());
    }
}

/// One step of the optimizer alone, from the same gradients: no rounding of products in between.
#[test]
fn the_optimizer_is_that_of_the_cpu() {
    let Some(device) = device("the optimizer") else { return };
    let config = DecoderConfig { ffn_size: 640, ..toy::llama() };
    let base = toy::load(&config, 4);
    let adapter = toy::adapter(&config, &Target::ALL, 8);
    let rows = toy::rows(&config, &[40, 50, 30], 2);
    for eight_bit in [false, true] {
        let settings = OptimizerConfig { eight_bit, ..OptimizerConfig::default() };
        let mut gpu = Trainer::new(&base, adapter.clone(), settings, 1000)
            .on_cuda(&device, usize::MAX)
            .unwrap();
        let mut values = adapter.values().to_vec();
        let mut state = gpu.state();
        for _ in 0..3 {
            let report = gpu.step(&rows, 1e-3).unwrap();
            let factor = crate::engine::optimizer::clip_factor(
                f64::from(report.gradient_norm),
                settings.clip_norm,
            );
            state.update(&settings, 1e-3, &mut values, &gpu.device_gradient(), factor);
        }
        gpu.fetch().unwrap();
        let apart = distance(gpu.adapter().values(), &values);
        println!("eight_bit {eight_bit}: adapters {apart:e} apart");
        assert!(apart < 1e-6, "{apart}");
        let (ours, theirs) = (gpu.state(), state);
        assert!(distance(&ours.first, &theirs.first) < 1e-5 || ours.first.is_empty());
        if let (Some(ours), Some(theirs)) = (ours.eight_bit, theirs.eight_bit) {
            let pairs = ours.first_codes.iter().zip(&theirs.first_codes);
            let pairs = pairs.chain(ours.second_codes.iter().zip(&theirs.second_codes));
            let (count, other) =
                pairs.fold((0usize, 0usize), |(n, o), (a, b)| (n + 1, o + usize::from(a != b)));
            println!("{other} codes of {count} are others");
            assert!(count > 0 && other * 1000 <= count);
        }
    }
}

/// The same values are lost and the same noise is added as on the processor.
#[test]
fn dropout_and_noise_are_those_of_the_cpu() {
    let Some(device) = device("dropout and noise") else { return };
    for config in shapes_of_training() {
        for (targets, rank) in [(&Target::ALL[..], 4), (&[Target::Key, Target::Up], 8)] {
            let base = toy::load(&config, 5);
            let half_base = toy::load_in(&config, 5, Precision::Bf16);
            let adapter = toy::adapter(&config, targets, rank);
            let rows = toy::rows(&config, &[9, 2, 110, 64, 17], 3);
            // Micro-batches of 120 tokens: the second one's tokens are not the step's first.
            let start = |base| toy::trainer(base, &adapter, 120);
            let lossy = |base| start(base).with_dropout(0.3, 5).with_noise(5.0, 6);
            let mut cpu = lossy(&base);
            let want = cpu.accumulate(&rows).unwrap();
            let mut half = lossy(&half_base);
            half.accumulate(&rows).unwrap();
            let rounding = distance(half.gradient(), cpu.gradient());
            let mut plain = start(&base);
            plain.accumulate(&rows).unwrap();
            let lost = distance(plain.gradient(), cpu.gradient());
            assert!(lost > 5.0 * rounding, "{lost} {rounding}");

            let run = |kept: usize| {
                let trainer = lossy(&base).with_kept_layers(kept);
                let mut trainer = trainer.on_cuda(&device, usize::MAX).unwrap();
                (trainer.accumulate(&rows).unwrap().loss, trainer.device_gradient())
            };
            let (loss, grads) = run(9);
            assert_eq!(run(0), (loss, grads.clone()), "the same bits, computed again or not");
            let whole = distance(&grads, cpu.gradient());
            println!(
                "{:?} dim {} rank {rank} x{}: loss {loss} {}, gradients {whole:.4} apart (cpu bf16 {rounding:.4}, without dropout {lost:.4})",
                config.architecture,
                config.head_dim,
                targets.len(),
                want.loss
            );
            assert!((loss - want.loss).abs() < 0.01 * want.loss, "{loss} {}", want.loss);
            assert!(whole < 1.5 * rounding + 0.005, "{whole} {rounding}");
        }
    }
}

/// Replayed work draws anew in each step.
#[test]
fn dropout_and_noise_of_replayed_steps_are_those_of_steps_that_are_not() {
    let Some(device) = device("replayed dropout") else { return };
    let config = toy::llama();
    let base = toy::load(&config, 4);
    let adapter = toy::adapter(&config, &Target::ALL, 8);
    let rows = toy::rows(&config, &[40, 50, 30], 1);
    let run = |timed: bool| {
        let trainer = toy::trainer(&base, &adapter, 1000).with_dropout(0.2, 3).with_noise(5.0, 3);
        let mut trainer = trainer.on_cuda(&device, usize::MAX).unwrap();
        trainer.set_timing(timed);
        let losses: Vec<f32> = (0..5).map(|_| trainer.step(&rows, 1e-4).unwrap().loss).collect();
        assert_eq!(trainer.replays(), !timed);
        trainer.fetch().unwrap();
        (losses, trainer.into_adapter())
    };
    let (losses, adapter) = run(false);
    assert_eq!((losses, adapter), run(true));
}

/// As little work as there is, for tools that look at every access (`compute-sanitizer`).
#[test]
fn the_smallest_step_is_that_of_the_cpu() {
    let Some(device) = device("the smallest step") else { return };
    let config = DecoderConfig { layers: 1, ..toy::llama() };
    let base = toy::load(&config, 4);
    let adapter = toy::adapter(&config, &Target::ALL, 4);
    let rows = toy::rows(&config, &[70, 9], 1);
    let want = toy::trainer(&base, &adapter, 100).accumulate(&rows).unwrap();
    let mut gpu = toy::trainer(&base, &adapter, 100).on_cuda(&device, usize::MAX).unwrap();
    let got = gpu.step(&rows, 1e-3).unwrap();
    assert!((got.loss - want.loss).abs() < 0.01 * want.loss, "{} {}", got.loss, want.loss);
}

#[test]
fn what_is_not_for_the_gpu_is_said() {
    let Some(device) = device("refusals") else { return };
    let config = toy::llama();
    let base = toy::load(&config, 4);
    let adapter = toy::adapter(&config, &Target::ALL, 4);
    let mut small = toy::trainer(&base, &adapter, 100).on_cuda(&device, 1 << 16).unwrap();
    let failure = small.step(&toy::rows(&config, &[80], 1), 1e-3).unwrap_err();
    assert!(failure.message.contains("MiB of the GPU's memory"), "{failure}");
    let bad = Row { ids: vec![1, 9999], labels: vec![true; 2] };
    assert!(small.step(&[bad], 1e-3).is_err());
}
