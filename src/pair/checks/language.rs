//! Whether question, answer and page are in one language.

use super::{Detail, Field, Finding, Kind, Severity, answer};
use crate::pair::{Example, Language};
use crate::text::script::Letters;

/// Letters below which names and terms may be all there is of an answer.
const SHORT: usize = 24;

/// Letters that tell the language of a question; a syllable of Hangul is two.
const TELLING: usize = 10;

/// Words of a question that asks for another language than its own.
const ASKS_FOR_ANOTHER: [&str; 14] = [
    "영어",
    "영문",
    "한국어",
    "한글",
    "국문",
    "번역",
    "일본어",
    "중국어",
    "한자",
    "korean",
    "english",
    "translat",
    "hangul",
    "원문",
];

/// Words of a question in Korean that asks for code.
const ASKS_FOR_CODE: [&str; 6] = ["파이썬", "코드", "명령", "수식", "python", "code"];

/// A question and an answer are in one language, and that of the page, unless the question asks for another:
/// rows that answer Korean pages in English, or the other way round, teach to leave the language of the
/// text. A quote in the language of the question shows that the page has both.
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
        Language::Korean => {
            let code = ASKS_FOR_CODE.iter().any(|word| lower.contains(word));
            letters.hangul == 0 && !code && (letters.all >= SHORT || is_english(answer))
        }
        Language::English => letters.hangul >= 4 && letters.hangul * 2 > letters.all,
    };
    if slipped || foreign {
        let other = match asked {
            Language::Korean => Language::English,
            Language::English => Language::Korean,
        };
        return found(Field::Message(at), other, asked);
    }
    let telling = |letters: Letters| letters.all + letters.hangul >= TELLING;
    let page = language(page?)?;
    let quote = example.meta.quote.as_deref();
    let shown = quote.filter(|quote| telling(Letters::of(quote))).and_then(language);
    let both = telling(in_question) && language(answer).is_none_or(|answer| answer == asked);
    (both && page != asked && shown != Some(asked)).then(|| found(Field::Whole, asked, page))?
}

/// Whether a short answer is an English sentence rather than a name.
fn is_english(answer: &str) -> bool {
    let common = [
        "the", "is", "are", "it", "of", "for", "at", "to", "in", "must", "within", "by", "and",
        "yes",
    ];
    let lower = answer.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| common.contains(word)).count() >= 2
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
