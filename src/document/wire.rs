//! What the worker process is asked for and what it tells the program that started it: one JSON value a line.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::passage::Page;

/// One line of a worker's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Message {
    /// First: the file is open.
    Open {
        /// Pages in the file.
        pages: u32,
    },
    /// From here on this page is worked on: should the worker end, it was this page's fault.
    At(u32),
    /// One page, in order. Pages come some time after they were decoded, since their layout looks ahead.
    Page(Page),
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
    /// For the reason said.
    Said {
        /// What is wrong.
        message: String,
        /// What to do.
        hints: Vec<String>,
    },
}

/// Which pages a worker is to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Page numbers, from 1. Ends at the file's last page or before.
    pub pages: RangeInclusive<u32>,
    /// Pages not to touch, since they brought a worker down; they are sent as failed.
    pub skip: Vec<u32>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { pages: 1..=u32::MAX, skip: Vec::new() }
    }
}
