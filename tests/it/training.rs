//! Training from the command line: killed, stopped, resumed, refused.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{self, Place};

const RECIPE: &str = "epochs = 6.0\nbatch_rows = 4\nlearning_rate = 1e-3\nrank = 4\nalpha = 8.0\n\
                      checkpoint_every = 2\nvalidate_every = 6\n";

/// A project with accepted pairs, the toy model, and no general conversation.
fn project(place: &Place, name: &str) {
    fs::write(place.path("pairs.jsonl"), support::pairs(40)).unwrap();
    fs::write(place.path("recipe.toml"), RECIPE).unwrap();
    place.ok(&["new", name]);
    place.ok(&["-p", name, "pairs", "import", "pairs.jsonl"]);
    place.ok(&["-p", name, "mix", "--general", "0", "--model", "toy"]);
}

fn adapter(place: &Place, name: &str) -> Vec<u8> {
    fs::read(place.path(name).join("runs/0001/adapter-last/adapter_model.safetensors")).unwrap()
}

/// Trains the toy model by the recipe of a project; says nothing unless told to.
fn train(place: &Place, name: &str) -> Command {
    let mut command = place.hone();
    command.args(["-p", name, "train", "--model", "toy", "--recipe", "recipe.toml"]);
    command.stderr(Stdio::null()).stdout(Stdio::null());
    command
}

/// Waits until a run has told of `count` events of a kind.
fn wait_for(run: &mut Child, events: &Path, kind: &str, count: usize) {
    let wanted = format!("\"event\":\"{kind}\"");
    let started = Instant::now();
    while fs::read_to_string(events).unwrap_or_default().matches(&wanted).count() < count {
        assert!(started.elapsed() < Duration::from_mins(2), "no {kind} was told of");
        assert!(run.try_wait().unwrap().is_none(), "the run ended before it could be stopped");
        sleep(Duration::from_millis(1));
    }
}

/// The training loss of every step.
fn losses(events: &Path) -> Vec<f64> {
    fs::read_to_string(events)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event["event"] == "step")
        .map(|event| event["loss"].as_f64().unwrap())
        .collect()
}

/// The kernel of runs that are compared bit by bit: a measurement might choose another one for the
/// second start.
const KERNEL: &str = "portable";

/// Begins a run on the toy model and kills it when it has written two checkpoints.
fn kill_after_checkpoints(place: &Place, name: &str) {
    let mut child = train(place, name).env("HONE_CPU", KERNEL).spawn().unwrap();
    wait_for(&mut child, &place.path(name).join("runs/0001/events.jsonl"), "checkpoint", 2);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_run_killed_and_resumed_ends_with_the_same_bits_as_one_that_ran_through() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, "through");
    // The resumed run is left to find its kernel in the checkpoint.
    let through = train(&place, "through").env("HONE_CPU", KERNEL).status();
    assert!(through.unwrap().success());

    project(&place, "killed");
    kill_after_checkpoints(&place, "killed");
    let list = place.ok(&["-p", "killed", "train", "--list", "--json"]);
    assert!(list.contains("\"outcome\":null"), "a killed run has no outcome yet: {list}");

    place.ok(&["-p", "killed", "train", "--resume", "1"]);
    assert!(adapter(&place, "through") == adapter(&place, "killed"), "the adapters differ");
    let list = place.ok(&["-p", "killed", "train", "--list", "--json"]);
    assert!(list.contains("finished"), "{list}");
}

#[test]
fn a_run_killed_before_its_first_checkpoint_tells_how_far_it_was_to_go() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, "killed");
    let late = RECIPE
        .replace("6.0", "400.0")
        .replace("checkpoint_every = 2", "checkpoint_every = 30000")
        .replace("validate_every = 6", "validate_every = 30000");
    fs::write(place.path("recipe.toml"), late).unwrap();
    let mut child = train(&place, "killed").spawn().unwrap();
    let events = place.path("killed/runs/0001/events.jsonl");
    wait_for(&mut child, &events, "step", 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let list = place.ok(&["-p", "killed", "train", "--list", "--json"]);
    let runs: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(runs[0]["steps"], planned(&events)["steps"], "{list}");
    assert_eq!(runs[0]["step"], 0, "nothing of it is kept: {list}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_keeps_a_checkpoint_and_says_how_to_go_on() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, "stopped");
    let long = RECIPE.replace("6.0", "400.0");
    fs::write(place.path("recipe.toml"), long).unwrap();
    let mut child = train(&place, "stopped").stdout(Stdio::piped()).spawn().unwrap();
    wait_for(&mut child, &place.path("stopped/runs/0001/events.jsonl"), "checkpoint", 1);
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::INT,
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("--resume 1"), "{said}");
    assert!(place.path("stopped/runs/0001/checkpoint.safetensors").is_file());
}

#[test]
fn a_resume_with_other_rows_is_refused() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, "changed");
    place.ok(&["-p", "changed", "train", "--model", "toy", "--recipe", "recipe.toml"]);
    fs::write(place.path("more.jsonl"), support::pairs(60)).unwrap();
    place.ok(&["-p", "changed", "pairs", "import", "more.jsonl"]);
    let said = place.refused(&["-p", "changed", "train", "--resume", "1"]);
    assert!(said.contains("training rows changed"), "{said}");
}

#[test]
fn bad_settings_and_missing_things_are_named() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, "bad");
    for (text, expected) in [
        ("rank = 0\n", "rank = 0"),
        ("targets = [\"x_proj\"]\n", "x_proj"),
        ("epoch = 3\n", "epoch"),
        ("learning_rate = \n", "recipe.toml"),
    ] {
        fs::write(place.path("recipe.toml"), text).unwrap();
        let said =
            place.refused(&["-p", "bad", "train", "--model", "toy", "--recipe", "recipe.toml"]);
        assert!(said.contains(expected), "{text}: {said}");
    }
    assert!(place.refused(&["-p", "bad", "train", "--resume", "9"]).contains("no run 9"));
    assert!(place.refused(&["-p", "bad", "train", "--model", "none"]).contains("none"));
    place.ok(&["new", "empty"]);
    let said = place.refused(&["-p", "empty", "train", "--model", "toy"]);
    assert!(said.contains("no training rows"), "{said}");
}

#[test]
fn training_changes_the_answers_and_the_evaluation_reads_the_adapter() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, "whole");
    let recipe = RECIPE.replace("6.0", "30.0").replace("1e-3", "1e-2");
    fs::write(place.path("recipe.toml"), recipe).unwrap();
    place.ok(&["-p", "whole", "train", "--model", "toy", "--recipe", "recipe.toml"]);
    let losses = losses(&place.path("whole/runs/0001/events.jsonl"));
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(last < 0.7 * first, "the loss did not fall: {first} to {last}");
    let report = place.ok(&[
        "-p",
        "whole",
        "eval",
        "run",
        "--suite",
        "forgetting/text",
        "--limit",
        "2",
        "--json",
    ]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let losses = &report["suites"][0]["text_loss"];
    assert!(losses["base"].as_f64().unwrap() > 0.0);
    assert_ne!(losses["base"], losses["tuned"]);
    assert!(place.path("whole/runs/0001/report.md").is_file());
    let page = fs::read_to_string(place.path("whole/runs/0001/report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
}

/// The plan of the run, as it was told.
fn planned(events: &Path) -> serde_json::Value {
    let text = fs::read_to_string(events).unwrap();
    let line = text.lines().find(|line| line.contains("\"event\":\"planned\"")).unwrap();
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_run_says_what_memory_it_takes_and_refuses_what_is_too_little() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, "memory");
    let train = ["-p", "memory", "train", "--model", "toy", "--recipe", "recipe.toml"];
    let said = place.refused(&[&train[..], &["--memory", "1MiB"]].concat());
    assert!(said.contains("needs at least") && said.contains("MiB of memory"), "{said}");
    assert!(said.contains("the limit of this run is 1 MiB"), "{said}");
    assert!(said.contains("length_max") && said.contains("--memory"), "{said}");
    assert!(!place.path("memory/runs/0001/checkpoint.safetensors").exists(), "a step was made");
    let list = place.ok(&["-p", "memory", "train", "--list", "--json"]);
    assert!(list.contains("failed") && list.contains("needs at least"), "{list}");

    // What is said to be the least is enough, and the run stays within it but for a few percent.
    let least = said.split("needs at least ").nth(1).unwrap().split(' ').next().unwrap();
    let least: u64 = least.parse::<u64>().unwrap() + 2;
    let output = place.run(&[&train[..], &["--memory", &format!("{least}MiB")]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("MiB of memory at most"), "{said}");
    let plan = planned(&place.path("memory/runs/0002/events.jsonl"));
    assert!(plan["memory_bytes"].as_u64().unwrap() <= least << 20, "{plan}");
    assert_eq!(plan["layers"], 2);
    // A run that goes on may have another limit.
    place.ok(&["-p", "memory", "train", "--resume", "2", "--memory", "1GiB"]);
}

#[test]
fn rows_that_cannot_be_trained_on_are_named_before_the_run() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, "long");
    fs::write(place.path("recipe.toml"), RECIPE.to_owned() + "length_max = 20\n").unwrap();
    let said = place.refused(&["-p", "long", "train", "--model", "toy", "--recipe", "recipe.toml"]);
    assert!(said.contains("all rows are left out"), "{said}");
    assert!(said.contains("above the limit of 20") && said.contains("length_max"), "{said}");
    // One row of many that is too long is told, and the others are trained on.
    fs::write(place.path("recipe.toml"), RECIPE.to_owned() + "length_max = 200\n").unwrap();
    let long = support::pairs(1).replace("하중은", &"하중과 ".repeat(30));
    fs::write(place.path("long.jsonl"), long.replace("pair-0", "long-0")).unwrap();
    place.ok(&["-p", "long", "pairs", "import", "long.jsonl"]);
    let output = place.run(&["-p", "long", "train", "--model", "toy", "--recipe", "recipe.toml"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("left out: row") && said.contains("above the limit of 200"), "{said}");
    assert!(said.contains("MiB of memory at most"), "{said}");
}

#[test]
fn with_8_bits_a_stopped_run_goes_on_to_the_same_bits() {
    let place = Place::new();
    place.add_toy_model();
    let recipe = RECIPE.replace("rank = 4", "rank = 128") + "optimizer = \"adamw8bit\"\n";
    for name in ["through", "halves"] {
        project(&place, name);
    }
    fs::write(place.path("recipe.toml"), &recipe).unwrap();
    let run = |name: &str, arguments: &[&str]| {
        let output = place
            .hone()
            .env("HONE_CPU", KERNEL)
            .args(["-p", name, "train"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run("through", &["--model", "toy", "--recipe", "recipe.toml"]);
    kill_after_checkpoints(&place, "halves");
    run("halves", &["--resume", "1"]);
    assert!(adapter(&place, "through") == adapter(&place, "halves"), "the adapters differ");
    let checkpoint = fs::read(place.path("halves/runs/0001/checkpoint.safetensors")).unwrap();
    let text = String::from_utf8_lossy(&checkpoint[..20_000]).into_owned();
    assert!(text.contains("optimizer.first.codes"), "the state is not in 8 bits");
}
