//! Long work in the background: what can be asked for, what it tells, how it is stopped.

pub mod event;
pub mod spec;

pub use event::{JobEvent, JobId, JobOutcome};
pub use spec::{DraftSource, JobSpec};
