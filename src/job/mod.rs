//! Long work in the background: what can be asked for, what it tells, how it is stopped.
//!
//! The interface and the subcommands are both clients of [`run`]; neither does the work itself.

mod answering;
pub mod bench;
pub mod bound;
mod chat;
pub mod checking;
pub mod documents;
mod drafting;
mod endpoint_column;
mod evaluation;
pub mod event;
pub mod gpu;
mod identity;
pub mod loaded;
mod measuring;
pub mod mixing;
mod models;
mod pairs;
pub mod pool;
pub mod programs;
pub mod spec;
pub mod sweep;
mod told;
mod training;
mod training_set;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

pub use event::{JobEvent, JobId, JobOutcome};
pub use loaded::Models;
pub use pairs::mapping;
pub use spec::{AddOptions, CaseFilter, DraftSource, EndpointChoice, EvaluateOptions, JobSpec};
pub use told::Told;

use crate::failure::{Failure, Result};
use crate::progress::{Cancel, Progress};
use crate::project::{Project, Store};

/// Does one job to its end in the project at `folder`, telling `on_event` what happens; the last
/// event is always [`JobEvent::Ended`] with the outcome that is also returned. A panic becomes
/// [`JobOutcome::Failed`].
pub fn run(
    spec: &JobSpec,
    folder: &Path,
    models: &Models,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(JobEvent),
) -> JobOutcome {
    let result = catch_unwind(AssertUnwindSafe(|| {
        dispatch(spec, &mut Desk { folder, models, cancel, on_event: &mut *on_event })
    }));
    let outcome = match result {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(failure)) => {
            JobOutcome::Failed { message: failure.message.clone(), hints: failure.hints }
        }
        Err(panic) => JobOutcome::Failed {
            message: format!("a defect stopped this job: {}", panic_message(panic.as_ref())),
            hints: vec!["what was saved before is kept; please report this".to_owned()],
        },
    };
    on_event(JobEvent::Ended(outcome.clone()));
    outcome
}

fn dispatch(spec: &JobSpec, desk: &mut Desk<'_>) -> Result<JobOutcome> {
    match spec {
        JobSpec::AddDocument { path, password, options } => {
            documents::add(desk, path, password.as_deref(), options)
        }
        JobSpec::SplitDocument { document, passages } => {
            documents::split_again(desk, *document, *passages)
        }
        JobSpec::ImportPairs { path, mapping, accept } => {
            pairs::import(desk, path, mapping, *accept)
        }
        JobSpec::AddPool { path, mapping } => pairs::add_pool(desk, path, mapping),
        JobSpec::ExportPairs { path, format } => pairs::export(desk, path, *format),
        JobSpec::Draft { passages, count, source } => {
            drafting::draft(desk, passages, *count, source)
        }
        JobSpec::PullModel { name } => models::pull(desk, name),
        JobSpec::Mix => mixing::report(desk),
        JobSpec::Train { model, recipe, resume } => {
            let request = training::Request {
                model,
                recipe,
                resume: *resume,
                number: None,
                general: None,
                material: None,
            };
            training::train(desk, &request)
        }
        JobSpec::Sweep(request) => sweep::run(desk, request),
        JobSpec::Evaluate { model, run, options } => {
            evaluation::evaluate(desk, model, *run, options)
        }
        JobSpec::Check { model } => checking::run(desk, model.as_deref()),
        JobSpec::Measure { model, loss, known, limit } => {
            measuring::measure(desk, model, *loss, *known, *limit)
        }
        JobSpec::Chat { model, run, conversation } => chat::chat(desk, model, *run, conversation),
    }
}

/// What every job works with.
struct Desk<'a> {
    folder: &'a Path,
    models: &'a Models,
    cancel: &'a Cancel,
    on_event: &'a mut dyn FnMut(JobEvent),
}

impl Desk<'_> {
    /// A connection of the job's own to the project's store.
    fn store(&self) -> Result<Store> {
        Project::reopen(self.folder)
    }

    fn tell(&mut self, event: JobEvent) {
        (self.on_event)(event);
    }

    fn note(&mut self, line: impl Into<String>) {
        self.tell(JobEvent::Note(line.into()));
    }

    fn changed(&mut self) {
        self.tell(JobEvent::DataChanged);
    }

    /// A progress callback that also hears the request to stop.
    fn progress(&mut self) -> impl FnMut(Progress) -> std::ops::ControlFlow<()> + '_ {
        |progress| {
            (self.on_event)(JobEvent::Progress(progress));
            self.cancel.flow()
        }
    }
}

/// The outcome of a job that was stopped before anything came of it.
fn stopped() -> JobOutcome {
    JobOutcome::Stopped(Told::NotDone)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown".to_owned())
}

impl JobOutcome {
    /// The outcome as a result, for a subcommand's exit status.
    pub fn into_result(self) -> Result<String> {
        match self {
            Self::Finished(told) | Self::Stopped(told) => Ok(told.to_string()),
            Self::Failed { message, hints } => {
                Err(Failure { kind: crate::failure::FailureKind::User, message, hints })
            }
        }
    }
}
