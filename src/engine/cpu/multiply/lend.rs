//! Buffers that products borrow and give back.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use super::super::aligned::Scratch;
use super::super::team::lock;

/// Buffers that nobody uses, each with the thread of the pool that used it last.
type Free = Mutex<Vec<(Option<usize>, Scratch)>>;

static ROWS: Free = Mutex::new(Vec::new());
static PANELS: Free = Mutex::new(Vec::new());

/// A buffer that nobody else uses, until it is dropped.
#[derive(Debug)]
pub(super) struct Lent {
    scratch: Scratch,
    from: &'static Free,
}

impl Lent {
    /// One for the rows of a product.
    pub(super) fn rows() -> Self {
        Self::of(&ROWS)
    }

    /// One for panels that a task lays out: if there is one, what this thread used last, which is still in its cache.
    pub(super) fn panels() -> Self {
        Self::of(&PANELS)
    }

    fn of(from: &'static Free) -> Self {
        let thread = rayon::current_thread_index();
        let mut free = lock(from);
        let own = free.iter().rposition(|(last, _)| *last == thread);
        let scratch = match own {
            Some(at) => free.swap_remove(at).1,
            None => free.pop().map(|(_, scratch)| scratch).unwrap_or_default(),
        };
        Self { scratch, from }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let scratch = std::mem::take(&mut self.scratch);
        lock(self.from).push((rayon::current_thread_index(), scratch));
    }
}

impl Deref for Lent {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}
