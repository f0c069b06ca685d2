//! How the layers of a step go through the device's memory: what each keeps for its backward pass, and where its input lies
//! until then.

/// What each layer keeps. Results do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Way {
    /// Layers, from the last one down, that keep all their backward pass needs.
    pub(super) kept: usize,
    /// Layers below those that keep it but for gate and up, two thirds of it, and compute these again. Those further down
    /// keep nothing and compute all of it again.
    pub(super) partly: usize,
    /// Layers, from the first one up, whose inputs lie in the machine's memory.
    pub(super) hosted: usize,
}

/// What a layer does in its backward pass before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Nothing,
    /// Gate and up, from what is kept before them.
    Gate,
    All,
}

/// Of computing a layer again, the part that keeping all but gate and up saves. This and the next two are fitted to eight
/// measurements of the shape of Qwen2.5-1.5B on an H100 (docs/benchmarks.md).
const PARTLY: f64 = 0.42;
/// Computing all layers again takes this share of the time of a step in which none is.
const AGAIN: f64 = 0.27;
/// What every micro-batch takes beside its tokens (weights to decode, a device that fills and empties) is as long as so many
/// tokens for each multiprocessor.
const TOKENS_BESIDE: f64 = 5.3;

impl Way {
    /// What a layer computes again.
    pub(super) fn again(self, layer: usize, layers: usize) -> Again {
        match layers - 1 - layer {
            from_last if from_last < self.kept => Again::Nothing,
            from_last if from_last < self.kept + self.partly => Again::Gate,
            _ => Again::All,
        }
    }

    /// Layers that are spared computing again.
    fn saved(self) -> f64 {
        self.kept as f64 + PARTLY * self.partly as f64
    }

    /// Time of a step that this and the size of its micro-batches take, as a share of the rest's.
    pub(super) fn cost(self, layers: usize, tokens: usize, multiprocessors: u32) -> f64 {
        let again = 1.0 - self.saved() / layers.max(1) as f64;
        AGAIN * again + TOKENS_BESIDE * f64::from(multiprocessors) / tokens.max(1) as f64
    }

    /// The quickest that fits, with as few inputs in the machine's memory as it can be had with; `most` layers keep
    /// something, and `hosted` inputs lie there, at the most. None where nothing fits.
    pub(super) fn quickest(
        layers: usize,
        (most, hosted): (usize, usize),
        fits: impl Fn(Self) -> bool,
    ) -> Option<Self> {
        // Two inputs stay: the others take their places by turns.
        let hosted = hosted.min(layers.saturating_sub(1));
        let most = most.min(layers);
        let with_kept = |kept: usize| {
            let mut ways = (0..=most - kept).rev().map(|partly| Self { kept, partly, hosted });
            ways.find(|way| fits(*way))
        };
        let ways = (0..=most).rev().filter_map(with_kept);
        let best = ways.reduce(|best, way| if way.saved() > best.saved() { way } else { best })?;
        (0..=hosted).map(|hosted| Self { hosted, ..best }).find(|way| fits(*way))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a model of ten layers whose slabs are 30, of which gate and up are 20, and whose inputs are 2.
    fn bytes(way: Way) -> usize {
        let shared = match way {
            Way { kept: 10, .. } => 0,
            Way { kept, partly, .. } if kept + partly == 10 => 20,
            _ => 30,
        };
        way.kept * 30 + way.partly * 10 + shared + (11 - way.hosted) * 2
    }

    fn quickest(limit: usize, most: usize, hosted: usize) -> Option<Way> {
        Way::quickest(10, (most, hosted), |way| bytes(way) <= limit)
    }

    #[test]
    fn inputs_go_to_the_machine_only_where_memory_is_short() {
        let way = |kept, partly, hosted| Some(Way { kept, partly, hosted });
        assert_eq!(quickest(322, 10, 10), way(10, 0, 0));
        // One byte less: the machine's memory makes up for it.
        assert_eq!(quickest(321, 10, 10), way(10, 0, 1));
        assert_eq!(quickest(321, 10, 0), way(8, 2, 0));
        // The least, with it and without.
        assert_eq!(quickest(34, 10, 10), way(0, 0, 9));
        assert_eq!((quickest(33, 10, 10), quickest(51, 10, 0)), (None, None));
        assert_eq!(quickest(52, 10, 0), way(0, 0, 0));
        // Nothing is kept beyond what is allowed.
        assert_eq!(quickest(322, 1, 10), way(1, 0, 0));
        assert_eq!(quickest(322, 0, 10), way(0, 0, 0));
    }

    #[test]
    fn more_memory_never_makes_a_step_slower() {
        let mut last = f64::INFINITY;
        for limit in 34..=340 {
            let way = quickest(limit, 10, 10).unwrap();
            assert!(bytes(way) <= limit && way.cost(10, 1000, 28) <= last, "{way:?} {limit}");
            // Fewer inputs there would not fit.
            assert!(way.hosted == 0 || bytes(Way { hosted: way.hosted - 1, ..way }) > limit);
            last = way.cost(10, 1000, 28);
        }
        // All parts of all layers are used on the way.
        let all = (34..=322).map(|limit| quickest(limit, 10, 10).unwrap().partly).max();
        assert_eq!(all, Some(10));
    }

    #[test]
    fn layers_compute_again_what_they_do_not_keep() {
        let way = Way { kept: 1, partly: 2, hosted: 0 };
        let again: Vec<Again> = (0..4).map(|layer| way.again(layer, 4)).collect();
        assert_eq!(again, [Again::All, Again::Gate, Again::Gate, Again::Nothing]);
    }
}
