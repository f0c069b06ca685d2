//! Recipe, rows, run, checkpoints, resume, and adapters in PEFT's file format.

pub mod adapter_file;
mod arrange;
pub mod checkpoint;
pub mod event;
pub mod memory;
pub mod recipe;
pub mod rows;
pub mod run;
pub mod schedule;
pub mod sweep;
pub mod vary;

pub use event::{RunOutcome, RunRecord, TrainEvent};
pub use recipe::{Device, Keep, Optimizer, RANK_MAX, Recipe};
