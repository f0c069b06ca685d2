//! A model's judgement of an answer against the expected one: what it is asked, and how its word is
//! read. The prompts are `prompts/judge.*.md`.

use crate::pair::{Language, Message};

use super::prompt;

const KOREAN: &str = include_str!("../../prompts/judge.ko.md");
const ENGLISH: &str = include_str!("../../prompts/judge.en.md");

fn file(language: Language) -> &'static str {
    match language {
        Language::Korean => KOREAN,
        Language::English => ENGLISH,
    }
}

/// The prompts that judgements are made by, with their versions: `judge 1`.
pub fn name() -> String {
    let version = prompt::entry(ENGLISH, "version").unwrap_or_default();
    format!("judge {version}")
}

/// The conversation that asks whether `reply` says what is expected.
pub fn ask(language: Language, question: &str, expected: &str, reply: &str) -> Vec<Message> {
    let text = file(language);
    let body = prompt::split_front_matter(text).map_or(text, |(_, body)| body);
    let value = |name: &str| match name {
        "question" => Some(question),
        "expected" => Some(expected),
        "reply" => Some(reply),
        _ => None,
    };
    let turns = prompt::turns(body).into_iter();
    turns.map(|(role, text)| Message::text(role, prompt::filled(&text, value))).collect()
}

/// What a judge says: right, wrong, or nothing that can be read as either. The last verdict counts,
/// since what comes before it may weigh both.
pub fn verdict(said: &str) -> Option<bool> {
    let said = said.to_lowercase();
    let after = |mark: &str| said.rfind(mark).map(|at| (at, &said[at + mark.len()..]));
    let (_, word) =
        [after("verdict"), after("판정")].into_iter().flatten().max_by_key(|(at, _)| *at)?;
    let word = word.trim_start_matches(|c: char| !c.is_alphabetic());
    let begins = |words: &[&str]| words.iter().any(|known| word.starts_with(known));
    if begins(&["right", "correct", "맞", "정답"]) {
        Some(true)
    } else if begins(&["wrong", "incorrect", "틀", "오답"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_the_expected_and_the_reply_are_told_as_they_are() {
        for language in [Language::Korean, Language::English] {
            let turns = ask(language, "활하중은? {reply}", "2.5 kN/m²", "3 {question}");
            let [turn] = turns.as_slice() else { panic!("{turns:?}") };
            for part in ["활하중은? {reply}\n", "\n2.5 kN/m²\n", "\n3 {question}\n"] {
                assert!(turn.content.contains(part), "{part}: {}", turn.content);
            }
        }
        assert_eq!(name(), "judge 1");
        assert_eq!(prompt::entry(KOREAN, "version"), prompt::entry(ENGLISH, "version"));
    }

    #[test]
    fn the_last_verdict_counts() {
        for (said, expected) in [
            ("Same figure and unit.\nVerdict: right", Some(true)),
            ("**Verdict:** wrong.", Some(false)),
            ("At first verdict: wrong, but units agree. VERDICT: Right", Some(true)),
            ("단위가 다릅니다.\n판정: 틀림", Some(false)),
            ("판정: `맞음`", Some(true)),
            ("Verdict: incorrect", Some(false)),
            ("It is right.", None),
            ("Verdict: unsure", None),
            ("Verdict: 판정: 맞음", Some(true)),
            ("", None),
        ] {
            assert_eq!(verdict(said), expected, "{said}");
        }
    }
}
