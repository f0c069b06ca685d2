//! Edits of passages, and new versions of documents.

use super::super::*;
use super::{add, page, pair, project};
use crate::document::{DiffKind, Passage, PassageSettings, split};
use crate::failure::Result;
use crate::pair::{Change, Edit, Example, ReviewState};
use crate::text::Span;

const TEXT: &str = "첫 문장은 하중이다. 둘째 문장은 지진이다.";

/// A project with one passage and two examples about it, of its first and its second sentence.
fn with_examples() -> (tempfile::TempDir, Project, PassageId, [ExampleId; 2]) {
    let (folder, project) = project();
    let store = project.store();
    add(store, "기준.pdf", "a", &[page(1, TEXT), page(2, "둘째 쪽이다.")]);
    let id = store.passages(None).unwrap()[0].id;
    let about = |start: usize, end: usize| {
        let mut example = pair("무엇?", "답");
        let span = Span { start, end };
        example.meta.document = Some("기준.pdf".to_owned());
        example.meta.page = Some(1);
        example.meta.span = Some(span);
        example.meta.quote = Some(span.of(TEXT).to_owned());
        example
    };
    let insert = |example: Example| Change::insert(Some(id.0), ReviewState::Accepted, example);
    // Pairs of other programs have a quote without its place.
    let mut by_quote = about(12, 17);
    by_quote.meta.span = None;
    let edit = Edit::new("둘", vec![insert(about(0, 4)), insert(by_quote)]);
    let ids = store.apply(edit).unwrap();
    (folder, project, id, [ids[0], ids[1]])
}

fn texts(store: &Store) -> Vec<String> {
    store.passages(None).unwrap().into_iter().map(|record| record.passage.text).collect()
}

fn passage_of(store: &Store, id: ExampleId) -> Option<PassageId> {
    store.example(id).unwrap().unwrap().passage
}

#[test]
fn a_split_takes_examples_along_and_is_undone() {
    let (_folder, project, id, [first, second]) = with_examples();
    let store = project.store();
    let before = store.passages(None).unwrap();
    let new = store.split_passage(id, 11, "나눔").unwrap();
    assert_eq!(texts(store), ["첫 문장은 하중이다.", "둘째 문장은 지진이다.", "둘째 쪽이다."]);
    assert_eq!(passage_of(store, first), Some(id));
    assert_eq!(passage_of(store, second), Some(new));
    assert_eq!(store.undo().unwrap().map(|done| done.summary).as_deref(), Some("나눔"));
    assert_eq!(store.passages(None).unwrap(), before);
    assert_eq!(passage_of(store, second), Some(id));
    assert_eq!(store.redo().unwrap().map(|done| done.summary).as_deref(), Some("나눔"));
    assert_eq!(passage_of(store, second), Some(new));
    assert!(store.split_passage(id, 0, "").is_err());
    assert!(store.split_passage(PassageId(99), 3, "").is_err());
}

#[test]
fn a_merge_takes_examples_along_and_is_undone_in_one_list_with_examples() {
    let (_folder, project, id, [_, second]) = with_examples();
    let store = project.store();
    let new = store.split_passage(id, 11, "나눔").unwrap();
    let apart = store.passages(None).unwrap();
    store.apply(Edit::set_state("거절", [second.0], ReviewState::Rejected)).unwrap();
    store.merge_passage(id, "합침").unwrap();
    assert_eq!(texts(store), [TEXT, "둘째 쪽이다."]);
    assert_eq!(passage_of(store, second), Some(id));
    let undone: Vec<_> =
        std::iter::from_fn(|| store.undo().unwrap()).map(|done| done.summary).take(2).collect();
    assert_eq!(undone, ["합침", "거절"]);
    assert_eq!(store.passages(None).unwrap(), apart);
    assert_eq!(passage_of(store, second), Some(new));
    assert_eq!(store.undo().unwrap().map(|done| done.summary).as_deref(), Some("나눔"));
    // The next passage is on another page.
    let failure = store.merge_passage(id, "").unwrap_err();
    assert!(failure.message.contains("no passage after"), "{failure}");
}

#[test]
fn bounds_and_leaving_out_are_undone() {
    let (_folder, project, id, _) = with_examples();
    let store = project.store();
    store.set_passage_bounds(id, Span { start: 2, end: 11 }, "경계").unwrap();
    store.exclude_passages(&[id], true, "제외").unwrap();
    let record = store.passage(id).unwrap().unwrap();
    assert_eq!((record.passage.text.as_str(), record.excluded), ("문장은 하중이다.", true));
    // Nothing changes, so there is nothing to undo.
    store.exclude_passages(&[id], true, "다시").unwrap();
    assert_eq!(store.undo().unwrap().map(|done| done.summary).as_deref(), Some("제외"));
    assert_eq!(store.undo().unwrap().map(|done| done.summary).as_deref(), Some("경계"));
    let record = store.passage(id).unwrap().unwrap();
    assert_eq!((record.passage.text.as_str(), record.excluded), (TEXT, false));
}

#[test]
fn edits_of_passages_that_were_replaced_are_passed_over() {
    let (_folder, project, id, [first, _]) = with_examples();
    let store = project.store();
    store.split_passage(id, 11, "나눔").unwrap();
    store.merge_passage(id, "합침").unwrap();
    add(store, "기준.pdf", "b", &[page(1, "첫 문장은 하중이다.")]);
    let now = store.passages(None).unwrap();
    for summary in ["합침", "나눔", "둘"] {
        assert_eq!(store.undo().unwrap().map(|done| done.summary).as_deref(), Some(summary));
        assert_eq!(store.passages(None).unwrap(), now);
    }
    for _ in 0..3 {
        store.redo().unwrap().unwrap();
        assert_eq!(store.passages(None).unwrap(), now);
    }
    assert_eq!(passage_of(store, first), Some(now[0].id));
}

fn import(store: &Store, sha256: &str, text: &str) -> Result<Imported> {
    let pages = [page(1, text)];
    let settings = PassageSettings { tokens: 14, overlap: 0 };
    let mut words = |text: &str| text.split_whitespace().count();
    let passages: Vec<Passage> = split(&pages, &mut words, &settings);
    store.import_document("기준.pdf", sha256, &pages, &passages, false)
}

#[test]
fn a_new_version_tells_what_changed_and_keeps_examples() {
    let (_folder, project) = project();
    let store = project.store();
    let clause = |number: u32, text: &str| {
        format!("## 제{number}조\n\n{text} 가 나 다 라 마 바 사 아 자.\n\n")
    };
    let old = clause(1, "목적은 같다") + &clause(2, "하중은 2.5이다") + &clause(3, "없어질 것이다");
    let added = import(store, "a", &old).unwrap();
    assert_eq!(added.kind, ImportKind::New);
    assert_eq!(store.document_changes(added.id).unwrap(), None);
    let before = store.passages(None).unwrap();
    assert_eq!(before.len(), 3, "{before:#?}");
    store.exclude_passages(&[before[0].id], true, "제외").unwrap();
    let mut quoted = pair("하중은?", "2.5");
    quoted.meta.document = Some("기준.pdf".to_owned());
    quoted.meta.quote = Some("하중은 2.5이다".to_owned());
    let changes = [(1, pair("인용 없음", "x")), (1, quoted), (2, pair("없어짐", "x"))];
    let changes = changes
        .map(|(at, example)| Change::insert(Some(before[at].id.0), ReviewState::Accepted, example));
    let ids = store.apply(Edit::new("셋", changes.to_vec())).unwrap();

    assert_eq!(import(store, "a", &old).unwrap().kind, ImportKind::Same);
    let new = clause(1, "목적은 같다")
        + &clause(2, "하중은 3.0이다")
        + "## 제4조\n\n전혀 새로운 조항으로 앞의 어느 것과도 다르게 쓰인 긴 글이다 이렇게.\n";
    let replaced = import(store, "b", &new).unwrap();
    let after = store.passages(None).unwrap();
    let changes = &replaced.changes;
    assert_eq!(replaced.kind, ImportKind::Replaced);
    assert_eq!((changes.unchanged, changes.changed.len()), (1, 1), "{changes:#?}");
    assert_eq!((changes.new.len(), changes.gone.len()), (1, 1), "{changes:#?}");
    assert_eq!((changes.pairs_kept, changes.pairs_lost), (1, 2));
    assert_eq!(changes.changed[0].passage, after[1].id);
    let removed = changes.changed[0].diff.iter().find(|part| part.kind == DiffKind::Removed);
    assert_eq!(removed.unwrap().text, "2.5이다");
    assert_eq!(passage_of(store, ids[0]), Some(after[1].id));
    assert_eq!(passage_of(store, ids[1]), None);
    assert!(after[0].excluded && !after[1].excluded);
    assert_eq!(store.document_changes(replaced.id).unwrap().as_ref(), Some(changes));
}

#[test]
fn the_same_file_with_other_text_is_a_new_version() {
    let (_folder, project) = project();
    let store = project.store();
    import(store, "a", "").unwrap();
    let read = import(store, "a", "글자 인식으로 읽은 글이다.").unwrap();
    assert_eq!((read.kind, read.changes.new.len()), (ImportKind::Replaced, 1));
    assert_eq!(store.documents().unwrap().len(), 1);
    // Read again where recognition is not installed: the text is not lost.
    let mut blank = page(1, "");
    blank.flags.push(crate::document::PageFlag::NeedsOcr);
    let kept = store.import_document("기준.pdf", "a", &[blank], &[], false).unwrap();
    assert_eq!(kept.kind, ImportKind::Same);
    assert_eq!(store.passages(None).unwrap().len(), 1);
}
