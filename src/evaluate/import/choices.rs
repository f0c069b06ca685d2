//! Multiple choice, as MMLU, KMMLU, ARC, HellaSwag and many others have it.
//!
//! Options stand in columns `A`, `B`, ... or in a list; the right one is told by letter, by index, or as
//! text. Whether indices count from 0 or from 1 is found out from the whole file: 0 occurs, or the
//! number of options does; where neither is so, lettered columns count from 1 (as KMMLU's) and lists
//! from 0 (as MMLU's), and a note says it.

use serde_json::Value;

use super::{Read, Record, SourceFile, get, id_of, text, text_of, unquoted};
use crate::evaluate::case::{Case, Expect};
use crate::evaluate::result::SuiteKind;
use crate::pair::example::{Message, Role};

const QUESTION: [&str; 7] = ["question", "query", "ctx", "prompt", "질문", "문제", "input"];
const OPTIONS: [&str; 6] = ["choices", "options", "endings", "보기", "선택지", "mc1_targets"];
const RIGHT: [&str; 11] = [
    "answer",
    "answerKey",
    "answer_index",
    "answer_idx",
    "label",
    "gold",
    "correct",
    "correct_answer",
    "target",
    "정답",
    "cop",
];
const SUBJECT: [&str; 4] = ["subject", "category", "과목", "분야"];
const LETTERS: [&str; 10] = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"];

/// Tells whether a row is a question with options.
pub(super) fn fits(row: &Record) -> bool {
    get(row, &QUESTION).is_some() && get(row, &RIGHT).is_some() && options(row).is_ok()
}

pub(super) fn read(file: &SourceFile) -> Read {
    let mut read = Read::new(file, SuiteKind::Choice);
    let base = Base::of(file);
    if let (Some(note), true) = (base.guessed, file.rows.iter().any(|(_, row)| is_indexed(row))) {
        read.notes.push(note.to_owned());
    }
    read.each(file, |read, place, row| read.add(place, case(file, place, row, &base)));
    read
}

fn case(file: &SourceFile, place: usize, row: &Record, base: &Base) -> Result<Case, String> {
    let mut question = text_of(row, &QUESTION)?;
    if let Some(context) = get(row, &["context", "passage", "지문"]).and_then(text) {
        question = format!("{context}\n\n{question}");
    }
    let (options, labels) = options(row)?;
    let told = get(row, &RIGHT).and_then(text).ok_or("`answer` is missing")?;
    let right = right(&told, &options, &labels, base)?;
    let subject = get(row, &SUBJECT).and_then(text).filter(|subject| !subject.trim().is_empty());
    Ok(Case {
        id: id_of(file, place, row, &["id", "ind"]),
        messages: vec![Message::text(Role::User, question)],
        tools: Vec::new(),
        written: None,
        expect: Expect::Choice { options, right },
        tags: subject.into_iter().collect(),
        source: None,
    })
}

/// The options and how they are named.
fn options(row: &Record) -> Result<(Vec<String>, Vec<String>), String> {
    let lettered: Vec<(String, String)> = LETTERS
        .iter()
        .map_while(|letter| {
            let named = [*letter, &format!("option_{letter}"), &format!("op{letter}")]
                .iter()
                .find_map(|name| get(row, &[name]).and_then(text));
            named.map(|option| ((*letter).to_owned(), option))
        })
        .collect();
    if lettered.len() >= 2 {
        let (labels, options) = lettered.into_iter().unzip();
        return Ok((options, labels));
    }
    let found = get(row, &OPTIONS).ok_or("there are no options: `A`, `B`, ... or `choices`")?;
    let found = unquoted(found).map_err(|_| "`choices` is text, but no JSON list".to_owned())?;
    let texts =
        |value: &Value| -> Option<Vec<String>> { value.as_array()?.iter().map(text).collect() };
    let (options, labels) = match &found {
        // ARC: texts and labels beside each other.
        Value::Object(both) => (
            both.get("text").and_then(texts),
            both.get("label").and_then(texts).unwrap_or_default(),
        ),
        list => (texts(list), Vec::new()),
    };
    match options {
        Some(options) if options.len() >= 2 => Ok((options, labels)),
        _ => Err("`choices` must be a list of two or more texts".to_owned()),
    }
}

fn is_indexed(row: &Result<Record, String>) -> bool {
    let told = row.as_ref().ok().and_then(|row| get(row, &RIGHT)).and_then(text);
    told.is_some_and(|told| told.trim().parse::<usize>().is_ok())
}

/// From what indices count.
struct Base {
    first: usize,
    guessed: Option<&'static str>,
}

impl Base {
    fn of(file: &SourceFile) -> Self {
        let (mut zero, mut last, mut lettered) = (false, false, false);
        for row in file.rows.iter().filter_map(|(_, row)| row.as_ref().ok()) {
            let Ok((options, labels)) = options(row) else { continue };
            let told = get(row, &RIGHT).and_then(text).unwrap_or_default();
            let Ok(index) = told.trim().parse::<usize>() else { continue };
            lettered |= labels.first().is_some_and(|label| label == "A");
            zero |= index == 0;
            last |= index == options.len();
        }
        let known = |first| Self { first, guessed: None };
        match (zero, last) {
            (true, _) => known(0),
            (false, true) => known(1),
            (false, false) if lettered => Self {
                first: 1,
                guessed: Some("the answers are taken as counted from 1; no row tells for certain"),
            },
            (false, false) => Self {
                first: 0,
                guessed: Some("the answers are taken as counted from 0; no row tells for certain"),
            },
        }
    }
}

/// The index of the right option, from a label, a letter, the option's text or an index.
fn right(told: &str, options: &[String], labels: &[String], base: &Base) -> Result<usize, String> {
    let told = told.trim();
    let bare = told.trim_matches(['(', ')', '[', ']', '.', ':', ' ']);
    // ARC labels some of its options 1 to 4; a label that is given goes before an index.
    if let Some(index) = labels.iter().position(|label| label == bare) {
        return Ok(index);
    }
    if let Ok(index) = bare.parse::<usize>() {
        return index.checked_sub(base.first).filter(|index| *index < options.len()).ok_or_else(
            || {
                format!(
                    "the answer {index} is no index of {} options, counted from {}",
                    options.len(),
                    base.first
                )
            },
        );
    }
    if let Some(index) = options.iter().position(|option| option.trim() == told) {
        return Ok(index);
    }
    let letter = LETTERS.iter().position(|letter| letter.eq_ignore_ascii_case(bare));
    letter.filter(|index| *index < options.len()).ok_or_else(|| {
        format!("the answer `{told}` is neither a letter, an index nor the text of an option")
    })
}
