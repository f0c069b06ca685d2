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
