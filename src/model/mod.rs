//! What a model is on disk: hub, folder, GGUF, safetensors, tokenizer, chat template.
//!
//! Knows nothing of training.

pub mod config;
pub mod encode;
pub mod gguf;
pub mod grammar;
pub mod hf_config;
pub mod hub;
pub mod open;
pub mod places;
mod positioned;
pub mod pull;
pub mod registry;
mod rotary;
pub mod safetensors;
pub mod source;
pub mod template;
pub mod tokenizer;
pub mod wheel;

pub use config::{Activation, Architecture, DecoderConfig, Windows};
pub use encode::{Codec, Encoded};
pub use gguf::GgufFile;
pub use open::{Description, Opened, open, open_and};
pub use places::Places;
pub use source::{TensorName, TensorSource};
pub use template::{ChatTemplate, ToolFormat};
pub use tokenizer::Tokenizer;

#[cfg(test)]
mod mutated;
#[cfg(test)]
pub(crate) mod toy;
