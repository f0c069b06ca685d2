//! (under construction)

pub mod mix;
pub mod new;
pub mod pairs;
