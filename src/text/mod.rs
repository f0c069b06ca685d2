//! Text as people read and type it: width, wrapping, Hangul, normalization, spans. Knows nothing.

pub mod span;

pub use span::Span;
