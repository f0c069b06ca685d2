//! Which rows stand in one optimizer step, where some of them belong together.

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

/// All rows in the order of the steps, each of `batch_rows` rows but the last: groups are spread
/// evenly over the steps and kept whole where they fit, and `alone` fills up what is left.
pub(super) fn in_steps(
    mut groups: Vec<Vec<usize>>,
    alone: Vec<usize>,
    batch_rows: usize,
    random: &mut ChaCha8Rng,
) -> Vec<usize> {
    let rows = groups.iter().map(Vec::len).sum::<usize>() + alone.len();
    let room = |step: usize| batch_rows.min(rows - step * batch_rows);
    let mut steps: Vec<Vec<usize>> = vec![Vec::new(); rows.div_ceil(batch_rows)];
    groups.shuffle(random);
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    // Equal steps would otherwise be filled in their order, and with them the end of the epoch be
    // made of small groups.
    let mut places: Vec<usize> = (0..steps.len()).collect();
    places.shuffle(random);
    for group in groups {
        let fits = |step: &&usize| steps[**step].len() + group.len() <= room(**step);
        if let Some(step) = places.iter().filter(fits).min_by_key(|step| steps[**step].len()) {
            steps[*step].extend(group);
        } else {
            let mut left = group.into_iter();
            for step in &places {
                let free = room(*step) - steps[*step].len();
                steps[*step].extend(left.by_ref().take(free));
            }
        }
    }
    let mut alone = alone.into_iter();
    for (step, members) in steps.iter_mut().enumerate() {
        let free = room(step) - members.len();
        members.extend(alone.by_ref().take(free));
    }
    steps.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn groups_stay_whole_and_steps_are_alike() {
        // 20 groups of 4 and 40 rows alone: each of 15 steps takes a group or two.
        let groups: Vec<Vec<usize>> = (0..20).map(|g| (g * 4..g * 4 + 4).collect()).collect();
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let order = in_steps(groups, (80..120).collect(), 8, &mut random);
        for step in order.chunks(8) {
            let grouped: Vec<usize> =
                step.iter().filter(|row| **row < 80).map(|row| row / 4).collect();
            assert!(matches!(grouped.len(), 4 | 8), "{step:?}");
            assert!(grouped.chunks(4).all(|four| four.iter().all(|g| *g == four[0])), "{step:?}");
        }
    }

    proptest! {
        #[test]
        fn every_row_stands_once(
            sizes in prop::collection::vec(1..9usize, 0..12),
            alone in 0..30usize,
            batch in 1..9usize,
            seed in 0..9u64,
        ) {
            let mut next = 0;
            let groups: Vec<Vec<usize>> = sizes
                .iter()
                .map(|size| {
                    next += size;
                    (next - size..next).collect()
                })
                .collect();
            let rows = next + alone;
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut order = in_steps(groups, (next..rows).collect(), batch, &mut random);
            order.sort_unstable();
            prop_assert_eq!(order, (0..rows).collect::<Vec<_>>());
        }
    }
}
