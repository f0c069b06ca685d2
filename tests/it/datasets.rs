//! The shipped data keeps its promises: sizes, languages, and no test item in training.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

fn rows(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn text<'a>(row: &'a Value, pointer: &str) -> &'a str {
    row.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn question(row: &Value) -> &str {
    row["messages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|message| message["role"] == "user")
        .and_then(|message| message["content"].as_str())
        .unwrap()
}

/// Strings and numbers at the leaves, as text.
fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(map) => map.values().for_each(|item| leaves(item, found)),
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.as_f64().unwrap().to_string()),
        Value::Bool(_) | Value::Null => {}
    }
}

/// Values that the tools' schemas list themselves.
fn enumerated(tools: &Value, found: &mut HashSet<String>) {
    match tools {
        Value::Object(map) => {
            if let Some(values) = map.get("enum") {
                let mut listed = Vec::new();
                leaves(values, &mut listed);
                found.extend(listed);
            }
            map.values().for_each(|value| enumerated(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| enumerated(item, found)),
        _ => {}
    }
}

#[test]
fn the_general_pools_hold_hundreds_of_distinct_conversations() {
    for (file, language) in
        [("datasets/general/ko.jsonl", "ko"), ("datasets/general/en.jsonl", "en")]
    {
        let rows = rows(file);
        assert!(rows.len() >= 300, "{file}: {}", rows.len());
        let questions: HashSet<&str> = rows.iter().map(question).collect();
        assert_eq!(questions.len(), rows.len(), "{file}: repeated questions");
        let topics: HashSet<&str> = rows.iter().map(|row| text(row, "/meta/topic")).collect();
        assert!(topics.len() >= 6, "{file}: {topics:?}");
        for row in &rows {
            assert_eq!(text(row, "/meta/language"), language);
            let last = row["messages"].as_array().unwrap().last().unwrap();
            assert_eq!(last["role"], "assistant", "{}", text(row, "/meta/id"));
        }
    }
}

/// The training rows about tools, of both languages.
fn tool_rows() -> Vec<Value> {
    ["en", "ko"]
        .iter()
        .flat_map(|language| rows(&format!("datasets/sample/tools/train-{language}.jsonl")))
        .collect()
}

#[test]
fn the_tool_set_is_as_large_and_as_varied_as_promised() {
    let train = tool_rows();
    let test = rows("eval/tools/cases.jsonl");
    let korean = |rows: &[Value], pointer: &str| {
        rows.iter().filter(|row| text(row, pointer) == "ko").count()
    };
    assert!(train.len() >= 400 && test.len() >= 150, "{} and {}", train.len(), test.len());
    let share = korean(&train, "/meta/language") as f64 / train.len() as f64;
    assert!((0.4..=0.6).contains(&share), "{share}");
    let tagged = |tag: &str| {
        test.iter()
            .filter(|row| row["tags"].as_array().unwrap().iter().any(|found| found == tag))
            .collect::<Vec<_>>()
    };
    let share = tagged("ko").len() as f64 / test.len() as f64;
    assert!((0.4..=0.6).contains(&share), "{share}");
    assert!(tagged("no_call").len() >= 20);
    let tools_of = |row: &Value| -> Vec<String> {
        row["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| text(tool, "/function/name").to_owned())
            .collect()
    };
    let seen: HashSet<String> = train.iter().flat_map(&tools_of).collect();
    assert!(seen.len() >= 12, "{seen:?}");
    let unseen = test
        .iter()
        .filter(|row| {
            let calls = row["expect"]["calls"].as_array().unwrap();
            calls.iter().any(|call| !seen.contains(text(call, "/name")))
        })
        .count();
    assert!(unseen >= 30, "{unseen}");
}

#[test]
fn no_test_request_and_no_test_value_occurs_in_training() {
    let train = tool_rows();
    let test = rows("eval/tools/cases.jsonl");
    let questions: HashSet<&str> = train.iter().map(question).collect();
    let (mut listed, mut values) = (HashSet::new(), Vec::new());
    for row in train.iter().chain(&test) {
        enumerated(&row["tools"], &mut listed);
    }
    for row in &train {
        for message in row["messages"].as_array().unwrap() {
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                leaves(&call["function"]["arguments"], &mut values);
            }
        }
    }
    let values: HashSet<String> = values.into_iter().collect();
    for row in &test {
        assert!(!questions.contains(question(row)), "{}: asked in training", text(row, "/id"));
        let mut wanted = Vec::new();
        for call in row["expect"]["calls"].as_array().unwrap() {
            leaves(&call["arguments"], &mut wanted);
        }
        for value in wanted.iter().filter(|value| !value.is_empty() && !listed.contains(*value)) {
            assert!(!values.contains(value), "{}: `{value}` is a training value", text(row, "/id"));
        }
    }
}

#[test]
fn every_sample_pair_has_a_quote_and_a_page() {
    for file in ["datasets/sample/ko/pairs.jsonl", "datasets/sample/en/pairs.jsonl"] {
        let rows = rows(file);
        assert!(rows.len() >= 60, "{file}: {}", rows.len());
        for row in &rows {
            assert!(text(row, "/meta/quote").chars().count() >= 8, "{}", text(row, "/meta/id"));
            assert!(row["meta"]["page"].as_u64().is_some_and(|page| page >= 1));
        }
    }
}
