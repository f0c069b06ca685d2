//! Training and generation on an NVIDIA GPU (Ampere or newer) with nothing but the driver to start with.
//!
//! `library` finds the maker's libraries at run time, `driver` puts checked calls before them,
//! `compile` makes kernels of the sources in `kernels/` or takes those that are `ready`, `products` multiplies matrices, by kernels of its `own` where it must. `weights` is
//! the base on the device, `layout` says where a step works, `tiles` which tokens attention looks at,
//! `block` is a decoder block, `attend` its attention, `adam` the optimizer, and `session` strings a micro-batch together;
//! `generation` makes answers.
//!
//! Activations are in bf16, sums in f32, the adapter, its gradients and moments in f32. Work goes
//! through one stream; sums run in an order that does not depend on timing.

#![expect(unsafe_code, reason = "calls into the driver and its libraries, each said to be sound")]

mod adam;
mod attend;
mod block;
mod compile;
mod device;
mod driver;
mod generation;
mod hosts;
mod kernels;
mod layout;
mod library;
mod own;
mod products;
mod ready;
mod session;
mod tiles;
mod way;
mod weights;

pub use compile::KernelCache;
pub use device::{CAPABILITY_MIN, Device, Found};
pub use driver::DeviceFacts;
pub use generation::Generator;
pub use library::Search;
pub use ready::WIDTHS as READY_WIDTHS;
pub(super) use session::Session;

#[cfg(test)]
mod tests;
