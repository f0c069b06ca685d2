//! How the training set is put together.

use serde::{Deserialize, Serialize};

use crate::pair::Language;

/// Settings of the mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Share of general conversation, counted in tokens, 0 to 0.9.
    pub general_share: f64,
    /// Languages taken from the general pool.
    pub general_languages: Vec<Language>,
    /// Share of pages kept for validation.
    pub validation_share: f64,
    /// Share of pages kept for testing.
    pub test_share: f64,
    /// Seed of selection and order.
    pub seed: u64,
}

impl Settings {
    /// Highest share of general conversation.
    pub const GENERAL_SHARE_MAX: f64 = 0.9;

    /// The settings with every share brought into its range; what is no number becomes 0.
    #[must_use]
    pub fn clamped(&self) -> Self {
        let clamp = |share: f64, max: f64| {
            if share.is_nan() { 0.0 } else { share.clamp(0.0, max) }
        };
        Self {
            general_share: clamp(self.general_share, Self::GENERAL_SHARE_MAX),
            validation_share: clamp(self.validation_share, 1.0),
            test_share: clamp(self.test_share, 1.0),
            ..self.clone()
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            general_share: 0.15,
            general_languages: vec![Language::Korean, Language::English],
            validation_share: 0.08,
            test_share: 0.12,
            seed: 1,
        }
    }
}
