use super::*;
use crate::failure::Failure;
use crate::pair::ReviewState;
use crate::text::Span;

/// Answers with a given text and keeps what it was asked.
struct Recited {
    answer: Result<String>,
    cut: bool,
    asked: Vec<(Vec<Message>, usize)>,
}

impl Recited {
    fn new(answer: &str) -> Self {
        Self { answer: Ok(answer.to_owned()), cut: false, asked: Vec::new() }
    }
}

impl Drafter for Recited {
    fn name(&self) -> String {
        "recited".to_owned()
    }

    fn complete(
        &mut self,
        messages: &[Message],
        max_tokens: usize,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<String> {
        self.asked.push((messages.to_vec(), max_tokens));
        if let Ok(text) = &self.answer {
            on_text(text);
        }
        self.answer.clone()
    }

    fn was_cut(&self) -> bool {
        self.cut
    }
}

fn passage(text: &str) -> Passage {
    Passage {
        page: 1,
        span: Span { start: 5, end: 5 + text.chars().count() },
        context: vec!["제2장".to_owned()],
        text: text.to_owned(),
    }
}

const TEXT: &str = "신축 건물의 내진등급은 3개월 이내에 결정하고, 변경은 감리자에게 알린다.";

#[test]
fn drafts_and_reasons_add_up_to_what_was_proposed() {
    let mut model = Recited::new(
        r#"[{"question":"내진등급은 언제 결정하나요?","answer":"3개월 이내에 결정합니다.","quote":"내진등급은 3개월 이내에 결정하고"},
            {"question":"내진등급은 언제 결정하나요","answer":"3개월","quote":"3개월 이내에"},
            {"question":"감리자는 누구인가요?","answer":"건축사입니다.","quote":"감리자는 건축사이다"},
            {"question":"변경은 누구에게 알리나요?","answer":"감리자에게 알립니다.","quote":"변경은 감리자에게 알린다."},
            {"question":"하나 더 물을까요?","answer":"네.","quote":"변경은 감리자에게"}]"#,
    );
    let report = draft_passage(&mut model, &passage(TEXT), "기준.pdf", 2).unwrap();
    let questions: Vec<&str> =
        report.drafts.iter().map(|d| d.messages[0].content.as_str()).collect();
    assert_eq!(questions, ["내진등급은 언제 결정하나요?", "변경은 누구에게 알리나요?"]);
    for draft in &report.drafts {
        assert_eq!(draft.meta.state, Some(ReviewState::Draft));
        assert_eq!(draft.meta.author.as_deref(), Some("recited"));
    }
    assert_eq!(report.refused.len(), 3, "{:?}", report.refused);
    assert!(report.refused[0].contains("proposed before"));
    assert!(
        report.refused[1].contains("감리자는 누구인가요?")
            && report.refused[1].contains("not in the passage")
    );
    assert!(report.refused[2].contains("more than the 2 asked for"));

    let (messages, limit) = &model.asked[0];
    let request = &messages.last().unwrap().content;
    assert!(request.contains(TEXT) && request.contains("제2장"));
    assert!(request.contains("문답 2개"), "asked in the passage's language");
    assert_eq!(*limit, 928);
}

#[test]
fn no_drafts_always_come_with_a_reason() {
    for (answer, reason) in [
        ("", "empty"),
        ("[]", "empty list"),
        ("그런 것은 모릅니다.", "no JSON"),
        (
            r#"[{"question":"q는 무엇?","answer":"답이다","quote":"없는 글이다"}]"#,
            "not in the passage",
        ),
    ] {
        let report = draft_passage(&mut Recited::new(answer), &passage(TEXT), "x", 1).unwrap();
        assert!(report.drafts.is_empty());
        assert!(report.refused[0].contains(reason), "{:?}", report.refused);
    }
    let mut model = Recited::new("[{\"question\": \"언제");
    model.cut = true;
    let report = draft_passage(&mut model, &passage(TEXT), "x", 1).unwrap();
    assert!(report.refused[0].contains("limit of 528 tokens"), "{:?}", report.refused);
}

#[test]
fn nothing_is_asked_where_nothing_can_come_of_it() {
    for (text, count) in [(TEXT, 0), ("1.2 3.4 | 5", 3), ("", 3)] {
        let mut model = Recited::new("x");
        let report = draft_passage(&mut model, &passage(text), "x", count).unwrap();
        assert!(model.asked.is_empty() && report.drafts.is_empty());
        assert_eq!(report.refused.len(), 1);
    }
}

#[test]
fn a_failing_model_fails_the_call() {
    let mut model = Recited { answer: Err(Failure::user("down")), cut: false, asked: Vec::new() };
    assert_eq!(draft_passage(&mut model, &passage(TEXT), "x", 1).unwrap_err().message, "down");
}

#[test]
fn the_token_limit_grows_with_the_count_and_stops() {
    assert_eq!(token_limit(Language::English, 1), 388);
    assert_eq!(token_limit(Language::Korean, 3), 1328);
    assert_eq!(token_limit(Language::Korean, usize::MAX), 4096);
}
