//! Builds the tokenizer of a GGUF file that has pieces with scores instead of merges: what
//! llama.cpp's converter makes of a BPE model of SentencePiece (Gemma).
//!
//! SentencePiece joins the two neighbours that make the piece of the highest score, over and over
//! (<https://github.com/google/sentencepiece>, `bpe_model.cc`). The same comes out of merges in the
//! order of the scores, a merge for each way to cut a piece into two others.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::replace::Replace;

use super::from_gguf::{added, strings};
use crate::failure::{Context, Failure, Result};
use crate::model::gguf::GgufFile;

/// What stands for a space inside pieces.
const SPACE: &str = "\u{2581}";

/// Builds the tokenizer.
///
/// # Errors
/// Names the metadata key that is missing, malformed or of an unsupported kind.
pub(super) fn build(file: &GgufFile) -> Result<tokenizers::Tokenizer> {
    // Left out, it is true, as for Llama 2: such a space in front of each text is not known here.
    if file.switch("tokenizer.ggml.add_space_prefix") != Some(false) {
        return Err(Failure::user(
            "a tokenizer that puts a space before every text is not supported inside GGUF",
        )
        .hint("Use the model's Hugging Face folder with its tokenizer.json."));
    }
    let tokens = strings(file, "tokenizer.ggml.tokens")?;
    let scores = numbers(file, "tokenizer.ggml.scores", tokens.len())?;
    let unknown = file
        .number("tokenizer.ggml.unknown_token_id")
        .and_then(|id| tokens.get(usize::try_from(id).ok()?))
        .map_or("<unk>", |token| *token);
    let ids: HashMap<&str, u32> = tokens.iter().copied().zip(0..).collect();
    if ids.len() < tokens.len() {
        return Err(Failure::user("a token is in the vocabulary twice"));
    }
    let vocabulary: Vocab = ids.iter().map(|(token, id)| ((*token).to_owned(), *id)).collect();
    let mut builder = BPE::builder()
        .vocab_and_merges(vocabulary, merges(file, &tokens, &scores, &ids))
        .byte_fallback(true)
        .fuse_unk(true);
    if ids.contains_key(unknown) {
        builder = builder.unk_token(unknown.to_owned());
    }
    let model = builder.build().because("the vocabulary and its scores do not fit together")?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    let spaces = Replace::new(" ", SPACE).because("tokenizer")?;
    tokenizer.with_normalizer(Some(spaces)).because("tokenizer")?;
    let back: Vec<DecoderWrapper> = vec![
        Replace::new(SPACE, " ").because("tokenizer")?.into(),
        ByteFallback::default().into(),
        Fuse::default().into(),
    ];
    tokenizer.with_decoder(Some(Sequence::new(back)));
    tokenizer.add_tokens(added(file, &tokens)).because("tokenizer")?;
    Ok(tokenizer)
}

/// Every way to cut a normal token into two others, those of the highest scores first.
fn merges(
    file: &GgufFile,
    tokens: &[&str],
    scores: &[f32],
    ids: &HashMap<&str, u32>,
) -> Vec<(String, String)> {
    const NORMAL: i64 = 1;
    let kinds = file.array("tokenizer.ggml.token_type").unwrap_or_default();
    let kind = |id: u32| match kinds.get(id as usize) {
        Some(Value::I32(kind)) => i64::from(*kind),
        Some(Value::U32(kind)) => i64::from(*kind),
        _ => NORMAL,
    };
    let mut cuts = Vec::new();
    for (id, token) in (0_u32..).zip(tokens) {
        if kind(id) != NORMAL {
            continue;
        }
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(left), Some(right)) = (ids.get(left), ids.get(right))
                && kind(*left) == NORMAL
                && kind(*right) == NORMAL
            {
                cuts.push((id, *left, *right));
            }
        }
    }
    let score = |cut: &(u32, u32, u32)| scores[cut.0 as usize];
    cuts.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
    let text = |id: u32| tokens[id as usize].to_owned();
    cuts.into_iter().map(|(_, left, right)| (text(left), text(right))).collect()
}

fn numbers(file: &GgufFile, key: &str, count: usize) -> Result<Vec<f32>> {
    let values = file.array(key).unwrap_or_default();
    let numbers: Vec<f32> = values
        .iter()
        .filter_map(|value| match value {
            Value::F32(number) => Some(*number),
            _ => None,
        })
        .collect();
    if numbers.len() != count {
        return Err(Failure::user(format!(
            "metadata key \"{key}\" is missing or has not one number for each token"
        )));
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tokenizer::Tokenizer;
    use crate::model::toy::ToyGguf;

    /// Control tokens, bytes, spaces written as they are, and pieces whose order is their score.
    fn toy() -> ToyGguf {
        let mut toy = ToyGguf::new("llama");
        let mut tokens: Vec<(String, i32)> =
            ["<unk>", "<bos>", "<end_of_turn>"].map(|token| (token.to_owned(), 3)).into();
        tokens.extend((0..=255).map(|byte| (format!("<0x{byte:02X}>"), 6)));
        tokens.push(("  ".to_owned(), 4));
        let pieces = ["bc", "ab", "abc", "\u{2581}a", "\u{2581}", "a", "b", "c"];
        tokens.extend(pieces.map(|piece| (piece.to_owned(), 1)));
        let mut set = |key: &str, value: Value| {
            toy.metadata.insert(format!("tokenizer.ggml.{key}"), value);
        };
        let text = |text: &str| Value::String(text.to_owned());
        set("model", text("llama"));
        set("scores", Value::Array((0..tokens.len()).map(|id| Value::F32(-(id as f32))).collect()));
        set("tokens", Value::Array(tokens.iter().map(|(token, _)| text(token)).collect()));
        set("token_type", Value::Array(tokens.iter().map(|(_, kind)| Value::I32(*kind)).collect()));
        set("add_space_prefix", Value::Bool(false));
        set("unknown_token_id", Value::U32(0));
        toy
    }

    fn built(toy: &ToyGguf) -> Result<Tokenizer> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toy.gguf");
        toy.write(&path);
        Tokenizer::from_gguf(&GgufFile::open(&path).unwrap())
    }

    #[test]
    fn pieces_are_joined_by_their_scores() {
        let tokenizer = built(&toy()).unwrap();
        let spelled = |text: &str| -> Vec<String> {
            tokenizer.encode(text).into_iter().map(|id| tokenizer.spelling(id).unwrap()).collect()
        };
        // "bc" has a higher score than "ab", so "abc" is made of "a" and "bc".
        assert_eq!(spelled("abc"), ["abc"]);
        assert_eq!(spelled("ab ab"), ["ab", "\u{2581}", "ab"]);
        assert_eq!(spelled(" a c"), ["\u{2581}a", "\u{2581}", "c"]);
        assert_eq!(spelled("a  b"), ["a", "  ", "b"]);
        assert_eq!(spelled("é<end_of_turn>"), ["<0xC3>", "<0xA9>", "<end_of_turn>"]);
        for text in ["ab  c 값 abc", " a", "b "] {
            assert_eq!(tokenizer.decode(&tokenizer.encode(text)), text);
        }
        assert!(tokenizer.is_splittable());
        assert!(tokenizer.stop_ids().contains(&2), "the end of a turn stops");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let mut prefixed = toy();
        prefixed.metadata.remove("tokenizer.ggml.add_space_prefix");
        let failure = built(&prefixed).unwrap_err();
        assert!(failure.message.contains("space before every text"), "{failure}");
        let mut short = toy();
        short.metadata.insert("tokenizer.ggml.scores".to_owned(), Value::Array(Vec::new()));
        assert!(built(&short).unwrap_err().message.contains("scores"));
    }
}
