//! Answers that decline to answer, as models write them.

use super::{Detail, Field, Finding, Kind, Severity, answer};
use crate::pair::Example;

/// Parts that together make a refusal: one of the first, and after it one of the second.
const FORMS: [(&[&str], &[&str]); 6] = [
    (
        &["죄송하지만", "죄송합니다", "죄송해요", "미안하지만"],
        &[
            "답변드릴 수 없",
            "답변할 수 없",
            "답변드리기 어렵",
            "답변하기 어렵",
            "제공할 수 없",
            "제공해 드릴 수 없",
            "확인할 수 없",
            "알 수 없",
            "도와드릴 수 없",
            "도움을 드릴 수 없",
            "답할 수 없",
            "언어 모델",
        ],
    ),
    (
        &["저는 ", "제가 "],
        &["언어 모델이", "언어 모델로서", "ai 모델이", "인공지능 모델이", "ai이기 때문"],
    ),
    (
        &[
            "본문",
            "지문",
            "주어진 문서",
            "제공된 문서",
            "주어진 자료",
            "주어진 정보",
            "제공된 정보",
            "주어진 내용",
        ],
        &[
            "나와 있지 않",
            "포함되어 있지 않",
            "찾을 수 없",
            "알 수 없",
            "언급되어 있지 않",
            "명시되어 있지 않",
            "부족",
            "답변할 수 없",
        ],
    ),
    (
        &[
            "i'm sorry, but i",
            "i am sorry, but i",
            "i'm sorry, i ",
            "sorry, but i ",
            "i apologize, but i",
        ],
        &[
            "can't",
            "cannot",
            "can not",
            "don't have",
            "do not have",
            "am unable",
            "'m unable",
            "not able",
        ],
    ),
    (
        &["as an ai", "as a language model", "as a large language model"],
        &["i don't", "i do not", "i can't", "i cannot", "i am not", "i'm not", "i am unable"],
    ),
    (
        &["the passage", "the text", "the provided", "the given", "the document", "the context"],
        &[
            "does not contain enough",
            "doesn't contain enough",
            "does not provide",
            "doesn't provide",
            "does not mention",
            "doesn't mention",
            "does not specify",
            "doesn't specify",
            "does not include information",
            "does not contain information",
            "not enough information",
        ],
    ),
];

/// Characters of an answer in which a refusal begins.
const BEGINNING: usize = 120;

pub(super) fn finding(example: &Example) -> Option<Finding> {
    let (at, answer) = answer(example)?;
    let text = answer.to_lowercase().replace('’', "'");
    let begins = |first: &str| {
        let place = text.find(first)?;
        (text[..place].chars().count() < BEGINNING).then_some(place + first.len())
    };
    let refuses = FORMS.iter().any(|(first, then)| {
        first.iter().filter_map(|first| begins(first)).any(|from| {
            // Within the sentence or the next one.
            let near: String = text[from..].chars().take(BEGINNING).collect();
            then.iter().any(|then| near.contains(then))
        })
    });
    let finding = Finding::new(Kind::Refusal, Severity::Warning, Detail::None);
    refuses.then(|| finding.at(Field::Message(at), None))
}
