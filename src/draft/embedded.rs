//! A model run by this program itself.

use std::fmt;

use crate::engine::{Base, GenerateConfig, generate};
use crate::failure::Result;
use crate::model::Codec;
use crate::pair::Message;
use crate::progress::Cancel;

use super::{Drafter, cancelled};

/// A base model in memory that drafts without any network.
pub struct Embedded<'a> {
    name: String,
    base: &'a Base,
    codec: &'a Codec,
    cancel: Cancel,
    cut: bool,
}

impl<'a> Embedded<'a> {
    /// Drafts with a loaded base model; `name` is recorded as the author.
    pub fn new(name: &str, base: &'a Base, codec: &'a Codec, cancel: Cancel) -> Self {
        Self { name: name.to_owned(), base, codec, cancel, cut: false }
    }
}

impl fmt::Debug for Embedded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Drafter for Embedded<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    /// Answers by generation; the same conversation always gets the same answer.
    fn complete(
        &mut self,
        messages: &[Message],
        max_tokens: usize,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<String> {
        self.cut = false;
        if self.cancel.is_cancelled() {
            return Err(cancelled());
        }
        let prompt = self.codec.encode_prompt(messages, &[])?;
        let room = self.base.config().context_length.saturating_sub(prompt.len()).min(max_tokens);
        let config = GenerateConfig {
            max_new: max_tokens,
            stop: self.codec.stop_ids(),
            // Low, so that quotes stay verbatim; not zero, at which small models go round in
            // circles.
            temperature: 0.2,
            top_p: 0.9,
            batch: 1,
            ..GenerateConfig::default()
        };
        let mut stream = self.codec.tokenizer().stream();
        let mut text = String::new();
        let mut take = |piece: &str| {
            if !piece.is_empty() {
                text.push_str(piece);
                on_text(piece);
            }
        };
        let cancel = &self.cancel;
        let generated = generate(self.base, None, &[prompt], &config, &mut |_, id| {
            take(&stream.push(id));
            cancel.flow()
        })?;
        if cancel.is_cancelled() {
            return Err(cancelled());
        }
        take(&stream.finish());
        self.cut = generated.first().is_some_and(|ids| ids.len() >= room);
        Ok(text)
    }

    fn was_cut(&self) -> bool {
        self.cut
    }
}
