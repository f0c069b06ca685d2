//! Base and tuned model answering an evaluation's questions from one loaded base.

use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::bound::CallBounds;
use super::loaded::Loaded;
use crate::engine::cuda::{Device, Generator};
use crate::engine::{Adapter, GenerateConfig, Request, Row, generate_bound, row_losses};
use crate::evaluate::{Answerer, Nats, OnReply, Prompt, PromptStyle, Question};
use crate::failure::{Failure, Result};
use crate::model::ToolFormat;
use crate::train::memory;

/// Sequences decoded together, at most: weights are read and decoded once for all of them.
const BATCH_MAX: usize = 96;
/// The same on a GPU.
const BATCH_GPU: usize = 64;
/// Bytes that their keys and values may take: a part of what is free, within these.
const CACHE_BYTES: usize = 1 << 30;
const CACHE_LEAST: usize = 256 << 20;
/// Bytes that weights may take beside their stored form, and which part of what is free.
const KEPT_BYTES: usize = 1 << 30;
const KEPT_SHARE: usize = 4;

/// The engine as an evaluation sees it.
pub(super) struct EngineAnswerer<'a> {
    /// The model.
    pub loaded: &'a Loaded,
    /// What makes it the tuned one.
    pub adapter: Option<&'a Adapter>,
    /// What binds answers, where that is asked for.
    pub bounds: Option<&'a CallBounds>,
    /// The GPU that answers are made on, with this model and adapter; none is the processor. Likelihoods of given
    /// texts are the processor's.
    pub gpu: Option<Generator<'a>>,
}

impl<'a> EngineAnswerer<'a> {
    /// One whose answers are made on a GPU, if there is one.
    pub(super) fn new(
        loaded: &'a Loaded,
        adapter: Option<&'a Adapter>,
        bounds: Option<&'a CallBounds>,
        device: Option<&Device>,
    ) -> Result<Self> {
        let gpu = device
            .map(|device| Generator::new(device, &loaded.base, adapter, BATCH_GPU, usize::MAX))
            .transpose()?;
        Ok(Self { loaded, adapter, bounds, gpu })
    }
}

impl EngineAnswerer<'_> {
    fn adapter(&self, tuned: bool) -> Option<&Adapter> {
        if tuned { self.adapter } else { None }
    }

    /// The tokens of a prompt, by the chat template or as plain text.
    fn encode(&self, prompt: &Prompt<'_>) -> Result<Vec<u32>> {
        let codec = &self.loaded.codec;
        match prompt.style {
            PromptStyle::Chat => codec.encode_prompt(prompt.messages, prompt.tools),
            PromptStyle::Plain => Ok(codec.tokenizer().encode(&plain_text(prompt))),
        }
    }

    /// The tokens of a prompt and what continues it, and where the continuation begins. Of plain text
    /// as lm-evaluation-harness 0.4.13 has it (`TemplateLM._encode_pair`): blanks at the end of the
    /// prompt belong to the continuation, and both are one text.
    fn encode_with(&self, prompt: &Prompt<'_>, continuation: &str) -> Result<(Vec<u32>, usize)> {
        let tokenizer = self.loaded.codec.tokenizer();
        if prompt.style == PromptStyle::Chat {
            let mut ids = self.encode(prompt)?;
            let from = ids.len();
            ids.extend(tokenizer.encode(continuation));
            return Ok((ids, from));
        }
        let text = plain_text(prompt);
        let ids = tokenizer.encode(&format!("{text}{continuation}"));
        let from = tokenizer.encode(text.trim_end()).len().min(ids.len());
        Ok((ids, from))
    }

    /// Losses of rows; what goes beyond the model's context is not counted.
    fn losses(&self, mut rows: Vec<Row>, tuned: bool) -> Result<Vec<(f64, usize)>> {
        for row in &mut rows {
            row.ids.truncate(self.loaded.base.config().context_length);
            row.labels.truncate(self.loaded.base.config().context_length);
        }
        let losses = row_losses(&self.loaded.base, self.adapter(tuned), &rows)?;
        Ok(losses.into_iter().map(|loss| (loss.nats, loss.tokens)).collect())
    }
}

impl EngineAnswerer<'_> {
    /// The tokens of each question's prompt; none where the template refuses it or it fills the model's context.
    fn encode_all(&self, questions: &[Question<'_>]) -> Vec<Arc<[u32]>> {
        let room = self.loaded.base.config().context_length;
        let mut all: Vec<Arc<[u32]>> = Vec::with_capacity(questions.len());
        for (at, question) in questions.iter().enumerate() {
            let before = at.checked_sub(1).filter(|at| questions[*at].prompt.is(&question.prompt));
            let ids = before.map_or_else(
                || {
                    let ids = self.encode(&question.prompt).unwrap_or_default();
                    if ids.len() < room { ids.into() } else { Arc::default() }
                },
                |before| Arc::clone(&all[before]),
            );
            all.push(ids);
        }
        all
    }

    /// Answers the questions at some places, all bound or none.
    fn answer_some(
        &mut self,
        questions: &[Question<'_>],
        prompts: &[Arc<[u32]>],
        asked: &[usize],
        on_reply: &mut OnReply<'_>,
    ) -> Result<ControlFlow<()>> {
        // A prompt that the model cannot be shown gets no answer, which counts as a wrong one.
        let is_asked = |i: &usize| !prompts[*i].is_empty() && questions[*i].decoding.max_new > 0;
        let (asked, silent): (Vec<usize>, Vec<usize>) = asked.iter().partition(|i| is_asked(i));
        for index in silent {
            if on_reply(index, Ok(String::new())).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let Some(first) = asked.first().map(|index| questions[*index].decoding) else {
            return Ok(ControlFlow::Continue(()));
        };
        let batch = if self.gpu.is_some() { BATCH_GPU } else { BATCH_MAX };
        let asked = ordered(questions, prompts, asked, batch / 2);
        let codec = &self.loaded.codec;
        let free = memory::available().unwrap_or(0);
        let config = GenerateConfig {
            max_new: asked.iter().map(|i| questions[*i].decoding.max_new).max().unwrap_or(0),
            stop: codec.stop_ids(),
            batch,
            temperature: first.temperature as f32,
            keep_bytes: (free / KEPT_SHARE).min(KEPT_BYTES),
            cache_bytes: (free / KEPT_SHARE).clamp(CACHE_LEAST, CACHE_BYTES),
            ..GenerateConfig::default()
        };
        let requests: Vec<Request<'_>> = (asked.iter())
            .map(|index| {
                let Question { tuned, decoding, .. } = questions[*index];
                let prompt = &prompts[*index];
                // Draws are those of a prompt whatever else is asked.
                let draws = Some((decoding.seed, stream(prompt)));
                Request { max_new: Some(decoding.max_new), draws, ..Request::new(prompt, tuned) }
            })
            .collect();
        let mut bounds = if first.bound {
            let bounds =
                self.bounds.ok_or_else(|| Failure::defect("nothing to bind answers by"))?;
            (asked.iter()).map(|i| Some(bounds.bound(questions[*i].prompt.tools))).collect()
        } else {
            Vec::new()
        };
        let mut said: Vec<Vec<u32>> = vec![Vec::new(); asked.len()];
        let mut flow = ControlFlow::Continue(());
        let mut on = |at: usize, id: Option<u32>| {
            let Some(id) = id else {
                let text = codec.tokenizer().decode(&std::mem::take(&mut said[at]));
                flow = on_reply(asked[at], Ok(text));
                return flow;
            };
            said[at].push(id);
            ControlFlow::Continue(())
        };
        let (base, adapter) = (&self.loaded.base, self.adapter);
        match &mut self.gpu {
            Some(gpu) => gpu.generate(&requests, &mut bounds, &config, &mut on)?,
            None => generate_bound(base, adapter, &requests, &mut bounds, &config, &mut on)?,
        };
        Ok(flow)
    }
}

/// The order in which questions are begun: those that may have the longest answers first, so that only short ones
/// are left when the batch thins out. Among them prompts that begin alike follow each other, and so that the sides
/// of one prompt are in a batch, they take turns by `part` prompts.
fn ordered(
    questions: &[Question<'_>],
    prompts: &[Arc<[u32]>],
    mut asked: Vec<usize>,
    part: usize,
) -> Vec<usize> {
    let key = |i: usize| (Reverse(questions[i].decoding.max_new), &prompts[i], i);
    asked.sort_by(|a, b| key(*a).cmp(&key(*b)));
    let (tuned, base): (Vec<usize>, Vec<usize>) =
        asked.into_iter().partition(|i| questions[*i].tuned);
    let (mut base, mut tuned) = (base.chunks(part.max(1)), tuned.chunks(part.max(1)));
    let mut order = Vec::new();
    loop {
        let parts = [base.next(), tuned.next()];
        if parts == [None, None] {
            return order;
        }
        order.extend(parts.into_iter().flatten().flatten());
    }
}

/// The stream of a prompt's draws.
fn stream(prompt: &[u32]) -> u64 {
    // Fowler, Noll and Vo's hash: other prompts have other draws, and the same the same.
    prompt.iter().fold(0xCBF2_9CE4_8422_2325, |hash: u64, id| {
        (hash ^ u64::from(*id)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// The turns of a prompt as plain text.
fn plain_text(prompt: &Prompt<'_>) -> String {
    let turns: Vec<&str> = prompt.messages.iter().map(|turn| turn.content.as_str()).collect();
    turns.join("\n")
}

impl Answerer for EngineAnswerer<'_> {
    fn answer(&mut self, questions: &[Question<'_>], on_reply: &mut OnReply<'_>) -> Result<()> {
        let prompts = self.encode_all(questions);
        // Bound answers wait for a choice of each token, which on a GPU would keep the others waiting.
        for bound in [false, true] {
            let asked: Vec<usize> =
                (0..questions.len()).filter(|i| questions[*i].decoding.bound == bound).collect();
            if self.answer_some(questions, &prompts, &asked, on_reply)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn check(&self, prompts: &[Prompt<'_>]) -> Result<()> {
        // Where the template refuses all, nothing is measured.
        let mut first = None;
        for prompt in prompts {
            match self.encode(prompt) {
                Ok(_) => return Ok(()),
                Err(failure) => first = first.or(Some(failure)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn continuation_nats(
        &mut self,
        items: &[(Prompt<'_>, &str)],
        tuned: bool,
    ) -> Result<Option<Vec<Nats>>> {
        let rows = items
            .iter()
            .map(|(prompt, continuation)| {
                let (ids, from) = self.encode_with(prompt, continuation)?;
                let labels = (0..ids.len()).map(|index| index >= from).collect();
                Ok(Row { ids, labels })
            })
            .collect::<Result<Vec<_>>>()?;
        self.losses(rows, tuned).map(Some)
    }

    fn tool_format(&self) -> ToolFormat {
        self.loaded.codec.template().tool_format().clone()
    }

    fn text_nats(&mut self, texts: &[&str], tuned: bool) -> Result<Option<Vec<Nats>>> {
        let rows = texts
            .iter()
            .map(|text| {
                let ids = self.loaded.codec.tokenizer().encode(text);
                let labels = (0..ids.len()).map(|index| index > 0).collect();
                Ok(Row { ids, labels })
            })
            .collect::<Result<Vec<_>>>()?;
        self.losses(rows, tuned).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Base, Precision, generate_with};
    use crate::model::{self, toy};

    #[test]
    fn a_coarse_head_of_a_real_model_chooses_the_same_tokens() {
        let Some(file) = toy::installed_smollm2() else {
            return;
        };
        for precision in [Precision::F32, Precision::Bf16] {
            let mut opened = model::open(&file.display().to_string()).unwrap();
            let source = opened.source.as_mut();
            let go = &mut |_| ControlFlow::Continue(());
            let base = Base::load(&opened.config, source, precision, go).unwrap().unwrap();
            let texts = [
                "The capital of France is",
                "fn main() {",
                "1, 2, 3,",
                "대한민국의 수도는",
                "{\"name\": \"get_weather\", \"arguments\": {",
            ];
            let prompts = texts.map(|text| opened.codec.tokenizer().encode(text));
            let requests = prompts.each_ref().map(|prompt| Request::new(prompt, false));
            for batch in [1, 5] {
                let settings = GenerateConfig { max_new: 24, batch, ..GenerateConfig::default() };
                let answers = |from| {
                    let go = &mut |_, _| ControlFlow::Continue(());
                    let all = (&requests[..], &mut [][..]);
                    generate_with(&base, None, all, &settings, go, from).unwrap()
                };
                assert_eq!(answers(0), answers(usize::MAX));
            }
        }
    }
}
