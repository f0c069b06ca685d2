//! Scaled rotary embedding: for texts longer than a model was first trained on, angles are divided.

use serde::Deserialize;

use crate::failure::{Failure, Result};

/// Settings of rotary embedding, under the names `config.json` has for them.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Settings {
    #[serde(rename = "rope_type")]
    pub(super) kind: Option<String>,
    /// What older files call `rope_type`; some have both.
    #[serde(rename = "type")]
    pub(super) older_kind: Option<String>,
    #[serde(rename = "rope_theta")]
    pub(super) base: Option<f64>,
    pub(super) factor: Option<f64>,
    pub(super) low_freq_factor: Option<f64>,
    pub(super) high_freq_factor: Option<f64>,
    pub(super) original_max_position_embeddings: Option<f64>,
    pub(super) attention_factor: Option<f64>,
    pub(super) beta_fast: Option<f64>,
    pub(super) beta_slow: Option<f64>,
    pub(super) mscale: Option<f64>,
    pub(super) mscale_all_dim: Option<f64>,
    pub(super) truncate: Option<bool>,
}

/// What scaling comes to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Scaling {
    /// Divisors of the angles, `[head_dim / 2]`.
    pub(super) factors: Option<Vec<f32>>,
    /// What products of query and key are multiplied by besides.
    pub(super) scores: Option<f32>,
}

impl Settings {
    /// Divisors for heads of `head_dim`, whose base is `base`, of a model with a context of
    /// `context_length` tokens.
    ///
    /// The formulas are those of transformers' `modeling_rope_utils.py`.
    ///
    /// # Errors
    /// Names the setting that is missing, or the kind that is not supported.
    pub(super) fn scaling(
        &self,
        base: f64,
        head_dim: usize,
        context_length: usize,
    ) -> Result<Scaling> {
        let kind = self.kind.as_deref().or(self.older_kind.as_deref()).unwrap_or("default");
        let need = |value: Option<f64>, key: &str| {
            value.filter(|value| value.is_finite() && *value > 0.0).ok_or_else(|| {
                Failure::user(format!(
                    "\"{key}\" of rotary scaling \"{kind}\" is missing or not positive"
                ))
            })
        };
        let half = head_dim / 2;
        match kind {
            "default" | "none" => Ok(Scaling::default()),
            "linear" => {
                let factor = need(self.factor, "factor")?;
                let factors = (factor != 1.0).then(|| vec![factor as f32; half]);
                Ok(Scaling { factors, scores: None })
            }
            "llama3" => {
                // Wavelengths up to L / high stay, those from L / low on are divided.
                let factor = need(self.factor, "factor")?;
                let low = need(self.low_freq_factor, "low_freq_factor")?;
                let high = need(self.high_freq_factor, "high_freq_factor")?;
                let length = need(
                    self.original_max_position_embeddings,
                    "original_max_position_embeddings",
                )?;
                let share = |pair: usize| {
                    let exponent = 2.0 * pair as f64 / head_dim as f64;
                    let wavelength = std::f64::consts::TAU * base.powf(exponent);
                    ((length / wavelength - low) / (high - low)).clamp(0.0, 1.0)
                };
                Ok(Scaling { factors: Some(divisors(factor, half, share)), scores: None })
            }
            "yarn" => self.yarn(base, head_dim, context_length),
            other => Err(Failure::user(format!("rotary scaling \"{other}\" is not supported"))
                .hint("Supported: default, linear, llama3, yarn. Scaling only serves texts longer than the model's own context; remove \"rope_scaling\" to train within it.")),
        }
    }

    /// YaRN (Peng et al. 2023, arXiv 2309.00071): pairs that turn more than `beta_fast` times within
    /// the first context stay, those that turn less than `beta_slow` times are divided, between them
    /// is a ramp. Cosines and sines are multiplied by a factor; both of a product have it.
    fn yarn(&self, base: f64, head_dim: usize, context_length: usize) -> Result<Scaling> {
        let length = self.original_max_position_embeddings.unwrap_or(context_length as f64);
        let factor = self.factor.unwrap_or(context_length as f64 / length);
        let (fast, slow) = (self.beta_fast.unwrap_or(32.0), self.beta_slow.unwrap_or(1.0));
        if ![length, factor, fast, slow].iter().all(|x| x.is_finite() && *x > 0.0) {
            return Err(Failure::user("a setting of rotary scaling \"yarn\" is not positive"));
        }
        let dim = head_dim as f64;
        let pair_of =
            |turns: f64| dim * (length / (turns * std::f64::consts::TAU)).ln() / (2.0 * base.ln());
        let (mut low, mut high) = (pair_of(fast), pair_of(slow));
        if self.truncate != Some(false) {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, mut high) = (low.max(0.0), high.min(dim - 1.0));
        if low == high {
            high += 0.001;
        }
        let share = |pair: usize| 1.0 - ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
        let magnitude = |by: f64| if factor > 1.0 { 0.1 * by * factor.ln() + 1.0 } else { 1.0 };
        let both = self.mscale.zip(self.mscale_all_dim).filter(|(a, b)| *a != 0.0 && *b != 0.0);
        let attention = self.attention_factor.unwrap_or_else(|| match both {
            Some((one, all)) => magnitude(one) / magnitude(all),
            None => magnitude(1.0),
        });
        Ok(Scaling {
            factors: Some(divisors(factor, head_dim / 2, share)),
            scores: Some((attention * attention) as f32),
        })
    }
}

/// Divisors of `pairs` angles: `share` of a frequency stays as it is, the rest is divided by `factor`.
fn divisors(factor: f64, pairs: usize, share: impl Fn(usize) -> f64) -> Vec<f32> {
    let divisor = |share: f64| (1.0 / ((1.0 - share) / factor + share)) as f32;
    (0..pairs).map(|pair| divisor(share(pair))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scaling(settings: serde_json::Value, base: f64, dim: usize, context: usize) -> Scaling {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        settings.scaling(base, dim, context).unwrap()
    }

    /// The values are those transformers computes for Llama 3.2 1B.
    #[test]
    fn llama3_scaling_gives_the_divisors_of_transformers() {
        let rope = json!({"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
                          "high_freq_factor": 4.0, "original_max_position_embeddings": 8192});
        let factors = scaling(rope, 500_000.0, 64, 131_072).factors.unwrap();
        assert_eq!(factors.len(), 32);
        assert_eq!(factors[0], 1.0);
        assert_eq!(factors[31], 32.0);
        assert!(factors.windows(2).all(|pair| pair[0] <= pair[1]));
        // Wavelength 2 pi 500000^(30/64) = 2948.6, share (8192 / 2948.6 - 1) / 3 = 0.5928.
        assert!((factors[15] - 1.6513).abs() < 1e-3, "{}", factors[15]);
    }

    /// As Qwen's cards have it: four times 32,768 tokens.
    #[test]
    fn yarn_divides_slow_pairs_and_scales_scores() {
        let rope = json!({"rope_type": "yarn", "factor": 4.0,
                          "original_max_position_embeddings": 32_768});
        let yarn = scaling(rope, 1_000_000.0, 128, 131_072);
        let factors = yarn.factors.unwrap();
        // Turns of pair i: 32768 / (2 pi 1e6^(i / 64)); 32 of them at 23.6, one at 39.7.
        assert!(factors[..=23].iter().all(|factor| *factor == 1.0));
        assert!(factors[40..].iter().all(|factor| *factor == 4.0));
        // Half of the ramp from 23 to 40 is at 31.5: 17 steps, of which 8 at 31.
        let share = 1.0 - 8.0 / 17.0;
        let want = 1.0 / ((1.0 - share) / 4.0 + share);
        assert!((f64::from(factors[31]) - want).abs() < 1e-6);
        // (0.1 ln 4 + 1)^2
        assert!((yarn.scores.unwrap() - 1.296_477).abs() < 1e-5, "{:?}", yarn.scores);
        let told = json!({"type": "yarn", "factor": 4.0, "attention_factor": 1.0});
        assert_eq!(scaling(told, 1e6, 128, 32_768).scores, Some(1.0));
    }

    #[test]
    fn what_is_not_supported_is_named_with_what_is() {
        for kind in ["dynamic", "longrope"] {
            let settings = Settings { kind: Some(kind.to_owned()), ..Settings::default() };
            let failure = settings.scaling(1e4, 64, 2048).unwrap_err();
            assert!(failure.message.contains(kind), "{failure}");
            assert!(failure.hints[0].contains("default, linear, llama3, yarn"));
        }
        let linear = json!({"type": "linear", "factor": 1.0});
        assert_eq!(scaling(linear, 1e4, 64, 2048), Scaling::default());
    }
}
