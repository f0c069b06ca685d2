//! PDF pages: glyphs to fragments of lines ([`decode`], [`device`], [`fragment`]; in the worker), fragments to
//! lines, paragraphs and page text ([`line`], [`furniture`], [`paragraph`], [`join`]; in the program).

pub(super) mod decode;
mod device;
pub(super) mod extract;
pub(super) mod fragment;
mod furniture;
mod glyph;
mod join;
mod layout;
mod line;
mod paragraph;

pub(super) use layout::lay_out;

#[cfg(test)]
mod tests;
