//! What the fuzz targets share: the program's modules that read files, a folder to put files in, and
//! the shape of a tiny model.

use std::path::{Path, PathBuf};

#[path = "../../src/digest.rs"]
pub mod digest;
pub mod document;
#[path = "../../src/draft/mod.rs"]
pub mod draft;
#[path = "../../src/engine/mod.rs"]
pub mod engine;
#[path = "../../src/evaluate/mod.rs"]
pub mod evaluate;
#[path = "../../src/failure.rs"]
pub mod failure;
#[path = "../../src/model/mod.rs"]
pub mod model;
#[path = "../../src/pair/mod.rs"]
pub mod pair;
#[path = "../../src/progress.rs"]
pub mod progress;
#[path = "../../src/text/mod.rs"]
pub mod text;
#[path = "../../src/train/mod.rs"]
pub mod train;
#[path = "../../src/whole_file.rs"]
pub mod whole_file;

use model::{DecoderConfig, hf_config};

/// A folder of this process in memory, where the system has one.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder.
    pub fn new(target: &str) -> Self {
        // A panic that the program catches is no find: what is not caught ends the target later.
        // Without a backtrace, which takes seconds here.
        std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let path = place.join(format!("hone-fuzz-{target}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder in memory");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, followed by `zeros` bytes that take no space.
    pub fn write(&self, name: &str, bytes: &[u8], zeros: u64) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("writing");
        if zeros > 0 {
            let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opening");
            file.set_len(bytes.len() as u64 + zeros).expect("growing");
        }
        path
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        let _ = std::fs::remove_file(self.0.join(name));
    }
}

/// `config.json` of a tiny llama.
pub const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 8, "hidden_size": 32,
    "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "max_position_embeddings": 128, "tie_word_embeddings": true, "hidden_act": "silu"}"#;

/// The decoder of [`CONFIG`].
pub fn decoder(folder: &Folder) -> DecoderConfig {
    folder.write("config.json", CONFIG.as_bytes(), 0);
    hf_config::read(folder.path()).expect("the tiny model's settings").decoder
}
