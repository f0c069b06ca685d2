use crossbeam_channel::{Receiver, unbounded};
use serde_json::Value;

use super::*;
use crate::app::Snapshot;
use std::path::Path;

use crate::app::message::{PairsPreview, RenderedPart};
use crate::app::snapshot::{Changes, InstalledModel};
use crate::app::testing::{World, sample};
use crate::failure::Failure;
use crate::job::Told;
use crate::pair::{Change, Edit, Example, ReviewState};
use crate::progress::Progress;
use crate::project::{
    Dismissal, DocumentChanges, DocumentId, ExampleId, PassageEdit, StoredExample,
};
use crate::train::TrainEvent;
use crate::tui::CatalogReader;

/// A project in memory.
struct MemoryBackend(World);

impl Backend for MemoryBackend {
    fn load(&mut self) -> Result<Snapshot> {
        Ok(*self.0.snapshot.read())
    }

    fn added(&mut self, after: i64) -> Result<Option<Vec<StoredExample>>> {
        let examples = self.0.snapshot.examples.iter().filter(|stored| stored.id.0 > after);
        Ok(Some(examples.cloned().collect()))
    }

    fn catalog_reader(&mut self) -> CatalogReader {
        let catalog = self.0.snapshot.read().catalog;
        Box::new(move || Ok(catalog))
    }

    fn examples(&mut self, ids: &[ExampleId]) -> Result<Vec<StoredExample>> {
        Ok(self.0.examples(ids))
    }

    fn before_last_edit(&mut self, _id: ExampleId) -> Result<Option<Example>> {
        Ok(None)
    }

    fn models(&mut self) -> Result<Vec<InstalledModel>> {
        Ok(self.0.snapshot.models.clone())
    }

    fn apply(&mut self, edit: Edit) -> Result<Changes> {
        Ok(self.0.apply(&edit))
    }

    fn undo(&mut self) -> Result<Option<(String, Changes)>> {
        Ok(self.0.undo())
    }

    fn redo(&mut self) -> Result<Option<(String, Changes)>> {
        Ok(self.0.redo())
    }

    fn remove_document(&mut self, id: DocumentId) -> Result<()> {
        self.0.snapshot.documents.retain(|document| document.id != id);
        Ok(())
    }

    fn edit_passage(&mut self, _edit: &PassageEdit, _summary: &str) -> Result<()> {
        Ok(())
    }

    fn dismiss(&mut self, dismissals: &[Dismissal], _summary: &str) -> Result<Changes> {
        Ok(Changes::Judged(dismissals.to_vec()))
    }

    fn preview(&mut self, _path: &Path, mapping: &str) -> Result<PairsPreview> {
        Ok(PairsPreview {
            read_as: mapping.to_owned(),
            place: "line",
            rows: Vec::new(),
            examined: 0,
            problems: Vec::new(),
        })
    }

    fn remove_pool(&mut self, _name: &str) -> Result<()> {
        Ok(())
    }

    fn document_changes(&mut self, _id: DocumentId) -> Result<Option<DocumentChanges>> {
        Ok(None)
    }

    fn set_setting(&mut self, key: &str, value: &Value) -> Result<()> {
        self.0.kept.insert(key.to_owned(), value.to_string());
        Ok(())
    }

    fn save_unsent(&mut self, key: &str, text: &str) -> Result<()> {
        self.0.kept.insert(key.to_owned(), text.to_owned());
        Ok(())
    }

    fn run_events(&mut self, _number: u32) -> Result<Vec<TrainEvent>> {
        Ok(vec![TrainEvent::Checkpoint { step: 7 }])
    }

    fn render(&mut self, model: &str, _example: &Example) -> Result<Vec<RenderedPart>> {
        Err(Failure::user(format!("no template in {model}")).hint("Pull the model again."))
    }
}

fn runtime(runner: Runner) -> (Runtime, Sender<Message>, Receiver<Message>) {
    let mut world = World::default();
    world.snapshot = sample();
    let runtime = Runtime::new("/project".into(), Box::new(MemoryBackend(world)), runner);
    let (sender, receiver) = unbounded();
    (runtime, sender, receiver)
}

fn idle() -> Runner {
    Arc::new(|_, _, _, _| JobOutcome::Finished(Told::Nothing))
}

#[test]
fn edits_are_applied_and_what_they_touched_is_told() {
    let (mut runtime, sender, _receiver) = runtime(idle());
    let changes = vec![Change::SetState { key: 1, state: ReviewState::Accepted }];
    let edit = Edit { summary: "accepted 1".to_owned(), changes };
    let Performed::Told(Some(Message::Changed(Changes::Rows(examples)))) =
        runtime.perform(Effect::Apply(edit), &sender)
    else {
        panic!("an edit is told")
    };
    assert_eq!(examples[0].1.as_ref().map(|stored| stored.state), Some(ReviewState::Accepted));
    let undone = runtime.perform(Effect::Undo, &sender);
    assert!(
        matches!(undone, Performed::Told(Some(Message::Undone(Some((s, _))))) if s == "accepted 1")
    );
    let removed = runtime.perform(Effect::RemoveDocument(DocumentId(1)), &sender);
    let Performed::Told(Some(Message::Loaded(snapshot))) = removed else { panic!("read again") };
    assert_eq!(snapshot.documents.len(), 1);
}

#[test]
fn a_failure_becomes_a_message_and_the_terminal_is_asked_for() {
    let (mut runtime, sender, _receiver) = runtime(idle());
    let render = Effect::Render("m".to_owned(), Box::default());
    let Performed::Told(Some(Message::Failed(failure))) = runtime.perform(render, &sender) else {
        panic!("a failure is told")
    };
    assert_eq!(failure.message, "no template in m");
    for (effect, work) in [
        (Effect::Quit, TerminalWork::Quit),
        (Effect::Copy("가".to_owned()), TerminalWork::Copy("가".to_owned())),
    ] {
        let Performed::Terminal(asked) = runtime.perform(effect, &sender) else { panic!() };
        assert_eq!(asked, work);
    }
}

#[test]
fn a_job_tells_its_events_in_order_and_its_outcome_once() {
    let runner: Runner = Arc::new(|_, folder, cancel, on_event| {
        on_event(JobEvent::Note(folder.display().to_string()));
        while !cancel.is_cancelled() {
            on_event(JobEvent::Progress(Progress::new("train", 1, None, "steps")));
            thread::yield_now();
        }
        on_event(JobEvent::Ended(JobOutcome::Finished(Told::Mixed(2))));
        JobOutcome::Stopped(Told::NotDone)
    });
    let (mut runtime, sender, receiver) = runtime(runner);
    let id = JobId(3);
    runtime.perform(Effect::Spawn(id, JobSpec::Mix), &sender);
    let first = receiver.recv().unwrap();
    assert!(matches!(first, Message::Job(JobId(3), JobEvent::Note(text)) if text == "/project"));
    runtime.perform(Effect::Cancel(id), &sender);
    drop(sender);
    let ends: Vec<_> = receiver
        .iter()
        .filter_map(|message| match message {
            Message::Job(_, JobEvent::Ended(outcome)) => Some(outcome),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [JobOutcome::Stopped(Told::NotDone)]);
}

#[test]
fn a_panic_in_a_job_is_its_outcome() {
    let (mut runtime, sender, receiver) = runtime(Arc::new(|_, _, _, _| panic!("index 7")));
    runtime.perform(Effect::Spawn(JobId(1), JobSpec::Mix), &sender);
    let Message::Job(_, JobEvent::Ended(JobOutcome::Failed { message, .. })) =
        receiver.recv().unwrap()
    else {
        panic!("an outcome is told")
    };
    assert_eq!(message, "defect in the program: index 7");
}
