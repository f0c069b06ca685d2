use super::*;
use proptest::prelude::*;

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn page(number: u32, text: &str) -> Page {
    Page { number, text: text.into(), flags: Vec::new() }
}

fn passages(pages: &[Page], tokens: usize) -> Vec<Passage> {
    split(pages, &mut words, &PassageSettings { tokens, overlap: 0 })
}

#[test]
fn structure_comes_first_and_carries_over_pages() {
    let pages = [
        page(
            1,
            "제3장 설계하중\n\n0306 지진하중\n\n0306.4.1 유효건물중량\n\n유효건물중량은 고정하중과 아래의 하중을 포함한 중량으로 한다.\n\n(1) 창고에서는 활하중의 25 %를 포함한다.",
        ),
        page(
            2,
            "(2) 칸막이의 실제중량을 적용한다.\n\n0306.4.2 밑면전단력\n\n밑면전단력 V는 계수를 곱하여 산정한다.",
        ),
    ];
    let found = passages(&pages, 14);
    let second_page: Vec<_> = found.iter().filter(|passage| passage.page == 2).collect();
    assert_eq!(
        second_page[0].context,
        ["제3장 설계하중", "0306 지진하중", "0306.4.1 유효건물중량"]
    );
    assert!(second_page[0].text.starts_with("(2)"));
    assert!(found[0].context.is_empty());
    assert!(found.iter().all(|passage| !passage.text.ends_with("밑면전단력")), "{found:#?}");
}

#[test]
fn a_clause_with_text_gives_its_number_as_context() {
    let text = "1.2.1 In this handbook the terms have these meanings.\n\n(a) Site engineer: the person named in the plan.\n\n(b) Hold point: a stage.";
    let found = passages(&[page(1, text)], 10);
    assert_eq!(found.last().unwrap().context, ["1.2.1"]);
}

#[test]
fn sentences_stay_whole_unless_alone_too_long() {
    let text = "시행일은 2026. 3. 1.로 한다. 둘째 문장은 짧다. Third, see e.g. clause 4. Last one.";
    let found: Vec<_> = passages(&[page(1, text)], 7).into_iter().map(|p| p.text).collect();
    assert_eq!(
        found,
        [
            "시행일은 2026. 3. 1.로 한다.",
            "둘째 문장은 짧다.",
            "Third, see e.g. clause 4. Last one."
        ]
    );
    let long = "낱말 ".repeat(25);
    let found = passages(&[page(1, long.trim())], 10);
    assert!(found.len() >= 3 && found.iter().all(|passage| words(&passage.text) <= 10));
}

#[test]
fn rows_of_figures_are_no_headings() {
    let text = "2.3.1 Props are used within the loads of the table.\n\nExtended height Size A Size B\n2.0 24 31\n2.6 19 27";
    let found = passages(&[page(1, text), page(2, "Next page text.")], 400);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].context, ["2.3.1"]);
}

#[test]
fn passages_may_repeat_whole_sentences_of_the_same_clause() {
    let text = "1.1 하중\n\n하나 둘 셋이다. 넷 다섯이다. 여섯 일곱 여덟이다. 아홉 열이다.\n\n1.2 지진\n\n첫째 둘째 셋째 넷째이다. 다섯째 여섯째 일곱째이다.";
    let settings = PassageSettings { tokens: 10, overlap: 3 };
    let found: Vec<_> = split(&[page(1, text)], &mut words, &settings)
        .into_iter()
        .map(|passage| passage.text)
        .collect();
    assert!(found.iter().all(|text| words(text) <= 10), "{found:#?}");
    let repeats = found.windows(2).filter(|pair| {
        let last = pair[0].rsplit_once(". ").map_or("", |(_, last)| last);
        !last.is_empty() && pair[1].starts_with(last)
    });
    assert_eq!(repeats.count(), 1, "{found:#?}");
    let section = found.iter().find(|text| text.contains("1.2 지진")).unwrap();
    assert!(section.starts_with("1.2 지진"), "{found:#?}");
}

#[test]
fn pages_without_letters_give_nothing() {
    assert!(passages(&[page(1, "- 12 -"), page(2, "")], 400).is_empty());
}

proptest! {
    #[test]
    fn spans_are_exact_ordered_and_cover_the_page(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "제3장 설계하중", "0306.4.1 유효건물중량", "(1) 창고", "가. 나", "한다.", "is.", " ", "\n", "\n\n",
                "\u{3000}", "2.5 3.0", "word", "긴 문장이 이어지고", "## 제목", "?", "”", "e.g.", "🙂", "\t",
            ]),
            0..60,
        ),
        tokens in 1usize..40,
    ) {
        let page = page(1, &parts.concat());
        let found = passages(std::slice::from_ref(&page), tokens);
        let mut covered = vec![false; page.text.chars().count()];
        let mut end = 0;
        for passage in &found {
            prop_assert_eq!(passage.span.of(&page.text), passage.text.as_str());
            prop_assert!(passage.span.start >= end && !passage.span.is_empty());
            end = passage.span.end;
            covered[passage.span.start..passage.span.end].fill(true);
        }
        if page.text.chars().any(char::is_alphabetic) {
            for (character, covered) in page.text.chars().zip(covered) {
                prop_assert!(covered || character.is_whitespace(), "{character:?} is left out");
            }
        } else {
            prop_assert!(found.is_empty());
        }
    }
}
