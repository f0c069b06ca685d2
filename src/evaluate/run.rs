//! Puts suites to a base model and its tuned form, and compares what they say.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::case::{Case, Expect};
use super::result::{Answer, Evaluation, SuiteResult};
use super::suite::Suite;
use super::{choice, compare, score};
use crate::failure::{Failure, Result};
use crate::pair::example::{Message, Tool};
use crate::progress::{OnProgress, Progress};

/// Version of the shape of [`Evaluation`] that is written.
pub const EVALUATION_VERSION: u32 = 1;

/// Stage name of the progress reports.
pub const STAGE: &str = "evaluate";

/// What a model is shown.
#[derive(Debug, Clone, Copy)]
pub struct Prompt<'a> {
    /// The conversation so far, ending with the user's turn.
    pub messages: &'a [Message],
    /// Tools offered.
    pub tools: &'a [Tool],
}

/// A model that can be asked with and without its adapter. Replies are greedy, so that the same
/// model gives the same scores again.
pub trait Answerer {
    /// Replies of each side to `prompts`, in their order, with at most `max_new` tokens each and without
    /// end-of-turn tokens; a side is the base (`false`) or the tuned model. Asked for in one call, so
    /// that what both need is done once. `on_done` is told how many replies of this call are
    /// finished; when it breaks, the rest may be left out.
    fn answer(
        &mut self,
        prompts: &[Prompt<'_>],
        sides: &[bool],
        max_new: usize,
        on_done: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<String>>>;

    /// Negative log-likelihood of each text as the assistant's turn after its prompt, without the
    /// end-of-turn token: (nats, tokens). Items of one case follow each other and share a prompt.
    fn continuation_nats(
        &mut self,
        items: &[(Prompt<'_>, &str)],
        tuned: bool,
    ) -> Result<Vec<(f64, usize)>>;

    /// Negative log-likelihood of plain texts, no chat template: (nats, tokens).
    fn text_nats(&mut self, texts: &[&str], tuned: bool) -> Result<Vec<(f64, usize)>>;
}

/// Scores `suites` with the base model and, if `tuned`, with the adapter of `run` on. Returns
/// nothing when `on` asked for a stop.
pub fn run(
    model: &str,
    run: Option<u32>,
    suites: &[Suite],
    answerer: &mut dyn Answerer,
    tuned: bool,
    on: &mut OnProgress<'_>,
) -> Result<Option<Evaluation>> {
    let start = Instant::now();
    let cases: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    let mut counter =
        Counter { done: 0, total: cases * (1 + usize::from(tuned)), stopped: false, on };
    let _ = counter.advance(0);
    let mut results = Vec::with_capacity(suites.len());
    for suite in suites {
        let sides = if tuned { &[false, true][..] } else { &[false][..] };
        let replies = replies(suite, answerer, sides, &mut counter)?;
        let mut outcomes = Vec::with_capacity(sides.len());
        for (&tuned, replies) in sides.iter().zip(replies) {
            outcomes.push(self::outcomes(suite, answerer, tuned, replies, &mut counter)?);
        }
        if counter.stopped {
            return Ok(None);
        }
        let mut outcomes = outcomes.into_iter();
        let base = outcomes.next().unwrap_or_default();
        results.push(compare::compare(suite, base, outcomes.next()));
    }
    compare::adjust(&mut results);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(Some(Evaluation {
        version: EVALUATION_VERSION,
        model: model.to_owned(),
        run,
        created: now.map_or(0, |time| time.as_secs() as i64),
        seconds: start.elapsed().as_secs_f64(),
        suites: results,
        ..Evaluation::default()
    }))
}

/// Scores replies that were made elsewhere, by case id. Cases that are scored by likelihood are left
/// out; a case without a reply is an error, so that nothing is gained by leaving hard ones out.
pub fn recorded(
    suite: &Suite,
    base: &BTreeMap<String, String>,
    tuned: Option<&BTreeMap<String, String>>,
) -> Result<SuiteResult> {
    let answered = Suite {
        cases: (suite.cases.iter())
            .filter(|case| score::is_answered(&case.expect))
            .cloned()
            .collect(),
        ..suite.clone()
    };
    let outcomes = |replies: &BTreeMap<String, String>| -> Result<Vec<Outcome>> {
        let missing = answered.cases.iter().filter(|case| !replies.contains_key(&case.id));
        let missing: Vec<&str> = missing.map(|case| case.id.as_str()).collect();
        if let Some(first) = missing.first() {
            let count = missing.len();
            return Err(Failure::user(format!(
                "suite {}: {count} cases have no reply, the first is {first}",
                suite.name
            ))
            .hint("give every case a reply; an empty one if the model said nothing"));
        }
        let scored = answered.cases.iter().map(|case| Outcome {
            answer: score::score(case, replies.get(&case.id).cloned().unwrap_or_default()),
            loss: None,
        });
        Ok(scored.collect())
    };
    let tuned = tuned.map(outcomes).transpose()?;
    Ok(compare::compare(&answered, outcomes(base)?, tuned))
}

/// One model's outcome on one case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// The answer and its verdicts.
    pub answer: Answer,
    /// Nats and tokens, for texts.
    pub loss: Option<(f64, usize)>,
}

/// Cases whose likelihoods are asked for in one call: enough to share work, few enough that a stop
/// is heard soon.
const LIKELIHOOD_CASES: usize = 4;

struct Counter<'a, 'b> {
    done: usize,
    total: usize,
    stopped: bool,
    on: &'a mut OnProgress<'b>,
}

impl Counter<'_, '_> {
    fn advance(&mut self, count: usize) -> ControlFlow<()> {
        self.done += count;
        let progress = Progress::new(STAGE, self.done as u64, Some(self.total as u64), "items");
        let flow = (self.on)(progress);
        self.stopped |= flow.is_break();
        flow
    }
}

/// What each side says to the cases of a suite that are answered in words, in their order; nothing
/// once the counter is stopped.
fn replies(
    suite: &Suite,
    answerer: &mut dyn Answerer,
    sides: &[bool],
    counter: &mut Counter<'_, '_>,
) -> Result<Vec<Vec<String>>> {
    let asked = suite.cases.iter().filter(|case| score::is_answered(&case.expect));
    let prompts: Vec<Prompt<'_>> = asked.map(prompt).collect();
    let nothing = || vec![Vec::new(); sides.len()];
    if prompts.is_empty() || counter.stopped {
        return Ok(nothing());
    }
    let mut seen = 0;
    let replies = answerer.answer(&prompts, sides, suite.max_new, &mut |finished| {
        let fresh = finished.saturating_sub(seen);
        seen += fresh;
        counter.advance(fresh)
    })?;
    if counter.stopped {
        return Ok(nothing());
    }
    check_count(replies.len(), sides.len())?;
    for replies in &replies {
        check_count(replies.len(), prompts.len())?;
    }
    let all = prompts.len() * sides.len();
    let _ = counter.advance(all - seen.min(all));
    Ok(replies)
}

/// The outcomes of every case in the suite's order; incomplete once the counter is stopped. `replies`
/// are those to the cases that are answered in words.
fn outcomes(
    suite: &Suite,
    answerer: &mut dyn Answerer,
    tuned: bool,
    replies: Vec<String>,
    counter: &mut Counter<'_, '_>,
) -> Result<Vec<Outcome>> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; suite.cases.len()];
    let mut place = |index: usize, outcome: Outcome| {
        if let Some(slot) = outcomes.get_mut(index) {
            *slot = Some(outcome);
        }
    };
    let cases = || suite.cases.iter().enumerate();

    let asked = cases().filter(|(_, case)| score::is_answered(&case.expect));
    for ((index, case), reply) in asked.zip(replies) {
        let answer = score::score(case, reply);
        place(index, Outcome { answer, loss: None });
    }

    let choices: Vec<(usize, &Case, &[String], usize)> = cases()
        .filter_map(|(index, case)| match &case.expect {
            Expect::Choice { options, right } => Some((index, case, options.as_slice(), *right)),
            _ => None,
        })
        .collect();
    for part in choices.chunks(LIKELIHOOD_CASES) {
        if counter.stopped {
            break;
        }
        let items: Vec<(Prompt<'_>, &str)> = part
            .iter()
            .flat_map(|(_, case, options, _)| {
                options.iter().map(|option| (prompt(case), option.as_str()))
            })
            .collect();
        let nats = answerer.continuation_nats(&items, tuned)?;
        check_count(nats.len(), items.len())?;
        let mut nats = nats.into_iter().map(|(nats, _)| nats);
        for (index, _, options, right) in part {
            let nats: Vec<f64> = nats.by_ref().take(options.len()).collect();
            let answer = choice::judge(options, *right, &nats);
            place(*index, Outcome { answer, loss: None });
        }
        let _ = counter.advance(part.len());
    }

    let texts: Vec<(usize, &str)> = cases()
        .filter_map(|(index, case)| match &case.expect {
            Expect::Text(text) => Some((index, text.as_str())),
            _ => None,
        })
        .collect();
    for part in texts.chunks(LIKELIHOOD_CASES) {
        if counter.stopped {
            break;
        }
        let items: Vec<&str> = part.iter().map(|(_, text)| *text).collect();
        let losses = answerer.text_nats(&items, tuned)?;
        check_count(losses.len(), items.len())?;
        for ((index, _), (nats, tokens)) in part.iter().zip(losses) {
            let each = if tokens > 0 { nats / tokens as f64 } else { 0.0 };
            let answer = Answer {
                text: format!("{each:.3} nats/token, {tokens} tokens"),
                ..Answer::default()
            };
            let loss = Some((nats, tokens));
            place(*index, Outcome { answer, loss });
        }
        let _ = counter.advance(part.len());
    }
    Ok(outcomes.into_iter().flatten().collect())
}

fn prompt(case: &Case) -> Prompt<'_> {
    Prompt { messages: &case.messages, tools: &case.tools }
}

fn check_count(got: usize, asked: usize) -> Result<()> {
    if got == asked {
        Ok(())
    } else {
        Err(Failure::defect(format!("the model was asked for {asked} answers and gave {got}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::result::{Form, Metric};
    use crate::evaluate::shipped;

    /// A model that has learned the suites: tuned it answers as expected, base it repeats the
    /// question; likelihoods favour the first (base) or right (tuned) option.
    struct Scripted {
        suites: Vec<Suite>,
    }

    impl Scripted {
        fn case(&self, prompt: &Prompt<'_>) -> &Case {
            let cases = self.suites.iter().flat_map(|suite| &suite.cases);
            cases.into_iter().find(|case| case.messages == prompt.messages).unwrap()
        }
    }

    impl Answerer for Scripted {
        fn answer(
            &mut self,
            prompts: &[Prompt<'_>],
            sides: &[bool],
            _: usize,
            on_done: &mut dyn FnMut(usize) -> ControlFlow<()>,
        ) -> Result<Vec<Vec<String>>> {
            let mut done = 0;
            let mut all = vec![Vec::new(); sides.len()];
            for (&tuned, replies) in sides.iter().zip(&mut all) {
                for prompt in prompts {
                    let case = self.case(prompt);
                    replies.push(match &case.expect {
                        Expect::Calls(calls) if tuned && !calls.is_empty() => calls
                            .iter()
                            .map(|call| format!("<tool_call>\n{}\n</tool_call>", call.to_json()))
                            .collect::<Vec<_>>()
                            .join("\n"),
                        Expect::Short(short) if tuned => match short.number {
                            Some(number) => number.to_string(),
                            None => short.accept[0].clone(),
                        },
                        _ => "죄송하지만 잘 모르겠습니다.".to_owned(),
                    });
                    done += 1;
                    if on_done(done).is_break() {
                        return Ok(all);
                    }
                }
            }
            Ok(all)
        }

        fn continuation_nats(
            &mut self,
            items: &[(Prompt<'_>, &str)],
            tuned: bool,
        ) -> Result<Vec<(f64, usize)>> {
            Ok((items.iter())
                .map(|(prompt, option)| {
                    let Expect::Choice { options, right } = &self.case(prompt).expect else {
                        panic!("not a choice");
                    };
                    let favoured = if tuned { &options[*right] } else { &options[0] };
                    let each = if option == favoured { 0.1 } else { 1.0 };
                    (each * option.len() as f64, option.len())
                })
                .collect())
        }

        fn text_nats(&mut self, texts: &[&str], tuned: bool) -> Result<Vec<(f64, usize)>> {
            let each = if tuned { 2.2 } else { 2.0 };
            Ok(texts.iter().map(|text| (each * text.len() as f64, text.len())).collect())
        }
    }

    #[test]
    fn a_model_that_learned_everything_scores_full_marks_and_the_progress_adds_up() {
        let suites = shipped();
        let mut answerer = Scripted { suites: suites.clone() };
        let mut last = None;
        let mut on = |progress: Progress| {
            assert!(last.as_ref().is_none_or(|last: &Progress| last.done <= progress.done));
            last = Some(progress);
            ControlFlow::Continue(())
        };
        let evaluation =
            run("small", Some(3), &suites, &mut answerer, true, &mut on).unwrap().unwrap();
        let last = last.unwrap();
        assert_eq!(Some(last.done), last.total);
        for (suite, result) in suites.iter().zip(&evaluation.suites) {
            assert_eq!(result.items.len(), suite.cases.len());
            for metric in &result.metrics {
                let tuned = metric.tuned.unwrap();
                assert_eq!(tuned.successes, tuned.n, "{} {metric:?}", result.name);
                if metric.metric == Metric::Parameters {
                    assert_eq!(metric.base.successes, 0);
                }
            }
            if let Some(loss) = result.text_loss {
                assert!((loss.base - 2.0).abs() < 1e-9);
                assert!((loss.tuned.unwrap() - 2.2).abs() < 1e-9);
            }
        }
        let tools = &evaluation.suites[0];
        let all = tools.metrics.iter().filter(|metric| metric.subset.is_none());
        assert_eq!(all.clone().count(), 10, "five metrics in two forms");
        assert!(all.clone().any(|m| m.metric == Metric::NoCall && m.form == Form::Strict));
        let parts = |name: &str| {
            let subset = tools.metrics.iter().filter(|metric| {
                metric.subset.as_deref() == Some(name) && metric.metric == Metric::Parameters
            });
            subset.map(|metric| metric.base.n).next().unwrap()
        };
        let n = all.clone().find(|m| m.metric == Metric::Parameters).unwrap().base.n;
        assert_eq!(parts("ko") + parts("en"), n);
        assert_eq!(parts("seen") + parts("unseen"), n);
    }

    #[test]
    fn base_alone_and_stopping() {
        let suites: Vec<Suite> = shipped().iter().map(|suite| suite.sample(6, 1)).collect();
        let mut answerer = Scripted { suites: suites.clone() };
        let mut go = |_: Progress| ControlFlow::Continue(());
        let alone = run("small", None, &suites, &mut answerer, false, &mut go).unwrap().unwrap();
        assert!(alone.suites.iter().all(|suite| suite.items.iter().all(|i| i.tuned.is_none())));
        assert!(alone.suites[0].metrics[0].difference.is_none());
        for stop_at in [0, 3, 7, 40] {
            let mut calls = 0;
            let mut on = |progress: Progress| {
                calls += usize::from(progress.done >= stop_at);
                if progress.done >= stop_at {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            let outcome = run("small", None, &suites, &mut answerer, true, &mut on).unwrap();
            assert!(outcome.is_none());
            assert_eq!(calls, 1, "stopped at {stop_at} and asked on");
        }
    }

    #[test]
    fn recorded_replies_are_scored_and_must_be_complete() {
        let suites = shipped();
        let mathematics =
            suites.iter().find(|suite| suite.name == "forgetting/mathematics").unwrap();
        let wrong: BTreeMap<String, String> =
            mathematics.cases.iter().map(|case| (case.id.clone(), "모름".to_owned())).collect();
        let right: BTreeMap<String, String> =
            mathematics.cases.iter().map(|case| (case.id.clone(), case.expected())).collect();
        let result = recorded(mathematics, &wrong, Some(&right)).unwrap();
        let all = &result.metrics[0];
        assert_eq!((all.base.successes, all.tuned.unwrap().successes), (0, all.base.n));
        let mut short = right.clone();
        short.remove("mathematics-01");
        let failure = recorded(mathematics, &short, None).unwrap_err();
        assert!(failure.message.contains("mathematics-01"), "{failure}");
    }
}
