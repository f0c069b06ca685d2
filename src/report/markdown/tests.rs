//! Snapshots of the report in both languages, from a small evaluation.

use std::ops::ControlFlow;

use super::*;
use crate::evaluate::{Answerer, Nats, OnReply, Plan, Prompt, Question, Suite, run};
use crate::failure::Result;

/// Calls the tool in a code fence as base and in the right form as tuned, except that the tuned
/// model forgets Korean small talk and calls where it should not.
struct Pupil;

impl Answerer for Pupil {
    fn answer(&mut self, questions: &[Question<'_>], on_reply: &mut OnReply<'_>) -> Result<()> {
        let reply = |prompt: &Prompt<'_>, tuned: bool| {
            let question = prompt.messages.last().unwrap().content.as_str();
            let city = question.split(' ').next().unwrap();
            let call = format!(r#"{{"name": "get_weather", "arguments": {{"city": "{city}"}}}}"#);
            match (prompt.tools.is_empty(), tuned) {
                (true, false) => "서울입니다.".to_owned(),
                (true, true) => "네.".to_owned(),
                (false, false) if question.contains("고마워") => "천만에요.".to_owned(),
                (false, false) if city < "다" => format!("```json\n{call}\n```"),
                (false, false) => format!("{city} 날씨는 맑습니다."),
                (false, true) => format!("<tool_call>\n{call}\n</tool_call>"),
            }
        };
        for (index, Question { prompt, tuned, .. }) in questions.iter().enumerate() {
            let _ = on_reply(index, Ok(reply(prompt, *tuned)));
        }
        Ok(())
    }

    fn continuation_nats(
        &mut self,
        items: &[(Prompt<'_>, &str)],
        _: bool,
    ) -> Result<Option<Vec<Nats>>> {
        Ok(Some(items.iter().map(|(_, option)| (option.len() as f64, 1)).collect()))
    }

    fn text_nats(&mut self, texts: &[&str], tuned: bool) -> Result<Option<Vec<Nats>>> {
        let each = if tuned { 2.5 } else { 2.4 };
        let nats = texts.iter().enumerate().map(|(i, _)| (40.0 * each + i as f64, 40));
        Ok(Some(nats.collect()))
    }
}

/// A small evaluation with a gain, a loss and something that cannot be told.
pub(in crate::report) fn sample(tuned: bool) -> Evaluation {
    let manifest = |name: &str, kind: &str, ko: &str, en: &str, subsets: &str| {
        let forgetting = name.starts_with("forgetting");
        format!(
            "version = 1\nname = \"{name}\"\nkind = \"{kind}\"\nforgetting = {forgetting}\n\
             languages = [\"ko\"]\nlicence = \"CC0-1.0\"\nsubsets = [{subsets}]\n\
             [title]\nko = \"{ko}\"\nen = \"{en}\"\n"
        )
    };
    let suite = |manifest: &str, lines: &[String]| {
        let (suite, problems) = Suite::parse(manifest, &lines.join("\n")).unwrap();
        assert_eq!(problems, []);
        suite
    };
    let tools = r#""tools":[{"function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]"#;
    let cities = ["강릉", "군산", "나주", "대구", "목포", "부산", "서울", "울산", "제주", "춘천"];
    let mut lines: Vec<String> = cities
        .iter()
        .enumerate()
        .map(|(index, city)| {
            let tag = if index < 6 { "seen" } else { "unseen" };
            format!(
                r#"{{"id":"tool-{index}","question":"{city} 날씨 알려 줘","expect":{{"calls":[{{"name":"get_weather","arguments":{{"city":["{city}"]}}}}]}},"tags":["ko","{tag}"],{tools}}}"#
            )
        })
        .collect();
    lines.push(format!(r#"{{"id":"tool-none","question":"정말 고마워","expect":{{"calls":[]}},"tags":["ko","seen"],{tools}}}"#));
    let questions: Vec<String> = (0..7)
        .map(|index| {
            format!(r#"{{"id":"korean-{index}","question":"{index}. 우리나라의 수도는?","expect":{{"accept":["서울"]}}}}"#)
        })
        .collect();
    let texts: Vec<String> =
        (0..5).map(|index| format!(r#"{{"id":"text-{index}","text":"글 {index}."}}"#)).collect();
    let suites = [
        suite(
            &manifest("tools", "tools", "도구 호출", "Tool calls", r#""seen", "unseen""#),
            &lines,
        ),
        suite(
            &manifest("forgetting/korean", "answers", "한국어 대화", "Korean conversation", ""),
            &questions,
        ),
        suite(&manifest("forgetting/text", "text", "일반 글", "General text", ""), &texts),
    ];
    let mut go = |_| ControlFlow::Continue(());
    let number = tuned.then_some(4);
    let evaluation =
        run(&Plan::greedy("qwen2.5-0.5b", number, &suites, tuned), &mut Pupil, &mut [], &mut go);
    let mut evaluation = evaluation.unwrap().unwrap();
    evaluation.created = 1_795_424_700;
    evaluation.seconds = 63.2;
    evaluation
}

#[test]
fn reports_in_both_languages() {
    let notes = ["Xeon, 2 cores, 16 GB | AMX".to_owned(), "r 16, 3 epochs".to_owned()];
    insta::assert_snapshot!("english", markdown(&sample(true), Language::English, &notes));
    insta::assert_snapshot!("korean", markdown(&sample(true), Language::Korean, &notes));
    insta::assert_snapshot!("base_alone", markdown(&sample(false), Language::English, &[]));
}

#[test]
fn long_lists_are_capped_and_counted_and_fences_are_outgrown() {
    let mut evaluation = sample(true);
    let suite = &mut evaluation.suites[0];
    let mut item = suite.items[0].clone();
    item.base.text = format!("````\n{}\n````", "가".repeat(2 * TEXT_MAX));
    suite.items = vec![item; ITEMS_MAX + 5];
    let text = markdown(&evaluation, Language::English, &[]);
    assert_eq!(text.matches("**tool-0**").count(), ITEMS_MAX);
    assert!(text.contains("5 more are in report.json"));
    assert!(text.contains("`````text"));
    assert!(!text.contains(&"가".repeat(TEXT_MAX + 1)));
}
