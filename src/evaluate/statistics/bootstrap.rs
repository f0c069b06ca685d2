//! Intervals by drawing anew.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Draws of an interval.
const DRAWS: usize = 4000;

/// 95 % percentile bootstrap interval of a weighted mean: `items` are (sum, weight), the mean is
/// the sum of the sums over the sum of the weights, items are drawn anew (Efron, Annals of Statistics
/// 7, 1979). Where the items are clusters (the differences of all cases of a page, and how many they
/// are), this is the cluster bootstrap of the difference. The same items give the same interval.
pub fn mean_interval(items: &[(f64, usize)]) -> (f64, f64) {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut means: Vec<f64> = (0..DRAWS)
        .filter_map(|_| {
            mean_of(items, (0..items.len()).map(|_| random.random_range(0..items.len())))
        })
        .collect();
    percentiles(&mut means)
}

/// The weighted mean of the items picked.
pub(super) fn mean_of(items: &[(f64, usize)], picks: impl Iterator<Item = usize>) -> Option<f64> {
    let (mut sum, mut weight) = (0.0, 0);
    for pick in picks {
        let (item, share) = items.get(pick)?;
        sum += item;
        weight += share;
    }
    (weight > 0).then(|| sum / weight as f64)
}

/// The 2.5th and 97.5th percentile, interpolated between neighbours; zeros if there is none.
pub(super) fn percentiles(means: &mut [f64]) -> (f64, f64) {
    means.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * means.len().saturating_sub(1) as f64;
        let low = means.get(place.floor() as usize).copied().unwrap_or(0.0);
        let high = means.get(place.ceil() as usize).copied().unwrap_or(low);
        low + (high - low) * place.fract()
    };
    (at(0.025), at(0.975))
}
