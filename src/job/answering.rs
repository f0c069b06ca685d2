//! Base and tuned model answering an evaluation's questions from one loaded base.

use std::ops::ControlFlow;

use super::bound::CallBounds;
use super::loaded::Loaded;
use crate::engine::cuda::{Device, Generator};
use crate::engine::{
    Adapter, GenerateConfig, Request, Row, cache_bytes, generate_bound, row_losses,
};
use crate::evaluate::{Answerer, Decoding, Nats, Prompt, PromptStyle, Reply};
use crate::failure::{Failure, Result};
use crate::model::ToolFormat;
use crate::train::memory;

/// Sequences decoded together, at most: weights are read and decoded once for all of them.
const BATCH_MAX: usize = 48;
/// The same on a GPU.
const BATCH_GPU: usize = 64;
/// Bytes that their keys and values may take.
const CACHE_BYTES: usize = 512 << 20;
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

/// The turns of a prompt as plain text.
fn plain_text(prompt: &Prompt<'_>) -> String {
    let turns: Vec<&str> = prompt.messages.iter().map(|turn| turn.content.as_str()).collect();
    turns.join("\n")
}

impl Answerer for EngineAnswerer<'_> {
    fn answer(
        &mut self,
        prompts: &[Prompt<'_>],
        sides: &[bool],
        decoding: &Decoding,
        on_done: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<Reply>>> {
        let codec = &self.loaded.codec;
        let max_new = decoding.max_new;
        let ids: Vec<Result<Vec<u32>>> = prompts.iter().map(|prompt| self.encode(prompt)).collect();
        // A prompt that the template refuses or that fills the model's context gets no answer, which
        // counts as a wrong one. Where it refuses all, nothing is measured.
        if let Some(Err(first)) = ids.first().filter(|_| ids.iter().all(Result::is_err)) {
            return Err(first.clone());
        }
        let ids: Vec<Vec<u32>> = ids.into_iter().map(Result::unwrap_or_default).collect();
        let room = self.loaded.base.config().context_length;
        // Prompts that begin alike are read together, and so that the sides of one prompt are in a batch, they
        // take turns by half batches; the answers keep the order of the prompts.
        let mut order: Vec<usize> =
            (0..ids.len()).filter(|i| (1..room).contains(&ids[*i].len())).collect();
        let mut done = (ids.len() - order.len()) * sides.len();
        order.sort_by_key(|index| &ids[*index]);
        let longest = order.iter().map(|index| ids[*index].len()).max().unwrap_or(0) + max_new;
        let batch = if self.gpu.is_some() {
            BATCH_GPU
        } else {
            (CACHE_BYTES / cache_bytes(&self.loaded.base, longest)).clamp(2, BATCH_MAX)
        };
        let config = GenerateConfig {
            max_new,
            stop: codec.stop_ids(),
            batch,
            temperature: decoding.temperature as f32,
            seed: decoding.seed,
            keep_bytes: memory::available().map_or(0, |free| free / KEPT_SHARE).min(KEPT_BYTES),
            ..GenerateConfig::default()
        };
        let asked: Vec<(usize, usize)> = order
            .chunks(batch / 2)
            .flat_map(|part| {
                (0..sides.len()).flat_map(move |side| part.iter().map(move |index| (side, *index)))
            })
            .collect();
        let requests: Vec<Request<'_>> = asked
            .iter()
            .map(|(side, index)| Request { prompt: &ids[*index], tuned: sides[*side] })
            .collect();
        let mut texts: Vec<Vec<Reply>> = vec![vec![Ok(String::new()); ids.len()]; sides.len()];
        let base = &self.loaded.base;
        let mut bounds = if decoding.bound {
            let bounds =
                self.bounds.ok_or_else(|| Failure::defect("nothing to bind answers by"))?;
            asked.iter().map(|(_, index)| Some(bounds.bound(prompts[*index].tools))).collect()
        } else {
            Vec::new()
        };
        let mut on = |_, id: Option<u32>| {
            if id.is_some() {
                return ControlFlow::Continue(());
            }
            done += 1;
            on_done(done)
        };
        let tokens = match &mut self.gpu {
            Some(gpu) => gpu.generate(&requests, &mut bounds, &config, &mut on)?,
            None => generate_bound(base, self.adapter, &requests, &mut bounds, &config, &mut on)?,
        };
        for ((side, index), tokens) in asked.iter().zip(tokens) {
            texts[*side][*index] = Ok(codec.tokenizer().decode(&tokens));
        }
        Ok(texts)
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
            let requests = prompts.each_ref().map(|prompt| Request { prompt, tuned: false });
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
