//! Decoding one token at a time.

use super::Tokenizer;

/// Turns generated tokens into text as they come. A character split over several tokens (every
/// Korean syllable may be) is given out when it is whole.
#[derive(Debug, Clone)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    ids: Vec<u32>,
    /// Tokens before this one serve as context only: some decoders treat the first one specially.
    given: usize,
    context: usize,
}

impl<'a> TextStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            ids: Vec::new(),
            given: 0,
            context: 0,
        }
    }

    /// Takes a token and returns the text that is now complete, possibly none.
    pub fn push(&mut self, id: u32) -> String {
        self.ids.push(id);
        let text = self.pending();
        if text.ends_with('\u{FFFD}') {
            return String::new();
        }
        self.context = self.given;
        self.given = self.ids.len();
        // What lies before the context is never looked at again.
        self.ids.drain(..self.context);
        self.given -= self.context;
        self.context = 0;
        text
    }

    /// Returns what is left at the end; a character cut in half comes out as U+FFFD.
    pub fn finish(&mut self) -> String {
        let text = self.pending();
        self.ids.clear();
        self.given = 0;
        self.context = 0;
        text
    }

    /// Text of the tokens not yet given out.
    fn pending(&self) -> String {
        let before = self
            .tokenizer
            .decode(self.ids.get(..self.given).unwrap_or_default());
        let whole = self.tokenizer.decode(&self.ids);
        whole
            .strip_prefix(before.as_str())
            .unwrap_or_default()
            .to_owned()
    }
}
