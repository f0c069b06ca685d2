//! The evaluation's items are searched, and what was forgotten is seen at a glance.

use super::*;

fn shown(language: Language) -> Harness {
    let mut harness = Harness::new(sample(), language);
    harness.keys("5");
    harness
}

#[test]
fn the_panel_tells_what_fell_and_what_to_change() {
    for (language, words) in [
        (English, ["target: parameters", "▼▼", "general share of 10-20 %", "cannot tell"]),
        (Korean, ["목표: 호출 전체", "▼▼", "일반 대화의 비율", "알 수 없음"]),
    ] {
        let mut harness = shown(language);
        harness.keys("g");
        for (width, height) in [(120, 40), (80, 24)] {
            let text = harness.screen(width, height);
            for word in words {
                assert!(text.contains(word), "{word} at {width}x{height}:\n{text}");
            }
        }
        harness.keys("<esc>");
        assert!(!harness.screen(120, 40).contains(words[2]));
    }
}

#[test]
fn what_is_no_text_is_said_in_the_language_of_the_screen() {
    for (language, none, any, base) in [
        (English, "no call", "any call", "base: "),
        (Korean, "호출 없음", "아무 호출이나", "기본: "),
    ] {
        let mut project = sample();
        let items = &mut project.rest.evaluations[0].suites[0].items;
        items[0].expected = crate::evaluate::NO_CALL.to_owned();
        items[1].expected = crate::evaluate::ANY_CALL.to_owned();
        items[0].question = "{1} is no placeholder".to_owned();
        let mut harness = Harness::new(project, language);
        harness.keys("5<ret>");
        assert!(harness.screen(120, 40).contains(none), "{}", harness.screen(120, 40));
        harness.keys("y");
        let Some(Effect::Copy(copied)) = harness.effects.last() else { panic!("nothing copied") };
        assert!(copied.contains("{1} is no placeholder\n") && copied.contains(none), "{copied}");
        assert!(copied.contains(base), "{copied}");
        harness.keys("<down>");
        assert!(harness.screen(120, 40).contains(any), "{}", harness.screen(120, 40));
        harness.keys("/");
        harness.keys(none);
        harness.keys("<ret>");
        let text = harness.screen(120, 40);
        assert!(text.contains("no placeholder") && !text.contains("지금 서울은"), "{text}");
    }
}

#[test]
fn a_pair_of_an_item_teaches_a_right_answer_and_never_the_words_no_call() {
    let mut project = sample();
    for item in &mut project.rest.evaluations[0].suites[0].items {
        item.expected = crate::evaluate::NO_CALL.to_owned();
    }
    let mut harness = Harness::new(project, English);
    harness.keys("5<ret>");
    let before = harness.world.snapshot.examples.len();
    // The tuned answer of the first item is right; nobody is right on the last.
    harness.keys("t");
    assert_eq!(harness.world.snapshot.examples.len(), before + 1);
    let answer =
        harness.world.snapshot.examples.last().unwrap().example.messages[1].content.clone();
    assert!(answer.contains("tool_call") && !answer.contains("no call"), "{answer}");
    harness.keys("<down><down>t");
    assert_eq!(harness.world.snapshot.examples.len(), before + 1);
    assert!(harness.screen(120, 40).contains("no answer was right"), "{}", harness.screen(120, 40));
}

#[test]
fn items_are_found_by_words_and_initial_consonants() {
    let mut harness = shown(Korean);
    harness.keys("<ret>");
    assert!(harness.screen(120, 40).contains("Weather in Seoul"));
    harness.keys("/");
    harness.keys("ㅅㅇ ㄴㅆ");
    harness.keys("<ret>");
    let text = harness.screen(120, 40);
    assert!(text.contains("서울 날씨") && !text.contains("Weather in Seoul"), "{text}");
    // An empty search lists everything again.
    harness.keys("/");
    for _ in 0..8 {
        harness.keys("<back>");
    }
    harness.keys("<ret>");
    assert!(harness.screen(120, 40).contains("Weather in Seoul"));
}

#[test]
fn a_metric_that_is_only_read_leniently_has_its_name() {
    for (language, name, form) in [(English, "accuracy", "lenient"), (Korean, "정답", "관대")] {
        let mut project = sample();
        let suite = &mut project.rest.evaluations[0].suites[0];
        suite.metrics.truncate(2);
        assert!(suite.metrics[1].form == crate::evaluate::Form::Lenient);
        let mut alone = suite.metrics[1].clone();
        alone.metric = crate::evaluate::Metric::Accuracy;
        suite.metrics.push(alone);
        let mut harness = Harness::new(project, language);
        harness.keys("5");
        let text = harness.screen(120, 40);
        assert!(text.contains(name), "{text}");
        assert_eq!(text.matches(form).count(), 1, "the second reading of the first metric: {text}");
    }
}
