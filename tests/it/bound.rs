//! `hone eval run --bound`: calls bound to the tools' grammar, in columns of their own.

use std::fs;

use serde_json::{Value, json};

use crate::support::{self, Place};

const CITIES: [&str; 4] = ["서울", "부산", "대전", "광주"];

/// A project with a suite of calls, one case of it without tools.
fn project(place: &Place, max_new: usize) {
    fs::write(place.path("pairs.jsonl"), support::pairs(24)).unwrap();
    place.ok(&["new", "p"]);
    place.ok(&["-p", "p", "pairs", "import", "pairs.jsonl"]);
    let folder = place.path("p").join("eval").join("weather");
    fs::create_dir_all(&folder).unwrap();
    let manifest = format!(
        "version = 1\nname = \"weather\"\nkind = \"tools\"\nlanguages = [\"ko\"]\nlicence = \"CC0-1.0\"\n\
         max_new = {max_new}\n[title]\nko = \"날씨\"\nen = \"weather\"\n"
    );
    fs::write(folder.join("suite.toml"), manifest).unwrap();
    let parameters = json!({"type": "object", "required": ["city", "days"], "properties": {
        "city": {"type": "string", "enum": CITIES}, "days": {"type": "integer"}}});
    let tool = json!({"type": "function", "function": {"name": "get_weather",
        "description": "Forecast of a city", "parameters": parameters}});
    let mut cases = String::new();
    for city in CITIES {
        let call = json!({"name": "get_weather", "arguments": {"city": [city], "days": [3]}});
        let question = format!("Call get_weather for {city} and 3 days.");
        let case = json!({"id": city, "question": question, "tools": [&tool],
                          "expect": {"calls": [call]}});
        cases.push_str(&case.to_string());
        cases.push('\n');
    }
    cases += "{\"id\": \"none\", \"question\": \"고마워\", \"expect\": {\"calls\": []}}\n";
    fs::write(folder.join("cases.jsonl"), cases).unwrap();
}

fn strict(report: &Value, metric: &str) -> Value {
    let metrics = report["suites"][0]["metrics"].as_array().unwrap();
    let mut found = metrics.iter().filter(|m| m["metric"] == metric && m["form"] == "strict");
    found.find(|m| m.get("subset").is_none()).unwrap().clone()
}

#[test]
fn bound_answers_are_columns_of_their_own_and_are_remembered_apart() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, 24);
    place.ok(&["-p", "p", "mix", "--general", "0", "--model", "toy"]);
    let recipe = "epochs = 1.0\nbatch_rows = 8\nlearning_rate = 1e-3\nrank = 2\nalpha = 4.0\n";
    fs::write(place.path("recipe.toml"), recipe).unwrap();
    place.ok(&["-p", "p", "train", "--model", "toy", "--recipe", "recipe.toml"]);
    let ask = ["-p", "p", "eval", "run", "--model", "toy", "--suite", "weather", "--json"];
    let read = |more: &[&str]| -> (Value, String) {
        let output = place.run(&[&ask[..], more].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        (serde_json::from_slice(&output.stdout).unwrap(), told)
    };
    let (plain, _) = read(&[]);
    let (bound, _) = read(&["--bound"]);
    let columns =
        json!([{"name": "toy", "kind": "base_bound"}, {"name": "run 1", "kind": "tuned_bound"}]);
    assert_eq!((plain.get("others"), &bound["others"]), (None, &columns));
    assert!(bound["provenance"]["command"].as_str().unwrap().ends_with("--suite weather --bound"));
    // What is not bound was given before and stays as it was.
    assert_eq!(bound["provenance"]["cached"], 10);
    let items = |report: &Value| report["suites"][0]["items"].as_array().unwrap().clone();
    for (plain, bound) in items(&plain).iter().zip(items(&bound)) {
        assert_eq!((&plain["base"], &plain["tuned"]), (&bound["base"], &bound["tuned"]));
        let said = bound["others"].as_array().unwrap();
        assert_eq!(said.len(), 2);
        // A case without tools is not asked.
        let asked = bound["id"] != "none";
        assert!(
            said.iter().all(|answer| answer["verdicts"].as_array().unwrap().is_empty() != asked)
        );
    }
    let validity = strict(&bound, "json_validity");
    assert_eq!(validity["others"][0]["n"], 4);
    for part in ["base", "tuned", "difference"] {
        assert_eq!(validity[part], strict(&plain, "json_validity")[part]);
    }
    let (again, _) = read(&["--bound"]);
    assert_eq!(again["provenance"]["cached"], 18);
    assert_eq!(again["suites"], bound["suites"]);
    let folder = place.path("p").join("runs").join("0001");
    let shown = place.ok(&["-p", "p", "eval", "show"]);
    let markdown = fs::read_to_string(folder.join("report.md")).unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    for text in [shown, markdown, page] {
        assert!(text.contains("base, bound to the grammar") && text.contains("run 1"), "{text}");
    }
}

#[test]
fn a_real_model_s_bound_calls_are_valid_by_the_schema() {
    let places = hone::model::Places::from_environment();
    let Some(models) = places.ok().map(|p| p.models).filter(|m| m.join("smollm2-135m").is_dir())
    else {
        eprintln!("skipped: run `hone model pull smollm2-135m` to test with the real model");
        return;
    };
    let place = Place::new();
    project(&place, 64);
    let mut command = place.hone();
    command.args(["-p", "p", "eval", "run", "--model", "smollm2-135m", "--base"]);
    command.args(["--suite", "weather", "--bound", "--json"]).env("HONE_MODELS", &models);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for metric in ["json_validity", "tool_name", "parameters"] {
        let result = strict(&report, metric);
        println!("{metric}: plain {}, bound {}", result["base"], result["others"][0]);
    }
    for item in report["suites"][0]["items"].as_array().unwrap() {
        let text = item["others"][0]["text"].as_str().unwrap();
        let Some((_, calls)) = text.split_once("<tool_call>") else { continue };
        // A call that is whole, not cut off by the length of answers.
        for call in calls.split("<tool_call>").filter_map(|call| call.split_once("</tool_call>")) {
            let call: Value = serde_json::from_str(call.0).unwrap();
            assert_eq!(call["name"], "get_weather");
            assert!(CITIES.iter().any(|city| call["arguments"]["city"] == *city), "{call}");
            assert!(call["arguments"]["days"].is_i64(), "{call}");
            assert_eq!(call["arguments"].as_object().unwrap().len(), 2);
        }
    }
}
