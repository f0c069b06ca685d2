//! A model behind an endpoint as a further column of an evaluation.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::drafting;
use super::spec::EndpointChoice;
use crate::draft::{Asked, Endpoint, EndpointConfig};
use crate::evaluate::{Answerer, Decoding, OnReply, Prompt, Question, Reply};
use crate::failure::{Failure, Result};
use crate::progress::Cancel;

/// Items in a row that fail before the endpoint is given up: the address or key is then wrong, and
/// every further item would only wait.
const FAILURES_MAX: usize = 5;

/// An endpoint as an evaluation sees it. What fails on one item costs that item.
pub(super) struct EndpointColumn {
    /// One a request in flight; each learns by itself which parameters the server refuses.
    endpoints: Vec<Endpoint>,
    cancel: Cancel,
    failed_in_a_row: AtomicUsize,
}

impl EndpointColumn {
    /// Prepares the endpoint; sends nothing yet.
    pub fn new(choice: &EndpointChoice, cancel: Cancel) -> Result<Self> {
        let mut config = EndpointConfig::new(&choice.url, &choice.model, drafting::key());
        if let Some(seconds) = choice.timeout {
            config.first_timeout = Duration::from_secs(seconds);
            config.stall_timeout = Duration::from_secs(seconds);
        }
        let endpoints = (0..choice.parallel.max(1))
            .map(|_| Endpoint::new(config.clone(), cancel.clone()))
            .collect::<Result<_>>()?;
        Ok(Self { endpoints, cancel, failed_in_a_row: AtomicUsize::new(0) })
    }
}

/// Asks for one reply; after [`FAILURES_MAX`] failures in a row nothing is sent any more.
fn reply(
    endpoint: &mut Endpoint,
    failed_in_a_row: &AtomicUsize,
    prompt: &Prompt<'_>,
    decoding: &Decoding,
) -> Reply {
    if failed_in_a_row.load(Ordering::Relaxed) >= FAILURES_MAX {
        return Err(format!("the endpoint failed {FAILURES_MAX} times in a row"));
    }
    let asked = Asked {
        messages: prompt.messages,
        tools: prompt.tools,
        max_tokens: decoding.max_new,
        temperature: decoding.temperature,
    };
    let reply = endpoint.ask(&asked, &mut |_| {}).map_err(|failure: Failure| failure.message);
    if reply.is_ok() {
        failed_in_a_row.store(0, Ordering::Relaxed);
    } else {
        failed_in_a_row.fetch_add(1, Ordering::Relaxed);
    }
    reply
}

/// Likelihoods are not asked for: endpoints differ in whether and how they tell those of given text; most do not.
impl Answerer for EndpointColumn {
    fn answer(&mut self, questions: &[Question<'_>], on_reply: &mut OnReply<'_>) -> Result<()> {
        let (next, failed, cancel) = (AtomicUsize::new(0), &self.failed_in_a_row, &self.cancel);
        let (sender, finished) = crossbeam_channel::unbounded();
        thread::scope(|scope| {
            for endpoint in &mut self.endpoints {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while cancel.flow().is_continue() {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(question) = questions.get(at) else { return };
                        let reply = reply(endpoint, failed, &question.prompt, &question.decoding);
                        // Nobody listens any more only after a panic on the other side.
                        let _ = sender.send((at, reply));
                    }
                });
            }
            drop(sender);
            for (at, reply) in &finished {
                // Replies that are on their way are heard too; the cancel flag ends the asking.
                let _ = on_reply(at, reply);
            }
        });
        Ok(())
    }
}
