//! Reports of an evaluation: one HTML page and Markdown for people, JSON for programs, a table for
//! the terminal, and several evaluations beside each other.
//!
//! Everything here turns an [`Evaluation`](crate::evaluate::Evaluation) into text; nothing is
//! written or printed.

pub mod figures;
mod further;
pub mod html;
pub mod json;
pub mod leading;
pub mod markdown;
pub mod plain;
#[cfg(test)]
pub(crate) mod sample;
pub mod sweep;
pub mod table_of_runs;
pub mod words;

pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use plain::plain;
