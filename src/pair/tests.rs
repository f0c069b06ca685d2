//! Reading, writing and checking together.

use serde_json::{Value, json};

use super::*;

fn read(text: impl AsRef<[u8]>) -> (Vec<(usize, Example)>, Vec<Problem>) {
    jsonl::read(text.as_ref())
}

/// Reads one line that must load without a problem.
fn one(row: &Value) -> Example {
    let (mut rows, problems) = read(row.to_string());
    assert_eq!(problems, [], "{row}");
    rows.pop().unwrap().1
}

/// The reason why a line does not load.
fn reason(row: &Value) -> String {
    let (rows, mut problems) = read(row.to_string());
    assert!(rows.is_empty() && problems.len() == 1, "{row}: {problems:?}");
    problems.remove(0).reason
}

fn conversation() -> Value {
    json!({
        "messages": [
            {"role": "system", "content": "너는 구조 기술사다."},
            {"role": "user", "content": "울릉도와 춘천의 적설하중?\n단위도. <b>&amp;</b> \"따옴표\""},
            {"role": "assistant", "content": "찾아보겠습니다.", "tool_calls": [
                {"id": "call_1", "type": "function", "function":
                    {"name": "snow_load", "arguments": {"region": "울릉도", "slope": 12.5}}},
                {"id": "call_2", "type": "function", "function":
                    {"name": "snow_load", "arguments": {"region": "춘천", "slope": 12}}}]},
            {"role": "tool", "content": "{\"load\": 10}", "tool_call_id": "call_1", "name": "snow_load"},
            {"role": "tool", "content": "0.5", "tool_call_id": "call_2", "name": "snow_load"},
            {"role": "assistant", "content": "울릉도 10 kN/m², 춘천 0.5 kN/m² 입니다."},
            {"role": "user", "content": "고마워"},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "call_3", "type": "function", "function": {"name": "close", "arguments": {}}}]},
        ],
        "tools": [
            {"type": "function", "function": {"name": "snow_load", "description": "지붕 적설하중",
                "parameters": {"type": "object", "properties": {"region": {"type": "string"},
                "slope": {"type": "number"}}, "required": ["region"]}}},
            {"type": "function", "function": {"name": "close", "description": "",
                "parameters": {"type": "object", "properties": {}}}},
        ],
    })
}

#[test]
fn canonical_and_openai_forms_come_back_as_they_were() {
    let with_meta = {
        let mut row = conversation();
        row["meta"] = json!({"id": "a-1", "language": "ko", "document": "기준.pdf", "page": 3,
            "span": {"start": 4, "end": 9}, "quote": "적설하중", "author": "홍길동",
            "state": "accepted", "tags": ["하중"], "topic": {"deep": [1, null]}});
        one(&row)
    };
    let mut canonical = Vec::new();
    jsonl::write(&mut canonical, [&with_meta].into_iter()).unwrap();
    assert!(String::from_utf8(canonical.clone()).unwrap().contains("울릉도"));
    assert_eq!(read(&canonical), (vec![(1, with_meta)], vec![]));

    let example = one(&conversation());
    let mut openai = Vec::new();
    openai::write(&mut openai, [&example].into_iter()).unwrap();
    let text = String::from_utf8(openai).unwrap();
    assert!(text.contains(r#""arguments":"{\"region\":\"울릉도\",\"slope\":12.5}""#), "{text}");
    assert_eq!(read(&text), (vec![(1, example)], vec![]));
}

#[test]
fn broken_lines_are_told_by_number_and_the_rest_loads() {
    let good =
        r#"{"messages":[{"role":"user","content":"가"},{"role":"assistant","content":"나"}]}"#;
    let mut text = format!("\u{feff}{good}\r\n\r\n").into_bytes();
    text.extend(br#"{"messages":[{"role":"user","content":"abc"#);
    text.extend(b"\xff\xfe\n");
    text.extend(format!("{good}\n[1]\n\"x\"\n{{\"messages\":[]}}\n{good}").bytes());
    let (rows, problems) = read(&text);
    assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 4, 8]);
    assert_eq!(rows[0].1, rows[2].1);
    let told: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.line, p.reason)).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    3: not UTF-8 from byte 43 of the line on
    5: not a JSON object
    6: not a JSON object
    7: `messages` is empty
    ");
}

#[test]
fn a_reader_that_fails_keeps_what_it_gave() {
    struct Failing(usize);
    impl std::io::Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let line = b"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n";
            self.0 += 1;
            if self.0 > 2 {
                return Err(std::io::Error::other("disk gone"));
            }
            buffer[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }
    let (rows, problems) = jsonl::read(std::io::BufReader::new(Failing(0)));
    assert_eq!(rows.len(), 2);
    assert_eq!(problems, [Problem { line: 3, reason: "reading stops here: disk gone".to_owned() }]);
}

#[test]
fn other_file_formats_are_recognized() {
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, word) in [(utf16, "UTF-16"), (b"\xef\xbb\xbf [\n{}\n]".to_vec(), "array")] {
        let (rows, problems) = read(&bytes);
        assert!(rows.is_empty() && problems.len() == 1, "{problems:?}");
        assert!(problems[0].reason.contains(word), "{problems:?}");
    }
    assert_eq!(read(""), (vec![], vec![]));
}

#[test]
fn common_variants_are_repaired() {
    let canonical = one(&json!({
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "type": "function",
                "function": {"name": "f", "arguments": {"x": 1}}}]},
            {"role": "tool", "content": "2", "tool_call_id": "call_1", "name": "f"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "",
            "parameters": {"type": "object", "properties": {}}}}],
    }));
    let call = |arguments: Value| json!([{"function": {"name": "f", "arguments": arguments}}]);
    let row = |calls: Value, content: Value, tools: Value, result: Value| {
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": content, "tool_calls": calls}, result],
            "tools": tools})
    };
    let tools = json!([{"name": "f"}]);
    let result = json!({"role": "tool", "content": "2"});
    let cases = [
        row(call(json!("{\"x\": 1}")), Value::Null, tools.clone(), result.clone()),
        row(call(json!({"x": 1})), json!(""), json!(tools.to_string()), result.clone()),
        row(
            json!([{"name": "f", "arguments": {"x": 1}}]),
            Value::Null,
            tools.clone(),
            json!({"role": "tool", "name": "f", "content": "2"}),
        ),
        row(
            call(json!({"x": 1})),
            json!([]),
            json!([{"type": "function",
            "function": {"name": "f", "description": null, "parameters": null}}]),
            json!({"role": "tool", "tool_call_id": "call_1", "content": "2"}),
        ),
    ];
    for case in cases {
        assert_eq!(one(&case), canonical, "{case}");
    }
}

#[test]
fn unknown_keys_are_kept_in_meta_or_told() {
    let row = json!({"id": 7, "topic": "하중", "page": "iv", "document": "기준.pdf", "state": "accepted",
        "tags": ["a"], "meta": {"licence": "CC0", "tags": ["b"]},
        "messages": [{"role": "user", "content": "a", "weight": 1, "refusal": null}]});
    let (rows, problems) = read(format!("{row}\n{row}\n"));
    let meta = &rows[0].1.meta;
    assert_eq!(meta.id.as_deref(), Some("7"));
    assert_eq!((meta.document.as_deref(), meta.state), (Some("기준.pdf"), None));
    assert_eq!(meta.tags, ["b", "a"]);
    assert_eq!(meta.other["topic"], "하중");
    assert_eq!(meta.other["licence"], "CC0");
    assert_eq!(rows.len(), 2);
    let told: Vec<&str> = problems.iter().map(|problem| problem.reason.as_str()).collect();
    assert_eq!(
        told,
        [
            "`weight` of messages is not kept (told once; the row is loaded)",
            "`page` is not kept (told once; the row is loaded)",
            "`state` is not kept (told once; the row is loaded)",
        ]
    );
}

#[test]
fn unusable_rows_say_why() {
    let turn = |turn: Value| json!({"messages": [turn]});
    let call = |call: Value| turn(json!({"role": "assistant", "tool_calls": [call]}));
    let cases = [
        (json!({"prompt": "a"}), "`messages` is missing"),
        (json!({"messages": {}}), "`messages` is not a list"),
        (turn(json!({"role": "human", "content": "a"})), "message 1: role `human` is unknown"),
        (turn(json!({"content": "a"})), "message 1: `role` is missing"),
        (turn(json!({"role": "user", "content": 3})), "`content` is not text: 3"),
        (
            turn(json!({"role": "user", "content": [{"type": "image_url"}]})),
            "\"image_url\" is not text",
        ),
        (call(json!({"function": {"arguments": {}}})), "call 1 has no function name"),
        (
            call(json!({"function": {"name": "f", "arguments": "{x"}})),
            "arguments of `f` are not JSON",
        ),
        (call(json!({"function": {"name": "f", "arguments": "[1]"}})), "not an object: [1]"),
        (call(json!({"type": "retrieval", "name": "f"})), "not supported"),
        (
            json!({"messages": [{"role": "user", "content": "a"}], "tools": [{}]}),
            "tool 1: it has no name",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a"}], "meta": {"page": "three"}}),
            "`meta`: ",
        ),
    ];
    for (row, part) in cases {
        let reason = reason(&row);
        assert!(reason.contains(part), "{row}: {reason}");
    }
}

#[test]
fn check_finds_nothing_in_a_sound_conversation() {
    assert_eq!(check(&one(&conversation())), Vec::<String>::new());
}

type Damage = Box<dyn Fn(&mut Value)>;

#[test]
fn check_names_each_fault() {
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut row = conversation();
        change(&mut row);
        check(&serde_json::from_value(row).unwrap()).join("; ")
    };
    let arguments = "/messages/2/tool_calls/0/function/arguments";
    let set = |pointer: &str, value: Value| {
        let pointer = pointer.to_owned();
        move |row: &mut Value| *row.pointer_mut(&pointer).unwrap() = value.clone()
    };
    let cases: Vec<(Damage, &str)> = vec![
        (Box::new(set("/messages", json!([]))), "there are no messages"),
        (Box::new(set("/messages/1/content", json!(" \n"))), "message 2: the user says nothing"),
        (Box::new(set("/messages/5/content", json!(""))), "message 6: the assistant says nothing"),
        (
            Box::new(set("/messages/1/role", json!("assistant"))),
            "message 2: assistant follows system; message 3: assistant follows assistant",
        ),
        (
            Box::new(set("/messages/6/role", json!("system"))),
            "message 7: a system turn can only be the first; message 8: assistant follows system",
        ),
        (
            Box::new(|row| {
                row["messages"].as_array_mut().unwrap().truncate(7);
            }),
            "the last turn is not the assistant's",
        ),
        (
            Box::new(|row| {
                row["messages"].as_array_mut().unwrap().remove(4);
            }),
            "message 5: call `call_2` has no result",
        ),
        (
            Box::new(|row| {
                row["messages"].as_array_mut().unwrap().drain(3..5);
            }),
            "message 4: call `call_1`, `call_2` has no result",
        ),
        (
            Box::new(set("/messages/4/tool_call_id", json!("call_9"))),
            "message 5: the result answers `call_9`, which is no open call; message 6: call `call_2` has no result",
        ),
        (
            Box::new(set("/messages/7/tool_calls/0/id", json!("call_1"))),
            "message 8: call id `call_1` occurs twice",
        ),
        (
            Box::new(set("/messages/7/tool_calls/0/function/name", json!("open"))),
            "message 8: tool `open` is called but not offered",
        ),
        (
            Box::new(set(arguments, json!({"region": 3}))),
            "message 3: argument `region` of `snow_load`: 3 is not of type \"string\"",
        ),
        (
            Box::new(set(arguments, json!({"slope": 3}))),
            "message 3: arguments of `snow_load`: \"region\" is a required property",
        ),
        (
            Box::new(set(arguments, json!({"region": "춘천", "층": 2}))),
            "message 3: `snow_load` has no parameter `층`",
        ),
        (
            Box::new(set("/tools/1/function/name", json!("snow_load"))),
            "tool `snow_load` is offered twice; message 8: tool `close` is called but not offered",
        ),
        (
            Box::new(set("/tools/1/function/parameters", json!({"type": "text"}))),
            "tool `close`: its parameters are not a valid JSON Schema",
        ),
    ];
    for (change, expected) in cases {
        let found = changed(&*change);
        assert!(found.starts_with(expected), "expected {expected}, found {found}");
    }
}

#[test]
fn language_is_recorded_or_seen() {
    let text = |content: &str| one(&json!({"messages": [{"role": "user", "content": content}]}));
    assert_eq!(text("KDS 41 기준").language(), Language::Korean);
    assert_eq!(text("KDS 41").language(), Language::English);
    let mut recorded = text("KDS 41");
    recorded.meta.language = Some(Language::Korean);
    assert_eq!(recorded.language(), Language::Korean);
}
