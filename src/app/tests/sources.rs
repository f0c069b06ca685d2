//! Passages are cut, merged and left out where they are read.

use super::*;
use crate::document::{DiffKind, DiffPart, PassageSettings};
use crate::job::JobSpec;
use crate::project::{ChangedPassage, DocumentChanges, PassageEdit};
use crate::text::Span;

fn edits(harness: &Harness) -> Vec<PassageEdit> {
    let edit = |effect: &Effect| match effect {
        Effect::EditPassage(edit, _) => Some(edit.clone()),
        _ => None,
    };
    harness.effects.iter().filter_map(edit).collect()
}

#[test]
fn a_passage_is_cut_at_the_sentence_that_is_selected() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("1s");
    assert!(edits(&harness).is_empty(), "sentences are chosen in the text column");
    harness.keys("<tab><tab>s");
    assert!(edits(&harness).is_empty(), "nothing stands before the first sentence");
    harness.keys("<down>s");
    let passage = &harness.world.snapshot.passages[0];
    let (id, span) = (passage.id, passage.passage.span);
    let sentences = crate::document::sentence_spans(&passage.passage.text);
    assert_eq!(sentences.len(), 2);
    let second = span.start + sentences[1].start;
    assert_eq!(edits(&harness), [PassageEdit::Split(id, second)]);
    harness.keys("b<up>e");
    let last = span.start + sentences[0].end;
    assert_eq!(
        edits(&harness)[1..],
        [
            PassageEdit::Bounds(id, Span { start: second, end: span.end }),
            PassageEdit::Bounds(id, Span { start: span.start, end: last }),
        ]
    );
}

#[test]
fn passages_are_merged_and_left_out_and_the_next_one_follows() {
    let mut harness = Harness::new(sample(), Korean);
    harness.keys("1<tab>J r ");
    let ids: Vec<_> = harness.world.snapshot.passages.iter().map(|record| record.id).collect();
    assert_eq!(
        edits(&harness),
        [
            PassageEdit::Merge(ids[0]),
            PassageEdit::Exclude(vec![ids[0]], true),
            PassageEdit::Exclude(vec![ids[1]], true),
            PassageEdit::Exclude(vec![ids[2]], true),
        ],
        "Space leaves out as r does"
    );
}

#[test]
fn passages_left_out_count_for_nothing() {
    let mut project = sample();
    let mut harness = Harness::new(project.clone(), English);
    let before = harness.app.data.summary.clone();
    project.rest.passages[0].excluded = true;
    harness.send(Message::Loaded(project.read()));
    let after = &harness.app.data.summary;
    assert_eq!(after.pages_with_text, before.pages_with_text - 1);
    harness.keys("1<tab><tab>");
    assert!(harness.screen(120, 40).contains("left out of drafting"));
    harness.keys("2c");
    assert!(!harness.screen(120, 40).contains("0101.1"), "the map has no row for it");
}

#[test]
fn what_a_new_version_changed_is_told_in_words() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("1w");
    assert!(matches!(harness.effects.last(), Some(Effect::ReadChanges(_))));
    let record = harness.world.snapshot.passages[1].clone();
    let part = |kind, text: &str| DiffPart { kind, text: text.to_owned() };
    let changes = DocumentChanges {
        unchanged: 2,
        changed: vec![ChangedPassage {
            passage: record.id,
            was: record.passage.clone(),
            diff: vec![
                part(DiffKind::Same, "최소 "),
                part(DiffKind::Removed, "25"),
                part(DiffKind::Added, "30"),
                part(DiffKind::Same, " %"),
            ],
        }],
        gone: vec![record.passage],
        pairs_kept: 4,
        pairs_lost: 1,
        ..DocumentChanges::default()
    };
    harness.send(Message::ChangesRead(Some(Box::new(changes))));
    let text = harness.screen(120, 40);
    assert!(text.contains("2 unchanged · 1 changed · 0 new · 1 gone"), "{text}");
    assert!(text.contains("최소 [-25-]{+30+} %"), "{text}");
    harness.keys("<esc>");
    harness.send(Message::ChangesRead(None));
    assert!(harness.screen(120, 40).contains("only one version"));
}

#[test]
fn a_document_is_split_into_passages_of_another_length() {
    let mut harness = Harness::new(sample(), Korean);
    harness.keys("1t");
    assert!(harness.screen(80, 24).contains("400 0"), "{}", harness.screen(80, 24));
    harness.keys("<back><back>");
    harness.keys("<back><back><back>many<ret>");
    assert!(harness.screen(80, 24).contains("숫자"), "{}", harness.screen(80, 24));
    harness.keys("t");
    for _ in 0..5 {
        harness.keys("<back>");
    }
    harness.keys("200 500<ret>");
    let document = harness.world.snapshot.documents[0].id;
    let passages = PassageSettings { tokens: 200, overlap: 100 };
    let split = JobSpec::SplitDocument { document, passages };
    assert!(
        harness
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Spawn(_, spec) if *spec == split)),
        "{:?}",
        harness.effects
    );
}
