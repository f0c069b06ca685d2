//! How long an evaluation takes: base and tuned in one pass, and one question at a time.

use std::ops::ControlFlow;
use std::time::Instant;

use serde::Serialize;

use super::RANK;
use crate::engine::{Adapter, LoraConfig, Target, cpu};
use crate::evaluate::{self, Answerer, Decoding, Nats, Plan, Prompt, Reply, Suite};
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
    /// The same of each suite.
    pub suites: Vec<SuiteFigures>,
}

/// What one suite took.
#[derive(Debug, Clone, Serialize)]
pub struct SuiteFigures {
    /// Its name.
    pub suite: String,
    /// Cases asked, of each of two sides.
    pub cases: usize,
    /// Seconds in one pass.
    pub together: f64,
    /// Seconds with each prompt, side and option for itself.
    pub one_by_one: f64,
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
    let measured = |suite: &Suite, answerer: &mut dyn Answerer| {
        let start = Instant::now();
        let go = &mut |_: Progress| ControlFlow::Continue(());
        let plan = Plan::greedy(&loaded.name, Some(1), std::slice::from_ref(suite), true);
        let evaluation = evaluate::run(&plan, answerer, &mut [], go)?;
        let evaluation = evaluation.ok_or_else(|| Failure::defect("nobody asked for a stop"))?;
        let items = evaluation.suites.into_iter().flat_map(|suite| suite.items);
        let verdicts: Vec<Option<bool>> = items.map(|item| item.base.is_right()).collect();
        Ok::<_, Failure>((start.elapsed().as_secs_f64(), verdicts))
    };
    let mut engine = OneByOne(EngineAnswerer::new(loaded, Some(&adapter), None, None)?);
    let mut same = 0;
    let mut figures = Vec::with_capacity(suites.len());
    for suite in &suites {
        let (together, first) = measured(suite, &mut engine.0)?;
        let (one_by_one, second) = measured(suite, &mut engine)?;
        same += first.iter().zip(&second).filter(|(a, b)| a == b).count();
        let (suite, cases) = (suite.name.clone(), first.len());
        figures.push(SuiteFigures { suite, cases, together, one_by_one });
    }
    Ok(EvaluationFigures {
        model: loaded.name.clone(),
        kernel: cpu::kernel().name(),
        threads: rayon::current_num_threads(),
        cases: figures.iter().map(|suite| suite.cases).sum(),
        together: figures.iter().map(|suite| suite.together).sum(),
        one_by_one: figures.iter().map(|suite| suite.one_by_one).sum(),
        same,
        suites: figures,
    })
}

/// Asks the engine for each prompt, side and option for itself, as a loop over items would.
struct OneByOne<'a>(EngineAnswerer<'a>);

impl Answerer for OneByOne<'_> {
    fn answer(
        &mut self,
        prompts: &[Prompt<'_>],
        sides: &[bool],
        decoding: &Decoding,
        on_done: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<Reply>>> {
        let mut done = 0;
        let mut all = Vec::with_capacity(sides.len());
        for side in sides {
            let mut replies = Vec::with_capacity(prompts.len());
            for prompt in prompts {
                let go = &mut |_| ControlFlow::Continue(());
                let one = self.0.answer(&[*prompt], &[*side], decoding, go)?;
                replies.extend(one.into_iter().flatten());
                done += 1;
                let _ = on_done(done);
            }
            all.push(replies);
        }
        Ok(all)
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
