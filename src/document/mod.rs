//! From files to pages to passages. Knows no models, no store and no screen.
//!
//! [`read`](read()) turns a file into [`Page`]s (in a process of its own, since files come from
//! anywhere), [`split`](split()) turns pages into [`Passage`]s, [`find_quote`] finds a quote on its page.

mod bounds;
mod compare;
pub mod engine;
mod format;
mod locate;
mod ocr;
pub mod passage;
mod pdf;
mod plain;
mod quote;
mod read;
mod split;
mod structure;
mod supervise;
mod wire;
mod worker;

pub use bounds::{merge, split_at, with_bounds};
pub use compare::{DiffKind, DiffPart, Fate, compare, word_diff};
pub use engine::Engine;
pub use locate::locate;
pub use ocr::{OcrUse, page_numbers};
pub use passage::{Page, PageFlag, Passage};
pub use quote::find_quote;
pub use read::{DocumentText, ReadOptions, Reading, is_locked, locked, read, read_pages};
pub use split::{PassageSettings, sentence_spans, split};
pub use worker::worker;
