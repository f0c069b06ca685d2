//! Training pairs: the canonical example, edits and their inverses, checks, import and export.
//!
//! Knows no files: readers and writers are handed in.

pub mod example;

pub use example::{
    Example, FunctionCall, FunctionDefinition, Language, Message, Meta, ReviewState, Role, Tool,
    ToolCall,
};
