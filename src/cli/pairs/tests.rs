use std::fs;
use std::path::Path;

use clap::Parser;
use serde_json::json;

use super::*;
use crate::cli::{mix, new};

#[derive(Debug, Parser)]
enum Line {
    New(new::NewArgs),
    Pairs(PairsArgs),
    Mix(mix::MixArgs),
}

/// Runs a line of arguments in `folder` and gives what it prints or why it fails.
fn hone(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let line = Line::try_parse_from([&["hone"], arguments].concat()).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    let done = match line {
        Line::New(args) => new::run(&args, folder, &mut out),
        Line::Pairs(args) => run(&args, folder, &mut out),
        Line::Mix(args) => {
            let mut count = |example: &crate::pair::Example| example.answer().chars().count() + 5;
            mix::run(&args, folder, &[], &mut count, &mut out)
        }
    };
    let out = String::from_utf8(out).unwrap();
    done.map(|()| out.clone()).map_err(|failure| format!("{out}{failure}"))
}

const ROWS: &str = r#"{"messages": [{"role": "user", "content": "옥외 기둥의 최소 피복두께는 얼마인가? 표에 있는 값으로 답하라."}, {"role": "assistant", "content": "50 mm"}], "meta": {"document": "기준.pdf", "page": 7}}
{"messages": [{"role": "user", "content": "Snow load?"}, {"role": "assistant", "content": "0.5 kN/m2"}], "meta": {"state": "accepted"}}

{"messages": [{"role": "user", "content": "Snow  load?"}, {"role": "assistant", "content": "0.5 kN/m2"}]}
{"messages": [{"role": "user", "content": "half
{"messages": [{"role": "user", "content": "Roof?"}, {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "roof", "arguments": "{}"}}]}], "meta": {"state": "accepted"}}
"#;

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    hone(folder.path(), &["new", ".", "--name", "구조"]).unwrap();
    fs::write(folder.path().join("rows.jsonl"), ROWS).unwrap();
    folder
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn import_tells_what_was_added_repeated_and_wrong() {
    let folder = project();
    let rows = path(&folder, "rows.jsonl");
    let told = hone(folder.path(), &["pairs", "import", &rows]).unwrap();
    insta::assert_snapshot!(told, @r"
    imported 3 pairs (1 accepted, 2 draft)
    line 4: same as line 2, not added
    line 5: not JSON at byte 47: EOF while parsing a string
    line 6: message 2: tool `roof` is called but not offered
    ");
    let listed = hone(folder.path(), &["pairs", "list"]).unwrap();
    insta::assert_snapshot!(listed, @r"
         1  draft     옥외 기둥의 최소 피복두께는 얼마인가? 표에 있는 값으로 답하…  기준.pdf:7
         2  accepted  Snow load?
         3  draft     Roof?
    ");
    let again = hone(folder.path(), &["pairs", "import", &rows, "--json"]).unwrap();
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["added"], 0);
    assert_eq!(again["duplicates"][0], json!({"line": 1, "pair": 1}));
}

#[test]
fn judging_is_undone_and_redone() {
    let folder = project();
    let at = folder.path();
    hone(at, &["pairs", "import", &path(&folder, "rows.jsonl"), "--accept"]).unwrap();
    let drafts = |at: &Path| hone(at, &["pairs", "list", "--state", "draft"]).unwrap();
    assert_eq!(drafts(at).lines().count(), 1);
    assert_eq!(hone(at, &["pairs", "reject", "--all-drafts"]).unwrap(), "rejected 1 pair\n");
    assert_eq!(hone(at, &["pairs", "check"]).unwrap(), "checked 2 pairs: nothing is wrong\n");
    assert_eq!(hone(at, &["pairs", "undo"]).unwrap(), "undid: rejected 1 pair\n");
    let wrong = hone(at, &["pairs", "check"]).unwrap_err();
    assert_eq!(
        wrong,
        "     3  structure             message 2: tool `roof` is called but not offered\n1 of 3 pairs have problems"
    );
    assert_eq!(hone(at, &["pairs", "redo"]).unwrap(), "redid: rejected 1 pair\n");
    assert_eq!(hone(at, &["pairs", "redo"]).unwrap(), "nothing to redo\n");
    assert_eq!(drafts(at), "");
    let missing = hone(at, &["pairs", "accept", "3", "99"]).unwrap_err();
    assert!(missing.contains("no pair 99"), "{missing}");
    assert!(hone(at, &["pairs", "accept"]).is_err());
    assert!(hone(at, &["pairs", "accept", "1", "--all-drafts"]).is_err());
}

#[test]
fn export_writes_what_is_accepted() {
    let folder = project();
    hone(folder.path(), &["pairs", "import", &path(&folder, "rows.jsonl")]).unwrap();
    let printed = hone(folder.path(), &["pairs", "export", "-"]).unwrap();
    assert_eq!(
        printed,
        concat!(
            r#"{"messages":[{"role":"user","content":"Snow load?"},"#,
            r#"{"role":"assistant","content":"0.5 kN/m2"}],"meta":{"state":"accepted"}}"#,
            "\n"
        )
    );
    let file = path(&folder, "out.jsonl");
    let told = hone(folder.path(), &["pairs", "export", &file, "--all", "--format", "openai"]);
    assert_eq!(
        told.unwrap(),
        format!(
            "wrote 3 pairs to {file}\nnot held by openai: meta; names of result turns (found again \
             by the call)\n"
        )
    );
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(r#""content":null"#) && text.contains(r#""arguments":"{}""#), "{text}");
}

#[test]
fn a_preview_shows_what_a_file_is_taken_for_and_changes_nothing() {
    let folder = project();
    let table = path(&folder, "table.csv");
    fs::write(&table, "Frage;Antwort;Seite\nWie hoch?;3 m;7\nLeer?;;8\n").unwrap();
    let refused = hone(folder.path(), &["pairs", "import", &table, "--preview"]).unwrap_err();
    assert!(refused.contains("no column is recognized as the question"), "{refused}");
    let map = ["--map", "question=Frage,answer=Antwort,page=Seite"];
    let told = hone(folder.path(), &[&["pairs", "import", &table, "--preview"], &map[..]].concat());
    let told = told.unwrap().replace(&table, "table.csv");
    insta::assert_snapshot!(told, @r"
    table.csv: CSV with semicolons, columns, question=Frage, answer=Antwort, page=Seite
    line 2
      user: Wie hoch?
      assistant: 3 m
    examined 2 rows, 1 problems
    line 3: `Antwort` (the answer) is empty
    ");
    assert_eq!(hone(folder.path(), &["pairs", "list"]).unwrap(), "");
    let as_json = [&["pairs", "import", &table, "--preview", "--json"], &map[..]].concat();
    let preview: serde_json::Value =
        serde_json::from_str(&hone(folder.path(), &as_json).unwrap()).unwrap();
    assert_eq!(preview["mapping"]["answer"], "Antwort");
    assert_eq!(preview["rows"][0]["example"]["meta"]["page"], 7);

    let told = hone(folder.path(), &[&["pairs", "import", &table, "--accept"], &map[..]].concat());
    assert_eq!(
        told.unwrap(),
        "imported 1 pair (1 accepted)\nline 3: `Antwort` (the answer) is empty\n"
    );
    let wrong = hone(folder.path(), &["pairs", "import", &table, "--map", "frage=Frage"]);
    assert!(wrong.unwrap_err().contains("no meaning of a column"));
}

#[test]
fn a_folder_holds_rows_card_and_what_the_reader_needs() {
    let folder = project();
    let at = folder.path();
    hone(at, &["pairs", "import", &path(&folder, "rows.jsonl"), "--accept"]).unwrap();
    let out = path(&folder, "set");
    let told =
        hone(at, &["pairs", "export", &out, "--format", "llama-factory", "--license", "kogl-1"]);
    assert!(told.unwrap().starts_with("wrote 2 pairs to "));
    let read = |name: &str| fs::read_to_string(at.join("set").join(name)).unwrap();
    assert_eq!(read("train.jsonl").lines().count(), 2);
    let info: serde_json::Value = serde_json::from_str(&read("dataset_info.json")).unwrap();
    assert_eq!(info["pairs"]["file_name"], "train.jsonl");
    let card = read("README.md");
    for part in [
        "license: kogl-1\n",
        "language:\n- ko\n- en\n",
        "| 기준.pdf |  | 1 | not in the project |",
        "| question and answer | ko | 1 | 0 | 0 |",
        "| with calls of tools | en | 0 | 1 | 0 |",
        "| not recorded | 2 | 0 | 1 | 100.0 % |",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    let wrong = hone(at, &["pairs", "export", &out, "--license", "a b: c"]).unwrap_err();
    assert!(wrong.contains("one abbreviation"), "{wrong}");
    let alpaca = path(&folder, "alpaca.jsonl");
    let told = hone(at, &["pairs", "export", &alpaca, "--all", "--format", "alpaca"]).unwrap();
    assert!(told.contains("pair 3: left out: Alpaca has no place for calls"), "{told}");
}

#[test]
fn mix_prints_and_writes_sides() {
    let folder = project();
    let at = folder.path();
    let row = |page: u32| {
        json!({"messages": [{"role": "user", "content": format!("{page}쪽의 값은?")},
            {"role": "assistant", "content": "12 mm"}],
            "meta": {"document": "기준.pdf", "page": page}})
    };
    let rows: Vec<String> = (1..=10).map(|page| row(page).to_string()).collect();
    fs::write(at.join("ten.jsonl"), rows.join("\n")).unwrap();
    let none = hone(at, &["mix"]).unwrap_err();
    assert!(none.contains("no example is accepted"), "{none}");
    hone(at, &["pairs", "import", &path(&folder, "ten.jsonl"), "--accept"]).unwrap();
    let out = path(&folder, "mixed");
    let told = hone(at, &["mix", "--general", "0.5", "--out", &out]).unwrap();
    insta::assert_snapshot!(told, @r"
    rows (tokens)                 train         validation               test
    domain                       8 (80)             1 (10)             1 (10)
    tools                         0 (0)              0 (0)              0 (0)
    general-korean                0 (0)              0 (0)              0 (0)
    general-english               0 (0)              0 (0)              0 (0)
    all                          8 (80)             1 (10)             1 (10)
    pages                             8                  1                  1
    general share: 0.0 % of training tokens, 50.0 % asked
      the general pool is too small by 80 tokens
    questions on two sides: 0 (0 rows moved to training for that)
    longest training row: 10 tokens
      up to     16 tokens: 8 rows
    trained in ko: 8 rows (80 tokens)
    trained from 기준.pdf: 8 rows (80 tokens)
    ");
    for (side, lines) in [("train", 8), ("validation", 1), ("test", 1)] {
        let text = fs::read_to_string(at.join(format!("mixed/{side}.jsonl"))).unwrap();
        assert_eq!(text.lines().count(), lines, "{side}");
    }
    let report = hone(at, &["mix", "--json"]).unwrap();
    let report: crate::mix::MixReport = serde_json::from_str(&report).unwrap();
    assert_eq!(report.general_share_asked, 0.5);
    let bad = hone(at, &["mix", "--general", "15"]).unwrap_err();
    assert!(bad.contains("--general 15"), "{bad}");
}

#[test]
fn a_list_can_be_filtered_as_in_the_interface() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    hone(at, &["new", "."]).unwrap();
    let row = |question: &str, answer: &str, page: u32| {
        json!({"messages": [{"role": "user", "content": question},
            {"role": "assistant", "content": answer}],
            "meta": {"document": "기준.pdf", "page": page, "quote": "두께는 50 mm로 한다."}})
        .to_string()
    };
    let rows = [
        row("기초의 두께는?", "50 mm이다.", 3),
        row("벽의 두께는?", "70 mm이다.", 12),
        row("슬래브의 처짐은?", "두께는 50 mm로 한다.", 30),
    ];
    fs::write(at.join("rows.jsonl"), rows.join("\n")).unwrap();
    hone(at, &["pairs", "import", &path(&folder, "rows.jsonl")]).unwrap();
    let listed = |filter: &str| {
        let told = hone(at, &["pairs", "list", "--filter", filter]).unwrap();
        let id = |line: &str| line.split_whitespace().next().unwrap().parse::<i64>().unwrap();
        told.lines().map(id).collect::<Vec<_>>()
    };
    assert_eq!(listed("두께 page:1-20"), [1, 2]);
    assert_eq!(listed("ㅊㅈ"), [3]);
    assert_eq!(listed("/[0-9]+ mm/ sort:-page"), [3, 2, 1]);
    assert_eq!(listed("check:number-not-in-quote"), [2]);
    assert_eq!(listed("-점검:모두"), [1, 3]);
    let bad = hone(at, &["pairs", "list", "--filter", "score:many"]).unwrap_err();
    assert!(bad.contains("score:many"), "{bad}");
}

#[test]
fn new_names_the_project_after_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let told = hone(folder.path(), &["new", "내진 기준"]).unwrap();
    assert_eq!(told, "made project \"내진 기준\" in 내진 기준\n");
    let again = hone(folder.path(), &["new", "내진 기준"]).unwrap_err();
    assert!(again.contains("already a project"), "{again}");
    let nowhere = hone(folder.path(), &["pairs", "list"]).unwrap_err();
    assert!(nowhere.contains("not a project"), "{nowhere}");
}
