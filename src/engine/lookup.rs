//! Guesses of what comes next in a sequence, from what came before in it: an answer that quotes its prompt, or repeats
//! itself, goes on as it did there. A decoder that reads some guesses beside the last token finds out which were right
//! in the time of little more than one token (prompt lookup decoding, a kind of speculative decoding: Leviathan,
//! Kalman and Matias 2023, <https://arxiv.org/abs/2211.17192>).

use std::collections::HashMap;

/// Tokens that must be the same for what follows them to be a guess.
const RUN: usize = 3;

/// What another token in a step takes, of what a step with one takes.
const COST: f32 = 0.25;

/// How much one more guess, right or wrong, counts in the share of right ones.
const NEWS: f32 = 1.0 / 16.0;

/// A sequence, and where in it the next token may already be.
#[derive(Debug)]
pub(super) struct Lookup {
    ids: Vec<u32>,
    /// Where the last runs of these tokens are followed by something.
    followed: HashMap<[u32; RUN], usize>,
    /// Place of the guess of the next token.
    at: Option<usize>,
    /// Whether the token before was guessed right.
    goes_on: bool,
    /// Share of guesses that were right, where the one before was not, and where it was.
    right: [f32; 2],
}

impl Lookup {
    /// Of a sequence that begins with `prompt`.
    pub(super) fn new(prompt: &[u32]) -> Self {
        let mut lookup = Self {
            ids: Vec::with_capacity(prompt.len()),
            followed: HashMap::new(),
            at: None,
            goes_on: false,
            right: [0.5, 0.8],
        };
        for id in prompt {
            lookup.append(*id);
        }
        lookup.find();
        lookup
    }

    /// The next token, as it turned out.
    pub(super) fn push(&mut self, id: u32) {
        let guess = self.at.map(|at| self.ids[at]);
        let is_right = guess == Some(id);
        if guess.is_some() {
            let right = &mut self.right[usize::from(self.goes_on)];
            *right += NEWS * (f32::from(u8::from(is_right)) - *right);
        }
        self.append(id);
        self.goes_on = is_right;
        match self.at {
            Some(at) if is_right => self.at = Some(at + 1),
            _ => self.find(),
        }
    }

    /// What may come next: as many tokens, `most` at most, as are worth reading by what became of guesses so far.
    pub(super) fn guesses(&self, most: usize) -> impl Iterator<Item = u32> {
        let first = self.right[usize::from(self.goes_on)];
        let count = if self.at.is_some() { worth(first, self.right[1], most) } else { 0 };
        // Beyond the end the guesses themselves are repeated.
        let known = self.at.map_or(&[][..], |at| &self.ids[at..]);
        known.iter().cycle().copied().take(count)
    }

    fn append(&mut self, id: u32) {
        if let Some(run) = self.ids.last_chunk::<RUN>() {
            self.followed.insert(*run, self.ids.len());
        }
        self.ids.push(id);
    }

    fn find(&mut self) {
        self.at = self.ids.last_chunk::<RUN>().and_then(|run| self.followed.get(run)).copied();
    }
}

/// How many guesses give the most tokens for the time, if the first is right with a chance of `first` and each after a
/// right one with one of `next`.
fn worth(first: f32, next: f32, most: usize) -> usize {
    let (mut best, mut count) = (1.0, 0);
    let (mut tokens, mut chance, mut time) = (1.0, first, 1.0);
    for guesses in 1..=most {
        tokens += chance;
        time += COST;
        chance *= next;
        if tokens / time > best {
            (best, count) = (tokens / time, guesses);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guesses(lookup: &Lookup, most: usize) -> Vec<u32> {
        lookup.guesses(most).collect()
    }

    #[test]
    fn what_followed_the_same_tokens_is_guessed() {
        let mut lookup = Lookup::new(&[1, 2, 3, 4, 5, 6, 7, 9, 1, 2, 3]);
        assert_eq!(guesses(&lookup, 1), [4]);
        assert!(guesses(&lookup, 8).len() < 8);
        lookup.push(4);
        lookup.push(5);
        assert_eq!(guesses(&lookup, 2), [6, 7]);
        // Another one: nothing followed these.
        lookup.push(8);
        assert_eq!(guesses(&lookup, 8), [0; 0]);
        // The place after a run that came twice is the later one.
        for id in [1, 2, 3] {
            lookup.push(id);
        }
        assert_eq!(guesses(&lookup, 2), [4, 5]);
        assert_eq!(guesses(&Lookup::new(&[1, 2]), 8), [0; 0]);
        assert_eq!(guesses(&Lookup::new(&[]), 8), [0; 0]);
    }

    #[test]
    fn what_goes_round_in_circles_is_guessed_to_go_on() {
        let mut lookup = Lookup::new(&[5, 6]);
        for id in [7, 8].repeat(20) {
            lookup.push(id);
        }
        assert_eq!(guesses(&lookup, 5), [7, 8, 7, 8, 7]);
    }

    #[test]
    fn guesses_grow_where_they_are_right_and_end_where_they_are_not() {
        let text: Vec<u32> = (0..200).collect();
        let mut lookup = Lookup::new(&text);
        for id in 0..100 {
            lookup.push(id);
        }
        assert_eq!(guesses(&lookup, 7), [100, 101, 102, 103, 104, 105, 106]);
        // Each time the same three tokens, and then another one.
        for id in 0..100 {
            for id in [10, 11, 12, 1000 + id] {
                lookup.push(id);
            }
        }
        for id in [10, 11, 12] {
            lookup.push(id);
        }
        assert_eq!(guesses(&lookup, 7), [0; 0]);
    }

    #[test]
    fn as_many_are_read_as_are_worth_it() {
        assert_eq!(worth(0.2, 0.9, 8), 0);
        assert_eq!(worth(0.5, 0.0, 8), 1);
        assert_eq!(worth(1.0, 1.0, 8), 8);
        assert_eq!(worth(1.0, 1.0, 0), 0);
    }
}
