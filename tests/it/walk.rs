//! The whole path through the interface, every stop looked at.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Place;
use crate::support::interface::Interface;
use hone::pair::Language;

const QUESTION: &str = "Who may enter the pump house?";
const PROJECT: &str = "HONE_TEST_PROJECT";

/// From an empty project to a chat with the tuned model, by keys alone.
#[test]
fn from_a_document_to_a_tuned_model_by_keys() {
    let place = Place::new();
    place.add_toy_model();
    place.ok(&["new", "walk"]);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample/en");
    for file in ["site-manual-en.pdf", "pairs.jsonl"] {
        std::fs::copy(sample.join(file), place.path("walk").join(file)).unwrap();
    }
    // The environment of a process can only be chosen when it starts.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "walk::walk_for_another_test", "--nocapture"])
        .env("HONE_MODELS", place.path("models"))
        .env("HONE_OFFLINE", "1")
        .env("HONE_WORKER", env!("CARGO_BIN_EXE_hone"))
        .env(PROJECT, place.path("walk"))
        // Path prompts begin in the working folder.
        .current_dir(place.path("walk"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");

    // What the keys did is in the project, and the command line sees the same.
    let pairs = place.ok(&["-p", "walk", "pairs", "list", "--json"]);
    assert_eq!(pairs.matches(QUESTION).count(), 1, "{pairs}");
    let runs = place.ok(&["-p", "walk", "train", "--list", "--json"]);
    assert!(runs.contains("\"outcome\":\"finished\""), "{runs}");
    assert!(place.path("walk/runs/0001/report.md").is_file());
}

/// Not a test of its own: needs the environment that the test above gives.
#[test]
#[ignore = "run by from_a_document_to_a_tuned_model_by_keys"]
fn walk_for_another_test() {
    let Some(folder) = std::env::var_os(PROJECT).map(PathBuf::from) else {
        return;
    };
    let mut at = Interface::open(&folder, Language::English, (120, 40));
    at.shows(&["Next: add a document", "no documents yet"]);
    sources(&mut at);
    curate(&mut at);
    mix(&mut at);
    train(&mut at);
    evaluate(&mut at);
    chat(&mut at);
    at.keys("q");
    assert!(at.left);
}

fn sources(at: &mut Interface) {
    at.keys("1").shows(&["No documents yet", "a add"]);
    at.keys("asite").shows(&["Document to add", "site-manual-en.pdf"]);
    at.keys("<tab><ret>").wait("passages, added");
    at.shows(&["Sources 1", "site-manual-en.pdf", "9 p."]);
    at.keys("ipairs<tab><ret>").wait("rows become drafts");
    at.keys("<ret>").wait("135 pairs imported");
    at.shows(&["Curate 0✓ 135!"]);
}

fn curate(at: &mut Interface) {
    at.keys("2").shows(&["All pairs", "Pair 1 of 135", "draft"]);
    at.keys("iWho may enter the pump house?<tab>Only the duty engineer.")
        .shows(&["Writing a pair"]);
    at.keys("<c-s>").shows(&["wrote 1 pair", QUESTION, "Pair 136 of 136", "Curate 1✓ 135!"]);
    at.keys("u").shows(&["undone: wrote 1 pair", "Curate 0✓ 135!"]);
    assert!(!at.screen().contains(QUESTION));
    at.keys("<c-r>").shows(&[
        "done again: wrote 1 pair",
        QUESTION,
        "Pair 136 of 136",
        "Curate 1✓ 135!",
    ]);
    // One accepted and taken back, one rejected, the others accepted at once.
    at.keys("<home>a").shows(&["accepted 1 pair", "Pair 2 of 136", "Curate 2✓ 134!"]);
    at.keys("u").shows(&["undone: accepted 1 pair", "Curate 1✓ 135!"]);
    at.keys("<home>r").shows(&["rejected 1 pair", "Curate 1✓ 134!"]);
    at.keys("fA").shows(&["accepted 134 pairs", "Curate 135✓"]);
}

fn mix(at: &mut Interface) {
    at.keys("3").shows(&["general share     15 %"]);
    at.keys("-").shows(&["general share     10 %"]);
    at.keys("m").wait("domain answers");
    at.shows(&["nothing stands on both sides of the split", "Mix 10 %"]);
}

fn train(at: &mut Interface) {
    at.keys("4").shows(&["Recipe", "the loss curve appears here"]);
    at.keys("m").shows(&["toy"]).keys("<ret>").shows(&["base model        toy"]);
    at.keys("<down><ret><c-u>1<ret>").shows(&["epochs            1 "]);
    at.keys("s").wait("Train 1✓");
    at.shows(&["training loss", "validation", "tok/s", "epoch 1.0", "r 16, α 32, 1 epoch"]);
    let steps = step_of(&at.screen());
    assert!(steps.0 == steps.1 && steps.0 > 1, "a few steps, all of them: {steps:?}");
}

/// The steps done and planned that the screen shows.
fn step_of(screen: &str) -> (u32, u32) {
    let (_, rest) = screen.split_once("step ").unwrap();
    let word = rest.split_whitespace().next().unwrap();
    let (done, all) = word.split_once('/').unwrap();
    (done.parse().unwrap(), all.parse().unwrap())
}

fn evaluate(at: &mut Interface) {
    at.keys("5").shows(&["not evaluated yet", "s start"]);
    at.keys("s").wait("Run 1 against base");
    at.shows(&["JSON validity", "base", "tuned", "no change", "n="]);
    at.keys("<end>").shows(&["what was forgotten"]);
    // Down to the items of a suite, and back.
    at.keys("<home><ret>").shows(&["Tool calls", "all 195", "Expected", "base ✗", "tuned ✗"]);
    at.keys("<esc>").shows(&["Run 1 against base"]);
    at.wait_gone("▶ evaluate");
}

fn chat(at: &mut Interface) {
    at.keys("6").shows(&["toy", "tuned (run 1)", "both models answer side by side"]);
    at.keys("iHello?").shows(&["Hello?"]);
    at.keys("<ret><esc>").wait("Q Hello?");
    at.wait_gone("▶ chat");
    let screen = at.screen();
    let mut lines = screen.lines().skip_while(|line| line.matches("Q Hello?").count() < 2).skip(1);
    let sides = lines.next().and_then(|line| line.split_once('│'));
    let (base, tuned) = sides.unwrap();
    for answer in [base, tuned] {
        let answer = answer.trim();
        assert!(!answer.is_empty() && !answer.contains("waiting"), "{screen}");
    }
}
