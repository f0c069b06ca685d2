//! Why an answer is wrong, in words.

use super::Words;
use crate::evaluate::Reason;
use crate::evaluate::programs::Limit;
use crate::evaluate::rules::{LetterCase, Rule, Script};
use crate::evaluate::run::NO_LIKELIHOODS;
use crate::pair::example::Language;

impl Words {
    /// A class and after a colon what in particular, in this language.
    pub fn reason(&self, reason: &Reason) -> String {
        let class = self.error_class(reason.class());
        match self.reason_detail(reason) {
            detail if detail.is_empty() => class.to_owned(),
            detail => format!("{class}: {detail}"),
        }
    }

    /// What in particular is wrong, without the class.
    pub fn reason_detail(&self, reason: &Reason) -> String {
        match self.language {
            Language::English => {
                let text = reason.to_string();
                text.split_once(": ").map(|(_, detail)| detail.to_owned()).unwrap_or_default()
            }
            Language::Korean => korean(reason),
        }
    }
}

fn korean(reason: &Reason) -> String {
    match reason {
        Reason::Count { found, expected } => format!("{found}번 호출 (기대: {expected}번)"),
        Reason::Name { found, expected } => format!("{found} (기대: {expected})"),
        Reason::Type { argument, found } => format!("{argument} = {found}"),
        Reason::Value { argument, found, expected } => {
            format!("{argument} = {found} (기대: {expected})")
        }
        Reason::Form => "호출은 맞지만 템플릿이 요구하는 형식으로 쓰지 않았습니다".to_owned(),
        Reason::NoCall => "답에 호출이 없습니다".to_owned(),
        Reason::UnwantedCall => "이 요청에 맞는 도구가 없습니다".to_owned(),
        Reason::BrokenCall => "도구를 부르려 했으나 읽을 수 없습니다".to_owned(),
        Reason::LittleInCommon(f1) => format!("토큰 F1 {f1}"),
        Reason::NoLabel => "분류를 말하지 않거나 여럿을 말했습니다".to_owned(),
        Reason::BrokenRule(rule) => korean_rule(rule),
        Reason::NoProgram => "답에 프로그램이 없습니다".to_owned(),
        Reason::Stopped(Limit::Time) => "너무 오래 걸렸습니다".to_owned(),
        Reason::Stopped(Limit::Memory) => "메모리를 너무 많이 썼습니다".to_owned(),
        Reason::NoAnswer(why) if why == NO_LIKELIHOODS => {
            "여기서는 가능도를 얻을 수 없습니다".to_owned()
        }
        Reason::Missing(what)
        | Reason::Extra(what)
        | Reason::MissingNumbers(what)
        | Reason::MissingFacts(what)
        | Reason::OtherLabel(what)
        | Reason::TestFailed(what)
        | Reason::NoAnswer(what) => what.clone(),
        Reason::Other(text) => {
            text.split_once(": ").map(|(_, detail)| detail.to_owned()).unwrap_or_default()
        }
    }
}

fn korean_rule(rule: &Rule) -> String {
    let range = |least: usize, most: usize, unit: &str| match (least, most) {
        (least, most) if least == most => format!("{least}{unit}"),
        // A rule without an upper bound is written with a number that no reply reaches.
        (least, most) if most >= 1_000_000 => format!("{least}{unit} 이상"),
        (0, most) => format!("{most}{unit} 이하"),
        (least, most) => format!("{least}~{most}{unit}"),
    };
    match rule {
        Rule::Contains(text) => format!("“{text}” 넣기"),
        Rule::Absent(text) => format!("“{text}” 쓰지 않기"),
        Rule::Starts(text) => format!("“{text}” 말로 시작하기"),
        Rule::Ends(text) => format!("“{text}” 말로 끝내기"),
        Rule::Words(least, most) => format!("낱말 {}", range(*least, *most, "개")),
        Rule::Lines(least, most) => range(*least, *most, "줄"),
        Rule::Sentences(least, most) => format!("문장 {}", range(*least, *most, "개")),
        Rule::Characters(least, most) => range(*least, *most, "자"),
        Rule::Bullets(least, most) => format!("목록 항목 {}", range(*least, *most, "개")),
        Rule::Count { of, times: (least, most) } => {
            format!("“{of}” {}", range(*least, *most, "번"))
        }
        Rule::Json(keys) => format!("열쇠가 {}인 JSON 객체", keys.join(", ")),
        Rule::Case(LetterCase::Upper) => "대문자만 쓰기".to_owned(),
        Rule::Case(LetterCase::Lower) => "소문자만 쓰기".to_owned(),
        Rule::Script(Script::Hangul) => "한글만 쓰기".to_owned(),
        Rule::Script(Script::Latin) => "로마자만 쓰기".to_owned(),
        Rule::Matches(_) => rule.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::words::{ENGLISH, KOREAN};

    #[test]
    fn reasons_have_words_in_both_languages() {
        for (text, korean) in [
            ("count: 2 for 1", "호출 수: 2번 호출 (기대: 1번)"),
            ("name: g for f", "도구 이름: g (기대: f)"),
            ("missing: city", "빠진 인자: city"),
            ("type: days = \"3\"", "값의 형식: days = \"3\""),
            ("value: city = \"부산\" for \"아산\"", "값: city = \"부산\" (기대: \"아산\")"),
            ("no call: the reply holds none", "호출 없음: 답에 호출이 없습니다"),
            ("little in common: token F1 0.31", "겹치는 말이 적음: 토큰 F1 0.31"),
            ("broken rule: {\"sentences\":[2,2]}", "어긴 규칙: 문장 2개"),
            ("broken rule: {\"words\":[0,5]}", "어긴 규칙: 낱말 5개 이하"),
            ("broken rule: {\"count\":{\"of\":\"네\",\"times\":[1,3]}}", "어긴 규칙: “네” 1~3번"),
            ("no answer: HTTP 500", "답 없음: HTTP 500"),
            ("test: 1 != 2", "test: 1 != 2"),
            ("sandbox", "sandbox"),
        ] {
            let reason = Reason::from(text.to_owned());
            assert_eq!(KOREAN.reason(&reason), korean);
            let (class, detail) = text.split_once(": ").unwrap_or((text, ""));
            let english = ENGLISH.reason(&reason);
            assert_eq!(ENGLISH.reason_detail(&reason), detail);
            assert!(english.starts_with(ENGLISH.error_class(class)), "{english}");
        }
    }
}
