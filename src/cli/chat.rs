//! `hone chat`: talk with the base and the tuned model.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use clap::Args;

use super::{print, print::Output, say};
use crate::failure::{Failure, Result};
use crate::job::{self, JobEvent, JobOutcome, JobSpec, Models};
use crate::pair::{Example, Message, Role};
use crate::project::Project;

/// Arguments of `hone chat`.
#[derive(Debug, Args)]
pub struct ChatArgs {
    /// Base model.
    #[arg(long)]
    model: Option<String>,
    /// Run whose adapter answers beside the base.
    #[arg(long)]
    run: Option<u32>,
    /// Ask this one question and end.
    question: Option<String>,
}

/// Runs `hone chat`.
pub fn run(args: &ChatArgs, folder: Option<&Path>, out: &mut Output) -> Result<()> {
    let model = match (&args.model, folder) {
        (Some(model), _) => model.clone(),
        (None, Some(folder)) => super::train::chosen_model(&Project::reopen(folder)?, None)?,
        (None, None) => {
            return Err(Failure::user("no model is chosen").hint("pass --model NAME"));
        }
    };
    if args.run.is_some() && folder.is_none() {
        return Err(Failure::user("--run needs a project").hint("pass --project FOLDER"));
    }
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let models = Models::default();
    let mut conversation = Example::default();
    if let Some(question) = &args.question {
        return ask(&mut conversation, question, &model, args.run, folder, &models, out);
    }
    let prompt = std::io::stdin().is_terminal();
    let mut lines = std::io::stdin().lock().lines();
    loop {
        if prompt {
            write!(out, "> ")
                .and_then(|()| out.flush())
                .map_err(|e| Failure::user(e.to_string()))?;
        }
        let Some(line) = lines.next() else { return Ok(()) };
        let line = line.map_err(|error| Failure::user(format!("standard input: {error}")))?;
        if !line.trim().is_empty() {
            ask(&mut conversation, line.trim(), &model, args.run, folder, &models, out)?;
        }
    }
}

fn ask(
    conversation: &mut Example,
    question: &str,
    model: &str,
    run: Option<u32>,
    folder: &Path,
    models: &Models,
    out: &mut Output,
) -> Result<()> {
    conversation.messages.push(Message::text(Role::User, question));
    let spec = JobSpec::Chat { model: model.to_owned(), run, conversation: conversation.clone() };
    let (mut answers, mut speaker) = ([String::new(), String::new()], None);
    let cancel = print::cancel_on_signal();
    let outcome = job::run(&spec, folder, models, &cancel, &mut |event| {
        if let JobEvent::ChatText { tuned, text } = event {
            if speaker != Some(tuned) && run.is_some() {
                let _ = write!(
                    out,
                    "{}{}: ",
                    if speaker.is_some() { "\n" } else { "" },
                    if tuned { "tuned" } else { "base" }
                );
            }
            speaker = Some(tuned);
            answers[usize::from(tuned)].push_str(&text);
            let _ = write!(out, "{text}");
            let _ = out.flush();
        }
    });
    say(out, "")?;
    if let JobOutcome::Failed { .. } = outcome {
        outcome.into_result()?;
    }
    // The conversation goes on with the tuned model's words where there is one.
    let [base, tuned] = answers;
    let answer = if run.is_some() { tuned } else { base };
    conversation.messages.push(Message::text(Role::Assistant, answer));
    Ok(())
}
