//! What a model is on disk: hub, folder, GGUF, safetensors, tokenizer, chat template.
//!
//! Knows nothing of training.

pub mod config;
pub mod source;

pub use config::{Architecture, DecoderConfig};
pub use source::{TensorName, TensorSource};
