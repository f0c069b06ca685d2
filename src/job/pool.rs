//! The general-conversation pool that comes with the program.

use crate::pair::{Example, Language, jsonl};

const KOREAN: &str = include_str!("../../datasets/general/ko.jsonl");
const ENGLISH: &str = include_str!("../../datasets/general/en.jsonl");

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
