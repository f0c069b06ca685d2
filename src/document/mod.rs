//! From files to pages to passages. Knows no models, no store and no screen.
//!
//! [`read`](read()) turns a file into [`Page`]s (PDF files in a process of their own, since they come from
//! anywhere), [`split`](split()) turns pages into [`Passage`]s, [`find_quote`] finds a quote on its page.

pub mod engine;
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

pub use engine::Engine;
pub use passage::{Page, PageFlag, Passage};
pub use quote::find_quote;
pub use read::{DocumentText, ReadOptions, Reading, is_locked, locked, read, read_pages};
pub use split::{PassageSettings, split};
pub use worker::worker;
