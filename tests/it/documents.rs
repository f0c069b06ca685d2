//! Reading documents through the program itself, with its worker process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

#[cfg(unix)]
use crate::support::Terminal;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pdf").join(name)
}

#[expect(clippy::unwrap_used, reason = "a test that cannot start the program fails")]
fn hone(arguments: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hone"))
        .args(arguments)
        .arg(file)
        .env_remove("HONE_WORKER")
        .output()
        .unwrap()
}

/// The lines that a worker writes.
#[expect(clippy::unwrap_used, reason = "a test whose worker misbehaves fails")]
fn worker(file: &Path, engine: &str, first_page: &str, password: &str) -> Vec<Value> {
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_hone"))
        .arg("document-worker")
        .arg(file)
        .args(["--engine", engine, "--first-page", first_page])
        .write_stdin(password)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_document_is_read_page_by_page() {
    let output = hone(&["document", "text", "--json"], &fixture("typst-A.pdf"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    let numbers: Vec<_> =
        document["pages"].as_array().unwrap().iter().map(|page| &page["number"]).collect();
    assert_eq!(numbers, [1, 2]);
    for part in ["유효건물중량은 고정하중과", "The office floor load is 2.5 kN/m²"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_locked_document_is_refused_with_a_hint() {
    let output = hone(&["document", "text"], &fixture("qpdf-aes256-pw-secret-A.pdf"));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("locked with a password"), "{message}");
    assert!(output.stdout.is_empty());
}

/// On a terminal the password is asked for, and not shown; a wrong one is refused.
#[cfg(unix)]
#[test]
fn the_password_is_asked_for_on_a_terminal() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hone"));
    command.args(["document", "text"]).arg(fixture("qpdf-aes256-pw-secret-A.pdf"));
    let mut terminal = Terminal::start(&command, 120, 40);
    terminal.wait("Password of ");
    terminal.keys("secreX\u{7f}t\r");
    let screen = terminal.wait("흔치 않은 음절 시험");
    assert!(!screen.contains("secret"), "{screen}");
    assert!(terminal.ends());

    let mut terminal = Terminal::start(&command, 120, 40);
    terminal.wait("Password of ");
    terminal.keys("wrong\r");
    terminal.wait("does not open this file");
    assert!(!terminal.ends());
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.pdf");
    std::fs::write(&path, "<html>404</html>").unwrap();
    let output = hone(&["document", "text"], &path);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("not a PDF file"), "{message}");
}

#[test]
fn a_worker_sends_each_page_and_can_begin_later() {
    let file = fixture("typst-A.pdf");
    let all = worker(&file, "hayro", "1", "");
    assert_eq!(all.first().unwrap()["open"]["pages"], 2);
    assert_eq!(all.last().unwrap(), "done");
    let pages = |lines: &[Value]| -> Vec<u64> {
        lines.iter().filter_map(|line| line["page"]["number"].as_u64()).collect()
    };
    assert_eq!(pages(&all), [1, 2]);
    assert_eq!(pages(&worker(&file, "hayro", "2", "")), [2]);
}

#[test]
fn the_password_goes_through_standard_input() {
    let file = fixture("qpdf-aes256-pw-secret-A.pdf");
    for (engine, password, last) in [
        ("hayro", "secret", "\"done\""),
        ("hayro", "wrong", "{\"refused\":\"password\"}"),
        ("pdf-extract", "wrong", "{\"refused\":\"password\"}"),
    ] {
        let lines = worker(&file, engine, "1", password);
        assert_eq!(lines.last().unwrap().to_string(), last, "{engine}");
    }
}

/// pdf-extract panics on encodings that it does not know; that costs the page, not the program.
#[test]
fn an_engine_that_panics_costs_its_page() {
    let lines = worker(&fixture("raw-KSCms-UHC-H-A.pdf"), "pdf-extract", "1", "");
    assert_eq!(lines[2]["page"]["flags"][0], "failed");
    assert_eq!(lines.last().unwrap(), "done");
}

/// A worker that dies or hangs costs one page; the others are read by the next worker.
#[cfg(unix)]
#[test]
fn a_worker_that_dies_or_hangs_costs_its_page() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("worker");
    // Plays a worker that decodes ahead: page 2 kills it before it has sent page 1, and it hangs on page 4
    // before it has sent page 3.
    std::fs::write(
        &script,
        r#"#!/bin/sh
page() { echo "{\"page\":{\"number\":$1,\"text\":\"page $1\",\"flags\":[]}}"; }
failed() { echo "{\"page\":{\"number\":$1,\"text\":\"\",\"flags\":[\"failed\"]}}"; }
at() { echo "{\"at\":$1}"; }
echo '{"open":{"pages":6}}'
case "$*" in
*"--skip 2 --skip 4"*) page 3; failed 4; page 5; page 6; echo '"done"' ;;
*"--skip 2"*) page 1; failed 2; at 3; at 4; exec sleep 60 ;;
*) at 1; at 2; kill -9 $$ ;;
esac
"#,
    )
    .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("a.pdf");
    std::fs::write(&file, "%PDF-1.4").unwrap();
    let child = READER.get_or_init(|| std::env::current_exe().unwrap());
    let output = Command::new(child)
        .args(["--ignored", "--exact", "documents::read_for_another_test", "--nocapture"])
        .env("HONE_WORKER", &script)
        .env("HONE_TEST_FILE", &file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in ["1 [] page 1", "2 [Failed] ", "3 [] page 3", "4 [Failed] ", "6 [] page 6"] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} is not in {text}");
    }
}

#[cfg(unix)]
static READER: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();

/// Not a test of its own: the environment of a process can only be chosen when it starts.
#[test]
#[ignore = "run by a_worker_that_dies_or_hangs_costs_its_page"]
fn read_for_another_test() {
    let Some(file) = std::env::var_os("HONE_TEST_FILE") else {
        return;
    };
    let options = hone::document::ReadOptions { page_seconds: 1, ..Default::default() };
    let mut on = |_| std::ops::ControlFlow::Continue(());
    let read = hone::document::read(Path::new(&file), &options, &mut on);
    println!();
    for page in read.unwrap().unwrap().pages {
        println!("{} {:?} {}", page.number, page.flags, page.text);
    }
}
