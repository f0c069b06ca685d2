//! Suites put to models that are scripted.

use super::*;
use crate::evaluate::answerer::{Nats, OnReply, Question};
use crate::evaluate::result::{ColumnKind, Form, Metric, SuiteKind};
use crate::evaluate::shipped;

/// A model that has learned the suites: tuned it answers as expected, base it repeats the
/// question; likelihoods favour the first (base) or right (tuned) option.
struct Scripted {
    suites: Vec<Suite>,
    /// How often it was asked for replies.
    calls: usize,
}

impl Scripted {
    fn case(&self, prompt: &Prompt<'_>) -> &Case {
        let cases = self.suites.iter().flat_map(|suite| &suite.cases);
        cases.into_iter().find(|case| case.messages == prompt.messages).unwrap()
    }
}

impl Answerer for Scripted {
    fn answer(&mut self, questions: &[Question<'_>], on_reply: &mut OnReply<'_>) -> Result<()> {
        self.calls += 1;
        // The last first: any order will do.
        for (index, Question { prompt, tuned, decoding }) in questions.iter().enumerate().rev() {
            assert!(!decoding.bound || !prompt.tools.is_empty());
            let (case, tuned) = (self.case(prompt), *tuned);
            let reply = match &case.expect {
                // Bound, the base too knows how calls are written.
                Expect::Calls(calls) if (tuned || decoding.bound) && !calls.is_empty() => calls
                    .iter()
                    .map(|call| format!("<tool_call>\n{}\n</tool_call>", call.to_json()))
                    .collect::<Vec<_>>()
                    .join("\n"),
                Expect::Short(short) if tuned => match short.number {
                    Some(number) => number.to_string(),
                    None => short.accept[0].clone(),
                },
                _ => "죄송하지만 잘 모르겠습니다.".to_owned(),
            };
            if on_reply(index, Ok(reply)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn continuation_nats(
        &mut self,
        items: &[(Prompt<'_>, &str)],
        tuned: bool,
    ) -> Result<Option<Vec<Nats>>> {
        Ok(Some(
            (items.iter())
                .map(|(prompt, option)| {
                    let Expect::Choice { options, right } = &self.case(prompt).expect else {
                        panic!("not a choice");
                    };
                    let favoured = if tuned { &options[*right] } else { &options[0] };
                    let each = if option == favoured { 0.1 } else { 1.0 };
                    (each * option.len() as f64, option.len())
                })
                .collect(),
        ))
    }

    fn text_nats(&mut self, texts: &[&str], tuned: bool) -> Result<Option<Vec<Nats>>> {
        let each = if tuned { 2.2 } else { 2.0 };
        Ok(Some(texts.iter().map(|text| (each * text.len() as f64, text.len())).collect()))
    }
}

#[test]
fn a_model_that_learned_everything_scores_full_marks_and_the_progress_adds_up() {
    let suites = shipped();
    let mut answerer = Scripted { suites: suites.clone(), calls: 0 };
    let mut last = None;
    let mut on = |progress: Progress| {
        assert!(last.as_ref().is_none_or(|last: &Progress| last.done <= progress.done));
        last = Some(progress);
        ControlFlow::Continue(())
    };
    let evaluation =
        run(&Plan::greedy("small", Some(3), &suites, true), &mut answerer, &mut [], &mut on)
            .unwrap()
            .unwrap();
    let last = last.unwrap();
    assert_eq!(Some(last.done), last.total);
    for (suite, result) in suites.iter().zip(&evaluation.suites) {
        assert_eq!(result.items.len(), suite.cases.len());
        for metric in &result.metrics {
            let tuned = metric.tuned.unwrap();
            // No script writes what keeps any rule.
            let free = result.kind == SuiteKind::Generation;
            assert!(free || tuned.successes == tuned.n, "{} {metric:?}", result.name);
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
    let mut answerer = Scripted { suites: suites.clone(), calls: 0 };
    let mut go = |_: Progress| ControlFlow::Continue(());
    let alone = run(&Plan::greedy("small", None, &suites, false), &mut answerer, &mut [], &mut go)
        .unwrap()
        .unwrap();
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
        let outcome =
            run(&Plan::greedy("small", None, &suites, true), &mut answerer, &mut [], &mut on)
                .unwrap();
        assert!(outcome.is_none());
        assert_eq!(calls, 1, "stopped at {stop_at} and asked on");
    }
}

#[test]
fn recorded_replies_are_scored_and_must_be_complete() {
    let suites = shipped();
    let mathematics = suites.iter().find(|suite| suite.name == "forgetting/mathematics").unwrap();
    let wrong: BTreeMap<String, String> =
        mathematics.cases.iter().map(|case| (case.id.clone(), "모름".to_owned())).collect();
    let right: BTreeMap<String, String> =
        mathematics.cases.iter().map(|case| (case.id.clone(), case.expected())).collect();
    let result = recorded(mathematics, &wrong, Some(&right)).unwrap();
    let all = &result.metrics[0];
    assert_eq!((all.base.successes, all.tuned.unwrap().successes), (0, all.base.n));
    let mut short = right.clone();
    let first = mathematics.cases[0].id.as_str();
    short.remove(first);
    let failure = recorded(mathematics, &short, None).unwrap_err();
    assert!(failure.message.contains(first), "{failure}");
}

/// An endpoint that fails on every other item and knows no likelihoods; its replies are drawn.
struct Flaky(usize);

impl Answerer for Flaky {
    fn answer(&mut self, questions: &[Question<'_>], on_reply: &mut OnReply<'_>) -> Result<()> {
        for (index, question) in questions.iter().enumerate() {
            self.0 += 1;
            let reply = match self.0 % 2 {
                0 => Err("status 500".to_owned()),
                _ => Ok(format!("{}", question.decoding.seed)),
            };
            let _ = on_reply(index, reply);
        }
        Ok(())
    }
}

#[test]
fn further_columns_stand_apart_and_failures_are_no_verdicts() {
    let suites: Vec<Suite> = shipped().iter().map(|suite| suite.sample(6, 1)).collect();
    let mut answerer = Scripted { suites: suites.clone(), calls: 0 };
    let plan = Plan::greedy("small", Some(1), &suites, true);
    let mut go = |_: Progress| ControlFlow::Continue(());
    let alone = run(&plan, &mut answerer, &mut [], &mut go).unwrap().unwrap();
    let mut flaky = Flaky(0);
    let column = Column { name: "far".to_owned(), kind: ColumnKind::Endpoint };
    let extra = Extra { column, answerer: &mut flaky, tuned: false };
    let beside = run(&plan, &mut answerer, &mut [extra], &mut go).unwrap().unwrap();
    assert_eq!(beside.others.len(), 1);
    for (suite, alone) in beside.suites.iter().zip(&alone.suites) {
        for (metric, alone) in suite.metrics.iter().zip(&alone.metrics) {
            assert_eq!((metric.base, metric.tuned), (alone.base, alone.tuned));
            assert!(metric.others[0].n <= metric.base.n.div_ceil(2), "{metric:?}");
        }
        let failed = suite.items.iter().filter(|item| item.others[0].verdicts.is_empty());
        for item in failed {
            let reason = item.others[0].reason.as_ref();
            let text = suite.text_loss.is_some() && reason.is_none();
            assert!(text || matches!(reason, Some(Reason::NoAnswer(_))), "{item:?}");
        }
    }
}

#[test]
fn bound_answers_are_asked_of_cases_with_tools_and_stand_apart() {
    let suites: Vec<Suite> = shipped().iter().map(|suite| suite.sample(6, 1)).collect();
    let mut answerer = Scripted { suites: suites.clone(), calls: 0 };
    let plan = Plan::greedy("small", Some(3), &suites, true);
    let mut go = |_: Progress| ControlFlow::Continue(());
    let alone = run(&plan, &mut answerer, &mut [], &mut go).unwrap().unwrap();
    let mut last = None;
    let mut on = |progress: Progress| {
        last = Some((Some(progress.done), progress.total));
        ControlFlow::Continue(())
    };
    let mut far = Flaky(0);
    let column = Column { name: "far".to_owned(), kind: ColumnKind::Endpoint };
    let extra = Extra { column, answerer: &mut far, tuned: false };
    let plan = Plan { bound: true, ..plan };
    let evaluation = run(&plan, &mut answerer, &mut [extra], &mut on).unwrap().unwrap();
    let (done, total) = last.unwrap();
    assert_eq!(done, total);
    let kinds: Vec<(&str, ColumnKind)> =
        evaluation.others.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    let bound = [("small", ColumnKind::BaseBound), ("run 3", ColumnKind::TunedBound)];
    assert_eq!(kinds, [bound[0], bound[1], ("far", ColumnKind::Endpoint)]);
    let mut called = 0;
    for ((suite, alone), cases) in evaluation.suites.iter().zip(&alone.suites).zip(&suites) {
        for (metric, alone) in suite.metrics.iter().zip(&alone.metrics) {
            assert_eq!((metric.base, metric.tuned), (alone.base, alone.tuned));
            if metric.metric == Metric::Parameters {
                // What the script knows bound counts in the bound column alone.
                assert_eq!(
                    (metric.base.successes, metric.others[0].successes),
                    (0, metric.others[0].n)
                );
                called += metric.others[0].n;
            }
        }
        for (item, case) in suite.items.iter().zip(&cases.cases) {
            assert_eq!(item.others.len(), 3);
            assert!(
                !case.tools.is_empty()
                    || item.others[..2].iter().all(|answer| *answer == Answer::default())
            );
        }
    }
    assert!(called > 0);
}

#[test]
fn several_samples_give_the_share_that_is_right() {
    let suite = shipped().into_iter().find(|s| s.name == "forgetting/mathematics").unwrap();
    let case = r#"{"id":"a","question":"one more than zero?","expect":{"number":1}}"#;
    let suites = [Suite { cases: vec![Case::parse(case).unwrap()], ..suite }];
    let plan = Plan { samples: 4, temperature: 0.8, ..Plan::greedy("m", None, &suites, false) };
    let mut go = |_: Progress| ControlFlow::Continue(());
    // Replies are the seeds 0 and 2; the second and fourth fail.
    let evaluation = run(&plan, &mut Flaky(0), &mut [], &mut go).unwrap().unwrap();
    let answer = &evaluation.suites[0].items[0].base;
    assert_eq!((answer.text.as_str(), answer.right_share), ("0", Some(0.0)));
    let plan = Plan { seed: 1, ..plan };
    let evaluation = run(&plan, &mut Flaky(0), &mut [], &mut go).unwrap().unwrap();
    let answer = &evaluation.suites[0].items[0].base;
    assert_eq!((answer.text.as_str(), answer.right_share), ("1", Some(0.25)));
}

#[test]
fn suites_answered_together_are_as_each_for_itself() {
    let suites: Vec<Suite> = shipped().iter().map(|suite| suite.sample(9, 1)).collect();
    let mut answerer = Scripted { suites: suites.clone(), calls: 0 };
    let mut go = |_: Progress| ControlFlow::Continue(());
    let plan = Plan { bound: true, ..Plan::greedy("small", Some(3), &suites, true) };
    let together = run(&plan, &mut answerer, &mut [], &mut go).unwrap().unwrap();
    assert_eq!(answerer.calls, 1, "all suites and both sides are one queue");
    for (suite, together) in suites.iter().zip(&together.suites) {
        let plan = Plan { suites: std::slice::from_ref(suite), ..plan };
        let alone = run(&plan, &mut answerer, &mut [], &mut go).unwrap().unwrap();
        assert_eq!(&alone.suites[0].items, &together.items, "{}", suite.name);
    }
}

/// One whose template refuses every prompt of a suite, or who leaves a question out.
struct Unable(bool);

impl Answerer for Unable {
    fn answer(&mut self, questions: &[Question<'_>], on_reply: &mut OnReply<'_>) -> Result<()> {
        for index in 1..questions.len() {
            let _ = on_reply(index, Ok(String::new()));
        }
        Ok(())
    }

    fn check(&self, prompts: &[Prompt<'_>]) -> Result<()> {
        if self.0 && prompts.iter().all(|prompt| !prompt.tools.is_empty()) {
            return Err(Failure::user("the template knows no tools"));
        }
        Ok(())
    }
}

#[test]
fn what_fails_names_its_suite() {
    let mut suites = shipped();
    suites[0].cases.retain(|case| !case.tools.is_empty());
    let name = suites[0].name.clone();
    let plan = Plan::greedy("small", None, &suites, false);
    let mut go = |_: Progress| ControlFlow::Continue(());
    for (refuses, says) in [(true, "knows no tools"), (false, "gave no reply")] {
        let failure = run(&plan, &mut Unable(refuses), &mut [], &mut go).unwrap_err().to_string();
        assert!(failure.contains(&name) && failure.contains(says), "{failure}");
    }
}
