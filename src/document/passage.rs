//! What a document is once its text has been read: pages, and passages on them.

use serde::{Deserialize, Serialize};

use crate::text::Span;

/// One page of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Page number, from 1.
    pub number: u32,
    /// The page's text in reading order, NFC, lines separated by `\n`, paragraphs by a blank line.
    pub text: String,
    /// What a reader should know about how the text was got.
    #[serde(default)]
    pub flags: Vec<PageFlag>,
}

/// Something about a page's text that its reader must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PageFlag {
    /// No usable text on the page; optical character recognition is needed.
    NeedsOcr,
    /// Some characters were inferred, not decoded.
    Guessed,
    /// The file was damaged and this is what could be recovered.
    Recovered,
    /// The page could not be read.
    Failed,
    /// The text came from optical character recognition.
    Ocr,
}

/// A piece of a page that pairs are written about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Page number, from 1.
    pub page: u32,
    /// Characters of the page's text that the passage covers.
    pub span: Span,
    /// Headings and clause numbers above it, outermost first.
    #[serde(default)]
    pub context: Vec<String>,
    /// The text itself.
    pub text: String,
}

impl Passage {
    /// The text under its headings, as a reader sees it.
    pub fn in_full(&self) -> String {
        let mut full = self.context.join("\n");
        full.push('\n');
        full.push_str(&self.text);
        full
    }
}
