//! Puts suites to a base model and its tuned form, and compares what they say.
//!
//! What is answered in words is asked in one call for all suites and both sides ([`queue`]), so that the answers of
//! one suite need not wait for another's longest.

mod queue;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::answerer::{Answerer, Decoding, Prompt};
use super::case::{Case, Expect};
use super::programs::ProgramRunner;
use super::result::{Answer, Column, ColumnKind, Evaluation, Reason, SuiteResult};
use super::suite::Suite;
use super::{choice, compare, score};
use crate::failure::{Failure, Result};
use crate::model::ToolFormat;
use crate::progress::{OnProgress, Progress};

/// Version of the shape of [`Evaluation`] that is written.
pub const EVALUATION_VERSION: u32 = 2;

/// Stage name of the progress reports.
pub const STAGE: &str = "evaluate";

/// What is evaluated and how.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Base model name.
    pub model: &'a str,
    /// Run whose adapter is tuned.
    pub run: Option<u32>,
    /// The suites.
    pub suites: &'a [Suite],
    /// Whether the tuned model is asked too.
    pub tuned: bool,
    /// Replies a case. The first one is judged; of all of them the share that is right is told.
    pub samples: u32,
    /// 0 takes the likeliest token at every step.
    pub temperature: f64,
    /// Seed of the draws; each sample has its own.
    pub seed: u64,
    /// Who runs programs; without one, cases that ask for them get no verdict.
    pub programs: Option<&'a dyn ProgramRunner>,
    /// Whether each side answers cases that offer tools once more with calls bound to the tools' grammar, in
    /// columns of their own.
    pub bound: bool,
}

impl<'a> Plan<'a> {
    /// Greedy decoding, one reply a case.
    pub fn greedy(model: &'a str, run: Option<u32>, suites: &'a [Suite], tuned: bool) -> Self {
        Self {
            model,
            run,
            suites,
            tuned,
            samples: 1,
            temperature: 0.0,
            seed: 0,
            programs: None,
            bound: false,
        }
    }

    /// The columns of bound answers.
    fn bound_columns(&self) -> Vec<Column> {
        let base = Column { name: self.model.to_owned(), kind: ColumnKind::BaseBound };
        let tuned = self.tuned.then(|| Column {
            name: self.run.map_or_else(|| self.model.to_owned(), |run| format!("run {run}")),
            kind: ColumnKind::TunedBound,
        });
        let all = [Some(base), tuned].into_iter().flatten();
        all.filter(|_| self.bound).collect()
    }

    fn decoding(&self, suite: &Suite, sample: u32) -> Decoding {
        Decoding {
            max_new: suite.max_new,
            temperature: self.temperature,
            seed: self.seed + u64::from(sample),
            bound: false,
        }
    }
}

/// A further column: who answers and as which side.
pub struct Extra<'a> {
    /// Its name and kind.
    pub column: Column,
    /// Who answers.
    pub answerer: &'a mut dyn Answerer,
    /// Whether its answerer is asked as the tuned side.
    pub tuned: bool,
}

/// Scores the plan's suites with the base model, the tuned one if asked for, and further columns.
/// Returns nothing when `on` asked for a stop.
///
/// # Errors
/// When a model fails; a further column that fails on an item has no verdict there.
pub fn run(
    plan: &Plan<'_>,
    answerer: &mut dyn Answerer,
    extras: &mut [Extra<'_>],
    on: &mut OnProgress<'_>,
) -> Result<Option<Evaluation>> {
    let start = Instant::now();
    let sides = if plan.tuned { &[false, true][..] } else { &[false][..] };
    let cases: usize = plan.suites.iter().map(|suite| suite.cases.len()).sum();
    let callable =
        plan.suites.iter().flat_map(|suite| &suite.cases).filter(|case| queue::is_callable(case));
    let bound = if plan.bound { callable.count() * sides.len() } else { 0 };
    let total = (cases * (sides.len() + extras.len()) + bound) * plan.samples.max(1) as usize;
    let mut counter = Counter { done: 0, total, stopped: false, on };
    let _ = counter.advance(0);
    let columns = sides.len() + plan.bound_columns().len() + extras.len();
    let mut sheets: Vec<Sheets> = (plan.suites.iter())
        .map(|suite| vec![vec![Outcome::default(); suite.cases.len()]; columns])
        .collect();
    likelihoods(plan, answerer, (sides, 0), &mut sheets, &mut counter)?;
    let mut asked = queue::free(plan, sides, 0);
    let mut column = sides.len();
    if plan.bound {
        asked.extend(queue::bound(plan, sides, column));
        column += sides.len();
    }
    queue::answered(plan, answerer, &asked, &mut sheets, &mut counter)?;
    for extra in extras.iter_mut() {
        let side = &[extra.tuned][..];
        likelihoods(plan, extra.answerer, (side, column), &mut sheets, &mut counter)?;
        let asked = queue::free(plan, side, column);
        queue::answered(plan, extra.answerer, &asked, &mut sheets, &mut counter)?;
        column += 1;
    }
    if counter.stopped {
        return Ok(None);
    }
    let mut results: Vec<SuiteResult> = (plan.suites.iter().zip(sheets))
        .map(|(suite, sheets)| {
            let mut sheets = sheets.into_iter();
            let base = sheets.next().unwrap_or_default();
            let tuned = plan.tuned.then(|| sheets.next().unwrap_or_default());
            compare::compare(suite, base, tuned, sheets.collect())
        })
        .collect();
    compare::adjust(&mut results);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(Some(Evaluation {
        version: EVALUATION_VERSION,
        model: plan.model.to_owned(),
        run: plan.run,
        created: now.map_or(0, |time| time.as_secs() as i64),
        seconds: start.elapsed().as_secs_f64(),
        others: (plan.bound_columns().into_iter())
            .chain(extras.iter().map(|extra| extra.column.clone()))
            .collect(),
        suites: results,
        ..Evaluation::default()
    }))
}

/// Scores replies that were made elsewhere, by case id; Hermes' form is what counts as strict. Cases that are scored by likelihood are left
/// out; a case without a reply is an error, so that nothing is gained by leaving hard ones out.
///
/// # Errors
/// Names the first case without a reply.
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
            answer: score::score(
                case,
                &ToolFormat::Hermes,
                replies.get(&case.id).cloned().unwrap_or_default(),
            ),
            loss: None,
        });
        Ok(scored.collect())
    };
    let tuned = tuned.map(outcomes).transpose()?;
    Ok(compare::compare(&answered, outcomes(base)?, tuned, Vec::new()))
}

/// One model's outcome on one case.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Outcome {
    /// The answer and its verdicts.
    pub answer: Answer,
    /// Nats and tokens, for texts.
    pub loss: Option<(f64, usize)>,
}

/// Cases whose likelihoods are asked for in one call: enough to share work, few enough that a stop
/// is heard soon.
const LIKELIHOOD_CASES: usize = 16;

/// Why a column has no answer to a choice or a text.
pub const NO_LIKELIHOODS: &str = "likelihoods cannot be had here";

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

/// Outcomes on a suite's cases: a list of each column.
type Sheets = Vec<Vec<Outcome>>;

/// Fills in what is scored by likelihood of each suite, for each side, whose columns follow `first`.
fn likelihoods(
    plan: &Plan<'_>,
    answerer: &mut dyn Answerer,
    (sides, first): (&[bool], usize),
    sheets: &mut [Sheets],
    counter: &mut Counter<'_, '_>,
) -> Result<()> {
    for (suite, sheets) in plan.suites.iter().zip(sheets) {
        for (side, sheet) in sides.iter().zip(sheets.iter_mut().skip(first)) {
            suite_likelihoods(plan, suite, answerer, *side, sheet, counter)
                .map_err(|failure| failure.context(format!("suite {}", suite.name)))?;
        }
    }
    Ok(())
}

/// Fills in what is scored by likelihood: choices and texts.
fn suite_likelihoods(
    plan: &Plan<'_>,
    suite: &Suite,
    answerer: &mut dyn Answerer,
    tuned: bool,
    sheet: &mut [Outcome],
    counter: &mut Counter<'_, '_>,
) -> Result<()> {
    let samples = plan.samples.max(1) as usize;
    let mut place = |index: usize, outcome: Outcome| {
        if let Some(slot) = sheet.get_mut(index) {
            *slot = outcome;
        }
    };
    let untold = || Outcome {
        answer: Answer {
            reason: Some(Reason::NoAnswer(NO_LIKELIHOODS.to_owned())),
            ..Answer::default()
        },
        loss: None,
    };
    let cases = || suite.cases.iter().enumerate();
    let choices: Vec<(usize, &Case, &[String], usize)> = cases()
        .filter_map(|(index, case)| match &case.expect {
            Expect::Choice { options, right } => Some((index, case, options.as_slice(), *right)),
            _ => None,
        })
        .collect();
    for part in choices.chunks(LIKELIHOOD_CASES) {
        if counter.stopped {
            return Ok(());
        }
        let items: Vec<(Prompt<'_>, &str)> = part
            .iter()
            .flat_map(|(_, case, options, _)| {
                options.iter().map(|option| (prompt(suite, case), option.as_str()))
            })
            .collect();
        let nats = answerer.continuation_nats(&items, tuned)?;
        if let Some(nats) = &nats {
            check_count(nats.len(), items.len())?;
        }
        let mut nats = nats.map(|nats| nats.into_iter().map(|(nats, _)| nats));
        for (index, _, options, right) in part {
            let outcome = match nats.as_mut() {
                Some(nats) => {
                    let nats: Vec<f64> = nats.by_ref().take(options.len()).collect();
                    Outcome { answer: choice::judge(options, *right, &nats), loss: None }
                }
                None => untold(),
            };
            place(*index, outcome);
        }
        let _ = counter.advance(part.len() * samples);
    }

    let texts: Vec<(usize, &str)> = cases()
        .filter_map(|(index, case)| match &case.expect {
            Expect::Text(text) => Some((index, text.as_str())),
            _ => None,
        })
        .collect();
    for part in texts.chunks(LIKELIHOOD_CASES) {
        if counter.stopped {
            return Ok(());
        }
        let items: Vec<&str> = part.iter().map(|(_, text)| *text).collect();
        let losses = answerer.text_nats(&items, tuned)?;
        if let Some(losses) = &losses {
            check_count(losses.len(), items.len())?;
        }
        for (at, (index, _)) in part.iter().enumerate() {
            let outcome = match losses.as_ref().and_then(|losses| losses.get(at)) {
                Some(&(nats, tokens)) => {
                    let each = if tokens > 0 { nats / tokens as f64 } else { 0.0 };
                    let text = format!("{each:.3} nats/token, {tokens} tokens");
                    let answer = Answer { text, ..Answer::default() };
                    Outcome { answer, loss: Some((nats, tokens)) }
                }
                None => untold(),
            };
            place(*index, outcome);
        }
        let _ = counter.advance(part.len() * samples);
    }
    Ok(())
}

fn prompt<'a>(suite: &Suite, case: &'a Case) -> Prompt<'a> {
    Prompt { messages: &case.messages, tools: &case.tools, style: suite.prompt }
}

fn check_count(got: usize, asked: usize) -> Result<()> {
    if got == asked {
        Ok(())
    } else {
        Err(Failure::defect(format!("the model was asked for {asked} answers and gave {got}")))
    }
}

#[cfg(test)]
mod tests;
