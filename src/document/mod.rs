//! From files to pages to passages. Knows no models, no store and no screen.

pub mod passage;

pub use passage::{Page, PageFlag, Passage};
