//! A further model's word on answers in free text: whether they say what is expected. A figure of its
//! own beside the rules' [`Metric::Accuracy`], never in its place: judges err, and are not the same
//! tomorrow.

use super::answerer::{Answerer, Decoding, Prompt};
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
    let mut questions: Vec<Vec<Message>> = Vec::new();
    for (result, suite) in evaluation.suites.iter().zip(suites) {
        for (item, case) in result.items.iter().zip(&suite.cases).filter(|(_, c)| is_judged(c)) {
            let language = language(case);
            let ask = |answer: &Answer| {
                judge::ask(language, &item.question, &item.expected, &answer.text)
            };
            questions.extend(answers(item).into_iter().map(ask));
        }
    }
    if questions.is_empty() {
        return Ok(Some(()));
    }
    let prompts: Vec<Prompt<'_>> = (questions.iter())
        .map(|messages| Prompt { messages, tools: &[], style: PromptStyle::Chat })
        .collect();
    let total = prompts.len() as u64;
    let mut stopped = false;
    let replies = judge.answer(&prompts, &[false], &DECODING, &mut |done| {
        let flow = on(Progress::new(STAGE, done as u64, Some(total), "answers"));
        stopped |= flow.is_break();
        flow
    })?;
    if stopped {
        return Ok(None);
    }
    let mut verdicts = replies.into_iter().flatten().map(|reply| judge::verdict(&reply.ok()?));
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
