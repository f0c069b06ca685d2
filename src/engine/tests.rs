//! The whole engine against candle's autograd, against itself, and on toy problems.

mod bound;
mod generation;

use super::base::{Base, Precision};
use super::block::Kept;
use super::lora::{Adapter, LoraConfig, Target};
use super::optimizer::{OptimizerConfig, OptimizerState};
use super::oracle::Oracle;
use super::pack::{Row, pack_nested, upwards};
use super::plan::training_bytes;
use super::score::row_losses;
use super::toy::{self, trainer};
use super::trainer::Trainer;
use crate::model::DecoderConfig;

fn adapter(decoder: &DecoderConfig, targets: &[Target]) -> Adapter {
    toy::adapter(decoder, targets, 4)
}

/// Largest difference relative to the largest value.
fn difference(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    let size = want.iter().fold(1e-6f32, |most, x| most.max(x.abs()));
    let most = got.iter().zip(want).map(|(a, b)| (a - b).abs());
    most.fold(0.0, f32::max) / size
}

#[test]
fn loss_and_every_gradient_match_autograd() {
    for config in toy::families() {
        for targets in [&Target::ALL[..], &[Target::Key, Target::Up], &[Target::Down]] {
            let base = toy::load(&config, 5);
            let adapter = adapter(&config, targets);
            let rows = toy::rows(&config, &[9, 2, 70, 17], 3);
            let mut trainer = trainer(&base, &adapter, 1000);
            let report = trainer.accumulate(&rows).unwrap();
            let oracle = Oracle::new(&base, &adapter);
            let loss: f32 = oracle.loss(&rows).to_scalar().unwrap();
            assert!((report.loss - loss).abs() < 1e-5 * loss, "{} {loss}", report.loss);
            let mut ours = adapter.clone();
            ours.values_mut().copy_from_slice(trainer.gradient());
            let theirs = oracle.gradients(&rows);
            for ((layer, target, a, b), (want_a, want_b)) in ours.tensors().zip(theirs) {
                for (name, got, want) in [("A", a, want_a), ("B", b, want_b)] {
                    let difference = difference(got, &want);
                    assert!(difference < 2e-4, "{name} {target} {layer}: {difference}");
                }
            }
        }
    }
}

#[test]
fn gradients_match_central_differences() {
    for config in toy::families() {
        let base = toy::load(&config, 2);
        let adapter = adapter(&config, &Target::ALL);
        let rows = toy::rows(&config, &[12, 7], 8);
        let mut whole = trainer(&base, &adapter, 1000);
        whole.accumulate(&rows).unwrap();
        let loss = |adapter: &Adapter| -> f64 {
            let losses = row_losses(&base, Some(adapter), &rows).unwrap();
            let tokens: usize = losses.iter().map(|loss| loss.tokens).sum();
            losses.iter().map(|loss| loss.nats).sum::<f64>() / tokens as f64
        };
        let size = whole.gradient().iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for at in (0..adapter.parameter_count()).step_by(97) {
            let step = 3e-3;
            let (mut up, mut down) = (adapter.clone(), adapter.clone());
            up.values_mut()[at] += step;
            down.values_mut()[at] -= step;
            let slope = (loss(&up) - loss(&down)) / f64::from(2.0 * step);
            let got = f64::from(whole.gradient()[at]);
            assert!((got - slope).abs() < 3e-3 * f64::from(size), "{at}: {got} {slope}");
        }
    }
}

#[test]
fn packed_rows_are_separate_rows() {
    for config in toy::families() {
        let base = toy::load(&config, 4);
        let adapter = adapter(&config, &Target::ALL);
        let rows = toy::rows(&config, &[5, 130, 64, 65, 3], 9);
        let labels: usize = rows.iter().map(Row::label_count).sum();
        let mut all = trainer(&base, &adapter, 1000);
        let report = all.accumulate(&rows).unwrap();
        assert_eq!(report.label_tokens, labels);
        assert_eq!(report.tokens, 5 + 130 + 64 + 65 + 3);
        let (mut loss, mut grads) = (0.0, vec![0.0; adapter.parameter_count()]);
        for row in &rows {
            let share = row.label_count() as f32 / labels as f32;
            let mut one = trainer(&base, &adapter, 1000);
            loss += one.accumulate(std::slice::from_ref(row)).unwrap().loss * share;
            for (sum, grad) in grads.iter_mut().zip(one.gradient()) {
                *sum += grad * share;
            }
        }
        assert!((report.loss - loss).abs() < 1e-5);
        assert!(difference(all.gradient(), &grads) < 1e-5);
        let losses = row_losses(&base, Some(&adapter), &rows).unwrap();
        for (row, loss) in rows.iter().zip(&losses) {
            let one = row_losses(&base, Some(&adapter), std::slice::from_ref(row)).unwrap()[0];
            assert_eq!(one.tokens, loss.tokens);
            assert!((one.nats - loss.nats).abs() < 1e-4);
        }
    }
}

#[test]
fn rows_read_as_a_tree_are_separate_rows() {
    for config in toy::families() {
        let base = toy::load(&config, 4);
        let adapter = adapter(&config, &Target::ALL);
        // A system turn of 40 tokens, three questions of up to 75, and two options each.
        let system = toy::rows(&config, &[40], 1)[0].ids.clone();
        let mut rows = Vec::new();
        for (asked, len) in [75, 6, 30].into_iter().enumerate() {
            let question = &toy::rows(&config, &[len], 10 + asked as u64)[0].ids;
            for mut option in toy::rows(&config, &[9, 66], 20 + asked as u64) {
                option.labels.fill(true);
                option.ids.splice(..0, system.iter().chain(question).copied());
                option.labels.splice(..0, vec![false; 40 + len]);
                rows.push(option);
            }
        }
        let packed = &pack_nested(&rows, 1000)[..];
        assert_eq!(packed.len(), 1);
        let depth = |index: usize| upwards(&packed[0].segments, index).count();
        assert_eq!((0..packed[0].segments.len()).map(depth).max(), Some(3));
        assert!(packed[0].tokens() + 3 * 40 < rows.iter().map(|row| row.ids.len()).sum());
        let losses = row_losses(&base, Some(&adapter), &rows).unwrap();
        for (row, loss) in rows.iter().zip(&losses) {
            let one = row_losses(&base, Some(&adapter), std::slice::from_ref(row)).unwrap()[0];
            assert_eq!(one.tokens, loss.tokens);
            let apart = (one.nats - loss.nats).abs();
            assert!(apart < 1e-4, "{:?}: {apart}", config.architecture);
        }
    }
}

#[test]
fn shared_beginnings_give_the_gradients_of_separate_rows() {
    for config in toy::families() {
        let base = toy::load(&config, 4);
        let adapter = adapter(&config, &Target::ALL);
        let mut rows = toy::rows(&config, &[90, 130, 40, 100, 33], 9);
        // Rows 0, 1 and 3 begin with the same 70 tokens, which are no labels.
        let begin = rows[1].ids[..70].to_vec();
        for index in [0, 1, 3] {
            rows[index].ids[..70].copy_from_slice(&begin);
            rows[index].labels[..72].fill(false);
        }
        let run = |share: bool| {
            let mut trainer = trainer(&base, &adapter, 1000).with_sharing(share);
            let report = trainer.accumulate(&rows).unwrap();
            (report, trainer.gradient().to_vec())
        };
        let ((apart, want), (shared, got)) = (run(false), run(true));
        assert_eq!(shared.computed_tokens + 140, apart.computed_tokens);
        assert_eq!(shared.label_tokens, apart.label_tokens);
        assert!((shared.loss - apart.loss).abs() < 1e-5, "{} {}", shared.loss, apart.loss);
        assert!(difference(&got, &want) < 2e-5, "{}", difference(&got, &want));
    }
}

#[test]
fn products_in_bf16_stay_close_to_f32() {
    for config in toy::families() {
        let full = toy::load_in(&config, 5, Precision::F32);
        let half = toy::load_in(&config, 5, Precision::Bf16);
        let adapter = adapter(&config, &Target::ALL);
        let rows = toy::rows(&config, &[9, 2, 70, 17, 130], 3);
        let run = |base: &Base| {
            let mut trainer = trainer(base, &adapter, 1000);
            let report = trainer.accumulate(&rows).unwrap();
            (report.loss, trainer.gradient().to_vec())
        };
        let ((loss, want), (close, got)) = (run(&full), run(&half));
        assert!((loss - close).abs() < 0.01 * loss, "{loss} {close}");
        assert!(got != want, "products were rounded");
        // Angle between the two gradients: cosine above 0.999.
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let cosine = dot(&got, &want) / (dot(&got, &got) * dot(&want, &want)).sqrt();
        assert!(cosine > 0.999, "{cosine}");
    }
}

#[test]
fn micro_batches_and_memory_do_not_change_a_step() {
    for config in toy::families() {
        let adapter = adapter(&config, &Target::ALL);
        let rows = toy::rows(&config, &[30, 12, 41, 8, 20], 6);
        let packed = toy::load(&config, 4);
        let run = |base: &Base, micro_tokens: usize, memory: usize| {
            let mut trainer = trainer(base, &adapter, micro_tokens).with_memory(memory);
            let report = trainer.accumulate(&rows).unwrap();
            (report.loss, trainer.gradient().to_vec())
        };
        let whole = run(&packed, 1000, usize::MAX);
        // Computing again gives the same bits.
        for memory in [0, 60_000, 600_000, 2_000_000] {
            assert_eq!(run(&packed, 1000, memory), whole);
        }
        let split = run(&packed, 45, 0);
        assert_eq!(run(&packed, 45, usize::MAX), split);
        assert!((split.0 - whole.0).abs() < 1e-5);
        assert!(difference(&split.1, &whole.1) < 1e-5);
    }
}

#[test]
fn memory_stays_below_what_was_told() {
    for config in toy::families() {
        let base = toy::load(&config, 4);
        let adapter = adapter(&config, &Target::ALL);
        let rows = toy::rows(&config, &[40, 41, 45], 6);
        let tokens = 123;
        let mut all = trainer(&base, &adapter, tokens);
        all.accumulate(&rows).unwrap();
        let (kept, buffers) = all.held();
        assert!(kept <= Kept::bytes(&base, Some(&adapter)) * tokens * config.layers);
        let told = training_bytes(&base, &adapter, tokens);
        assert!(kept + buffers + adapter.parameter_count() * 16 <= told);
        let mut least = trainer(&base, &adapter, tokens).with_memory(0);
        least.accumulate(&rows).unwrap();
        assert!(least.held().0 <= Kept::bytes(&base, Some(&adapter)) * tokens);
    }
}

#[test]
fn a_restored_run_goes_on_to_the_same_bits() {
    let config = toy::llama();
    let base = toy::load(&config, 4);
    let adapter = adapter(&config, &Target::ALL);
    let rows = toy::rows(&config, &[20, 33, 8, 51], 1);
    let mut whole = trainer(&base, &adapter, 64);
    for step in 0..6 {
        whole.step(&rows[step % 3..], 1e-3).unwrap();
    }
    let mut first = trainer(&base, &adapter, 64);
    for step in 0..3 {
        first.step(&rows[step % 3..], 1e-3).unwrap();
    }
    let state = first.state();
    let mut second = Trainer::new(&base, first.into_adapter(), OptimizerConfig::default(), 64);
    second.restore(state).unwrap();
    for step in 3..6 {
        second.step(&rows[step % 3..], 1e-3).unwrap();
    }
    assert_eq!(second.state(), whole.state());
    assert_eq!(second.into_adapter(), whole.into_adapter());
    let failure = trainer(&base, &adapter, 64).restore(OptimizerState::new(3)).unwrap_err();
    assert!(failure.message.contains('3'));
}

#[test]
fn with_dropout_gradients_match_central_differences() {
    let config = toy::qwen2();
    let base = toy::load(&config, 2);
    let rows = toy::rows(&config, &[12, 7], 8);
    for targets in [&Target::ALL[..], &[Target::Key, Target::Up]] {
        let adapter = adapter(&config, targets);
        let run = |adapter: &Adapter, share: f32| {
            let mut trainer = trainer(&base, adapter, 1000).with_dropout(share, 5);
            let loss = trainer.accumulate(&rows).unwrap().loss;
            (f64::from(loss), trainer.gradient().to_vec())
        };
        let (loss, grads) = run(&adapter, 0.3);
        assert_ne!(loss, run(&adapter, 0.0).0);
        let size = grads.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for at in (0..adapter.parameter_count()).step_by(97) {
            let step = 1e-2;
            let (mut up, mut down) = (adapter.clone(), adapter.clone());
            up.values_mut()[at] += step;
            down.values_mut()[at] -= step;
            let slope = (run(&up, 0.3).0 - run(&down, 0.3).0) / f64::from(2.0 * step);
            let got = f64::from(grads[at]);
            assert!((got - slope).abs() < 5e-3 * f64::from(size), "{at}: {got} {slope}");
        }
    }
}

#[test]
fn dropout_is_the_same_in_layers_computed_again_and_in_a_restored_run() {
    let config = toy::llama();
    let base = toy::load(&config, 4);
    let rows = toy::rows(&config, &[20, 33, 8, 51], 1);
    let adapter = adapter(&config, &Target::ALL);
    let start = |adapter: Adapter| {
        Trainer::new(&base, adapter, OptimizerConfig::default(), 64).with_dropout(0.1, 9)
    };
    let mut whole = start(adapter.clone());
    let mut again = start(adapter.clone()).with_memory(0);
    let mut first = start(adapter.clone());
    for step in 0..4 {
        whole.step(&rows, 1e-3).unwrap();
        again.step(&rows, 1e-3).unwrap();
        if step < 2 {
            first.step(&rows, 1e-3).unwrap();
        }
    }
    assert_eq!(whole.adapter(), again.adapter());
    let state = first.state();
    let mut second = start(first.into_adapter());
    second.restore(state).unwrap();
    for _ in 0..2 {
        second.step(&rows, 1e-3).unwrap();
    }
    assert_eq!(second.adapter(), whole.adapter());
}

#[test]
fn dropout_of_almost_nothing_is_almost_the_folded_product() {
    for precision in [Precision::F32, Precision::Bf16] {
        let config = toy::qwen2();
        let base = toy::load_in(&config, 2, precision);
        let adapter = adapter(&config, &Target::ALL);
        let rows = toy::rows(&config, &[40, 17], 8);
        let run = |share: f32| {
            let mut trainer = trainer(&base, &adapter, 1000).with_dropout(share, 5);
            let loss = trainer.accumulate(&rows).unwrap().loss;
            (loss, trainer.gradient().to_vec())
        };
        // Below one draw of 65536 nothing is lost, but the way is that of dropout.
        let ((folded, want), (apart, got)) = (run(0.0), run(1e-6));
        let tolerance = if precision == Precision::F32 { 1e-4 } else { 2e-2 };
        assert!((folded - apart).abs() < tolerance * folded, "{folded} {apart}");
        assert!(difference(&got, &want) < tolerance, "{}", difference(&got, &want));
    }
}

/// An adapter whose larger matrices are held in 8 bits by the optimizer.
fn wide_adapter(decoder: &DecoderConfig) -> Adapter {
    let config = LoraConfig {
        rank: 64,
        alpha: 64.0,
        rank_stabilized: false,
        targets: Target::ALL.to_vec(),
        seed: 1,
    };
    Adapter::new(decoder, &config)
}

#[test]
fn in_8_bits_a_toy_problem_is_learned_as_in_f32_and_resumed_to_the_same_bits() {
    let config = toy::llama();
    let base = toy::load(&config, 4);
    let rows = toy::rows(&config, &[12, 9, 14, 10], 2);
    let settings = |eight_bit: bool| OptimizerConfig { eight_bit, ..OptimizerConfig::default() };
    let run = |eight_bit: bool, steps: usize| {
        let mut trainer = Trainer::new(&base, wide_adapter(&config), settings(eight_bit), 256);
        let losses: Vec<f32> =
            (0..steps).map(|_| trainer.step(&rows, 2e-3).unwrap().loss).collect();
        (losses, trainer)
    };
    let ((full, _), (eight, whole)) = (run(false, 60), run(true, 60));
    assert!(full[0] == eight[0] && full[59] < 0.3, "{full:?}");
    assert!((eight[59] - full[59]).abs() < 0.1, "{} {}", eight[59], full[59]);
    let state = whole.state();
    let held = state.eight_bit.as_ref().unwrap();
    assert!(held.first_codes.len() > 8 * state.first.len(), "most is held in 8 bits");

    let (_, first) = run(true, 30);
    let state = first.state();
    let mut second = Trainer::new(&base, first.into_adapter(), settings(true), 256);
    second.restore(state.clone()).unwrap();
    for _ in 0..30 {
        second.step(&rows, 2e-3).unwrap();
    }
    assert_eq!(second.state(), whole.state());
    assert_eq!(second.into_adapter(), whole.into_adapter());
    let (_, mut other) = run(false, 1);
    assert!(other.restore(state).unwrap_err().message.contains("another optimizer"));
}

#[test]
fn kept_layers_do_not_change_a_step() {
    let config = toy::qwen2();
    let base = toy::load(&config, 4);
    let adapter = adapter(&config, &Target::ALL);
    let rows = toy::rows(&config, &[30, 12, 41, 8, 20], 6);
    let run = |layers: usize| {
        let mut trainer = trainer(&base, &adapter, 64).with_kept_layers(layers);
        trainer.accumulate(&rows).unwrap();
        (trainer.gradient().to_vec(), trainer.held().0)
    };
    let (all, held) = run(2);
    let (one, _) = run(1);
    let (none, least) = run(0);
    assert!(all == one && all == none && least * 2 == held, "{least} {held}");
}

#[test]
fn one_thread_and_many_give_the_same_bits() {
    let config = toy::llama();
    let base = toy::load(&config, 4);
    let adapter = adapter(&config, &Target::ALL);
    let rows = toy::rows(&config, &[200, 133, 80, 51], 1);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = trainer(&base, &adapter, 1000);
            trainer.step(&rows, 1e-3).unwrap();
            trainer.into_adapter()
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

#[test]
fn a_toy_problem_is_learned() {
    let config = toy::llama();
    let base = toy::load(&config, 4);
    let lora = LoraConfig {
        rank: 8,
        alpha: 16.0,
        rank_stabilized: false,
        targets: Target::ALL.to_vec(),
        seed: 1,
    };
    let rows = toy::rows(&config, &[12, 9, 14, 10], 2);
    let mut trainer = trainer(&base, &Adapter::new(&config, &lora), 256);
    let first = trainer.step(&rows, 1e-2).unwrap().loss;
    for _ in 0..80 {
        trainer.step(&rows, 1e-2).unwrap();
    }
    let adapter = trainer.into_adapter();
    let losses = row_losses(&base, Some(&adapter), &rows).unwrap();
    let tokens: usize = losses.iter().map(|loss| loss.tokens).sum();
    let last = losses.iter().map(|loss| loss.nats).sum::<f64>() / tokens as f64;
    assert!(first > 3.0 && last < 0.1, "{first} {last}");
    // The base beside it is what it was.
    let base_losses = row_losses(&base, None, &rows).unwrap();
    let base_loss = base_losses.iter().map(|loss| loss.nats).sum::<f64>() / tokens as f64;
    assert!((base_loss - f64::from(first)).abs() < 1e-4);
}

#[test]
fn what_cannot_be_trained_is_said_and_changes_nothing() {
    let config = toy::llama();
    let base = toy::load(&config, 4);
    let good = adapter(&config, &Target::ALL);
    let rows = toy::rows(&config, &[12, 9], 2);

    let mut bad = good.clone();
    let a = vec![f32::NAN; 4 * config.hidden_size];
    let b = vec![0.5; 4 * config.ffn_size];
    bad.set(1, Target::Up, &a, &b).unwrap();
    let mut trainer = trainer(&base, &bad, 100);
    let failure = trainer.step(&rows, 1e-3).unwrap_err();
    assert!(failure.message.contains("layer 2 of 2"), "{failure}");
    assert_eq!(trainer.state().step, 0);
    for ((.., a, b), (.., want_a, want_b)) in trainer.adapter().tensors().zip(bad.tensors()) {
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!((bits(a), bits(b)), (bits(want_a), bits(want_b)));
    }

    let mut trainer = Trainer::new(&base, good.clone(), OptimizerConfig::default(), 100);
    let mut unlabelled = rows.clone();
    for row in &mut unlabelled {
        row.labels.fill(false);
    }
    assert!(trainer.step(&unlabelled, 1e-3).is_err());
    assert!(trainer.step(&[], 1e-3).is_err());
    let mut outside = rows.clone();
    outside[1].ids[2] = config.vocab_size as u32;
    let failure = trainer.step(&outside, 1e-3).unwrap_err();
    assert!(failure.message.contains("row 2: token 53"), "{failure}");
    let mut torn = rows.clone();
    torn[0].labels.pop();
    assert!(trainer.step(&torn, 1e-3).is_err());
    assert!(trainer.step(&rows, f32::NAN).is_err());
    assert_eq!(trainer.adapter(), &good);
    let other = toy::load(&toy::qwen2(), 1);
    assert!(row_losses(&other, Some(&good), &[]).is_err());
}
