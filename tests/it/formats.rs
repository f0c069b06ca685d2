//! Reading office files, web pages and scans through the program itself, with its worker process.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn hone(arguments: &[&str], file: &Path, environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hone"))
        .args(arguments)
        .arg(file)
        .env_remove("HONE_WORKER")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Each page's text and flags.
fn pages(arguments: &[&str], file: &Path, environment: &[(&str, &str)]) -> Vec<(String, Value)> {
    let arguments = [&["document", "text", "--json"], arguments].concat();
    let output = hone(&arguments, file, environment);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let pages = found["pages"].as_array().unwrap();
    pages
        .iter()
        .map(|page| (page["text"].as_str().unwrap().to_owned(), page["flags"].clone()))
        .collect()
}

/// What the program says when it refuses a file.
fn refusal(name: &str, content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let output = hone(&["document", "text"], &path, &[]);
    assert_eq!(output.status.code(), Some(1), "{name}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("hint: "), "{message}");
    message
}

const FIRST: [&str; 2] = [
    "# 총칙\n\n이 기준은 연면적 1,000 m² 미만인 건축물에 적용한다. It applies from 2026.",
    "피복두께는 50 mm 이상으로 한다.",
];
const LIST: &str = "- 단층 창고는 제외한다.\n1. 첫째 절차를 따른다.\n2. 둘째 절차를 따른다.";
const SECOND: &str = "# 하중\n\n## 활하중\n\n용도 하중 kN/m²\n사무실 2.5\n창고 storage 6.0\n\n표의 값은 등분포활하중이다.";

#[test]
fn word_files_of_two_producers_give_the_same_text() {
    for name in ["office/python-docx.docx", "office/libreoffice.docx"] {
        let found = pages(&[], &fixture(name), &[]);
        assert_eq!(found.len(), 2, "{name}: {found:#?}");
        let (first, second) = (&found[0].0, &found[1].0);
        assert!(first.starts_with("# 소규모 건축물 구조 기준\n\n"), "{name}: {first}");
        for part in FIRST.iter().chain([&LIST]) {
            assert!(first.contains(part), "{name}: {part:?} is not in {first:?}");
        }
        assert!(!first.contains("40"), "{name}: a deletion is in {first:?}");
        assert_eq!(second, SECOND, "{name}");
    }
}

#[test]
fn hwpx_files_are_read() {
    let found = pages(&[], &fixture("office/python-hwpx.hwpx"), &[]);
    assert_eq!(found.len(), 2, "{found:#?}");
    // Headings of HWPX files have the numbers of their outline.
    let first = found[0].0.replace("# 1. 총칙", "# 총칙");
    for part in FIRST {
        assert!(first.contains(part), "{part:?} is not in {first:?}");
    }
    let second = found[1].0.replace("# 2. 하중", "# 하중").replace("## 가. 활하중", "## 활하중");
    assert_eq!(second, SECOND);
}

#[test]
fn web_pages_are_read() {
    let found = pages(&[], &fixture("office/libreoffice.html"), &[]);
    let all = found.iter().map(|page| page.0.as_str()).collect::<Vec<_>>().join("\n\n");
    // LibreOffice writes tracked deletions into web pages as if they were text.
    for part in [FIRST[0], LIST, SECOND] {
        assert!(all.contains(part), "{part:?} is not in {all:?}");
    }
}

#[test]
fn old_and_foreign_files_say_what_to_do() {
    let odt = std::fs::read(fixture("office/libreoffice.odt")).unwrap();
    assert!(refusal("a.docx", &odt).contains("OpenDocument"));
    let doc = std::fs::read(fixture("office/libreoffice.doc")).unwrap();
    assert!(refusal("a.doc", &doc).contains("DOCX"));
    let mut hwp = vec![0xD0, 0xCF, 0x11, 0xE0];
    hwp.extend("HwpSummaryInformation".encode_utf16().flat_map(u16::to_le_bytes));
    assert!(refusal("a.hwp", &hwp).contains("HWPX"));
}

#[test]
fn harmful_and_broken_files_are_refused() {
    let word = std::fs::read(fixture("office/python-docx.docx")).unwrap();
    assert!(refusal("cut.docx", &word[..word.len() / 2]).contains("damaged"));
    let zip = |name: &str, write: &mut dyn FnMut(&mut dyn std::io::Write)| {
        let mut writer = zip::write::ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        write(&mut writer);
        writer.finish().unwrap().into_inner()
    };
    // 300 MiB of blanks in 300 kB.
    let bomb = zip("word/document.xml", &mut |writer| {
        let block = vec![b' '; 1 << 20];
        for _ in 0..300 {
            writer.write_all(&block).unwrap();
        }
    });
    assert!(refusal("bomb.docx", &bomb).contains("256 MiB"));
    let entities = zip("word/document.xml", &mut |writer| {
        let mut text = "<!DOCTYPE a [<!ENTITY l0 \"lol\">".to_owned();
        for level in 1..20 {
            let inner = format!("&l{};", level - 1).repeat(10);
            text += &["<!ENTITY l", &level.to_string(), " \"", &inner, "\">"].concat();
        }
        text.push_str("]><document><p><r><t>&l19;</t></r></p></document>");
        writer.write_all(text.as_bytes()).unwrap();
    });
    assert!(refusal("entities.docx", &entities).contains("no text"));
    let deep = zip("Contents/section0.xml", &mut |writer| {
        writer.write_all("<a>".repeat(100_000).as_bytes()).unwrap();
    });
    let mut named = zip::write::ZipWriter::new_append(Cursor::new(deep)).unwrap();
    named.start_file("mimetype", zip::write::SimpleFileOptions::default()).unwrap();
    named.write_all(b"application/hwp+zip").unwrap();
    let deep = named.finish().unwrap().into_inner();
    assert!(refusal("deep.hwpx", &deep).contains("too deep"));
}

#[test]
fn korean_text_of_old_editors_is_read_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("기준.txt");
    // "하중 기준" in CP949.
    std::fs::write(&path, b"\xC7\xCF\xC1\xDF \xB1\xE2\xC1\xD8").unwrap();
    let output = hone(&["document", "text"], &path, &[]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim_end_matches(['\n', '\u{c}']),
        "하중 기준"
    );
    let note = String::from_utf8(output.stderr).unwrap();
    assert!(note.contains("CP949") && note.contains("guess"), "{note}");
}

/// Whether tesseract with Korean is here; tests of recognition do nothing without it, and say so.
#[expect(clippy::print_stdout, reason = "a test that cannot run says so")]
fn can_recognize() -> bool {
    let listed = Command::new("tesseract").arg("--list-langs").output();
    let found = listed.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).lines().any(|line| line.trim() == "kor")
    });
    if !found {
        println!("tesseract with Korean is not installed; nothing was tested");
    }
    found
}

/// Share of the truth's characters that is wrong, blanks left out: edits over length.
fn error_rate(truth: &str, found: &str) -> f64 {
    let bare = |text: &str| -> Vec<char> { text.chars().filter(|c| !c.is_whitespace()).collect() };
    let (truth, found) = (bare(truth), bare(found));
    let mut row: Vec<usize> = (0..=found.len()).collect();
    for (index, wanted) in truth.iter().enumerate() {
        let mut diagonal = index;
        row[0] = index + 1;
        for (at, character) in found.iter().enumerate() {
            let changed = diagonal + usize::from(wanted != character);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[found.len()] as f64 / truth.len() as f64
}

#[test]
fn pages_without_text_are_recognized_and_marked() {
    if !can_recognize() {
        return;
    }
    let found = pages(&[], &fixture("pdf/no-tounicode-lo-A.pdf"), &[]);
    assert!(found.iter().all(|page| page.1 == serde_json::json!(["ocr"])), "{found:#?}");
    let text: Vec<&str> = found.iter().map(|page| page.0.as_str()).collect();
    let truth = std::fs::read_to_string(fixture("pdf/no-tounicode-lo-A.txt")).unwrap();
    let rate = error_rate(&truth, &text.join("\n"));
    // Measured for tesseract alone: 10.9 %.
    assert!(rate < 0.15, "{rate}: {text:#?}");
}

#[test]
fn recognition_can_be_forced_and_forbidden() {
    let file = fixture("pdf/no-tounicode-lo-A.pdf");
    let output = hone(&["document", "text", "--no-ocr"], &file, &[]);
    assert_eq!(output.status.code(), Some(1));
    if !can_recognize() {
        return;
    }
    let found =
        pages(&["--engine", "ocr", "--ocr-languages", "eng"], &fixture("pdf/typst-A.pdf"), &[]);
    assert!(found.iter().all(|page| page.1 == serde_json::json!(["ocr"])), "{found:#?}");
    assert!(found.iter().any(|page| page.0.contains("floor load")), "{found:#?}");
}

#[test]
fn what_recognition_lacks_is_said() {
    let file = fixture("pdf/no-tounicode-lo-A.pdf");
    let output = hone(&["document", "text"], &file, &[("HONE_TESSERACT", "/nowhere/tesseract")]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("tesseract") && message.contains("nstall it with"), "{message}");
    let output = hone(
        &["document", "text", "--engine", "ocr"],
        &file,
        &[("HONE_TESSERACT", "/nowhere/tesseract")],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
}

/// A tesseract without Korean, and one that hangs.
#[cfg(unix)]
#[test]
fn a_lacking_or_hanging_tesseract_costs_no_page_its_flag() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let file = fixture("pdf/no-tounicode-lo-A.pdf");
    let script = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_string_lossy().into_owned()
    };
    let english =
        script("english", "#!/bin/sh\necho 'List of available languages (1):'\necho eng\n");
    let output = hone(&["document", "text"], &file, &[("HONE_TESSERACT", &english)]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("language data `kor`") && message.contains("kor"), "{message}");
    let broken = script(
        "broken",
        "#!/bin/sh\nif [ \"$1\" = --list-langs ]; then echo kor; echo eng; else cat > /dev/null; exit 3; fi\n",
    );
    let output = hone(&["document", "text", "--json"], &file, &[("HONE_TESSERACT", &broken)]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["pages"][0]["flags"][0], "needs-ocr", "{found}");
    assert!(found["notes"][0].as_str().unwrap().contains("recognition failed"), "{found}");
}

#[test]
fn a_changed_file_tells_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("project");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_hone")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = project.to_string_lossy().into_owned();
    run(&["new", &shown]);
    let file = folder.path().join("기준.md");
    let named = file.to_string_lossy().into_owned();
    let clause = |number: u32, text: &str| format!("## 제{number}조\n\n{text}\n\n");
    let filler = "이 문장은 통과 길이를 채우기 위한 것으로 조항마다 다르지 않다.";
    let text = |load: &str| {
        clause(1, &format!("이 기준은 건축물에 적용한다. {filler}"))
            + &clause(2, &format!("사무실의 활하중은 {load} kN/m² 이상으로 한다. {filler}"))
            + &clause(3, &format!("부칙은 따로 정하여 알린다. {filler}"))
    };
    std::fs::write(&file, text("2.5")).unwrap();
    run(&["-p", &shown, "document", "add", &named, "--tokens", "40"]);
    assert!(run(&["-p", &shown, "document", "add", &named]).contains("nothing changed"));
    std::fs::write(&file, text("3.0")).unwrap();
    let said = run(&["-p", &shown, "document", "add", &named]);
    assert!(said.contains("2 unchanged, 1 changed, 0 new, 0 gone; 0 pairs kept"), "{said}");
    std::fs::write(&file, text("3.5")).unwrap();
    let added: Value =
        serde_json::from_str(&run(&["-p", &shown, "document", "add", "--json", &named])).unwrap();
    let diff = &added[0]["imported"]["changes"]["changed"][0]["diff"];
    assert_eq!(diff[1]["kind"], "removed", "{added}");
    assert_eq!(diff[1]["text"], "3.0", "{added}");
    let passages = run(&["-p", &shown, "document", "passages", "--json"]);
    let passages: Value = serde_json::from_str(&passages).unwrap();
    assert_eq!(passages[0]["passages"].as_array().unwrap().len(), 3, "{passages}");
    let longer = run(&["-p", &shown, "document", "passages", "--tokens", "400", "--json"]);
    let longer: Value = serde_json::from_str(&longer).unwrap();
    assert_eq!(longer[0]["passages"].as_array().unwrap().len(), 1, "{longer}");
}
