//! Evaluations from the command line: remembered, beside an endpoint, without what was trained on.

use std::fs;

use serde_json::{Value, json};

use crate::support::fault_server::{END, FaultServer, STREAM_HEAD, raw, status, streamed};
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
    let asked =
        ["--base", "--suite", "weather", "--endpoint", &server.url, "--endpoint-model", "far"];
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
