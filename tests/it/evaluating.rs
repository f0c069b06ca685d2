//! Evaluations from the command line: remembered, beside an endpoint, without what was trained on.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::fault_server::{END, FaultServer, STREAM_HEAD, Turn, raw, status, streamed};
use crate::support::{self, Place};

/// A project with the toy model chosen.
fn project(place: &Place) {
    place.add_toy_model();
    fs::write(place.path("pairs.jsonl"), support::pairs(24)).unwrap();
    place.ok(&["new", "p"]);
    place.ok(&["-p", "p", "pairs", "import", "pairs.jsonl"]);
    place.ok(&["-p", "p", "mix", "--general", "0", "--model", "toy"]);
}

/// A suite of the project's own.
fn suite(place: &Place, name: &str, kind: &str, cases: &str) {
    let folder = place.path("p").join("eval").join(name);
    fs::create_dir_all(&folder).unwrap();
    let manifest = format!(
        "version = 1\nname = \"{name}\"\nkind = \"{kind}\"\nlanguages = [\"ko\"]\nlicence = \"CC0-1.0\"\n\
         max_new = 8\n[title]\nko = \"{name}\"\nen = \"{name}\"\n"
    );
    fs::write(folder.join("suite.toml"), manifest).unwrap();
    fs::write(folder.join("cases.jsonl"), cases).unwrap();
}

fn evaluated(place: &Place, arguments: &[&str]) -> (Value, String) {
    let mut all = vec!["-p", "p", "eval", "run", "--model", "toy", "--json"];
    all.extend(arguments);
    let output = place.run(&all);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    (serde_json::from_slice(&output.stdout).unwrap(), told)
}

#[test]
fn a_repeated_evaluation_is_read_back() {
    let place = Place::new();
    project(&place);
    let asked = ["--base", "--suite", "forgetting", "--limit", "2"];
    let (first, told) = evaluated(&place, &asked);
    assert!(!told.contains("given before"), "{told}");
    let (again, told) = evaluated(&place, &asked);
    assert!(told.contains("given before"), "{told}");
    assert_eq!(first["suites"], again["suites"]);
    let cached = |report: &Value| report["provenance"]["cached"].as_u64().unwrap();
    // Two cases of six suites, of which two at least are choices of four options.
    assert_eq!(cached(&first), 0);
    assert!(cached(&again) >= 4 * 2 + 2 * 2 * 4, "{}", cached(&again));
    let (fresh, told) = evaluated(&place, &[&asked[..], &["--fresh"]].concat());
    assert!(!told.contains("given before"), "{told}");
    assert_eq!((cached(&fresh), &fresh["suites"]), (0, &first["suites"]));
    let provenance = &first["provenance"];
    assert_eq!(provenance["model"].as_str().unwrap().len(), 64);
    assert_eq!(
        provenance["command"],
        "hone eval run --model toy --base --suite forgetting --limit 2"
    );
}

#[test]
fn an_endpoint_is_a_column_of_its_own_and_its_faults_cost_one_item_each() {
    let place = Place::new();
    project(&place);
    let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters":
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}});
    let case = |id: &str, city: &str| {
        json!({"id": id, "question": format!("{city} 날씨"), "tools": [tool.clone()],
               "expect": {"calls": [{"name": "get_weather", "arguments": {"city": [city]}}]}})
        .to_string()
            + "\n"
    };
    let cases: String = [("a", "서울"), ("b", "부산"), ("c", "광주"), ("d", "대전")]
        .map(|(i, c)| case(i, c))
        .concat();
    suite(&place, "weather", "tools", &cases);
    let call = |index: u32, name: &str, arguments: &str| {
        let call = json!({"index": index, "id": "x", "type": "function",
                          "function": {"name": name, "arguments": arguments}});
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}))
    };
    let first = call(0, "get_weather", "{\"city\": \"서");
    let second = call(0, "", "울\"}");
    let server = FaultServer::start(vec![
        raw(format!("{STREAM_HEAD}{first}{second}{END}")),
        status("400 Bad Request", "", r#"{"error":{"message":"no such model"}}"#),
        raw("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>"),
        streamed(&["대전은 ", "맑습니다."]),
    ]);
    let asked = [
        "--base",
        "--suite",
        "weather",
        "--endpoint",
        &server.url,
        "--endpoint-model",
        "far",
        "--endpoint-parallel",
        "1",
    ];
    let (report, _) = evaluated(&place, &asked);
    assert_eq!(report["others"], json!([{"name": "far", "kind": "endpoint"}]));
    let items = report["suites"][0]["items"].as_array().unwrap();
    let other = |at: usize| &items[at]["others"][0];
    assert!(other(0)["text"].as_str().unwrap().contains("\"arguments\": {\"city\": \"서울\"}"));
    assert!(other(0).get("reason").is_none(), "{}", other(0));
    for (at, words) in [(1, "no such model"), (2, "web page")] {
        let reason = other(at)["reason"].as_str().unwrap();
        assert!(reason.starts_with("no answer") && reason.contains(words), "{reason}");
        assert_eq!(other(at)["verdicts"], json!([]));
    }
    assert!(other(3)["reason"].as_str().unwrap().starts_with("no call"));
    let metrics = report["suites"][0]["metrics"].as_array().unwrap();
    let strict = metrics.iter().find(|m| m["metric"] == "parameters" && m["form"] == "strict");
    assert_eq!(strict.unwrap()["others"], json!([{"successes": 1, "n": 2}]));
    assert_eq!(strict.unwrap()["base"]["n"], 4);
    assert!(server.requests().iter().all(|request| request.contains("\"tools\":[{")));
}

#[test]
fn an_endpoint_that_stalls_or_refuses_costs_its_items_and_is_given_up_when_it_goes_on() {
    let place = Place::new();
    project(&place);
    let case = |number: usize| {
        json!({"id": format!("q{number}"), "question": format!("{number}층 하중은?"),
               "expect": {"accept": ["2 kN/m²"]}})
        .to_string()
            + "\n"
    };
    suite(&place, "loads", "answers", &(0..12).map(case).collect::<String>());
    let stalls = |head: &'static str| -> Turn {
        Box::new(move |stream| {
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.flush();
            thread::sleep(Duration::from_secs(20));
        })
    };
    let busy = || status("429 Too Many Requests", "retry-after: 0\r\n", "{}");
    let broken = || status("500 Internal Server Error", "retry-after: 0\r\n", "out of memory");
    let mut garbage = STREAM_HEAD.as_bytes().to_vec();
    garbage.extend(b"data: {\"choices\": [\xff\xfe\n\n:::\n\ndata: [1,2\n\n".repeat(50));
    let long = "가".repeat(100_000);
    let mut turns = vec![
        // 0: busy twice, then right.
        busy(),
        busy(),
        streamed(&["2 kN/m²"]),
        // 1: says nothing. 2: stops within an answer.
        stalls(""),
        stalls(STREAM_HEAD),
        // 3: no stream at all; asked again, an answer without end.
        raw(garbage),
        streamed(&[&long]),
    ];
    // 4 and on: always broken; each is tried five times.
    turns.push(broken());
    let server = FaultServer::start(turns);
    let started = Instant::now();
    let (report, _) = evaluated(
        &place,
        &[
            "--base",
            "--suite",
            "loads",
            "--endpoint",
            &server.url,
            "--endpoint-timeout",
            "1",
            "--endpoint-parallel",
            "1",
        ],
    );
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
    let items = report["suites"][0]["items"].as_array().unwrap();
    assert_eq!(items.len(), 12);
    let other = |at: usize| &items[at]["others"][0];
    assert!(other(0).get("reason").is_none(), "{}", other(0));
    for (at, words) in [
        (1, "no answer came within 1s"),
        (2, "within 1s"),
        (4, "500"),
        (8, "500"),
        (9, "5 times in a row"),
        (11, "5 times in a row"),
    ] {
        let reason = other(at)["reason"].as_str().unwrap_or_default();
        assert!(reason.starts_with("no answer") && reason.contains(words), "{at}: {}", other(at));
    }
    assert!(other(3)["text"].as_str().unwrap().chars().count() > 50_000);
    // What the model of this program said is all there.
    assert!(items.iter().all(|item| item["base"].get("text").is_some()));
    assert!(!report["provenance"]["command"].as_str().unwrap().contains("key"));
}

#[test]
fn a_judge_gives_a_figure_of_its_own_and_is_remembered() {
    let place = Place::new();
    project(&place);
    let cases = [
        json!({"id": "a", "question": "사무실 활하중은?", "expect": {"reference": "2.5 kN/m²이다."}}),
        json!({"id": "b", "question": "How wide is it?", "expect": {"facts": [["900 mm"], ["door"]]}}),
        json!({"id": "c", "question": "복도 활하중은?", "expect": {"reference": "3 kN/m²이다."}}),
    ];
    suite(&place, "loads", "domain", &cases.map(|case| case.to_string() + "\n").concat());
    let server = FaultServer::start(vec![
        streamed(&["수치와 단위가 같다.\n판정: 맞음"]),
        streamed(&["It says nothing of it.\nVerdict: ", "wrong"]),
        streamed(&["잘 모르겠다."]),
    ]);
    let asked = [
        "--base",
        "--suite",
        "loads",
        "--judge",
        &server.url,
        "--judge-model",
        "far",
        "--endpoint-parallel",
        "1",
    ];
    let (report, _) = evaluated(&place, &asked);
    let metrics = report["suites"][0]["metrics"].as_array().unwrap();
    let judged = |metrics: &[Value]| {
        let found = metrics.iter().find(|metric| metric["metric"] == "judged");
        found.map(|metric| metric["base"].clone())
    };
    // The answer without a verdict is not counted; by rule all three are.
    assert_eq!(judged(metrics), Some(json!({"successes": 1, "n": 2})));
    let accuracy = metrics.iter().find(|metric| metric["metric"] == "accuracy").unwrap();
    assert_eq!(accuracy["base"]["n"], 3);
    assert_eq!(report["provenance"]["judge"], "far, judge 1");
    assert!(report["provenance"]["command"].as_str().unwrap().contains("--judge-model far"));
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[0].contains("2.5 kN/m²이다.") && requests[0].contains("판정할 답"));
    assert!(requests[1].contains("900 mm\\ndoor") && requests[1].contains("Answer to be judged"));
    // Its words are kept with the answers: asked again, nothing is sent.
    let (again, _) = evaluated(&place, &asked);
    assert_eq!(judged(again["suites"][0]["metrics"].as_array().unwrap()), judged(metrics));
    assert_eq!(server.requests().len(), 3);
    let html = fs::read_to_string(place.path("p/reports/base/report.html")).unwrap();
    assert!(html.contains("판정 모형") && html.contains("Judged right"));
}

#[test]
fn a_tool_whose_schema_is_none_costs_nothing_but_itself() {
    let place = Place::new();
    project(&place);
    let mut cases = String::new();
    let schemas = [
        json!("not a schema"),
        json!({"type": 7, "properties": [1, 2]}),
        json!({"type": "object", "properties": {"city": {"$ref": "http://127.0.0.1:9/x"}}}),
        json!({"type": "object", "properties": {"city": {"type": "string", "pattern": "("}}}),
        Value::Null,
    ];
    for (number, schema) in schemas.iter().enumerate() {
        let tool =
            json!({"type": "function", "function": {"name": "get_weather", "parameters": schema}});
        let case = json!({"id": format!("w{number}"), "question": "서울 날씨", "tools": [tool],
            "expect": {"calls": [{"name": "get_weather", "arguments": {"city": ["서울"]}}]}});
        writeln!(cases, "{case}").unwrap();
    }
    let mut deep = "[".repeat(10_000);
    deep += &"]".repeat(10_000);
    writeln!(
        cases,
        "{{\"id\": \"deep\", \"question\": \"q\", \"tools\": {deep}, \"expect\": {{\"calls\": []}}}}"
    ).unwrap();
    suite(&place, "weather", "tools", &cases);
    let (report, told) = evaluated(&place, &["--base", "--suite", "weather"]);
    assert!(told.contains("cases.jsonl:6"), "{told}");
    let items = report["suites"][0]["items"].as_array().unwrap();
    let asked: Vec<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    for (line, words) in [(1, "no JSON Schema"), (2, "no JSON Schema"), (5, "no parameter `city`")]
    {
        let named = told.lines().find(|told| told.contains(&format!("cases.jsonl:{line}:")));
        assert!(named.is_some_and(|named| named.contains(words)), "{line}: {told}");
    }
    // Schemas that only a strict reader refuses are put to the model as they are.
    assert_eq!(asked, ["w2", "w3"]);
}

#[test]
fn what_the_run_was_trained_on_is_left_out_and_listed() {
    let place = Place::new();
    project(&place);
    suite(
        &place,
        "loads",
        "answers",
        "{\"id\":\"seen\",\"question\":\"3층 하중은?\",\"expect\":{\"accept\":[\"2 kN/m²\"]}}\n\
         not json\n\
         {\"id\":\"new\",\"question\":\"지하 주차장의 하중은?\",\"expect\":{\"accept\":[\"5 kN/m²\"]}}\n",
    );
    let recipe = "epochs = 1.0\nbatch_rows = 8\nlearning_rate = 1e-3\nrank = 2\nalpha = 4.0\n";
    fs::write(place.path("recipe.toml"), recipe).unwrap();
    place.ok(&["-p", "p", "train", "--model", "toy", "--recipe", "recipe.toml"]);
    let (report, told) = evaluated(&place, &["--suite", "loads"]);
    assert!(told.contains("cases.jsonl:2") || told.contains("loads:2"), "{told}");
    assert!(told.contains("1 cases are left out"), "{told}");
    let suite = &report["suites"][0];
    assert_eq!(suite["items"].as_array().unwrap().len(), 1);
    assert_eq!(suite["excluded"][0]["id"], "seen");
    assert_eq!(suite["excluded"][0]["exact"], true);
    assert!(report["provenance"]["training_data"].as_str().unwrap().len() == 64);
    assert!(report["training"]["losses"].as_array().unwrap().len() >= 2);
    assert!(report["training"]["composition"][0]["rows"].as_u64().unwrap() > 10);
    let (report, told) = evaluated(&place, &["--suite", "loads", "--keep-seen"]);
    assert!(told.contains("asked all the same"), "{told}");
    assert_eq!(report["suites"][0]["items"].as_array().unwrap().len(), 2);
}

#[test]
fn recorded_outputs_are_scored_and_bad_lines_are_named() {
    let place = Place::new();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bfcl/");
    let cases = format!("{fixtures}cases.jsonl");
    let outputs = format!("{fixtures}outputs.jsonl");
    let ask = ["eval", "score", "--cases", &cases, "--outputs", &outputs, "--rules", "bfcl"];
    let lines = place.ok(&[&ask[..], &["--json"]].concat());
    let expected = fs::read_to_string(&outputs).unwrap();
    assert_eq!(lines.lines().count(), expected.lines().count());
    for (line, expected) in lines.lines().zip(expected.lines()) {
        let (line, expected): (Value, Value) =
            (serde_json::from_str(line).unwrap(), serde_json::from_str(expected).unwrap());
        assert_eq!((&line["id"], &line["valid"]), (&expected["id"], &expected["valid"]));
        assert_eq!(line["error"], expected["err"]);
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["id", "valid", "error", "json_valid", "name_ok", "params_ok"]);
    }
    assert!(place.ok(&ask).contains("parameters"));

    let first = expected.lines().next().unwrap();
    let bad = format!("{first}\n{{\"id\": 5}}\n{{\"id\": \"nobody\", \"raw\": \"\"}}\n");
    fs::write(place.path("bad.jsonl"), bad).unwrap();
    let output =
        place.run(&["eval", "score", "--cases", &cases, "--outputs", "bad.jsonl", "--json"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    assert!(told.contains("bad.jsonl:2") && told.contains("there is no case `nobody`"), "{told}");
}
