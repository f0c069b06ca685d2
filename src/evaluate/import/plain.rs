//! GSM8K, HumanEval, and plain questions and answers.

use serde_json::Value;

use super::{Read, Record, SourceFile, get, id_of, text, text_of};
use crate::evaluate::case::{Case, Expect, Program, ShortAnswer};
use crate::evaluate::result::SuiteKind;
use crate::pair::example::{Message, Role};

const QUESTION: [&str; 7] = ["question", "query", "prompt", "instruction", "input", "질문", "문제"];
const ANSWER: [&str; 9] =
    ["answer", "answers", "target", "output", "response", "completion", "gold", "답변", "정답"];
/// Words of an answer that is looked for as it stands; a longer one is a reference.
const SHORT_WORDS: usize = 6;

/// Tells whether a row ends its answer as GSM8K does.
pub(super) fn fits_gsm8k(row: &Record) -> bool {
    let answer = row.get("answer").and_then(Value::as_str);
    row.contains_key("question") && answer.is_some_and(|answer| answer.contains("####"))
}

/// Tells whether a row is a program with a test.
pub(super) fn fits_human_eval(row: &Record) -> bool {
    ["prompt", "entry_point", "test"].iter().all(|key| row.contains_key(*key))
}

/// Tells whether a row is a question and an answer.
pub(super) fn fits_qa(row: &Record) -> bool {
    get(row, &QUESTION).is_some() && get(row, &ANSWER).is_some()
}

pub(super) fn gsm8k(file: &SourceFile) -> Read {
    let mut read = Read::new(file, SuiteKind::Answers);
    read.each(file, |read, place, row| {
        let case = (|| {
            let answer = text_of(row, &["answer"])?;
            let number = final_number(&answer)?;
            let short = ShortAnswer { number: Some(number), last: true, ..ShortAnswer::default() };
            Ok(asked(
                id_of(file, place, row, &["id"]),
                text_of(row, &["question"])?,
                Expect::Short(short),
            ))
        })();
        read.add(place, case);
    });
    read
}

/// The number after `####`.
pub(super) fn final_number(answer: &str) -> Result<f64, String> {
    let (_, last) = answer.rsplit_once("####").ok_or("the answer has no `####` before a number")?;
    let last = last.trim().trim_start_matches('$').trim_end_matches('%').replace(',', "");
    let number: f64 = last.parse().map_err(|_| format!("`#### {last}` is no number"))?;
    if number.is_finite() { Ok(number) } else { Err(format!("`#### {last}` is no number")) }
}

pub(super) fn human_eval(file: &SourceFile) -> Read {
    let mut read = Read::new(file, SuiteKind::Programs);
    read.each(file, |read, place, row| {
        let case = (|| {
            let own = |key: &str| text_of(row, &[key]);
            let (prompt, entry_point) = (own("prompt")?, own("entry_point")?);
            let named = |c: char| c.is_alphanumeric() || c == '_';
            if entry_point.is_empty() || !entry_point.chars().all(named) {
                return Err(format!("`entry_point` is no name of a function: `{entry_point}`"));
            }
            let question = format!(
                "Complete this Python function. Reply with the whole function in one code block.\n\n\
                 ```python\n{}\n```",
                prompt.trim_end()
            );
            let id = own("task_id").unwrap_or_else(|_| id_of(file, place, row, &["id"]));
            let program = Program { prompt, entry_point, test: own("test")? };
            Ok(asked(id, question, Expect::Program(program)))
        })();
        read.add(place, case);
    });
    read
}

pub(super) fn qa(file: &SourceFile) -> Read {
    let mut read = Read::new(file, SuiteKind::Answers);
    read.each(file, |read, place, row| {
        let case = (|| {
            let mut question = text_of(row, &QUESTION)?;
            if let Some(context) = get(row, &["context", "passage", "지문"]).and_then(text) {
                question = format!("{context}\n\n{question}");
            }
            let answers = answers(get(row, &ANSWER).ok_or("`answer` is missing")?);
            let expect = expected(&question, answers)?;
            let mut case = asked(id_of(file, place, row, &["id"]), question, expect);
            case.tags = get(row, &["category", "subject", "type", "분류"])
                .and_then(text)
                .into_iter()
                .collect();
            Ok(case)
        })();
        read.add(place, case);
    });
    let references = |case: &&Case| matches!(case.expect, Expect::Reference(_));
    if read.cases.iter().filter(references).count() * 2 > read.cases.len() {
        read.kind = Some(SuiteKind::Domain);
    }
    read
}

/// One answer, several of which any will do, or SQuAD's `{"text": [...]}`.
fn answers(value: &Value) -> Vec<String> {
    let list = match value {
        Value::Object(keys) => match keys.get("text").or_else(|| keys.get("value")) {
            Some(inner) => return answers(inner),
            None => return Vec::new(),
        },
        Value::Array(list) => list.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect::<Vec<_>>(),
    };
    let mut answers: Vec<String> = Vec::new();
    for answer in list {
        let answer = answer.trim().to_owned();
        if !answer.is_empty() && !answers.contains(&answer) {
            answers.push(answer);
        }
    }
    answers
}

/// How an answer is looked for: as a number, as words, or by what it says.
pub(super) fn expected(question: &str, answers: Vec<String>) -> Result<Expect, String> {
    let Some(first) = answers.first() else { return Err("the answer is empty".to_owned()) };
    if answers.len() == 1 {
        let number = first.replace(',', "").parse::<f64>().ok().filter(|number| number.is_finite());
        if let Some(number) = number {
            // A question that holds the number too can be repeated; then only the last number counts.
            let last =
                crate::text::number::numbers(question).iter().any(|found| found.value == number);
            return Ok(Expect::Short(ShortAnswer {
                number: Some(number),
                last,
                ..ShortAnswer::default()
            }));
        }
        if first.split_whitespace().count() > SHORT_WORDS {
            return Ok(Expect::Reference(first.clone()));
        }
    }
    Ok(Expect::Short(ShortAnswer { accept: answers, ..ShortAnswer::default() }))
}

fn asked(id: String, question: String, expect: Expect) -> Case {
    Case {
        id,
        messages: vec![Message::text(Role::User, question)],
        tools: Vec::new(),
        written: None,
        expect,
        tags: Vec::new(),
        source: None,
    }
}
