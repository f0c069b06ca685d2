//! Whether question, answer and page are in one language.

use super::{Detail, Field, Finding, Kind, Severity, answer};
use crate::pair::{Example, Language};
use crate::text::script::Letters;

/// Letters below which names and terms may be all there is.
const SHORT: usize = 24;

/// Words of a question that asks for another language than its own, or for code.
const ASKS_FOR_ANOTHER: [&str; 16] = [
    "영어",
    "영문",
    "한국어",
    "한글",
    "국문",
    "번역",
    "일본어",
    "중국어",
    "한자",
    "파이썬",
    "코드",
    "korean",
    "english",
    "translat",
    "hangul",
    "code",
];

pub(super) fn finding(example: &Example, page: Option<&str>) -> Option<Finding> {
    let (at, answer) = answer(example)?;
    let question = example.question();
    let lower = question.to_lowercase();
    if ASKS_FOR_ANOTHER.iter().any(|word| lower.contains(word)) || answer.contains("```") {
        return None;
    }
    let found = |field, has, wants| {
        let detail = Detail::Languages(has, wants);
        Some(Finding::new(Kind::WrongLanguage, Severity::Warning, detail).at(field, None))
    };
    let asked = language(question)?;
    let (letters, in_question) = (Letters::of(answer), Letters::of(question));
    // Multilingual models slip into Chinese.
    let foreign = letters.han >= 5 && letters.han * 3 > letters.all && in_question.han == 0;
    let slipped = match asked {
        Language::Korean => letters.hangul == 0 && letters.all >= SHORT,
        Language::English => letters.hangul >= 8 && letters.hangul * 2 > letters.all,
    };
    if slipped || foreign {
        let other = match asked {
            Language::Korean => Language::English,
            Language::English => Language::Korean,
        };
        return found(Field::Message(at), other, asked);
    }
    let page = language(page?)?;
    let both = in_question.all >= SHORT && letters.all >= SHORT && language(answer) == Some(asked);
    (both && page != asked).then(|| found(Field::Whole, asked, page))?
}

/// The language of a text that has letters of its own; Korean prose holds many Latin terms.
fn language(text: &str) -> Option<Language> {
    let letters = Letters::of(text);
    if letters.hangul * 4 >= letters.all.max(1) {
        Some(Language::Korean)
    } else {
        (letters.latin * 2 > letters.all).then_some(Language::English)
    }
}
