//! Samples that lm-evaluation-harness logged (`--log_samples`, `samples_TASK_TIME.jsonl`): the prompts
//! that it put to a model, few-shot examples and all, with what it expected.
//!
//! Likelihoods of several continuations become a choice; generated text becomes a short answer. The
//! prompts are put as plain text, as the harness does without a chat template.

use std::collections::HashSet;

use serde_json::Value;

use super::{Read, Record, SourceFile, plain, text, unquoted};
use crate::evaluate::case::{Case, Expect, ShortAnswer};
use crate::evaluate::result::SuiteKind;
use crate::pair::example::{Message, Role};

/// Tells whether a row is a logged sample.
pub(super) fn fits(row: &Record) -> bool {
    ["doc_id", "arguments", "target"].iter().all(|key| row.contains_key(*key))
}

pub(super) fn read(file: &SourceFile) -> Read {
    let mut read = Read::new(file, SuiteKind::Answers);
    let task = task(file.stem()).to_owned();
    let mut seen = HashSet::new();
    read.each(file, |read, place, row| {
        let number = row.get("doc_id").and_then(text).unwrap_or_else(|| place.to_string());
        // A sample is logged once for each filter of its answer.
        if !seen.insert(number.clone()) {
            return;
        }
        let case = expected(row).map(|(context, expect)| Case {
            id: format!("{task}/{number}"),
            messages: vec![Message::text(Role::User, context)],
            tools: Vec::new(),
            written: None,
            expect,
            tags: vec![task.clone()],
            source: None,
        });
        read.add(place, case);
    });
    if !read.cases.is_empty()
        && read.cases.iter().all(|case| matches!(case.expect, Expect::Choice { .. }))
    {
        read.kind = Some(SuiteKind::Choice);
    }
    read
}

/// `samples_kmmlu_law_2026-01-31T12-00-00.123456` is of the task `kmmlu_law`.
fn task(stem: &str) -> &str {
    let stem = stem.strip_prefix("samples_").unwrap_or(stem);
    match stem.rsplit_once('_') {
        Some((task, time)) if time.starts_with("20") && time.contains('T') => task,
        _ => stem,
    }
}

/// The arguments of each request: context, and continuation or settings of generation. Newer versions
/// log `{"gen_args_0": {"arg_0": ..., "arg_1": ...}}`, older ones lists.
fn requests(row: &Record) -> Result<Vec<Vec<Value>>, String> {
    let arguments = row.get("arguments").ok_or("`arguments` is missing")?;
    let one = |request: &Value| match request {
        Value::Object(named) => Ok(named.values().cloned().collect()),
        Value::Array(list) => Ok(list.clone()),
        _ => Err("`arguments` holds something else than requests".to_owned()),
    };
    match unquoted(arguments)? {
        Value::Object(named) => named.values().map(one).collect(),
        Value::Array(list) => list.iter().map(one).collect(),
        _ => Err("`arguments` holds no requests".to_owned()),
    }
}

fn expected(row: &Record) -> Result<(String, Expect), String> {
    let requests = requests(row)?;
    let context = |request: &[Value]| match request.first() {
        Some(Value::String(context)) => Ok(context.clone()),
        _ => Err("a request has no prompt".to_owned()),
    };
    let first = requests.first().ok_or("`arguments` is empty")?;
    let prompt = context(first)?;
    let target = row.get("target").ok_or("`target` is missing")?;
    match first.get(1) {
        Some(Value::String(_)) if requests.len() > 1 => {
            let mut options = Vec::new();
            for request in &requests {
                if context(request)? != prompt {
                    return Err(
                        "its options do not continue one prompt (a partial evaluation, as of \
                                Winogrande), which is not asked here"
                            .to_owned(),
                    );
                }
                options.push(request.get(1).and_then(text).ok_or("a request has no continuation")?);
            }
            let right = choice(target, &options)?;
            Ok((prompt, Expect::Choice { options, right }))
        }
        Some(Value::String(_)) => {
            Err("one continuation alone is scored by likelihood, which is no choice".to_owned())
        }
        Some(Value::Object(_)) => Ok((prompt.clone(), generated(&prompt, target)?)),
        _ => {
            Err("a text scored whole by its likelihood; make a suite of kind `text` of it"
                .to_owned())
        }
    }
}

/// The right continuation, by index or as text.
fn choice(target: &Value, options: &[String]) -> Result<usize, String> {
    let told = text(target).ok_or("`target` is neither an index nor a text")?;
    let by_text = || options.iter().position(|option| option.trim() == told.trim());
    let by_index = || told.trim().parse::<usize>().ok().filter(|index| *index < options.len());
    by_text().or_else(by_index).ok_or_else(|| format!("the target `{told}` is none of the options"))
}

fn generated(prompt: &str, target: &Value) -> Result<Expect, String> {
    let targets: Vec<String> = match target {
        Value::Array(list) => list.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    };
    let targets: Vec<String> =
        targets.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect();
    match targets.as_slice() {
        [one] if one.contains("####") => Ok(Expect::Short(ShortAnswer {
            number: Some(plain::final_number(one)?),
            last: true,
            ..ShortAnswer::default()
        })),
        _ => plain::expected(prompt, targets),
    }
}
