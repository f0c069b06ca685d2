//! Inputs changed at random: a little of what a fuzzer does, in every run of the tests. Begins with the
//! corpus of the targets in `fuzz/`, which go on where this ends.

use std::path::Path;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// Changes of an input, at most.
const CHANGES: usize = 6;
/// Bytes that a change copies or removes, at most.
const PIECE: usize = 24;
/// Bytes that mean something to some reader.
const TELLING: &[u8] = b"\x00\x01\x7f\x80\xff\"'\\{}[](),:=<>\n #-+.eE0129nN";

/// Inputs made of the corpus of a fuzz target, the same ones every time.
pub(crate) struct Mutants {
    corpus: Vec<Vec<u8>>,
    random: ChaCha8Rng,
    left: usize,
}

impl Mutants {
    /// `count` inputs from the corpus of `target`; the environment variable `HONE_MUTANTS` asks for
    /// another number, for a longer search.
    pub fn of(target: &str, count: usize) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let corpus = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        let asked = std::env::var("HONE_MUTANTS").ok().and_then(|count| count.parse().ok());
        Self { corpus, random: ChaCha8Rng::seed_from_u64(7), left: asked.unwrap_or(count) }
    }

    fn place(&mut self, length: usize) -> usize {
        self.random.random_range(0..length.max(1))
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (length, kind) = (input.len(), self.random.random_range(0..7));
        let at = self.place(length + 1);
        let end = (at + 1 + self.place(PIECE)).min(length);
        match kind {
            0 if at < length => input[at] ^= 1 << self.random.random_range(0..8),
            1 if at < length => input[at] = TELLING[self.place(TELLING.len())],
            2 => input.insert(at, TELLING[self.place(TELLING.len())]),
            3 if at < end => drop(input.drain(at..end)),
            4 if at < end => {
                let piece = input[at..end].to_vec();
                let to = self.place(length + 1);
                input.splice(to..to, piece);
            }
            5 => {
                let other = self.place(self.corpus.len());
                let from = self.place(self.corpus[other].len());
                let piece: Vec<u8> =
                    self.corpus[other].iter().skip(from).take(PIECE).copied().collect();
                input.splice(at..at, piece);
            }
            _ => input.truncate(at),
        }
    }
}

impl Iterator for Mutants {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.left = self.left.checked_sub(1)?;
        let seed = self.place(self.corpus.len());
        let mut input = self.corpus[seed].clone();
        for _ in 0..self.random.random_range(0..=CHANGES) {
            self.change(&mut input);
        }
        Some(input)
    }
}
