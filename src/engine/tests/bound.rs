//! Answers that are bound, beside such as are not.

use std::ops::ControlFlow;

use super::adapter;
use crate::engine::base::Precision;
use crate::engine::generate::{Bound, GenerateConfig, Request, generate_each, generate_with};
use crate::engine::lora::Target;
use crate::engine::oracle::Oracle;
use crate::engine::toy;

/// Allows tokens whose remainder by 3 is that of the number of tokens taken.
struct Rounds {
    mask: Vec<u64>,
    taken: u32,
    vocabulary: u32,
    /// Tokens after which none is allowed.
    most: u32,
}

impl Rounds {
    fn boxed<'a>(vocabulary: usize, most: u32) -> Box<dyn Bound + 'a> {
        Box::new(Self { mask: Vec::new(), taken: 0, vocabulary: vocabulary as u32, most })
    }
}

impl Bound for Rounds {
    fn allowed(&mut self) -> &[u64] {
        self.mask = vec![0; self.vocabulary.div_ceil(64) as usize];
        let all = (0..self.vocabulary).filter(|id| id % 3 == self.taken % 3);
        for id in all.filter(|_| self.taken < self.most) {
            self.mask[id as usize / 64] |= 1 << (id % 64);
        }
        &self.mask
    }

    fn take(&mut self, id: u32) {
        assert_eq!(id % 3, self.taken % 3);
        self.taken += 1;
    }
}

/// The likeliest allowed continuation, by the oracle's whole forward pass for each token.
fn greedy(oracle: &Oracle, prompt: &[u32], count: usize) -> Vec<u32> {
    let mut ids = prompt.to_vec();
    for taken in 0..count {
        let logits: Vec<Vec<f32>> = oracle.logits(&ids).to_vec2().unwrap();
        let last = logits.last().unwrap();
        let allowed = (0..last.len()).filter(|id| id % 3 == taken % 3);
        ids.push(allowed.max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap() as u32);
    }
    ids.split_off(prompt.len())
}

#[test]
fn bound_answers_are_the_likeliest_that_are_allowed_and_others_stay_as_they_are() {
    for mut config in toy::families() {
        // A width and words enough for a coarse head.
        (config.hidden_size, config.vocab_size) = (64, 499);
        for precision in [Precision::F32, Precision::Bf16] {
            let base = toy::load_in(&config, 4, precision);
            let adapter = adapter(&config, &[Target::Query, Target::Down]);
            let prompts: Vec<Vec<u32>> = toy::rows(&config, &[3, 40, 1, 12, 5, 9], 7)
                .into_iter()
                .map(|row| row.ids)
                .collect();
            let requests: Vec<Request<'_>> =
                prompts.iter().map(|prompt| Request::new(prompt, true)).collect();
            let go = &mut |_, _| ControlFlow::Continue(());
            for (batch, temperature) in [(4, 0.0), (4, 1.0)] {
                let settings =
                    GenerateConfig { max_new: 9, batch, temperature, ..GenerateConfig::default() };
                let plain = generate_each(&base, Some(&adapter), &requests, &settings, go).unwrap();
                let mut answers = |from: usize| {
                    let mut bounds: Vec<_> =
                        (0..5).map(|i| (i % 2 == 0).then(|| Rounds::boxed(499, 100))).collect();
                    let all = (&requests[..], &mut bounds[..]);
                    generate_with(&base, Some(&adapter), all, &settings, &mut *go, from).unwrap()
                };
                let bound = answers(usize::MAX);
                if temperature == 0.0 {
                    assert_eq!(bound, answers(0), "{:?}", config.architecture);
                }
                for (i, answer) in bound.iter().enumerate() {
                    if i % 2 == 1 {
                        assert_eq!(*answer, plain[i], "{:?}", config.architecture);
                        continue;
                    }
                    assert_eq!(answer.len(), 9);
                    assert!(answer.iter().zip(0..).all(|(id, taken)| id % 3 == taken % 3));
                    if precision == Precision::F32 && temperature == 0.0 {
                        let oracle = Oracle::new(&base, &adapter);
                        assert_eq!(*answer, greedy(&oracle, &prompts[i], 9));
                    }
                }
            }
        }
    }
}

#[test]
fn an_answer_ends_where_nothing_is_allowed_or_an_end_is_chosen() {
    let config = toy::llama();
    let base = toy::load(&config, 4);
    let prompt = [1, 2, 3];
    let requests = [Request::new(&prompt, false); 3];
    let mut bounds = [4, 0, 100].map(|most| Some(Rounds::boxed(53, most)));
    let mut settings = GenerateConfig { max_new: 8, ..GenerateConfig::default() };
    let go = &mut |_, _| ControlFlow::Continue(());
    let all = (&requests[..], &mut bounds[..]);
    let answers = generate_with(&base, None, all, &settings, &mut *go, usize::MAX).unwrap();
    assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), [4, 0, 8]);
    assert_eq!(answers[0], answers[2][..4]);
    // An end is not taken.
    settings.stop = vec![answers[2][5]];
    let mut bounds = [Some(Rounds::boxed(53, 100))];
    let all = (&requests[..1], &mut bounds[..]);
    let stopped = generate_with(&base, None, all, &settings, go, usize::MAX).unwrap();
    let first = answers[2].iter().position(|id| settings.stop.contains(id)).unwrap();
    assert_eq!(stopped[0], answers[2][..first]);
}
