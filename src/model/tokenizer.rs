//! Text to token ids and back, from `tokenizer.json` or from the vocabulary inside a GGUF file.

mod from_gguf;
mod scores;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Arc;

pub use stream::TextStream;

use crate::failure::{Context, Failure, Result};
use crate::model::gguf::GgufFile;

/// A model's tokenizer together with the ids at which generation stops. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    stop: BTreeSet<u32>,
    control: Arc<BTreeSet<u32>>,
    /// Control tokens that decoding writes out.
    written: Arc<BTreeSet<u32>>,
    /// Added tokens that a model says in pieces, with the pieces.
    pieces: Arc<BTreeMap<u32, Vec<u32>>>,
    beginning: Option<u32>,
    ending: Option<u32>,
    /// Whether text cut in two and encoded piece by piece decodes to the same text.
    splittable: bool,
}

/// A token with the bytes of the text it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Token id.
    pub id: u32,
    /// Bytes of the input text; several tokens of one character share its range.
    pub bytes: Range<usize>,
}

/// Control tokens that end a turn or a text whatever the model's settings name; a small model
/// often writes the one it saw between documents.
const ENDINGS: [&str; 7] = [
    "<|endoftext|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<eos>",
];

impl Tokenizer {
    /// Reads `tokenizer.json` of a Hugging Face folder.
    ///
    /// # Errors
    /// Names the file when it is missing or malformed.
    pub fn from_file(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).because(path.display())?;
        let what = format!("{}: not a usable tokenizer", path.display());
        let damaged = |failure: Failure| failure.hint("The file is damaged; get the model again.");
        // The crate panics where a part of the file is neither of its forms.
        let read = catch_unwind(|| tokenizers::Tokenizer::from_bytes(bytes).map(Self::wrap));
        match read {
            Ok(tokenizer) => tokenizer.because(what).map_err(damaged),
            Err(_) => Err(damaged(Failure::user(what))),
        }
    }

    /// Builds the tokenizer described in a GGUF file's metadata.
    ///
    /// # Errors
    /// Names the metadata key that is missing or of an unsupported kind.
    pub fn from_gguf(file: &GgufFile) -> Result<Self> {
        let built = from_gguf::build(file);
        let inner = built.map_err(|failure| failure.context(file.path().display()))?;
        let mut tokenizer = Self::wrap(inner);
        let id = |key: &str| file.number(key).and_then(|id| u32::try_from(id).ok());
        tokenizer.beginning = id("tokenizer.ggml.bos_token_id");
        tokenizer.ending = id("tokenizer.ggml.eos_token_id");
        for key in ["eos", "eot", "eom"] {
            tokenizer.stop.extend(id(&format!("tokenizer.ggml.{key}_token_id")));
        }
        Ok(tokenizer)
    }

    fn wrap(mut inner: tokenizers::Tokenizer) -> Self {
        // Lengths are the caller's business; a stored truncation would lose text silently.
        inner.with_padding(None);
        let _ = inner.with_truncation(None);
        let added = inner.get_added_tokens_decoder();
        let control = added.iter().filter(|(_, token)| token.special).map(|(id, _)| *id).collect();
        let mut tokenizer = Self {
            inner: Arc::new(inner),
            stop: BTreeSet::new(),
            control: Arc::new(control),
            written: Arc::default(),
            pieces: Arc::default(),
            beginning: None,
            ending: None,
            splittable: true,
        };
        for ending in ENDINGS {
            let id = tokenizer.id_of(ending).filter(|id| tokenizer.is_control(*id));
            tokenizer.stop.extend(id);
        }
        let twice = [tokenizer.encode("x"), tokenizer.encode("x")].concat();
        tokenizer.splittable = tokenizer.decode(&twice) == "xx";
        tokenizer
    }

    /// Token ids of a text. Control tokens written out in it ("<|im_start|>") are recognised;
    /// nothing is added at either end.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.encoding(text).map_or_else(Vec::new, |encoding| encoding.get_ids().to_vec())
    }

    /// Token ids of a text that a model says: as [`Self::encode`], but for tokens that are [said in
    /// pieces](Self::say_in_pieces).
    pub fn encode_said(&self, text: &str) -> Vec<u32> {
        let ids = self.encode(text);
        if self.pieces.is_empty() {
            return ids;
        }
        let said = |id| self.pieces.get(&id).cloned().unwrap_or_else(|| vec![id]);
        ids.into_iter().flat_map(said).collect()
    }

    /// Has a model say these added tokens in pieces of their text, which decode to the same. Those that
    /// have no such pieces, and all where text may not be [cut](Self::is_splittable), stay as they are.
    pub fn say_in_pieces(&mut self, ids: impl Iterator<Item = u32>) {
        if !self.splittable {
            return;
        }
        let pieces = |id: u32| {
            let text = self.spelling(id)?;
            // Cut behind its first character the text is not taken for the token.
            let (first, rest) = text.split_at(text.chars().next()?.len_utf8());
            let pieces = [self.encode(first), self.encode(rest)].concat();
            (!pieces.contains(&id) && self.decode_all(&pieces) == text).then_some((id, pieces))
        };
        self.pieces = Arc::new(ids.filter_map(pieces).collect());
    }

    /// Whether any token is said in pieces.
    pub fn says_in_pieces(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Tokens of a text with the bytes each stands for.
    pub fn encode_with_offsets(&self, text: &str) -> Vec<Piece> {
        let Some(encoding) = self.encoding(text) else {
            return Vec::new();
        };
        let ids = encoding.get_ids().iter();
        let offsets = encoding.get_offsets().iter();
        ids.zip(offsets).map(|(&id, &(start, end))| Piece { id, bytes: start..end }).collect()
    }

    fn encoding(&self, text: &str) -> Option<tokenizers::Encoding> {
        // Encoding fails only where a vocabulary has neither the bytes nor an unknown token; the
        // text then has no tokens at all.
        self.inner.encode(text, false).ok()
    }

    /// Text of token ids, without control tokens but those that are [written
    /// out](Self::write_out). Bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let is_written = |id: &u32| self.written.contains(id);
        let parts = ids.chunk_by(|a, b| is_written(a) == is_written(b));
        let decode = |part: &[u32]| {
            let hidden = part.first().is_none_or(|first| !is_written(first));
            self.inner.decode(part, hidden).unwrap_or_default()
        };
        parts.map(decode).collect()
    }

    /// Makes decoding write out the control tokens among `ids`, save those that stop generation:
    /// what calls are marked with is part of what a model says.
    pub fn write_out(&mut self, ids: impl Iterator<Item = u32>) {
        let marks = ids.filter(|id| self.is_control(*id) && !self.is_stop(*id));
        self.written = Arc::new(self.written.iter().copied().chain(marks).collect());
    }

    /// Text of token ids, control tokens written out.
    pub fn decode_all(&self, ids: &[u32]) -> String {
        self.inner.decode(ids, false).unwrap_or_default()
    }

    /// A decoder that is given one token at a time and never gives out half a character.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream::new(self)
    }

    /// The id of a token by its stored spelling.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The stored spelling of a token (byte-level vocabularies write a space as "Ġ").
    pub fn spelling(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The bytes a token of a byte-level vocabulary stands for; `None` for other vocabularies.
    ///
    /// Such vocabularies spell a printable byte as itself and the others as U+0100 and up, in
    /// order (`bytes_to_unicode` of GPT-2).
    pub fn bytes(&self, id: u32) -> Option<Vec<u8>> {
        let hidden = |byte: &u8| !matches!(byte, 33..=126 | 161..=172 | 174..=255);
        let byte = |character: char| {
            let code = u32::from(character);
            match u8::try_from(code) {
                Ok(byte) => (!hidden(&byte)).then_some(byte),
                Err(_) => (0..=255_u8).filter(hidden).nth(code as usize - 256),
            }
        };
        self.spelling(id)?.chars().map(byte).collect()
    }

    /// The token that opens a text, if the model names one.
    pub fn beginning(&self) -> Option<u32> {
        self.beginning
    }

    /// The token that ends a text, if the model names one.
    pub fn ending(&self) -> Option<u32> {
        self.ending
    }

    /// Sets the tokens that open and end a text.
    pub fn set_ends(&mut self, beginning: Option<u32>, ending: Option<u32>) {
        self.beginning = beginning;
        self.ending = ending;
        self.stop.extend(ending);
    }

    /// Ids at which generation stops, in ascending order.
    pub fn stop_ids(&self) -> Vec<u32> {
        self.stop.iter().copied().collect()
    }

    /// Adds an id at which generation stops.
    pub fn add_stop(&mut self, id: u32) {
        self.stop.insert(id);
    }

    /// Tells whether generation stops at this id.
    pub fn is_stop(&self, id: u32) -> bool {
        self.stop.contains(&id)
    }

    /// Tells whether this id is a control token, which never stands for text.
    pub fn is_control(&self, id: u32) -> bool {
        self.control.contains(&id)
    }

    /// Tells whether decoding writes this control token out.
    pub fn is_written(&self, id: u32) -> bool {
        self.written.contains(&id)
    }

    /// Ids of the tokens that stand beside the model's vocabulary, each spelled as the text it stands for.
    pub fn added_ids(&self) -> BTreeSet<u32> {
        self.inner.get_added_tokens_decoder().into_keys().collect()
    }

    /// Whether text may be cut and encoded piece by piece; false for vocabularies that put a
    /// space before every text.
    pub fn is_splittable(&self) -> bool {
        self.splittable
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> usize {
        let largest = self.inner.get_vocab(true).into_values().max();
        largest.map_or(0, |id| id as usize + 1)
    }

    /// Checks that every id has a row in an embedding of `rows` rows.
    ///
    /// # Errors
    /// Says how many tokens and rows there are when the tokenizer belongs to another model.
    pub fn check_fits(&self, rows: usize) -> Result<()> {
        let tokens = self.vocab_size();
        if tokens == 0 {
            return Err(Failure::user("the tokenizer has no vocabulary"));
        }
        if tokens > rows {
            return Err(Failure::user(format!(
                "the tokenizer has {tokens} tokens, the embedding only {rows} rows"
            ))
            .hint("Tokenizer and weights belong to different models."));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
