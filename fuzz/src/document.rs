//! The part of the program's `document` module that lays out pages: what stands between a decoder and the
//! text, without the decoders.

#[path = "../../src/document/locate.rs"]
mod locate;
#[path = "../../src/document/passage.rs"]
pub mod passage;
#[path = "pdf.rs"]
pub mod pdf;
#[path = "../../src/document/quote.rs"]
mod quote;
#[path = "../../src/document/structure.rs"]
mod structure;

pub use locate::locate;
pub use passage::{Page, Passage};
