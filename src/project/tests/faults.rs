//! What is left after `kill -9` and on a full disk.
//!
//! Each test runs this test binary again as a child that works in a folder given by the
//! environment, and does to it what the world does.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;

use super::super::{ExampleId, Project};
use super::{export, insert, pair, project};
use crate::pair::{Change, Edit, ReviewState};

const FOLDER: &str = "HONE_TEST_FOLDER";

/// This test binary, running the child of the given name.
fn child(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = format!("project::tests::faults::{name}");
    command.args([&test, "--exact", "--ignored", "--nocapture"]).env(FOLDER, folder);
    command.stdout(Stdio::piped());
    command
}

/// The same under a shell that limits the size of files.
fn limited_child(name: &str, folder: &Path, blocks: usize) -> Command {
    let plain = child(name, folder);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
    shell.arg(plain.get_program()).args(plain.get_args());
    shell.env(FOLDER, folder).stdout(Stdio::piped());
    shell
}

fn acknowledged(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| Some(line.split_once("done ")?.1.to_owned()))
}

fn child_project() -> Project {
    Project::open(Path::new(&std::env::var_os(FOLDER).unwrap())).unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

fn assert_sound(folder: &Path) {
    let connection = Connection::open(folder.join("store.sqlite")).unwrap();
    let check = |pragma: &str| -> Option<String> {
        connection.query_row(pragma, [], |row| row.get(0)).ok()
    };
    assert_eq!(check("PRAGMA integrity_check").as_deref(), Some("ok"));
    assert_eq!(check("PRAGMA foreign_key_check"), None);
}

/// Adds pairs one by one and says each key once it is stored; every third edit is a bulk one.
#[test]
#[ignore = "runs only as the child of the tests below"]
fn child_edits() {
    let project = child_project();
    for n in 0..100_000 {
        let rows = if n % 3 == 0 { 20 } else { 1 };
        let examples: Vec<_> = (0..rows).map(|row| pair(&format!("{n}-{row}번?"), "답")).collect();
        let ids = insert(project.store(), &examples);
        let keys = ids.iter().map(|id| id.0);
        project.store().apply(Edit::set_state("accept", keys, ReviewState::Accepted)).unwrap();
        say(&format!("done {}", ids.last().unwrap().0));
    }
}

#[test]
fn killed_while_editing_every_acknowledged_edit_is_there() {
    for (round, pause) in [3, 40, 97, 180].into_iter().enumerate() {
        let (folder, opened) = project();
        drop(opened);
        let mut child = child("child_edits", folder.path()).spawn().unwrap();
        let mut keys = acknowledged(&mut child);
        let mut last = keys.next().unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
        last = keys.last().unwrap_or(last);
        let last: i64 = last.parse().unwrap();

        let project = Project::open(folder.path()).unwrap();
        let examples = project.store().examples().unwrap();
        let accepted = examples.iter().take_while(|e| e.state == ReviewState::Accepted).count();
        assert!(accepted as i64 >= last, "round {round}: {accepted} of {last}");
        let keys: Vec<i64> = examples.iter().map(|e| e.id.0).collect();
        assert_eq!(keys, (1..=keys.len() as i64).collect::<Vec<_>>(), "no edit in halves");
        while project.store().undo().unwrap().is_some() {}
        assert_eq!(project.store().examples().unwrap(), []);
        assert_sound(folder.path());
    }
}

/// Exports over and over.
#[test]
#[ignore = "runs only as the child of the tests below"]
fn child_exports() {
    let project = child_project();
    let path = project.folder().join("out.jsonl");
    for n in 0..100_000 {
        export(project.store(), &path).unwrap();
        say(&format!("done {n}"));
    }
}

#[test]
fn killed_while_exporting_the_file_is_whole() {
    let (folder, project) = project();
    insert(project.store(), &vec![pair("질문?", &"긴 답 ".repeat(300)); 1500]);
    let path = folder.path().join("out.jsonl");
    export(project.store(), &path).unwrap();
    let whole = fs::read(&path).unwrap();
    drop(project);
    for pause in [1, 11, 23, 37] {
        fs::write(&path, "the old file").unwrap();
        let mut child = child("child_exports", folder.path()).spawn().unwrap();
        // The first round of the loop is under way at an arbitrary point by then, or done.
        std::thread::sleep(Duration::from_millis(60 + pause));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = fs::read(&path).unwrap();
        assert!(found == b"the old file" || found == whole, "{} bytes", found.len());
    }
}

/// Adds pairs until that fails, and says why.
#[test]
#[ignore = "runs only as the child of the tests below"]
fn child_fills() {
    let project = child_project();
    for n in 0..10_000 {
        let change =
            Change::insert(None, ReviewState::Draft, pair(&format!("{n}"), &"답".repeat(9000)));
        match project.store().apply(Edit::new("add", vec![change])) {
            Ok(ids) => say(&format!("done {}", ids[0].0)),
            Err(failure) => {
                say(&format!("done failed: {failure} | {}", failure.hints.join(" ")));
                let target = project.folder().join("out.jsonl");
                let exported = export(project.store(), &target);
                let told = exported.map_or_else(|f| f.to_string(), |rows| format!("{rows} rows"));
                return say(&format!("done export: {told}"));
            }
        }
    }
}

/// Runs the child until its disk is full and gives what it said.
fn fill(mut command: Command) -> (i64, String, String) {
    let mut child = command.spawn().unwrap();
    let mut said: Vec<String> = acknowledged(&mut child).collect();
    assert!(child.wait().unwrap().success());
    let export = said.pop().unwrap();
    let failed = said.pop().unwrap();
    (said.last().unwrap().parse().unwrap(), failed, export)
}

fn assert_full(folder: &Path, (last, failed, export): &(i64, String, String)) {
    assert!(failed.contains("store.sqlite: cannot write, the disk or quota is full"), "{failed}");
    assert!(failed.contains("free some space"), "{failed}");
    let file = fs::read_to_string(folder.join("out.jsonl")).unwrap();
    if *export == format!("export: {last} rows") {
        assert_eq!(file.lines().count() as i64, *last, "whole, where a limit leaves room for it");
    } else {
        assert!(export.contains("out.jsonl"), "{export}");
        assert_eq!(file, "the old file");
    }
    let project = Project::open(folder).unwrap();
    let keys: Vec<ExampleId> =
        project.store().examples().unwrap().iter().map(|example| example.id).collect();
    assert_eq!(keys, (1..=*last).map(ExampleId).collect::<Vec<_>>());
    insert(project.store(), &[pair("공간을 비운 뒤", "저장된다")]);
    drop(project);
    assert_sound(folder);
}

#[test]
fn a_file_size_limit_loses_nothing() {
    let (folder, opened) = project();
    drop(opened);
    fs::write(folder.path().join("out.jsonl"), "the old file").unwrap();
    let said = fill(limited_child("child_fills", folder.path(), 1200));
    assert_full(folder.path(), &said);
}

#[test]
fn a_full_disk_loses_nothing() {
    let disk = tempfile::tempdir().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
        .arg(disk.path())
        .stderr(Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        return; // Only root may mount; the size limit above covers the same paths.
    }
    let mounted = Mounted(disk);
    let folder = mounted.0.path().join("project");
    drop(Project::create(&folder, "가득 참").unwrap());
    fs::write(folder.join("out.jsonl"), "the old file").unwrap();
    let said = fill(child("child_fills", &folder));
    let grown =
        Command::new("mount").args(["-o", "remount,size=20m"]).arg(mounted.0.path()).status();
    assert!(grown.unwrap().success());
    assert_full(&folder, &said);
}

/// Unmounts at the end, however it comes.
struct Mounted(tempfile::TempDir);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// Opens the project and waits to be killed.
#[test]
#[ignore = "runs only as the child of the tests below"]
fn child_holds() {
    let _project = child_project();
    say("done holding");
    std::thread::sleep(Duration::from_mins(1));
}

#[test]
fn another_process_is_named_and_its_death_frees_the_project() {
    let (folder, opened) = project();
    drop(opened);
    let mut child = child("child_holds", folder.path()).spawn().unwrap();
    assert_eq!(acknowledged(&mut child).next().as_deref(), Some("holding"));
    let failure = Project::open(folder.path()).unwrap_err();
    assert!(failure.message.contains(&format!("process {} has", child.id())), "{failure}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(Project::open(folder.path()).is_ok());
}
