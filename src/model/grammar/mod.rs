//! Which tokens may come next, so that a reply's tool calls are JSON and follow the tools' schemas.
//!
//! * [`Grammar`] is what a reply may say, made from the tools that are offered: free text, and calls in Hermes'
//!   form whose arguments follow each tool's JSON Schema (`schema`). It is a pushdown automaton over bytes
//!   (`frame`), with a set of stacks where several readings are open.
//! * [`Vocabulary`] is a tokenizer's tokens as a tree of bytes.
//! * [`Masks`] walks that tree through the automaton and keeps what it found: a mask of tokens for each state
//!   that was met. States are few (a place in the schema, not in the text), so most steps are a look-up.
//!
//! There is no dead end: every stack can be finished, byte by byte, and where only few bytes fit, they are tokens
//! of their own ([`Vocabulary::new`] refuses a tokenizer of which that is not so; [`Masks::new`] writes characters
//! whose bytes are none as escapes).

mod frame;
mod masks;
mod scalar;
mod schema;
mod vocabulary;

pub use masks::{Masks, State};
pub use schema::Grammar;
pub use vocabulary::Vocabulary;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod walks;
