//! Arguments of calls, counted one by one.

use serde::{Deserialize, Serialize};

/// Arguments of calls by model: a diagnosis beside the whole-call score.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ArgumentScores {
    /// Base.
    pub base: ArgumentCounts,
    /// Tuned; none when only the base was scored.
    pub tuned: Option<ArgumentCounts>,
    /// Further columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ArgumentCounts>,
}

/// Arguments expected and given, and what is wrong with them. Calls are matched by tool name, so
/// that the most arguments are right; arguments of calls without a partner count as missing or
/// extra.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ArgumentCounts {
    /// Arguments that must be given, and those that may be and were.
    pub expected: u32,
    /// Arguments given.
    pub given: u32,
    /// Given with an acceptable value.
    pub right: u32,
    /// Must be given and were not.
    pub missing: u32,
    /// Given and neither known nor expected.
    pub extra: u32,
    /// Given in the wrong type.
    pub wrong_type: u32,
    /// Given in the right type with another value.
    pub wrong_value: u32,
    /// Calls of a tool that was not expected.
    pub wrong_name: u32,
}

impl ArgumentCounts {
    /// Share of the arguments given that are right.
    pub fn precision(&self) -> Option<f64> {
        (self.given > 0).then(|| f64::from(self.right) / f64::from(self.given))
    }

    /// Share of the arguments expected that are right.
    pub fn recall(&self) -> Option<f64> {
        (self.expected > 0).then(|| f64::from(self.right) / f64::from(self.expected))
    }

    /// Harmonic mean of precision and recall.
    pub fn f1(&self) -> Option<f64> {
        let both = self.given + self.expected;
        (both > 0).then(|| 2.0 * f64::from(self.right) / f64::from(both))
    }

    /// Adds the counts of another item.
    pub fn add(&mut self, other: &Self) {
        self.expected += other.expected;
        self.given += other.given;
        self.right += other.right;
        self.missing += other.missing;
        self.extra += other.extra;
        self.wrong_type += other.wrong_type;
        self.wrong_value += other.wrong_value;
        self.wrong_name += other.wrong_name;
    }
}
