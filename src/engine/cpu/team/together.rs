//! Parallel iterators that a team goes through.

use std::cell::UnsafeCell;

use rayon::iter::plumbing::{Producer, ProducerCallback};
use rayon::prelude::*;

use super::{ROLE, Role, each};

/// Parallel iterators on the team that this thread leads, or else on the current pool.
pub(in crate::engine) trait Together: IndexedParallelIterator {
    /// Like `for_each`.
    fn together(self, run: impl Fn(Self::Item) + Send + Sync) {
        self.together_init(|| (), |(), item| run(item));
    }

    /// Like `for_each_init`.
    fn together_init<S>(
        self,
        init: impl Fn() -> S + Send + Sync,
        run: impl Fn(&mut S, Self::Item) + Send + Sync,
    ) {
        if matches!(ROLE.get(), Role::Free) {
            return self.for_each_init(init, run);
        }
        let len = self.len();
        self.with_producer(Pieces {
            len,
            run: |items: &mut dyn Iterator<Item = Self::Item>| {
                let mut state = init();
                items.for_each(|item| run(&mut state, item));
            },
        });
    }
}

impl<I: IndexedParallelIterator> Together for I {}

/// Pieces of an iterator for each thread, so that threads which are done find some left.
const PIECES: usize = 4;

/// Most pieces.
const MOST: usize = 256;

/// Runs an iterator in pieces.
struct Pieces<F> {
    len: usize,
    run: F,
}

impl<T, F: Fn(&mut dyn Iterator<Item = T>) + Sync> ProducerCallback<T> for Pieces<F> {
    type Output = ();

    fn callback<P: Producer<Item = T>>(self, producer: P) {
        let pieces = (PIECES * rayon::current_num_threads()).min(MOST);
        let size = self.len.div_ceil(pieces).min(producer.max_len()).max(producer.min_len());
        let size = size.max(self.len.div_ceil(MOST)).max(1);
        let count = self.len.div_ceil(size);
        let places = Places([const { UnsafeCell::new(None) }; MOST]);
        let mut rest = Some(producer);
        for (index, place) in places.0.iter().enumerate().take(count) {
            let Some(all) = rest.take() else { break };
            let piece = if index + 1 < count {
                let (piece, others) = all.split_at(size);
                rest = Some(others);
                piece
            } else {
                all
            };
            // SAFETY: no other thread knows of the places yet.
            #[expect(unsafe_code, reason = "places of their own")]
            unsafe {
                *place.get() = Some(piece);
            }
        }
        let places = &places;
        each(count, |index| {
            // SAFETY: each task runs once, and has its place alone.
            #[expect(unsafe_code, reason = "places of their own")]
            let piece = unsafe { (*places.0[index].get()).take() };
            if let Some(piece) = piece {
                (self.run)(&mut piece.into_iter());
            }
        });
    }
}

/// Pieces, each of which one task takes.
struct Places<P>([UnsafeCell<Option<P>>; MOST]);

// SAFETY: each place is one task's, and a piece may be sent to its thread.
#[expect(unsafe_code, reason = "places of their own")]
unsafe impl<P: Send> Sync for Places<P> {}

#[cfg(test)]
mod tests {
    use super::super::gather;
    use super::*;

    fn check(len: usize, run: impl Fn(&mut [usize]) + Sync) {
        let mut values = vec![0; len];
        run(&mut values);
        let wanted: Vec<usize> = (0..len).map(|i| 3 * i + 1).collect();
        assert_eq!(values, wanted);
    }

    #[test]
    fn every_item_is_gone_through_once_in_a_team_and_without() {
        for threads in [1, 2, 16] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            // More items than there are pieces at most, among them.
            for len in [0, 1, 7, 64, 1000] {
                let thrice: Vec<usize> = (0..len).map(|i| 3 * i).collect();
                let go = |values: &mut [usize]| {
                    values.par_iter_mut().zip(&thrice).together(|(value, thrice)| *value += thrice);
                    values.par_chunks_mut(3).with_max_len(1).together(|values| {
                        for value in values {
                            *value += 1;
                        }
                    });
                };
                pool.install(|| check(len, |values| gather(|| go(values))));
                pool.install(|| check(len, go));
            }
        }
    }

    #[test]
    fn each_piece_begins_with_a_state_of_its_own() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let mut counts = vec![0; 100];
        let count = |seen: &mut usize, count: &mut usize| {
            *seen += 1;
            *count = *seen;
        };
        pool.install(|| {
            gather(|| counts.par_iter_mut().with_min_len(30).together_init(|| 0, count));
        });
        let piece: Vec<usize> = (1..=30).collect();
        assert_eq!(counts, [&piece[..], &piece, &piece, &piece[..10]].concat());
    }
}
