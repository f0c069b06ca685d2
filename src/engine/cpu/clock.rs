//! Times for measurements in tests.

use std::time::Instant;

/// Seconds of the shortest of so many runs, after one that is not counted.
pub(in crate::engine) fn best(runs: usize, run: &mut dyn FnMut()) -> f64 {
    run();
    let once = |run: &mut dyn FnMut()| {
        let started = Instant::now();
        run();
        started.elapsed().as_secs_f64()
    };
    (0..runs).map(|_| once(run)).fold(f64::INFINITY, f64::min)
}
