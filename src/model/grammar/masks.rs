//! Masks of tokens, by state, kept once they are found.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::frame::{DONE, StackId, Stacks};
use super::schema::Grammar;
use super::vocabulary::Vocabulary;

/// Masks that are kept; beyond, all are dropped and found anew.
const MASKS_MAX: usize = 1024;

/// States, of a KiB each, from which on [`Masks::is_full`].
const STATES_MAX: usize = 1 << 15;

/// Where in the grammar a reply is. Belongs to the [`Masks`] that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State(u32);

/// What no byte leads to.
const DEAD: u32 = u32::MAX;
/// What is not known yet.
const UNKNOWN: u32 = u32::MAX - 1;

/// The automaton of one grammar over one vocabulary. Replies that are made side by side may share it.
#[derive(Debug)]
pub struct Masks {
    grammar: Grammar,
    vocabulary: Arc<Vocabulary>,
    stacks: Stacks,
    /// Stacks of each state, sorted.
    states: Vec<Box<[StackId]>>,
    numbers: HashMap<Box<[StackId]>, u32>,
    /// For each state and byte the next state.
    next: Vec<[u32; 256]>,
    kept: HashMap<u32, Rc<[u64]>>,
    found: Vec<StackId>,
}

impl Masks {
    /// Joins a grammar and a vocabulary.
    pub fn new(mut grammar: Grammar, vocabulary: Arc<Vocabulary>) -> Self {
        grammar.escape(&vocabulary.single);
        Self {
            grammar,
            vocabulary,
            stacks: Stacks::default(),
            states: Vec::new(),
            numbers: HashMap::new(),
            next: Vec::new(),
            kept: HashMap::new(),
            found: Vec::new(),
        }
    }

    /// The state of a reply of which nothing is said yet.
    pub fn start(&mut self) -> State {
        self.found.clear();
        self.stacks.start(&self.grammar, &mut self.found);
        State(self.number())
    }

    /// Whether the states are so many that a new [`Masks`] should be made for the next replies.
    pub fn is_full(&self) -> bool {
        self.states.len() > STATES_MAX
    }

    /// Whether the reply may end here.
    pub fn may_end(&self, state: State) -> bool {
        self.states.get(state.0 as usize).is_some_and(|stacks| stacks.contains(&DONE))
    }

    /// A bit for each token that may come next, by id; those that end a reply among them where it may end.
    pub fn allowed(&mut self, state: State) -> Rc<[u64]> {
        if let Some(mask) = self.kept.get(&state.0) {
            return Rc::clone(mask);
        }
        let mask: Rc<[u64]> = self.walk(state.0).into();
        if self.kept.len() >= MASKS_MAX {
            self.kept.clear();
        }
        self.kept.insert(state.0, Rc::clone(&mask));
        mask
    }

    /// The state behind a token; none where it may not come, or ends the reply.
    pub fn take(&mut self, state: State, id: u32) -> Option<State> {
        let vocabulary = Arc::clone(&self.vocabulary);
        let bytes = vocabulary.bytes(id);
        if bytes.is_empty() {
            return None;
        }
        self.take_bytes(state, bytes)
    }

    /// The state behind some bytes; none where they may not come.
    pub fn take_bytes(&mut self, state: State, bytes: &[u8]) -> Option<State> {
        let end = bytes.iter().try_fold(state.0, |state, byte| {
            Some(self.step(state, *byte)).filter(|next| *next != DEAD)
        })?;
        Some(State(end))
    }

    fn step(&mut self, state: u32, byte: u8) -> u32 {
        let known = self.next[state as usize][usize::from(byte)];
        if known == UNKNOWN { self.explore(state, byte) } else { known }
    }

    #[cold]
    fn explore(&mut self, state: u32, byte: u8) -> u32 {
        self.found.clear();
        for stack in &self.states[state as usize] {
            self.stacks.step(&self.grammar, *stack, byte, &mut self.found);
        }
        let next = if self.found.is_empty() { DEAD } else { self.number() };
        self.next[state as usize][usize::from(byte)] = next;
        next
    }

    /// The number of the state of the stacks that were found.
    fn number(&mut self) -> u32 {
        self.found.sort_unstable();
        self.found.dedup();
        if let Some(number) = self.numbers.get(self.found.as_slice()) {
            return *number;
        }
        let number = self.states.len() as u32;
        let stacks: Box<[StackId]> = self.found.as_slice().into();
        self.states.push(stacks.clone());
        self.numbers.insert(stacks, number);
        self.next.push([UNKNOWN; 256]);
        number
    }

    fn walk(&mut self, state: u32) -> Vec<u64> {
        let vocabulary = Arc::clone(&self.vocabulary);
        let mut mask = vec![0u64; vocabulary.size().div_ceil(64)];
        let mut set = |id: u32| mask[id as usize / 64] |= 1 << (id % 64);
        if self.may_end(State(state)) {
            vocabulary.ends.iter().for_each(|id| set(*id));
        }
        let nodes = &vocabulary.nodes;
        // The state before each byte of the path.
        let mut path = vec![state];
        let mut at = 0;
        while at + 1 < nodes.len() {
            let node = nodes[at];
            let depth = usize::from(node.depth);
            let next = self.step(path[depth], node.byte);
            if next == DEAD {
                at = node.end as usize;
                continue;
            }
            let tokens = node.first as usize..nodes[at + 1].first as usize;
            vocabulary.tokens[tokens].iter().for_each(|id| set(*id));
            path.truncate(depth + 1);
            path.push(next);
            at += 1;
        }
        mask
    }
}
