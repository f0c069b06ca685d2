//! What a base model makes of the pairs, before any training: the loss of each answer, and whether
//! the model gives it by itself. A label error stands out by its loss; what the base knows already
//! needs no training.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::loaded::Loaded;
use super::{Desk, JobOutcome, Told, stopped};
use crate::engine::{GenerateConfig, Request, Row, cache_bytes, generate_each, row_losses};
use crate::evaluate::domain;
use crate::failure::{Failure, Result};
use crate::pair::checks::content_hash;
use crate::pair::{Example, ReviewState, Role};
use crate::progress::Progress;
use crate::project::{ExampleId, Measure, Store};

/// Pairs measured and saved together.
const CHUNK: usize = 16;
/// Answers sampled for a question.
const SAMPLES: usize = 4;
/// Their temperature.
const TEMPERATURE: f32 = 0.7;
/// Longest answer sampled, in tokens.
const ANSWER_MAX: usize = 256;
/// Bytes that keys and values of sampled answers may take.
const CACHE_BYTES: usize = 512 << 20;

/// A pair to measure and what of it is missing.
struct Due {
    id: ExampleId,
    example: Example,
    hash: String,
    loss: bool,
    known: bool,
}

pub(super) fn measure(
    desk: &mut Desk<'_>,
    model: &str,
    loss: bool,
    known: bool,
    limit: Option<usize>,
) -> Result<JobOutcome> {
    let store = desk.store()?;
    let mut due = due(&store, model, loss, known)?;
    due.truncate(limit.unwrap_or(usize::MAX));
    if due.is_empty() {
        return Ok(JobOutcome::Finished(Told::Measured {
            done: 0,
            total: 0,
            model: model.to_owned(),
        }));
    }
    let Some(loaded) = desk.models.get(model, &mut desk.progress())? else {
        return Ok(stopped());
    };
    let total = due.len();
    let (mut done, mut refused) = (0, 0);
    for chunk in due.chunks(CHUNK) {
        let at = Progress::new("measure", done as u64, Some(total as u64), "items");
        if (desk.progress())(at).is_break() {
            break;
        }
        let mut measures: Vec<Measure> =
            chunk.iter().map(|due| Store::measured(due.id, model, &due.hash)).collect();
        let losses = losses(&loaded, chunk)?;
        for (measure, loss) in measures.iter_mut().zip(losses) {
            refused += usize::from(loss.is_err());
            measure.loss = loss.ok().flatten();
        }
        let Some(shares) = shares(desk, &loaded, chunk)? else { break };
        for (measure, share) in measures.iter_mut().zip(shares) {
            measure.known = share;
        }
        measures.retain(|measure| measure.loss.is_some() || measure.known.is_some());
        store.save_measures(&measures)?;
        done += chunk.len();
        desk.changed();
    }
    if refused > 0 {
        desk.note(format!("{refused} pairs cannot be written in the model's chat template"));
    }
    let told = Told::Measured { done, total, model: model.to_owned() };
    Ok(if done < total { JobOutcome::Stopped(told) } else { JobOutcome::Finished(told) })
}

/// Pairs that are not rejected and of which something asked for is not measured as they are now.
fn due(store: &Store, model: &str, loss: bool, known: bool) -> Result<Vec<Due>> {
    let measures: HashMap<i64, Measure> = store
        .measures()?
        .into_iter()
        .filter(|measure| measure.model == model)
        .map(|measure| (measure.example.0, measure))
        .collect();
    let mut due = Vec::new();
    for stored in store.examples()? {
        let hash = content_hash(&stored.example);
        let current = measures.get(&stored.id.0).filter(|measure| measure.content_hash == hash);
        let (has_loss, has_known) = current
            .map_or((false, false), |measure| (measure.loss.is_some(), measure.known.is_some()));
        let loss = loss && !has_loss;
        let known = known && !has_known && question(&stored.example).is_some();
        if stored.state != ReviewState::Rejected && (loss || known) {
            due.push(Due { id: stored.id, example: stored.example, hash, loss, known });
        }
    }
    Ok(due)
}

/// The turns before the last answer in words, if the pair is one of words: those about tools are not
/// judged by what they say.
fn question(example: &Example) -> Option<usize> {
    let last = example.messages.len().checked_sub(1)?;
    let answer = &example.messages[last];
    let in_words = answer.role == Role::Assistant && !answer.content.trim().is_empty();
    (last > 0 && in_words && !example.is_about_tools()).then_some(last)
}

/// Mean loss of each pair's trained tokens; an error where the template refuses the pair.
fn losses(loaded: &Loaded, chunk: &[Due]) -> Result<Vec<Result<Option<f64>>>> {
    let context = loaded.base.config().context_length;
    let mut rows = Vec::new();
    let mut owners = Vec::new();
    let mut results: Vec<Result<Option<f64>>> = chunk.iter().map(|_| Ok(None)).collect();
    for (owner, due) in chunk.iter().enumerate().filter(|(_, due)| due.loss) {
        for part in loaded.codec.parts(&due.example) {
            match loaded.codec.encode(&part) {
                Ok(mut encoded) => {
                    encoded.ids.truncate(context);
                    encoded.labels.truncate(context);
                    rows.push(Row { ids: encoded.ids, labels: encoded.labels });
                    owners.push(owner);
                }
                Err(failure) => results[owner] = Err(failure),
            }
        }
    }
    let mut sums = vec![(0.0, 0); chunk.len()];
    for (owner, loss) in owners.iter().zip(row_losses(&loaded.base, None, &rows)?) {
        sums[*owner].0 += loss.nats;
        sums[*owner].1 += loss.tokens;
    }
    for (result, (nats, tokens)) in results.iter_mut().zip(sums) {
        if tokens > 0 && result.is_ok() {
            *result = Ok(Some(nats / tokens as f64));
        }
    }
    Ok(results)
}

/// Share of right ones among answers sampled for each pair; `None` when stopped.
fn shares(desk: &Desk<'_>, loaded: &Loaded, chunk: &[Due]) -> Result<Option<Vec<Option<f64>>>> {
    let codec = &loaded.codec;
    let mut shares = vec![None; chunk.len()];
    let mut prompts = Vec::new();
    let mut longest = 0;
    for (owner, due) in chunk.iter().enumerate().filter(|(_, due)| due.known) {
        let Some(end) = question(&due.example) else { continue };
        let Ok(prompt) = codec.encode_prompt(&due.example.messages[..end], &[]) else { continue };
        if prompt.len() + ANSWER_MAX > loaded.base.config().context_length {
            continue;
        }
        let answer = codec.tokenizer().encode(&due.example.messages[end].content).len();
        longest = longest.max(answer);
        prompts.push((owner, prompt));
    }
    if prompts.is_empty() {
        return Ok(Some(shares));
    }
    let requests: Vec<Request<'_>> =
        prompts.iter().flat_map(|(_, prompt)| [Request::new(prompt, false); SAMPLES]).collect();
    let max_new = (longest * 2 + 32).min(ANSWER_MAX);
    let tokens = prompts.iter().map(|(_, prompt)| prompt.len()).max().unwrap_or(0) + max_new;
    let config = GenerateConfig {
        max_new,
        stop: codec.stop_ids(),
        temperature: TEMPERATURE,
        seed: chunk.first().map_or(0, |due| due.id.0 as u64),
        batch: (CACHE_BYTES / cache_bytes(&loaded.base, tokens)).clamp(1, CHUNK * SAMPLES),
        ..GenerateConfig::default()
    };
    let mut on = |_: usize, _: Option<u32>| -> ControlFlow<()> { desk.cancel.flow() };
    let answers = generate_each(&loaded.base, None, &requests, &config, &mut on)?;
    if desk.cancel.is_cancelled() {
        return Ok(None);
    }
    for ((owner, _), answers) in prompts.iter().zip(answers.chunks(SAMPLES)) {
        let example = &chunk[*owner].example;
        let reference = &example.messages.last().ok_or_else(no_answer)?.content;
        let right = answers
            .iter()
            .filter(|ids| domain::gives(reference, &codec.tokenizer().decode(ids)))
            .count();
        shares[*owner] = Some(right as f64 / SAMPLES as f64);
    }
    Ok(Some(shares))
}

fn no_answer() -> Failure {
    Failure::defect("a pair without turns was to be measured")
}
