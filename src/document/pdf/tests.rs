//! Decoding and layout against files with known text.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::decode::{decode, has_cross_reference};
use super::extract::extract;
use crate::document::passage::{Page, PageFlag};
use crate::document::wire::{Message, Refusal, Wanted};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pdf").join(name)
}

/// Decodes in this process, through the same messages as from a worker.
fn pages(data: Vec<u8>, password: &str) -> Result<Vec<Page>, Refusal> {
    let mut pages = Vec::new();
    let mut refused = None;
    let _ = decode(data, password, &Wanted::default(), &mut |message| {
        // The wire format is part of what is tested.
        let line = serde_json::to_string(&message).unwrap();
        match serde_json::from_str(&line).unwrap() {
            Message::Open { .. } | Message::At(_) | Message::Done => {}
            Message::Page(page) => pages.push(page),
            Message::Refused(refusal) => refused = Some(refusal),
        }
        ControlFlow::Continue(())
    });
    refused.map_or(Ok(pages), Err)
}

fn whole(pages: &[Page]) -> String {
    let texts: Vec<&str> = pages.iter().map(|page| page.text.as_str()).collect();
    texts.join("\n")
}

/// Character error rate without blanks: edit distance in document order over the truth's length.
fn character_errors(found: &str, truth: &str) -> f64 {
    let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<Vec<_>>();
    let (found, truth) = (solid(found), solid(truth));
    let mut row: Vec<usize> = (0..=found.len()).collect();
    for (i, wanted) in truth.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, character) in found.iter().enumerate() {
            let substitute = diagonal + usize::from(character != wanted);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[found.len()] as f64 / truth.len() as f64
}

/// Word spacing errors over the truth's spaces: how many blanks differ between the characters that an
/// alignment matches.
fn space_errors(found: &str, truth: &str) -> f64 {
    let split = |text: &str| -> (Vec<char>, Vec<bool>) {
        let (mut characters, mut after) = (Vec::new(), Vec::<bool>::new());
        for character in text.chars() {
            if character.is_whitespace() {
                if let Some(last) = after.last_mut() {
                    *last = true;
                }
            } else {
                characters.push(character);
                after.push(false);
            }
        }
        (characters, after)
    };
    let ((found, found_after), (truth, truth_after)) = (split(found), split(truth));
    let (n, m) = (truth.len(), found.len());
    let mut table = vec![0u32; (n + 1) * (m + 1)];
    for i in 0..=n {
        for j in 0..=m {
            table[i * (m + 1) + j] = if i == 0 || j == 0 {
                (i + j) as u32
            } else {
                let same =
                    table[(i - 1) * (m + 1) + j - 1] + u32::from(truth[i - 1] != found[j - 1]);
                same.min(table[(i - 1) * (m + 1) + j] + 1).min(table[i * (m + 1) + j - 1] + 1)
            };
        }
    }
    let (mut i, mut j, mut errors) = (n, m, 0usize);
    while i > 0 && j > 0 {
        let here = table[i * (m + 1) + j];
        if truth[i - 1] == found[j - 1] && here == table[(i - 1) * (m + 1) + j - 1] {
            let last = i == n || j == m;
            errors += usize::from(!last && truth_after[i - 1] != found_after[j - 1]);
            (i, j) = (i - 1, j - 1);
        } else if here == table[(i - 1) * (m + 1) + j - 1] + 1 {
            (i, j) = (i - 1, j - 1);
        } else if here == table[(i - 1) * (m + 1) + j] + 1 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    errors as f64 / truth_after.iter().filter(|after| **after).count() as f64
}

#[test]
fn files_of_many_producers_give_their_text() {
    // Name, password, greatest character error rate, greatest space error rate.
    for (name, password, characters, spaces) in [
        ("typst-A", "", 0.01, 0.04),
        ("weasy-A", "", 0.01, 0.04),
        ("qpdf-aes256-pw-secret-A", "secret", 0.01, 0.04),
        ("rl-cid-UniKS-UCS2-A", "", 0.005, 0.04),
        ("raw-KSCms-UHC-H-A", "", 0.005, 0.04),
        ("broken-truncated-lo-A", "", 0.01, 0.08),
        ("gs-chromium-B", "", 0.005, 0.04),
    ] {
        let data = std::fs::read(fixture(&format!("{name}.pdf"))).unwrap();
        let truth = std::fs::read_to_string(fixture(&format!("{name}.txt"))).unwrap();
        let pages = pages(data, password).unwrap();
        let text = whole(&pages);
        let found = (character_errors(&text, &truth), space_errors(&text, &truth));
        assert!(found.0 <= characters && found.1 <= spaces, "{name}: {found:?}\n{text}");
        let recovered = pages[0].flags.contains(&PageFlag::Recovered);
        assert_eq!(recovered, name.starts_with("broken"), "{name}");
        // Its map is damaged: what is read in spite of that is marked.
        let guessed = pages[0].flags.contains(&PageFlag::Guessed);
        assert_eq!(guessed, name.starts_with("gs"), "{name}");
    }
}

#[test]
fn garbage_is_flagged_and_left_out() {
    let data = std::fs::read(fixture("no-tounicode-lo-A.pdf")).unwrap();
    for page in pages(data, "").unwrap() {
        assert!(page.flags.contains(&PageFlag::NeedsOcr), "{page:?}");
        assert!(page.text.is_empty());
    }
}

#[test]
fn locked_and_broken_files_are_refused() {
    let locked = std::fs::read(fixture("qpdf-aes256-pw-secret-A.pdf")).unwrap();
    assert_eq!(pages(locked.clone(), "").unwrap_err(), Refusal::Password);
    assert_eq!(pages(locked.clone(), "Secret").unwrap_err(), Refusal::Password);
    assert_eq!(pages(b"%PDF-1.7\n".to_vec(), "").unwrap_err(), Refusal::Damaged);
    let mut refused = None;
    let _ = extract(&locked, "Secret", &Wanted::default(), &mut |message| {
        if let Message::Refused(refusal) = message {
            refused = Some(refusal);
        }
        ControlFlow::Continue(())
    });
    assert_eq!(refused, Some(Refusal::Password));
}

/// A small PDF file with one page of the given content and resources.
fn small(content: &str, resources: &str, page: &str) -> Vec<u8> {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R/Resources<<{resources}>>{page}>>"),
        format!("<</Length {}>>stream\n{content}\nendstream", content.len() + 1),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
        "<</Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8/Length 1>>stream\n0\nendstream".to_owned(),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut offsets = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        offsets.push(file.len());
        writeln!(file, "{number} 0 obj\n{object}\nendobj").unwrap();
    }
    let xref = file.len();
    writeln!(file, "xref\n0 {}\n0000000000 65535 f ", objects.len() + 1).unwrap();
    for offset in offsets {
        writeln!(file, "{offset:010} 00000 n ").unwrap();
    }
    writeln!(file, "trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{xref}\n%%EOF", objects.len() + 1)
        .unwrap();
    file.into_bytes()
}

const FONT: &str = "/Font<</F 5 0 R>>";

fn text_of(content: &str, page: &str) -> String {
    pages(small(content, FONT, page), "").unwrap()[0].text.clone()
}

#[test]
fn scans_and_blank_pages_are_told_apart() {
    let scan = small("q 400 0 0 400 0 0 cm /I Do Q", "/XObject<</I 6 0 R>>", "");
    let found = pages(scan, "").unwrap();
    assert_eq!(
        (found[0].flags.as_slice(), found[0].text.as_str()),
        (&[PageFlag::NeedsOcr][..], "")
    );
    let blank = pages(small("", FONT, ""), "").unwrap();
    assert_eq!(blank[0].flags, []);
}

#[test]
fn cross_references_are_checked() {
    let whole = small("", FONT, "");
    assert!(has_cross_reference(&whole));
    assert!(!has_cross_reference(&whole[..whole.len() - 20]));
    let mut shifted = b"%PDF-1.4\n%shift".to_vec();
    shifted.extend(&whole);
    assert!(!has_cross_reference(&shifted));
}

#[test]
fn lines_paragraphs_and_rows() {
    for (content, wanted) in [
        // A full line goes on, a short one ends its paragraph; a hyphen at the end goes.
        (
            "BT /F 10 Tf 12 TL 20 350 Td (The permanent structure of this retain-) Tj T* (ing wall has no more than nine storeys) Tj T* (above it.) Tj T* (Second paragraph) Tj ET",
            "The permanent structure of this retaining wall has no more than nine storeys above it.\n\nSecond paragraph",
        ),
        // A table with cells of one and of two lines.
        (
            "BT /F 10 Tf 20 350 Td (Hold point) Tj 120 0 Td (Released by) Tj 120 0 Td (Hours) Tj ET
             BT /F 10 Tf 20 320 Td (Foundation) Tj 120 6 Td (Site engineer and) Tj 0 -12 Td (geologist) Tj 120 6 Td (36) Tj ET
             BT /F 10 Tf 20 290 Td (Crane) Tj 120 0 Td (Lifting supervisor) Tj 120 0 Td (72) Tj ET",
            "Hold point Released by Hours\nFoundation Site engineer and geologist 36\nCrane Lifting supervisor 72",
        ),
        // Out of reading order.
        (
            &[0, 3, 1, 5, 2, 6, 4, 9, 7, 8]
                .map(|index| format!("BT /F 10 Tf 20 {} Td (\\({index}\\) item) Tj ET ", 350 - 20 * index))
                .concat(),
            "(0) item\n\n(1) item\n\n(2) item\n\n(3) item\n\n(4) item\n\n(5) item\n\n(6) item\n\n(7) item\n\n(8) item\n\n(9) item",
        ),
    ] {
        assert_eq!(text_of(content, ""), wanted);
    }
}

#[test]
fn rotation_and_sideways_text() {
    let content = "BT /F 10 Tf 0 1 -1 0 100 50 Tm 12 TL (First line is long) Tj T* (Next) Tj ET";
    for page in ["", "/Rotate 90", "/Rotate 180", "/Rotate 270"] {
        assert_eq!(text_of(content, page), "First line is long Next", "{page}");
    }
}

#[test]
fn watermarks_artifacts_and_actual_text() {
    let content = "/Artifact <</Type/Pagination>> BDC BT /F 8 Tf 20 390 Td (Header) Tj ET EMC
        BT /F 60 Tf 0.7 0.7 -0.7 0.7 50 50 Tm (DRAFT) Tj ET
        BT /F 10 Tf 20 300 Td (a) Tj /Span <</ActualText (fi)>> BDC (x) Tj EMC (ne) Tj ET
        BT /F 10 Tf 20 20 Td (- 3 -) Tj ET";
    assert_eq!(text_of(content, ""), "afine");
}

/// Prints how well every file of a folder is read: `HONE_PDF_FOLDER=... cargo test -- --ignored measure
/// --nocapture`. The folder holds `NAME.pdf` and `NAME.txt`.
#[test]
#[ignore = "needs a folder of files with their text"]
fn measure() {
    let folder = PathBuf::from(std::env::var("HONE_PDF_FOLDER").unwrap());
    let mut report = String::new();
    let (mut characters, mut spaces, mut count) = (0.0, 0.0, 0.0);
    let mut names: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "pdf"))
        .collect();
    names.sort();
    for path in names {
        let Ok(truth) = std::fs::read_to_string(path.with_extension("txt")) else {
            continue;
        };
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let password = if name.contains("pw-secret") { "secret" } else { "" };
        let pages = pages(std::fs::read(&path).unwrap(), password).unwrap();
        let flags: HashSet<PageFlag> = pages.iter().flat_map(|page| page.flags.clone()).collect();
        let text = whole(&pages);
        if let Ok(out) = std::env::var("HONE_PDF_OUT") {
            std::fs::write(Path::new(&out).join(format!("{name}.txt")), &text).unwrap();
        }
        if flags.contains(&PageFlag::NeedsOcr) {
            writeln!(report, "{name:30} {flags:?}").unwrap();
            continue;
        }
        let (cer, space) = (character_errors(&text, &truth), space_errors(&text, &truth));
        let rows: Vec<&str> = truth.lines().filter(|line| line.contains('\t')).collect();
        let found: Vec<String> = text.lines().map(|line| line.replace(' ', "")).collect();
        let right = rows.iter().filter(|row| found.contains(&row.replace(['\t', ' '], ""))).count();
        writeln!(
            report,
            "{name:30} CER {:5.2} space {:5.2} rows {right}/{} {flags:?}",
            100.0 * cer,
            100.0 * space,
            rows.len()
        )
        .unwrap();
        characters += cer;
        spaces += space;
        count += 1.0;
    }
    writeln!(
        report,
        "mean of {count}: CER {:.2} space {:.2}",
        100.0 * characters / count,
        100.0 * spaces / count
    )
    .unwrap();
    std::fs::write(std::env::var("HONE_PDF_REPORT").unwrap(), report).unwrap();
}
