//! The embedded QLoRA engine: a frozen NF4 base, LoRA adapters, training, generation and scoring
//! on the CPU in f32.
//!
//! Forward and backward are written by hand over slices; there is no autograd. Work runs on the
//! current rayon pool. Sums run in an order that does not depend on threads or timing.
//!
//! One loaded [`Base`] serves base and tuned alike: everything takes the adapter as an option.

mod attention;
mod base;
mod block;
mod cache;
mod coarse;
pub mod cpu;
pub mod cuda;
mod decode;
mod dropout;
mod effective;
mod eight_bit;
mod few;
mod gate;
mod generate;
mod gradient;
mod heads;
mod lookup;
mod lora;
mod loss;
pub mod nf4;
mod noise;
mod norm;
mod optimizer;
mod pack;
mod phases;
mod plan;
mod rope;
mod sample;
mod score;
mod stored;
mod table;
mod trainer;

pub use base::{Base, Precision};
pub use cache::cache_bytes;
pub use eight_bit::EightBit;
pub use generate::{
    Bound, Bounds, GenerateConfig, Request, generate, generate_bound, generate_each,
};
pub use lora::{Adapter, LoraConfig, Target};
pub use optimizer::{OptimizerConfig, OptimizerState};
pub use pack::Row;
pub use phases::Phases;
pub use plan::{
    MICRO_TOKENS_MAX, MemoryPlan, MemoryUse, largest_micro_batch, loading_bytes, optimizer_bytes,
    plan, scoring_bytes, training_bytes,
};
pub use score::{RowLoss, row_losses};
pub use trainer::{StepReport, Trainer};

#[cfg(test)]
pub(crate) use generate::generate_with;

#[cfg(test)]
mod families;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;
