//! Kernels for the processor, chosen at run time.
//!
//! [`multiply`] is the one large product of training and of reading prompts: activations in f32
//! times weights laid out in [`panels`], by the [`tile`] kernel of this machine, in bf16 where
//! that is faster (AMX, some AVX-512) and in f32 elsewhere. [`product`] serves small and odd
//! products in f32, [`vector`] the passes over slices.

mod kernel;
pub(in crate::engine) mod multiply;
pub(in crate::engine) mod panels;
pub(in crate::engine) mod product;
mod tile;
pub(in crate::engine) mod vector;

pub use kernel::{KERNEL_VARIABLE, Kernel, check_environment, kernel};
