use std::path::Path;

use super::*;
use crate::model::toy;

#[test]
fn bytes_of_a_korean_character_come_out_together() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::from_file(&toy::tokenizer_file(folder.path())).unwrap();
    let ids = tokenizer.encode("값은 3개");
    assert!(ids.len() > "값은 3개".chars().count(), "the toy vocabulary is bytes only");
    let mut stream = tokenizer.stream();
    let parts: Vec<String> = ids.iter().map(|id| stream.push(*id)).collect();
    assert!(parts.iter().all(|part| !part.contains('\u{FFFD}')), "{parts:?}");
    assert_eq!(parts.concat(), "값은 3개");
    assert_eq!(stream.finish(), "");
    assert_eq!(tokenizer.decode(&ids), "값은 3개");
}

#[test]
fn half_a_character_at_the_end_is_given_out_as_a_replacement() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::from_file(&toy::tokenizer_file(folder.path())).unwrap();
    let ids = tokenizer.encode("가나");
    let mut stream = tokenizer.stream();
    let given: String = ids.iter().take(ids.len() - 1).map(|id| stream.push(*id)).collect();
    assert_eq!(given, "가");
    assert!(stream.finish().starts_with('\u{FFFD}'));
}

#[test]
fn control_tokens_in_text_are_recognised_and_not_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::from_file(&toy::tokenizer_file(folder.path())).unwrap();
    let ids = tokenizer.encode("<|im_start|>a<|im_end|>");
    assert_eq!(ids.len(), 3);
    assert!(tokenizer.is_control(ids[0]) && !tokenizer.is_control(ids[1]));
    assert_eq!(tokenizer.decode(&ids), "a");
    assert_eq!(tokenizer.decode_all(&ids), "<|im_start|>a<|im_end|>");
    assert!(tokenizer.is_splittable());
}

#[test]
fn offsets_cover_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::from_file(&toy::tokenizer_file(folder.path())).unwrap();
    let text = "a 값";
    let pieces = tokenizer.encode_with_offsets(text);
    assert_eq!(pieces.first().map(|piece| piece.bytes.clone()), Some(0..1));
    assert_eq!(pieces.last().map(|piece| piece.bytes.clone()), Some(2..5));
}

#[test]
fn a_tokenizer_larger_than_the_embedding_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::from_file(&toy::tokenizer_file(folder.path())).unwrap();
    assert!(tokenizer.check_fits(tokenizer.vocab_size()).is_ok());
    let failure = tokenizer.check_fits(100).unwrap_err();
    assert!(failure.message.contains("only 100 rows"), "{failure}");
}

#[test]
fn tokens_give_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::from_file(&toy::tokenizer_file(folder.path())).unwrap();
    let text = "값 a\n\u{7f}\u{ad}";
    let bytes = tokenizer.encode(text).into_iter().flat_map(|id| tokenizer.bytes(id).unwrap());
    assert_eq!(bytes.collect::<Vec<u8>>(), text.as_bytes());
}

#[test]
fn a_broken_tokenizer_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, "{\"model\": 7}").unwrap();
    let failure = Tokenizer::from_file(&path).unwrap_err();
    assert!(failure.message.contains("tokenizer.json"), "{failure}");
}

/// tokenizers 0.23 panics on a decoder that is no JSON (found by fuzzing).
#[test]
fn a_damaged_file_is_refused_not_panicked_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = toy::tokenizer_file(folder.path());
    let whole = std::fs::read_to_string(&path).unwrap();
    let decoder = whole.find("\"decoder\"").unwrap();
    let at = decoder + whole[decoder..].find("false").unwrap();
    for damaged in [format!("{}flesa{}", &whole[..at], &whole[at + 5..]), whole[..at].to_owned()] {
        std::fs::write(&path, damaged).unwrap();
        let failure = Tokenizer::from_file(&path).unwrap_err();
        assert!(failure.message.contains("tokenizer.json: not a usable tokenizer"), "{failure}");
        assert!(!failure.hints.is_empty());
    }
}

/// Compares with the ids llama.cpp and transformers give, when the model is installed.
#[test]
fn smollm2_gives_the_reference_ids() {
    let Some(path) = toy::installed_smollm2() else {
        return;
    };
    let file = GgufFile::open(&path).unwrap();
    let tokenizer = Tokenizer::from_gguf(&file).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokens_smollm2.json");
    let fixture = std::fs::read_to_string(fixture).unwrap();
    let fixture: serde_json::Value = serde_json::from_str(&fixture).unwrap();
    let rows = fixture["rows"].as_array().unwrap();
    assert!(rows.len() > 50);
    for row in rows {
        let text = row[0].as_str().unwrap();
        let expected: Vec<u32> = serde_json::from_value(row[1].clone()).unwrap();
        assert_eq!(tokenizer.encode(text), expected, "{text}");
        assert_eq!(tokenizer.decode_all(&expected), text);
        let mut stream = tokenizer.stream();
        let streamed: String = expected.iter().map(|id| stream.push(*id)).collect();
        assert_eq!(streamed + &stream.finish(), tokenizer.decode(&expected));
    }
    assert_eq!(tokenizer.vocab_size(), 49_152);
    assert!(tokenizer.is_stop(2));
}
