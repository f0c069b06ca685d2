//! What the catalog keeps of an example.

use std::fmt::Write as _;

use crate::pair::{Example, Kind, Language, ReviewState, Role};
use crate::text::tokens_estimate;

/// Stands between the labels of a row; no label can contain it.
const BETWEEN_TAGS: char = '\u{1f}';

/// What the catalog keeps of an example.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    pub(super) key: i64,
    pub(super) passage: Option<i64>,
    pub(super) state: ReviewState,
    pub(super) kind: Kind,
    pub(super) language: Language,
    pub(super) score: u8,
    pub(super) length: u32,
    pub(super) page: u32,
    pub(super) document: String,
    pub(super) author: String,
    pub(super) tags: String,
    pub(super) text: String,
    /// Bytes of `text` that are the question.
    pub(super) question: usize,
}

impl Digest {
    /// Reads an example of the store, by its key, passage and state there.
    pub fn new(key: i64, passage: Option<i64>, state: ReviewState, example: &Example) -> Self {
        let mut text = example.question().to_owned();
        let question = text.len();
        let _ = write!(text, "\n{}", example.answer_text());
        let last = |role| example.messages.iter().rposition(|message| message.role == role);
        let (asked, answered) = (last(Role::User), last(Role::Assistant));
        for (at, message) in example.messages.iter().enumerate() {
            if Some(at) != asked && Some(at) != answered && !message.content.is_empty() {
                let _ = write!(text, "\n{}", message.content);
            }
        }
        let meta = &example.meta;
        let mut tags = String::new();
        for tag in &meta.tags {
            if !tags.is_empty() {
                tags.push(BETWEEN_TAGS);
            }
            tags.extend(tag.chars().filter(|c| *c != BETWEEN_TAGS));
        }
        Self {
            key,
            passage,
            state,
            kind: Kind::of(example),
            language: example.language(),
            score: meta.score.unwrap_or(0),
            length: tokens_estimate(&text) as u32,
            page: meta.page.unwrap_or(0),
            document: meta.document.clone().unwrap_or_default(),
            author: meta.author.clone().unwrap_or_default(),
            tags,
            text,
            question,
        }
    }
}

/// The labels in a list of them.
pub(super) fn tags(list: &str) -> impl Iterator<Item = &str> {
    list.split(BETWEEN_TAGS).filter(|tag| !tag.is_empty())
}
