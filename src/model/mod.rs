//! What a model is on disk: hub, folder, GGUF, safetensors, tokenizer, chat template.
//!
//! Knows nothing of training.

pub mod config;
pub mod gguf;
pub mod places;
pub mod source;
pub mod tokenizer;

pub use config::{Architecture, DecoderConfig};
pub use gguf::GgufFile;
pub use places::Places;
pub use source::{TensorName, TensorSource};
pub use tokenizer::Tokenizer;

#[cfg(test)]
mod toy;
