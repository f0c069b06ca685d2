//! Other evaluations' own files as suites, by the command line.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::Place;

/// Cases of BFCL's Python categories of one turn, in the wheel `bfcl-eval`: read and in all.
const BFCL_CASES: [(&str, u64); 12] = [
    ("simple", 400),
    ("multiple", 200),
    ("parallel", 200),
    ("parallel_multiple", 200),
    ("irrelevance", 240),
    ("live_simple", 258),
    ("live_multiple", 1053),
    ("live_parallel", 16),
    ("live_parallel_multiple", 24),
    ("live_irrelevance", 884),
    ("live_relevance", 16),
    ("", 3491),
];

#[test]
fn the_leaderboards_own_files_come_in() {
    let Some(data) = std::env::var_os("HONE_BFCL") else {
        let _ = writeln!(
            std::io::stderr(),
            "not tested: HONE_BFCL does not name the folder bfcl_eval/data of the wheel bfcl-eval"
        );
        return;
    };
    let place = Place::new();
    place.ok(&["new", "p"]);
    let data = Path::new(&data).to_str().unwrap().to_owned();
    let output = place.run(&["-p", "p", "eval", "import", &data, "--json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["format"], "bfcl");
    let mut read = Vec::new();
    for file in summary["files"].as_array().unwrap() {
        let (cases, total) = (file["cases"].as_u64().unwrap(), file["total"].as_u64().unwrap());
        if total > 0 {
            read.push((file["file"].as_str().unwrap().to_owned(), cases, total));
        }
        let _ = writeln!(
            std::io::stderr(),
            "{} {cases} of {total} {} {}",
            file["file"],
            file["left_out"],
            file["problems"]
        );
    }
    for (category, count) in BFCL_CASES {
        let of = |name: &str| {
            let name = name.trim_end_matches(".json").splitn(3, '_').nth(2).unwrap();
            name == category || name == format!("{category}_python") && category == "simple"
        };
        let found: u64 = (read.iter())
            .filter(|(name, ..)| category.is_empty() || of(name))
            .map(|(.., total)| total)
            .sum();
        assert_eq!(found, count, "{category}");
    }
    // The rest expects calls of tools or parameters that the case itself does not offer.
    assert!(summary["cases"].as_u64().unwrap() >= 3487, "{}", summary["cases"]);
    let listed = place.ok(&["-p", "p", "eval", "suites"]);
    assert!(listed.contains("bfcl"), "{listed}");
}

#[test]
fn a_suite_is_imported_listed_and_asked() {
    let place = Place::new();
    place.add_toy_model();
    place.ok(&["new", "p"]);
    let rows = "question,A,B,C,D,answer,Category\n수도는?,서울,부산,대구,광주,1,지리\n\
                둘째는?,서울,부산,대구,광주,4,지리\n셋째는?,서울,서울,대구,광주,2,역사\n";
    fs::write(place.path("kmmlu.csv"), rows).unwrap();
    let import = ["-p", "p", "eval", "import", "kmmlu.csv", "--licence", "CC-BY-ND-4.0"];
    let output = place.run(&import);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("kmmlu.csv:4: "), "{said}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("2 of 3 cases (choices)"), "{told}");
    let manifest = fs::read_to_string(place.path("p/eval/kmmlu/suite.toml")).unwrap();
    assert!(manifest.contains("licence = \"CC-BY-ND-4.0\""), "{manifest}");
    assert!(place.ok(&["-p", "p", "eval", "suites"]).contains("kmmlu"));

    let again = place.run(&import);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.code() == Some(1) && said.contains("--replace"), "{said}");
    place.ok(&[&import[..], &["--replace"]].concat());

    let unknown =
        place.run(&["-p", "p", "eval", "import", "kmmlu.csv", "--name", "x", "--format", "mmlu"]);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("no form; there are bfcl, functionchat"), "{said}");

    let run = ["-p", "p", "eval", "run", "--model", "toy", "--base", "--suite", "kmmlu", "--json"];
    let output = place.run(&run);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["suites"][0]["items"].as_array().unwrap().len(), 2);
    assert_eq!(report["suites"][0]["metrics"][0]["base"]["n"], 2);
}
