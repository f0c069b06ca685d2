//! Import and export of files, and how an import is taken back.

use std::fs;
use std::ops::ControlFlow;

use rusqlite::Connection;
use serde_json::json;

use super::super::exchange::{self, ImportOptions, Selection};
use super::super::pair_file::ReadAs;
use super::super::{Project, Store};
use super::{import, insert, pair, project};
use crate::pair::duplicates::Original;
use crate::pair::format::Format;
use crate::pair::{Change, Edit, ReviewState};
use crate::progress::Progress;

fn lines(from: usize, to: usize) -> String {
    let row = |n: usize| {
        json!({"messages": [{"role": "user", "content": format!("질문 {n}?")},
            {"role": "assistant", "content": format!("답 {n}")}]})
    };
    (from..to).map(|n| row(n).to_string() + "\n").collect()
}

fn keys(store: &Store) -> Vec<i64> {
    store.examples().unwrap().iter().map(|stored| stored.id.0).collect()
}

fn edit_sizes(folder: &std::path::Path) -> Vec<i64> {
    let connection = Connection::open(folder.join("store.sqlite")).unwrap();
    let mut statement = connection
        .prepare("SELECT length(forward) + length(backward) FROM edits ORDER BY position")
        .unwrap();
    let sizes = statement.query_map([], |row| row.get(0)).unwrap();
    sizes.collect::<Result<_, _>>().unwrap()
}

#[test]
fn an_import_is_undone_and_redone_among_other_edits() {
    let (folder, project) = project();
    let store = project.store();
    let first = insert(store, &[pair("먼저?", "예")])[0].0;
    let file = folder.path().join("rows.jsonl");
    fs::write(&file, lines(0, 5000)).unwrap();
    let imported = import(store, &file, true).unwrap();
    assert_eq!((imported.total(), imported.read_as.as_str()), (5000, "JSON Lines, messages"));
    assert!(edit_sizes(folder.path())[1] < 100, "{:?}", edit_sizes(folder.path()));
    let all = keys(store);
    assert_eq!(all.len(), 5001);
    let edit = Edit::new(
        "changed",
        vec![
            Change::Delete { key: all[7] },
            Change::Replace { key: all[8], example: pair("여덟?", "8") },
            Change::SetState { key: all[9], state: ReviewState::Rejected },
        ],
    );
    store.apply(edit).unwrap();
    let after = store.examples().unwrap();
    assert_eq!(store.undo().unwrap().map(|done| done.summary).as_deref(), Some("changed"));
    assert_eq!(
        store.undo().unwrap().map(|done| done.summary).as_deref(),
        Some("imported 5000 pairs from rows.jsonl")
    );
    assert_eq!(keys(store), [first]);
    assert!(store.redo().unwrap().is_some() && store.redo().unwrap().is_some());
    assert_eq!(store.examples().unwrap(), after);

    // What is undone and overtaken by another edit is gone for good, with its rows.
    store.undo().unwrap();
    store.undo().unwrap();
    insert(store, &[pair("나중?", "예")]);
    assert_eq!(store.redo().unwrap(), None);
    let connection = Connection::open(folder.path().join("store.sqlite")).unwrap();
    let shelved: i64 =
        connection.query_row("SELECT count(*) FROM shelved", [], |row| row.get(0)).unwrap();
    assert_eq!(shelved, 0);
    import(store, &file, true).unwrap();
    assert_eq!(keys(store).len(), 5002);
}

#[test]
fn a_passage_that_is_gone_is_found_again_when_an_import_is_redone() {
    let (folder, project) = project();
    let store = project.store();
    let text = "최소 피복두께는 50 mm 이다.";
    super::add(store, "기준.pdf", "aa", &[super::page(7, text)]);
    let row = json!({"messages": [{"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"}],
        "meta": {"document": "기준.pdf", "page": 7, "quote": "피복두께는 50 mm"}});
    let file = folder.path().join("rows.jsonl");
    fs::write(&file, row.to_string()).unwrap();
    import(store, &file, true).unwrap();
    let passage = store.examples().unwrap()[0].passage;
    assert!(passage.is_some());
    store.undo().unwrap();
    super::add(store, "기준.pdf", "bb", &[super::page(9, &format!("새 판. {text}"))]);
    store.redo().unwrap();
    let again = store.examples().unwrap()[0].passage;
    assert!(again.is_some() && again != passage, "{again:?}");
}

#[test]
fn a_stopped_import_leaves_nothing() {
    let (folder, project) = project();
    let store = project.store();
    insert(store, &[pair("먼저?", "예")]);
    let file = folder.path().join("rows.jsonl");
    fs::write(&file, lines(0, 9000)).unwrap();
    for stage in ["compare", "read", "store"] {
        let mut stop = |progress: Progress| {
            if progress.stage == stage { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = ImportOptions::default();
        assert_eq!(exchange::import(store, &file, &options, &mut stop).unwrap(), None, "{stage}");
        assert_eq!(keys(store).len(), 1, "{stage}");
        let out = folder.path().join("out.jsonl");
        fs::write(&out, "old").unwrap();
        let selection = Selection::default();
        let mut stop = |_| ControlFlow::Break(());
        assert_eq!(exchange::export(store, &out, selection, &mut stop).unwrap(), None);
        assert_eq!(fs::read_to_string(&out).unwrap(), "old");
    }
    assert_eq!(edit_sizes(folder.path()).len(), 1);
    assert_eq!(import(store, &file, false).unwrap().total(), 9000);
}

#[test]
fn every_format_goes_through_a_file_into_another_project() {
    let (folder, project) = project();
    let store = project.store();
    let file = folder.path().join("rows.jsonl");
    fs::write(&file, lines(0, 3000)).unwrap();
    import(store, &file, true).unwrap();
    for format in Format::ALL {
        let out = folder.path().join(format!("{}.{}", format.name(), format.extension()));
        let selection = Selection { state: Some(ReviewState::Accepted), format };
        let mut on = |_| ControlFlow::Continue(());
        let exported = exchange::export(store, &out, selection, &mut on).unwrap().unwrap();
        assert_eq!(exported.written, 3000, "{}", format.name());
        let other = folder.path().join(format.name());
        let other = Project::create(&other, "다른").unwrap();
        let imported = import(other.store(), &out, true).unwrap();
        assert_eq!((imported.total(), imported.faults), (3000, 0), "{}", format.name());
        let found = other.store().examples().unwrap();
        let wanted = store.examples().unwrap();
        for (found, wanted) in found.iter().zip(&wanted) {
            assert_eq!(found.example.messages, wanted.example.messages, "{}", format.name());
        }
        // The same rows again, in whatever form, are the same pairs.
        let again = import(store, &out, true).unwrap();
        assert_eq!((again.total(), again.repeated), (0, 3000), "{}", format.name());
        assert_eq!(again.duplicates[0].of, Original::Stored(1), "{}", format.name());
    }
}

#[test]
fn pools_are_added_drawn_from_and_taken_away() {
    let (folder, project) = project();
    let store = project.store();
    let table = folder.path().join("chat.csv");
    fs::write(&table, "Q,A,label\n안녕,반가워요.,0\n뭐해,,1\n잘가,또 만나요.,2\n").unwrap();
    let mut on = |_| ControlFlow::Continue(());
    let added = store.add_pool(&table, &ReadAs::default(), &mut on).unwrap().unwrap();
    assert_eq!((added.name.as_str(), added.rows, added.faults), ("chat", 2, 1));
    assert_eq!(added.problems[0].line, 3);
    let rows = store.pool_rows(1).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[1].question(), rows[1].meta.id.as_deref()), ("잘가", Some("chat-2")));

    let many = folder.path().join("many.jsonl");
    fs::write(&many, lines(0, 20_500)).unwrap();
    store.add_pool(&many, &ReadAs::default(), &mut on).unwrap().unwrap();
    assert_eq!(store.pool_names().unwrap(), ["chat", "many"]);
    let (one, two) = (store.pool_rows(1).unwrap(), store.pool_rows(2).unwrap());
    assert_eq!((one.len(), two.len()), (20_002, 20_002));
    assert_eq!(one, store.pool_rows(1).unwrap());
    assert_ne!(one, two);

    let broken = folder.path().join("chat.jsonl");
    fs::write(&broken, r#"{"messages":[]}"#).unwrap();
    assert!(store.add_pool(&broken, &ReadAs::default(), &mut on).is_err());
    assert_eq!(store.pool_rows(1).unwrap().len(), 20_002, "the old pool stays");
    store.remove_pool("many").unwrap();
    let missing = store.remove_pool("many").unwrap_err();
    assert!(missing.hints[0].contains("chat"), "{missing:?}");
}

#[test]
fn edits_of_older_versions_are_still_undone() {
    let (folder, project) = project();
    let id = insert(project.store(), &[pair("a", "b")])[0].0;
    drop(project);
    // An import as it was recorded before rows were named by their keys.
    let connection = Connection::open(folder.path().join("store.sqlite")).unwrap();
    let insert = json!([{"change": "insert", "key": id, "passage": null, "state": "draft",
        "example": pair("a", "b")}]);
    let delete = json!([{"change": "delete", "key": id}]);
    connection
        .execute(
            "UPDATE edits SET forward = ?1, backward = ?2",
            [insert.to_string(), delete.to_string()],
        )
        .unwrap();
    connection.execute_batch("DROP TABLE shelved; PRAGMA user_version = 3").unwrap();
    drop(connection);
    let project = Project::open(folder.path()).unwrap();
    assert!(project.store().undo().unwrap().is_some());
    assert!(keys(project.store()).is_empty());
    assert!(project.store().redo().unwrap().is_some());
    assert_eq!(keys(project.store()), [id]);
}
