//! What the checks found is worked through as a list.

use std::sync::Arc;

use super::*;
use crate::job::checking::{CheckReport, Checked};
use crate::job::{JobEvent, JobOutcome, JobSpec, Told};
use crate::pair::checks::{Detail, Finding, Kind, Severity, content_hash};
use crate::project::Dismissal;

/// The sample, checked: the first pair may repeat another, the second says a figure that is not there.
fn checked(language: Language) -> Harness {
    let mut harness = Harness::new(sample(), language);
    harness.keys("2C");
    let Some(Effect::Spawn(id, JobSpec::Check { .. })) = harness.effects.last().cloned() else {
        panic!("{:?}", harness.effects)
    };
    let finding = |kind, detail| Finding::new(kind, Severity::Warning, detail);
    let found = [
        (1, finding(Kind::NearDuplicate, Detail::Pair(3))),
        (2, finding(Kind::NumberNotInQuote, Detail::Text("1.5 kN/m²".to_owned()))),
    ];
    let found = found.map(|(key, finding)| {
        let stored = &harness.world.examples(&[ExampleId(key)])[0];
        Checked {
            id: ExampleId(key),
            content_hash: content_hash(&stored.example),
            findings: vec![finding],
            dismissed: Vec::new(),
        }
    });
    let report = CheckReport { pairs: 4, found: found.to_vec() };
    harness.send(Message::Job(id, JobEvent::Checked(Arc::new(report))));
    harness.send(Message::Job(id, JobEvent::Ended(JobOutcome::Finished(Told::Nothing))));
    harness
}

fn listed(harness: &mut Harness) -> usize {
    let text = harness.screen(120, 40);
    ["창고의 유효건물중량에는", "평지붕적설하중의 몇", "조경하중은 얼마"]
        .iter()
        .filter(|question| {
            text.lines().any(|line| line.split('│').next().unwrap().contains(*question))
        })
        .count()
}

#[test]
fn kinds_are_offered_with_counts_and_list_their_pairs() {
    let mut harness = checked(Korean);
    let text = harness.screen(120, 40);
    for expected in
        ["점검에서 나온 것", "모두", "2개 (본 문답 4개 중)", "유사", "수치", "다시 점검"]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    harness.keys("<down><ret>");
    assert_eq!(listed(&mut harness), 1, "{}", harness.screen(120, 40));
    assert!(harness.screen(120, 40).contains("인용문에 없습니다"), "{}", harness.screen(120, 40));
    // Another kind takes the place of the first in the search line.
    harness.keys("C<down><down><ret>");
    let text = harness.screen(120, 40);
    assert!(text.contains("점검:유사") && !text.contains("점검:수치"), "{text}");
}

#[test]
fn what_is_no_problem_leaves_the_list_and_undo_brings_it_back() {
    let mut harness = checked(English);
    harness.keys("<ret>");
    assert_eq!(listed(&mut harness), 2);
    harness.keys("I");
    assert_eq!(listed(&mut harness), 1);
    let Some(Effect::Dismiss(dismissals, _)) = harness.effects.last() else {
        panic!("{:?}", harness.effects)
    };
    assert_eq!((dismissals[0].example, dismissals[0].kind), (ExampleId(1), Kind::NearDuplicate));
    harness.send(Message::Undone(Some(("x".to_owned(), snapshot::Changes::Judged(Vec::new())))));
    assert_eq!(listed(&mut harness), 2);
    // A dismissal of other content does not count.
    let void = Dismissal { content_hash: "0".to_owned(), ..dismissals_of(&harness)[0].clone() };
    harness.send(Message::Undone(Some(("x".to_owned(), snapshot::Changes::Judged(vec![void])))));
    assert_eq!(listed(&mut harness), 2);
}

fn dismissals_of(harness: &Harness) -> Vec<Dismissal> {
    let dismissal = |effect: &Effect| match effect {
        Effect::Dismiss(dismissals, _) => dismissals.clone(),
        _ => Vec::new(),
    };
    harness.effects.iter().flat_map(dismissal).collect()
}

#[test]
fn a_pair_that_is_mended_or_rejected_leaves_the_list_and_comes_back_with_undo() {
    let mut harness = checked(English);
    harness.keys("<ret>r");
    assert_eq!(listed(&mut harness), 1, "rejected is settled");
    harness.keys("u");
    assert_eq!(listed(&mut harness), 2);
    // The second pair says only what its quote says.
    harness.keys("<end>e<tab>");
    for _ in 0..60 {
        harness.keys("<back>");
    }
    harness.keys("20 %를 포함한다.<c-s>");
    assert_eq!(listed(&mut harness), 1, "{}", harness.screen(120, 40));
    // Accepting does not change what a pair says: what was found stays.
    harness.keys("<home>a");
    assert_eq!(listed(&mut harness), 1);
}

#[test]
fn what_the_base_makes_of_a_pair_is_shown_and_measured_on_request() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("2L");
    let Some(Effect::Spawn(_, JobSpec::Measure { loss, known, .. })) = harness.effects.last()
    else {
        panic!("{:?}", harness.effects)
    };
    assert!(*loss && !*known);
}

#[test]
fn what_was_dismissed_before_stays_so_before_the_next_check() {
    let mut project = sample();
    let second = &mut project.examples[1];
    second.example.messages[1].content = "99 MPa다.".to_owned();
    let dismissal = Dismissal {
        example: second.id,
        kind: Kind::NumberNotInQuote,
        content_hash: content_hash(&second.example),
    };
    let mut harness = Harness::new(project.clone(), English);
    harness.keys("2<down>");
    let told = "\"99 MPa\" in the answer";
    assert!(harness.screen(120, 40).contains(told), "{}", harness.screen(120, 40));
    project.rest.dismissals = vec![dismissal];
    let mut harness = Harness::new(project, English);
    harness.keys("2<down>");
    assert!(!harness.screen(120, 40).contains(told), "{}", harness.screen(120, 40));
}
