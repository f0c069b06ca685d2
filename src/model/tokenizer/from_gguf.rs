//! Builds a byte-level BPE tokenizer from a GGUF file's metadata.
//!
//! candle's own builder treats every vocabulary it does not know as GPT-2 with a space put in
//! front, merges digits that SmolLM2 keeps apart, and drops `<tool_call>` of Qwen2.5 as if it
//! were a control token; hence this one.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{AddedToken, NormalizerWrapper};

use super::scores;
use crate::failure::{Context, Failure, Result};
use crate::model::gguf::GgufFile;

/// Builds the tokenizer.
///
/// # Errors
/// Names the metadata key that is missing, malformed or of an unsupported kind.
pub(super) fn build(file: &GgufFile) -> Result<tokenizers::Tokenizer> {
    let kind = file.text("tokenizer.ggml.model").ok_or_else(|| {
        Failure::user("there is no tokenizer in the file (\"tokenizer.ggml.model\" is missing)")
    })?;
    if kind == "llama" {
        return scores::build(file);
    }
    if kind != "gpt2" {
        return Err(Failure::user(format!(
            "tokenizer kind \"{kind}\" inside GGUF is not supported"
        ))
        .hint("Use the model's Hugging Face folder with its tokenizer.json."));
    }
    let tokens = strings(file, "tokenizer.ggml.tokens")?;
    let mut vocabulary = HashMap::with_capacity(tokens.len());
    for (id, token) in (0_u32..).zip(&tokens) {
        if vocabulary.insert((*token).to_owned(), id).is_some() {
            return Err(Failure::user(format!(
                "token {id} \"{token}\" is in the vocabulary twice"
            )));
        }
    }
    let mut merges = Vec::new();
    for merge in strings(file, "tokenizer.ggml.merges")? {
        let (left, right) = merge
            .split_once(' ')
            .ok_or_else(|| Failure::user(format!("\"{merge}\" is no merge of two tokens")))?;
        merges.push((left.to_owned(), right.to_owned()));
    }

    let flavour = Flavour::of(file.text("tokenizer.ggml.pre").unwrap_or("default"))?;
    let model = BPE::builder()
        .vocab_and_merges(
            vocabulary.into_iter().collect::<tokenizers::models::bpe::Vocab>(),
            merges,
        )
        .ignore_merges(flavour.whole_words_first)
        .build()
        .because("the vocabulary and its merges do not fit together")?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(flavour.pre_tokenizer()?));
    tokenizer.with_decoder(Some(ByteLevel::new(false, false, false)));
    tokenizer.with_post_processor(Some(ByteLevel::new(false, false, false)));
    if flavour.composes {
        let composed: NormalizerWrapper = NFC.into();
        tokenizer.with_normalizer(Some(composed)).because("tokenizer")?;
    }
    tokenizer.add_tokens(added(file, &tokens)).because("tokenizer")?;
    Ok(tokenizer)
}

/// The tokens matched as they stand before anything else. In `enum llama_token_type` 3 is a
/// control token and 4 one "user defined", such as `<tool_call>`, which is text like any other.
pub(super) fn added(file: &GgufFile, tokens: &[&str]) -> Vec<AddedToken> {
    let kinds = file.array("tokenizer.ggml.token_type").unwrap_or_default();
    let mut added = Vec::new();
    for (token, kind) in tokens.iter().zip(kinds) {
        let kind = match kind {
            Value::I32(kind) => i64::from(*kind),
            Value::U32(kind) => i64::from(*kind),
            _ => 1,
        };
        if kind == 3 || kind == 4 {
            added.push(AddedToken::from((*token).to_owned(), kind == 3).normalized(false));
        }
    }
    added
}

pub(super) fn strings<'a>(file: &'a GgufFile, key: &str) -> Result<Vec<&'a str>> {
    let values = file
        .array(key)
        .ok_or_else(|| Failure::user(format!("metadata key \"{key}\" is missing or no list")))?;
    let mut texts = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Value::String(text) => texts.push(text.as_str()),
            _ => {
                return Err(Failure::user(format!("metadata key \"{key}\" holds more than text")));
            }
        }
    }
    Ok(texts)
}

/// How text is cut before merging, for one value of `tokenizer.ggml.pre`.
struct Flavour {
    pattern: Option<&'static str>,
    digits_apart: bool,
    composes: bool,
    whole_words_first: bool,
}

impl Flavour {
    /// Patterns are those of the models' own `tokenizer.json`.
    fn of(pre: &str) -> Result<Self> {
        const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        let plain =
            Self { pattern: None, digits_apart: false, composes: false, whole_words_first: false };
        match pre {
            "gpt-2" | "gpt2" => Ok(plain),
            "smollm" => Ok(Self { digits_apart: true, ..plain }),
            "qwen2" => Ok(Self { pattern: Some(QWEN2), composes: true, ..plain }),
            "llama-bpe" | "llama3" | "llama-v3" => {
                Ok(Self { pattern: Some(LLAMA3), whole_words_first: true, ..plain })
            }
            other => Err(Failure::user(format!(
                "how the tokenizer cuts text (\"tokenizer.ggml.pre\" = \"{other}\") is not known"
            ))
            .hint("Use the model's Hugging Face folder with its tokenizer.json.")),
        }
    }

    fn pre_tokenizer(&self) -> Result<PreTokenizerWrapper> {
        let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
        if self.digits_apart {
            steps.push(Digits::new(true).into());
        }
        if let Some(pattern) = self.pattern {
            let split = Split::new(
                SplitPattern::Regex(pattern.to_owned()),
                SplitDelimiterBehavior::Isolated,
                false,
            );
            steps.push(split.because("tokenizer")?.into());
        }
        steps.push(ByteLevel::new(false, false, self.pattern.is_none()).into());
        Ok(Sequence::new(steps).into())
    }
}
