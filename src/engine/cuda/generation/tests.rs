//! Generation on the GPU against the CPU engine. Without a GPU each test says that it is skipped.

use std::ops::ControlFlow;

use super::places::{Sizes, piece, splits};
use super::{Generator, rows_for};
use crate::engine::base::{Base, Precision};
use crate::engine::cuda::tests::{device, shapes};
use crate::engine::generate::{self, Bound, GenerateConfig, Request};
use crate::engine::lora::{Adapter, Target};
use crate::engine::loss::{self, HeadScratch};
use crate::engine::pack::Packed;
use crate::engine::score::Forward;
use crate::engine::toy;
use crate::model::DecoderConfig;

/// What a token chosen in bf16 may have less than the likeliest, in deviations of the logits.
const SLACK: f32 = 0.15;

/// The CPU's logits after each token of a row.
fn logits(base: &Base, adapter: Option<&Adapter>, ids: &[u32]) -> Vec<Vec<f32>> {
    let mut packed = Packed::default();
    packed.push(ids);
    let mut forward = Forward::new(base);
    let x = forward.run(base, adapter, &packed, |_, _, _| {});
    let rows: Vec<usize> = (0..ids.len()).collect();
    let mut head = HeadScratch::default();
    let all = loss::logits(base, x, &rows, &mut head);
    all.chunks(base.config().vocab_size).map(<[f32]>::to_vec).collect()
}

/// How far the tokens of an answer are from the likeliest ones that are allowed, given those before them: the
/// most, in deviations of the logits; and how many are the likeliest.
fn apart(
    base: &Base,
    adapter: Option<&Adapter>,
    (prompt, answer): (&[u32], &[u32]),
    allowed: impl Fn(usize, u32) -> bool,
) -> (f32, usize) {
    let ids = [prompt, answer].concat();
    let (mut most, mut same) = (0.0f32, 0);
    for (taken, logits) in logits(base, adapter, &ids)[prompt.len() - 1..].iter().enumerate() {
        let Some(id) = answer.get(taken) else { break };
        assert!(allowed(taken, *id), "{id} is not allowed as token {taken}");
        let count = logits.len() as f32;
        let mean = logits.iter().sum::<f32>() / count;
        let deviation = (logits.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count).sqrt();
        let some = logits.iter().zip(0..).filter(|(_, id)| allowed(taken, *id));
        let best = some.map(|(x, _)| *x).fold(f32::NEG_INFINITY, f32::max);
        let behind = (best - logits[*id as usize]) / deviation;
        same += usize::from(behind == 0.0);
        // NaN must never pass.
        most = if behind >= 0.0 { most.max(behind) } else { f32::INFINITY };
    }
    (most, same)
}

fn prompts(config: &DecoderConfig) -> Vec<Vec<u32>> {
    let lengths = [3, 70, 1, 12, 150, 9, 33, 64, 65, 20, 5];
    let mut prompts: Vec<Vec<u32>> =
        toy::rows(config, &lengths, 7).into_iter().map(|row| row.ids).collect();
    // Two that begin alike.
    let beginning = prompts[1][..40].to_vec();
    prompts[4][..40].copy_from_slice(&beginning);
    prompts
}

#[test]
fn graphs_are_few_and_hold_all_rows() {
    for few_max in [0, 5, 8] {
        let rows: Vec<usize> = (1..=200).map(|count| rows_for(count, few_max)).collect();
        assert!(rows.iter().zip(1..).all(|(rows, count)| *rows >= count && *rows < count + 32));
        assert!(rows.is_sorted() && (0..few_max).all(|at| rows[at] == at + 1));
    }
}

#[test]
fn attention_is_shared_out_among_blocks() {
    let heads = |heads: usize, kv_heads: usize| DecoderConfig { heads, kv_heads, ..toy::llama() };
    let pieces = [(12, 2, 6), (14, 2, 7), (9, 3, 3), (16, 1, 8), (11, 1, 1), (20, 2, 5)];
    for (all, kv, want) in pieces {
        assert_eq!(piece(&heads(all, kv)), want);
    }
    // Of wide heads fewer have room.
    let wide = |all| piece(&DecoderConfig { head_dim: 256, ..heads(all, 1) });
    assert_eq!([1, 4, 6, 8].map(wide), [1, 4, 3, 4]);
    let config = heads(12, 2);
    assert_eq!([1, 8, 64, 500].map(|rows| splits(&config, rows)), [16, 16, 2, 1]);
}

#[test]
fn what_is_laid_out_holds_what_is_smaller() {
    let small = Sizes { tokens: 10, rows: 2, capacity: 64, kept: 20 };
    let wide = Sizes { rows: 8, kept: 5, ..small };
    let both = small.with(&wide);
    assert!(both.hold(&small) && both.hold(&wide) && !small.hold(&wide) && !wide.hold(&small));
    assert_eq!(both, Sizes { tokens: 10, rows: 8, capacity: 64, kept: 20 });
}

#[test]
fn answers_are_the_likeliest_by_the_cpu() {
    let Some(device) = device("generation") else { return };
    for config in shapes() {
        let base = toy::load(&config, 4);
        let prompts = prompts(&config);
        for targets in [&[][..], &Target::ALL, &[Target::Query, Target::Down]] {
            let adapter = (!targets.is_empty()).then(|| toy::adapter(&config, targets, 4));
            // Alone, as many as the kernels for few take and some beside, and all at once.
            for batch in [1, 4, 8, 11] {
                let requests = (0..).zip(&prompts).map(|(i, prompt)| {
                    let tuned = adapter.is_some() && i % 3 != 1;
                    Request::new(prompt, tuned)
                });
                let requests: Vec<Request<'_>> = requests.collect();
                let settings = GenerateConfig { max_new: 21, batch, ..GenerateConfig::default() };
                let mut generator =
                    Generator::new(&device, &base, adapter.as_ref(), batch, usize::MAX).unwrap();
                let mut heard = vec![Vec::new(); prompts.len()];
                let mut ended = 0;
                let answers = generator
                    .generate(&requests, &mut [], &settings, &mut |prompt, id| {
                        match id {
                            Some(id) => heard[prompt].push(id),
                            None => ended += 1,
                        }
                        ControlFlow::Continue(())
                    })
                    .unwrap();
                assert_eq!((&heard, ended), (&answers, prompts.len()));
                let (mut most, mut same) = (0.0f32, 0);
                for (request, answer) in requests.iter().zip(&answers) {
                    assert_eq!(answer.len(), 21);
                    let adapter = adapter.as_ref().filter(|_| request.tuned);
                    let (behind, likeliest) =
                        apart(&base, adapter, (request.prompt, answer), |_, _| true);
                    most = most.max(behind);
                    same += likeliest;
                }
                println!(
                    "{:?} dim {} batch {batch} targets {}: {same} of {} likeliest, {most:.4} behind",
                    config.architecture,
                    config.head_dim,
                    targets.len(),
                    21 * answers.len()
                );
                assert!(most < SLACK, "{most}");
                // As often as is asked, the same.
                let go = &mut |_, _| ControlFlow::Continue(());
                let again = generator.generate(&requests, &mut [], &settings, go).unwrap();
                assert_eq!(again, answers);
            }
        }
    }
}

/// Allows tokens whose remainder by 3 is that of the number of tokens taken.
struct Rounds {
    mask: Vec<u64>,
    taken: u32,
    vocabulary: u32,
}

impl Bound for Rounds {
    fn allowed(&mut self) -> &[u64] {
        self.mask = vec![0; self.vocabulary.div_ceil(64) as usize];
        for id in (0..self.vocabulary).filter(|id| id % 3 == self.taken % 3) {
            self.mask[id as usize / 64] |= 1 << (id % 64);
        }
        &self.mask
    }

    fn take(&mut self, id: u32) {
        assert_eq!(id % 3, self.taken % 3);
        self.taken += 1;
    }
}

#[test]
fn bounds_draws_and_stops_are_kept() {
    let Some(device) = device("bounds, draws and stops") else { return };
    for config in [toy::llama(), toy::qwen2()] {
        let base = toy::load(&config, 4);
        let prompts = prompts(&config);
        let requests: Vec<Request<'_>> =
            prompts.iter().map(|prompt| Request::new(prompt, false)).collect();
        for batch in [3, 11] {
            let mut generator = Generator::new(&device, &base, None, batch, usize::MAX).unwrap();
            let greedy = GenerateConfig { max_new: 13, batch, ..GenerateConfig::default() };
            let mut all = |requests: &[Request<'_>],
                           bounds: &mut generate::Bounds<'_>,
                           settings: &GenerateConfig| {
                let go = &mut |_, _| ControlFlow::Continue(());
                generator.generate(requests, bounds, settings, go).unwrap()
            };
            // Every second answer is bound.
            let mut bounds: Vec<Option<Box<dyn Bound>>> = (0..prompts.len())
                .map(|at| -> Option<Box<dyn Bound>> {
                    let vocabulary = config.vocab_size as u32;
                    (at % 2 == 0)
                        .then(|| Box::new(Rounds { mask: Vec::new(), taken: 0, vocabulary }) as _)
                })
                .collect();
            let answers = all(&requests, &mut bounds, &greedy);
            assert!(bounds.iter().all(Option::is_none));
            for (at, (prompt, answer)) in prompts.iter().zip(&answers).enumerate() {
                let is_bound = at % 2 == 0;
                let allowed = |taken: usize, id: u32| !is_bound || id as usize % 3 == taken % 3;
                let (most, _) = apart(&base, None, (prompt, answer), allowed);
                assert!(most < SLACK, "{most}");
            }
            // A stop ends each answer before its first.
            let plain = all(&requests, &mut [], &greedy);
            let stop = plain[1][5];
            let stops = GenerateConfig { stop: vec![stop], ..greedy.clone() };
            let stopped = all(&requests, &mut [], &stops);
            for (prompt, answer) in prompts.iter().zip(&stopped) {
                assert!(!answer.contains(&stop));
                let (most, _) = apart(&base, None, (prompt, answer), |_, _| true);
                assert!(most < SLACK, "{most}");
            }
            let tokens = |answers: &[Vec<u32>]| answers.iter().map(Vec::len).sum::<usize>();
            assert!(tokens(&stopped) < tokens(&plain));
            // Draws repeat with the seed, and only with it.
            let draws = |seed| GenerateConfig { temperature: 1.0, seed, ..greedy.clone() };
            let drawn = all(&requests, &mut [], &draws(1));
            assert_eq!(all(&requests, &mut [], &draws(1)), drawn);
            assert_ne!(all(&requests, &mut [], &draws(2)), drawn);
            // A listener may stop it.
            let mut count = 0;
            let broken = generator.generate(&requests, &mut [], &greedy, &mut |_, _| {
                count += 1;
                if count == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert_eq!(broken.unwrap().iter().map(Vec::len).sum::<usize>(), 6);
        }
    }
}

/// As little work as there is, for tools that look at every access (`compute-sanitizer`): by the kernels for few and by
/// those for many.
#[test]
fn the_smallest_answers_are_the_likeliest_by_the_cpu() {
    let Some(device) = device("the smallest answers") else { return };
    let config = DecoderConfig { layers: 1, ..toy::llama() };
    let base = toy::load(&config, 4);
    let adapter = toy::adapter(&config, &Target::ALL, 4);
    let prompts = prompts(&config);
    for batch in [2, 9] {
        let asked = prompts[..batch].iter().zip(0..);
        let requests: Vec<Request<'_>> =
            asked.map(|(prompt, i)| Request::new(prompt, i % 2 == 0)).collect();
        let settings = GenerateConfig { max_new: 3, batch, ..GenerateConfig::default() };
        let mut generator =
            Generator::new(&device, &base, Some(&adapter), batch, usize::MAX).unwrap();
        let go = &mut |_, _| ControlFlow::Continue(());
        let answers = generator.generate(&requests, &mut [], &settings, go).unwrap();
        for (request, answer) in requests.iter().zip(&answers) {
            let adapter = Some(&adapter).filter(|_| request.tuned);
            let (behind, _) = apart(&base, adapter, (request.prompt, answer), |_, _| true);
            assert!(answer.len() == 3 && behind < SLACK, "{behind}");
        }
    }
}

#[test]
fn what_does_not_fit_is_said() {
    let Some(device) = device("generation's refusals") else { return };
    let config = toy::llama();
    let base = toy::load_in(&config, 4, Precision::Bf16);
    let mut generator = Generator::new(&device, &base, None, 4, usize::MAX).unwrap();
    let held = generator.bytes();
    let settings = GenerateConfig { max_new: 8, batch: 4, ..GenerateConfig::default() };
    let go = &mut |_, _| ControlFlow::Continue(());
    let prompt = [1, 9999];
    let request = [Request::new(&prompt, false)];
    assert!(generator.generate(&request, &mut [], &settings, go).is_err());
    let request = [Request::new(&prompt[..1], false)];
    generator.generate(&request, &mut [], &settings, go).unwrap();
    assert!(generator.bytes() > held);
    let mut small = Generator::new(&device, &base, None, 4, held + (1 << 12)).unwrap();
    let failure = small.generate(&request, &mut [], &settings, go).unwrap_err();
    assert!(failure.message.contains("MiB of the GPU's memory"), "{failure}");
}
