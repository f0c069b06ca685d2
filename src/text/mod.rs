//! Text as people read and type it: width, wrapping, Hangul, normalization, spans. Knows nothing.

pub mod estimate;
pub mod hangul;
pub mod loose_json;
pub mod nfc;
pub mod number;
pub mod quantity;
pub mod script;
pub mod span;
pub mod width;
pub mod wrap;

#[cfg(test)]
pub(crate) mod mutants;

pub use estimate::tokens_estimate;
pub use nfc::nfc;
pub use span::Span;
pub use width::{fit, truncate, truncate_start, width};
pub use wrap::wrap;
