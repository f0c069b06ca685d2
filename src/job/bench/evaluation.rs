//! How long an evaluation takes: base and tuned in one pass, and one question at a time.

use std::ops::ControlFlow;
use std::time::Instant;

use serde::Serialize;

use super::RANK;
use crate::engine::{Adapter, LoraConfig, Target, cpu};
use crate::evaluate::{
    self, Answerer, Nats, OnReply, Plan, Prompt, Question, Reply, Suite, SuiteResult,
};
use crate::failure::{Failure, Result};
use crate::job::answering::EngineAnswerer;
use crate::job::loaded::Loaded;
use crate::model::ToolFormat;
use crate::progress::Progress;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluationFigures {
    /// Model.
    pub model: String,
    /// Kernel of products.
    pub kernel: &'static str,
    /// Threads.
    pub threads: usize,
    /// Cases asked, of each of two sides.
    pub cases: usize,
    /// Seconds in one pass, as evaluations are done.
    pub together: f64,
    /// Seconds with each prompt, side and option for itself.
    pub one_by_one: f64,
    /// Items whose verdicts are the same both ways.
    pub same: usize,
    /// What each suite took one by one. In one pass the suites' questions are in one queue, so that a suite has no
    /// seconds of its own.
    pub suites: Vec<SuiteFigures>,
}

/// What one suite took.
#[derive(Debug, Clone, Serialize)]
pub struct SuiteFigures {
    /// Its name.
    pub suite: String,
    /// Cases asked, of each of two sides.
    pub cases: usize,
    /// Seconds with each prompt, side and option for itself.
    pub one_by_one: f64,
    /// Items whose verdicts are the same as in one pass.
    pub same: usize,
}

/// Puts `cases` of each shipped suite (all for none) to the model with and without an adapter that
/// changes nothing, in one pass and then one by one.
///
/// # Errors
/// When the model fails.
pub fn evaluation(loaded: &Loaded, cases: Option<usize>) -> Result<EvaluationFigures> {
    let suites: Vec<Suite> = evaluate::shipped()
        .into_iter()
        .map(|suite| cases.map_or_else(|| suite.clone(), |cases| suite.sample(cases, 1)))
        .collect();
    let lora = LoraConfig {
        rank: RANK,
        alpha: 2.0 * RANK as f32,
        rank_stabilized: false,
        targets: Target::ALL.to_vec(),
        seed: 1,
    };
    let adapter = Adapter::new(loaded.base.config(), &lora);
    let measured = |suites: &[Suite], answerer: &mut dyn Answerer| {
        let start = Instant::now();
        let go = &mut |_: Progress| ControlFlow::Continue(());
        let plan = Plan::greedy(&loaded.name, Some(1), suites, true);
        let evaluation = evaluate::run(&plan, answerer, &mut [], go)?;
        let evaluation = evaluation.ok_or_else(|| Failure::defect("nobody asked for a stop"))?;
        let verdicts = |suite: &SuiteResult| -> Vec<Option<bool>> {
            suite.items.iter().map(|item| item.base.is_right()).collect()
        };
        let verdicts: Vec<_> = evaluation.suites.iter().map(verdicts).collect();
        Ok::<_, Failure>((start.elapsed().as_secs_f64(), verdicts))
    };
    let mut engine = OneByOne(EngineAnswerer::new(loaded, Some(&adapter), None, None)?);
    let (together, first) = measured(&suites, &mut engine.0)?;
    let mut figures = Vec::with_capacity(suites.len());
    for (suite, first) in suites.iter().zip(first) {
        let (one_by_one, second) = measured(std::slice::from_ref(suite), &mut engine)?;
        let same = second.iter().flatten().zip(&first).filter(|(a, b)| a == b).count();
        let (suite, cases) = (suite.name.clone(), first.len());
        figures.push(SuiteFigures { suite, cases, one_by_one, same });
    }
    Ok(EvaluationFigures {
        model: loaded.name.clone(),
        kernel: cpu::kernel().name(),
        threads: rayon::current_num_threads(),
        cases: figures.iter().map(|suite| suite.cases).sum(),
        together,
        one_by_one: figures.iter().map(|suite| suite.one_by_one).sum(),
        same: figures.iter().map(|suite| suite.same).sum(),
        suites: figures,
    })
}

/// Asks the engine for each prompt, side and option for itself, as a loop over items would.
struct OneByOne<'a>(EngineAnswerer<'a>);

impl Answerer for OneByOne<'_> {
    fn answer(&mut self, questions: &[Question<'_>], on_reply: &mut OnReply<'_>) -> Result<()> {
        for (index, question) in questions.iter().enumerate() {
            let hear = &mut |_: usize, reply: Reply| on_reply(index, reply);
            self.0.answer(std::slice::from_ref(question), hear)?;
        }
        Ok(())
    }

    fn continuation_nats(
        &mut self,
        items: &[(Prompt<'_>, &str)],
        tuned: bool,
    ) -> Result<Option<Vec<Nats>>> {
        let mut all = Vec::with_capacity(items.len());
        for item in items {
            all.extend(self.0.continuation_nats(&[*item], tuned)?.unwrap_or_default());
        }
        Ok(Some(all))
    }

    fn tool_format(&self) -> ToolFormat {
        self.0.tool_format()
    }

    fn text_nats(&mut self, texts: &[&str], tuned: bool) -> Result<Option<Vec<Nats>>> {
        let mut all = Vec::with_capacity(texts.len());
        for text in texts {
            all.extend(self.0.text_nats(&[*text], tuned)?.unwrap_or_default());
        }
        Ok(Some(all))
    }
}
