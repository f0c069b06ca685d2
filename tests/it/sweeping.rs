//! Sweeps from the command line: planned, killed, stopped, resumed, widened, with a run that fails.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{self, Place};

/// What every sweep here evaluates: few cases of two suites.
const ASKED: [&str; 8] =
    ["--suite", "tools", "--suite", "forgetting/knowledge", "--limit", "2", "--language", "en"];

/// A project with accepted pairs and a recipe that writes checkpoints often.
fn project(place: &Place, model: &str, recipe: &str) {
    fs::write(place.path("pairs.jsonl"), support::pairs(30)).unwrap();
    fs::write(place.path("recipe.toml"), recipe).unwrap();
    place.ok(&["new", "p"]);
    place.ok(&["-p", "p", "pairs", "import", "pairs.jsonl"]);
    place.ok(&["-p", "p", "mix", "--general", "0", "--model", model]);
}

const RECIPE: &str = "epochs = 6.0\nbatch_rows = 4\nlearning_rate = 1e-3\nrank = 4\nalpha = 8.0\n\
                      checkpoint_every = 2\n";

fn sweep<'a>(axes: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let before = ["-p", "p", "train", "--recipe", "recipe.toml", "--sweep"];
    [&before[..], axes, &ASKED[..], more].concat()
}

fn state(place: &Place, number: u32) -> Value {
    let path = place.path("p").join(format!("sweeps/{number:04}/sweep.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn events(place: &Place, run: u32) -> String {
    let path = place.path("p").join(format!("runs/{run:04}/events.jsonl"));
    fs::read_to_string(path).unwrap_or_default()
}

/// Steps that the events of a run say were begun at.
fn begun_at(place: &Place, run: u32) -> Vec<u64> {
    let text = events(place, run);
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter_map(|event| event["first_step"].as_u64()).collect()
}

fn start(place: &Place, arguments: &[&str]) -> Child {
    let mut command = place.hone();
    command.args(arguments).stderr(Stdio::null()).stdout(Stdio::null());
    command.spawn().unwrap()
}

/// Waits until a run has written two checkpoints.
fn wait_for_checkpoints(place: &Place, child: &mut Child, run: u32) {
    let started = Instant::now();
    while events(place, run).matches("\"event\":\"checkpoint\"").count() < 2 {
        assert!(started.elapsed() < Duration::from_mins(5), "no checkpoint was written");
        assert!(child.try_wait().unwrap().is_none(), "the sweep ended before it could be killed");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_sweep_killed_and_resumed_does_nothing_twice() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, "toy", RECIPE);
    let axes = ["mix=0,20", "rank=2,4"];

    let planned = place.ok(&sweep(&axes, &["--dry-run"]));
    assert!(planned.contains("sweep 1 (new): 4 runs, 4 left"), "{planned}");
    assert!(planned.contains("mix 20, rank 4") && planned.contains("not known before"));
    assert!(!place.path("p/sweeps").exists() && !place.path("p/runs/0001").exists());

    let arguments = sweep(&axes, &[]);
    let mut child = start(&place, &arguments);
    wait_for_checkpoints(&place, &mut child, 2);
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = state(&place, 1);
    assert!(killed["runs"][0]["measure"].is_object(), "the first run was measured");
    assert_eq!(killed["runs"][1]["run"], 2);
    let first = fs::metadata(place.path("p/runs/0001/adapter/adapter_model.safetensors"));
    let first = first.unwrap().modified().unwrap();

    let told = place.ok(&arguments);
    assert!(told.contains("4 of 4 runs measured") && told.contains("report.html"), "{told}");
    assert!(!place.path("p/runs/0005").exists(), "no run was made twice");
    let again = fs::metadata(place.path("p/runs/0001/adapter/adapter_model.safetensors"));
    assert_eq!(again.unwrap().modified().unwrap(), first, "a run that was done is not touched");
    let begun = begun_at(&place, 2);
    assert!(begun.len() == 2 && begun[0] == 0 && begun[1] >= 2, "it went on: {begun:?}");
    assert_eq!(begun_at(&place, 1), [0]);

    // Each run had its own share of general conversation, and the project's is as it was.
    let rows = |run: u32| {
        let path = place.path("p").join(format!("runs/{run:04}/training_set.jsonl"));
        let text = fs::read_to_string(path).unwrap();
        let head: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        head["rows"].as_u64().unwrap()
    };
    assert!(rows(3) > rows(1) && rows(1) == rows(2) && rows(3) == rows(4));
    let runs: Value =
        serde_json::from_str(&place.ok(&["-p", "p", "train", "--list", "--json"])).unwrap();
    assert_eq!((&runs[0]["general"], &runs[2]["general"]), (&0.0.into(), &0.2.into()));
    assert_eq!((&runs[0]["recipe"]["rank"], &runs[1]["recipe"]["rank"]), (&2.into(), &4.into()));
    check_reports(&place.path("p/sweeps/0001"));

    // With all done the same command reads what is there; a further value makes its own runs only.
    let planned = place.ok(&sweep(&["mix=0,20", "rank=2,4,8"], &["--dry-run"]));
    assert!(planned.contains("sweep 1 (goes on): 6 runs, 2 left"), "{planned}");
    assert!(planned.contains("measured (run 4)") && planned.contains("about "), "{planned}");
    place.ok(&arguments);
    assert!(!place.path("p/runs/0005").exists());
    let list = place.ok(&["-p", "p", "train", "--sweep-list"]);
    assert!(list.contains("sweep 1") && list.contains("mix x rank") && list.contains("4 of 4"));
}

fn check_reports(folder: &Path) {
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let page = read("report.html");
    assert!(page.contains("<svg class=\"scatter\"") && page.contains("default-src 'none'"));
    assert!(read("report.md").contains("| 4 |") || read("report.md").contains("| 4 ★ |"));
    assert!(read("report.ko.md").contains("훑기"));
    let report: Value = serde_json::from_str(&read("report.json")).unwrap();
    for run in report["runs"].as_array().unwrap() {
        let measure = &run["measure"];
        assert_eq!(measure["target"]["suite"], "tools");
        assert_eq!(measure["target"]["tuned"]["n"], 2);
        assert_eq!(measure["forgetting"]["suites"][0][0], "forgetting/knowledge");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_says_how_to_go_on_and_a_failed_run_does_not_end_it() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, "toy", &RECIPE.replace("6.0", "400.0"));
    let mut child = start(&place, &sweep(&["rank=2,4"], &["--json"]));
    wait_for_checkpoints(&place, &mut child, 1);
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(place.path("p/sweeps/0001/report.html").is_file());
    assert!(state(&place, 1)["runs"][0]["measure"].is_null());

    // Another recipe is another sweep. Its first run cannot write its report: the second goes on.
    fs::write(place.path("recipe.toml"), RECIPE.replace("6.0", "1.0")).unwrap();
    fs::create_dir_all(place.path("p/runs")).unwrap();
    let arguments = sweep(&["rank=2,4"], &["--json"]);
    let told = place.ok(&arguments);
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "sweep");
    assert_eq!((&events[0]["sweep"], &events[0]["left"]), (&2.into(), &2.into()));
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!((of("run"), of("measured"), of("run_failed"), of("chart")), (2, 2, 0, 1));

    let path = place.path("p/sweeps/0002/sweep.json");
    let mut edited = state(&place, 2);
    for run in edited["runs"].as_array_mut().unwrap() {
        run["measure"] = Value::Null;
    }
    fs::write(&path, edited.to_string()).unwrap();
    let blocked = place
        .path(&format!("p/runs/{:04}/report.json", edited["runs"][0]["run"].as_u64().unwrap()));
    fs::remove_file(&blocked).unwrap();
    fs::create_dir_all(blocked.join("in-the-way")).unwrap();
    let output = place.run(&sweep(&["rank=2,4"], &[]));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}{error}");
    assert!(error.contains("1 of 2 runs failed"), "{error}");
    assert!(told.contains("1 of 2 runs measured, 1 failed"), "{told}");
    let after = state(&place, 2);
    assert!(after["runs"][0]["failed"].as_str().unwrap().contains("report.json"));
    assert!(after["runs"][1]["measure"].is_object());

    fs::remove_dir_all(&blocked).unwrap();
    let told = place.ok(&sweep(&["rank=2,4"], &[]));
    assert!(told.contains("2 of 2 runs measured"), "{told}");
    assert!(state(&place, 2)["runs"][0]["failed"].is_null());
}

#[test]
fn what_cannot_be_swept_is_refused_before_anything_is_done() {
    let place = Place::new();
    place.add_toy_model();
    project(&place, "toy", RECIPE);
    for (arguments, words) in [
        (&["--sweep", "rank=0"][..], "rank = `0`"),
        (&["--sweep", "size=1"], "no key `size`"),
        (&["--sweep", "rank=2", "--suite", "tools"], "no suite of forgetting"),
        (&["--sweep", "rank=2", "--suite", "forgetting"], "no target"),
        (&["--sweep", "rank=2", "--target", "nothing"], "`nothing`"),
        (&["--sweep", "rank=2", "--suite", "nothing"], "no suite `nothing`"),
        (&["--json"], "--json goes with"),
    ] {
        let said = place.refused(&[&["-p", "p", "train"][..], arguments].concat());
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    assert!(!place.path("p/sweeps").exists() && !place.path("p/runs/0001").exists());
}

/// The model's folder, if `hone model pull smollm2-135m` was run on this machine.
#[cfg(unix)]
fn models() -> Option<std::path::PathBuf> {
    let models = hone::model::Places::from_environment().ok()?.models;
    models.join("smollm2-135m").exists().then_some(models)
}

#[cfg(unix)]
#[test]
fn a_sweep_of_a_real_model_killed_in_the_middle_goes_on() {
    let Some(models) = models() else {
        eprintln!("skipped: run `hone model pull smollm2-135m` to test with the real model");
        return;
    };
    let place = Place::new();
    // A place's models are the toy's alone: this one borrows the user's.
    std::os::unix::fs::symlink(&models, place.path("models")).unwrap();
    let recipe = "epochs = 1.0\nbatch_rows = 8\nalpha = 8.0\ncheckpoint_every = 1\n";
    project(&place, "smollm2-135m", recipe);
    let arguments = sweep(&["rank=4,8"], &[]);
    let mut child = start(&place, &arguments);
    wait_for_checkpoints(&place, &mut child, 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let told = place.ok(&arguments);
    assert!(told.contains("2 of 2 runs measured"), "{told}");
    let begun = begun_at(&place, 1);
    assert!(begun.len() == 2 && begun[1] >= 1, "it went on from its checkpoint: {begun:?}");
    let report = fs::read(place.path("p/sweeps/0001/report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["model"], "smollm2-135m");
    assert!(report["runs"][1]["measure"]["forgetting"]["mean"]["interval"].is_array());
}
