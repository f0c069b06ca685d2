//! Answering a conversation with base and tuned.

use std::ops::ControlFlow;

use super::{Desk, JobEvent, JobOutcome, Told, stopped};
use crate::engine::{GenerateConfig, generate};
use crate::failure::Result;
use crate::pair::Example;
use crate::train::adapter_file;
use crate::train::run::adapter_folder;

/// Longest answer, in tokens.
const ANSWER_TOKENS_MAX: usize = 512;

pub(super) fn chat(
    desk: &mut Desk<'_>,
    model: &str,
    run: Option<u32>,
    conversation: &Example,
) -> Result<JobOutcome> {
    let Some(loaded) = desk.models.get(model, &mut desk.progress())? else {
        return Ok(stopped());
    };
    let adapter = match run {
        None => None,
        Some(number) => {
            let folder = adapter_folder(&crate::project::run_folder(desk.folder, number));
            Some(adapter_file::read(&folder, loaded.base.config())?)
        }
    };
    let prompt = loaded.codec.encode_prompt(&conversation.messages, &conversation.tools)?;
    let config = GenerateConfig {
        max_new: ANSWER_TOKENS_MAX,
        stop: loaded.codec.stop_ids(),
        ..GenerateConfig::default()
    };
    let sides = if adapter.is_some() { &[false, true][..] } else { &[false][..] };
    for &tuned in sides {
        let mut stream = loaded.codec.tokenizer().stream();
        let on_event = &mut *desk.on_event;
        let cancel = desk.cancel;
        let mut on_token = |_: usize, token: u32| -> ControlFlow<()> {
            let text = stream.push(token);
            if !text.is_empty() {
                on_event(JobEvent::ChatText { tuned, text });
            }
            cancel.flow()
        };
        let adapter = if tuned { adapter.as_ref() } else { None };
        generate(&loaded.base, adapter, std::slice::from_ref(&prompt), &config, &mut on_token)?;
        if desk.cancel.is_cancelled() {
            return Ok(JobOutcome::Stopped(Told::AnswerCut));
        }
    }
    Ok(JobOutcome::Finished(Told::Nothing))
}
