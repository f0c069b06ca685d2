//! (under construction)

pub mod mix;
pub mod model;
pub mod new;
pub mod pairs;
pub mod tokens;
