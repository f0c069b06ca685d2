//! Every format gives back what was written, and says what it cannot hold.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::pair::{Example, Message, Meta, Role, Tool, ToolCall};

/// Writes examples and reads them again as a stranger's file, format and mapping unknown.
fn through(format: Format, examples: &[Example]) -> (Vec<Example>, Vec<String>) {
    let mut writer = RowWriter::new(format, Vec::new()).unwrap();
    let mut refused = Vec::new();
    for example in examples {
        if let Err(reason) = writer.write(example).unwrap() {
            refused.push(reason);
        }
    }
    let bytes = writer.finish().unwrap();
    // A file without a row is of no format.
    let nothing = refused.len() == examples.len();
    (if nothing { Vec::new() } else { read(&bytes).unwrap().0 }, refused)
}

type Read = (Vec<Example>, Vec<Problem>, Layout);

fn read(bytes: &[u8]) -> Result<Read, String> {
    read_as(bytes, None, &Mapping::default())
}

fn read_as(bytes: &[u8], format: Option<Format>, mapping: &Mapping) -> Result<Read, String> {
    let container = Container::detect(bytes, format)?;
    let rows = || match container {
        Container::Parquet => parquet_rows(bytes::Bytes::from(bytes.to_vec())),
        _ => text_rows(container, bytes),
    };
    let sample: Vec<Record> =
        rows().filter_map(Result::ok).filter_map(|row| row.record().ok()).take(20).collect();
    let layout = Layout::detect(&sample, format, mapping)?;
    let (mut examples, mut problems) = (Vec::new(), Vec::new());
    for row in rows() {
        let found = row.and_then(|row| {
            let line = row.place;
            let example = row.record().and_then(|record| layout.example(record, &mut Vec::new()));
            example.map_err(|reason| Problem { line, reason })
        });
        match found {
            Ok(example) => examples.push(example),
            Err(problem) => problems.push(problem),
        }
    }
    Ok((examples, problems, layout))
}

/// Identifiers of calls as readers give them where a format has none.
fn renumbered(example: &Example) -> Example {
    let mut example = example.clone();
    let mut names = std::collections::HashMap::new();
    for message in &mut example.messages {
        for call in &mut message.tool_calls {
            let next = format!("call_{}", names.len() + 1);
            names.insert(std::mem::replace(&mut call.id, next.clone()), next);
        }
        if let Some(id) = &mut message.tool_call_id {
            *id = names[id].clone();
        }
    }
    example
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[가-힣a-zA-Z0-9 .,?!<>&'\"\\\\\n\t{}\\[\\]=;-]{1,40}"
            .prop_filter("blank", |text| { !text.trim().is_empty() }),
        Just("옥외의 최소 피복두께는 50 mm, \"현장\"; 예: a,b\n둘째 줄".to_owned()),
        Just("[1, 2]".to_owned()),
        Just("{\"a\": 1}".to_owned()),
        Just("12".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-4000..4000_i32).prop_map(|n| Value::from(f64::from(n) / 8.0)),
        any::<bool>().prop_map(Value::from),
        vec(text().prop_map(Value::from), 0..3).prop_map(Value::from),
        text().prop_map(|text| json!({"지역": text, "층": [1, {"깊이": 2}]})),
    ]
}

fn arguments() -> impl Strategy<Value = Map<String, Value>> {
    vec(("[a-z]{1,6}|지역|use", value()), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

fn tool(name: &str) -> Tool {
    serde_json::from_value(json!({"type": "function", "function": {
        "name": name, "description": "적설하중을 찾는다 <h & b>",
        "parameters": {"type": "object", "properties": {"use": {"type": "string", "enum": ["a", "나"]}}},
    }}))
    .unwrap()
}

/// A call's arguments and its result.
type Made = (Map<String, Value>, String);

/// A round of the conversation: a question, turns of calls with their results, an answer.
#[derive(Debug, Clone)]
struct Round {
    question: String,
    calls: Vec<(String, Vec<Made>)>,
    answer: String,
}

fn round() -> impl Strategy<Value = Round> {
    let beside = prop_oneof![3 => Just(String::new()), 1 => text()];
    let calls = vec((beside, vec((arguments(), text()), 1..3)), 0..3);
    (text(), calls, text()).prop_map(|(question, calls, answer)| Round { question, calls, answer })
}

fn example() -> impl Strategy<Value = Example> {
    let page = prop::option::of(1_u32..500);
    (prop::option::of(text()), vec(round(), 1..4), any::<bool>(), any::<bool>(), page).prop_map(
        |(system, rounds, offers, calls, page)| {
            let mut example = Example::default();
            example.messages.extend(system.map(|text| Message::text(Role::System, text)));
            let mut number = 0;
            for round in rounds {
                example.messages.push(Message::text(Role::User, round.question));
                for (beside, made) in round.calls.into_iter().filter(|_| calls && offers) {
                    let mut turn = Message::calls(Vec::new());
                    turn.content = beside;
                    let mut results = Vec::new();
                    for (at, (arguments, result)) in made.into_iter().enumerate() {
                        number += 1;
                        let (id, name) = (format!("c{number}"), ["snow", "하중"][at % 2]);
                        turn.tool_calls.push(ToolCall::new(&id, name, arguments));
                        let mut turn = Message::text(Role::Tool, result);
                        (turn.tool_call_id, turn.name) = (Some(id), Some(name.to_owned()));
                        results.push(turn);
                    }
                    example.messages.push(turn);
                    example.messages.append(&mut results);
                }
                example.messages.push(Message::text(Role::Assistant, round.answer));
            }
            if offers {
                example.tools = vec![tool("snow"), tool("하중")];
            }
            example.meta =
                Meta { document: Some("기준.pdf".to_owned()), page, ..Meta::default() };
            crate::pair::normalize::normalize(&mut example);
            example
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn written_examples_are_read_back(examples in vec(example(), 1..6)) {
        for format in Format::ALL {
            let (found, refused) = through(format, &examples);
            let holds = |example: &&Example| {
                let calls = example.calls().next().is_some();
                let beside = example.messages.iter()
                    .any(|turn| !turn.tool_calls.is_empty() && !turn.content.is_empty());
                match format {
                    Format::Alpaca => !calls,
                    Format::LlamaFactoryOpenAi => !beside,
                    _ => true,
                }
            };
            let held: Vec<&Example> = examples.iter().filter(holds).collect();
            prop_assert_eq!(refused.len(), examples.len() - held.len(), "{}", format.name());
            prop_assert_eq!(found.len(), held.len(), "{}", format.name());
            for (found, written) in found.iter().zip(held) {
                let without_ids = matches!(format, Format::ShareGpt | Format::LlamaFactory);
                let written = if without_ids { renumbered(written) } else { written.clone() };
                prop_assert_eq!(&found.messages, &written.messages, "{}", format.name());
                prop_assert_eq!(&found.tools, &written.tools, "{}", format.name());
                if matches!(format, Format::Canonical | Format::Parquet | Format::Csv) {
                    prop_assert_eq!(&found.meta, &written.meta, "{}", format.name());
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..200), text in "[\\[\\]{}\",:a\n ]{0,80}") {
        let _ = read(&bytes);
        let _ = read(text.as_bytes());
        let _ = read_as(text.as_bytes(), Some(Format::Csv), &Mapping::default());
    }
}

fn called() -> Example {
    serde_json::from_value(json!({
        "messages": [
            {"role": "system", "content": "짧게 답하라."},
            {"role": "user", "content": "서울과 울릉도의 적설하중은?"},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "call_1", "function": {"name": "snow", "arguments": {"use": "서울", "n": 1.5}}},
                {"id": "call_2", "function": {"name": "snow", "arguments": {"use": "울릉도"}}}]},
            {"role": "tool", "tool_call_id": "call_1", "name": "snow", "content": "0.5"},
            {"role": "tool", "tool_call_id": "call_2", "name": "snow", "content": "10"},
            {"role": "assistant", "content": "0.5와 10 kN/m²입니다."},
        ],
        "tools": [tool("snow")],
        "meta": {"page": 3},
    }))
    .unwrap()
}

#[test]
fn each_target_gets_arguments_in_the_form_it_reads() {
    let example = called();
    let arguments = |format| {
        let row = row(format, &example).unwrap();
        row["messages"][2]["tool_calls"][0]["function"]["arguments"].clone()
    };
    let object = json!({"use": "서울", "n": 1.5});
    for format in [Format::Trl, Format::LlamaFactoryOpenAi, Format::Canonical] {
        assert_eq!(arguments(format), object, "{}", format.name());
    }
    for format in [Format::OpenAi, Format::Axolotl] {
        assert_eq!(arguments(format), json!(r#"{"use":"서울","n":1.5}"#), "{}", format.name());
    }
    let shared = row(Format::LlamaFactory, &example).unwrap();
    let turns: Vec<(&str, &str)> = shared["conversations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| (turn["from"].as_str().unwrap(), turn["value"].as_str().unwrap()))
        .collect();
    assert_eq!(turns[2].0, "function_call");
    assert_eq!(serde_json::from_str::<Value>(turns[2].1).unwrap()[0]["arguments"], object);
    assert_eq!(turns[3], ("observation", "0.5\n</tool_response>\n<tool_response>\n10"));
    assert_eq!(turns.len(), 5);
    assert!(shared["tools"].as_str().unwrap().starts_with("[{\"type\":\"function\""));
    let content = |format| row(format, &example).unwrap()["messages"][2]["content"].clone();
    assert_eq!(content(Format::OpenAi), Value::Null);
    for format in [Format::Trl, Format::LlamaFactoryOpenAi, Format::Axolotl, Format::Canonical] {
        assert_eq!(content(format), json!(""), "{}", format.name());
    }
    for format in Format::ALL.into_iter().filter(|format| *format != Format::Alpaca) {
        let text = row(format, &example).unwrap().to_string();
        assert!(text.contains("울릉도") && !text.contains("\\u"), "{}: {text}", format.name());
    }
}

#[test]
fn what_a_format_cannot_hold_is_refused_with_the_reason() {
    let example = called();
    assert!(row(Format::Alpaca, &example).unwrap_err().contains("calls of tools"));
    let mut swapped = example.clone();
    swapped.messages.swap(3, 4);
    assert!(row(Format::ShareGpt, &swapped).unwrap_err().contains("another order"));
    let mut open = example.clone();
    open.messages.pop();
    assert!(row(Format::LlamaFactory, &open).unwrap_err().contains("end with an answer"));
    let mut beside = example;
    beside.messages[2].content = "찾아보겠습니다.".to_owned();
    assert!(row(Format::LlamaFactoryOpenAi, &beside).unwrap_err().contains("dropped"));
}

#[test]
fn strangers_files_are_recognized() {
    let alpaca = r#"[
      {"instruction": "합을 구하라.", "input": "1, 2", "output": "3",
       "history": [["안녕?", "안녕하세요."]], "system": "수학자"},
      {"instruction": "q", "input": "", "output": "a"}
    ]"#;
    let (rows, problems, layout) = read(alpaca.as_bytes()).unwrap();
    assert_eq!((layout.shape, problems.len()), (Shape::Alpaca, 0));
    assert_eq!(rows[0].messages.len(), 5);
    assert_eq!(rows[0].question(), "합을 구하라.\n1, 2");

    let hermes = json!({"conversations": [
        {"from": "human", "value": "q"},
        {"from": "gpt", "value": "<tool_call>\n{\"name\": \"snow\", \"arguments\": {\"use\": \"a\"}}\n</tool_call>"},
        {"from": "tool", "value": "<tool_response>\n10\n</tool_response>"},
        {"from": "gpt", "value": "a"}], "tools": json!([tool("snow")]).to_string()});
    let (rows, _, layout) = read(hermes.to_string().as_bytes()).unwrap();
    assert_eq!(layout.shape, Shape::ShareGpt);
    assert_eq!(rows[0].calls().next().unwrap().function.arguments["use"], "a");
    assert_eq!((rows[0].messages[2].content.as_str(), rows[0].tools.len()), ("10", 1));

    let trl = r#"{"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}"#;
    let (rows, _, layout) = read(trl.as_bytes()).unwrap();
    assert_eq!((layout.shape, rows[0].answer()), (Shape::Messages, "a"));

    let pretty = serde_json::to_string_pretty(&json!({"question": "q", "answer": 12})).unwrap();
    let (rows, _, layout) = read(format!("{pretty}\n{pretty}").as_bytes()).unwrap();
    assert_eq!((layout.shape, rows.len(), rows[1].answer()), (Shape::Columns, 2, "12"));
}

#[test]
fn tables_map_their_columns() {
    let table = "Frage;Antwort;쪽\n\"Wie; hoch?\";\"3 m\n\"\"genau\"\"\";7\nleer;;8\n";
    let error = read(table.as_bytes()).unwrap_err();
    assert!(error.contains("no column is recognized as the question"), "{error}");
    assert!(error.contains("`Frage`, `Antwort`, `쪽`"), "{error}");
    let mapping: Mapping = "question=Frage, answer=Antwort".parse().unwrap();
    let (rows, problems, _) = read_as(table.as_bytes(), None, &mapping).unwrap();
    assert_eq!((rows[0].question(), rows[0].answer()), ("Wie; hoch?", "3 m\n\"genau\""));
    assert_eq!(rows[0].meta.page, Some(7));
    assert_eq!(problems[0].line, 4);
    assert_eq!(problems[0].reason, "`Antwort` (the answer) is empty");

    let error = read(b"prompt,question,answer\na,b,c\n").unwrap_err();
    assert!(error.contains("several columns may be the question: `prompt`, `question`"), "{error}");
    let mapping: Mapping = "question=Nein".parse().unwrap();
    let error = read_as(table.as_bytes(), None, &mapping).unwrap_err();
    assert!(error.contains("there is no column `Nein`"), "{error}");
    for wrong in ["frage=a", "question", "question=a,question=b"] {
        assert!(wrong.parse::<Mapping>().is_err(), "{wrong}");
    }
}

#[test]
fn spreadsheets_from_korean_windows_are_read() {
    let (cp949, _, _) = encoding_rs::EUC_KR.encode("질문,답변\n똠방각하란?,\"관직, 이름\"\n");
    let (rows, problems, _) = read(&cp949).unwrap();
    assert_eq!(problems, []);
    assert_eq!((rows[0].question(), rows[0].answer()), ("똠방각하란?", "관직, 이름"));
    let utf16: Vec<u8> = "\u{feff}Q,A\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read(&utf16).unwrap_err().contains("UTF-16"));
    assert!(read(b"PK\x03\x04....").unwrap_err().contains("workbook"));
    assert!(read(b"").unwrap_err().contains("empty"));
    assert!(read(b"just a line of text\n").is_err());
}

#[test]
fn a_bad_row_is_named_and_the_rest_goes_on() {
    let good = r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#;
    let lines = format!("{good}\n\n{{\"messages\": \n{good}\n{{\"messages\":[]}}\n\u{1}\n{good}");
    let (rows, problems, _) = read(lines.as_bytes()).unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(problems.iter().map(|p| p.line).collect::<Vec<_>>(), [3, 5, 6]);

    let array = format!("[{good},\n{{\"messages\": nonsense}},\n7,\n{good},\n{{\"messages\": [");
    let (rows, problems, _) = read(array.as_bytes()).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(problems.iter().map(|p| p.line).collect::<Vec<_>>(), [2, 3, 5]);
    assert!(problems[2].reason.contains("ends inside"), "{problems:?}");

    for table in ["Q,A\na,\"b\"\n\nc,d,e\nf,g\n", "Q,A\r\na,\"b\"\r\n\r\nc,d,e\r\nf,g\r\n"] {
        let (rows, problems, _) = read(table.as_bytes()).unwrap();
        assert_eq!((rows.len(), problems.len(), problems[0].line), (2, 1, 4));
        assert_eq!((rows[0].answer(), rows[1].answer()), ("b", "g"));
        assert!(problems[0].reason.contains("3 cells"), "{problems:?}");
    }
}
