//! The interface, driven by keys and read as text.

use super::testing::{Harness, Project, sample};
use super::*;
use crate::pair::Language::{English, Korean};

mod checks;
mod curate;
mod evaluate;
mod exchange;
mod flow;
mod layout;
mod sources;
mod sweeps;
