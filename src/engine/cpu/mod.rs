//! Kernels for the processor, chosen at run time.
//!
//! [`multiply`] is the one large product of training and of reading prompts: activations in f32
//! times weights laid out in [`panels`] (before, or where they are multiplied with: [`lay`]), by the [`tile`] kernel of this machine, in bf16 where
//! that is faster (AMX, some AVX-512) and in f32 elsewhere. [`multiply`] also has small
//! products on one thread, as attention needs them; [`few`] multiplies stored weights with a few tokens,
//! as decoding does; [`vector`] has the passes over slices. Passes are shared out among threads by [`team`].

pub(in crate::engine) mod ahead;
pub(in crate::engine) mod aligned;
mod cache;
#[cfg(test)]
pub(in crate::engine) mod clock;
mod element;
pub(in crate::engine) mod few;
mod kernel;
pub(in crate::engine) mod lay;
pub(in crate::engine) mod multiply;
pub(in crate::engine) mod outer;
pub(in crate::engine) mod pages;
pub(in crate::engine) mod panels;
#[cfg(test)]
mod product;
pub(in crate::engine) mod rounding;
pub(in crate::engine) mod shared;
mod small;
pub(in crate::engine) mod team;
mod tile;
mod turn;
pub(in crate::engine) mod values;
pub(in crate::engine) mod vector;

pub use kernel::{KERNEL_VARIABLE, Kernel, check_environment, kernel, prefer};
