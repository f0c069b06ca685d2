//! The command line where something is missing: no terminal, no project, bad files.

use std::fs;

use crate::support::{self, Place};

#[test]
fn without_a_terminal_the_interface_says_what_to_do_instead() {
    let place = Place::new();
    let said = place.refused(&[]);
    assert!(said.contains("terminal") && said.contains("hone --help"), "{said}");
}

#[test]
fn outside_a_project_the_hint_says_how_to_make_one() {
    let place = Place::new();
    for command in [&["mix"][..], &["document", "list"], &["train"], &["pairs", "list"]] {
        let said = place.refused(command);
        assert!(said.contains("hone new"), "{said}");
    }
}

#[test]
fn a_project_is_found_from_a_folder_inside_it() {
    let place = Place::new();
    place.ok(&["new", "inside"]);
    fs::create_dir(place.path("inside/deep")).unwrap();
    let output = place
        .hone()
        .current_dir(place.path("inside/deep"))
        .args(["document", "list"])
        .output()
        .unwrap();
    assert!(output.status.success());
}

#[test]
fn wrong_usage_is_the_users_and_help_is_no_error() {
    let place = Place::new();
    assert_eq!(place.run(&["no-such-command"]).status.code(), Some(1));
    let help = place.ok(&["--help"]);
    for command in ["demo", "document", "draft", "pairs", "mix", "train", "eval", "chat", "model"] {
        assert!(help.contains(command), "{command} is missing from --help");
    }
    assert!(place.ok(&["completions", "bash"]).contains("hone"));
}

#[test]
fn pairs_with_broken_lines_are_taken_in_but_for_those() {
    let place = Place::new();
    place.ok(&["new", "p"]);
    let mut bytes = support::pairs(2).into_bytes();
    bytes.extend(b"{\"messages\": [{\"role\": \"user\", \"content\": \"\xff\xfe\"}]}\n");
    bytes.extend(b"{not json\n");
    bytes.extend(support::pairs(5).lines().skip(2).collect::<Vec<_>>().join("\n").as_bytes());
    fs::write(place.path("mixed.jsonl"), bytes).unwrap();
    let output = place.run(&["-p", "p", "pairs", "import", "mixed.jsonl"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains('3') && said.contains('4'), "the lines are named: {said}");
    assert_eq!(place.ok(&["-p", "p", "pairs", "list", "--json"]).lines().count(), 5);
}

/// A report of one suite of calls, of which the tuned model gets `right` of 20.
fn report(right: u32) -> String {
    let share = f64::from(right) / 20.0;
    let metric = serde_json::json!({
        "metric": "parameters", "form": "strict",
        "base": {"successes": 4, "n": 20}, "base_interval": [0.08, 0.42],
        "tuned": {"successes": right, "n": 20}, "tuned_interval": [0.0, 1.0],
        "difference": {"improved": right - 4, "regressed": 0, "delta": share - 0.2,
                       "interval": [-1.0, 1.0], "p": 0.001},
    });
    let suite = serde_json::json!({
        "name": "tools", "title": {"ko": "도구 호출", "en": "Tool calls"}, "kind": "tools",
        "forgetting": false, "metrics": [metric], "items": [],
    });
    serde_json::json!({
        "version": 1, "model": "toy", "run": 1, "created": 0, "seconds": 1.0, "suites": [suite],
    })
    .to_string()
}

#[test]
fn reports_are_compared_and_figures_required_without_a_project() {
    let place = Place::new();
    fs::create_dir(place.path("second")).unwrap();
    fs::write(place.path("first.json"), report(12)).unwrap();
    fs::write(place.path("second/report.json"), report(18)).unwrap();
    let compare = ["eval", "compare", "first.json", "second"];
    let table = place.ok(&compare);
    for part in ["4/20", "12/20", "18/20", "90.0 % ▲", "second"] {
        assert!(table.contains(part), "{part} is missing:\n{table}");
    }
    let with = |require: &'static str| [&compare[..], &["--require", require]].concat();
    place.ok(&with("params>=0.9,delta(params)>0.5"));
    let said = place.refused(&with("params>=95%, delta(params)>=0.8"));
    assert!(said.contains("params>=0.95") && said.contains("0.9000"), "{said}");
    assert!(said.contains("delta(params)>=0.8") && said.contains("second"), "{said}");
    let said = place.refused(&with("forgetting>=0"));
    assert!(said.contains("tools.params"), "the names are listed: {said}");
    let json = place.ok(&[&compare[..], &["--json", "--require", "params>0"]].concat());
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["rows"][0]["runs"][1]["successes"], 18);
    assert_eq!(value["required"][0]["holds"], true);
    let said = place.refused(&["eval", "compare", "nowhere.json"]);
    assert!(said.contains("report.json"), "{said}");
    assert!(place.refused(&["eval", "compare", "3"]).contains("hone new"));
}
