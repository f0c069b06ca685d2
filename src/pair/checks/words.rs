//! Findings in Korean and English.

use super::{Detail, Finding, Kind};
use crate::pair::Language;

/// Names of the kinds in Korean, as they are typed in a search line.
pub(super) fn korean_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Structure => "형식",
        Kind::Empty => "빈글",
        Kind::TooLong => "길이",
        Kind::QuoteNotFound => "인용",
        Kind::NumberNotInQuote => "수치",
        Kind::WrongLanguage => "언어",
        Kind::Refusal => "거절",
        Kind::PersonalData => "개인정보",
        Kind::ExactDuplicate => "중복",
        Kind::NearDuplicate => "유사",
        Kind::Leak => "누출",
    }
}

pub(super) fn describe(finding: &Finding, language: Language) -> String {
    let korean = language == Language::Korean;
    let text = |ko: &str, en: &str| if korean { ko.to_owned() } else { en.to_owned() };
    let name = |of: Language| match (of, korean) {
        (Language::Korean, true) => "한국어",
        (Language::Korean, false) => "Korean",
        (Language::English, true) => "영어",
        (Language::English, false) => "English",
    };
    match (finding.kind, &finding.detail) {
        (Kind::Structure, Detail::Fault(fault)) => {
            if korean {
                format!("학습할 수 없는 형식: {fault}")
            } else {
                fault.clone()
            }
        }
        (Kind::TooLong, Detail::Tokens(tokens, limit)) if korean => {
            format!("{tokens}토큰으로, 한 행의 한도 {limit}토큰을 넘습니다")
        }
        (Kind::TooLong, Detail::Tokens(tokens, limit)) => {
            format!("{tokens} tokens, a row may have {limit}")
        }
        (Kind::NumberNotInQuote, Detail::Text(figure)) if korean => {
            format!("답의 \"{figure}\"이(가) 인용문에 없습니다")
        }
        (Kind::NumberNotInQuote, Detail::Text(figure)) => {
            format!("\"{figure}\" in the answer is not in the quote")
        }
        (Kind::PersonalData, Detail::Text(what)) if korean => {
            format!("개인정보로 보입니다: {what}")
        }
        (Kind::PersonalData, Detail::Text(what)) => format!("looks like personal data: {what}"),
        (Kind::WrongLanguage, Detail::Languages(has, wants)) if korean => {
            format!("{}가 아니라 {}여야 할 것 같습니다", name(*has), name(*wants))
        }
        (Kind::WrongLanguage, Detail::Languages(has, wants)) => {
            format!("it is in {}, {} is expected", name(*has), name(*wants))
        }
        (Kind::ExactDuplicate, Detail::Pair(of)) if korean => format!("{of}번과 같습니다"),
        (Kind::ExactDuplicate, Detail::Pair(of)) => format!("same as pair {of}"),
        (Kind::NearDuplicate, Detail::Pair(of)) if korean => {
            format!("{of}번과 같은 질문일 수 있습니다")
        }
        (Kind::NearDuplicate, Detail::Pair(of)) => format!("may ask the same as pair {of}"),
        (Kind::Leak, Detail::Pair(of)) if korean => {
            format!("비슷한 {of}번은 학습과 평가의 반대쪽에 있습니다")
        }
        (Kind::Leak, Detail::Pair(of)) => {
            format!("pair {of}, which it may repeat, is on the other side of training and testing")
        }
        (Kind::QuoteNotFound, _) => text("인용문이 쪽에 없습니다", "the quote is not on the page"),
        (Kind::Empty, _) => text("내용이 없습니다", "it says nothing"),
        (Kind::Refusal, _) => {
            text("답하기를 거절하는 말로 보입니다", "the answer declines to answer")
        }
        (kind, _) => kind.name().to_owned(),
    }
}
