//! Carries out effects: reads and writes of the project, and jobs on threads of their own.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::Sender;

use super::folder::{list, real_path};
use super::lister::Lister;
use super::{Backend, Runner};
use crate::app::{App, Effect, Message, Snapshot};
use crate::failure::{Context as _, Result};
use crate::job::{JobEvent, JobId, JobOutcome, JobSpec};
use crate::progress::Cancel;

/// What an effect came to.
#[derive(Debug)]
pub enum Performed {
    /// Something happened that the application must hear, or nothing.
    Told(Option<Message>),
    /// The terminal is needed.
    Terminal(TerminalWork),
}

/// Effects that need the terminal.
#[derive(Debug, PartialEq, Eq)]
pub enum TerminalWork {
    /// Open text in the outside editor.
    Edit(String),
    /// Put text on the clipboard.
    Copy(String),
    /// Leave.
    Quit,
}

/// The project and the jobs behind the interface.
pub struct Runtime {
    folder: PathBuf,
    backend: Box<dyn Backend>,
    runner: Runner,
    cancels: HashMap<JobId, Cancel>,
    lister: Lister,
}

impl Runtime {
    /// Starts with no jobs.
    pub fn new(folder: PathBuf, backend: Box<dyn Backend>, runner: Runner) -> Self {
        Self { folder, backend, runner, cancels: HashMap::new(), lister: Lister::default() }
    }

    /// Carries out effects and whatever follows from them, until nothing is left to do. What needs
    /// the terminal is handed to `terminal`, which answers with what the application must hear.
    ///
    /// # Errors
    /// Only what `terminal` reports; all other failures are told to the application.
    pub fn carry_out(
        &mut self,
        app: &mut App,
        effects: Vec<Effect>,
        sender: &Sender<Message>,
        terminal: &mut dyn FnMut(TerminalWork) -> Result<Option<Message>>,
    ) -> Result<()> {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            // Reading the project again once is enough, last.
            let reads = |effect: &Effect| matches!(effect, Effect::Reload | Effect::Refresh(_));
            if effect == Effect::Reload && queue.contains(&Effect::Reload)
                || matches!(effect, Effect::Refresh(_)) && queue.iter().any(reads)
            {
                continue;
            }
            let told = match self.perform(effect, sender) {
                Performed::Told(message) => message,
                Performed::Terminal(work) => terminal(work)?,
            };
            queue.extend(told.into_iter().flat_map(|message| app.update(message)));
        }
        Ok(())
    }

    /// Carries out an effect. Jobs tell their events to `sender`; failures become messages.
    pub fn perform(&mut self, effect: Effect, sender: &Sender<Message>) -> Performed {
        match self.try_perform(effect, sender) {
            Ok(performed) => performed,
            Err(failure) => Performed::Told(Some(Message::Failed(failure))),
        }
    }

    fn try_perform(&mut self, effect: Effect, sender: &Sender<Message>) -> Result<Performed> {
        let message = match effect {
            Effect::Spawn(id, spec) => self.spawn(id, spec, sender),
            Effect::Cancel(id) => {
                if let Some(cancel) = self.cancels.get(&id) {
                    cancel.cancel();
                }
                None
            }
            Effect::Apply(edit) => Some(Message::Changed(self.backend.apply(edit)?)),
            Effect::ReadExamples(ids) => Some(Message::ExamplesRead(self.backend.examples(&ids)?)),
            Effect::ReadBefore(id) => {
                let before = self.backend.before_last_edit(id)?;
                Some(Message::BeforeRead(id, before.map(Box::new)))
            }
            Effect::List(number, catalog, query) => {
                self.lister.ask(number, catalog, query, sender);
                None
            }
            Effect::Undo => Some(Message::Undone(self.backend.undo()?)),
            Effect::Redo => Some(Message::Redone(self.backend.redo()?)),
            Effect::RemoveDocument(id) => {
                self.backend.remove_document(id)?;
                Some(Message::Loaded(self.load(sender)?))
            }
            Effect::EditPassage(edit, summary) => {
                self.backend.edit_passage(&edit, &summary)?;
                Some(Message::Loaded(self.load(sender)?))
            }
            Effect::Dismiss(dismissals, summary) => {
                Some(Message::Changed(self.backend.dismiss(&dismissals, &summary)?))
            }
            Effect::ReadChanges(id) => {
                let changes = self.backend.document_changes(id)?;
                Some(Message::ChangesRead(changes.map(Box::new)))
            }
            Effect::SaveSetting(key, value) => {
                self.backend.set_setting(&key, &value)?;
                None
            }
            Effect::SaveUnsent(key, text) => {
                self.backend.save_unsent(key, &text)?;
                None
            }
            Effect::Reload => Some(Message::Loaded(self.load(sender)?)),
            Effect::Refresh(after) => Some(self.refresh(after, sender)?),
            Effect::ListModels => Some(Message::ModelsListed(self.backend.models()?)),
            Effect::ListFolder(folder) => {
                let entries = list(&folder);
                Some(Message::FolderListed { folder, entries })
            }
            Effect::PreviewPairs(path, mapping) => {
                let preview = self.backend.preview(&real_path(&path), &mapping).map(Box::new);
                Some(Message::PairsPreviewed(path, mapping, preview))
            }
            Effect::RemovePool(name) => {
                self.backend.remove_pool(&name)?;
                Some(Message::Loaded(self.load(sender)?))
            }
            Effect::Render(model, example) => {
                Some(Message::Rendered(self.backend.render(&model, &example)?))
            }
            Effect::ReadRun(number) => {
                Some(Message::RunRead(number, self.backend.run_events(number)?))
            }
            Effect::EditOutside(text) => return Ok(Performed::Terminal(TerminalWork::Edit(text))),
            Effect::Copy(text) => return Ok(Performed::Terminal(TerminalWork::Copy(text))),
            Effect::Quit => return Ok(Performed::Terminal(TerminalWork::Quit)),
        };
        Ok(Performed::Told(message))
    }

    /// Reads the project. Many examples are read on a thread of their own and told later.
    fn load(&mut self, sender: &Sender<Message>) -> Result<Box<Snapshot>> {
        let snapshot = self.backend.load()?;
        if snapshot.catalog.len() < snapshot.example_count {
            let (read, sender) = (self.backend.catalog_reader(), sender.clone());
            let work = move || {
                let message = match read() {
                    Ok(catalog) => Message::CatalogRead(catalog),
                    Err(failure) => Message::Failed(failure),
                };
                // Nobody listens after the interface has left.
                let _ = sender.send(message);
            };
            thread::Builder::new()
                .name("catalog".to_owned())
                .spawn(work)
                .because("failed to start a thread")?;
        }
        Ok(Box::new(snapshot))
    }

    fn refresh(&mut self, after: i64, sender: &Sender<Message>) -> Result<Message> {
        let Some(added) = self.backend.added(after)? else {
            return Ok(Message::Loaded(self.load(sender)?));
        };
        Ok(Message::Refreshed(Box::new(self.backend.load()?), added))
    }

    /// Runs a job on a thread of its own. Its outcome is told whatever happens, a panic included.
    fn spawn(&mut self, id: JobId, spec: JobSpec, sender: &Sender<Message>) -> Option<Message> {
        let cancel = Cancel::default();
        self.cancels.insert(id, cancel.clone());
        let (runner, folder, sender) =
            (Arc::clone(&self.runner), self.folder.clone(), sender.clone());
        let spec = with_real_paths(spec);
        let work = move || {
            let mut on_event = |event: JobEvent| {
                // The outcome is told once, below. A closed channel means that the interface has
                // left: the job is asked to stop as well.
                let is_end = matches!(event, JobEvent::Ended(_));
                if !is_end && sender.send(Message::Job(id, event)).is_err() {
                    cancel.cancel();
                }
            };
            let run = AssertUnwindSafe(|| runner(spec, &folder, &cancel, &mut on_event));
            let outcome = catch_unwind(run).unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                JobOutcome::Failed {
                    message: format!("defect in the program: {}", text.unwrap_or("panic")),
                    hints: vec!["What was saved before is kept. Please report this.".to_owned()],
                }
            });
            // Nobody listens after the interface has left; then there is nobody to tell.
            let _ = sender.send(Message::Job(id, JobEvent::Ended(outcome)));
        };
        let started = thread::Builder::new().name(format!("job-{}", id.0)).spawn(work);
        let error = started.err()?;
        let message = format!("failed to start a thread: {error}");
        let hints = Vec::new();
        Some(Message::Job(id, JobEvent::Ended(JobOutcome::Failed { message, hints })))
    }
}

/// The same job with paths as they are on disk.
fn with_real_paths(mut spec: JobSpec) -> JobSpec {
    match &mut spec {
        JobSpec::AddDocument { path, .. }
        | JobSpec::ImportPairs { path, .. }
        | JobSpec::AddPool { path, .. }
        | JobSpec::ExportPairs { path, .. } => *path = real_path(path),
        JobSpec::Draft { .. }
        | JobSpec::PullModel { .. }
        | JobSpec::Mix
        | JobSpec::SplitDocument { .. }
        | JobSpec::Train { .. }
        | JobSpec::Sweep(_)
        | JobSpec::Evaluate { .. }
        | JobSpec::Check { .. }
        | JobSpec::Measure { .. }
        | JobSpec::Chat { .. } => {}
    }
    spec
}

#[cfg(test)]
mod tests;
