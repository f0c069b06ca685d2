//! What a run leaves and reads again: checkpoint, adapter settings and weights. The first byte
//! chooses which one the rest is, and whether the header's length is made right.

#![no_main]

use std::sync::LazyLock;

use hone_fuzz::engine::Adapter;
use hone_fuzz::model::DecoderConfig;
use hone_fuzz::train::{Recipe, adapter_file, checkpoint};
use hone_fuzz::{Folder, decoder};
use libfuzzer_sys::fuzz_target;

static PLACE: LazyLock<(Folder, DecoderConfig)> = LazyLock::new(|| {
    let folder = Folder::new("run_files");
    let config = decoder(&folder);
    (folder, config)
});

const SETTINGS: &str =
    r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}"#;

/// A file whose header is `data` and whose values are zeros.
fn with_length(data: &[u8]) -> Vec<u8> {
    let mut file = (data.len() as u64).to_le_bytes().to_vec();
    file.extend(data);
    file
}

fuzz_target!(|data: &[u8]| {
    let (folder, config) = &*PLACE;
    let Some((kind, data)) = data.split_first() else { return };
    let (bytes, zeros) =
        if kind & 4 == 0 { (with_length(data), 1 << 12) } else { (data.to_vec(), 0) };
    match kind % 3 {
        0 => {
            let recipe =
                Recipe { rank: 2, targets: vec!["q_proj".to_owned()], ..Recipe::default() };
            let lora = adapter_file::lora_config(&recipe).expect("a recipe");
            let mut adapter = Adapter::new(config, &lora);
            folder.write("checkpoint.safetensors", &bytes, zeros);
            let _ = checkpoint::kernel(folder.path());
            let _ = checkpoint::read(folder.path(), &mut adapter);
        }
        1 => {
            folder.write("adapter_config.json", SETTINGS.as_bytes(), 0);
            folder.write("adapter_model.safetensors", &bytes, zeros);
            let _ = adapter_file::read(folder.path(), config);
        }
        _ => {
            folder.write("adapter_config.json", data, 0);
            folder.write("adapter_model.safetensors", &with_length(b"{}"), 0);
            let _ = adapter_file::read(folder.path(), config);
        }
    }
});
