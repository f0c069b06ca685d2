//! PDF pages, all in the worker: glyphs to fragments of lines ([`decode`], [`device`], [`codes`],
//! [`fragment`]), fragments
//! to lines, paragraphs and page text ([`layout`], [`line`], [`furniture`], [`paragraph`], [`join`]).

mod codes;
pub(super) mod decode;
mod device;
pub(super) mod extract;
pub(super) mod fragment;
mod furniture;
mod glyph;
mod join;
pub(super) mod layout;
mod line;
mod paragraph;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod rules;
