//! Models in memory, loaded once and kept while the same one is asked for again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::engine::{Base, Precision};
use crate::failure::Result;
use crate::model::grammar::Vocabulary;
use crate::model::{self, Codec};
use crate::progress::OnProgress;
use crate::train::memory;

/// A base model ready for use.
pub struct Loaded {
    /// Name it was asked for by.
    pub name: String,
    /// The file or folder it was read from.
    pub path: PathBuf,
    /// How its weights are kept in memory.
    pub precision: Precision,
    /// Frozen weights.
    pub base: Base,
    /// Tokenizer and chat template.
    pub codec: Codec,
    /// Tokens that calls are marked with and that the base was never trained to say: they are said in
    /// pieces.
    pub unsaid: Vec<String>,
    vocabulary: OnceLock<Arc<Vocabulary>>,
}

impl Loaded {
    /// The tokenizer's tokens by their bytes, read when first asked for.
    ///
    /// # Errors
    /// When answers cannot be bound in this tokenizer's tokens.
    pub fn vocabulary(&self) -> Result<Arc<Vocabulary>> {
        if let Some(vocabulary) = self.vocabulary.get() {
            return Ok(Arc::clone(vocabulary));
        }
        let read = Vocabulary::new(self.codec.tokenizer())
            .map_err(|failure| failure.context(&self.name))?;
        Ok(Arc::clone(self.vocabulary.get_or_init(|| Arc::new(read))))
    }
}

/// The model last used in this process.
#[derive(Default)]
pub struct Models(Mutex<Option<Arc<Loaded>>>);

impl Models {
    /// Gives the model called `name`, from memory if it is the one last used; `None` when stopped.
    pub fn get(&self, name: &str, on: &mut OnProgress<'_>) -> Result<Option<Arc<Loaded>>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = last.as_ref().filter(|loaded| loaded.name == name) {
            return Ok(Some(Arc::clone(loaded)));
        }
        // Two models at once would double the peak.
        *last = None;
        let precision = Precision::fastest();
        let (opened, base) = model::open_and(name, |config, source| {
            memory::check_loading(config, precision).map_err(|failure| failure.context(name))?;
            Base::load(config, source, precision, on)
        })?;
        let Some(base) = base else { return Ok(None) };
        let mut codec = opened.codec;
        let unsaid = codec.say_in_pieces(|token| base.is_untrained(token));
        let loaded = Arc::new(Loaded {
            name: name.to_owned(),
            path: opened.description.path,
            precision,
            base,
            codec,
            unsaid,
            vocabulary: OnceLock::new(),
        });
        *last = Some(Arc::clone(&loaded));
        Ok(Some(loaded))
    }
}
