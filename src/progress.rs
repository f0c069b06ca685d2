//! How long work tells how far it is and hears that it should stop.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How far one stage of long work is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, as a key of the string table ("download", "load", "train", ...).
    pub stage: String,
    /// Units done.
    pub done: u64,
    /// Units in all, if known.
    pub total: Option<u64>,
    /// What is counted: "bytes", "tokens", "pages", "items", "steps".
    pub unit: &'static str,
}

impl Progress {
    /// Makes a progress report.
    pub fn new(
        stage: impl Into<String>,
        done: u64,
        total: Option<u64>,
        unit: &'static str,
    ) -> Self {
        Self { stage: stage.into(), done, total, unit }
    }

    /// Share done, 0 to 1, if the total is known.
    pub fn fraction(&self) -> Option<f64> {
        let total = self.total?;
        (total > 0).then(|| (self.done as f64 / total as f64).min(1.0))
    }

    /// Units a second over `elapsed`.
    pub fn rate(&self, elapsed: Duration) -> f64 {
        let seconds = elapsed.as_secs_f64();
        if seconds > 0.0 { self.done as f64 / seconds } else { 0.0 }
    }

    /// Time left if the rate so far holds; unknown before anything is done.
    pub fn time_left(&self, elapsed: Duration) -> Option<Duration> {
        let total = self.total?;
        let rate = self.rate(elapsed);
        (rate > 0.0).then(|| Duration::from_secs_f64(total.saturating_sub(self.done) as f64 / rate))
    }
}

/// Receives progress; answers [`ControlFlow::Break`] to ask for a stop.
pub type OnProgress<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// A flag by which one thread asks another to stop at its next safe point.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks for a stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether a stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, for signal handlers.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// The answer a progress callback gives.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
