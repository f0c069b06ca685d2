use super::*;

const KOREAN: &str = "2.1 사무실의 등분포\n활하중은 2.5 kN/m²로 한다. 다만, 로비는 4.0 kN/m²로 한다. \
                      변경 신고는 30일 이내에 하여야 한다.";
const ENGLISH: &str = "The uniformly distributed live load of an office is 2.5 kN/m2. \
                       Lobbies shall be designed for 4.0 kN/m2.";

fn passage(text: &str) -> Passage {
    Passage {
        page: 7,
        span: Span { start: 100, end: 100 + text.chars().count() },
        context: vec!["제3장 활하중".to_owned(), "Live load".to_owned()],
        text: text.to_owned(),
    }
}

fn judged(text: &str, question: &str, answer: &str, quote: &str) -> Result<Example, String> {
    let passage = passage(text);
    let frame = Frame {
        passage: &passage,
        document: "기준.pdf",
        author: "model-x",
        prompt: &Prompt::built_in(language_of(text)),
    };
    let proposal = Proposal {
        question: question.to_owned(),
        answer: answer.to_owned(),
        quote: quote.to_owned(),
    };
    frame.check(&proposal, &[])
}

#[test]
fn a_good_proposal_becomes_a_draft_with_its_source() {
    let draft = judged(
        KOREAN,
        "1. 사무실의 활하중은 얼마인가요?",
        " 2.5 kN/m²입니다. ",
        "“사무실의 등분포 활하중은 2.5kN/㎡로 한다.”",
    )
    .unwrap();
    assert_eq!(draft.messages.len(), 2);
    assert_eq!(draft.messages[0].content, "사무실의 활하중은 얼마인가요?");
    assert_eq!(draft.messages[1].content, "2.5 kN/m²입니다.");
    let meta = &draft.meta;
    assert_eq!(meta.state, Some(ReviewState::Draft));
    assert_eq!(meta.page, Some(7));
    assert_eq!(meta.document.as_deref(), Some("기준.pdf"));
    assert_eq!(meta.author.as_deref(), Some("model-x"));
    assert_eq!(meta.other["prompt"], Prompt::built_in(Language::Korean).name());
    assert_eq!(meta.language, Some(Language::Korean));
    assert_eq!(meta.quote.as_deref(), Some("사무실의 등분포\n활하중은 2.5 kN/m²로 한다."));
    // The span counts characters of the page, so the page's text at the span is the quote.
    let page = format!("{}{KOREAN}", " ".repeat(100));
    assert_eq!(Some(meta.span.unwrap().of(&page)), meta.quote.as_deref());
    assert!(meta.tags.is_empty());
}

#[test]
fn bad_proposals_are_refused_with_a_reason() {
    let quote = "등분포 활하중은 2.5 kN/m²로 한다";
    let english_quote = "live load of an office is 2.5 kN/m2";
    for (text, question, answer, quote, reason) in [
        (KOREAN, " ?? ", "예", quote, "question is empty"),
        (KOREAN, "활하중은?", " . ", quote, "answer is empty"),
        (KOREAN, "활하중은 얼마인가?", "활하중은 얼마인가", quote, "only repeats"),
        (KOREAN, "제3장 활하중?", "2.5입니다", quote, "passage's title"),
        (KOREAN, "이 장의 제목은 무엇인가요?", "활하중입니다", quote, "chapter number or title"),
        (KOREAN, "활하중은 몇 조에 나오나요?", "3조입니다", quote, "chapter number or title"),
        (ENGLISH, "What is chapter 1 about?", "Loads.", english_quote, "chapter number or title"),
        (
            ENGLISH,
            "Which section covers lobbies?",
            "Two.",
            english_quote,
            "chapter number or title",
        ),
        (KOREAN, "What is the live load?", "2.5 kN/m²입니다", quote, "question is not in Korean"),
        (KOREAN, "办公室的活荷载是多少?", "2.5", quote, "question has '办'"),
        (
            KOREAN,
            "활하중은 얼마인가요?",
            "The live load of an office is 2.5 kN/m².",
            quote,
            "answer is not in Korean",
        ),
        (KOREAN, "활하중은 얼마인가요?", "活荷载", quote, "answer has '活'"),
        (
            ENGLISH,
            "What is the live load?",
            "활하중은 2.5입니다",
            english_quote,
            "answer is not in English",
        ),
        (KOREAN, "로비는 4.0 kN/m²로 한다.", "4.0 kN/m²입니다", quote, "question is copied"),
        (KOREAN, "질문", "2.5 kN/m²입니다", quote, "it is no question"),
        (
            KOREAN,
            "활하중은 누가 정하나요?",
            "방화문 경첩의 기름은 건물 관리자가 6개월마다 칩니다.",
            quote,
            "repeats the example",
        ),
        (KOREAN, "활하중은 얼마인가요?", "2.5입니다", "", "it has no quote"),
        (KOREAN, "활하중은 얼마인가요?", "2.5입니다", "2.5", "too short"),
        (
            KOREAN,
            "활하중은 얼마인가요?",
            "2.5입니다",
            "병실의 활하중은 2.5 kN/m²로 한다",
            "the quote is not in the passage: \"병실의",
        ),
    ] {
        let reason_given = judged(text, question, answer, quote).unwrap_err();
        assert!(reason_given.contains(reason), "{question}: {reason_given}");
    }
    let long = "긴 ".repeat(4000);
    assert!(judged(KOREAN, &long, "예", quote).unwrap_err().contains("too long"));
}

#[test]
fn doubtful_proposals_are_tagged() {
    for (text, question, answer, quote, tags) in [
        (KOREAN, "활하중은?", "2.5 MPa이다.", "등분포 활하중은 2.5 kN/m²", vec![CHECK_NUMBERS]),
        (KOREAN, "로비의 활하중은?", "4 kN/㎡이다.", "로비는 4.0 kN/m²로 한다", vec![]),
        (KOREAN, "신고 기한은?", "60일 이내이다.", "변경 신고는 30일 이내", vec![CHECK_NUMBERS]),
        (
            KOREAN,
            "본문에 따르면 신고 기한은?",
            "30일 이내이다.",
            "변경 신고는 30일 이내",
            vec![CHECK_QUESTION],
        ),
        (
            ENGLISH,
            "What does the passage say of lobbies?",
            "4.0 kN/m2 applies.",
            "Lobbies shall be designed",
            vec![CHECK_QUESTION],
        ),
        (
            KOREAN,
            "신고 기한은?",
            "변경 신고는 30일 이내에 하여야 한다.",
            "신고는 서둘러야 한다",
            vec![QUOTE_FROM_ANSWER],
        ),
        (KOREAN, "활하중 기호는?", "LL", "등분포 활하중은", vec![]),
    ] {
        let draft =
            judged(text, question, answer, quote).unwrap_or_else(|e| panic!("{question}: {e}"));
        assert_eq!(draft.meta.tags, tags, "{question}");
    }
}

#[test]
fn repeated_questions_are_refused() {
    let first =
        judged(ENGLISH, "What is the live load?", "2.5 kN/m2.", "live load of an office").unwrap();
    let passage = passage(ENGLISH);
    let frame = Frame {
        passage: &passage,
        document: "d",
        author: "m",
        prompt: &Prompt::built_in(Language::English),
    };
    let again = Proposal {
        question: "What is the LIVE-LOAD".to_owned(),
        answer: "It is 2.5 kN/m2.".to_owned(),
        quote: "live load of an office".to_owned(),
    };
    assert!(frame.check(&again, &[first]).unwrap_err().contains("proposed before"));
}

#[test]
fn the_language_is_found_from_the_share_of_hangul() {
    for (text, language) in [
        ("콘크리트의 설계기준압축강도 fck는 24 MPa 이상으로 한다.", Language::Korean),
        ("The Korean word 하중 means load in structural engineering.", Language::English),
        ("KDS 41 10 15 건축구조기준 설계하중", Language::Korean),
        ("1234", Language::English),
        ("", Language::English),
    ] {
        assert_eq!(language_of(text), language, "{text}");
    }
}
