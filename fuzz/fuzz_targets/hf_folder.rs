//! The JSON files of a Hugging Face folder. The first byte chooses which one the rest is.

#![no_main]

use std::sync::LazyLock;

use hone_fuzz::model::{ChatTemplate, Tokenizer, hf_config};
use hone_fuzz::pair::{Message, Role};
use hone_fuzz::{CONFIG, Folder};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(|| Folder::new("hf_folder"));

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 4 {
        0 => {
            FOLDER.write("config.json", data, 0);
            FOLDER.remove("generation_config.json");
            let _ = hf_config::read(FOLDER.path());
        }
        1 => {
            FOLDER.write("config.json", CONFIG.as_bytes(), 0);
            FOLDER.write("generation_config.json", data, 0);
            let _ = hf_config::read(FOLDER.path());
        }
        2 => {
            FOLDER.write("tokenizer_config.json", data, 0);
            if let Ok(template) = ChatTemplate::from_folder(FOLDER.path()) {
                let _ = template.render(&[Message::text(Role::User, "x")], &[], true);
            }
        }
        _ => {
            let path = FOLDER.write("tokenizer.json", data, 0);
            if let Ok(tokenizer) = Tokenizer::from_file(&path) {
                let _ = tokenizer.check_fits(8);
                let ids = tokenizer.encode("What is 12 + 3? 값은");
                let _ = tokenizer.decode(&ids);
                let _ = tokenizer.encode_with_offsets("a b");
            }
        }
    }
});
