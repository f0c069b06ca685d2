//! Each rule of the layout on small pages made of fragments.

use super::fragment::{Fragment, PageFragments};
use super::layout::Layout;

/// A fragment of 10-point text: 10 points a wide character, 5 an ASCII one. A final `_` is a drawn space.
fn piece(left: f64, baseline: f64, text: &str) -> Fragment {
    let spaced = text.ends_with('_');
    let text = text.trim_end_matches('_').to_owned();
    let width: f64 = text.chars().map(|c| if c.is_ascii() { 5.0 } else { 10.0 }).sum();
    Fragment { text, left, right: left + width, baseline, size: 10.0, angle: 0, spaced }
}

fn pages(pages: &[Vec<Fragment>]) -> Vec<String> {
    let mut layout = Layout::default();
    let mut texts = Vec::new();
    for (number, fragments) in (1..).zip(pages) {
        let page = PageFragments { width: 400.0, height: 600.0, fragments: fragments.clone() };
        layout.add(number, &page, Vec::new());
        while layout.due(false).is_some() {
            texts.push(layout.take().unwrap().text);
        }
    }
    while layout.due(true).is_some() {
        texts.push(layout.take().unwrap().text);
    }
    texts
}

fn page(pieces: &[(f64, f64, &str)]) -> String {
    let fragments =
        pieces.iter().map(|(left, baseline, text)| piece(*left, *baseline, text)).collect();
    pages(&[fragments]).remove(0)
}

/// Lines of 15 points below one another from the left margin.
fn lines(texts: &[&str]) -> String {
    let pieces: Vec<_> =
        (0..).zip(texts).map(|(row, text)| (20.0, 50.0 + 15.0 * f64::from(row), *text)).collect();
    page(&pieces)
}

#[test]
fn korean_lines_join_with_a_space_at_word_ends_only() {
    // Drawn spaces say where words end; where some lines have one, the others break a word.
    for (texts, joined) in [
        (["기둥은 하중을 기초에_", "전달하는 부재이며 단면"], "기초에 전달하는"),
        (["활하중이란 사용하는 사람", "과 가구의 무게이며 변한"], "사람과 가구의"),
        (["다만 이 값은 표준편차의 두배", "를 넘지 아니하여야 하고"], "두배를 넘지"),
    ] {
        let text = lines(&texts);
        assert!(text.contains(joined), "{text}");
    }
}

#[test]
fn latin_lines_join_with_a_space_and_broken_words_without_hyphen() {
    assert_eq!(
        lines(&["The contractor shall submit a shor-", "ing plan for every well-known site"]),
        "The contractor shall submit a shoring plan for every well-known site"
    );
    // A word that is written with its hyphen elsewhere keeps it.
    assert_eq!(
        lines(&[
            "Any self-levelling mix is an option; self-",
            "levelling mixes are tested in the laboratory",
        ]),
        "Any self-levelling mix is an option; self-levelling mixes are tested in the laboratory"
    );
}

#[test]
fn headings_clauses_and_items_are_paragraphs_of_their_own() {
    let text = lines(&[
        "제3장 설계하중에 관한 기준과 그 해설",
        "0306.4.1 유효건물중량과 밑면전단력",
        "고정하중은 다음 각 호의 하중을 더한다.",
        "(1) 창고로 쓰이는 공간의 활하중 4분의 1",
        "가. 칸막이벽의 하중과 설비의 자중이다.",
        "• 적설하중은 지붕의 경사에 따라 줄인다",
    ]);
    assert_eq!(text.split("\n\n").count(), 6, "{text}");
}

#[test]
fn short_lines_end_paragraphs_and_distance_parts_them() {
    assert_eq!(
        lines(&["a full line of text that reaches the margin", "and ends.", "Another begins here"]),
        "a full line of text that reaches the margin and ends.\n\nAnother begins here"
    );
    let text = page(&[
        (20.0, 50.0, "first line of the one paragraph here"),
        (20.0, 62.0, "its second line is just about as wide"),
        (20.0, 74.0, "its third line as well is just as wide"),
        (20.0, 98.0, "a line below a gap begins another one"),
    ]);
    assert_eq!(text.split("\n\n").count(), 2, "{text}");
}

#[test]
fn table_rows_are_lines_and_their_cells_may_have_several() {
    let text = page(&[
        (20.0, 50.0, "등급"),
        (100.0, 50.0, "상태"),
        (300.0, 50.0, "기한"),
        (20.0, 80.0, "C"),
        (100.0, 74.0, "주부재에 가벼운 흠"),
        (100.0, 86.0, "또는 넓은 흠"),
        (300.0, 80.0, "1년"),
        (20.0, 110.0, "D"),
        (100.0, 110.0, "바로 보수"),
        (300.0, 110.0, "3개월"),
    ]);
    assert_eq!(text, "등급 상태 기한\nC 주부재에 가벼운 흠 또는 넓은 흠 1년\nD 바로 보수 3개월");
}

#[test]
fn columns_are_read_one_after_the_other_whatever_order_they_are_drawn_in() {
    let column = |left: f64, name: &str| -> Vec<Fragment> {
        (0..6)
            .map(|row| {
                piece(
                    left,
                    50.0 + 15.0 * f64::from(row),
                    &format!("{name} column line number {row}"),
                )
            })
            .collect()
    };
    let (left, right) = (column(20.0, "left"), column(210.0, "last"));
    let in_turn: Vec<Fragment> =
        left.iter().zip(&right).flat_map(|(a, b)| [b.clone(), a.clone()]).collect();
    let after: Vec<Fragment> = left.into_iter().chain(right).collect();
    let (one, other) = (pages(&[after]), pages(&[in_turn]));
    assert_eq!(one, other);
    let at = |text: &str| one[0].find(text).unwrap();
    assert!(at("left column line number 5") < at("last column line number 0"), "{one:?}");
}

#[test]
fn running_headers_of_chapters_go_wherever_they_are() {
    // Chapters of 12 pages each: no header is on most pages of the document.
    let body = |number: usize| -> String {
        let syllable = |place: usize| char::from_u32(0xAC00 + (number * 37 + place * 101) as u32);
        (0..8).filter_map(syllable).collect()
    };
    let document: Vec<Vec<Fragment>> = (0..60usize)
        .map(|number| {
            vec![
                piece(20.0, 20.0, &format!("제{}장 하중", number / 12 + 1)),
                piece(20.0, 60.0, &body(number)),
                piece(20.0, 75.0, &format!("{}에서 끝난다.", body(number))),
                piece(190.0, 580.0, &format!("{}", number + 5)),
            ]
        })
        .collect();
    for (number, text) in pages(&document).iter().enumerate() {
        assert!(text.starts_with(&body(number)), "{number}: {text}");
        assert!(text.ends_with("끝난다."), "{number}: {text}");
    }
}

#[test]
fn pages_come_in_order_and_only_some_wait() {
    let mut layout = Layout::default();
    let mut sent = 0;
    for number in 1..=100 {
        let fragments = vec![piece(20.0, 50.0, "본문")];
        layout.add(number, &PageFragments { width: 400.0, height: 600.0, fragments }, Vec::new());
        while let Some(due) = layout.due(false) {
            sent += 1;
            assert_eq!(due, sent);
            assert_eq!(layout.take().unwrap().number, sent);
        }
        assert!(number - sent <= 16);
    }
}
