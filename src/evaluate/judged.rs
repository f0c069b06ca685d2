//! A further model's word on answers in free text: whether they say what is expected. A figure of its
//! own beside the rules' [`Metric::Accuracy`], never in its place: judges err, and are not the same
//! tomorrow.

use std::collections::HashMap;

use super::answerer::{Answerer, Decoding, Prompt, Question};
use super::case::{Case, Expect};
use super::compare;
use super::result::{Answer, Evaluation, Form, ItemResult, Metric, Verdict};
use super::suite::{PromptStyle, Suite};
use crate::draft::judge;
use crate::failure::Result;
use crate::pair::example::{Language, Message};
use crate::progress::{OnProgress, Progress};
use crate::text::number::is_hangul;

/// How the judge answers: the likeliest words, room for a sentence and the verdict.
const DECODING: Decoding = Decoding { max_new: 256, temperature: 0.0, seed: 0, bound: false };

/// Stage name of the progress reports.
const STAGE: &str = "judge";

/// Tells whether a judge is asked about a case: the answer is free text and its rule reads words only.
fn is_judged(case: &Case) -> bool {
    matches!(case.expect, Expect::Reference(_) | Expect::Facts(_))
}

/// Has `judge` look at every answer in free text, and counts its verdicts. An answer on which it gives
/// none (it failed, or said neither) is left out of its figures. Returns nothing when `on` asked for a
/// stop. `suites` are those that were asked.
///
/// # Errors
/// When the judge fails altogether.
pub fn judged(
    evaluation: &mut Evaluation,
    suites: &[Suite],
    judge: &mut dyn Answerer,
    on: &mut OnProgress<'_>,
) -> Result<Option<()>> {
    // Base and tuned often say the same: one word on it counts for both.
    let mut questions: Vec<Vec<Message>> = Vec::new();
    let (mut places, mut asked): (Vec<usize>, HashMap<String, usize>) = Default::default();
    for (result, suite) in evaluation.suites.iter().zip(suites) {
        for (item, case) in result.items.iter().zip(&suite.cases).filter(|(_, c)| is_judged(c)) {
            let language = language(case);
            for answer in answers(item) {
                let question = judge::ask(language, &item.question, &item.expected, &answer.text);
                let key = serde_json::to_string(&question).unwrap_or_default();
                let place = *asked.entry(key).or_insert(questions.len());
                if place == questions.len() {
                    questions.push(question);
                }
                places.push(place);
            }
        }
    }
    if questions.is_empty() {
        return Ok(Some(()));
    }
    let asks: Vec<Question<'_>> = (questions.iter())
        .map(|messages| Question {
            prompt: Prompt { messages, tools: &[], style: PromptStyle::Chat },
            tuned: false,
            decoding: DECODING,
        })
        .collect();
    let total = asks.len() as u64;
    let (mut stopped, mut done) = (false, 0);
    let mut said: Vec<Option<bool>> = vec![None; asks.len()];
    judge.answer(&asks, &mut |index, reply| {
        if let (Some(said), Ok(text)) = (said.get_mut(index), &reply) {
            *said = judge::verdict(text);
        }
        done += 1;
        let flow = on(Progress::new(STAGE, done, Some(total), "answers"));
        stopped |= flow.is_break();
        flow
    })?;
    if stopped {
        return Ok(None);
    }
    let mut verdicts = places.into_iter().map(|place| said.get(place).copied().flatten());
    for (result, suite) in evaluation.suites.iter_mut().zip(suites) {
        let mut any = false;
        let cases = result.items.iter_mut().zip(&suite.cases).filter(|(_, case)| is_judged(case));
        for (item, _) in cases {
            for answer in answers_mut(item) {
                if let Some(right) = verdicts.next().flatten() {
                    let (metric, form) = (Metric::Judged, Form::Lenient);
                    answer.verdicts.push(Verdict { metric, form, right });
                    any = true;
                }
            }
        }
        if any {
            compare::count_again(result, &suite.subsets);
        }
    }
    compare::adjust(&mut evaluation.suites);
    Ok(Some(()))
}

/// Every answer to an item that was given at all.
fn answers(item: &ItemResult) -> Vec<&Answer> {
    let all = std::iter::once(&item.base).chain(&item.tuned).chain(&item.others);
    all.filter(|answer| !answer.verdicts.is_empty()).collect()
}

fn answers_mut(item: &mut ItemResult) -> Vec<&mut Answer> {
    let all = std::iter::once(&mut item.base).chain(&mut item.tuned).chain(&mut item.others);
    all.filter(|answer| !answer.verdicts.is_empty()).collect()
}

fn language(case: &Case) -> Language {
    let hangul = case.messages.iter().any(|turn| turn.content.chars().any(is_hangul));
    if hangul { Language::Korean } else { Language::English }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::evaluate::answerer::OnReply;
    use crate::evaluate::{Plan, domain_suite, run};
    use crate::pair::{Example, Role};

    /// Says the same of every prompt, but for prompts that hold a word; counts what it is asked.
    struct Counted {
        says: [&'static str; 2],
        other: Option<&'static str>,
        asked: usize,
    }

    impl Answerer for Counted {
        fn answer(&mut self, questions: &[Question<'_>], on_reply: &mut OnReply<'_>) -> Result<()> {
            for (index, Question { prompt, tuned, .. }) in questions.iter().enumerate() {
                self.asked += usize::from(self.other.is_some());
                let holds = match self.other {
                    Some(word) => prompt.messages.iter().any(|turn| turn.content.contains(word)),
                    None => *tuned,
                };
                let _ = on_reply(index, Ok(self.says[usize::from(holds)].to_owned()));
            }
            Ok(())
        }
    }

    fn counts(pupil: [&'static str; 2]) -> (usize, [u32; 2], u32) {
        let pair = |question: &str| Example {
            messages: vec![
                Message::text(Role::User, question),
                Message::text(Role::Assistant, "900 mm"),
            ],
            ..Example::default()
        };
        let suites =
            [domain_suite(&[pair("How wide is the door?"), pair("How wide is the gate?")])];
        let mut pupil = Counted { says: pupil, other: None, asked: 0 };
        let mut judge =
            Counted { says: ["Verdict: wrong", "Verdict: right"], other: Some("ninety"), asked: 0 };
        let mut on = |_: Progress| ControlFlow::Continue(());
        let plan = Plan::greedy("small", Some(1), &suites, true);
        let mut evaluation = run(&plan, &mut pupil, &mut [], &mut on).unwrap().unwrap();
        judged(&mut evaluation, &suites, &mut judge, &mut on).unwrap().unwrap();
        let metrics = &evaluation.suites[0].metrics;
        let found = metrics.iter().find(|each| each.metric == Metric::Judged).unwrap();
        let tuned = found.tuned.unwrap();
        (judge.asked, [found.base.successes, tuned.successes], tuned.n)
    }

    #[test]
    fn equal_answers_of_base_and_tuned_are_judged_once_and_counted_for_both() {
        assert_eq!(counts(["ninety centimetres", "ninety centimetres"]), (2, [2, 2], 2));
        assert_eq!(counts(["I do not know", "ninety centimetres"]), (4, [0, 2], 2));
    }
}
