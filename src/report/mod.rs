//! Reports of an evaluation: Markdown for people, JSON for programs, a table for the terminal.
//!
//! Everything here turns an [`Evaluation`](crate::evaluate::Evaluation) into text; nothing is
//! written or printed.

pub mod figures;
pub mod json;
pub mod markdown;
pub mod plain;
pub mod words;

pub use json::json;
pub use markdown::markdown;
pub use plain::plain;
