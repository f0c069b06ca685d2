//! What the worker process tells the program that started it: one JSON value a line.

use serde::{Deserialize, Serialize};

use super::passage::PageFlag;
use super::pdf::fragment::PageFragments;

/// One line of a worker's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Message {
    /// First: the file is open.
    Open {
        /// Pages in the file.
        pages: u32,
        /// The file's cross-reference table was damaged and has been rebuilt.
        recovered: bool,
    },
    /// One page, in order.
    Page(PageRecord),
    /// Last: every page was sent.
    Done,
    /// Last: the file cannot be read.
    Refused(Refusal),
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Refusal {
    /// It is encrypted and no password, or a wrong one, was given.
    Password,
    /// It is encrypted in a way that the engine does not know.
    Encryption,
    /// It is too damaged to find any page.
    Damaged,
    /// The operating system does not let us read it.
    File(String),
}

/// What was found on one page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PageRecord {
    /// Page number, from 1.
    pub number: u32,
    /// What was found.
    pub content: PageContent,
    /// What to know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<PageFlag>,
}

/// A page before or after layout, as the engine gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PageContent {
    /// Pieces of lines with their places, still to be laid out.
    Fragments(PageFragments),
    /// Text that the engine has laid out itself.
    Text(String),
}
