//! Models for tests: tiny ones made on the spot, and the real one when it is installed.

use std::path::PathBuf;

#[path = "../../tests/support/toy_model.rs"]
mod files;

pub use files::*;

/// The GGUF file of SmolLM2 if `hone model pull smollm2-135m` was run on this machine; says so
/// when it was not, and the test passes over.
pub fn installed_smollm2() -> Option<PathBuf> {
    let folder = crate::model::Places::from_environment()
        .ok()?
        .models
        .join("smollm2-135m");
    let found = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let file = found
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "gguf"));
    if file.is_none() {
        eprintln!("skipped: run `hone model pull smollm2-135m` to test with the real model");
    }
    file
}
