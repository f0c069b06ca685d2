//! Small files in each form, written for these tests.

use serde_json::{Value, json};

use super::*;
use crate::evaluate::calls::Rules;
use crate::evaluate::case::{Expect, ExpectedArgument};
use crate::evaluate::{PromptStyle, Suite};
use crate::pair::example::{Language, Role};

fn file(name: &str, rows: &[Value]) -> SourceFile {
    let rows = rows.iter().enumerate().map(|(at, row)| {
        let record = row.as_object().cloned().ok_or_else(|| "no object".to_owned());
        (at + 1, record)
    });
    SourceFile { name: name.to_owned(), rows: rows.collect(), ..SourceFile::default() }
}

/// Reads a file that must be recognized as `form`.
fn recognized(form: Form, file: &SourceFile) -> Read {
    assert_eq!(recognize(file), Some(form), "{}", file.name);
    read(form, file)
}

fn made(form: Form, reads: &mut [Read]) -> Suite {
    let options = SuiteOptions { name: "made".to_owned(), ..SuiteOptions::default() };
    let suite = suite(form, reads, &options).unwrap();
    // What is written is read again, whole.
    let (manifest, cases) = suite.to_files().unwrap();
    assert_eq!(Suite::parse(&manifest, &cases).unwrap(), (suite.clone(), Vec::new()));
    suite
}

fn accepted(expect: &Expect) -> Vec<(String, Vec<ExpectedArgument>)> {
    let Expect::Calls(calls) = expect else { panic!("{expect:?}") };
    calls.iter().map(|call| (call.name.clone(), call.arguments.clone())).collect()
}

fn question(id: &str, text: &str) -> Value {
    json!({"id": id, "question": [[{"role": "user", "content": text}]], "function": [{
        "name": "area.of", "description": "d", "parameters": {"type": "dict",
        "properties": {"base": {"type": "float"}, "unit": {"type": "string"}}, "required": ["base"]}}]})
}

#[test]
fn bfcl_in_java_and_javascript() {
    let row = |id: &str, kind: &str, items: &str| {
        json!({"id": id, "question": [[{"role": "user", "content": "Sort 3, 1."}]], "function": [{
            "name": "Sorter.sort", "description": "Sorts.", "parameters": {"type": "dict",
            "properties": {"rows": {"type": kind, "items": {"type": items}, "description": "Rows."}},
            "required": ["rows"]}}],
            "ground_truth": [{"Sorter.sort": {"rows": [[3, 1]]}}]})
    };
    for (file_name, id, kind, items, good, bad) in [
        (
            "BFCL_v4_simple_java.json",
            "simple_java_0",
            "ArrayList",
            "integer",
            "new ArrayList<Integer>(Arrays.asList(3, 1))",
            "[3, 1]",
        ),
        ("BFCL_v3_javascript.json", "javascript_0", "array", "integer", "[3, 1]", "3, 1"),
    ] {
        let mut read = [recognized(Form::Bfcl, &file(file_name, &[row(id, kind, items)]))];
        assert_eq!(read[0].left_out.len(), 0, "{:?}", read[0].left_out);
        // As it is written to a suite and read from it again.
        let case = made(Form::Bfcl, &mut read).cases.remove(0);
        let offered = &case.tools[0].function.parameters["properties"]["rows"];
        assert_eq!(offered["type"], "string");
        assert!(offered["description"].as_str().unwrap().contains(kind), "{offered}");
        let Expect::Calls(expected) = &case.expect else { panic!("{:?}", case.expect) };
        for (text, right) in [(good, true), (bad, false)] {
            let call = crate::pair::FunctionCall {
                name: "Sorter.sort".to_owned(),
                arguments: json!({"rows": text}).as_object().unwrap().clone(),
            };
            let outcome = case.expectation(expected).check(&[(&call).into()], Rules::Hone);
            assert_eq!(outcome.is_ok(), right, "{text}: {outcome:?}");
        }
    }
}

#[test]
fn bfcl() {
    let answers = |rows: &[(&str, Value)]| {
        rows.iter()
            .map(|(id, truth)| {
                let row = json!({"id": id, "ground_truth": truth});
                ((*id).to_owned(), row.as_object().unwrap().clone())
            })
            .collect()
    };
    let mut simple = file(
        "BFCL_v3_simple.json",
        &[
            question("simple_0", "base 10"),
            question("simple_1", "q"),
            question("simple_2", "q"),
            question("simple_3", "q"),
        ],
    );
    simple.answers = answers(&[
        ("simple_0", json!([{"area.of": {"base": [10], "unit": ["cm", ""]}}])),
        ("simple_1", json!([{"other": {"base": [10]}}])),
        ("simple_3", json!([{"area.of": {"base": [1], "unit": []}}])),
    ]);
    let first = recognized(Form::Bfcl, &simple);
    assert_eq!((first.cases.len(), first.total), (2, 4));
    assert_eq!(accepted(&first.cases[1].expect)[0].1[1].accepted, [json!([]), json!("")]);
    assert!(first.problems[0].1.contains("not among the tools"), "{:?}", first.problems);
    assert!(first.problems[1].1.contains("possible_answer/BFCL_v3_simple.json"));
    assert_eq!([first.problems[0].0, first.problems[1].0], [2, 3]);
    let case = &first.cases[0];
    let schema = &case.tools[0].function.parameters;
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["properties"]["base"]["type"], "number");
    assert_eq!(case.source.as_deref(), Some("area.of"));

    let live = recognized(
        Form::Bfcl,
        &file("BFCL_v4_live_irrelevance.json", &[question("live_irrelevance_0-0-0", "서울 날씨")]),
    );
    assert_eq!(live.cases[0].expect, Expect::Calls(Vec::new()));
    let any = recognized(
        Form::Bfcl,
        &file("BFCL_v4_live_relevance.json", &[question("live_relevance_0-0-0", "q")]),
    );
    assert_eq!(any.cases[0].expect, Expect::AnyCall);

    let turns = json!({"id": "multi_turn_base_0", "question": [[], []], "initial_config": {}});
    let refused = [
        recognized(Form::Bfcl, &file("BFCL_v4_multi_turn_base.json", &[turns.clone(), turns])),
        recognized(Form::Bfcl, &file("BFCL_v4_format_sensitivity.json", &[json!({"simple": []})])),
    ];
    for (read, words, count) in
        [(&refused[0], "multi_turn_base: several turns", 2), (&refused[1], "list", 1)]
    {
        let (reason, cases) = read.left_out.iter().next().unwrap();
        assert!(reason.contains(words), "{reason}");
        assert_eq!((*cases, read.total), (count, 0));
    }

    let suite = made(Form::Bfcl, &mut [first, live, any]);
    assert_eq!(suite.subsets, ["simple", "en", "live_irrelevance", "ko", "live_relevance"]);
    assert_eq!((suite.kind, suite.licence.as_str()), (SuiteKind::Tools, "Apache-2.0"));
    assert_eq!(suite.languages, [Language::Korean, Language::English]);
}

#[test]
fn function_chat_asks_each_query_with_each_set_of_tools() {
    let tool = |name: &str| {
        json!({"type": "function", "function": {"name": name, "description": "", "parameters":
            {"type": "object", "properties": {"location": {"type": "string"}, "day": {"type": "string"}},
             "required": ["location"]}}})
    };
    let row = json!({
        "function_num": 3, "function_name": "weather", "function_info": {},
        "query": [{"serial_num": 9, "content": "강남역 날씨"}, {"serial_num": 10, "content": "오늘 부산은?"}],
        "ground_truth": [
            {"serial_num": 9, "content": "{\"name\":\"weather\",\"arguments\":\"{\\\"location\\\": \\\"강남역\\\"}\"}"},
            {"serial_num": 10, "content": "{\"name\":\"weather\",\"arguments\":\"{\\\"location\\\": \\\"부산\\\"}\"}"}],
        "acceptable_arguments": [
            {"serial_num": 9, "content": "{\"location\": [\"강남\", \"서울 강남\"], \"day\": [\"오늘\"]}"},
            {"serial_num": 10, "content": "Only ground truth is allowed."}],
        "tools": [{"type": "exact", "content": [tool("weather")]},
                  {"type": "4_random", "content": [tool("time"), tool("weather")]}],
    });
    let mut singles = file("FunctionChat-Singlecall.jsonl", &[row]);
    singles.system = Some("한국어로 답하세요.\n".to_owned());
    let read = recognized(Form::FunctionChat, &singles);
    assert_eq!(read.problems, []);
    assert_eq!(read.total, 4);
    let case = &read.cases[1];
    assert_eq!(case.id, "singlecall-9-4_random");
    assert_eq!(case.messages[0].role, Role::System);
    assert_eq!((case.tools.len(), case.source.as_deref()), (2, Some("weather")));
    let calls = accepted(&case.expect);
    assert_eq!(calls[0].1[0].accepted, [json!("강남역"), json!("강남"), json!("서울 강남")]);
    // Not in the ground truth, so it may be left out.
    assert_eq!(calls[0].1[1].accepted, [json!(""), json!("오늘")]);
    assert_eq!(accepted(&read.cases[2].expect)[0].1[0].accepted, [json!("부산")]);
    let suite = made(Form::FunctionChat, &mut [read]);
    assert_eq!(suite.languages, [Language::Korean]);
    assert_eq!(suite.subsets, ["exact", "4_random"]);
}

#[test]
fn function_chat_dialogs_and_whole_rows() {
    let tools = json!([{"type": "function", "function": {"name": "make", "description": "", "parameters":
        {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}}},
        {"type": "function", "function": {"name": "now", "description": "", "parameters": {}}}]);
    let call = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "random_id",
        "type": "function", "function": {"name": "make", "arguments": "{\"name\": \"민수\"}"}}]});
    let user = json!({"role": "user", "content": "만들어 줘"});
    let result =
        json!({"role": "tool", "tool_call_id": "random_id", "name": "make", "content": "{}"});
    let dialog = json!({"dialog_num": 1, "tools_count": 2, "tools": tools, "turns": [
        {"turn_num": 1, "serial_num": 1, "query": [user], "type_of_output": "slot",
         "ground_truth": {"role": "assistant", "content": "이름은요?"}, "acceptable_arguments": null},
        {"turn_num": 2, "serial_num": 2, "query": [user], "type_of_output": "call",
         "ground_truth": call, "acceptable_arguments": "{\"name\": [\"김민수\"]}"},
        {"turn_num": 3, "serial_num": 3, "query": [user, call, result], "type_of_output": "completion",
         "ground_truth": {"role": "assistant", "content": "했습니다."}, "acceptable_arguments": null}]});
    let read = recognized(Form::FunctionChat, &file("FunctionChat-Dialog.jsonl", &[dialog]));
    assert_eq!(read.problems, []);
    assert_eq!(read.cases.len(), 3);
    assert_eq!(read.cases[0].expect, Expect::Calls(Vec::new()));
    assert_eq!(accepted(&read.cases[1].expect)[0].1[0].accepted, [json!("민수"), json!("김민수")]);
    let arguments = &read.cases[2].messages[1].tool_calls[0].function.arguments;
    assert_eq!(arguments["name"], "민수");
    assert!(read.cases.iter().all(|case| case.source.as_deref() == Some("dialog 1")));

    let row = |truth: Value, more: Value| {
        json!({"serial_num": 1, "category": "CALL", "input_messages": [user], "input_tools": tools,
               "type_of_output": "call", "ground_truth": truth, "acceptable_arguments": more})
    };
    let own = json!({"name": "make", "arguments": "{\"name\": \"민수\"}"});
    let decision =
        file("FunctionChat-CallDecision.jsonl", &[row(own, json!("{\"name\": [\"철수\"]}"))]);
    let read = recognized(Form::FunctionChat, &decision);
    assert_eq!(read.problems, []);
    assert_eq!(read.cases[0].id, "calldecision-1-CALL");
    assert_eq!(accepted(&read.cases[0].expect)[0].1[0].accepted, [json!("민수"), json!("철수")]);
    let two = json!({"role": "assistant", "content": null, "tool_calls": [
        {"type": "function", "function": {"name": "make", "arguments": "{\"name\": \"민수\"}",
         "acceptable_arguments": "{\"name\": [\"영희\"]}"}},
        {"type": "function", "function": {"name": "now", "arguments": "{}", "acceptable_arguments": null}}]});
    let read = recognized(
        Form::FunctionChat,
        &file("FunctionChat-Parallel.jsonl", &[row(two, Value::Null)]),
    );
    assert_eq!(read.problems, []);
    let calls = accepted(&read.cases[0].expect);
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].1[0].accepted, [json!("민수"), json!("영희")]);
}

#[test]
fn gsm8k() {
    let rows = [
        json!({"question": "48 and 24?", "answer": "48+24 = <<48+24=72>>72\n#### 72"}),
        json!({"question": "money", "answer": "#### 1,080"}),
        json!({"question": "bad", "answer": "#### many"}),
    ];
    let read = recognized(Form::Gsm8k, &file("test.jsonl", &rows));
    let numbers: Vec<f64> = (read.cases.iter())
        .map(|case| match &case.expect {
            Expect::Short(short) => short.number.filter(|_| short.last).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, [72.0, 1080.0]);
    assert_eq!(read.problems, [(3, "`#### many` is no number".to_owned())]);
    let suite = made(Form::Gsm8k, &mut [read]);
    assert_eq!((suite.kind, suite.max_new), (SuiteKind::Answers, 400));
}

#[test]
fn human_eval() {
    let row = json!({"task_id": "HumanEval/0", "prompt": "def add(a, b):\n    \"\"\"Sum.\"\"\"\n",
        "entry_point": "add", "canonical_solution": "    return a + b\n",
        "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n"});
    let mut bad = row.clone();
    bad["entry_point"] = json!("add; import os");
    bad["task_id"] = json!("HumanEval/1");
    let read = recognized(Form::HumanEval, &file("HumanEval.jsonl", &[row, bad]));
    assert_eq!(read.cases.len(), 1);
    assert_eq!(read.cases[0].id, "HumanEval/0");
    assert!(read.cases[0].question().contains("```python\ndef add(a, b):"));
    assert!(read.problems[0].1.contains("no name of a function"));
    let suite = made(Form::HumanEval, &mut [read]);
    assert_eq!(
        (suite.kind, suite.languages.as_slice()),
        (SuiteKind::Programs, &[Language::English][..])
    );
}

/// The right option of each case.
fn chosen(read: &Read) -> Vec<&str> {
    (read.cases.iter())
        .map(|case| match &case.expect {
            Expect::Choice { options, right } => options[*right].as_str(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn choices_in_their_several_forms() {
    // KMMLU: columns, counted from 1.
    let kmmlu = |answer: Value| json!({"question": "수도는?", "answer": answer, "A": "서울", "B": "부산", "C": "대구", "D": "광주", "Category": "지리"});
    let read = recognized(
        Form::Choices,
        &file("k.csv", &[kmmlu(json!("1")), kmmlu(json!(4)), kmmlu(json!(5))]),
    );
    assert_eq!(chosen(&read), ["서울", "광주"]);
    assert!(read.problems[0].1.contains("counted from 1"), "{:?}", read.problems);
    assert_eq!((read.notes.len(), read.cases[0].tags.as_slice()), (0, &["지리".to_owned()][..]));
    // MMLU: a list, counted from 0.
    let mmlu = |answer: Value| json!({"question": "q", "subject": "law", "choices": ["a", "b", "c", "d"], "answer": answer});
    let read = recognized(Form::Choices, &file("m.parquet", &[mmlu(json!(0)), mmlu(json!(3))]));
    assert_eq!(chosen(&read), ["a", "d"]);
    // Nothing tells; it is said.
    let read = recognized(Form::Choices, &file("m.jsonl", &[mmlu(json!(2))]));
    assert_eq!(chosen(&read), ["c"]);
    assert!(read.notes[0].contains("counted from 0"), "{:?}", read.notes);
    // Letters, in brackets, as text; ARC's labels; HellaSwag; a list in a string.
    let rows = [
        mmlu(json!("B")),
        mmlu(json!("(C)")),
        json!({"question": "q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"}),
        json!({"query": "q", "options": "[\"one\", \"two\"]", "answer": "two"}),
    ];
    let read = recognized(Form::Choices, &file("arc.jsonl", &rows));
    assert_eq!(chosen(&read), ["b", "c", "y", "two"]);
    let swag = json!({"ind": 4, "ctx": "He runs", "endings": ["up", "down"], "label": "0"});
    let read = recognized(Form::Choices, &file("swag.jsonl", &[swag]));
    assert_eq!((chosen(&read), read.cases[0].id.as_str()), (vec!["up"], "swag/4"));
    // Options that are alike, an answer that is none.
    let bad = [json!({"question": "q", "choices": ["a", "a"], "answer": "A"}), mmlu(json!("E"))];
    let read = recognized(Form::Choices, &file("bad.jsonl", &bad));
    assert_eq!((read.cases.len(), read.problems.len(), read.total), (0, 2, 2));
    assert!(suite(Form::Choices, &mut [read], &SuiteOptions::default()).is_err());
}

#[test]
fn logged_samples_of_the_harness() {
    let choice = json!({"doc_id": 0, "doc": {"q": 1}, "target": "1", "filter": "none",
        "arguments": {"gen_args_0": {"arg_0": "Q: 2+2\nA:", "arg_1": " 3"},
                      "gen_args_1": {"arg_0": "Q: 2+2\nA:", "arg_1": " 4"}}, "resps": []});
    let read = recognized(
        Form::Harness,
        &file("samples_sums_2026-01-31T12-00-00.123456.jsonl", &[choice]),
    );
    assert_eq!(read.cases[0].id, "sums/0");
    let Expect::Choice { options, right } = &read.cases[0].expect else { panic!() };
    assert_eq!((options[*right].as_str(), read.kind), (" 4", Some(SuiteKind::Choice)));
    let written = |id: u32, target: &str| {
        json!({"doc_id": id, "doc": {}, "target": target, "filter": "strict-match",
               "arguments": [["Question: 5 boxes of 5\nAnswer:", {"until": ["\n\n"]}]], "resps": [["25"]]})
    };
    let rows = [
        written(0, "so\n#### 25"),
        // The same sample through another filter.
        written(0, "so\n#### 25"),
        written(1, " Paris "),
        written(2, "5"),
        json!({"doc_id": 3, "doc": {}, "target": "", "arguments": [["a whole text"]]}),
        json!({"doc_id": 4, "doc": {}, "target": " x", "arguments": [["context", " x"]]}),
    ];
    let mut read = recognized(Form::Harness, &file("samples_gsm8k.jsonl", &rows));
    assert_eq!((read.cases.len(), read.total), (3, 5));
    let short = |at: usize| match &read.cases[at].expect {
        Expect::Short(short) => (short.number, short.last, short.accept.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(short(0), (Some(25.0), true, vec![]));
    assert_eq!(short(1), (None, false, vec!["Paris".to_owned()]));
    assert_eq!(short(2), (Some(5.0), true, vec![]));
    read.problems.clear();
    assert_eq!(made(Form::Harness, &mut [read]).prompt, PromptStyle::Plain);
}

#[test]
fn questions_and_answers() {
    let rows = [
        json!({"id": "a", "question": "capital?", "answer": "Seoul"}),
        json!({"id": "b", "question": "how many?", "answer": 42}),
        json!({"id": "c", "question": "who?", "answers": {"text": ["Kim", "Kim", "Mr Kim"], "answer_start": [1, 2, 3]}, "context": "Kim came."}),
        json!({"id": "d", "question": "why?", "answer": "because the load is carried by the beam below it"}),
        json!({"id": "e", "question": "what?", "answer": " "}),
        json!({"id": "a", "question": "capital?", "answer": "Seoul"}),
    ];
    let read = recognized(Form::Qa, &file("qa.jsonl", &rows));
    assert_eq!(read.problems, [(5, "the answer is empty".to_owned())]);
    assert_eq!(read.cases[2].question(), "Kim came.\n\nwho?");
    let kinds: Vec<bool> =
        read.cases.iter().map(|case| matches!(case.expect, Expect::Reference(_))).collect();
    assert_eq!(kinds, [false, false, false, true, false]);
    let mut reads = [read];
    let suite = made(Form::Qa, &mut reads);
    assert_eq!((suite.cases.len(), suite.kind), (4, SuiteKind::Answers));
    assert!(reads[0].problems[1].1.contains("`qa/a` is used twice"), "{:?}", reads[0].problems);
}

#[test]
fn what_is_not_known_is_not_recognized() {
    for row in [json!({"text": "only text"}), json!({"messages": []}), json!({"question": "q"})] {
        assert_eq!(recognize(&file("x.jsonl", &[row])), None);
    }
    assert_eq!(recognize(&file("x.jsonl", &[])), None);
}
