//! Files of pairs are looked at before they are imported, and written in the form asked for.

use std::path::PathBuf;

use super::*;
use crate::failure::Failure;
use crate::job::JobSpec;
use crate::pair::format::Format;
use crate::pair::{Example, Message as Turn, Problem, Role};

fn preview() -> message::PairsPreview {
    let turns = vec![
        Turn::text(Role::User, "사무실의 활하중은?"),
        Turn::text(Role::Assistant, "2.5 kN/m²이다."),
    ];
    message::PairsPreview {
        read_as: "CSV, columns, question=질문, answer=답".to_owned(),
        place: "line",
        rows: vec![(2, Example { messages: turns, ..Example::default() })],
        examined: 40,
        problems: vec![Problem { line: 7, reason: "the answer says nothing".to_owned() }],
    }
}

fn spawned(harness: &Harness) -> Option<&JobSpec> {
    harness.effects.iter().rev().find_map(|effect| match effect {
        Effect::Spawn(_, spec) => Some(spec),
        _ => None,
    })
}

#[test]
fn a_file_is_shown_before_it_is_imported_and_columns_can_be_named() {
    let mut harness = Harness::new(sample(), Korean);
    harness.keys("1ipairs.csv<ret>");
    let path = PathBuf::from("pairs.csv");
    assert_eq!(harness.effects.last(), Some(&Effect::PreviewPairs(path.clone(), String::new())));
    harness.keys("<ret>");
    assert_eq!(spawned(&harness), None, "nothing is imported unseen");
    let refused = Err(Failure::user("several columns may be the question").hint("name it"));
    harness.send(Message::PairsPreviewed(path.clone(), String::new(), refused));
    let text = harness.screen(120, 40);
    assert!(text.contains("several columns may be the question"), "{text}");
    harness.keys("<ret>");
    assert_eq!(spawned(&harness), None);
    harness.keys("question=질문<ret>");
    let mapping = "question=질문".to_owned();
    assert_eq!(harness.effects.last(), Some(&Effect::PreviewPairs(path.clone(), mapping.clone())));
    // What was read by another mapping comes too late.
    harness.send(Message::PairsPreviewed(path.clone(), String::new(), Ok(Box::new(preview()))));
    assert!(!harness.screen(120, 40).contains("활하중은?\n"));
    harness.send(Message::PairsPreviewed(path.clone(), mapping.clone(), Ok(Box::new(preview()))));
    let text = harness.screen(120, 40);
    for expected in ["question=질문, answer=답", "사무실의 활하중은?", "문제 1", "초안으로"]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    harness.keys("<tab><ret>");
    let expected = JobSpec::ImportPairs { path, mapping, accept: true };
    assert_eq!(spawned(&harness), Some(&expected));
}

#[test]
fn pairs_are_exported_in_the_form_that_is_chosen() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("1o");
    let text = harness.screen(120, 40);
    assert!(text.contains("llama-factory") && text.contains("parquet"), "{text}");
    harness.keys("<end>");
    for _ in 0..9 {
        harness.keys("<down>");
    }
    harness.keys("<ret><ret>");
    let expected = JobSpec::ExportPairs { path: "pairs.parquet".into(), format: Format::Parquet };
    assert_eq!(spawned(&harness), Some(&expected));
}

#[test]
fn general_conversation_of_ones_own_is_added_and_taken_away_on_mix() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("3pchat.jsonl<ret>");
    let preview = Ok(Box::new(preview()));
    harness.send(Message::PairsPreviewed("chat.jsonl".into(), String::new(), preview));
    harness.keys("<ret>");
    let expected = JobSpec::AddPool { path: "chat.jsonl".into(), mapping: String::new() };
    assert_eq!(spawned(&harness), Some(&expected));
    let mut project = sample();
    project.rest.pools = vec!["chat".to_owned()];
    harness.send(Message::Loaded(project.read()));
    assert!(harness.screen(120, 40).contains("own pools: chat"), "{}", harness.screen(120, 40));
    harness.keys("P<ret>");
    assert_eq!(harness.effects.last(), Some(&Effect::RemovePool("chat".to_owned())));
}

#[test]
fn a_project_that_is_read_only_keeps_its_pools_and_can_be_checked() {
    let mut project = sample();
    (project.rest.read_only, project.rest.pools) = (true, vec!["chat".to_owned()]);
    let mut harness = Harness::new(project, English);
    harness.keys("3P<ret>");
    let removed = |effect: &Effect| matches!(effect, Effect::RemovePool(_));
    assert!(!harness.effects.iter().any(removed), "{:?}", harness.effects);
    harness.keys("<esc>2C");
    assert!(matches!(spawned(&harness), Some(JobSpec::Check { .. })), "{:?}", harness.effects);
}
