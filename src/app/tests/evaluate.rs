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
