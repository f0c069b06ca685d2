//! A tokenizer's tokens as a tree of bytes.

use std::ops::RangeInclusive;

use crate::failure::{Failure, Result};
use crate::model::tokenizer::Tokenizer;

/// Tokens by the bytes of text they stand for. Control tokens stand for none and are left out, but for those that
/// decoding writes out (`<tool_call>`).
#[derive(Debug, Clone)]
pub struct Vocabulary {
    /// In the order of a walk that goes down first, children by their byte.
    pub(super) nodes: Vec<Entry>,
    /// Ids of tokens in the order of their nodes.
    pub(super) tokens: Vec<u32>,
    /// The bytes of each token; empty for what is none.
    bytes: Vec<Vec<u8>>,
    /// Of each byte whether it is a token.
    pub(super) single: [bool; 256],
    /// Tokens that end a reply.
    pub(super) ends: Vec<u32>,
}

/// A node of the tree: a byte behind those of the nodes above.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) byte: u8,
    /// Nodes above.
    pub(super) depth: u16,
    /// The first node that is not below this one.
    pub(super) end: u32,
    /// The first of its tokens, which go to the first of the next node.
    pub(super) first: u32,
}

/// Ranges of bytes to which a reply may come where only one of the range fits: ASCII each for itself, and what
/// may follow the first byte of a character.
fn asked_for() -> impl Iterator<Item = RangeInclusive<u8>> {
    let ascii = [b'\n'].into_iter().chain(b' '..=b'~').map(|byte| byte..=byte);
    ascii.chain([0x80..=0x8f, 0x90..=0x9f, 0xa0..=0xbf])
}

impl Vocabulary {
    /// Reads a tokenizer's vocabulary: byte-level BPE, or pieces of which bytes stand in for those that are lacking.
    ///
    /// # Errors
    /// When bytes that every text is made of are no tokens: a reply could then come to where no token fits.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self> {
        let byte_level = tokenizer.id_of("Ċ").is_some() && tokenizer.id_of("<0x0A>").is_none();
        let added = tokenizer.added_ids();
        let tokens = (0..tokenizer.vocab_size() as u32).map(|id| {
            if tokenizer.is_stop(id) || (tokenizer.is_control(id) && !tokenizer.is_written(id)) {
                return Vec::new();
            }
            let Some(spelling) = tokenizer.spelling(id) else { return Vec::new() };
            if added.contains(&id) {
                return spelling.into_bytes();
            }
            if byte_level { tokenizer.bytes(id).unwrap_or_default() } else { piece(&spelling) }
        });
        Self::from_bytes(tokens.collect(), tokenizer.stop_ids())
    }

    /// The vocabulary of these tokens, by id, and those that end a reply.
    ///
    /// # Errors
    /// As [`Vocabulary::new`].
    pub fn from_bytes(bytes: Vec<Vec<u8>>, ends: Vec<u32>) -> Result<Self> {
        let mut single = [false; 256];
        for token in &bytes {
            if let [byte] = token.as_slice() {
                single[usize::from(*byte)] = true;
            }
        }
        let is_there =
            |range: &RangeInclusive<u8>| range.clone().any(|byte| single[usize::from(byte)]);
        if let Some(range) = asked_for().find(|range| !is_there(range)) {
            return Err(Failure::user(format!(
                "the tokenizer has no token for the byte 0x{:02X} alone, so calls cannot be bound to a grammar",
                range.start()
            ))
            .hint("Leave out --bound, or use a model whose tokenizer has all bytes."));
        }
        let mut sorted: Vec<(&[u8], u32)> =
            bytes.iter().zip(0..).map(|(token, id)| (token.as_slice(), id)).collect();
        sorted.retain(|(token, _)| !token.is_empty() && token.len() < usize::from(u16::MAX));
        sorted.sort_unstable();
        let mut nodes: Vec<Entry> = Vec::new();
        let mut path: Vec<usize> = Vec::new();
        let mut before: &[u8] = &[];
        for (at, (token, _)) in sorted.iter().enumerate() {
            let shared = before.iter().zip(*token).take_while(|(a, b)| a == b).count();
            for closed in path.drain(shared..) {
                nodes[closed].end = nodes.len() as u32;
            }
            for (depth, byte) in token.iter().enumerate().skip(shared) {
                path.push(nodes.len());
                // Nodes on the way have no token of their own: the next one's begin where theirs do.
                nodes.push(Entry { byte: *byte, depth: depth as u16, end: 0, first: at as u32 });
            }
            before = token;
        }
        for open in path {
            nodes[open].end = nodes.len() as u32;
        }
        let tokens: Vec<u32> = sorted.iter().map(|(_, id)| *id).collect();
        // Closes the last node's tokens.
        nodes.push(Entry { byte: 0, depth: 0, end: 0, first: tokens.len() as u32 });
        Ok(Self { nodes, tokens, bytes, single, ends })
    }

    /// One more than the largest id.
    pub fn size(&self) -> usize {
        let largest = self.ends.iter().max().map_or(0, |id| *id as usize + 1);
        self.bytes.len().max(largest)
    }

    /// The bytes of a token; none for those that stand for no text.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether a token ends a reply.
    pub fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }
}

/// The bytes of a piece of SentencePiece's: `<0x0A>` is a byte, `▁` a space.
fn piece(spelling: &str) -> Vec<u8> {
    let byte = spelling.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    match byte.filter(|hex| hex.len() == 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
        Some(byte) => vec![byte],
        None => spelling.replace('\u{2581}', " ").into_bytes(),
    }
}
