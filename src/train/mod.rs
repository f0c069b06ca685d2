//! Recipe, packing, run, checkpoints, resume, and adapters in PEFT's file format.

pub mod event;
pub mod recipe;

pub use event::{RunOutcome, RunRecord, TrainEvent};
pub use recipe::Recipe;
