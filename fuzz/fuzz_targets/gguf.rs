//! A GGUF file: header, tensors, tokenizer and chat template. Inputs of odd length are followed by
//! zeros, so that a header alone is a whole file.

#![no_main]

use std::sync::LazyLock;

use hone_fuzz::Folder;
use hone_fuzz::model::{ChatTemplate, GgufFile, TensorName, TensorSource as _, Tokenizer};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(|| Folder::new("gguf"));

fuzz_target!(|data: &[u8]| {
    let zeros = if data.len() % 2 == 1 { 1 << 16 } else { 0 };
    let path = FOLDER.write("model.gguf", data, zeros);
    let Ok(mut file) = GgufFile::open(&path) else { return };
    let config = file.config().clone();
    for name in TensorName::all(&config) {
        let (rows, columns) = name.shape(&config);
        if let Ok(values) = file.read(name) {
            assert_eq!(values.len(), rows * columns, "{name}");
        }
    }
    if let Ok(tokenizer) = Tokenizer::from_gguf(&file) {
        let _ = tokenizer.check_fits(config.vocab_size);
        let ids = tokenizer.encode("What is 12 + 3? 값은");
        let _ = tokenizer.decode(&ids);
    }
    let _ = ChatTemplate::from_gguf(&file);
});
