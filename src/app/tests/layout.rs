//! How screens are drawn, at every size and in both languages.

use proptest::prelude::*;

use super::*;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (60, 16)];

fn name(language: Language) -> &'static str {
    language.code()
}

/// Snapshots live beside the code, one file a screen, size and language.
pub(super) fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn every_screen_at_every_breakpoint_in_both_languages() {
    for language in [Korean, English] {
        for (index, screen) in SCREENS.into_iter().enumerate() {
            let mut harness = Harness::new(sample(), language);
            harness.keys(&index.to_string());
            assert_eq!(harness.app.screen(), screen);
            for (columns, rows) in SIZES {
                let text = harness.screen(columns, rows);
                let file = format!("{screen:?}-{columns}x{rows}-{}", name(language)).to_lowercase();
                snapshot(&file, &text);
            }
        }
    }
}

#[test]
fn an_empty_project_says_what_to_press_on_every_screen() {
    let mut out = String::new();
    for language in [Korean, English] {
        let mut harness = Harness::new(Project::default(), language);
        for index in 0..SCREENS.len() {
            harness.keys(&index.to_string());
            out.push_str(&harness.screen(80, 24));
        }
    }
    snapshot("empty-80x24", &out);
}

#[test]
fn overlays_and_details() {
    for language in [Korean, English] {
        for (title, keys) in [
            ("help", "2?"),
            ("palette", "2:ㅎㅅ"),
            ("confirm", "1d"),
            ("choose-model", "4m"),
            ("prompt", "1a"),
            ("editing", "2<tab>e"),
            ("items", "5<ret>"),
            ("item", "5<ret><tab>"),
            ("pair", "2<tab>"),
            ("search", "2/ㅊㄱ"),
        ] {
            let mut harness = Harness::new(sample(), language);
            harness.keys(keys);
            snapshot(&format!("{title}-80x24-{}", name(language)), &harness.screen(80, 24));
        }
    }
}

#[test]
fn a_terminal_too_small_says_so_and_keeps_the_state() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("2<down>");
    let before = harness.screen(80, 24);
    assert_eq!(harness.screen(52, 14).lines().next(), Some("needs 60x16, now 52x14"));
    assert_eq!(harness.screen(80, 24), before);
}

#[test]
fn overlays_over_hangul_keep_their_borders() {
    // Odd and even widths, so that the left edge falls on both halves of wide glyphs.
    for columns in 60..100 {
        let mut harness = Harness::new(sample(), Korean);
        harness.keys("2<tab>:");
        let text = harness.screen(columns, 24);
        let rows: Vec<_> = text.lines().filter(|line| line.contains('│')).collect();
        let framed = text.lines().skip_while(|line| !line.contains('╭')).skip(1);
        let framed: Vec<_> = framed.take_while(|line| !line.contains('╰')).collect();
        assert!(framed.len() > 10 && !rows.is_empty());
        let edge = |line: &str| {
            let at = line.find('│').unwrap_or_default();
            crate::text::width(&line[..at])
        };
        let left = text.lines().find(|line| line.contains('╭')).unwrap();
        let left = crate::text::width(&left[..left.find('╭').unwrap()]);
        for line in framed {
            let bars = line.matches('│').count();
            assert!(bars >= 2, "{columns}: {line:?}");
            let found =
                line.match_indices('│').any(|(at, _)| crate::text::width(&line[..at]) == left);
            assert!(found, "{columns}: edge {} not {left}: {line:?}", edge(line));
        }
    }
}

#[test]
fn ten_thousand_pairs_build_only_the_rows_that_show() {
    let mut snapshot = sample();
    let first = snapshot.examples[0].clone();
    snapshot.examples =
        (1..=10_000).map(|id| StoredExample { id: ExampleId(id), ..first.clone() }).collect();
    let mut harness = Harness::new(snapshot, Korean);
    harness.keys("2<end>");
    let text = harness.screen(120, 40);
    assert!(harness.app.rows_built() <= 40, "{}", harness.app.rows_built());
    assert!(text.contains("10000/10000") || text.contains("10,000"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn every_screen_draws_at_every_size(
        columns in 1u16..=130,
        rows in 1u16..=50,
        screen in 0usize..9,
        keys in prop::sample::select(vec![
            "", "?", ":", "<tab>", "<tab><tab>", "<ret>", "<ret><tab>", "e", "i", "a", "m", "d", "/ㅊ", "<end>",
        ]),
        korean in any::<bool>(),
        empty in any::<bool>(),
    ) {
        let snapshot = if empty { Project::default() } else { sample() };
        let mut harness = Harness::new(snapshot, if korean { Korean } else { English });
        harness.keys(&format!("{screen}{keys}"));
        harness.screen(columns, rows);
    }
}
