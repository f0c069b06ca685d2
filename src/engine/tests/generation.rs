//! Generation against whole passes, and in batches.

use std::ops::ControlFlow;

use super::adapter;
use crate::engine::base::Precision;
use crate::engine::generate::{
    Bound, GenerateConfig, Request, generate, generate_each, generate_with,
};
use crate::engine::lookup::Lookup;
use crate::engine::lora::Target;
use crate::engine::oracle::Oracle;
use crate::engine::toy;

/// The likeliest continuation, by the oracle's whole forward pass for each token.
fn greedy(oracle: &Oracle, prompt: &[u32], count: usize) -> Vec<u32> {
    let mut ids = prompt.to_vec();
    for _ in 0..count {
        let logits: Vec<Vec<f32>> = oracle.logits(&ids).to_vec2().unwrap();
        let last = logits.last().unwrap();
        let best = (0..last.len()).max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap();
        ids.push(best as u32);
    }
    ids.split_off(prompt.len())
}

#[test]
fn generation_is_the_argmax_of_whole_passes() {
    for config in toy::families() {
        let base = toy::load(&config, 4);
        let adapter = adapter(&config, &Target::ALL);
        let prompts: Vec<Vec<u32>> =
            toy::rows(&config, &[3, 70, 1, 12, 5, 9], 7).into_iter().map(|row| row.ids).collect();
        let settings = GenerateConfig { max_new: 12, batch: 4, ..GenerateConfig::default() };
        let mut on = |_, _| ControlFlow::Continue(());
        let tuned = generate(&base, Some(&adapter), &prompts, &settings, &mut on).unwrap();
        let oracle = Oracle::new(&base, &adapter);
        for (prompt, answer) in prompts.iter().zip(&tuned) {
            assert_eq!(*answer, greedy(&oracle, prompt, 12));
        }
        for (i, prompt) in prompts.iter().enumerate() {
            let one = std::slice::from_ref(prompt);
            let alone = generate(&base, Some(&adapter), one, &settings, &mut on).unwrap();
            assert_eq!(alone[0], tuned[i]);
        }
        let untuned = generate(&base, None, &prompts, &settings, &mut on).unwrap();
        assert_ne!(untuned, tuned);
    }
}

#[test]
fn base_and_tuned_in_one_batch_answer_as_each_alone() {
    for (config, precision) in [
        (toy::llama(), Precision::F32),
        (toy::llama(), Precision::Bf16),
        (toy::qwen2(), Precision::F32),
    ] {
        let base = toy::load_in(&config, 4, precision);
        let adapter = adapter(&config, &[Target::Query, Target::Value, Target::Down]);
        let prompts: Vec<Vec<u32>> =
            toy::rows(&config, &[3, 40, 1, 12, 5], 7).into_iter().map(|row| row.ids).collect();
        let settings = GenerateConfig { max_new: 9, batch: 4, ..GenerateConfig::default() };
        let mut on = |_, _| ControlFlow::Continue(());
        let tuned = generate(&base, Some(&adapter), &prompts, &settings, &mut on).unwrap();
        let plain = generate(&base, None, &prompts, &settings, &mut on).unwrap();
        let requests: Vec<Request<'_>> =
            (0..10).map(|i| Request::new(&prompts[i / 2], i % 2 == 1)).collect();
        let mut ended = Vec::new();
        let both = generate_each(&base, Some(&adapter), &requests, &settings, &mut |at, id| {
            if id.is_none() {
                ended.push(at);
            }
            ControlFlow::Continue(())
        });
        for (i, answer) in both.unwrap().iter().enumerate() {
            assert_eq!(*answer, if i % 2 == 1 { &tuned } else { &plain }[i / 2]);
        }
        ended.sort_unstable();
        assert_eq!(ended, (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn many_sequences_at_once_answer_as_a_few() {
    let config = toy::llama();
    let base = toy::load(&config, 4);
    let adapter = adapter(&config, &[Target::Query, Target::Value, Target::Down]);
    let lengths: Vec<usize> = (0..30).map(|i| 3 + i % 7).collect();
    let prompts: Vec<Vec<u32>> =
        toy::rows(&config, &lengths, 7).into_iter().map(|row| row.ids).collect();
    let requests: Vec<Request<'_>> = prompts
        .iter()
        .flat_map(|prompt| [false, true].map(|tuned| Request::new(prompt, tuned)))
        .collect();
    let answers = |batch| {
        let settings = GenerateConfig { max_new: 8, batch, ..GenerateConfig::default() };
        let go = &mut |_, _| ControlFlow::Continue(());
        generate_each(&base, Some(&adapter), &requests, &settings, go).unwrap()
    };
    // In f32, where a greedy answer does not turn on the last bit.
    assert_eq!(answers(40), answers(4));
}

#[test]
fn generation_stops_where_it_should() {
    let mut config = toy::llama();
    config.context_length = 20;
    let base = toy::load(&config, 4);
    let prompts = vec![vec![1, 2, 3], vec![4; 15], vec![5]];
    let mut settings = GenerateConfig { max_new: 8, batch: 2, ..GenerateConfig::default() };
    let mut heard = vec![Vec::new(); 3];
    let all = generate(&base, None, &prompts, &settings, &mut |prompt, id| {
        heard[prompt].push(id);
        ControlFlow::Continue(())
    });
    let all = all.unwrap();
    assert_eq!(all, heard);
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [8, 5, 8]);

    settings.stop = vec![all[0][4]];
    let mut on = |_, _| ControlFlow::Continue(());
    let stopped = generate(&base, None, &prompts, &settings, &mut on).unwrap();
    let first = all[0].iter().position(|id| settings.stop.contains(id)).unwrap();
    assert_eq!(stopped[0], all[0][..first]);

    settings.stop.clear();
    let mut heard = 0;
    let broken = generate(&base, None, &prompts, &settings, &mut |_, _| {
        heard += 1;
        if heard == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(broken.unwrap().iter().map(Vec::len).sum::<usize>(), 5);

    settings.max_new = 0;
    assert_eq!(
        generate(&base, None, &prompts, &settings, &mut on).unwrap(),
        vec![Vec::<u32>::new(); 3]
    );
    settings.max_new = 1;
    for bad in [vec![], vec![1; 20], vec![99]] {
        let failure = generate(&base, None, &[vec![1], bad], &settings, &mut on).unwrap_err();
        assert!(failure.message.contains("prompt 2"), "{failure}");
    }
}

#[test]
fn draws_do_not_depend_on_the_batch() {
    let config = toy::llama();
    let base = toy::load(&config, 4);
    let prompts: Vec<Vec<u32>> = (1..9).map(|i| vec![i, i + 1]).collect();
    let run = |batch: usize, seed: u64| {
        let settings = GenerateConfig {
            max_new: 10,
            temperature: 0.8,
            top_p: 0.9,
            seed,
            batch,
            ..GenerateConfig::default()
        };
        generate(&base, None, &prompts, &settings, &mut |_, _| ControlFlow::Continue(())).unwrap()
    };
    assert_eq!(run(1, 3), run(8, 3));
    assert_eq!(run(3, 3), run(8, 3));
    assert_ne!(run(8, 4), run(8, 3));
}

#[test]
fn a_coarse_head_chooses_the_same_tokens() {
    for mut config in toy::families() {
        // A width that products of a few tokens read, and words enough for a choice among few.
        (config.hidden_size, config.vocab_size) = (64, 499);
        for precision in [Precision::F32, Precision::Bf16] {
            let base = toy::load_in(&config, 4, precision);
            let adapter = adapter(&config, &[Target::Query, Target::Down]);
            let prompts: Vec<Vec<u32>> = toy::rows(&config, &[3, 40, 1, 12, 5, 9, 2], 7)
                .into_iter()
                .map(|row| row.ids)
                .collect();
            let requests: Vec<Request<'_>> = prompts
                .iter()
                .flat_map(|prompt| [false, true].map(|tuned| Request::new(prompt, tuned)))
                .collect();
            for batch in [1, 5, 12] {
                let settings = GenerateConfig { max_new: 14, batch, ..GenerateConfig::default() };
                let answers = |from| {
                    let go = &mut |_, _| ControlFlow::Continue(());
                    let all = (&requests[..], &mut [][..]);
                    generate_with(&base, Some(&adapter), all, &settings, go, from).unwrap()
                };
                assert_eq!(answers(0), answers(usize::MAX), "{:?}", config.architecture);
            }
        }
    }
}

#[test]
fn prompts_that_begin_alike_answer_as_each_alone() {
    for config in toy::families() {
        let base = toy::load(&config, 4);
        let adapter = adapter(&config, &Target::ALL);
        let beginnings: Vec<Vec<u32>> =
            toy::rows(&config, &[30, 21], 3).into_iter().map(|row| row.ids).collect();
        let mut prompts: Vec<Vec<u32>> = toy::rows(&config, &[3, 40, 1, 12, 5, 9], 7)
            .into_iter()
            .enumerate()
            .map(|(i, row)| [&beginnings[i % 2][..], &row.ids].concat())
            .collect();
        // One that is another's beginning, and one twice.
        prompts.push(beginnings[0].clone());
        prompts.push(prompts[1].clone());
        let settings = GenerateConfig { max_new: 9, batch: 8, ..GenerateConfig::default() };
        let mut on = |_, _| ControlFlow::Continue(());
        let together = generate(&base, Some(&adapter), &prompts, &settings, &mut on).unwrap();
        for (prompt, answer) in prompts.iter().zip(&together) {
            let one = std::slice::from_ref(prompt);
            let alone = generate(&base, Some(&adapter), one, &settings, &mut on).unwrap();
            assert_eq!(alone[0], *answer);
        }
    }
}

#[test]
fn weights_that_stay_decoded_change_nothing() {
    for config in toy::families() {
        let base = toy::load(&config, 4);
        let adapter = adapter(&config, &Target::ALL);
        let lengths: Vec<usize> = (0..40).map(|i| 5 + i % 7).collect();
        let prompts: Vec<Vec<u32>> =
            toy::rows(&config, &lengths, 3).into_iter().map(|row| row.ids).collect();
        let requests: Vec<Request<'_>> = (prompts.iter().enumerate())
            .map(|(i, prompt)| Request::new(prompt, i % 3 == 0))
            .collect();
        let [decoded_anew, kept] = [0, 1 << 30].map(|keep_bytes| {
            let settings =
                GenerateConfig { max_new: 9, batch: 32, keep_bytes, ..GenerateConfig::default() };
            let go = &mut |_, _| ControlFlow::Continue(());
            generate_each(&base, Some(&adapter), &requests, &settings, go).unwrap()
        });
        assert!(kept.iter().all(|answer| answer.len() == 9));
        assert_eq!(decoded_anew, kept);
    }
}

/// Allows every third token after the one before, and some others.
struct Thirds {
    mask: Vec<u64>,
    words: usize,
}

impl Bound for Thirds {
    fn allowed(&mut self) -> &[u64] {
        &self.mask
    }

    fn take(&mut self, id: u32) {
        let bits = 0x9249_2492_4924_9249_u64.rotate_left(id % 64);
        self.mask = vec![bits; self.words];
    }
}

#[test]
fn guesses_from_what_came_before_change_no_answer() {
    let (mut right, mut wrong) = (0, 0);
    for mut config in toy::families() {
        (config.hidden_size, config.vocab_size) = (64, 149);
        for precision in [Precision::F32, Precision::Bf16] {
            let base = toy::load_in(&config, 4, precision);
            let adapter = adapter(&config, &[Target::Query, Target::Down]);
            let prompts: Vec<Vec<u32>> = toy::rows(&config, &[9, 4, 20, 3], 7)
                .into_iter()
                .map(|row| row.ids.repeat(2))
                .collect();
            let requests: Vec<Request<'_>> = (prompts.iter().enumerate())
                .map(|(i, prompt)| Request::new(prompt, i % 2 == 0))
                .collect();
            for (temperature, batch, coarse_from, is_bound) in [
                (0.0, 1, 0, false),
                (0.0, 2, usize::MAX, false),
                (0.0, 3, 0, true),
                (0.0, 1, usize::MAX, true),
                (0.3, 1, usize::MAX, false),
                (0.3, 2, 0, true),
            ] {
                let answers = |prompt_lookup| {
                    let settings = GenerateConfig {
                        max_new: 40,
                        batch,
                        temperature,
                        prompt_lookup,
                        ..GenerateConfig::default()
                    };
                    let words = config.vocab_size.div_ceil(64);
                    let bound = || -> Option<Box<dyn Bound>> {
                        Some(Box::new(Thirds { mask: vec![u64::MAX; words], words }))
                    };
                    let mut bounds: Vec<_> =
                        if is_bound { (0..2).map(|_| bound()).collect() } else { Vec::new() };
                    let go = &mut |_, _| ControlFlow::Continue(());
                    let all = (&requests[..], &mut bounds[..]);
                    generate_with(&base, Some(&adapter), all, &settings, go, coarse_from).unwrap()
                };
                let guessed = answers(true);
                assert_eq!(
                    guessed,
                    answers(false),
                    "{:?} {temperature} {batch}",
                    config.architecture
                );
                for (prompt, answer) in prompts.iter().zip(&guessed) {
                    let mut lookup = Lookup::new(prompt);
                    for id in answer {
                        match lookup.guesses(1).next() {
                            Some(guess) if guess == *id => right += 1,
                            Some(_) => wrong += 1,
                            None => {}
                        }
                        lookup.push(*id);
                    }
                }
            }
        }
    }
    assert!(right > 100 && wrong > 100, "{right} right, {wrong} wrong");
}
