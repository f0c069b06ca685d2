//! Training pairs: the canonical example, edits and their inverses, checks, import and export.
//!
//! Knows no files: readers and writers are handed in.

pub mod check;
pub mod duplicates;
pub mod edit;
pub mod example;
pub mod jsonl;
pub mod normalize;
pub mod openai;
mod repair;

pub use check::check;
pub use edit::{Change, Edit};
pub use example::{
    Example, FunctionCall, FunctionDefinition, Language, Message, Meta, ReviewState, Role, Tool,
    ToolCall,
};
pub use jsonl::Problem;

#[cfg(test)]
mod tests;
