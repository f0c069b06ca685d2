//! A disk that is full: a clear word, no half-written file, nothing lost that was saved.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::hub_server::{Answer, Server, body, listing};
use crate::support::{self, Place, toy_model};

/// The program with no file allowed to grow over `blocks` of 512 bytes: writing more is an error,
/// as on a full disk, and nobody has to be root for it.
fn limited(place: &Place, blocks: usize) -> Command {
    let plain = place.hone();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
    shell.arg(plain.get_program());
    carry_over(&plain, &mut shell);
    shell
}

fn carry_over(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
    to.current_dir(from.get_current_dir().unwrap());
}

/// What a program said that had to fail through the user's disk, with a hint.
fn complaint(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.lines().any(|line| line.starts_with("error: ")), "{said}");
    assert!(said.lines().any(|line| line.trim_start().starts_with("hint: ")), "{said}");
    said
}

/// A disk of a few megabytes of its own, if this process may mount one.
struct Disk(tempfile::TempDir);

impl Disk {
    #[expect(clippy::print_stderr, reason = "a test that is passed over says why")]
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if mount.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        eprintln!("skipped: only root may mount a small disk; the file size limit is tested");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the space that is left but for `spare` bytes.
    fn fill(&self, spare: u64) {
        let path = self.path().join("filler");
        let mut size = 0_usize;
        for step in [1 << 20, 1 << 16, 4096] {
            loop {
                if fs::write(&path, vec![0; size + step]).is_err() {
                    break;
                }
                size += step;
            }
        }
        fs::write(&path, vec![0; size.saturating_sub(spare as usize)]).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

/// Names of all files under a folder, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

// Getting a model.

fn hub_files() -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    toy_model::hf_folder(folder.path(), "llama");
    let mut files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Runs `hone model pull owner/toy` against a hub on this machine.
fn pull(mut command: Command, sizes_told: bool) -> Output {
    let files = hub_files();
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| {
            if request.path.starts_with("/api/models/owner/toy") {
                let all = listing(&files);
                return if sizes_told { all } else { without_sizes(&files) };
            }
            let name = request.path.rsplit('/').next().unwrap_or_default();
            files
                .iter()
                .find(|(file, _)| file == name)
                .map_or_else(|| Answer::status(404), |(_, bytes)| body(bytes, request.range))
        });
        command
            .args(["model", "pull", "owner/toy"])
            .env("HF_ENDPOINT", &server.address)
            .env_remove("HONE_OFFLINE")
            .output()
            .unwrap()
    })
}

/// A mirror that lists names only, so that the space cannot be checked before.
fn without_sizes(files: &[(String, Vec<u8>)]) -> Answer {
    let names: Vec<_> =
        files.iter().map(|(name, _)| serde_json::json!({ "rfilename": name })).collect();
    let text = serde_json::json!({"sha": "a".repeat(40), "siblings": names}).to_string();
    body(text.as_bytes(), None)
}

fn assert_pull_goes_on(place: &Place, models: &Path) {
    let mut command = place.hone();
    command.env("HONE_MODELS", models);
    let output = pull(command, true);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(models.join("owner--toy/model.safetensors").is_file());
    assert!(!models.join(".pull-owner--toy").exists());
}

#[test]
fn a_model_over_the_file_size_limit_is_not_installed() {
    let place = Place::new();
    let output = pull(limited(&place, 60), true);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("model.safetensors") && said.contains("too large"), "{said}");
    let models = place.path("models");
    assert!(!models.join("owner--toy").exists(), "no half model: {:?}", files(&models));
    assert!(!files(&models).iter().any(|name| name.ends_with("model.safetensors")));
    assert!(!place.ok(&["model", "list"]).contains("owner/toy"));
    assert_pull_goes_on(&place, &models);
}

#[test]
fn a_model_onto_a_full_disk_is_refused_before_and_while_downloading() {
    let Some(disk) = Disk::new("1m") else { return };
    disk.fill(32 << 10);
    let place = Place::new();
    let models = disk.path().join("models");
    for sizes_told in [true, false] {
        let mut command = place.hone();
        command.env("HONE_MODELS", &models);
        let said = complaint(&pull(command, sizes_told));
        assert!(said.contains("space"), "{said}");
        assert!(!models.join("owner--toy").exists(), "no half model: {:?}", files(&models));
    }
    disk.free();
    assert_pull_goes_on(&place, &models);
}

// Training.

const RECIPE: &str = "epochs = 4.0\nbatch_rows = 4\nrank = 4\nalpha = 8.0\ncheckpoint_every = 2\n\
                      validate_every = 1000\n";

fn project(place: &Place, folder: &str) {
    place.add_toy_model();
    fs::write(place.path("pairs.jsonl"), support::pairs(40)).unwrap();
    fs::write(place.path("recipe.toml"), RECIPE).unwrap();
    place.ok(&["new", folder]);
    place.ok(&["-p", folder, "pairs", "import", "pairs.jsonl"]);
    place.ok(&["-p", folder, "mix", "--general", "0", "--model", "toy"]);
}

/// Trains once on half the epochs, as a run that a full disk then hits.
fn train(mut command: Command, folder: &str) -> Output {
    let arguments = ["-p", folder, "train", "--model", "toy", "--recipe", "recipe.toml"];
    command.args(arguments).output().unwrap()
}

fn assert_run_failed_cleanly(place: &Place, folder: &str, said: &str) {
    assert!(said.contains("checkpoint.safetensors") && said.contains("space"), "{said}");
    let list = place.ok(&["-p", folder, "train", "--list", "--json"]);
    assert!(list.contains("failed") && list.contains("checkpoint.safetensors"), "{list}");
    let run = place.path(folder).join("runs/0001");
    let left = files(&run);
    assert!(left.iter().all(|name| !name.contains(".tmp")), "{left:?}");
    let pairs = place.ok(&["-p", folder, "pairs", "list", "--json"]);
    assert_eq!(pairs.lines().count(), 40, "no pair is lost");
}

#[test]
fn a_checkpoint_over_the_file_size_limit_fails_the_run_and_nothing_else() {
    let place = Place::new();
    project(&place, "limited");
    // The store is small enough for the limit, the checkpoint is not.
    let checkpoint_blocks = 100;
    let said = complaint(&train(limited(&place, checkpoint_blocks), "limited"));
    assert_run_failed_cleanly(&place, "limited", &said);
    // With room again, a new run ends well.
    let output = train(place.hone(), "limited");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_disk_that_fills_during_a_resumed_run_keeps_the_last_checkpoint() {
    let Some(disk) = Disk::new("8m") else { return };
    let place = Place::new();
    let folder = disk.path().join("project");
    let folder = folder.to_str().unwrap();
    project(&place, folder);
    fs::write(place.path("recipe.toml"), RECIPE.replace("4.0", "60.0")).unwrap();
    let run = disk.path().join("project/runs/0001");
    let checkpoint = run.join("checkpoint.safetensors");
    let mut child = place
        .hone()
        .args(["-p", folder, "train", "--model", "toy", "--recipe", "recipe.toml"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !checkpoint.is_file() {
        assert!(started.elapsed() < Duration::from_mins(1), "no checkpoint was written");
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What the kill left behind is not the full disk's.
    let before: Vec<_> = files(&run);
    let saved = fs::read(&checkpoint).unwrap();

    disk.fill(16 << 10);
    let output = place.run(&["-p", folder, "train", "--resume", "1"]);
    let said = complaint(&output);
    assert!(said.contains("space"), "{said}");
    assert!(fs::read(&checkpoint).unwrap() == saved, "the checkpoint is as it was");
    assert_eq!(files(&run), before, "nothing half-written is left");

    disk.free();
    place.ok(&["-p", folder, "train", "--resume", "1"]);
    let list = place.ok(&["-p", folder, "train", "--list", "--json"]);
    assert!(list.contains("\"outcome\":\"finished\""), "{list}");
    let pairs = place.ok(&["-p", folder, "pairs", "list", "--json"]);
    assert_eq!(pairs.lines().count(), 40, "no pair is lost");
}

// Exporting.

#[test]
fn an_export_over_the_file_size_limit_keeps_the_old_file() {
    let place = Place::new();
    place.ok(&["new", "p"]);
    fs::write(place.path("pairs.jsonl"), support::pairs(400)).unwrap();
    place.ok(&["-p", "p", "pairs", "import", "pairs.jsonl"]);
    let out = place.path("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("pairs.jsonl"), "the old file").unwrap();
    let output = limited(&place, 64)
        .args(["-p", "p", "pairs", "export", "out/pairs.jsonl"])
        .output()
        .unwrap();
    let said = complaint(&output);
    assert!(said.contains("out/pairs.jsonl") && said.contains("space"), "{said}");
    assert_eq!(files(&out), ["pairs.jsonl"], "no temporary file is left");
    assert_eq!(fs::read_to_string(out.join("pairs.jsonl")).unwrap(), "the old file");
    assert_eq!(place.ok(&["-p", "p", "pairs", "list", "--json"]).lines().count(), 400);
}

#[test]
fn an_export_to_a_full_disk_or_device_says_so() {
    let place = Place::new();
    place.ok(&["new", "p"]);
    fs::write(place.path("pairs.jsonl"), support::pairs(400)).unwrap();
    place.ok(&["-p", "p", "pairs", "import", "pairs.jsonl"]);
    // To standard output that is full.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place
        .hone()
        .args(["-p", "p", "pairs", "export", "-"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = complaint(&output);
    assert!(said.contains("No space left"), "{said}");
    let Some(disk) = Disk::new("1m") else { return };
    disk.fill(16 << 10);
    let target = disk.path().join("out.jsonl");
    let output = place.run(&["-p", "p", "pairs", "export", target.to_str().unwrap()]);
    let said = complaint(&output);
    assert!(said.contains("out.jsonl") && said.contains("space"), "{said}");
    assert_eq!(files(disk.path()), ["filler"]);
    disk.free();
    place.ok(&["-p", "p", "pairs", "export", target.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(target).unwrap().lines().count(), 400);
}
