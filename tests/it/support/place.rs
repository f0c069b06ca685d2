//! What integration tests share: the program, and a toy model it can train in seconds.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::json;

use super::toy_model;

/// A folder for one test with its own model folder, so that nothing of the user's is touched.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, with its model folder inside this place and no network.
    pub fn hone(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hone"));
        command
            .current_dir(self.folder.path())
            .env("HONE_MODELS", self.path("models"))
            .env("HONE_OFFLINE", "1")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("HF_TOKEN");
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.hone().args(arguments).output().unwrap()
    }

    /// Runs the program and gives its standard output; fails the test if the program fails.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "hone {}: {}\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program, expects it to refuse with status 1, and gives what it said.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "hone {}: {said}", arguments.join(" "));
        assert!(said.lines().any(|line| line.starts_with("error: ")), "{said}");
        said
    }

    /// Makes the toy model and registers it as `toy`.
    pub fn add_toy_model(&self) {
        let folder = self.path("toy-model");
        fs::create_dir_all(&folder).unwrap();
        toy_model::hf_folder(&folder, "llama");
        self.ok(&["model", "add", folder.to_str().unwrap(), "--name", "toy"]);
    }
}

/// Rows of small talk in canonical JSONL, all accepted.
pub fn pairs(count: usize) -> String {
    (0..count)
        .map(|index| {
            json!({
                "messages": [
                    {"role": "user", "content": format!("{index}층 하중은?")},
                    {"role": "assistant", "content": format!("{} kN/m²", index * 3 % 7)},
                ],
                "meta": {"id": format!("pair-{index}"), "state": "accepted",
                         "document": "code.pdf", "page": index + 1},
            })
            .to_string()
                + "\n"
        })
        .collect()
}
