//! What makes a question useless to train on.

use unicode_normalization::UnicodeNormalization;

/// Drops a number or label before the question: "1. ", "Q2: ", "질문: ".
pub(super) fn without_number(question: &str) -> &str {
    let question = question.trim();
    let bare = question.trim_start_matches(|c: char| c.is_ascii_digit());
    if bare.len() < question.len()
        && let Some(rest) = bare.strip_prefix(['.', ')'])
        && rest.starts_with(' ')
    {
        return rest.trim();
    }
    match question.split_once([':', '：']) {
        Some((label, rest)) => {
            let label = label.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
            let known = ["q", "question", "질문"].contains(&label.to_lowercase().as_str());
            if known { rest.trim() } else { question }
        }
        None => question,
    }
}

/// The letters and figures of a question, by which repetitions are told.
pub(super) fn key(question: &str) -> String {
    question.nfkc().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

/// Tells whether a question asks what a chapter is called or which number it has; nobody wants
/// to know.
pub(super) fn asks_for_heading(question: &str) -> bool {
    const PARTS: [&str; 9] = [
        "chapter",
        "section",
        "article",
        "clause",
        "paragraph",
        "passage",
        "document",
        "page",
        "heading",
    ];
    let text = question.to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let holds = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let naming =
        ["title of", "heading of", "titled", "chapter number", "section number", "page number"]
            .iter()
            .any(|phrase| text.contains(phrase));
    // "What is chapter 1 about?", "Which section covers dead load?"
    let about = holds(&PARTS[..7]) && words.last() == Some(&"about");
    let which = PARTS.iter().any(|part| {
        text.contains(&format!("which {part}"))
            || text.contains(&format!("what {part}"))
            || text.contains(&format!("name of the {part}"))
            || text.contains(&format!("name of this {part}"))
    });
    let korean_title = ["제목은", "제목이", "제목을"].iter().any(|phrase| text.contains(phrase));
    let korean_number =
        ["몇 장", "몇 조", "몇 절", "몇 항", "몇 쪽", "몇 페이지", "몇장", "몇조", "몇쪽"]
            .iter()
            .any(|phrase| text.contains(phrase));
    naming || about || which || korean_title || korean_number
}

/// Tells whether a question leans on a text that its reader will not see, as in "according to the
/// passage".
pub(super) fn leans_on_unseen_text(question: &str) -> bool {
    const PHRASES: [&str; 18] = [
        "the passage",
        "this passage",
        "the text",
        "this text",
        "the document",
        "this document",
        "mentioned above",
        "본문",
        "이 글",
        "위 글",
        "지문",
        "위의 내용",
        "이 문서",
        "해당 문서",
        "이 문단",
        "이 단락",
        "위 내용",
        "문서에 따르면",
    ];
    let text = question.to_lowercase();
    PHRASES.iter().any(|phrase| text.contains(phrase))
}
