//! What the tests share.

pub mod fault_server;
pub mod hub_server;
pub mod interface;
pub mod place;
pub mod terminal;
#[path = "../../support/toy_model.rs"]
pub mod toy_model;

pub use place::{Place, pairs};
pub use terminal::Terminal;
