//! Pools of general conversation: the one that comes with the program and those of the project.

use crate::failure::Result;
use crate::pair::{Example, Language, jsonl};
use crate::project::{MixSettings, Store};

const KOREAN: &str = include_str!("../../datasets/general/ko.jsonl");
const ENGLISH: &str = include_str!("../../datasets/general/en.jsonl");

/// All conversations that a project's mix may draw: the shipped ones and those of its own pools.
///
/// # Errors
/// Names the project's pool that cannot be read.
pub fn all(store: &Store, settings: &MixSettings) -> Result<Vec<Example>> {
    let mut pool = shipped(&settings.general_languages);
    pool.extend(store.pool_rows(settings.seed)?);
    Ok(pool)
}

/// Reads the shipped conversations of the given languages.
pub fn shipped(languages: &[Language]) -> Vec<Example> {
    languages
        .iter()
        .flat_map(|language| {
            let text = match language {
                Language::Korean => KOREAN,
                Language::English => ENGLISH,
            };
            jsonl::read(text.as_bytes()).0.into_iter().map(|(_, example)| example)
        })
        .collect()
}
