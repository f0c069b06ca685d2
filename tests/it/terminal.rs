//! The interface in a real pseudo-terminal, driven by keys.

use std::fs;

use crate::support::{self, Place, Terminal};

const ENTER: &str = "\r";
const TAB: &str = "\t";
const SAVE: &str = "\x13";

/// A project with the toy model chosen, ready to be opened.
fn project(place: &Place) {
    place.add_toy_model();
    place.ok(&["new", "project"]);
    fs::write(place.path("pairs.jsonl"), support::pairs(40)).unwrap();
    fs::write(place.path("more.jsonl"), support::pairs(60)).unwrap();
    place.ok(&["-p", "project", "pairs", "import", "pairs.jsonl"]);
    let pdf = "tests/fixtures/pdf/typst-A.pdf";
    let pdf = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(pdf);
    fs::copy(pdf, place.path("code.pdf")).unwrap();
    place.ok(&["-p", "project", "mix", "--general", "0", "--model", "toy"]);
}

fn open(place: &Place, locale: &str, columns: u16, rows: u16) -> Terminal {
    let mut command = place.hone();
    command.args(["-p", "project"]).env("LC_ALL", locale).env("LANG", locale);
    Terminal::start(&command, columns, rows)
}

#[test]
fn the_whole_path_by_keys() {
    let place = Place::new();
    project(&place);
    let mut screen = open(&place, "en_US.UTF-8", 120, 40);
    screen.wait("Next:");

    // Sources: a document in, then pairs.
    screen.keys("1").wait("No documents yet");
    screen.keys("a").keys("code.pdf").wait("code.pdf");
    screen.keys(ENTER).wait("passages, added");
    screen.keys("i").keys("more.jsonl").keys(ENTER).wait("rows become drafts");
    screen.keys(ENTER).wait("20 pairs imported");

    // Curate: a pair by hand, beside the passage, in Korean.
    screen.keys("2").wait("All pairs");
    screen.keys("i").wait("Writing a pair");
    screen.keys("사무실의 활하중은 얼마인가?").keys(TAB).keys("2.5 kN/m²이다.").keys(SAVE);
    screen.wait("wrote 1 pair");

    // Mix, train, evaluate, try.
    screen.keys("3").keys("m").wait("domain answers");
    screen.keys("4").keys("s").wait("finished");
    screen.wait("Train 1✓");
    screen.keys("5").wait("not evaluated yet");
    screen.keys("s").wait("Run 1 against base");
    screen.keys("6").keys("i").keys("안녕?").keys(ENTER).wait("안녕?");
    screen.escape().keys("q");
    assert!(screen.ends());

    let pairs = place.ok(&["-p", "project", "pairs", "list", "--json"]);
    assert!(pairs.contains("사무실의 활하중은 얼마인가?"), "{pairs}");
    let runs = place.ok(&["-p", "project", "train", "--list", "--json"]);
    assert!(runs.contains("finished"), "{runs}");
    assert!(place.path("project/runs/0001/report.json").is_file());
}

#[test]
fn hangul_mode_shortcuts_and_the_real_cursor() {
    let place = Place::new();
    project(&place);
    let mut screen = open(&place, "ko_KR.UTF-8", 80, 24);
    screen.wait("다음:");
    // With the Korean input method on, `i` arrives as ㅑ and `q` as ㅂ.
    screen.keys("2").wait("모든 문답");
    screen.keys("ㅑ").wait("새 문답 쓰기");
    screen.keys("건물의 내진설계");
    let text = screen.wait("건물의 내진설계");
    let (row, column, hidden) = screen.cursor();
    assert!(!hidden, "an input method needs the terminal's own cursor");
    let line = text.lines().nth(usize::from(row)).unwrap();
    let before: usize = line.split("건물의 내진설계").next().unwrap().chars().count();
    assert_eq!(usize::from(column), before + 15, "the cursor stands behind what was typed");
    screen.escape().escape().keys("ㅂ");
    assert!(screen.ends());
}

#[test]
fn a_kill_while_typing_loses_nothing_that_was_typed() {
    let place = Place::new();
    project(&place);
    let mut screen = open(&place, "en_US.UTF-8", 100, 30);
    screen.wait("Next:");
    screen.keys("2").wait("All pairs");
    screen.keys("i").wait("Writing a pair");
    screen.keys("지진하중이란 무엇인가").wait("지진하중이란 무엇인가");
    std::thread::sleep(std::time::Duration::from_secs(3));
    screen.kill();
    let mut screen = open(&place, "en_US.UTF-8", 100, 30);
    screen.wait("Next:");
    screen.keys("2").wait("All pairs");
    screen.keys("i").wait("지진하중이란 무엇인가");
}

#[test]
fn a_terminal_too_small_says_so_and_keeps_its_state() {
    let place = Place::new();
    project(&place);
    let mut screen = open(&place, "en_US.UTF-8", 80, 24);
    screen.wait("Next:");
    screen.keys("1").wait("No documents yet");
    screen.resize(40, 10).wait("60");
    screen.resize(80, 24).wait("No documents yet");
    screen.keys("q");
    assert!(screen.ends());
}
