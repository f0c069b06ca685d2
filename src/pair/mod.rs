//! Training pairs: the canonical example, edits and their inverses, checks, import and export.
//!
//! Knows no files: readers and writers are handed in.

pub mod arguments;
pub mod catalog;
pub mod check;
pub mod checks;
pub mod duplicates;
pub mod edit;
pub mod example;
pub mod format;
pub mod jsonl;
mod kind;
mod knowledge;
pub mod normalize;
pub mod openai;
mod repair;
pub mod reshape;

pub use check::check;
pub use edit::{Change, Edit};
pub use example::{
    Example, FunctionCall, FunctionDefinition, Language, Message, Meta, ReviewState, Role, Tool,
    ToolCall,
};
pub use jsonl::Problem;
pub use kind::Kind;
pub use knowledge::Knowledge;

#[cfg(test)]
mod tests;
