//! Whether a base model knows the answer of a pair.

use serde::{Deserialize, Serialize};

/// Whether a model answers a question without having been taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Knowledge {
    /// Every sampled answer was right.
    Known,
    /// Some were.
    Partly,
    /// None was.
    Unknown,
}

impl Knowledge {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Known, Self::Partly, Self::Unknown];

    /// By the share of sampled answers that were right, 0 to 1.
    pub fn of_share(share: f64) -> Self {
        match share {
            share if share >= 1.0 => Self::Known,
            share if share > 0.0 => Self::Partly,
            _ => Self::Unknown,
        }
    }

    /// Its name in a query, English and Korean.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Known => ("yes", "예"),
            Self::Partly => ("partly", "일부"),
            Self::Unknown => ("no", "아니요"),
        }
    }
}
