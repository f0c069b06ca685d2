//! Properties that hold for any set of rows, and cases worked out by hand.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::pair::{Message, Role};

fn pair(question: &str, answer: &str) -> Example {
    Example {
        messages: vec![Message::text(Role::User, question), Message::text(Role::Assistant, answer)],
        ..Example::default()
    }
}

fn on_page(document: &str, page: u32, question: &str) -> Example {
    let mut example = pair(question, "50 mm");
    example.meta.document = Some(document.to_owned());
    example.meta.page = Some(page);
    example
}

fn count(example: &Example) -> usize {
    example.messages.iter().map(|message| message.content.chars().count() + 4).sum()
}

fn pool(rows: usize) -> Vec<Example> {
    (0..rows)
        .map(|n| {
            if n % 2 == 0 {
                pair(&format!("안녕 {n}"), &"반가워요. ".repeat(1 + n % 5))
            } else {
                pair(&format!("hello {n}"), &"good to see you. ".repeat(1 + n % 7))
            }
        })
        .collect()
}

fn make(accepted: &[(i64, Example)], pool: &[Example], settings: &Settings) -> Mix {
    mix(accepted, pool, settings, &mut count)
}

/// Rows on a few pages of two documents and rows without a page; some questions repeat.
fn any_rows() -> impl Strategy<Value = Vec<(i64, Example)>> {
    let row = (prop::option::weighted(0.8, (0..2_u32, 1..30_u32)), 0..400_u32, 1..60_usize);
    prop::collection::vec(row, 0..120).prop_map(|rows| {
        let examples = rows.into_iter().map(|(place, question, length)| {
            let mut example = pair(&format!("피복두께 {question}?"), &"값 ".repeat(length));
            if let Some((document, page)) = place {
                example.meta.document = Some(format!("기준 {document}.pdf"));
                example.meta.page = Some(page);
            }
            example
        });
        (1..).zip(examples).collect()
    })
}

fn any_settings() -> impl Strategy<Value = Settings> {
    (0.0..0.9_f64, 0.0..0.3_f64, 0.0..0.3_f64, any::<u64>()).prop_map(
        |(general_share, validation_share, test_share, seed)| Settings {
            general_share,
            validation_share,
            test_share,
            seed,
            ..Settings::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_row_is_lost_and_no_page_or_question_is_on_two_sides(
        rows in any_rows(), settings in any_settings(),
    ) {
        let mix = make(&rows, &pool(200), &settings);
        let kept: Vec<(i64, &Example)> = mix.rows.iter().filter_map(|row| match row.source {
            RowSource::Project(id) => Some((id, &row.example)),
            RowSource::General(_) => None,
        }).collect();
        prop_assert_eq!(kept, rows.iter().map(|(id, row)| (*id, row)).collect::<Vec<_>>());

        let mut pages: HashMap<_, HashSet<Side>> = HashMap::new();
        let mut questions: HashMap<_, HashSet<Side>> = HashMap::new();
        for row in &mix.rows {
            let meta = &row.example.meta;
            if let Some(page) = meta.page {
                pages.entry((meta.document.clone(), page)).or_default().insert(row.side);
            }
            questions.entry(normalized_question(&row.example)).or_default().insert(row.side);
        }
        prop_assert!(pages.values().all(|sides| sides.len() == 1));
        prop_assert!(questions.values().all(|sides| sides.len() == 1));
        prop_assert_eq!(mix.report.leaks, 0);
        let counted: usize = Side::ALL.iter().map(|side| mix.report.rows(*side)).sum();
        prop_assert_eq!(counted, mix.rows.len());
    }

    #[test]
    fn share_is_reached_to_within_a_row_or_the_lack_is_told(
        rows in any_rows(), settings in any_settings(), size in 0..400_usize,
    ) {
        let pool = pool(size);
        let mix = make(&rows, &pool, &settings);
        let tokens = |general: bool| -> usize {
            mix.side(Side::Train)
                .filter(|row| matches!(row.source, RowSource::General(_)) == general)
                .map(|row| row.tokens)
                .sum()
        };
        let (domain, general) = (tokens(false), tokens(true));
        let share = settings.general_share;
        let target = (domain as f64 * share / (1.0 - share)).round() as usize;
        let longest = pool.iter().map(count).max().unwrap_or(0);
        if mix.report.general_short_of == 0 {
            prop_assert!(general >= target && general <= target + longest);
        } else {
            prop_assert_eq!(general + mix.report.general_short_of, target);
        }
        prop_assert!(mix.side(Side::Test).all(|row| matches!(row.source, RowSource::Project(_))));
        let drawn: Vec<_> = mix.rows.iter().filter_map(|row| match &row.source {
            RowSource::General(name) => Some(name),
            RowSource::Project(_) => None,
        }).collect();
        prop_assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
    }

    #[test]
    fn the_same_seed_gives_the_same_mix(rows in any_rows(), settings in any_settings()) {
        let pool = pool(60);
        prop_assert_eq!(make(&rows, &pool, &settings), make(&rows, &pool, &settings));
    }
}

fn pages(count: u32) -> Vec<(i64, Example)> {
    let rows = (1..=count).flat_map(|page| {
        (0..3).map(move |n| on_page("기준.pdf", page, &format!("{page}쪽 {n}번 값?")))
    });
    (1..).zip(rows).collect()
}

#[test]
fn another_seed_gives_another_split_and_draw() {
    let rows = pages(40);
    let of = |seed| {
        let mix = make(&rows, &pool(200), &Settings { seed, ..Settings::default() });
        let sides: Vec<Side> = mix.rows.iter().map(|row| row.side).collect();
        let general: Vec<RowSource> =
            mix.rows.into_iter().skip(120).map(|row| row.source).collect();
        (sides, general)
    };
    let (first, second) = (of(1), of(2));
    assert_ne!(first.0, second.0);
    assert_ne!(first.1, second.1);
}

#[test]
fn sides_get_their_share_of_pages() {
    let mix = make(&pages(50), &[], &Settings::default());
    assert_eq!(mix.report.pages, SideCounts { train: 40, validation: 4, test: 6 });
    assert_eq!(mix.report.rows(Side::Test), 18);
    let few = make(&pages(3), &[], &Settings::default());
    assert_eq!(few.report.pages, SideCounts { train: 1, validation: 1, test: 1 });
    let one = make(&pages(1), &[], &Settings::default());
    assert_eq!(one.report.pages, SideCounts { train: 1, validation: 0, test: 0 });
}

#[test]
fn a_new_page_moves_few_old_rows() {
    let settings = Settings::default();
    let sides = |rows: &[(i64, Example)]| -> HashMap<RowSource, Side> {
        let mix = make(rows, &[], &settings);
        mix.rows.into_iter().map(|row| (row.source, row.side)).collect()
    };
    let mut rows = pages(100);
    let before = sides(&rows);
    rows.push((999, on_page("새 기준.pdf", 1, "새로 생긴 값은?")));
    let after = sides(&rows);
    let moved = before.iter().filter(|(row, side)| after[row] != **side).count();
    assert!(moved <= 6, "{moved} rows moved");
}

#[test]
fn a_question_in_two_places_stays_in_training_and_is_counted() {
    let settings = Settings { test_share: 0.3, validation_share: 0.2, ..Settings::default() };
    let mut rows = pages(20);
    let plain = make(&rows, &[], &settings);
    let held_out = plain.side(Side::Test).next().unwrap().example.meta.page.unwrap();
    let trained = plain.side(Side::Train).next().unwrap().example.meta.page.unwrap();
    rows.push((900, on_page("기준.pdf", held_out, "같은  질문 인가?")));
    rows.push((901, on_page("기준.pdf", trained, "같은 질문인가")));
    let mix = make(&rows, &[], &settings);
    for row in &mix.rows {
        if [held_out, trained].contains(&row.example.meta.page.unwrap()) {
            assert_eq!(row.side, Side::Train);
        }
    }
    assert_eq!((mix.report.moved, mix.report.leaks), (4, 0));
    assert_eq!(mix.report.pages, plain.report.pages);
}

#[test]
fn questions_that_differ_in_a_value_are_different() {
    let question = |text: &str| normalized_question(&pair(text, ""));
    assert_eq!(question("Snow load, Ulleungdo?"), question("snow load ULLEUNGDO"));
    assert_eq!(question("최소 피복 두께는?"), question("최소 피복두께는"));
    for (one, other) in [("1.5 m", "15 m"), ("-3 °C", "3 °C"), ("사무실 활하중", "병실 활하중")]
    {
        assert_ne!(question(one), question(other));
    }
}

#[test]
fn kinds_and_languages_are_told_apart() {
    let mut rows = pages(6);
    let tool: Example = serde_json::from_str(
        r#"{"messages":[{"role":"user","content":"적설하중?"},{"role":"assistant","content":"어디요?"}],
            "tools":[{"function":{"name":"snow_load"}}]}"#,
    )
    .unwrap();
    rows.push((100, tool));
    let settings = Settings { general_share: 0.5, ..Settings::default() };
    let report = make(&rows, &pool(200), &settings).report;
    let train = |kind| report.of_kind(Side::Train, kind);
    assert_eq!(train(RowKind::Tools).rows, 1);
    assert_eq!(train(RowKind::Domain).rows, 12);
    let (korean, english) =
        (train(RowKind::GeneralKorean).tokens, train(RowKind::GeneralEnglish).tokens);
    assert!(korean.abs_diff(english) < 130, "{korean} {english}");
    let english_only = Settings { general_languages: vec![Language::English], ..settings };
    let report = make(&rows, &pool(200), &english_only).report;
    assert_eq!(report.of_kind(Side::Train, RowKind::GeneralKorean).rows, 0);
    assert!((report.general_share - 0.5).abs() < 0.15);
}

#[test]
fn general_rows_never_repeat_what_the_project_asks() {
    let rows = pages(10);
    let asked: Vec<Example> = rows.iter().map(|(_, row)| row.clone()).collect();
    let mix = make(&rows, &asked, &Settings { general_share: 0.5, ..Settings::default() });
    assert_eq!(mix.rows.len(), rows.len());
    assert_eq!(mix.report.general_short_of, mix.report.tokens(Side::Train));
}

#[test]
fn shares_out_of_range_and_empty_sets_are_harmless() {
    let settings = Settings {
        general_share: 7.0,
        validation_share: f64::NAN,
        test_share: 1.0,
        ..Settings::default()
    };
    let mix = make(&pages(4), &pool(10), &settings);
    assert_eq!(mix.report.general_share_asked, 0.9);
    assert_eq!(mix.report.pages, SideCounts { train: 1, validation: 0, test: 3 });
    let empty = make(&[], &pool(10), &Settings::default());
    assert!(empty.rows.is_empty() && empty.report.parts.is_empty());
    let mut nothing = |_: &Example| 0;
    assert_eq!(super::mix(&pages(4), &pool(10), &settings, &mut nothing).rows.len(), 12);
}

#[test]
fn lengths_are_bucketed_by_powers_of_two() {
    let rows: Vec<(i64, Example)> =
        (1..).zip([1, 2, 3, 4, 5, 9].map(|n| pair(&format!("q{n}"), &"a".repeat(n)))).collect();
    let settings = Settings {
        validation_share: 0.0,
        test_share: 0.0,
        general_share: 0.0,
        ..Settings::default()
    };
    let mut length = |example: &Example| example.answer().len();
    let report = mix(&rows, &[], &settings, &mut length).report;
    let buckets: Vec<(usize, usize)> = report.lengths.iter().map(|b| (b.up_to, b.rows)).collect();
    assert_eq!(buckets, [(1, 1), (2, 1), (4, 2), (8, 1), (16, 1)]);
    assert_eq!(report.longest, 9);
}
