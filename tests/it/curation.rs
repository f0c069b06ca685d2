//! Passages, checks, measures and files by keys, with the real store and the real jobs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Place;
use crate::support::interface::Interface;
use hone::pair::Language;
use serde_json::json;

const PROJECT: &str = "HONE_TEST_PROJECT";

#[test]
fn passages_checks_measures_and_files_by_keys() {
    let place = Place::new();
    place.add_toy_model();
    place.ok(&["new", "work"]);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample/en");
    fs::copy(sample.join("site-manual-en.pdf"), place.path("work/site-manual-en.pdf")).unwrap();
    let row = |question: &str, answer: &str| {
        json!({"messages": [{"role": "user", "content": question},
            {"role": "assistant", "content": answer}],
            "meta": {"quote": "The wall is 200 mm thick."}})
        .to_string()
    };
    let rows = [
        row("How thick is the wall?", "200 mm."),
        row("How thick is the slab?", "The slab is 350 mm thick."),
        row("Who is called?", "Call 010-1234-5678."),
        row("How thick is the wall?", "200 mm."),
    ];
    // The last row repeats the first and is left out.
    fs::write(place.path("work/rows.jsonl"), rows.join("\n")).unwrap();
    let talk: Vec<String> = (0..8).map(|n| row(&format!("Hello {n}"), "Hello to you.")).collect();
    fs::write(place.path("work/talk.jsonl"), talk.join("\n")).unwrap();
    // The environment of a process can only be chosen when it starts.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "curation::keys_for_another_test", "--nocapture"])
        .env("HONE_MODELS", place.path("models"))
        .env("HONE_OFFLINE", "1")
        .env("HONE_WORKER", env!("CARGO_BIN_EXE_hone"))
        .env(PROJECT, place.path("work"))
        .current_dir(place.path("work"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");

    let left_out = place.ok(&["-p", "work", "document", "passages"]);
    assert_eq!(left_out.matches("left out").count(), 1, "{left_out}");
    let written = fs::read_to_string(place.path("work/pairs.csv")).unwrap();
    assert!(written.contains("350 mm"), "{written}");
    let listed = place.ok(&["-p", "work", "pairs", "list", "--filter", "loss:>0"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
}

/// Not a test of its own: needs the environment that the test above gives.
#[test]
#[ignore = "run by passages_checks_measures_and_files_by_keys"]
fn keys_for_another_test() {
    let Some(folder) = std::env::var_os(PROJECT).map(PathBuf::from) else {
        return;
    };
    let mut at = Interface::open(&folder, Language::English, (120, 40));
    passages(&mut at);
    checks(&mut at);
    files(&mut at);
    // A job that runs still is asked about before the program is left.
    at.wait_gone("▶");
    at.keys("q");
    assert!(at.left);
}

fn count(screen: &str, title: &str) -> usize {
    let line = screen.lines().find(|line| line.contains(title)).unwrap();
    let rest = &line[line.find(title).unwrap() + title.len()..];
    rest.split('│').next().unwrap().trim().parse().unwrap()
}

fn passages(at: &mut Interface) {
    at.keys("1asite<tab><ret>").wait("passages, added");
    let before = count(&at.screen(), "│ Passages");
    at.keys("<tab><tab><down>s").shows(&["split the passage"]);
    assert_eq!(count(&at.screen(), "│ Passages"), before + 1);
    at.keys("u").shows(&["undone: split the passage"]);
    assert_eq!(count(&at.screen(), "│ Passages"), before);
    at.keys("r").shows(&["left the passage out"]);
    at.keys("w").shows(&["only one version"]);
    at.keys("t<c-u>80<ret>").wait("split: site-manual-en.pdf");
    assert!(count(&at.screen(), "│ Passages") > before, "{}", at.screen());
    at.keys("w").shows(&["What the new version changed", "new"]).keys("<esc>");
    // Taken in again by hand where the passage as it was is no longer there.
    at.keys("<esc><esc><tab>r").shows(&["left the passage out"]);
}

fn checks(at: &mut Interface) {
    at.keys("1irows.jsonl<ret>").shows(&["How thick is the wall?", "rows become drafts"]);
    at.keys("<ret>").wait("3 pairs imported");
    at.keys("2C").wait("What the checks found");
    at.shows(&["number-not-in-quote", "personal-data", "check again"]);
    at.keys("<ret>").shows(&["check:any", "Pair 1 of 2", "350 mm"]);
    at.keys("I").shows(&["no problem", "Pair 1 of 1"]);
    at.keys("u").shows(&["undone: findings about 1 pair are no problem", "of 2"]);
    at.keys("r").shows(&["of 1"]).keys("u").shows(&["of 2"]);
    at.keys("<esc>LL").wait("measured 3 of 3 pairs with toy");
    at.shows(&["loss "]);
    at.keys("/sort:-loss<ret>").shows(&["of 3"]);
    at.keys("<esc>A").shows(&["accepted 3 pairs"]);
}

fn files(at: &mut Interface) {
    at.keys("1o<down><down><down><down><down><down><down><down>").shows(&["csv"]);
    at.keys("<ret>").shows(&["pairs.csv"]).keys("<ret>");
    at.wait("3 accepted pairs written");
    at.keys("3ptalk.jsonl<ret>").shows(&["Hello 0", "drawn from by the mix"]);
    at.keys("<ret>").wait("talk: 8 conversations");
    at.shows(&["own pools: talk"]);
    at.keys("m").wait("domain answers");
    at.shows(&["Language", "Source", "(no document)"]);
    at.keys("P<ret>").shows(&["no pools of your own"]);
}
