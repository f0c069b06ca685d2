//! A model behind an endpoint as a further column of an evaluation.

use std::ops::ControlFlow;

use super::drafting;
use crate::draft::{Asked, Endpoint, EndpointConfig};
use crate::evaluate::{Answerer, Decoding, Nats, Prompt, Reply};
use crate::failure::{Failure, Result};
use crate::progress::Cancel;

/// Items in a row that fail before the endpoint is given up: the address or key is then wrong, and
/// every further item would only wait.
const FAILURES_MAX: usize = 5;

/// An endpoint as an evaluation sees it. What fails on one item costs that item.
pub(super) struct EndpointColumn {
    endpoint: Endpoint,
    cancel: Cancel,
    failed_in_a_row: usize,
}

impl EndpointColumn {
    /// Prepares the endpoint; sends nothing yet.
    pub fn new(url: &str, model: &str, cancel: Cancel) -> Result<Self> {
        let config = EndpointConfig::new(url, model, drafting::key());
        let endpoint = Endpoint::new(config, cancel.clone())?;
        Ok(Self { endpoint, cancel, failed_in_a_row: 0 })
    }

    fn reply(&mut self, prompt: &Prompt<'_>, decoding: &Decoding) -> Reply {
        if self.failed_in_a_row >= FAILURES_MAX {
            return Err(format!("the endpoint failed {FAILURES_MAX} times in a row"));
        }
        let asked = Asked {
            messages: prompt.messages,
            tools: prompt.tools,
            max_tokens: decoding.max_new,
            temperature: decoding.temperature,
        };
        let reply =
            self.endpoint.ask(&asked, &mut |_| {}).map_err(|failure: Failure| failure.message);
        self.failed_in_a_row = if reply.is_ok() { 0 } else { self.failed_in_a_row + 1 };
        reply
    }
}

impl Answerer for EndpointColumn {
    fn answer(
        &mut self,
        prompts: &[Prompt<'_>],
        sides: &[bool],
        decoding: &Decoding,
        on_done: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<Reply>>> {
        let mut all = Vec::with_capacity(sides.len());
        let mut done = 0;
        for _ in sides {
            let mut replies = Vec::with_capacity(prompts.len());
            for prompt in prompts {
                if self.cancel.flow().is_break() {
                    replies.push(Err("stopped".to_owned()));
                    continue;
                }
                replies.push(self.reply(prompt, decoding));
                done += 1;
                let _ = on_done(done);
            }
            all.push(replies);
        }
        Ok(all)
    }

    fn continuation_nats(
        &mut self,
        _: &[(Prompt<'_>, &str)],
        _: bool,
    ) -> Result<Option<Vec<Nats>>> {
        // Endpoints differ in whether and how they tell likelihoods of given text; most do not.
        Ok(None)
    }

    fn text_nats(&mut self, _: &[&str], _: bool) -> Result<Option<Vec<Nats>>> {
        Ok(None)
    }
}
