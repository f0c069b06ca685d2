//! The store as its callers use it.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;
use unicode_normalization::UnicodeNormalization as _;

use super::exchange::{self, ImportOptions, Imported, Selection};
use super::*;
use crate::document::{Page, PageFlag, Passage};
use crate::evaluate::Evaluation;
use crate::pair::{Change, Edit, Example, Message, ReviewState, Role};
use crate::text::Span;
use crate::train::{Recipe, RunOutcome, RunRecord};

pub(super) fn project() -> (TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::create(folder.path(), "구조 기준").unwrap();
    (folder, project)
}

pub(super) fn pair(question: &str, answer: &str) -> Example {
    Example {
        messages: vec![Message::text(Role::User, question), Message::text(Role::Assistant, answer)],
        ..Example::default()
    }
}

pub(super) fn insert(store: &Store, examples: &[Example]) -> Vec<ExampleId> {
    let changes = examples.iter().cloned();
    let changes = changes.map(|example| Change::insert(None, ReviewState::Draft, example));
    store.apply(Edit::new(format!("added {}", examples.len()), changes.collect())).unwrap()
}

pub(super) fn page(number: u32, text: &str) -> Page {
    Page { number, text: text.to_owned(), flags: Vec::new() }
}

fn passage(page: &Page) -> Passage {
    let end = page.text.chars().count();
    Passage {
        page: page.number,
        span: Span { start: 0, end },
        context: vec!["4장".to_owned(), "4.3 피복".to_owned()],
        text: page.text.clone(),
    }
}

pub(super) fn add(store: &Store, name: &str, sha256: &str, pages: &[Page]) -> DocumentId {
    let passages: Vec<Passage> = pages.iter().map(passage).collect();
    store.add_document(name, sha256, pages, &passages).unwrap()
}

#[test]
fn a_project_is_made_found_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("새 폴더");
    let decomposed: String = "내진 기준".nfd().collect();
    let project = Project::create(&at, &decomposed).unwrap();
    assert_eq!(project.name(), "내진 기준");
    assert_eq!(project.run_folder(12), at.join("runs/0012"));
    drop(project);
    let deep = at.join("runs/0001/adapter");
    fs::create_dir_all(&deep).unwrap();
    assert_eq!(Project::find(&deep), Some(at.clone()));
    assert_eq!(Project::find(folder.path()), None);
    let opened = Project::open(&at).unwrap();
    assert_eq!((opened.name(), opened.folder()), ("내진 기준", at.as_path()));
    assert_eq!(opened.store().next_run().unwrap(), 2);
}

#[test]
fn a_folder_that_is_no_project_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let fails = |word: &str, hint: &str| {
        let failure = Project::open(at).unwrap_err();
        assert!(failure.message.contains(word), "{failure}");
        assert!(failure.hints.join(" ").contains(hint), "{failure:?}");
    };
    fails("not a project", "hone new");
    fs::write(at.join("hone.toml"), "version = 1\nname = \"가\"\n").unwrap();
    fails("store.sqlite: the store is missing", "backup");
    fs::write(at.join("hone.toml"), "name = \"가\"\n").unwrap();
    fails("missing field `version`", "version = 1");
    fs::write(at.join("hone.toml"), "version = 99\nname = \"가\"\n").unwrap();
    fails("version 99", "update");
    assert!(Project::create(at, "가").unwrap_err().message.contains("already a project"));
    assert!(Project::create(&at.join("b"), " ").unwrap_err().message.contains("name is empty"));
}

#[test]
fn the_second_writer_is_locked_out_and_readers_are_not() {
    let (folder, project) = project();
    insert(project.store(), &[pair("가", "나")]);
    let failure = Project::open(folder.path()).unwrap_err();
    assert!(failure.message.contains("this process has the project open"), "{failure}");
    assert_eq!(Project::reopen(folder.path()).unwrap().examples().unwrap().len(), 1);
    drop(project);
    assert!(Project::open(folder.path()).is_ok());
}

#[test]
fn edits_are_undone_and_redone_in_order() {
    let (_folder, project) = project();
    let store = project.store();
    let ids = insert(store, &[pair("하나", "1"), pair("둘", "2"), pair("셋", "3")]);
    let mut states = vec![store.examples().unwrap()];
    let edits = [
        Edit::set_state("accepted 2", [ids[0].0, ids[2].0], ReviewState::Accepted),
        Edit::new("edited", vec![Change::Replace { key: ids[1].0, example: pair("둘?", "2") }]),
        Edit::new(
            "replaced",
            vec![
                Change::Delete { key: ids[0].0 },
                Change::insert(None, ReviewState::Accepted, pair("넷", "4")),
                Change::SetState { key: ids[2].0, state: ReviewState::Rejected },
                Change::SetState { key: ids[2].0, state: ReviewState::Draft },
            ],
        ),
    ];
    let summaries: Vec<String> = edits.iter().map(|edit| edit.summary.clone()).collect();
    for edit in edits {
        store.apply(edit).unwrap();
        states.push(store.examples().unwrap());
    }
    for _ in 0..2 {
        for (summary, state) in summaries.iter().zip(&states).rev() {
            assert_eq!(store.undo().unwrap().as_ref().map(|done| &done.summary), Some(summary));
            assert_eq!(&store.examples().unwrap(), state);
        }
        for (summary, state) in summaries.iter().zip(&states[1..]) {
            assert_eq!(store.redo().unwrap().as_ref().map(|done| &done.summary), Some(summary));
            assert_eq!(&store.examples().unwrap(), state);
        }
        assert_eq!(store.redo().unwrap(), None);
    }
}

#[test]
fn undo_survives_a_restart_and_a_new_edit_drops_what_was_undone() {
    let (folder, project) = project();
    for question in ["하나", "둘", "셋"] {
        insert(project.store(), &[pair(question, "답")]);
    }
    project.store().undo().unwrap();
    drop(project);
    let project = Project::open(folder.path()).unwrap();
    let store = project.store();
    assert_eq!(store.undo().unwrap().map(|done| done.summary).as_deref(), Some("added 1"));
    let fresh = insert(store, &[pair("넷", "답")]);
    assert_eq!(store.redo().unwrap(), None);
    let questions: Vec<String> =
        store.examples().unwrap().iter().map(|e| e.example.question().to_owned()).collect();
    assert_eq!(questions, ["하나", "넷"]);
    assert_eq!(fresh, [ExampleId(4)], "keys of rows undone are not used again");
    for _ in 0..2 {
        assert!(store.undo().unwrap().is_some());
    }
    assert_eq!(store.undo().unwrap(), None);
    assert!(store.examples().unwrap().is_empty());
}

#[test]
fn an_edit_that_cannot_be_made_changes_nothing() {
    let (_folder, project) = project();
    let store = project.store();
    insert(store, &[pair("가", "나")]);
    let edit = Edit::new(
        "both",
        vec![
            Change::insert(None, ReviewState::Draft, pair("다", "라")),
            Change::Delete { key: 77 },
        ],
    );
    let failure = store.apply(edit).unwrap_err();
    assert!(failure.message.contains("no example 77"), "{failure}");
    assert_eq!(store.examples().unwrap().len(), 1);
    assert_eq!(store.apply(Edit::new("nothing", vec![])).unwrap(), []);
    assert_eq!(store.undo().unwrap().map(|done| done.summary).as_deref(), Some("added 1"));
}

#[test]
fn texts_are_stored_composed() {
    let (_folder, project) = project();
    let decomposed: String = "피복 두께".nfd().collect();
    let id = insert(project.store(), &[pair(&decomposed, "나")])[0];
    let stored = project.store().example(id).unwrap().unwrap();
    assert_eq!(stored.example.question(), "피복 두께");
    assert_eq!(project.store().example(ExampleId(99)).unwrap(), None);
}

#[test]
fn documents_keep_pages_and_passages_in_order() {
    let (_folder, project) = project();
    let store = project.store();
    let mut pages = vec![page(1, "가나다"), page(2, ""), page(10, "라마바")];
    pages[1].flags = vec![PageFlag::NeedsOcr, PageFlag::Recovered];
    let decomposed: String = "기준.pdf".nfd().collect();
    let id = add(store, &decomposed, "aa", &pages);
    assert_eq!(add(store, "사본.pdf", "aa", &[]), id, "the same file again");
    let other = add(store, "code.pdf", "bb", &[page(1, "text")]);
    let documents = store.documents().unwrap();
    assert_eq!(documents.len(), 2);
    let first = &documents[0];
    assert_eq!(
        (first.name.as_str(), first.pages, first.passages, first.needs_ocr),
        ("기준.pdf", 3, 3, 1)
    );
    assert_eq!(store.pages(id).unwrap(), pages);
    let passages = store.passages(None).unwrap();
    assert_eq!(passages.iter().map(|p| p.passage.page).collect::<Vec<_>>(), [1, 2, 10, 1]);
    assert_eq!(passages[0].passage, passage(&pages[0]));
    assert_eq!(store.passages(Some(other)).unwrap(), passages[3..]);
    assert_eq!(store.passage(passages[2].id).unwrap().as_ref(), Some(&passages[2]));

    let example = Change::insert(Some(passages[0].id.0), ReviewState::Accepted, pair("q", "a"));
    let example = store.apply(Edit::new("add", vec![example])).unwrap()[0];
    let accepted = store.accepted().unwrap();
    assert_eq!(accepted[0].1.meta.document.as_deref(), Some("기준.pdf"));
    assert_eq!(accepted[0].1.meta.page, Some(1));
    store.remove_document(id).unwrap();
    assert!(store.remove_document(id).is_err());
    assert_eq!(store.example(example).unwrap().unwrap().passage, None);
    assert!(store.pages(id).unwrap().is_empty());
    assert_eq!(store.passages(None).unwrap(), passages[3..]);
}

#[test]
fn examples_follow_their_quote_into_a_new_version() {
    let (_folder, project) = project();
    let store = project.store();
    let old = [page(1, "옥외 피복두께는 50 mm 이다."), page(2, "지진구역 I."), page(3, "표지")];
    let document = add(store, "기준.pdf", "aa", &old);
    let keys: Vec<i64> = store.passages(None).unwrap().iter().map(|p| p.id.0).collect();
    let quoted = |quote: &str, page: u32| {
        let mut example = pair(quote, "답");
        example.meta.document = Some("기준.pdf".to_owned());
        example.meta.page = Some(page);
        example.meta.quote = Some(quote.to_owned());
        example
    };
    let rows = [
        (Some(keys[0]), quoted("피복두께는 50 mm", 1)),
        (Some(keys[1]), quoted("지진구역 I", 2)),
        (Some(keys[2]), pair("표지에는?", "답")),
        (None, quoted("새로 실린 조항", 9)),
    ];
    let changes = rows.into_iter();
    let changes = changes.map(|(at, row)| Change::insert(at, ReviewState::Draft, row)).collect();
    let ids = store.apply(Edit::new("add", changes)).unwrap();

    let new =
        [page(1, "표지"), page(2, "옥외 피복\n두께는\n50 mm 이다."), page(3, "새로 실린 조항")];
    assert_eq!(add(store, "기준.pdf", "bb", &new), document);
    let after = store.passages(None).unwrap();
    let of = |index: usize| store.example(ids[index]).unwrap().unwrap();
    let moved = of(0);
    assert_eq!(moved.passage, Some(after[1].id));
    assert_eq!(moved.example.meta.page, Some(2));
    assert_eq!(moved.example.meta.span.unwrap().of(&new[1].text), "피복\n두께는\n50 mm");
    assert_eq!(moved.example.meta.quote.as_deref(), Some("피복두께는 50 mm"));
    let gone = of(1);
    assert_eq!((gone.passage, gone.example.meta.quote.as_deref()), (None, Some("지진구역 I")));
    assert_eq!(of(2).passage, Some(after[0].id));
    assert_eq!(of(3).passage, Some(after[2].id));

    // What an undo brings back is attached to the passages of now.
    let delete = ids.iter().map(|id| Change::Delete { key: id.0 }).collect();
    store.apply(Edit::new("delete", delete)).unwrap();
    add(store, "기준.pdf", "cc", &[page(5, "앞말. 피복두께는 50 mm 이다.")]);
    store.undo().unwrap();
    assert_eq!(of(0).passage, Some(store.passages(None).unwrap()[0].id));
    assert_eq!(of(2).passage, None);
}

#[test]
fn settings_runs_evaluations_and_unsent_text_are_kept() {
    let (folder, project) = project();
    let store = project.store();
    assert_eq!(store.setting::<MixSettings>("mix").unwrap(), None);
    let settings = MixSettings { general_share: 0.3, ..MixSettings::default() };
    store.set_setting("mix", &settings).unwrap();
    assert_eq!(store.setting("mix").unwrap(), Some(settings));
    let failure = store.setting::<u32>("mix").unwrap_err();
    assert!(failure.message.contains("setting `mix`"), "{failure}");

    assert_eq!(store.next_run().unwrap(), 1);
    let mut run = RunRecord {
        number: 1,
        model: "smollm2-135m".to_owned(),
        recipe: Recipe::default(),
        started: 1,
        outcome: None,
        step: 3,
        steps: 10,
        loss: Some(2.5),
        validation_loss: None,
        seconds: 1.5,
        tokens: 0,
        general: None,
    };
    store.save_run(&run).unwrap();
    run.outcome = Some(RunOutcome::Failed { reason: "메모리 부족".to_owned() });
    store.save_run(&run).unwrap();
    assert_eq!(store.runs().unwrap(), [run]);
    assert_eq!(store.next_run().unwrap(), 2);
    fs::create_dir(project.run_folder(4)).unwrap();
    assert_eq!(store.next_run().unwrap(), 5);

    let evaluation = Evaluation {
        version: 1,
        model: "m".to_owned(),
        run: Some(1),
        created: 5,
        seconds: 2.0,
        ..Evaluation::default()
    };
    store.save_evaluation(&evaluation).unwrap();
    assert_eq!(store.evaluations().unwrap(), [evaluation]);

    store.save_unsent("answer", "쓰던 글").unwrap();
    let second = Project::reopen(folder.path()).unwrap();
    assert_eq!(second.unsent("answer").unwrap().as_deref(), Some("쓰던 글"));
    second.clear_unsent("answer").unwrap();
    assert_eq!(store.unsent("answer").unwrap(), None);
}

#[test]
fn two_connections_write_in_turns() {
    let (folder, project) = project();
    let at = folder.path().to_owned();
    let thread = std::thread::spawn(move || {
        let store = Project::reopen(&at).unwrap();
        for n in 0..40 {
            insert(&store, &[pair(&format!("draft {n}"), "a")]);
        }
    });
    for n in 0..40 {
        insert(project.store(), &[pair(&format!("typed {n}"), "a")]);
    }
    thread.join().unwrap();
    assert_eq!(project.store().examples().unwrap().len(), 80);
    let mut undone = 0;
    while project.store().undo().unwrap().is_some() {
        undone += 1;
    }
    assert_eq!((undone, project.store().examples().unwrap().len()), (80, 0));
}

fn import(store: &Store, file: &Path, accept: bool) -> crate::failure::Result<Imported> {
    let options = ImportOptions { accept, ..ImportOptions::default() };
    exchange::import(store, file, &options, &mut |_| ControlFlow::Continue(())).map(Option::unwrap)
}

/// Writes everything and tells how many.
fn export(store: &Store, file: &Path) -> crate::failure::Result<usize> {
    exchange::export(store, file, Selection::default(), &mut |_| ControlFlow::Continue(()))
        .map(|exported| exported.unwrap().written)
}

#[test]
fn import_attaches_keeps_states_and_undoes_as_one() {
    let (folder, project) = project();
    let store = project.store();
    add(store, "기준.pdf", "aa", &[page(7, "최소 피복두께는 50 mm 이다.")]);
    let row = |question: &str, meta: &str| {
        format!(
            "{{\"messages\":[{{\"role\":\"user\",\"content\":\"{question}\"}},\
             {{\"role\":\"assistant\",\"content\":\"50 mm\"}}],\"meta\":{{{meta}}}}}\n"
        )
    };
    let text = row("a", r#""document":"기준.pdf","page":7,"quote":"피복두께는  50 mm""#)
        + &row("b", r#""state":"rejected""#)
        + &row("", r#""state":"accepted""#);
    let file = folder.path().join("rows.jsonl");
    fs::write(&file, text).unwrap();
    let imported = import(store, &file, true).unwrap();
    assert_eq!(
        imported.added.into_iter().collect::<Vec<_>>(),
        [("accepted", 1), ("draft", 1), ("rejected", 1)]
    );
    assert_eq!(imported.problems[0].line, 3);
    let examples = store.examples().unwrap();
    assert_eq!(examples[0].passage, Some(store.passages(None).unwrap()[0].id));
    assert_eq!(examples[2].state, ReviewState::Draft);

    let out = folder.path().join("out.jsonl");
    assert_eq!(export(store, &out).unwrap(), 3);
    assert_eq!(
        store.undo().unwrap().map(|done| done.summary).as_deref(),
        Some("imported 3 pairs from rows.jsonl")
    );
    assert!(store.examples().unwrap().is_empty());
    import(store, &out, false).unwrap();
    let again: Vec<_> =
        store.examples().unwrap().into_iter().map(|e| (e.state, e.example)).collect();
    assert_eq!(again, examples.into_iter().map(|e| (e.state, e.example)).collect::<Vec<_>>());

    fs::write(&file, "\n\n").unwrap();
    assert!(import(store, &file, false).unwrap_err().message.contains("empty"));
    let missing = import(store, &folder.path().join("none.jsonl"), false).unwrap_err();
    assert!(missing.message.contains("none.jsonl"), "{missing}");
}

#[test]
fn a_damaged_store_points_to_the_copy() {
    let (folder, project) = project();
    let example = pair("가", &"나".repeat(400));
    insert(project.store(), &vec![example; 300]);
    drop(project);
    drop(Project::open(folder.path()).unwrap());
    let path = folder.path().join("store.sqlite");
    let copy = folder.path().join("store.backup.sqlite");
    let rows: i64 = Connection::open(&copy)
        .unwrap()
        .query_row("SELECT count(*) FROM examples", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 300);
    let mut bytes = fs::read(&path).unwrap();
    for (index, byte) in bytes.iter_mut().enumerate().skip(4096) {
        *byte = index as u8;
    }
    fs::write(&path, bytes).unwrap();
    let broken = Project::open(folder.path()).and_then(|project| project.store().examples());
    let failure = broken.unwrap_err();
    assert!(failure.message.contains("store.sqlite: the store is damaged"), "{failure}");
    assert!(failure.hints[0].contains("store.backup.sqlite"), "{failure:?}");

    fs::write(&path, "not a database at all, only a text of some length......................")
        .unwrap();
    let failure = Project::open(folder.path()).unwrap_err();
    assert!(failure.message.contains("the store is damaged"), "{failure}");
    fs::rename(&copy, &path).unwrap();
    assert_eq!(Project::open(folder.path()).unwrap().store().examples().unwrap().len(), 300);
}

mod exchanged;
#[cfg(unix)]
mod faults;
mod passages;
mod sequences;

#[test]
fn the_text_before_the_last_edit_is_found_after_a_restart() {
    let (folder, project) = project();
    let id = insert(project.store(), &[pair("하나?", "둘")])[0];
    let replace = |answer: &str| {
        let change = Change::Replace { key: id.0, example: pair("하나?", answer) };
        project.store().apply(Edit::new("edit", vec![change])).unwrap();
    };
    assert_eq!(project.store().before_last_edit(id).unwrap(), None);
    replace("셋");
    replace("넷");
    let judged = Edit::set_state("accepted", [id.0], ReviewState::Accepted);
    project.store().apply(judged).unwrap();
    let answer = |store: &Store| {
        store.before_last_edit(id).unwrap().map(|example| example.answer().to_owned())
    };
    let store = Project::reopen(folder.path()).unwrap();
    assert_eq!(answer(&store).as_deref(), Some("셋"));
    project.store().undo().unwrap();
    project.store().undo().unwrap();
    assert_eq!(answer(&store).as_deref(), Some("둘"));
}
