//! Finding tesseract and its languages, and what to install where it lacks.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::failure::{Failure, Result};

/// Environment variable that names the program to run.
const PROGRAM: &str = "HONE_TESSERACT";

/// When pages are read by character recognition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OcrUse {
    /// Where a page has no usable text and tesseract is installed.
    #[default]
    Automatic,
    /// Never.
    Never,
    /// For every page, whatever text it has.
    Always,
}

/// An installed tesseract that has the languages wanted.
#[derive(Debug)]
pub(super) struct Tesseract {
    pub program: PathBuf,
    /// As tesseract takes them: "kor+eng".
    pub languages: String,
}

impl Tesseract {
    /// Finds tesseract, or fails with what to install.
    pub(super) fn find(languages: &str) -> Result<Self> {
        let program = match std::env::var_os(PROGRAM) {
            Some(program) => PathBuf::from(program),
            None => usual(),
        };
        let listed = Command::new(&program)
            .arg("--list-langs")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let listed = match listed {
            Ok(output) if output.status.success() => output.stdout,
            Ok(_) | Err(_) => {
                return Err(Failure::user("tesseract, which reads pictures, is not installed")
                    .hint(install(&[])));
            }
        };
        let listed = String::from_utf8_lossy(&listed);
        let missing = missing(&listed, languages);
        if missing.is_empty() {
            return Ok(Self { program, languages: languages.to_owned() });
        }
        Err(Failure::user(format!("tesseract lacks the language data `{}`", missing.join("`, `")))
            .hint(install(&missing)))
    }
}

/// The languages wanted that are not in tesseract's list.
fn missing<'a>(listed: &str, wanted: &'a str) -> Vec<&'a str> {
    let has = |language: &&str| listed.lines().any(|line| line.trim() == *language);
    wanted.split('+').filter(|language| !language.is_empty()).filter(|one| !has(one)).collect()
}

/// Windows installers do not put it on the path.
fn usual() -> PathBuf {
    let installed = PathBuf::from(r"C:\Program Files\Tesseract-OCR\tesseract.exe");
    if cfg!(windows) && installed.exists() { installed } else { PathBuf::from("tesseract") }
}

/// How to install tesseract, or the languages it lacks.
fn install(missing: &[&str]) -> String {
    let languages = if missing.is_empty() { &["kor"] } else { missing };
    let packages = |before: &str| {
        let named = languages.iter().map(|language| [" ", before, language].concat());
        named.collect::<Vec<_>>().concat()
    };
    if cfg!(target_os = "macos") {
        "Install it with `brew install tesseract tesseract-lang`.".to_owned()
    } else if cfg!(windows) {
        format!(
            "Install it with `winget install UB-Mannheim.TesseractOCR` and choose the language data{} there.",
            packages("")
        )
    } else {
        format!(
            "Install it with `sudo apt install tesseract-ocr{}` (Debian, Ubuntu) or `sudo dnf install tesseract{}` (Fedora).",
            packages("tesseract-ocr-"),
            packages("tesseract-langpack-")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_looked_up_whole() {
        let listed = "List of available languages (3):\neng\nkor_vert\nosd\n";
        assert_eq!(missing(listed, "kor+eng"), ["kor"]);
        assert!(missing(listed, "eng").is_empty());
        assert!(install(&["kor"]).contains("nstall"));
    }
}
