//! Everything that is answered in words, as one queue for all suites, sides and samples.

use super::{Answer, Case, Counter, Plan, Sheets, prompt};
use crate::evaluate::answerer::{Answerer, Decoding, Prompt, Question, Reply};
use crate::evaluate::case::Expect;
use crate::evaluate::result::Reason;
use crate::evaluate::suite::Suite;
use crate::evaluate::{programs, score};
use crate::failure::{Failure, Result};
use crate::model::ToolFormat;

/// A question, and where its answer belongs.
pub(super) struct Asked<'a> {
    suite: usize,
    case: usize,
    column: usize,
    sample: u32,
    question: Question<'a>,
}

/// The questions of all suites to each side, whose columns follow `first`.
pub(super) fn free<'a>(plan: &Plan<'a>, sides: &[bool], first: usize) -> Vec<Asked<'a>> {
    asked(plan, (sides, first), false, |case| score::is_answered(&case.expect))
}

/// The same of cases that offer tools, with calls bound to their grammar.
pub(super) fn bound<'a>(plan: &Plan<'a>, sides: &[bool], first: usize) -> Vec<Asked<'a>> {
    asked(plan, (sides, first), true, is_callable)
}

/// Whether a case is answered in words and offers tools.
pub(super) fn is_callable(case: &Case) -> bool {
    score::is_answered(&case.expect) && !case.tools.is_empty()
}

/// Sides and samples of a case follow each other.
fn asked<'a>(
    plan: &Plan<'a>,
    (sides, first): (&[bool], usize),
    bound: bool,
    is_asked: impl Fn(&Case) -> bool,
) -> Vec<Asked<'a>> {
    let mut all = Vec::new();
    for (at, suite) in plan.suites.iter().enumerate() {
        let cases = suite.cases.iter().enumerate().filter(|(_, case)| is_asked(case));
        for (index, case) in cases {
            for sample in 0..plan.samples.max(1) {
                let decoding = Decoding { bound, ..plan.decoding(suite, sample) };
                all.extend(sides.iter().enumerate().map(|(side, &tuned)| Asked {
                    suite: at,
                    case: index,
                    column: first + side,
                    sample,
                    question: Question { prompt: prompt(suite, case), tuned, decoding },
                }));
            }
        }
    }
    all
}

/// Has all questions answered and fills in what was said; incomplete once the counter is stopped.
pub(super) fn answered(
    plan: &Plan<'_>,
    answerer: &mut dyn Answerer,
    asked: &[Asked<'_>],
    sheets: &mut [Sheets],
    counter: &mut Counter<'_, '_>,
) -> Result<()> {
    if asked.is_empty() || counter.stopped {
        return Ok(());
    }
    for suite in plan.suites {
        check(answerer, suite).map_err(|failure| failure.context(named(suite)))?;
    }
    let questions: Vec<Question<'_>> = asked.iter().map(|asked| asked.question).collect();
    let mut replies: Vec<Option<Reply>> = vec![None; asked.len()];
    answerer.answer(&questions, &mut |index, reply| {
        let slot = replies.get_mut(index).filter(|slot| slot.is_none());
        let fresh = usize::from(slot.is_some());
        if let Some(slot) = slot {
            *slot = Some(reply);
        }
        counter.advance(fresh)
    })?;
    // Who answers may have heard of a stop before the counter.
    let is_whole = replies.iter().all(Option::is_some);
    if counter.stopped || (!is_whole && counter.advance(0).is_break()) {
        return Ok(());
    }
    let (format, samples) = (answerer.tool_format(), plan.samples.max(1));
    for (asked, reply) in asked.iter().zip(replies) {
        let Some(suite) = plan.suites.get(asked.suite) else { continue };
        let reply = reply.ok_or_else(|| {
            Failure::defect("the model was asked and gave no reply").context(named(suite))
        })?;
        let columns = sheets.get_mut(asked.suite).and_then(|of| of.get_mut(asked.column));
        let outcome = columns.and_then(|column| column.get_mut(asked.case));
        let (Some(case), Some(outcome)) = (suite.cases.get(asked.case), outcome) else { continue };
        let judge = |text| judged(plan, case, &format, text);
        add_reply(&mut outcome.answer, reply, judge, (asked.sample, samples))
            .map_err(|failure| failure.context(named(suite)))?;
        // Programs take their time.
        if matches!(case.expect, Expect::Program(_)) && counter.advance(0).is_break() {
            return Ok(());
        }
    }
    Ok(())
}

fn check(answerer: &dyn Answerer, suite: &Suite) -> Result<()> {
    let cases = suite.cases.iter().filter(|case| score::is_answered(&case.expect));
    let prompts: Vec<Prompt<'_>> = cases.map(|case| prompt(suite, case)).collect();
    if prompts.is_empty() { Ok(()) } else { answerer.check(&prompts) }
}

fn named(suite: &Suite) -> String {
    format!("suite {}", suite.name)
}

/// Judges a reply, by its words or by running it.
fn judged(plan: &Plan<'_>, case: &Case, format: &ToolFormat, text: String) -> Result<Answer> {
    match (&case.expect, plan.programs) {
        (Expect::Program(program), Some(runner)) => programs::judge(program, text, runner),
        _ => Ok(score::score(case, format, text)),
    }
}

/// Takes a case's next reply: the first is kept, all of them count in the share that is right.
fn add_reply(
    answer: &mut Answer,
    reply: Reply,
    judge: impl FnOnce(String) -> Result<Answer>,
    (sample, samples): (u32, u32),
) -> Result<()> {
    let judged = match reply {
        Ok(text) => judge(text)?,
        Err(reason) => Answer { reason: Some(Reason::NoAnswer(reason)), ..Answer::default() },
    };
    let right = f64::from(u8::from(judged.is_right() == Some(true))) / f64::from(samples);
    let share = answer.right_share.unwrap_or(0.0) + right;
    if sample == 0 {
        *answer = judged;
    }
    if samples > 1 {
        answer.right_share = Some(share);
    }
    Ok(())
}
