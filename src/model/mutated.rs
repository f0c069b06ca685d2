//! Files of models whatever they hold: the targets `gguf` and `safetensors` of `fuzz/`, in small. An
//! error is fine; a panic, a wrong number of values or a file outside the folder is not.

use std::fs;

use super::safetensors::{SafetensorsFolder, weight_files};
use super::{ChatTemplate, GgufFile, TensorName, TensorSource as _, Tokenizer, hf_config};
use crate::text::mutants::Mutants;

/// Zeros that a header may promise values for.
const VALUES: usize = 1 << 16;

#[test]
fn changed_gguf_files_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut opened = 0;
    for mut bytes in Mutants::of("gguf", 400) {
        if bytes.len() % 2 == 1 {
            bytes.resize(bytes.len() + VALUES, 0);
        }
        fs::write(&path, &bytes).unwrap();
        let Ok(mut file) = GgufFile::open(&path) else { continue };
        opened += 1;
        let config = file.config().clone();
        for name in TensorName::all(&config) {
            let (rows, columns) = name.shape(&config);
            if let Ok(values) = file.read(name) {
                assert_eq!(values.len(), rows * columns, "{name}");
            }
        }
        if let Ok(tokenizer) = Tokenizer::from_gguf(&file) {
            let _ = tokenizer.check_fits(config.vocab_size);
            let _ = tokenizer.decode(&tokenizer.encode("What is 12 + 3? 값은"));
        }
        let _ = ChatTemplate::from_gguf(&file);
    }
    assert!(opened > 0, "no file could be opened");
}

#[test]
fn changed_safetensors_files_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = r#"{"model_type": "llama", "vocab_size": 8, "hidden_size": 32,
        "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "max_position_embeddings": 128, "tie_word_embeddings": true, "hidden_act": "silu"}"#;
    fs::write(folder.path().join("config.json"), settings).unwrap();
    let decoder = hf_config::read(folder.path()).unwrap().decoder;
    let weights = folder.path().join("model.safetensors");
    let index = folder.path().join("model.safetensors.index.json");
    let mut opened = 0;
    for bytes in Mutants::of("safetensors", 400) {
        let Some((kind, data)) = bytes.split_first() else { continue };
        let _ = fs::remove_file(&weights);
        let _ = fs::remove_file(&index);
        match kind % 3 {
            0 => fs::write(&weights, data).unwrap(),
            1 => {
                let mut file = (data.len() as u64).to_le_bytes().to_vec();
                file.extend(data);
                file.resize(file.len() + 2 * VALUES, 0);
                fs::write(&weights, file).unwrap();
            }
            _ => {
                fs::write(&index, data).unwrap();
                for name in weight_files(folder.path()).unwrap_or_default() {
                    assert!(!name.contains('/'), "{name} is outside the folder");
                }
            }
        }
        let Ok(mut found) = SafetensorsFolder::open(folder.path(), &decoder) else { continue };
        opened += 1;
        let config = found.config().clone();
        for name in TensorName::all(&config) {
            let (rows, columns) = name.shape(&config);
            assert_eq!(found.read(name).unwrap().len(), rows * columns, "{name}");
        }
    }
    assert!(opened > 0, "no file could be opened");
}
